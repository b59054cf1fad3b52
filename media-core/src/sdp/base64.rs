//! Base64 (RFC 4648 §4) of keys: written with or without padding, read either way.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The octets that `text` stands for; it is overwritten when they are dropped. Padding may be whole,
/// cut or absent, and surplus bits are not looked at.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
    let (digits, padding) = text.split_at_checked(digits)?;
    if padding.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    // The exact size, so that no grown-out-of buffer is left behind with a key in it.
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() * 3 / 4));
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = (bits << 6) | value(digit)?;
        }
        bits <<= 6 * (4 - group.len());
        let [_, all @ ..] = bits.to_be_bytes();
        octets.extend_from_slice(all.get(..group.len() - 1)?);
    }
    Some(octets)
}

/// Appends the text for `octets`.
pub(super) fn encode(octets: &[u8], padded: bool, out: &mut Vec<u8>) {
    for group in octets.chunks(3) {
        let mut all = [0; 4];
        for (to, from) in all[1..].iter_mut().zip(group) {
            *to = *from;
        }
        let bits = u32::from_be_bytes(all);
        for digit in 0..4 {
            if digit <= group.len() {
                let index = (bits >> (18 - 6 * digit)) & 63;
                out.push(ALPHABET[index as usize]);
            } else if padded {
                out.push(b'=');
            }
        }
    }
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn rfc4648_vectors() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            encode(octets.as_bytes(), true, &mut out);
            assert_eq!(out, text.as_bytes());
            let cut = text.trim_end_matches('=');
            for form in [text, cut] {
                assert_eq!(
                    decode(form.as_bytes()).unwrap().as_slice(),
                    octets.as_bytes()
                );
            }
        }
        for bad in ["A", "Zm9v=Zm9v", "Zm9v===", "Zm 9v", "Zm9-"] {
            assert!(decode(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(octets in vec(any::<u8>(), 0..70), padded: bool) {
            let mut text = Vec::new();
            encode(&octets, padded, &mut text);
            let decoded = decode(&text).unwrap();
            prop_assert_eq!(decoded.as_slice(), octets.as_slice());
        }
    }
}
