//! What the control side says of a stream's protection and ICE.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::dtls::{Certificate, DtlsVersion, Fingerprint, Role};
use crate::ice::{Candidate, Component, Credentials, Mode};
use crate::srtp::SrtpParams;

/// How packets between us and a stream's party are protected.
#[derive(Clone, Debug, Default)]
pub enum Protection {
    /// They are not.
    #[default]
    None,
    /// By the parties themselves: STUN, DTLS and whatever else goes from one to the other as it is.
    PassThrough,
    /// By keys that are known (SDES, RFC 4568).
    Srtp(Arc<SrtpKeys>),
    /// By keys that a handshake gives (RFC 5764). Nothing passes until then.
    Dtls(Arc<Handshake>),
    /// They should be, and there are no keys (yet): nothing passes.
    Closed,
}

/// Keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Of what we send to the party.
    pub send: SrtpParams,
    /// Of what it sends.
    pub receive: SrtpParams,
}

/// What a DTLS association with a party is made of.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// Counts the associations of a stream: keys live on while it is the same (RFC 8842 §4).
    pub association: u32,
    /// Our role; `None`: the party may begin, or leave it to us, its answer will tell.
    pub role: Option<Role>,
    /// Ours: the one that the party was told the fingerprint of.
    pub certificate: Certificate,
    /// Of the party's certificate; empty: not known yet.
    pub fingerprints: Vec<Fingerprint>,
}

/// What a handshake has ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The version that the two sides have in common.
    pub version: DtlsVersion,
    /// Ours.
    pub role: Role,
    /// Of both directions, for the protection profile that was chosen.
    pub keys: SrtpKeys,
}

/// The ICE agent of a stream (RFC 8445).
#[derive(Clone, Debug)]
pub struct IceRoute {
    /// Counts sessions: another number means a restart (RFC 8445 §9).
    pub session: u32,
    /// Which of a section's streams it is.
    pub component: Component,
    /// Full or lite, and the role to begin with.
    pub mode: Mode,
    /// Ours.
    pub credentials: Credentials,
    /// Decides role conflicts.
    pub tie_breaker: u64,
    /// The address that the stream's socket is bound to.
    pub local: SocketAddr,
    /// The party's; `None`: not known yet.
    pub remote: Option<Credentials>,
    /// The party's, of this component or others.
    pub candidates: Vec<Candidate>,
    /// The party has no more.
    pub end_of_candidates: bool,
}
