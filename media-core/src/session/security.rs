//! What the parties have agreed on about protection and ICE: plain data for whoever makes it work.

use crate::dtls::Fingerprint;
use crate::ice::Candidate;
use crate::sdp::{CryptoAttribute, IceCredentials};

/// How packets between us and a party are protected, in one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// They are not.
    #[default]
    Plain,
    /// The two parties' own business (`ICE=optional` and the like): DTLS, STUN and whatever else goes
    /// from one to the other as it is.
    PassThrough,
    /// Keys are on their way: nothing can be sent or read yet.
    Pending,
    /// Keys came in the descriptions (RFC 4568).
    Sdes(Box<SdesKeys>),
    /// Keys come from a DTLS association (RFC 5764).
    Dtls(Box<DtlsSettings>),
    /// Keys were asked for and there are none: packets must not pass in either direction.
    Refused(SecurityFault),
}

/// Keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdesKeys {
    /// What we protect packets to the party with.
    pub send: CryptoAttribute,
    /// What the party protects its packets with.
    pub receive: CryptoAttribute,
}

/// What a DTLS association needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsSettings {
    /// Our part in it.
    pub role: DtlsRole,
    /// The party's certificate has one of these; empty: not known yet, so that no packet of it may be
    /// believed (RFC 5763 §5).
    pub fingerprints: Vec<Fingerprint>,
    /// Counts associations: another number than before means another one (RFC 8842 §4).
    pub association: u32,
}

/// Who begins the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We do.
    Client,
    /// The party does.
    Server,
    /// The party may, the answer will tell.
    Undecided,
}

/// Why nothing was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityFault {
    /// The party was to use SRTP and named neither key nor certificate.
    #[error("no keys and no certificate in the answer")]
    NoKeys,
    /// The party's key is for a suite or under a tag that it was not offered.
    #[error("the key in the answer is for nothing that was offered")]
    NoMatchingKey,
}

/// ICE between us and a party, in one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ice {
    /// None.
    #[default]
    Off,
    /// The two parties' own business; we only add a candidate.
    PassThrough,
    /// Ours.
    Agent(Box<IceSettings>),
}

/// What an ICE agent needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each with its own attribute"
)]
pub struct IceSettings {
    /// We nominate.
    pub controlling: bool,
    /// We are lite: we only answer checks (RFC 8445 §2.5).
    pub lite: bool,
    /// Ours.
    pub local: IceCredentials,
    /// The party's; `None`: not known yet.
    pub remote: Option<IceCredentials>,
    /// The party is lite.
    pub remote_lite: bool,
    /// The party may add candidates (RFC 8838).
    pub trickle: bool,
    /// The party's.
    pub candidates: Vec<Candidate>,
    /// The party has no more.
    pub end_of_candidates: bool,
    /// Counts sessions: another number than before means a restart (RFC 8445 §9).
    pub session: u32,
}

/// Are packets under the one the same as under the other? Then they pass from one side to the other
/// untouched.
#[must_use]
pub fn is_same_protection(a: &CryptoAttribute, b: &CryptoAttribute) -> bool {
    let single = a.more_keys.is_empty() && b.more_keys.is_empty();
    let same_key = a.key.key == b.key.key && a.key.mki == b.key.mki;
    single && a.suite == b.suite && same_key && a.session == b.session
}
