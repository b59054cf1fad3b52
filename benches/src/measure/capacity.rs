//! The largest number of calls that a daemon carries.

use std::time::Duration;

use super::load::LAG_LIMIT;
use super::{Bench, LoadReport, MeasureError, Phases};

/// When a number of calls counts as carried, and how the search goes.
#[derive(Clone, Copy, Debug)]
pub struct CapacityLimits {
    /// Loss must be below this part.
    pub loss: f64,
    /// The 99th percentile of added latency must be below this.
    pub latency_p99: Duration,
    /// The generator may send so late itself, 99th percentile, and the run still counts.
    pub lag_p99: Duration,
    /// Calls to begin with.
    pub first: usize,
    /// Calls to end with, even if carried.
    pub most: usize,
    /// The search ends when the last good and first bad number differ by less than this part.
    pub resolution: f64,
    /// Runs of a number before it counts as not carried, so that one disturbance does not decide.
    pub tries: u32,
}

impl Default for CapacityLimits {
    fn default() -> Self {
        Self {
            loss: 0.001,
            latency_p99: Duration::from_millis(20),
            lag_p99: LAG_LIMIT,
            first: 250,
            most: 4900,
            resolution: 0.05,
            tries: 2,
        }
    }
}

/// Why the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityEnd {
    /// More calls and the daemon failed.
    Daemon,
    /// More calls and the generator failed: the daemon may carry more.
    Generator,
    /// [`CapacityLimits::most`] calls were carried.
    Most,
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// The run with the most calls that was good; `None` if not even a few were carried.
    pub best: Option<LoadReport>,
    /// Why there is no better one.
    pub end: CapacityEnd,
}

impl Capacity {
    /// Calls carried.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.best.as_ref().map_or(0, |report| report.calls)
    }

    /// Calls that a whole core would carry if CPU were all that counts: extrapolated from the best
    /// run's use of it. Label it as derived.
    #[must_use]
    pub fn derived_calls(&self) -> usize {
        self.best.as_ref().map_or(0, |report| {
            let calls = Duration::from_secs(report.calls as u64);
            // A Duration divides by a float and rounds; plain casts would have to be defended.
            let derived = calls.div_f64(report.usage.cores().max(1e-3));
            usize::try_from(derived.as_secs()).unwrap_or(usize::MAX)
        })
    }
}

impl Bench {
    /// Searches by doubling, then halving the gap. `seen` is told of each run.
    ///
    /// # Errors
    /// When the daemon is gone. Calls it refuses to set up count as not carried.
    pub fn capacity(
        &mut self,
        limits: &CapacityLimits,
        phases: Phases,
        mut seen: impl FnMut(&LoadReport, bool),
    ) -> Result<Capacity, MeasureError> {
        let mut best: Option<LoadReport> = None;
        let mut bad: Option<usize> = None;
        let mut end = CapacityEnd::Most;
        let mut next = limits.first.min(limits.most);
        while next > 0 {
            let mut good = false;
            for _ in 0..limits.tries.max(1) {
                match self.load(next, phases, |_, _| ()) {
                    Ok(report) => {
                        good = limits.carried(&report);
                        seen(&report, good);
                        if good {
                            best = Some(report);
                            break;
                        }
                        end = if report.generator.limited_beyond(limits.lag_p99) {
                            CapacityEnd::Generator
                        } else {
                            CapacityEnd::Daemon
                        };
                    }
                    Err(MeasureError::Calls { .. }) => end = CapacityEnd::Daemon,
                    Err(error) => return Err(error),
                }
            }
            if !good {
                bad = Some(next);
            }
            next = limits.next(best.as_ref().map_or(0, |r| r.calls), bad);
        }
        Ok(Capacity { best, end })
    }
}

impl CapacityLimits {
    fn carried(&self, report: &LoadReport) -> bool {
        report.tally.loss() < self.loss
            && report.latency(0.99) < self.latency_p99
            && report.faults() == 0
            && !report.generator.limited_beyond(self.lag_p99)
    }

    /// The number to try next; 0 when the search is over.
    fn next(&self, good: usize, bad: Option<usize>) -> usize {
        match bad {
            None if good >= self.most => 0,
            None => (good * 2).min(self.most),
            Some(bad) => {
                let gap = bad.saturating_sub(good);
                if gap <= 1 || gap as f64 <= bad as f64 * self.resolution {
                    0
                } else {
                    good + gap / 2
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The search, with a daemon that carries up to `capacity` calls.
    fn search(capacity: usize) -> (usize, u32) {
        let limits = CapacityLimits::default();
        let (mut good, mut bad, mut next, mut runs) = (0, None, limits.first, 0);
        while next > 0 {
            runs += 1;
            if next <= capacity {
                good = next;
            } else {
                bad = Some(next);
            }
            next = limits.next(good, bad);
        }
        (good, runs)
    }

    #[test]
    fn the_search_ends_within_its_resolution() {
        for capacity in [0, 1, 7, 249, 250, 251, 999, 1337, 4899, 4900, 10_000] {
            let (found, runs) = search(capacity);
            let most = capacity.min(4900);
            assert!(found <= most, "{capacity}: {found}");
            assert!(
                found as f64 >= most as f64 * 0.94 - 1.0,
                "{capacity}: {found}"
            );
            assert!(runs <= 12, "{capacity}: {runs} runs");
        }
    }
}
