//! `a=setup` (RFC 4145, RFC 5763) and `a=fingerprint` (RFC 8122).

use std::io::Write;

use super::text;
use crate::dtls::{Fingerprint, HashFunction};

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

/// Reads what follows `a=fingerprint:`. `None`: a function that we do not have, or not a digest of it.
#[must_use]
pub fn read_fingerprint(value: &[u8]) -> Option<Fingerprint> {
    let mut words = text::words(value);
    let (hash, digest, None) = (words.next()?, words.next()?, words.next()) else {
        return None;
    };
    HashFunction::from_name(hash)?;
    Fingerprint::parse(hash, digest).ok()
}

/// Appends what follows `a=fingerprint:`.
pub fn write_fingerprint(fingerprint: &Fingerprint, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{} {fingerprint}", fingerprint.hash().name());
}
