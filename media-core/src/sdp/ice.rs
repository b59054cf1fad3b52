//! ICE in descriptions (RFC 8839): credentials, candidates and options, as text says them.

use crate::ice::{Candidate, RemoteCandidates};

/// A user name fragment and its password (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`.
    pub ufrag: Box<str>,
    /// `a=ice-pwd`. Not shown by `Debug`.
    pub pwd: Box<str>,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag)
    }
}

/// What a section says about ICE, with what it inherits from the session level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceParams {
    /// `a=ice-ufrag`: without one there is no ICE.
    pub ufrag: Option<Box<str>>,
    /// `a=ice-pwd`.
    pub pwd: Option<Box<str>>,
    /// `a=ice-lite` of the session.
    pub lite: bool,
    /// `trickle` among the section's own `a=ice-options` (RFC 8840 §4.1.1).
    pub trickle: bool,
    /// `a=candidate`, those that can be read; at most [`IceParams::MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// `a=end-of-candidates` (RFC 8840 §4.2).
    pub end_of_candidates: bool,
    /// `a=remote-candidates` (RFC 8839 §5.2).
    pub remote_candidates: Option<RemoteCandidates>,
}

impl IceParams {
    /// Most candidates of one section that are read.
    pub const MAX_CANDIDATES: usize = 64;

    /// Both halves, if there are both.
    #[must_use]
    pub fn credentials(&self) -> Option<IceCredentials> {
        Some(IceCredentials {
            ufrag: self.ufrag.clone()?,
            pwd: self.pwd.clone()?,
        })
    }
}

/// A token that may stand in a line: what is not UTF-8 or longer than RFC 8839 §5.4 has it is none.
pub(super) fn token(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    (!text.is_empty() && text.len() <= 256).then(|| text.into())
}
