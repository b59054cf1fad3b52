//! Where a party really is: follows the sources of its packets, as signalling allows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{LearnMode, Learning, Route};

/// Changes reported per learning epoch before it is confirmed; a forger who alternates sources must
/// not be able to buy one event per packet.
const CHANGES_REPORTED: u8 = 8;
/// Media handover may change for ever; its reports may not come faster than this.
const HANDOVER_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// One stream's endpoint and how sure we are of it.
#[derive(Debug)]
pub(super) struct Learner {
    learning: Learning,
    epoch: u32,
    signalled: Option<SocketAddr>,
    endpoint: Option<SocketAddr>,
    confirmed: bool,
    commit_at: Instant,
    rank: Rank,
    reports_left: u8,
    next_report: Instant,
}

/// How well a source agrees with signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unseen,
    Other,
    SamePort,
    SameAddress,
    Same,
}

/// What a packet's source means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The endpoint itself.
    Endpoint,
    /// The endpoint, which is news to the control side.
    Learned,
    /// Someone else, whose packets are relayed all the same.
    Other,
    /// Someone else; strict source is on.
    Refused,
}

impl Learner {
    pub(super) fn new(now: Instant, route: &Route) -> Self {
        Self {
            learning: route.learning,
            epoch: route.learn_epoch,
            signalled: route.endpoint,
            endpoint: route.endpoint,
            confirmed: route.learning.mode == LearnMode::Off,
            commit_at: now + LearnMode::DELAY,
            rank: Rank::Unseen,
            reports_left: CHANGES_REPORTED,
            next_report: now,
        }
    }

    /// Takes a restated route: learning goes on unless its epoch is another.
    pub(super) fn update(&mut self, now: Instant, route: &Route) {
        if route.learn_epoch != self.epoch
            || (self.learning.mode == LearnMode::Off) != (route.learning.mode == LearnMode::Off)
        {
            *self = Self::new(now, route);
            return;
        }
        self.learning = route.learning;
        self.signalled = route.endpoint;
        if self.rank == Rank::Unseen {
            self.endpoint = route.endpoint;
        }
    }

    /// ICE has found the endpoint: nothing else moves it.
    pub(super) fn nominate(&mut self, endpoint: SocketAddr) {
        self.endpoint = Some(endpoint);
        self.confirmed = true;
    }

    /// Nothing may be sent to the party until its endpoint is found anew.
    pub(super) fn forget(&mut self) {
        self.endpoint = None;
    }

    /// Where to send to the party.
    pub(super) fn endpoint(&self) -> Option<SocketAddr> {
        self.endpoint
    }

    pub(super) fn confirmed(&self) -> bool {
        self.confirmed
    }

    /// Judges the source of a packet that is otherwise in order, and learns from it.
    #[inline]
    pub(super) fn observe(&mut self, now: Instant, from: SocketAddr) -> Source {
        if self.confirmed && self.endpoint == Some(from) {
            return Source::Endpoint;
        }
        self.observe_uncommon(now, from)
    }

    fn observe_uncommon(&mut self, now: Instant, from: SocketAddr) -> Source {
        if self.confirmed {
            if self.learning.media_handover && self.learning.mode != LearnMode::Off {
                self.endpoint = Some(from);
                let report = now >= self.next_report;
                if report {
                    self.next_report = now + HANDOVER_REPORT_INTERVAL;
                }
                return if report {
                    Source::Learned
                } else {
                    Source::Endpoint
                };
            }
            return if self.learning.strict_source {
                Source::Refused
            } else {
                Source::Other
            };
        }
        let rank = self.rank_of(from);
        let better = self.learning.mode != LearnMode::Heuristic || rank >= self.rank;
        let changed = better && self.endpoint != Some(from);
        if better {
            self.endpoint = Some(from);
            self.rank = rank;
        }
        if self.learning.mode == LearnMode::Immediate || now >= self.commit_at {
            self.confirmed = true;
            self.next_report = now + HANDOVER_REPORT_INTERVAL;
            return if self.endpoint == Some(from) {
                Source::Learned
            } else {
                self.observe_uncommon(now, from)
            };
        }
        if changed && self.reports_left > 0 {
            self.reports_left -= 1;
            return Source::Learned;
        }
        if better {
            Source::Endpoint
        } else {
            Source::Other
        }
    }

    fn rank_of(&self, from: SocketAddr) -> Rank {
        match self.signalled {
            Some(s) if s == from => Rank::Same,
            Some(s) if s.ip() == from.ip() => Rank::SameAddress,
            Some(s) if s.port() == from.port() => Rank::SamePort,
            _ => Rank::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::route;

    fn addr(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], port))
    }

    fn learner(mode: LearnMode, strict_source: bool, media_handover: bool) -> (Learner, Instant) {
        let now = crate::engine::tests::start();
        let mut r = route(1);
        r.endpoint = Some(addr(1, 1000));
        r.learning = Learning {
            mode,
            strict_source,
            media_handover,
        };
        (Learner::new(now, &r), now)
    }

    #[test]
    fn delayed_follows_the_latest_source_then_commits() {
        let (mut l, t) = learner(LearnMode::Delayed, false, false);
        assert_eq!(l.observe(t, addr(2, 1)), Source::Learned);
        assert_eq!(l.endpoint(), Some(addr(2, 1)));
        assert_eq!(l.observe(t, addr(3, 1)), Source::Learned);
        let late = t + LearnMode::DELAY;
        assert_eq!(l.observe(late, addr(4, 1)), Source::Learned);
        assert!(l.confirmed());
        assert_eq!(l.observe(late, addr(5, 1)), Source::Other);
        assert_eq!(l.endpoint(), Some(addr(4, 1)));
    }

    #[test]
    fn strict_source_refuses_only_after_confirmation() {
        let (mut l, t) = learner(LearnMode::Delayed, true, false);
        assert_eq!(l.observe(t, addr(2, 1)), Source::Learned);
        assert_eq!(l.observe(t + LearnMode::DELAY, addr(2, 1)), Source::Learned);
        assert_eq!(l.observe(t + LearnMode::DELAY, addr(3, 1)), Source::Refused);
    }

    #[test]
    fn immediate_commits_to_the_first_packet() {
        let (mut l, t) = learner(LearnMode::Immediate, true, false);
        assert_eq!(l.observe(t, addr(2, 1)), Source::Learned);
        assert_eq!(l.observe(t, addr(2, 1)), Source::Endpoint);
        assert_eq!(l.observe(t, addr(1, 1000)), Source::Refused);
    }

    #[test]
    fn heuristic_prefers_what_signalling_said() {
        let (mut l, t) = learner(LearnMode::Heuristic, false, false);
        l.observe(t, addr(1, 1000));
        assert_eq!(l.observe(t, addr(9, 9)), Source::Other);
        assert_eq!(l.observe(t + LearnMode::DELAY, addr(1, 7)), Source::Other);
        assert!(l.confirmed());
        assert_eq!(l.endpoint(), Some(addr(1, 1000)));
    }

    #[test]
    fn heuristic_takes_the_same_port_before_a_stranger() {
        let (mut l, t) = learner(LearnMode::Heuristic, false, false);
        l.observe(t, addr(9, 9));
        l.observe(t, addr(8, 1000));
        l.observe(t, addr(7, 7));
        assert_eq!(l.endpoint(), Some(addr(8, 1000)));
    }

    #[test]
    fn off_never_moves() {
        let (mut l, t) = learner(LearnMode::Off, false, true);
        assert_eq!(l.observe(t, addr(2, 1)), Source::Other);
        assert_eq!(l.endpoint(), Some(addr(1, 1000)));
    }

    #[test]
    fn handover_follows_for_ever_but_reports_seldom() {
        let (mut l, t) = learner(LearnMode::Immediate, false, true);
        l.observe(t, addr(2, 1));
        let mut reports = 0;
        for n in 0..1000u16 {
            if l.observe(t, addr(3, n)) == Source::Learned {
                reports += 1;
            }
            assert_eq!(l.endpoint(), Some(addr(3, n)));
        }
        assert!(reports <= 1);
    }

    #[test]
    fn alternating_sources_buy_few_reports() {
        let (mut l, t) = learner(LearnMode::Delayed, false, false);
        let reports = (0..1000u16)
            .filter(|n| l.observe(t, addr(3, *n)) == Source::Learned)
            .count();
        assert_eq!(reports, usize::from(CHANGES_REPORTED));
    }

    #[test]
    fn a_restated_route_keeps_what_was_learned() {
        let (mut l, t) = learner(LearnMode::Immediate, false, false);
        l.observe(t, addr(2, 1));
        let mut r = route(1);
        r.endpoint = Some(addr(1, 1000));
        r.learning = Learning {
            mode: LearnMode::Immediate,
            strict_source: true,
            media_handover: false,
        };
        l.update(t, &r);
        assert_eq!(l.endpoint(), Some(addr(2, 1)));
        r.learn_epoch += 1;
        l.update(t, &r);
        assert_eq!(l.endpoint(), Some(addr(1, 1000)));
        assert!(!l.confirmed());
    }
}
