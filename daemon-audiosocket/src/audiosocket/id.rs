//! The UUID that names a call.

use std::fmt;
use std::str::FromStr;

/// A call's UUID, of any version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId([u8; 16]);

/// Not 32 hexadecimal digits, with or without the usual hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct CallIdError;

/// Digits in front of a hyphen.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

impl CallId {
    /// Of the 16 bytes of the wire.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the wire.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            if HYPHENS.contains(&(n * 2)) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = CallIdError;

    fn from_str(text: &str) -> Result<Self, CallIdError> {
        let hyphenated = text.len() == 36;
        if text.len() != 32 && !hyphenated {
            return Err(CallIdError);
        }
        let mut bytes = [0; 16];
        let mut digits = 0;
        for c in text.chars() {
            if hyphenated && c == '-' && HYPHENS.contains(&digits) {
                continue;
            }
            let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok());
            let byte = bytes.get_mut(digits / 2).ok_or(CallIdError)?;
            *byte = *byte << 4 | digit.ok_or(CallIdError)?;
            digits += 1;
        }
        if digits == 32 {
            Ok(Self(bytes))
        } else {
            Err(CallIdError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads() {
        let id = CallId::new(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        let text = id.to_string();
        assert_eq!(text, "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!("00112233445566778899AABBCCDDEEFF".parse(), Ok(id));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeefg",
            "001122334455-6677-8899-aabbccddeefff",
            "0011223-34455-6677-8899-aabbccddeeff",
            "--------------------------------",
            "0011223344556677-8899-aabb-ccddeeff0",
            "ä0112233-4455-6677-8899-aabbccddeef",
        ] {
            assert_eq!(text.parse::<CallId>(), Err(CallIdError), "{text}");
        }
    }
}
