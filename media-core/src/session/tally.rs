//! Counts calls as they come and go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{EndReason, IntervalStatistics, StreamTotals, TotalStatistics};

/// Totals since the start, and of the running minute. Locked for a few additions per call.
#[derive(Debug)]
pub(super) struct Tally {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    total: TotalStatistics,
    /// Calls of the moment.
    sessions: u64,
    began: Instant,
    running: IntervalStatistics,
    last: IntervalStatistics,
}

/// One ended call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) reason: EndReason,
    pub(super) duration: Duration,
    pub(super) relayed: StreamTotals,
    /// Parties that sent anything.
    pub(super) senders: usize,
}

impl Tally {
    const INTERVAL: Duration = Duration::from_secs(60);

    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            inner: Mutex::new(Inner {
                total: TotalStatistics::default(),
                sessions: 0,
                began: epoch,
                running: IntervalStatistics::default(),
                last: IntervalStatistics::default(),
            }),
        }
    }

    pub(super) fn rejected(&self, now: Instant) {
        self.lock(now).total.rejected += 1;
    }

    pub(super) fn created(&self, now: Instant) {
        let mut inner = self.lock(now);
        inner.total.created += 1;
        inner.sessions += 1;
        inner.running.max_sessions = inner.running.max_sessions.max(inner.sessions);
    }

    pub(super) fn ended(&self, now: Instant, ended: &Ended) {
        let mut inner = self.lock(now);
        inner.sessions -= 1;
        inner.running.min_sessions = inner.running.min_sessions.min(inner.sessions);
        inner.running.duration += ended.duration;
        let total = &mut inner.total;
        total.managed += 1;
        match ended.reason {
            EndReason::Deleted => total.regular += 1,
            EndReason::MediaTimeout => total.timeout += 1,
            EndReason::SilentTimeout => total.silent_timeout += 1,
            EndReason::OfferTimeout => total.offer_timeout += 1,
            EndReason::FinalTimeout => total.final_timeout += 1,
            EndReason::Fault | EndReason::Forced => total.forced += 1,
        }
        total.relayed.add(ended.relayed);
        match ended.senders {
            0 => total.zero_way += 1,
            1 => total.one_way += 1,
            _ => {}
        }
        total.duration += ended.duration;
        let seconds = ended.duration.as_secs_f64();
        total.duration_squared += seconds * seconds;
    }

    pub(super) fn read(&self, now: Instant) -> (TotalStatistics, IntervalStatistics) {
        let inner = self.lock(now);
        (inner.total, inner.last)
    }

    /// Closes the minute first if it is over.
    fn lock(&self, now: Instant) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(inner.began);
        if passed >= Self::INTERVAL {
            let quiet = IntervalStatistics {
                duration: Duration::ZERO,
                min_sessions: inner.sessions,
                max_sessions: inner.sessions,
            };
            inner.last = if passed < 2 * Self::INTERVAL {
                inner.running
            } else {
                quiet
            };
            inner.running = quiet;
            let whole = passed.as_secs() / Self::INTERVAL.as_secs() * Self::INTERVAL.as_secs();
            inner.began += Duration::from_secs(whole);
        }
        inner
    }
}
