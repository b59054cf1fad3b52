//! The agent of one component: its addresses, its clocks, what it tells.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::answers::Answers;
use super::budget::Budget;
use super::candidate::{Candidate, CandidateType, Component, Transport, priority};
use super::credentials::Credentials;
use super::full::Full;
use super::lite::Lite;
use super::types::{
    AgentConfig, CandidatePair, CandidateVerdict, Counters, Event, LocalAddressError, Mode, Role,
    State, Timing, Transmit,
};
use crate::wire::stun::IntegrityKey;

mod phase;
mod stun;

/// The ICE agent of one component of a stream. Sans-IO: after every `handle_…` and every change, take
/// what [`Agent::poll_transmit`] and [`Agent::poll_event`] have until they have no more, and call
/// [`Agent::handle_timeout`] when [`Agent::poll_timeout`] says.
///
/// `now` never goes backwards. `Debug` shows no secret.
#[derive(Debug)]
pub struct Agent {
    component: Component,
    timing: Timing,
    credentials: Credentials,
    key: IntegrityKey,
    remote: Option<Remote>,
    /// The generation that the nominated pair is of, while a later one has none.
    earlier: Option<Generation>,
    locals: Vec<Local>,
    remotes: Vec<RemoteAddress>,
    half: Half,
    answers: Answers,
    role: Role,
    state: State,
    /// Where media goes; stays through a restart.
    nominated: Option<CandidatePair>,
    /// What the half of this generation chose, consent or not.
    chosen: Option<CandidatePair>,
    /// In [`State::Checking`]: when it fails. In [`State::Nominated`]: when consent expires.
    deadline: Option<Instant>,
    ended: bool,
    budget: Budget,
    events: VecDeque<Event>,
    counters: Counters,
    /// Counters when the credentials of this generation came.
    before: Counters,
}

/// Its two halves never meet in one agent.
#[derive(Debug)]
enum Half {
    Full(Box<Full>),
    Lite(Lite),
}

/// What a check of an earlier generation is known by.
#[derive(Debug)]
struct Generation {
    local: Credentials,
    remote: Credentials,
}

struct Remote {
    credentials: Credentials,
    key: IntegrityKey,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.credentials.fmt(f)
    }
}

#[derive(Clone, Copy, Debug)]
struct Local {
    address: SocketAddr,
    priority: u32,
}

#[derive(Clone, Copy, Debug)]
struct RemoteAddress {
    address: SocketAddr,
    priority: u32,
    signalled: bool,
    /// The peer has sent a signed check from there.
    heard: bool,
}

impl Agent {
    /// The most local addresses.
    pub const MAX_LOCAL: usize = 16;
    /// The most candidates that a peer may signal, and again as many that it may show itself at.
    pub const MAX_REMOTE: usize = 32;
    /// The longest message that is ever sent, bytes.
    pub const MAX_MESSAGE: usize = 320;
    /// Undrained events beyond this are lost, the oldest first.
    const MAX_EVENTS: usize = 64;

    /// An agent without candidates.
    #[must_use]
    pub fn new(config: AgentConfig) -> Self {
        let AgentConfig {
            component,
            mode,
            credentials,
            tie_breaker,
            timing,
        } = config;
        let (half, role) = match mode {
            Mode::Lite => (Half::Lite(Lite::default()), Role::Controlled),
            Mode::Full(role) => {
                let full = Full::new(&credentials, role, tie_breaker, &timing);
                (Half::Full(Box::new(full)), role)
            }
        };
        Self {
            component,
            timing,
            key: credentials.key(),
            credentials,
            remote: None,
            earlier: None,
            locals: Vec::new(),
            remotes: Vec::new(),
            half,
            answers: Answers::default(),
            role,
            state: State::New,
            nominated: None,
            chosen: None,
            deadline: None,
            ended: false,
            budget: Budget::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            before: Counters::default(),
        }
    }

    /// Adds the address of one of our sockets. `local_pref` tells them apart: the higher the better.
    /// An address that is there already is left as it is.
    ///
    /// # Errors
    /// See [`LocalAddressError`].
    pub fn add_local(
        &mut self,
        address: SocketAddr,
        local_pref: u16,
    ) -> Result<(), LocalAddressError> {
        if self.is_local(address) {
            return Ok(());
        }
        if !is_sendable(address) {
            return Err(LocalAddressError::Unusable(address));
        }
        if self.locals.len() == Self::MAX_LOCAL {
            return Err(LocalAddressError::TooMany(address));
        }
        if let Half::Full(full) = &mut self.half
            && !full.add_local(address, local_pref)
        {
            return Err(LocalAddressError::Unusable(address));
        }
        let priority = priority(&CandidateType::Host, local_pref, self.component);
        self.locals.push(Local { address, priority });
        Ok(())
    }

    fn is_local(&self, address: SocketAddr) -> bool {
        self.locals.iter().any(|l| l.address == address)
    }

    /// Tells the peer's credentials; checking begins. Others than before mean that the peer has
    /// restarted: what was known of it is forgotten, see [`Agent::restart`].
    pub fn set_remote_credentials(&mut self, now: Instant, credentials: Credentials) {
        match &self.remote {
            Some(remote) if remote.credentials == credentials => return,
            Some(_) => self.restart(self.credentials.clone()),
            None => {}
        }
        self.remote = Some(Remote {
            key: credentials.key(),
            credentials,
        });
        self.before = self.counters;
        self.begin(now);
        if let (Half::Full(full), Some(remote)) = (&mut self.half, &self.remote) {
            full.set_remote(now, &remote.credentials);
        }
        self.settle(now);
    }

    /// Adds a candidate of the peer, in its first description or later (RFC 8838).
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        candidate: &Candidate,
    ) -> CandidateVerdict {
        let verdict = self.take_candidate(now, candidate);
        match verdict {
            CandidateVerdict::Added => self.settle(now),
            CandidateVerdict::Duplicate => {}
            _ => self.counters.candidates_ignored += 1,
        }
        verdict
    }

    fn take_candidate(&mut self, now: Instant, candidate: &Candidate) -> CandidateVerdict {
        if candidate.component != self.component {
            return CandidateVerdict::OtherComponent;
        }
        if candidate.transport != Transport::Udp {
            return CandidateVerdict::NotUdp;
        }
        let Some(address) = candidate.socket_addr().filter(|a| is_sendable(*a)) else {
            return CandidateVerdict::Unreachable;
        };
        if let (Some(ufrag), Some(remote)) = (candidate.extension("ufrag"), &self.remote)
            && ufrag != remote.credentials.ufrag()
        {
            return CandidateVerdict::OtherGeneration;
        }
        let known = self.remotes.iter_mut().find(|r| r.address == address);
        if known.as_ref().is_some_and(|r| r.signalled) {
            return CandidateVerdict::Duplicate;
        }
        let signalled = self.remotes.iter().filter(|r| r.signalled).count();
        if signalled == Self::MAX_REMOTE {
            return CandidateVerdict::TooMany;
        }
        let priority = candidate.priority;
        // Learned by its check before it was signalled, or new.
        match self.remotes.iter_mut().find(|r| r.address == address) {
            Some(remote) => (remote.signalled, remote.priority) = (true, priority),
            None => self.remotes.push(RemoteAddress {
                address,
                priority,
                signalled: true,
                heard: false,
            }),
        }
        if let Half::Full(full) = &mut self.half {
            let mut locals = self.locals.iter();
            let pairs = locals.any(|l| l.address.is_ipv4() == address.is_ipv4());
            full.add_remote(now, address, priority, &candidate.typ, pairs);
        }
        self.revive(now);
        CandidateVerdict::Added
    }

    /// The peer will signal no more candidates (`a=end-of-candidates`): an agent without pairs need
    /// not wait for its time to run out.
    pub fn end_of_candidates(&mut self) {
        self.ended = true;
    }

    /// Begins a new generation with these local credentials (RFC 8445 §9). The peer's credentials and
    /// candidates are forgotten; sockets, role and the nominated pair stay, so that media goes on, and the
    /// peer's checks of that pair are answered as before until this generation has one.
    pub fn restart(&mut self, credentials: Credentials) {
        if let (Some(_), Some(remote)) = (self.nominated.and(self.chosen), &self.remote) {
            self.earlier = Some(Generation {
                local: self.credentials.clone(),
                remote: remote.credentials.clone(),
            });
        }
        if let Half::Full(full) = &mut self.half {
            full.restart(&credentials);
        } else if let Half::Lite(lite) = &mut self.half {
            lite.restart();
        }
        self.answers.clear();
        self.key = credentials.key();
        self.credentials = credentials;
        self.remote = None;
        self.remotes.clear();
        self.ended = false;
        self.chosen = None;
        self.state = State::New;
        self.deadline = None;
    }

    /// Does what is due at `now`. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let checking = !matches!(self.state, State::New | State::Failed(_));
        if let Half::Full(full) = &mut self.half
            && checking
            && due(full.next())
        {
            full.timeout(now);
        }
        self.settle(now);
        if due(self.deadline) {
            match self.state {
                State::Checking => self.fail(),
                State::Nominated => self.disconnect(),
                _ => {}
            }
        }
    }

    /// When [`Agent::handle_timeout`] is due; `None` if only a message can change anything.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let checks = match (&self.half, self.state) {
            (_, State::New | State::Failed(_)) | (Half::Lite(_), _) => None,
            (Half::Full(full), _) => full.next(),
        };
        checks.into_iter().chain(self.deadline).min()
    }

    /// The next message to send, written to the front of `out`, which should have
    /// [`Agent::MAX_MESSAGE`] bytes: what does not fit is lost.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<Transmit> {
        let transmit = self.answers.transmit(out).or_else(|| match &mut self.half {
            Half::Full(full) => full.transmit(out),
            Half::Lite(_) => None,
        });
        self.counters.sent += u64::from(transmit.is_some());
        transmit
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Where media may go: the pair nominated last, also during a restart, and `None` once consent has
    /// expired or checking has failed.
    #[must_use]
    pub fn nominated(&self) -> Option<CandidatePair> {
        self.nominated
    }

    /// Whether the peer has sent a signed check from this address in this generation.
    #[must_use]
    pub fn has_heard(&self, from: SocketAddr) -> bool {
        self.remotes.iter().any(|r| r.heard && r.address == from)
    }

    /// Its role, which a role conflict may have changed.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether it is a lite agent.
    #[must_use]
    pub fn is_lite(&self) -> bool {
        matches!(self.half, Half::Lite(_))
    }

    /// Our credentials of this generation.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What it has seen.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// Whether datagrams can go there and come from there.
fn is_sendable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
