//! Documents: which encoding a request has, and a reply in the same one.

use super::value::Value;
use super::{bencode, json};

/// How a document is written; its first byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Starts with `d`.
    #[default]
    Bencode,
    /// Starts with `{`.
    Json,
}

/// Why a datagram is no request. Display is the text that NG callers see; do not change a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing behind the cookie.
    #[error("Invalid data (no payload)")]
    Empty,
    /// Neither `d` nor `{`.
    #[error("Invalid NG data format")]
    Format,
    /// Broken bencode.
    #[error("Could not decode bencode dictionary")]
    Bencode,
    /// Broken JSON.
    #[error("Failed to parse JSON document")]
    Json,
}

impl Encoding {
    /// The encoding of a document, going by its first byte, and so of the reply to it.
    #[must_use]
    pub fn of(document: &[u8]) -> Encoding {
        match document.first() {
            Some(b'{') => Encoding::Json,
            _ => Encoding::Bencode,
        }
    }

    /// Decodes a document; what follows a bencoded one is ignored, as rtpengine does.
    ///
    /// The encoding is what the reply must use, also for an error.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn decode(document: &[u8]) -> (Encoding, Result<Value<'_>, DocumentError>) {
        match document.first() {
            None => (Encoding::Bencode, Err(DocumentError::Empty)),
            Some(b'd') => {
                let value = bencode::decode(document).map(|(value, _)| value);
                (Encoding::Bencode, value.map_err(|_| DocumentError::Bencode))
            }
            Some(b'{') => (
                Encoding::Json,
                json::decode(document).map_err(|_| DocumentError::Json),
            ),
            Some(_) => (Encoding::Bencode, Err(DocumentError::Format)),
        }
    }

    /// Appends `value` to `out`.
    pub fn encode(self, value: &Value<'_>, out: &mut Vec<u8>) {
        match self {
            Encoding::Bencode => bencode::encode(value, out),
            Encoding::Json => json::encode(value, out),
        }
    }
}

/// Splits a datagram into its cookie and its document, at the first space.
///
/// `None` if there is no space or nothing in front of it: rtpengine answers such a datagram not at
/// all. The document may be empty.
#[must_use]
pub fn split_cookie(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = datagram.iter().position(|&b| b == b' ')?;
    let (cookie, rest) = datagram.split_at(space);
    if cookie.is_empty() {
        return None;
    }
    Some((cookie, &rest[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(document: &[u8]) -> String {
        Encoding::decode(document).1.unwrap_err().to_string()
    }

    #[test]
    fn errors_are_worded_as_rtpengine_words_them() {
        assert_eq!(error_of(b""), "Invalid data (no payload)");
        assert_eq!(error_of(b"xyz"), "Invalid NG data format");
        assert_eq!(error_of(b"le"), "Invalid NG data format");
        assert_eq!(error_of(b"d3:foo"), "Could not decode bencode dictionary");
        assert_eq!(error_of(b"{\"command\":"), "Failed to parse JSON document");
        assert_eq!(error_of(b"{} x"), "Failed to parse JSON document");
    }

    #[test]
    fn text_behind_a_bencoded_document_is_ignored() {
        assert!(Encoding::decode(b"d7:command4:pingejunk").1.is_ok());
    }

    #[test]
    fn cookie_ends_at_the_first_space() {
        assert_eq!(split_cookie(b"a b c"), Some((&b"a"[..], &b"b c"[..])));
        assert_eq!(split_cookie(b"a "), Some((&b"a"[..], &b""[..])));
        assert_eq!(split_cookie(b"abc"), None);
        assert_eq!(split_cookie(b" abc"), None);
    }
}
