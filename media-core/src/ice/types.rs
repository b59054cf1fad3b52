//! What an agent is told and what it tells.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Component, Credentials};

/// Which side decides on the pair to use (RFC 8445 §6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates. The offerer, or who faces a lite agent.
    Controlling,
    /// Takes what is nominated.
    Controlled,
}

/// How much of ICE the agent does (RFC 8445 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Sends checks of its own.
    Full(Role),
    /// Answers checks and never sends one; always controlled. The peer must be a full agent.
    Lite,
}

/// The clocks of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From one check to the next, over all pairs: Ta (RFC 8445 §14.2). At least 5 ms.
    pub pacing: Duration,
    /// From a check to its first repetition; doubles from then on.
    pub initial_rto: Duration,
    /// From one check of a pair to the next at most; also the pace of keep-alives.
    pub max_rto: Duration,
    /// Unanswered checks after which a pair has failed.
    pub checks: usize,
    /// How long after the remote credentials a pair must be nominated, or else the agent has failed.
    pub checking: Duration,
    /// Silence of the peer after which its consent to be sent media has expired (RFC 7675 §5.1).
    pub consent: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pacing: Duration::from_millis(20),
            initial_rto: Duration::from_millis(250),
            max_rto: Duration::from_secs(3),
            checks: 9,
            checking: Duration::from_secs(30),
            consent: Duration::from_secs(30),
        }
    }
}

/// What an agent begins with.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Which socket of the stream it serves.
    pub component: Component,
    /// Full or lite, and the role.
    pub mode: Mode,
    /// Ours, shared by the components of a stream.
    pub credentials: Credentials,
    /// Decides role conflicts; random, and the same for all agents of a session (RFC 8445 §5.2).
    pub tie_breaker: u64,
    /// Its clocks.
    pub timing: Timing,
}

/// A local and a remote address between which datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CandidatePair {
    /// Address of our socket.
    pub local: SocketAddr,
    /// Address of the peer.
    pub remote: SocketAddr,
}

/// Why an agent has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FailReason {
    /// The peer named no usable candidate and did not show itself.
    #[error("the peer named no usable candidate and did not show itself")]
    NoCandidates,
    /// Nothing came from the peer.
    #[error("nothing came from the peer")]
    NoAnswers,
    /// All that came was signed with another password or named another user.
    #[error("the peer's messages have another password or name another user")]
    WrongCredentials,
    /// Messages came, but no pair works both ways and is nominated.
    #[error("no pair works both ways and is nominated")]
    NotNominated,
}

/// Where an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The peer's credentials are not known.
    New,
    /// No pair is nominated yet.
    Checking,
    /// Media may be sent on the nominated pair.
    Nominated,
    /// The peer's consent has expired: nothing may be sent. Heals when the peer is heard again.
    Disconnected,
    /// Checking has come to nothing. Heals as well, if the peer appears late.
    Failed(FailReason),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Checking has begun, anew after a restart or a failure.
    Checking,
    /// Media goes this way from now on. Comes again when the pair changes, and after a disconnection.
    Nominated(CandidatePair),
    /// Nothing may be sent any more (RFC 7675 §5.1).
    Disconnected,
    /// No pair was nominated in time.
    Failed(FailReason),
    /// A role conflict made us take this role (RFC 8445 §7.3.1.1).
    RoleChanged(Role),
    /// The peer sent an authenticated check from an address it had not signalled.
    PeerReflexive {
        /// That address.
        remote: SocketAddr,
    },
}

/// What became of a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StunVerdict {
    /// From the peer, and acted upon.
    Accepted,
    /// Names another user or is not signed with the right password. Changed nothing.
    Unauthenticated,
    /// No request and no answer to a check of ours, or not for a socket of this agent.
    NotOurs,
    /// Not a STUN message, or lacks what it must have.
    Malformed,
    /// From the peer, but more of it, or from more addresses, than an agent takes.
    Limited,
}

/// What became of a remote candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateVerdict {
    /// Will be checked.
    Added,
    /// Its address is known.
    Duplicate,
    /// Not UDP.
    NotUdp,
    /// A name, or an address that cannot be sent to.
    Unreachable,
    /// Of another component.
    OtherComponent,
    /// Of another generation: its `ufrag` is not that of the remote credentials.
    OtherGeneration,
    /// There are [`Agent::MAX_REMOTE`](super::Agent::MAX_REMOTE) already.
    TooMany,
}

/// Why a local address cannot be a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalAddressError {
    /// Unspecified, multicast, broadcast, IPv4 link-local, or without a port.
    #[error("{0} cannot be a host candidate")]
    Unusable(SocketAddr),
    /// There are [`Agent::MAX_LOCAL`](super::Agent::MAX_LOCAL) already.
    #[error("{0} is one local address too many")]
    TooMany(SocketAddr),
}

/// A message to send; its bytes are in the buffer given to
/// [`Agent::poll_transmit`](super::Agent::poll_transmit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which of our sockets, to whom.
    pub pair: CandidatePair,
    /// Bytes at the front of the buffer.
    pub len: usize,
}

/// What an agent has seen, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages [`StunVerdict::Accepted`].
    pub accepted: u64,
    /// Messages [`StunVerdict::Unauthenticated`].
    pub unauthenticated: u64,
    /// Messages [`StunVerdict::NotOurs`].
    pub not_ours: u64,
    /// Messages [`StunVerdict::Malformed`].
    pub malformed: u64,
    /// Messages [`StunVerdict::Limited`].
    pub limited: u64,
    /// Messages sent.
    pub sent: u64,
    /// Remote candidates of no use: names, TCP, other components and generations, too many.
    pub candidates_ignored: u64,
}

impl Counters {
    pub(super) fn count(&mut self, verdict: StunVerdict) {
        *match verdict {
            StunVerdict::Accepted => &mut self.accepted,
            StunVerdict::Unauthenticated => &mut self.unauthenticated,
            StunVerdict::NotOurs => &mut self.not_ours,
            StunVerdict::Malformed => &mut self.malformed,
            StunVerdict::Limited => &mut self.limited,
        } += 1;
    }
}
