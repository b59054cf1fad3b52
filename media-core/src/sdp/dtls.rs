//! `a=setup` (RFC 4145, RFC 5763) and `a=fingerprint` (RFC 8122).

use std::io::Write;

use super::text;

/// Who opens the DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The author: it is the client.
    Active,
    /// The other side: the author is the server.
    Passive,
    /// Either; the answer decides.
    ActPass,
    /// Nobody, for now.
    HoldConn,
}

impl Setup {
    /// Reads what follows `a=setup:`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let all = [
            Setup::Active,
            Setup::Passive,
            Setup::ActPass,
            Setup::HoldConn,
        ];
        let value = value.trim_ascii();
        all.into_iter()
            .find(|setup| setup.name().as_bytes().eq_ignore_ascii_case(value))
    }

    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        }
    }
}

/// A hash function of RFC 8122 §5; md2 and md5 are not taken (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// `sha-1`.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`: what everybody has.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The function of this name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|hash| hash.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Octets of a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The digest of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: HashFunction,
    /// Zero behind the digest.
    digest: [u8; 64],
}

impl Fingerprint {
    /// Most of one section that are read.
    pub const MAX_LINES: usize = 8;

    /// `None` if the digest is not one of that function.
    #[must_use]
    pub fn new(hash: HashFunction, digest: &[u8]) -> Option<Self> {
        let mut all = [0; 64];
        all.get_mut(..digest.len())?.copy_from_slice(digest);
        (digest.len() == hash.digest_len()).then_some(Self { hash, digest: all })
    }

    /// The hash function.
    #[must_use]
    pub const fn hash(&self) -> HashFunction {
        self.hash
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        self.digest
            .get(..self.hash.digest_len())
            .unwrap_or_default()
    }

    /// Reads what follows `a=fingerprint:`. `None`: another function, or not a digest of it.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut words = text::words(value);
        let hash = HashFunction::from_name(words.next()?)?;
        let (hex, None) = (words.next()?, words.next()) else {
            return None;
        };
        let mut digest = Vec::with_capacity(64);
        for pair in hex.split(|&b| b == b':').take(65) {
            let &[high, low] = pair else {
                return None;
            };
            digest.push(nibble(high)? << 4 | nibble(low)?);
        }
        Self::new(hash, &digest)
    }

    /// Appends what follows `a=fingerprint:`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.hash.name().as_bytes());
        for (at, octet) in self.digest().iter().enumerate() {
            let between = if at == 0 { ' ' } else { ':' };
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{between}{octet:02X}");
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
