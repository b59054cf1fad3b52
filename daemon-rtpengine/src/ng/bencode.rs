//! Bencode, as NG uses it: unsorted and duplicate keys are legal, strings are binary-safe.
//!
//! Decoding borrows from the input. Depth, digits and lengths are bounded, so hostile input costs at
//! most its own size.

use std::borrow::Cow;

use super::value::Value;

/// Nesting beyond this is refused.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are not (yet) a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside the document; more bytes may complete it.
    #[error("document is incomplete")]
    Incomplete,
    /// No continuation makes it a document.
    #[error("not bencode at byte {0}")]
    Invalid(usize),
}

/// Decodes the document at the start of `input`; returns it and how many bytes it took.
///
/// # Errors
/// [`DecodeError::Incomplete`] if `input` is a proper prefix of a document.
pub fn decode(input: &[u8]) -> Result<(Value<'_>, usize), DecodeError> {
    let mut reader = Reader { input, at: 0 };
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

/// Appends the document to `out`. Keys are written in the order they stand.
pub fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Int(n) => {
            out.push(b'i');
            encode_number(*n, out);
            out.push(b'e');
        }
        Value::Bytes(bytes) => encode_bytes(bytes, out),
        Value::List(items) => {
            out.push(b'l');
            for item in items {
                encode(item, out);
            }
            out.push(b'e');
        }
        Value::Dict(pairs) => {
            out.push(b'd');
            for (key, value) in pairs {
                encode_bytes(key, out);
                encode(value, out);
            }
            out.push(b'e');
        }
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_number(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Decimal digits, without the string of its own that formatting would make.
fn encode_number(n: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Result<u8, DecodeError> {
        self.input
            .get(self.at)
            .copied()
            .ok_or(DecodeError::Incomplete)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Invalid(self.at));
        }
        match self.peek()? {
            b'i' => {
                self.at += 1;
                self.integer().map(Value::Int)
            }
            b'l' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.peek()? != b'e' {
                    items.push(self.value(depth + 1)?);
                }
                self.at += 1;
                Ok(Value::List(items))
            }
            b'd' => {
                self.at += 1;
                // A request's own keys; what is nested is small.
                let mut pairs = Vec::with_capacity(if depth == 0 { 16 } else { 4 });
                while self.peek()? != b'e' {
                    let key = self.bytes()?;
                    pairs.push((Cow::Borrowed(key), self.value(depth + 1)?));
                }
                self.at += 1;
                Ok(Value::Dict(pairs))
            }
            _ => self.bytes().map(|b| Value::Bytes(Cow::Borrowed(b))),
        }
    }

    fn integer(&mut self) -> Result<i64, DecodeError> {
        let start = self.at;
        let negative = self.peek()? == b'-';
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        let mut n: i64 = 0;
        loop {
            match self.peek()? {
                c @ b'0'..=b'9' => {
                    let digit = i64::from(c - b'0');
                    n = n
                        .checked_mul(10)
                        .and_then(|n| {
                            if negative {
                                n.checked_sub(digit)
                            } else {
                                n.checked_add(digit)
                            }
                        })
                        .ok_or(DecodeError::Invalid(start))?;
                    self.at += 1;
                }
                b'e' if self.at > digits => {
                    self.at += 1;
                    return Ok(n);
                }
                _ => return Err(DecodeError::Invalid(self.at)),
            }
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        let mut len: usize = 0;
        loop {
            match self.peek()? {
                c @ b'0'..=b'9' if self.at - start < 9 => {
                    len = len * 10 + usize::from(c - b'0');
                    self.at += 1;
                }
                b':' if self.at > start => break,
                _ => return Err(DecodeError::Invalid(self.at)),
            }
        }
        let from = self.at + 1;
        let bytes = self
            .input
            .get(from..from + len)
            .ok_or(DecodeError::Incomplete)?;
        self.at = from + len;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsorted_and_duplicate_keys_are_kept_in_order() {
        let doc = b"d1:bi1e1:ai2e1:bi3ee";
        let (value, used) = decode(doc).unwrap();
        assert_eq!(used, doc.len());
        let mut again = Vec::new();
        encode(&value, &mut again);
        assert_eq!(again, doc);
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let doc = b"d7:command4:ping5:flagsl1:a2:bbe1:ni-12ee";
        for n in 0..doc.len() {
            assert_eq!(
                decode(&doc[..n]).unwrap_err(),
                DecodeError::Incomplete,
                "{n}"
            );
        }
        assert!(decode(doc).is_ok());
    }

    #[test]
    fn every_integer_survives() {
        for n in [0, 1, -1, 9, 10, -10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            encode(&Value::Int(n), &mut out);
            assert_eq!(out, format!("i{n}e").into_bytes());
            assert_eq!(decode(&out).unwrap().0, Value::Int(n));
        }
    }

    #[test]
    fn nonsense_is_refused_where_it_starts() {
        assert_eq!(decode(b"dxe").unwrap_err(), DecodeError::Invalid(1));
        assert_eq!(decode(b"i--1e").unwrap_err(), DecodeError::Invalid(2));
        assert_eq!(
            decode(b"9999999999:a").unwrap_err(),
            DecodeError::Invalid(9)
        );
        let deep = vec![b'l'; 100_000];
        assert!(matches!(
            decode(&deep).unwrap_err(),
            DecodeError::Invalid(_)
        ));
    }
}
