//! Where an agent stands, and what makes it move.
//!
//! ```text
//! New ──credentials──▶ Checking ──pair──▶ Nominated ──silence──▶ Disconnected
//!  ▲                    │  ▲                ▲                     │
//!  │                  time  peer shows      └──────peer is heard──┘
//! restart               ▼  │ itself
//! from anywhere        Failed
//! ```

use std::time::Instant;

use super::{Agent, Half};
use crate::ice::full::Finding;
use crate::ice::types::{CandidatePair, Event, FailReason, State};

impl Agent {
    /// Takes in what the full half found, and a role it has changed.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Half::Full(full) = &mut self.half
            && let Some(finding) = full.poll()
        {
            match finding {
                Finding::Nominated(pair) => self.nominate(now, pair),
                Finding::NoPairs => {
                    self.chosen = None;
                    match self.state {
                        State::Nominated => self.disconnect(),
                        State::Checking if self.ended => self.fail(),
                        _ => {}
                    }
                }
            }
        }
        if let Half::Full(full) = &self.half
            && full.role() != self.role
        {
            self.role = full.role();
            self.emit(Event::RoleChanged(self.role));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        if self.events.len() == Self::MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.state = State::Checking;
        self.deadline = Some(now + self.timing.checking);
        self.emit(Event::Checking);
    }

    /// A failed agent checks again: the peer has given a reason to.
    pub(super) fn revive(&mut self, now: Instant) {
        if matches!(self.state, State::Failed(_)) {
            self.begin(now);
        }
    }

    pub(super) fn nominate(&mut self, now: Instant, pair: CandidatePair) {
        let again = self.state == State::Nominated && self.nominated == Some(pair);
        self.state = State::Nominated;
        self.earlier = None;
        self.chosen = Some(pair);
        self.nominated = Some(pair);
        self.deadline = Some(now + self.timing.consent);
        if !again {
            self.emit(Event::Nominated(pair));
        }
    }

    /// Something authenticated came over `pair`.
    ///
    /// RFC 7675 §5.1 lets only answers renew consent. Requests do here as well: Chrome 144 and later
    /// stops answering at times while it goes on asking (str0m issue 846), and a full agent's pair was
    /// answered over once before it was nominated. A lite agent has nothing else to go by.
    pub(super) fn heard_on(&mut self, now: Instant, pair: CandidatePair) {
        match self.state {
            State::Nominated if self.nominated == Some(pair) => {
                self.deadline = Some(now + self.timing.consent);
            }
            State::Failed(_) => self.begin(now),
            _ => {}
        }
    }

    pub(super) fn disconnect(&mut self) {
        self.state = State::Disconnected;
        self.deadline = None;
        self.nominated = None;
        self.emit(Event::Disconnected);
    }

    pub(super) fn fail(&mut self) {
        let reason = self.fail_reason();
        self.state = State::Failed(reason);
        self.deadline = None;
        self.nominated = None;
        self.emit(Event::Failed(reason));
    }

    fn fail_reason(&self) -> FailReason {
        if self.counters.accepted > self.before.accepted {
            FailReason::NotNominated
        } else if self.counters.unauthenticated > self.before.unauthenticated {
            FailReason::WrongCredentials
        } else if self.remotes.is_empty() {
            FailReason::NoCandidates
        } else {
            FailReason::NoAnswers
        }
    }
}
