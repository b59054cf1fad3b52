//! When the next frame is due.

use std::time::{Duration, Instant};

use super::FRAME;

/// A clock of absolute deadlines, 20 ms apart: lateness of one frame never delays the next.
///
/// ```
/// # use std::time::{Duration, Instant};
/// use media_core::voice::FrameClock;
/// # let now = { #[expect(clippy::disallowed_methods)] Instant::now() };
/// let mut clock = FrameClock::start(now);
/// assert_eq!(clock.due(now), 1, "the first at once");
/// assert_eq!(clock.due(now + Duration::from_millis(61)), 3);
/// assert_eq!(clock.deadline(), now + Duration::from_millis(80));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FrameClock {
    next: Instant,
    skipped: u64,
}

impl FrameClock {
    /// Most frames owed at once, half a second. Whoever stood still for longer (a suspended machine)
    /// goes on from there instead of making up for it.
    pub const MAX_OWED: u32 = 25;

    /// A clock whose first frame is due at `now`.
    #[must_use]
    pub fn start(now: Instant) -> Self {
        Self {
            next: now,
            skipped: 0,
        }
    }

    /// When the next frame is due.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Frames that are due by `now` and have not been told before; 0 before the deadline.
    pub fn due(&mut self, now: Instant) -> u32 {
        let Some(late) = now.checked_duration_since(self.next) else {
            return 0;
        };
        let owed = late.as_nanos() / FRAME.as_nanos() + 1;
        let owed = u64::try_from(owed).unwrap_or(u64::MAX);
        let ahead = FRAME.as_nanos() * u128::from(owed);
        let ahead = Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX));
        self.next = self.next.checked_add(ahead).unwrap_or(now);
        let told = u32::try_from(owed).map_or(Self::MAX_OWED, |owed| owed.min(Self::MAX_OWED));
        self.skipped += owed - u64::from(told);
        told
    }

    /// Frames that were never told, as the clock had stood still for too long.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do to start from"
)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn lateness_does_not_add_up() {
        let start = Instant::now();
        let mut clock = FrameClock::start(start);
        let mut frames = 0;
        for n in 0..500 {
            // Woken 0 to 6 ms late, as timers are.
            let now = clock.deadline() + MS * (n * 7 % 7);
            frames += clock.due(now);
        }
        assert_eq!(frames, 500);
        assert_eq!(clock.deadline(), start + FRAME * 500);
    }

    #[test]
    fn stall_is_made_up_for_and_no_more() {
        let start = Instant::now();
        let mut clock = FrameClock::start(start);
        assert_eq!(clock.due(start), 1);
        assert_eq!(clock.due(start + MS * 19), 0);
        assert_eq!(clock.due(start + MS * 300), 15);
        assert_eq!(clock.due(start + MS * 300), 0);
        assert_eq!(clock.deadline(), start + MS * 320);
        assert_eq!(clock.skipped(), 0);
    }

    #[test]
    fn long_standstill_is_let_go() {
        let start = Instant::now();
        let mut clock = FrameClock::start(start);
        let hour = start + Duration::from_secs(3600);
        assert_eq!(clock.due(hour), FrameClock::MAX_OWED);
        assert_eq!(clock.skipped(), 180_001 - 25);
        assert_eq!(clock.deadline(), hour + FRAME);
    }

    #[test]
    fn time_that_goes_backwards_owes_nothing() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut clock = FrameClock::start(start);
        assert_eq!(clock.due(start + FRAME), 2);
        assert_eq!(clock.due(start), 0);
    }
}
