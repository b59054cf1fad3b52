//! How many messages an agent takes.

use std::time::{Duration, Instant};

/// A bucket of messages that fills with time.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// Until when the bucket has been filled.
    filled: Option<Instant>,
}

impl Budget {
    /// At once: every pair of a peer with many candidates, checked twice.
    const BURST: u32 = 128;
    /// From one message to the next in the long run: a peer checks every 20 ms at its fastest.
    const INTERVAL: Duration = Duration::from_millis(8);

    pub(super) const fn new() -> Self {
        Self {
            left: Self::BURST,
            filled: None,
        }
    }

    /// Takes one message out, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = self
            .filled
            .map_or(Duration::MAX, |f| now.saturating_duration_since(f));
        let earned = since.as_nanos() / Self::INTERVAL.as_nanos();
        match u32::try_from(earned) {
            Ok(earned) if earned < Self::BURST - self.left => {
                self.left += earned;
                self.filled = self.filled.map(|f| f + Self::INTERVAL * earned);
            }
            _ => {
                self.left = Self::BURST;
                self.filled = Some(now);
            }
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_one_per_interval() {
        // The origin's value does not matter.
        #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
        let start = Instant::now();
        let mut budget = Budget::new();
        let passed = |budget: &mut Budget, at: Duration, n: u32| {
            (0..n).filter(|_| budget.take(start + at)).count()
        };
        assert_eq!(passed(&mut budget, Duration::ZERO, 1000), 128);
        // 1 s at 8 ms, in small steps.
        let second: usize = (1..=1000)
            .map(|ms| passed(&mut budget, Duration::from_millis(ms), 5))
            .sum();
        assert_eq!(second, 125);
        // Full again, and no fuller.
        assert_eq!(passed(&mut budget, Duration::from_secs(3600), 1000), 128);
    }
}
