//! Certificate fingerprints (RFC 8122 §5): what an SDP says the peer's certificate is.

use std::fmt;

use aws_lc_rs::digest;

/// Longest fingerprint, bytes: that of SHA-512.
const MAX_LEN: usize = 64;

/// A hash function by its name in `a=fingerprint` (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashFunction {
    /// A name that we have no function for: md2, md5, or one that we do not know. Weakest of all:
    /// nothing matches it.
    Unsupported,
    /// `sha-1`; only trusted where the peer names no better one.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`: what everybody uses.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    /// Those that we can compute, weakest first.
    pub const SUPPORTED: [Self; 5] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The name in an SDP; [`HashFunction::Unsupported`] has an empty one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "",
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The function of this name, whatever its case; `None` if we do not have it.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::SUPPORTED
            .into_iter()
            .find(|function| function.name().as_bytes().eq_ignore_ascii_case(name))
    }

    fn algorithm(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Unsupported => None,
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha224 => Some(&digest::SHA224),
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha384 => Some(&digest::SHA384),
            Self::Sha512 => Some(&digest::SHA512),
        }
    }
}

/// Why text is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// Not pairs of hexadecimal digits with colons between them.
    #[error("fingerprint is not hexadecimal pairs with colons between")]
    NotHex,
    /// Not as long as the hash function's values are, or longer than any.
    #[error("fingerprint of {0} bytes is not as long as its hash function's values")]
    BadLength(usize),
}

/// The hash of a certificate, in DER, by a function that is named with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: HashFunction,
    value: [u8; MAX_LEN],
    len: u8,
}

impl Fingerprint {
    /// A fingerprint from raw bytes.
    ///
    /// # Errors
    /// [`FingerprintError::BadLength`].
    pub fn new(hash: HashFunction, value: &[u8]) -> Result<Self, FingerprintError> {
        let bad = FingerprintError::BadLength(value.len());
        if hash
            .algorithm()
            .is_some_and(|a| a.output_len() != value.len())
        {
            return Err(bad);
        }
        let mut padded = [0; MAX_LEN];
        padded
            .get_mut(..value.len())
            .ok_or(bad)?
            .copy_from_slice(value);
        Ok(Self {
            hash,
            value: padded,
            len: u8::try_from(value.len()).map_err(|_| bad)?,
        })
    }

    /// A fingerprint from the two words of `a=fingerprint`: `sha-256` and `AB:CD:…`, in any case. A hash
    /// function that we do not have is no error here: the handshake's end says so.
    ///
    /// # Errors
    /// See [`FingerprintError`].
    pub fn parse(hash: &[u8], value: &[u8]) -> Result<Self, FingerprintError> {
        let mut bytes = Vec::with_capacity(MAX_LEN);
        for pair in value.split(|&b| b == b':').take(MAX_LEN + 1) {
            let &[high, low] = pair else {
                return Err(FingerprintError::NotHex);
            };
            let digit = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                return Err(FingerprintError::NotHex);
            };
            bytes.push(high << 4 | low);
        }
        let hash = HashFunction::from_name(hash).unwrap_or(HashFunction::Unsupported);
        Self::new(hash, &bytes)
    }

    /// The fingerprint of a certificate in DER; `None` for [`HashFunction::Unsupported`].
    #[must_use]
    pub fn of(hash: HashFunction, certificate_der: &[u8]) -> Option<Self> {
        let value = digest::digest(hash.algorithm()?, certificate_der);
        Self::new(hash, value.as_ref()).ok()
    }

    /// The function.
    #[must_use]
    pub const fn hash(&self) -> HashFunction {
        self.hash
    }
    /// The function's value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.value.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// The value as in an SDP: `AB:CD:…`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.value().iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({} {self})", self.hash.name())
    }
}

/// What fingerprints say of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Matches,
    Mismatch,
    /// There is none whose function we have.
    Unsupported,
}

/// Checks a certificate against all fingerprints that a peer gave: of those with the strongest function
/// that we have, one must match (RFC 8122 §5).
pub(super) fn judge(expected: &[Fingerprint], certificate_der: &[u8]) -> Verdict {
    let strongest = expected.iter().map(Fingerprint::hash).max();
    let Some(actual) = strongest.and_then(|hash| Fingerprint::of(hash, certificate_der)) else {
        return Verdict::Unsupported;
    };
    if expected.contains(&actual) {
        Verdict::Matches
    } else {
        Verdict::Mismatch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_as_it_was_written() {
        for hash in HashFunction::SUPPORTED {
            let fingerprint = Fingerprint::of(hash, b"a certificate").unwrap();
            let text = fingerprint.to_string();
            let name = hash.name().to_ascii_uppercase();
            for value in [text.clone(), text.to_ascii_lowercase()] {
                let read = Fingerprint::parse(name.as_bytes(), value.as_bytes());
                assert_eq!(read, Ok(fingerprint), "{value}");
            }
        }
        let sha1 = Fingerprint::of(HashFunction::Sha1, b"abc").unwrap();
        assert_eq!(
            sha1.to_string(),
            "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D"
        );
    }

    #[test]
    fn malformed_text_is_refused() {
        for (value, error) in [
            ("", FingerprintError::NotHex),
            ("A9:99:", FingerprintError::NotHex),
            ("A9:9", FingerprintError::NotHex),
            ("A9-99", FingerprintError::NotHex),
            ("A9:G0", FingerprintError::NotHex),
            ("A9:99", FingerprintError::BadLength(2)),
        ] {
            let read = Fingerprint::parse(b"sha-1", value.as_bytes());
            assert_eq!(read, Err(error), "{value}");
        }
        let long = ["00"; 65].join(":");
        assert_eq!(
            Fingerprint::parse(b"whirlpool", long.as_bytes()),
            Err(FingerprintError::BadLength(65))
        );
    }

    #[test]
    fn only_the_strongest_function_counts_and_any_of_its_values() {
        let of = |hash, data| Fingerprint::of(hash, data).unwrap();
        let (good, bad) = (b"good".as_slice(), b"bad".as_slice());
        let sha1 = of(HashFunction::Sha1, good);
        let sha256 = of(HashFunction::Sha256, good);
        let other = of(HashFunction::Sha256, bad);
        let md5 = Fingerprint::parse(b"md5", b"00:11").unwrap();
        assert_eq!(judge(&[sha1], good), Verdict::Matches);
        assert_eq!(judge(&[sha1, other], good), Verdict::Mismatch);
        assert_eq!(judge(&[other, sha256], good), Verdict::Matches);
        assert_eq!(judge(&[md5, sha256], good), Verdict::Matches);
        assert_eq!(judge(&[md5], good), Verdict::Unsupported);
        assert_eq!(judge(&[], good), Verdict::Unsupported);
    }
}
