//! `a=crypto`: SDP security descriptions (RFC 4568).
//!
//! What is syntactically wrong, of a suite
//! that we do not know, or with a key of another length than the suite's, is refused as a whole.

use std::io::Write;

use super::keys::KeyParam;
use super::text;
use crate::srtp::{CryptoSuite, MasterKey};

/// One `a=crypto` line (RFC 4568 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoAttribute {
    /// Names the line within its section; the answer to it has the same.
    pub tag: u32,
    /// The suite.
    pub suite: CryptoSuite,
    /// The first, and most often only, master key.
    pub key: KeyParam,
    /// Further master keys (RFC 4568 §6.1), told apart by their identifiers: at most
    /// [`CryptoAttribute::MAX_KEYS`] with the first.
    pub more_keys: Vec<KeyParam>,
    /// Session parameters.
    pub session: SessionParams,
}

/// What follows the keys (RFC 4568 §6.3). Parameters that we do not know are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionParams {
    /// `UNENCRYPTED_SRTP`: RTP payloads are only authenticated.
    pub unencrypted_srtp: bool,
    /// `UNENCRYPTED_SRTCP`: RTCP packets are only authenticated.
    pub unencrypted_srtcp: bool,
    /// `UNAUTHENTICATED_SRTP`: RTP packets have no tag.
    pub unauthenticated_srtp: bool,
    /// `KDR`: session keys change every 2ⁿ packets.
    pub kdr: Option<u8>,
    /// `FEC_ORDER`.
    pub fec_order: Option<FecOrder>,
    /// `WSH`: least replay window, in packets.
    pub wsh: Option<u32>,
}

/// Which the sender does first (RFC 4568 §6.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FecOrder {
    /// `FEC_SRTP`: error correction, then protection.
    FecSrtp,
    /// `SRTP_FEC`: protection, then error correction.
    SrtpFec,
}

/// Why a line was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Fewer than tag, suite and key.
    #[error("crypto attribute has fewer than three fields")]
    Incomplete,
    /// Not a number of 32 bits.
    #[error("crypto tag is not a number")]
    Tag,
    /// Unknown suite.
    #[error("unknown crypto suite")]
    Suite,
    /// Not `inline:` and base64.
    #[error("key is not inline base64")]
    Key,
    /// The suite needs keys of another length.
    #[error("key and salt are {0} octets, not those of the suite")]
    KeyLength(usize),
    /// Not a count of packets, or more than 2⁴⁸.
    #[error("key lifetime is not a number of packets")]
    Lifetime,
    /// Not `value:length`, too long for us, or the value is longer.
    #[error("master key identifier is not value and length")]
    Mki,
    /// More keys than [`CryptoAttribute::MAX_KEYS`], or several without identifiers.
    #[error("too many keys, or keys without identifiers")]
    Keys,
}

impl CryptoAttribute {
    /// Most master keys of one line.
    pub const MAX_KEYS: usize = 4;
    /// Most lines of one section that are read.
    pub const MAX_LINES: usize = 32;

    /// A line with one key.
    #[must_use]
    pub fn new(tag: u32, key: MasterKey) -> Self {
        Self {
            tag,
            suite: key.suite(),
            key: KeyParam {
                key,
                lifetime: None,
                mki: None,
            },
            more_keys: Vec::new(),
            session: SessionParams {
                unencrypted_srtp: false,
                unencrypted_srtcp: false,
                unauthenticated_srtp: false,
                kdr: None,
                fec_order: None,
                wsh: None,
            },
        }
    }

    /// Reads what follows `a=crypto:`.
    ///
    /// # Errors
    /// See [`CryptoError`].
    pub fn parse(value: &[u8]) -> Result<Self, CryptoError> {
        let mut words = text::words(value);
        let (Some(tag), Some(suite), Some(keys)) = (words.next(), words.next(), words.next())
        else {
            return Err(CryptoError::Incomplete);
        };
        let tag = match text::leading_u32(tag) {
            Some((tag, [])) => tag,
            _ => return Err(CryptoError::Tag),
        };
        let suite = CryptoSuite::from_name(suite).ok_or(CryptoError::Suite)?;
        let mut params = keys.split(|&b| b == b';');
        let key = KeyParam::parse(params.next().unwrap_or_default(), suite)?;
        let mut more_keys = Vec::new();
        for param in params.filter(|param| !param.is_empty()) {
            if more_keys.len() + 1 == Self::MAX_KEYS {
                return Err(CryptoError::Keys);
            }
            more_keys.push(KeyParam::parse(param, suite)?);
        }
        // Which of several keys a packet is under shows its identifier alone (RFC 4568 §6.1).
        let named = key.mki.is_some() && more_keys.iter().all(|key| key.mki.is_some());
        if !more_keys.is_empty() && !named {
            return Err(CryptoError::Keys);
        }
        let mut session = SessionParams::default();
        for word in words {
            session.note(word);
        }
        Ok(Self {
            tag,
            suite,
            key,
            more_keys,
            session,
        })
    }

    /// Appends what follows `a=crypto:`; `padded`: base64 ends with its `=`.
    pub fn write(&self, padded: bool, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{} {} ", self.tag, self.suite.name());
        for (at, key) in std::iter::once(&self.key)
            .chain(&self.more_keys)
            .enumerate()
        {
            if at > 0 {
                out.push(b';');
            }
            key.write(padded, out);
        }
        self.session.write(out);
    }
}

impl SessionParams {
    /// The three that change how packets look, and nothing else.
    #[must_use]
    pub const fn only_protection(self) -> Self {
        Self {
            kdr: None,
            fec_order: None,
            wsh: None,
            ..self
        }
    }

    fn note(&mut self, word: &[u8]) {
        let (name, value) = text::split_once(word, b'=').unwrap_or((word, b""));
        match name {
            b"UNENCRYPTED_SRTP" => self.unencrypted_srtp = true,
            b"UNENCRYPTED_SRTCP" => self.unencrypted_srtcp = true,
            b"UNAUTHENTICATED_SRTP" => self.unauthenticated_srtp = true,
            b"KDR" => {
                let kdr = text::whole(value).and_then(|n| u8::try_from(n).ok());
                self.kdr = kdr.filter(|&kdr| kdr <= 24);
            }
            b"FEC_ORDER" => {
                self.fec_order = match value {
                    b"FEC_SRTP" => Some(FecOrder::FecSrtp),
                    b"SRTP_FEC" => Some(FecOrder::SrtpFec),
                    _ => None,
                }
            }
            b"WSH" => {
                let wsh = text::whole(value).and_then(|n| u32::try_from(n).ok());
                self.wsh = wsh.filter(|&wsh| wsh >= 64);
            }
            _ => {}
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        for (set, word) in [
            (self.unencrypted_srtp, " UNENCRYPTED_SRTP"),
            (self.unencrypted_srtcp, " UNENCRYPTED_SRTCP"),
            (self.unauthenticated_srtp, " UNAUTHENTICATED_SRTP"),
        ] {
            if set {
                out.extend_from_slice(word.as_bytes());
            }
        }
        // Writing to a Vec cannot fail.
        if let Some(kdr) = self.kdr {
            let _ = write!(out, " KDR={kdr}");
        }
        if let Some(order) = self.fec_order {
            let name = match order {
                FecOrder::FecSrtp => "FEC_SRTP",
                FecOrder::SrtpFec => "SRTP_FEC",
            };
            let _ = write!(out, " FEC_ORDER={name}");
        }
        if let Some(wsh) = self.wsh {
            let _ = write!(out, " WSH={wsh}");
        }
    }
}
