//! When a shard's ticks are.

use std::time::{Duration, Instant};

/// Ticks a fixed distance apart, without drift, as long as the shard keeps up.
///
/// A shard that does not keep up gets no wait at all until it does: it takes what has come meanwhile.
/// Were it to wait for the next tick of a fixed grid instead, one long turn would be followed by a wait
/// during which as much piles up again, so that turns would stay long for ever after a single stall.
#[derive(Debug)]
pub(super) struct Pace {
    tick: Duration,
    /// When the turn that runs was due, or the one waited for is.
    due: Instant,
}

impl Pace {
    pub(super) fn new(tick: Duration, now: Instant) -> Self {
        Self { tick, due: now }
    }

    /// No ticks: a turn begins as soon as anything arrives.
    pub(super) fn is_off(&self) -> bool {
        self.tick.is_zero()
    }

    /// A turn begins. One that nothing asked for until long after it was due starts the ticks anew.
    pub(super) fn begin(&mut self, now: Instant) {
        if now >= self.due + self.tick {
            self.due = now;
        }
    }

    /// A turn has ended; returns how long to gather packets for the next. Zero: its time is past.
    pub(super) fn gather(&mut self, now: Instant) -> Duration {
        self.due = (self.due + self.tick).max(now);
        self.due - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    /// Lets turns begin when their wait is over and take `work` of the time since the turn before;
    /// returns the end of the last and the longest of the last ten.
    fn run(pace: &mut Pace, mut now: Instant, work: f64, turns: usize) -> (Instant, Duration) {
        let (mut before, mut longest) = (now, Duration::ZERO);
        for turn in 0..turns {
            now += pace.gather(now);
            pace.begin(now);
            let took = (now - before).mul_f64(work);
            before = now;
            now += took;
            if turn + 10 >= turns {
                longest = longest.max(took);
            }
        }
        (now, longest)
    }

    #[test]
    fn ticks_do_not_drift() {
        let start = Instant::now();
        let mut pace = Pace::new(TICK, start);
        let mut now = start;
        for n in 1..1000_u32 {
            now += pace.gather(now);
            assert_eq!(now - start, TICK * n);
            // Up to nine tenths of a tick late and at work.
            now += Duration::from_micros(u64::from(n % 450));
            pace.begin(now);
            now += Duration::from_micros(u64::from(n % 450));
        }
    }

    #[test]
    fn a_stall_is_made_up_for_even_under_high_load() {
        let start = Instant::now();
        let mut pace = Pace::new(TICK, start);
        let (now, _) = run(&mut pace, start, 0.9, 20);
        // The turn after the stall finds twenty ticks' packets.
        let (_, longest) = run(&mut pace, now + TICK * 20, 0.9, 80);
        assert!(longest <= TICK, "{longest:?}");
    }

    #[test]
    fn after_a_quiet_time_the_first_arrival_is_served_and_then_gathering_begins() {
        let start = Instant::now();
        let mut pace = Pace::new(TICK, start);
        pace.gather(start);
        let arrival = start + TICK * 500;
        pace.begin(arrival);
        assert_eq!(pace.gather(arrival), TICK);
    }

    #[test]
    fn a_turn_that_took_too_long_is_followed_by_the_next_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(TICK, start);
        let due = start + pace.gather(start);
        pace.begin(due);
        assert_eq!(pace.gather(due + TICK * 3), Duration::ZERO);
    }
}
