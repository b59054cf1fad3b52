//! What the caller says, as an unbroken run of frames.
//!
//! A telephone falls silent without a word: muted, it sends nothing. A bot's speech detector waits for sound
//! then, so the gap is filled with silence. And when a network has held sound back, what comes at once is
//! more than has passed in time: a little is passed on, the rest would be delay for good.

use std::time::{Duration, Instant};

use codecs::SampleRate;

use super::{AudioFormat, FRAME, Intake, IntakeError, duration_of, samples_in};

/// 20 ms of what the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkFrame<'a> {
    /// Where it begins, counted from the first frame's beginning: 20 ms more than that of the frame before.
    pub pts: Duration,
    /// Mono samples of the uplink's rate.
    pub samples: &'a [i16],
    /// When the first of them came, or was made up.
    pub since: Instant,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UplinkCounters {
    /// Frames given.
    pub frames: u64,
    /// Of these, silence of ours.
    pub filled: u64,
    /// Frames left out, as they came faster than time passes.
    pub dropped: u64,
}

/// Makes frames of a caller's bytes.
#[derive(Debug)]
pub struct Uplink {
    intake: Intake,
    cutter: Cutter,
}

#[derive(Debug)]
struct Cutter {
    rate: SampleRate,
    frame: Box<[i16]>,
    filled: usize,
    /// When the first sample of this frame came.
    since: Instant,
    /// When the first frame began.
    origin: Instant,
    last_arrival: Instant,
    counters: UplinkCounters,
}

impl Uplink {
    /// A caller silent for this long is muted, or its sound is late.
    pub const GAP: Duration = Duration::from_millis(60);
    /// Sound may be this much ahead of time, not more.
    pub const MAX_LEAD: Duration = Duration::from_millis(300);

    /// Frames of this rate, counted from `now`.
    #[must_use]
    pub fn new(now: Instant, rate: SampleRate) -> Self {
        let frame = samples_in(FRAME, rate).max(1);
        Self {
            intake: Intake::new(rate),
            cutter: Cutter {
                rate,
                frame: vec![0; frame].into(),
                filled: 0,
                since: now,
                origin: now,
                last_arrival: now,
                counters: UplinkCounters::default(),
            },
        }
    }

    /// Takes bytes of any length and hands the frames that they complete to `sink`.
    ///
    /// # Errors
    /// As [`Intake::push`].
    pub fn push(
        &mut self,
        now: Instant,
        format: AudioFormat,
        bytes: &[u8],
        mut sink: impl FnMut(UplinkFrame<'_>),
    ) -> Result<(), IntakeError> {
        let cutter = &mut self.cutter;
        cutter.last_arrival = cutter.last_arrival.max(now);
        self.intake
            .push(format, bytes, |samples| cutter.cut(now, samples, &mut sink))
    }

    /// Fills the gap if the caller sends nothing. To be called every 20 ms.
    pub fn tick(&mut self, now: Instant, mut sink: impl FnMut(UplinkFrame<'_>)) {
        self.cutter.fill(now, &mut sink);
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> UplinkCounters {
        self.cutter.counters
    }
}

impl Cutter {
    fn cut(&mut self, now: Instant, samples: &[i16], sink: &mut impl FnMut(UplinkFrame<'_>)) {
        let mut rest = samples;
        while !rest.is_empty() {
            if self.filled == 0 {
                self.since = now;
            }
            let room = self.frame.len() - self.filled;
            let (piece, behind) = rest.split_at(room.min(rest.len()));
            self.frame[self.filled..self.filled + piece.len()].copy_from_slice(piece);
            self.filled += piece.len();
            rest = behind;
            if self.filled < self.frame.len() {
                return;
            }
            if self.given() + FRAME > self.elapsed(now) + Uplink::MAX_LEAD {
                self.filled = 0;
                self.counters.dropped += 1;
            } else {
                self.give(sink);
            }
        }
    }

    fn fill(&mut self, now: Instant, sink: &mut impl FnMut(UplinkFrame<'_>)) {
        if now.saturating_duration_since(self.last_arrival) < Uplink::GAP {
            return;
        }
        let behind = self.elapsed(now).saturating_sub(self.given());
        if behind > Uplink::MAX_LEAD * 2 {
            // We have stood still ourselves: nobody needs that silence any more.
            self.origin += behind - Uplink::GAP;
        }
        while self.given() + Uplink::GAP <= self.elapsed(now) {
            self.frame[self.filled..].fill(0);
            self.counters.filled += 1;
            self.since = now;
            self.give(sink);
        }
    }

    fn give(&mut self, sink: &mut impl FnMut(UplinkFrame<'_>)) {
        self.filled = 0;
        let pts = self.given();
        self.counters.frames += 1;
        sink(UplinkFrame {
            pts,
            samples: &self.frame,
            since: self.since,
        });
    }

    fn given(&self) -> Duration {
        let frame = u64::try_from(self.frame.len()).unwrap_or(u64::MAX);
        duration_of(self.counters.frames.saturating_mul(frame), self.rate)
    }

    fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
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
    const SLIN8: AudioFormat = AudioFormat::linear(8000);

    struct Caller {
        uplink: Uplink,
        now: Instant,
        pts: Vec<Duration>,
        loud: usize,
    }

    impl Caller {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                uplink: Uplink::new(now, SampleRate::HZ_16000),
                now,
                pts: Vec::new(),
                loud: 0,
            }
        }

        fn say(&mut self, format: AudioFormat, bytes: &[u8]) {
            let (pts, loud) = (&mut self.pts, &mut self.loud);
            let take = |frame: UplinkFrame<'_>| {
                assert_eq!(frame.samples.len(), 320);
                pts.push(frame.pts);
                *loud += usize::from(frame.samples.iter().any(|s| *s > 500));
            };
            self.uplink.push(self.now, format, bytes, take).unwrap();
        }

        fn tick(&mut self) {
            self.now += FRAME;
            let pts = &mut self.pts;
            self.uplink.tick(self.now, |frame| pts.push(frame.pts));
        }

        fn assert_unbroken(&self) {
            for (n, pts) in (0..).zip(&self.pts) {
                assert_eq!(*pts, FRAME * n);
            }
        }
    }

    #[test]
    fn every_rate_gives_a_frame_per_20_ms() {
        for hz in [
            8000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
        ] {
            let mut caller = Caller::new();
            let bytes = 1000_i16.to_le_bytes().repeat(hz as usize / 50);
            for _ in 0..100 {
                caller.tick();
                caller.say(AudioFormat::linear(hz), &bytes);
            }
            assert!(caller.pts.len() >= 99, "{hz}: {}", caller.pts.len());
            assert!(caller.loud >= 97, "{hz}: {}", caller.loud);
            caller.assert_unbroken();
            assert_eq!(caller.uplink.counters().filled, 0);
        }
    }

    #[test]
    fn added_delay_is_that_of_the_filter() {
        let mut caller = Caller::new();
        caller.say(SLIN8, &[0; 320]);
        assert_eq!(caller.pts.len(), 1, "20 ms in, 20 ms out");
    }

    #[test]
    fn frame_is_as_old_as_its_first_sample() {
        let mut caller = Caller::new();
        let begin = caller.now;
        caller.say(SLIN8, &[0; 160]);
        caller.now += MS * 10;
        let mut since = None;
        let sink = |frame: UplinkFrame<'_>| since = Some(frame.since);
        let now = caller.now;
        caller.uplink.push(now, SLIN8, &[0; 160], sink).unwrap();
        assert_eq!(since, Some(begin));
    }

    #[test]
    fn muted_caller_is_silence_in_time() {
        let mut caller = Caller::new();
        for _ in 0..100 {
            caller.tick();
        }
        // 60 ms of patience.
        assert_eq!(caller.pts.len(), 98);
        caller.assert_unbroken();
        for _ in 0..100 {
            caller.tick();
            caller.say(SLIN8, &1000_i16.to_le_bytes().repeat(160));
        }
        assert!((198..=200).contains(&caller.pts.len()));
        assert_eq!(caller.uplink.counters().dropped, 0);
        caller.assert_unbroken();
    }

    #[test]
    fn held_back_sound_does_not_become_delay() {
        let mut caller = Caller::new();
        for _ in 0..100 {
            caller.tick();
        }
        for _ in 0..100 {
            caller.say(SLIN8, &1000_i16.to_le_bytes().repeat(160));
        }
        let counters = caller.uplink.counters();
        assert_eq!(counters.frames + counters.dropped, 198);
        assert_eq!(counters.frames, 115, "300 ms ahead at most");
        caller.assert_unbroken();
    }

    #[test]
    fn standing_still_is_not_made_up_for() {
        let mut caller = Caller::new();
        caller.now += Duration::from_secs(3600);
        caller.tick();
        assert!(caller.pts.len() < 5, "{}", caller.pts.len());
        for _ in 0..10 {
            caller.tick();
        }
        assert!((10..15).contains(&caller.pts.len()));
        caller.assert_unbroken();
        assert!(caller.now > Instant::now() + MS);
    }
}
