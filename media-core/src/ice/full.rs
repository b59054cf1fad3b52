//! The full half: the `is` crate's agent, and all that must not leave this file of it.
//!
//! What reaches it is authenticated and bounded by [`Agent`](super::Agent). What it would log is
//! silenced, as it would log passwords. Its API changes with every release; nothing of it is public.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage as IsMessage, StunPacket};
use is::{
    Candidate as IsCandidate, CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds,
    Protocol, Sha1HmacProvider,
};
use tracing::dispatcher::{Dispatch, with_default};

use super::types::{CandidatePair, Role, Timing, Transmit};
use super::{CandidateType, Credentials};
use crate::wire::stun::{Class, IntegrityKey, StunMessage};

/// What the full agent found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Nominated(CandidatePair),
    /// No pair is left.
    NoPairs,
}

/// A check that was sent and not answered yet.
#[derive(Debug)]
struct Outstanding {
    transaction_id: [u8; 12],
    pair: CandidatePair,
}

/// A check of the peer that `is` was told of.
#[derive(Debug)]
struct Told {
    pair: CandidatePair,
    at: Instant,
    nominated: bool,
}

/// The `is` agent and what it lacks: the symmetry of answers, and bounds.
pub(super) struct Full {
    agent: IceAgent,
    outstanding: VecDeque<Outstanding>,
    told: Vec<Told>,
    /// Addresses that answers said they saw us at.
    mapped: Vec<SocketAddr>,
    /// Requests that wait within `agent` for the remote credentials.
    queued: usize,
    next: Option<Instant>,
    pacing: Duration,
    /// When a check may have been sent last.
    ran: Option<Instant>,
}

impl Full {
    /// Checks whose answers are still taken; at 20 ms each, those of more than a second.
    const MAX_OUTSTANDING: usize = 64;
    /// Each new one costs `agent` a local candidate for ever. Ours behind one NAT is one or two.
    const MAX_MAPPED: usize = 8;
    const MAX_QUEUED: usize = 32;
    const MAX_TOLD: usize = 64;
    /// `is` drops an unanswered pair that it was not told of for 15 s.
    const TELL_AGAIN: Duration = Duration::from_secs(6);
    const MAX_PAIRS: usize = 100;

    pub(super) fn new(
        credentials: &Credentials,
        role: Role,
        tie_breaker: u64,
        timing: &Timing,
    ) -> Self {
        quietly(|| {
            let mut agent = IceAgent::with_hmac(creds(credentials), &HmacSha1);
            agent.set_controlling(role == Role::Controlling);
            agent.set_control_tie_breaker(tie_breaker);
            agent.set_timing_advance(timing.pacing);
            agent.set_initial_stun_rto(timing.initial_rto);
            agent.set_max_stun_rto(timing.max_rto);
            agent.set_max_stun_retransmits(timing.checks);
            agent.set_max_candidate_pairs(Self::MAX_PAIRS);
            // It allocates as much for every message.
            agent.set_mtu(super::Agent::MAX_MESSAGE..=super::Agent::MAX_MESSAGE);
            Self {
                agent,
                outstanding: VecDeque::new(),
                told: Vec::new(),
                mapped: Vec::new(),
                queued: 0,
                next: None,
                pacing: timing.pacing,
                ran: None,
            }
        })
    }

    pub(super) fn role(&self) -> Role {
        if self.agent.controlling() {
            Role::Controlling
        } else {
            Role::Controlled
        }
    }

    /// When [`Full::timeout`] is due; `None` if there is nothing to do until something comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn update_next(&mut self) {
        let lost = self.agent.state() == IceConnectionState::Disconnected;
        self.next = if lost {
            None
        } else {
            quietly(|| self.agent.poll_timeout())
        };
    }

    /// Whether it takes the address.
    pub(super) fn add_local(&mut self, address: SocketAddr, local_pref: u16) -> bool {
        let Ok(candidate) = IsCandidate::host(address, Protocol::Udp) else {
            return false;
        };
        quietly(|| {
            let preference = move |_: &IsCandidate, _| u32::from(local_pref);
            self.agent.set_local_preference(preference);
            self.agent.add_local_candidate(candidate);
        });
        self.update_next();
        true
    }

    pub(super) fn set_remote(&mut self, now: Instant, credentials: &Credentials) {
        quietly(|| {
            self.agent.set_remote_credentials(creds(credentials));
            // It takes one waiting request per call.
            for _ in 0..=self.queued {
                self.agent.handle_timeout(now);
            }
        });
        self.queued = 0;
        self.update_next();
    }

    /// `pairs`: one of ours can send to it.
    pub(super) fn add_remote(
        &mut self,
        now: Instant,
        address: SocketAddr,
        priority: u32,
        typ: &CandidateType,
        pairs: bool,
    ) {
        let kind = match typ {
            CandidateType::Host => CandidateKind::Host,
            CandidateType::ServerReflexive => CandidateKind::ServerReflexive,
            CandidateType::PeerReflexive => CandidateKind::PeerReflexive,
            CandidateType::Relayed | CandidateType::Other(_) => CandidateKind::Relayed,
        };
        // The foundation would only matter for freezing, which a single component does not do.
        let candidate = IsCandidate::from_parts(
            String::from("1"),
            1,
            Protocol::Udp,
            priority,
            address,
            kind,
            None,
            None,
            None,
        );
        quietly(|| self.agent.add_remote_candidate(candidate));
        // `is` would begin one Ta after it was last called. RFC 8445 §14.2 wants that between checks, and
        // not in front of the first.
        let paced = |ran: Instant| now < ran + self.pacing;
        if pairs && !self.ran.is_some_and(paced) {
            self.timeout(now);
        } else {
            self.update_next();
        }
    }

    pub(super) fn restart(&mut self, credentials: &Credentials) {
        quietly(|| self.agent.ice_restart(creds(credentials), true));
        self.outstanding.clear();
        self.told.clear();
        self.queued = 0;
        self.ran = None;
        self.update_next();
    }

    /// Whether `is` must be told of a request: of every pair, of its nomination, and now and then that
    /// the peer still asks.
    pub(super) fn is_news(&mut self, now: Instant, pair: CandidatePair, nominated: bool) -> bool {
        let Some(told) = self.told.iter_mut().find(|t| t.pair == pair) else {
            if self.told.len() < Self::MAX_TOLD {
                let at = now;
                self.told.push(Told {
                    pair,
                    at,
                    nominated,
                });
            }
            return true;
        };
        let old = now.saturating_duration_since(told.at) >= Self::TELL_AGAIN;
        let news = old || (nominated && !told.nominated);
        if news {
            told.at = now;
            told.nominated |= nominated;
        }
        news
    }

    /// Takes an authenticated request.
    pub(super) fn request(&mut self, now: Instant, pair: CandidatePair, datagram: &[u8]) {
        if self.agent.remote_credentials().is_none() {
            if self.queued == Self::MAX_QUEUED {
                return;
            }
            self.queued += 1;
        }
        self.message(now, pair, datagram);
    }

    /// Whether this answers a check of ours, and from where the check went (RFC 8445 §7.2.5.2.1).
    pub(super) fn awaits(&self, transaction_id: &[u8; 12], pair: CandidatePair) -> bool {
        let is_it = |o: &Outstanding| o.transaction_id == *transaction_id && o.pair == pair;
        self.outstanding.iter().any(is_it)
    }

    /// Takes an authenticated answer that was awaited. `false`: the peer tells us of too many
    /// addresses.
    pub(super) fn response(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        mapped: Option<SocketAddr>,
        datagram: &[u8],
    ) -> bool {
        if let Some(mapped) = mapped.filter(|m| *m != pair.local && !self.mapped.contains(m)) {
            if self.mapped.len() == Self::MAX_MAPPED {
                return false;
            }
            self.mapped.push(mapped);
        }
        self.outstanding
            .retain(|o| o.transaction_id != *message.transaction_id());
        self.message(now, pair, datagram);
        true
    }

    fn message(&mut self, now: Instant, pair: CandidatePair, datagram: &[u8]) {
        quietly(|| {
            if let Ok(message) = IsMessage::parse(datagram) {
                let packet = StunPacket {
                    proto: Protocol::Udp,
                    source: pair.remote,
                    destination: pair.local,
                    message,
                };
                self.agent.handle_packet(now, packet);
            }
        });
        // A request may want a check in return and an answer may nominate: both at its next timeout,
        // so that is now.
        self.timeout(now);
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        self.ran = Some(now);
        quietly(|| self.agent.handle_timeout(now));
        self.update_next();
    }

    pub(super) fn poll(&mut self) -> Option<Finding> {
        loop {
            match quietly(|| self.agent.poll_event())? {
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    return Some(Finding::Nominated(CandidatePair {
                        local: source,
                        remote: destination,
                    }));
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                    self.told.clear();
                    return Some(Finding::NoPairs);
                }
                _ => {}
            }
        }
    }

    /// The next message to send. What does not fit into `out` is lost, as if on its way.
    pub(super) fn transmit(&mut self, out: &mut [u8]) -> Option<Transmit> {
        loop {
            let Some(transmit) = quietly(|| self.agent.poll_transmit()) else {
                // What waited to be sent does not any more.
                self.update_next();
                return None;
            };
            let pair = CandidatePair {
                local: transmit.source,
                remote: transmit.destination,
            };
            let bytes: &[u8] = &transmit.contents;
            let Some(to) = out.get_mut(..bytes.len()) else {
                continue;
            };
            to.copy_from_slice(bytes);
            if let Ok(message) = StunMessage::parse(bytes)
                && message.class() == Class::Request
            {
                if self.outstanding.len() == Self::MAX_OUTSTANDING {
                    self.outstanding.pop_front();
                }
                self.outstanding.push_back(Outstanding {
                    transaction_id: *message.transaction_id(),
                    pair,
                });
            }
            let len = bytes.len();
            return Some(Transmit { pair, len });
        }
    }
}

/// `agent` would show passwords.
impl fmt::Debug for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full")
            .field("state", &self.agent.state())
            .field("stats", &self.agent.stats())
            .field("outstanding", &self.outstanding)
            .field("told", &self.told)
            .field("mapped", &self.mapped)
            .field("queued", &self.queued)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Runs what may log with nobody to listen: `is` writes credentials with their passwords at the levels
/// `debug` and `trace`.
fn quietly<R>(run: impl FnOnce() -> R) -> R {
    with_default(&Dispatch::none(), run)
}

fn creds(credentials: &Credentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag().to_owned(),
        pass: credentials.pwd().to_owned(),
    }
}

/// HMAC-SHA1 for `is`.
#[derive(Debug)]
struct HmacSha1;

impl Sha1HmacProvider for HmacSha1 {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        IntegrityKey::new(key).tag(payloads)
    }
}
