//! Counts to look at while a run goes on.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Written by generator threads, read by anyone; all relaxed, as nothing is ordered by them.
#[derive(Debug, Default)]
pub struct Live {
    sent: AtomicU64,
    received: AtomicU64,
    missing: AtomicI64,
    jitter_ns: AtomicI64,
    heard: AtomicU64,
}

/// The counts at one moment, from the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Packets sent.
    pub sent: u64,
    /// Packets received, duplicates left out.
    pub received: u64,
    /// Packets jumped over and not come since.
    pub missing: u64,
    /// Mean interarrival jitter of the streams (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Streams of which something has come.
    pub heard: u64,
}

impl Live {
    /// What has been counted so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let heard = self.heard.load(Ordering::Relaxed);
        let jitter_ns = self.jitter_ns.load(Ordering::Relaxed);
        Progress {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            // Threads publish apart, so a sum may be below zero for a moment.
            missing: u64::try_from(self.missing.load(Ordering::Relaxed)).unwrap_or(0),
            jitter: Duration::from_nanos(u64::try_from(jitter_ns).unwrap_or(0) / heard.max(1)),
            heard,
        }
    }
}

/// What one thread has counted since it last published.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) missing: i64,
    pub(super) jitter_ns: i64,
    pub(super) heard: u64,
}

impl Delta {
    /// Adds the counts and starts again from zero.
    pub(super) fn publish(&mut self, live: &Live) {
        let delta = std::mem::take(self);
        live.sent.fetch_add(delta.sent, Ordering::Relaxed);
        live.received.fetch_add(delta.received, Ordering::Relaxed);
        live.missing.fetch_add(delta.missing, Ordering::Relaxed);
        live.jitter_ns.fetch_add(delta.jitter_ns, Ordering::Relaxed);
        live.heard.fetch_add(delta.heard, Ordering::Relaxed);
    }
}
