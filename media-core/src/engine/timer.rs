//! The shard's timers: a heap of deadlines for each kind of owner, re-armed lazily.
//!
//! A packet never touches a timer. When a call's timer fires, the call works out its true deadline
//! from its streams' last packets and is armed again if that still lies ahead; so each call costs one
//! heap entry and one look per timeout period.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A place in the call table together with its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallSlot {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Earliest deadline first. Entries are never removed, only found stale by their owner.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }
}

impl<T: Ord + Copy> Timers<T> {
    pub(super) fn arm(&mut self, at: Instant, owner: T) {
        self.heap.push(Reverse((at, owner)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }

    /// Removes and returns one entry that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.1)
    }
}
