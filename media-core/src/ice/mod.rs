//! Interactive Connectivity Establishment (RFC 8445), sans-IO: which address of the peer may be sent
//! media from which socket of ours.
//!
//! One [`Agent`] serves one component of one stream: one socket, or one per interface and family. A
//! stream whose RTCP is not multiplexed has two agents that share [`Credentials`] and tie-breaker
//! (`docs/decisions/008-ice-agents.md`).
//!
//! It refuses: to gather anything but host candidates, to use TCP, to resolve names, to answer
//! whoever does not know the password. A message that is not authenticated allocates nothing and
//! changes nothing but a counter.
//!
//! ```text
//! datagram ─▶ Agent::handle_stun: user, password, rate, addresses known ─▶ Full (`is`) or Lite
//!                                                                            │
//! poll_transmit ◀── checks and answers ──────────────────────────────────────┤
//! poll_event ◀── consent, failure, roles ◀── pair nominated, no pair left ───┘
//! ```

mod agent;
mod answers;
mod attributes;
mod budget;
mod candidate;
mod credentials;
mod full;
mod lite;
mod types;

pub use agent::Agent;
pub use attributes::{RemoteCandidates, has_option};
pub use candidate::{
    Candidate, CandidateAddress, CandidateError, CandidateType, Component, Transport, priority,
};
pub use credentials::{Credentials, CredentialsError, NoRandomness};
pub use types::{
    AgentConfig, CandidatePair, CandidateVerdict, Counters, Event, FailReason, LocalAddressError,
    Mode, Role, State, StunVerdict, Timing, Transmit,
};
