//! The lite half: takes the pair that the controlling peer nominates.
//!
//! Written here and not taken from the `is` crate, whose lite agent notices a nomination only at its
//! next timeout (up to 3 s later), allocates for every answer, and lets an authenticated peer grow its
//! tables without end.

use std::time::{Duration, Instant};

use super::types::CandidatePair;

/// The priority of a pair whose controlling side has the candidate priority `g`, the controlled side
/// `d` (RFC 8445 §6.1.2.3).
pub(super) fn pair_priority(g: u32, d: u32) -> u64 {
    let (g, d) = (u64::from(g), u64::from(d));
    // Saturates only beyond the priorities that RFC 8445 allows.
    (g.min(d) << 32)
        .saturating_add(2 * g.max(d))
        .saturating_add(u64::from(g > d))
}

#[derive(Clone, Copy, Debug)]
struct Selected {
    pair: CandidatePair,
    priority: u64,
    last_check: Instant,
}

/// What was nominated.
#[derive(Debug, Default)]
pub(super) struct Lite(Option<Selected>);

impl Lite {
    /// A nominated pair that is not checked for so long gives way to another, however good it is.
    /// Browsers check the pair in use every 2.5 s.
    const QUIET: Duration = Duration::from_secs(6);

    /// Takes a check; returns its pair if that is now nominated and was not before.
    ///
    /// Older controlling agents nominate every pair that works: the best of them counts (aggressive
    /// nomination, RFC 5245 §8.1.1.2).
    pub(super) fn check(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        priority: u64,
        use_candidate: bool,
    ) -> Option<CandidatePair> {
        if let Some(selected) = &mut self.0 {
            if selected.pair == pair {
                selected.last_check = now;
                return None;
            }
            let silence = now.saturating_duration_since(selected.last_check);
            if priority <= selected.priority && silence < Self::QUIET {
                return None;
            }
        }
        use_candidate.then(|| {
            self.0 = Some(Selected {
                pair,
                priority,
                last_check: now,
            });
            pair
        })
    }

    /// Forgets what was nominated.
    pub(super) fn restart(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_nominated_pair_counts_until_it_falls_silent() {
        // The origin's value does not matter.
        #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let pair = |port| CandidatePair {
            local: ([10, 0, 0, 1], 4000).into(),
            remote: ([10, 0, 0, 2], port).into(),
        };
        let mut lite = Lite::default();
        assert_eq!(lite.check(at(0), pair(1), 10, false), None, "not nominated");
        assert_eq!(lite.check(at(1), pair(1), 10, true), Some(pair(1)));
        assert_eq!(lite.check(at(2), pair(1), 10, true), None, "no news");
        assert_eq!(lite.check(at(3), pair(2), 5, true), None, "worse");
        assert_eq!(lite.check(at(4), pair(3), 20, false), None, "not nominated");
        assert_eq!(
            lite.check(at(5), pair(3), 20, true),
            Some(pair(3)),
            "better"
        );
        assert_eq!(
            lite.check(at(6000), pair(2), 5, true),
            None,
            "5.995 s of silence"
        );
        assert_eq!(lite.check(at(6005), pair(2), 5, true), Some(pair(2)));
    }

    #[test]
    fn pair_priority_is_the_rfcs() {
        // RFC 8445 §6.1.2.3: 2^32 * MIN(G,D) + 2 * MAX(G,D) + (G>D ? 1 : 0).
        assert_eq!(pair_priority(3, 2), (2 << 32) + 6 + 1);
        assert_eq!(pair_priority(2, 3), (2 << 32) + 6);
        assert_eq!(pair_priority(u32::MAX, u32::MAX), u64::MAX);
    }
}
