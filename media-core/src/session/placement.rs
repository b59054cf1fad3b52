//! Which shard a new call goes to: the one with the least to do, and none that cannot keep up.
//!
//! What calls will cost is estimated when they are described, so that a hundred calls offered at once spread over
//! all shards before any of them has sent a packet. What it does cost, each shard measures. A call never moves, so
//! a shard that has too much can be helped only by leaving it alone: new calls go elsewhere, or nowhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::{Call, Phase};
use crate::engine::{MediaPlane, ShardLoad};
use crate::units::ShardId;

/// A shard whose transcoding has been behind for so long gets no more calls: it is no passing stall.
const BEHIND_LIMIT: Duration = Duration::from_millis(200);
/// A shard that transcodes and is as busy as this, in thousandths, gets no more calls: what it has would suffer.
const CPU_LIMIT_PERMILLE: u64 = 900;
/// Estimated transcoding, microseconds per second, from which on a shard counts as one that transcodes. One
/// that only relays may use all of its processor.
const TRANSCODES_US: u64 = 100_000;
/// A shard takes a sample each second while it has something to do. An older one says that it has nothing.
const SAMPLE_LIFE: Duration = Duration::from_secs(3);
/// Packets per second of a stream.
const PACKETS: u64 = 50;
/// What relaying a packet costs, microseconds or so.
const RELAY_US: u64 = 6;

/// What each shard has been given.
#[derive(Debug)]
pub(super) struct Placement {
    shards: Box<[Place]>,
    turn: AtomicU64,
}

#[derive(Debug, Default)]
struct Place {
    /// Estimated cost of its calls, microseconds per second.
    relaying_us: AtomicU64,
    transcoding_us: AtomicU64,
    /// The last sample of its load that was seen, and the estimate at that time.
    sampled_us: AtomicU64,
    estimate_us: AtomicU64,
}

/// What one call is estimated to cost a shard, microseconds per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    relaying_us: u64,
    transcoding_us: u64,
}

impl Weight {
    fn of(call: &Call) -> Self {
        if call.phase == Phase::Ended {
            return Self::default();
        }
        let open = call.parties.iter().filter(|party| !party.closed);
        let streams = open.flat_map(|party| &party.medias);
        let mut weight = Self::default();
        for media in streams.filter(|media| media.active.is_some()) {
            weight.relaying_us += PACKETS * RELAY_US;
            let plan = media.transcode.as_ref();
            weight.transcoding_us += plan.map_or(0, |p| PACKETS * u64::from(p.cost_us()));
        }
        weight
    }
}

impl Placement {
    pub(super) fn new(shards: u8) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Place::default()).collect(),
            turn: AtomicU64::new(0),
        }
    }

    /// The shard for another call; `None`: none that would not lose by it. `since_epoch` is now.
    pub(super) fn choose(&self, plane: &dyn MediaPlane, since_epoch: Duration) -> Option<ShardId> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = usize::try_from(turn % self.shards.len() as u64).unwrap_or(0);
        self.with_room(plane, since_epoch, first)
            .min_by_key(|(_, place)| place.total_us())
            .map(|(shard, _)| shard)
    }

    /// Is there a shard for another call?
    pub(super) fn has_room(&self, plane: &dyn MediaPlane, since_epoch: Duration) -> bool {
        self.with_room(plane, since_epoch, 0).next().is_some()
    }

    fn with_room<'a>(
        &'a self,
        plane: &'a dyn MediaPlane,
        since_epoch: Duration,
        first: usize,
    ) -> impl Iterator<Item = (ShardId, &'a Place)> {
        let count = self.shards.len();
        (first..first + count)
            .map(move |n| n % count)
            .filter_map(|at| Some((ShardId::new(u8::try_from(at).ok()?), &self.shards[at])))
            .filter(move |(shard, place)| place.has_room(plane.load(*shard), since_epoch))
    }

    /// Takes note of what a call costs now, in place of what was noted before.
    pub(super) fn weigh(&self, call: &mut Call) {
        let (now, before) = (Weight::of(call), call.weight);
        call.weight = now;
        if let Some(place) = self.shards.get(usize::from(call.shard.get())) {
            // A difference below zero wraps, and adds up all the same.
            for (sum, now, before) in [
                (&place.relaying_us, now.relaying_us, before.relaying_us),
                (
                    &place.transcoding_us,
                    now.transcoding_us,
                    before.transcoding_us,
                ),
            ] {
                sum.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
            }
        }
    }
}

impl Place {
    fn total_us(&self) -> u64 {
        let transcoding_us = self.transcoding_us.load(Ordering::Relaxed);
        transcoding_us.wrapping_add(self.relaying_us.load(Ordering::Relaxed))
    }

    fn has_room(&self, load: ShardLoad, since_epoch: Duration) -> bool {
        if load.behind >= BEHIND_LIMIT {
            return false;
        }
        let is_fresh = since_epoch.saturating_sub(load.sampled) <= SAMPLE_LIFE;
        let measured = if is_fresh {
            load.cpu_permille.into()
        } else {
            0
        };
        let total_us = self.total_us();
        let sampled_us = u64::try_from(load.sampled.as_micros()).unwrap_or(u64::MAX);
        if self.sampled_us.swap(sampled_us, Ordering::Relaxed) != sampled_us || !is_fresh {
            // From here on this is in the measured load; without one, all calls are still to come.
            let estimate_us = if is_fresh { total_us } else { 0 };
            self.estimate_us.store(estimate_us, Ordering::Relaxed);
        }
        let to_come_us = total_us.saturating_sub(self.estimate_us.load(Ordering::Relaxed));
        let expected = to_come_us.saturating_add(measured * 1000) / 1000;
        expected < CPU_LIMIT_PERMILLE || self.transcoding_us.load(Ordering::Relaxed) < TRANSCODES_US
    }
}
