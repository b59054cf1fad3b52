//! How well each party receives, over the life of a call: [`Sample`]s, written by the shard and read by
//! anyone. What is kept is bounded: sums, extremes, and ever fewer of the samples between.

use std::sync::OnceLock;

use super::Counter;
use crate::media::quality::Sample;
use crate::units::Ssrc;

/// The most samples that are kept of one history.
const KEPT: usize = 32;

/// What one party received.
#[derive(Debug, Default)]
pub struct QualityCounters {
    /// Bit 32 and the SSRC of the party; 0: never one.
    ssrc: Counter,
    /// 1: the party reports itself.
    reported: Counter,
    history: OnceLock<Box<History>>,
}

#[derive(Debug, Default)]
struct History {
    samples: Counter,
    mos: Counter,
    loss_percent: Counter,
    jitter_ms: Counter,
    /// Samples whose round trip is known.
    timed: Counter,
    round_trip_us: Counter,
    leg_us: Counter,
    lost: Counter,
    lowest: Slot,
    highest: Slot,
    kept: [Slot; KEPT],
    /// How many of them are in use.
    len: Counter,
    /// One of so many samples is kept.
    stride: Counter,
}

/// One sample, packed.
#[derive(Debug, Default)]
struct Slot {
    /// From the top: 8 bits of score, 8 of loss, 16 of jitter, 32 of time.
    figures: Counter,
    /// From the top: 32 bits of round trip, 32 of our leg.
    times: Counter,
}

/// A history as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityReport {
    /// Whose reception it is.
    pub ssrc: Ssrc,
    /// Packets lost since the start.
    pub lost: u64,
    /// How many samples there were, at least 1.
    pub samples: u64,
    /// Means of all samples, cut off. Round trips that are not known are left out of theirs.
    pub average: Sample,
    /// The first of those with the lowest score.
    pub lowest: Sample,
    /// The first of those with the highest score.
    pub highest: Sample,
    /// Some of the samples, at even distances: at most 32, at least 16 once there were so many.
    pub progression: Vec<Sample>,
}

impl QualityCounters {
    const SEEN: u64 = 1 << 32;

    /// Whose reception it is; `None`: nobody's yet.
    pub(super) fn ssrc(&self) -> Option<Ssrc> {
        let ssrc = self.ssrc.get().checked_sub(Self::SEEN)?;
        u32::try_from(ssrc).ok().map(Ssrc::new)
    }

    /// Makes room for a history, so that the first sample does not allocate.
    pub(super) fn prepare(&self) {
        let _ = self.history.get_or_init(Box::default);
    }

    /// Adds a sample; `lost`: packets since the start. The place's history begins anew with another party,
    /// and with the first sample that is `reported`. Allocates if [`QualityCounters::prepare`] has not.
    pub(super) fn add(&self, ssrc: Ssrc, sample: Sample, lost: u64, reported: bool) {
        let history = self.history.get_or_init(Box::default);
        let is_new = self.ssrc() != Some(ssrc);
        if is_new || reported && self.reported.get() == 0 {
            history.clear();
            self.reported.set(u64::from(reported));
            self.ssrc.set(Self::SEEN | u64::from(ssrc.get()));
        }
        history.add(sample, lost);
    }

    /// The history so far; `None`: there is none.
    #[must_use]
    pub fn report(&self) -> Option<QualityReport> {
        let ssrc = self.ssrc()?;
        self.history.get()?.report(ssrc)
    }
}

impl History {
    fn clear(&self) {
        for counter in [
            &self.samples,
            &self.mos,
            &self.loss_percent,
            &self.jitter_ms,
            &self.timed,
            &self.round_trip_us,
            &self.leg_us,
            &self.lost,
            &self.len,
            &self.stride,
        ] {
            counter.set(0);
        }
    }

    fn add(&self, sample: Sample, lost: u64) {
        let n = self.samples.get();
        self.mos.add(sample.mos.into());
        self.loss_percent.add(sample.loss_percent.into());
        self.jitter_ms.add(sample.jitter_ms.into());
        if sample.round_trip_us != 0 {
            self.timed.add(1);
            self.round_trip_us.add(sample.round_trip_us.into());
            self.leg_us.add(sample.leg_us.into());
        }
        self.lost.set(lost);
        if n == 0 || sample.mos < self.lowest.get().mos {
            self.lowest.set(sample);
        }
        if n == 0 || sample.mos > self.highest.get().mos {
            self.highest.set(sample);
        }
        self.keep(n, sample);
        self.samples.set(n + 1);
    }

    /// Keeps one sample of `stride`; when there are too many, every other one goes.
    fn keep(&self, n: u64, sample: Sample) {
        let stride = self.stride.get().max(1);
        if !n.is_multiple_of(stride) {
            return;
        }
        let mut len = usize::try_from(self.len.get()).unwrap_or(KEPT).min(KEPT);
        if len == KEPT {
            for at in 0..KEPT / 2 {
                self.kept[at].set(self.kept[2 * at].get());
            }
            len = KEPT / 2;
            self.stride.set(stride * 2);
        }
        self.kept[len].set(sample);
        self.len.set(u64::try_from(len + 1).unwrap_or(0));
    }

    fn report(&self, ssrc: Ssrc) -> Option<QualityReport> {
        let samples = self.samples.get();
        let mean = |sum: &Counter, of: u64| sum.get().checked_div(of).unwrap_or(0);
        let timed = self.timed.get();
        let len = usize::try_from(self.len.get()).unwrap_or(KEPT).min(KEPT);
        (samples > 0).then(|| QualityReport {
            ssrc,
            lost: self.lost.get(),
            samples,
            average: Sample {
                mos: u8::try_from(mean(&self.mos, samples)).unwrap_or(u8::MAX),
                loss_percent: u8::try_from(mean(&self.loss_percent, samples)).unwrap_or(u8::MAX),
                jitter_ms: u16::try_from(mean(&self.jitter_ms, samples)).unwrap_or(u16::MAX),
                round_trip_us: u32::try_from(mean(&self.round_trip_us, timed)).unwrap_or(u32::MAX),
                leg_us: u32::try_from(mean(&self.leg_us, timed)).unwrap_or(u32::MAX),
                at_s: 0,
            },
            lowest: self.lowest.get(),
            highest: self.highest.get(),
            progression: self.kept[..len].iter().map(Slot::get).collect(),
        })
    }
}

impl Slot {
    fn set(&self, sample: Sample) {
        let figures = u64::from(sample.mos) << 56
            | u64::from(sample.loss_percent) << 48
            | u64::from(sample.jitter_ms) << 32
            | u64::from(sample.at_s);
        self.figures.set(figures);
        self.times
            .set(u64::from(sample.round_trip_us) << 32 | u64::from(sample.leg_us));
    }

    fn get(&self) -> Sample {
        let [mos, loss_percent, j0, j1, a0, a1, a2, a3] = self.figures.get().to_be_bytes();
        let [r0, r1, r2, r3, l0, l1, l2, l3] = self.times.get().to_be_bytes();
        Sample {
            mos,
            loss_percent,
            jitter_ms: u16::from_be_bytes([j0, j1]),
            round_trip_us: u32::from_be_bytes([r0, r1, r2, r3]),
            leg_us: u32::from_be_bytes([l0, l1, l2, l3]),
            at_s: u32::from_be_bytes([a0, a1, a2, a3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: u32) -> Sample {
        Sample::new(u8::try_from(n % 60).unwrap(), 3, 40_000 + n, 20_000, n * 5)
    }

    #[test]
    fn a_long_call_keeps_few_samples_and_all_of_its_figures() {
        let quality = QualityCounters::default();
        assert_eq!(quality.report(), None);
        let all: Vec<Sample> = (0..5000).map(sample).collect();
        for (n, &sample) in all.iter().enumerate() {
            quality.add(Ssrc::new(7), sample, 2 * n as u64, true);
            let report = quality.report().unwrap();
            let at: Vec<u32> = report.progression.iter().map(|s| s.at_s).collect();
            assert!(at.len() <= KEPT && at.len() >= (KEPT / 2).min(n + 1));
            let step = at.get(1).map_or(0, |second| second - at[0]);
            assert!(at.windows(2).all(|pair| pair[1] - pair[0] == step));
        }
        let report = quality.report().unwrap();
        assert_eq!((report.ssrc, report.samples), (Ssrc::new(7), 5000));
        assert_eq!(report.lost, 2 * 4999);
        let mos: u64 = all.iter().map(|s| u64::from(s.mos)).sum();
        assert_eq!(u64::from(report.average.mos), mos / 5000);
        assert_eq!(report.average.round_trip_us, 42_499);
        let lowest = all.iter().min_by_key(|s| s.mos).unwrap();
        assert_eq!(report.lowest, *lowest);
        assert_eq!(report.highest.mos, all.iter().map(|s| s.mos).max().unwrap());
    }

    #[test]
    fn a_place_can_be_given_to_another_party() {
        let quality = QualityCounters::default();
        (0..40).for_each(|n| quality.add(Ssrc::new(1), sample(n), 9, true));
        quality.add(Ssrc::new(2), sample(3), 1, false);
        let report = quality.report().unwrap();
        assert_eq!(
            (report.ssrc, report.samples, report.lost),
            (Ssrc::new(2), 1, 1)
        );
        assert_eq!(report.progression, [sample(3)]);
        assert_eq!((report.lowest, report.highest), (sample(3), sample(3)));
    }

    #[test]
    fn reports_take_the_place_of_measurements() {
        let quality = QualityCounters::default();
        quality.add(Ssrc::new(1), sample(1), 9, false);
        quality.add(Ssrc::new(1), sample(2), 9, false);
        assert_eq!(quality.report().unwrap().samples, 2);
        quality.add(Ssrc::new(1), sample(3), 9, true);
        assert_eq!(quality.report().unwrap().samples, 1);
        quality.add(Ssrc::new(1), sample(4), 9, false);
        assert_eq!(quality.report().unwrap().samples, 2);
    }

    #[test]
    fn unknown_round_trips_do_not_pull_the_mean_down() {
        let quality = QualityCounters::default();
        quality.add(Ssrc::new(1), Sample::new(0, 0, 0, 0, 1), 0, true);
        quality.add(Ssrc::new(1), Sample::new(0, 0, 50_000, 20_000, 2), 0, true);
        assert_eq!(quality.report().unwrap().average.round_trip_us, 50_000);
    }
}
