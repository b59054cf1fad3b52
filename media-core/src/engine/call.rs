//! One call as the shard knows it: its streams and when it ends.

use std::time::{Duration, Instant};

use super::CallTimeouts;
use crate::units::{CallKey, SocketId};

#[derive(Debug)]
pub(super) struct Call {
    pub(super) key: CallKey,
    pub(super) generation: u32,
    pub(super) sockets: Vec<SocketId>,
    timeouts: CallTimeouts,
    created: Instant,
    /// The last command; packets are remembered by the streams.
    commanded: Instant,
    close_at: Option<Instant>,
    /// Earliest entry of this call in the timer heap.
    pub(super) armed: Option<Instant>,
}

/// What is due for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Close,
    Lifetime,
    Inactivity,
    Later(Instant),
    Never,
}

impl Call {
    pub(super) fn new(key: CallKey, generation: u32, now: Instant) -> Self {
        Self {
            key,
            generation,
            sockets: Vec::new(),
            timeouts: CallTimeouts::default(),
            created: now,
            commanded: now,
            close_at: None,
            armed: None,
        }
    }

    pub(super) fn set_timeouts(&mut self, now: Instant, timeouts: CallTimeouts) {
        self.timeouts = timeouts;
        self.commanded = now;
        self.close_at = None;
    }

    pub(super) fn close_after(&mut self, now: Instant, after: Duration) {
        self.close_at = Some(now + after);
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.commanded = now;
    }

    /// `last_packet`: the most recent of all streams.
    pub(super) fn due(&self, now: Instant, last_packet: Option<Instant>) -> Due {
        let active = last_packet.map_or(self.commanded, |p| p.max(self.commanded));
        // A call that is being closed has no other end.
        let (inactivity, lifetime) = match self.close_at {
            Some(_) => (None, None),
            None => (
                self.timeouts.inactivity.map(|d| active + d),
                self.timeouts.lifetime.map(|d| self.created + d),
            ),
        };
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if reached(self.close_at) {
            return Due::Close;
        }
        if reached(lifetime) {
            return Due::Lifetime;
        }
        if reached(inactivity) {
            return Due::Inactivity;
        }
        [self.close_at, lifetime, inactivity]
            .into_iter()
            .flatten()
            .min()
            .map_or(Due::Never, Due::Later)
    }
}
