//! Packets and octets over all shards, and their rates.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media_core::engine::ShardCounters;

/// Sums of the shards' counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams received.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Datagrams dropped, for any reason.
    pub dropped: u64,
}

/// Reads shards' counters. Totals are measured between reads, so nothing runs while nobody asks.
#[derive(Debug)]
pub struct Traffic {
    shards: Vec<Arc<ShardCounters>>,
    last: Mutex<(Instant, Totals, Totals)>,
}

impl Traffic {
    /// Totals younger than this are given again instead of being measured over too short a time.
    const SHORTEST: Duration = Duration::from_millis(900);

    /// Reads these shards.
    #[must_use]
    pub fn new(shards: Vec<Arc<ShardCounters>>, now: Instant) -> Self {
        let zero = Totals::default();
        Self {
            shards,
            last: Mutex::new((now, zero, zero)),
        }
    }

    /// The shards' counters.
    #[must_use]
    pub fn shards(&self) -> &[Arc<ShardCounters>] {
        &self.shards
    }

    /// Sums since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for shard in &self.shards {
            sum.packets += shard.packets.get();
            sum.octets += shard.octets.get();
            sum.dropped += shard.dropped.iter().map(|n| n.get()).sum::<u64>();
        }
        sum
    }

    /// Per second, since the last time that anybody asked.
    pub fn rates(&self, now: Instant) -> Totals {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(last.0);
        if elapsed >= Self::SHORTEST {
            let totals = self.totals();
            let per_second = |new: u64, old: u64| {
                let rate = u128::from(new.saturating_sub(old)) * 1000 / elapsed.as_millis();
                u64::try_from(rate).unwrap_or(u64::MAX)
            };
            let rates = Totals {
                packets: per_second(totals.packets, last.1.packets),
                octets: per_second(totals.octets, last.1.octets),
                dropped: per_second(totals.dropped, last.1.dropped),
            };
            *last = (now, totals, rates);
        }
        last.2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_not_measured_over_too_short_a_time() {
        let start = Instant::now();
        let traffic = Traffic::new(vec![Arc::new(ShardCounters::default())], start);
        let zero = Totals::default();
        *traffic.last.lock().unwrap() = (start, zero, Totals { packets: 5, ..zero });
        assert_eq!(traffic.rates(start + Duration::from_millis(500)).packets, 5);
        assert_eq!(traffic.rates(start + Duration::from_secs(1)).packets, 0);
    }
}
