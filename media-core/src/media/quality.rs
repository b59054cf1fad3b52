//! How good a call sounds, told from figures alone: the E-model (ITU-T G.107) in the short form that
//! monitors use, in which delay, jitter and loss cost points of a rating, and the rating gives a mean
//! opinion score. It is what rtpengine computes, to the digit.
//!
//! Knows neither codec nor concealment: a score compares calls, it does not measure one.

/// What somebody receives, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Mean opinion score × 10: 10 is useless, 44 is as good as it gets.
    pub mos: u8,
    /// Packets lost of 100, in the time since the sample before.
    pub loss_percent: u8,
    /// Interarrival jitter (RFC 3550 §6.4.1), ms.
    pub jitter_ms: u16,
    /// From one end of the call to the other and back, µs; 0: not known.
    pub round_trip_us: u32,
    /// The part of it between the one who receives and us, µs; 0: not known.
    pub leg_us: u32,
    /// When, in seconds since whatever epoch the caller counts from.
    pub at_s: u32,
}

impl Sample {
    /// With its score. A `fraction_lost` is of 256, as a report block has it.
    #[must_use]
    pub fn new(
        fraction_lost: u8,
        jitter_ms: u16,
        round_trip_us: u32,
        leg_us: u32,
        at_s: u32,
    ) -> Self {
        let loss_percent = u8::try_from(u16::from(fraction_lost) * 100 / 256).unwrap_or(100);
        Self {
            mos: mos(round_trip_us, jitter_ms, loss_percent),
            loss_percent,
            jitter_ms,
            round_trip_us,
            leg_us,
            at_s,
        }
    }
}

/// Mean opinion score × 10, cut off. `round_trip_us`: 0 if it is not known, which leaves the score of
/// listening alone.
///
/// ```
/// use media_core::media::quality::mos;
///
/// assert_eq!(mos(0, 0, 0), 44);
/// assert_eq!(mos(40_276, 10, 9), 35);
/// ```
#[must_use]
pub fn mos(round_trip_us: u32, jitter_ms: u16, loss_percent: u8) -> u8 {
    let delay_ms = f64::from(round_trip_us) / 1000.0 + f64::from(jitter_ms) * 2.0 + 10.0;
    let impaired = if delay_ms < 160.0 {
        delay_ms / 40.0
    } else {
        (delay_ms - 120.0) / 10.0
    };
    let rating = (93.2 - impaired - f64::from(loss_percent) * 2.5).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating);
    tenths(score)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what an octet holds"
)]
fn tenths(score: f64) -> u8 {
    (score.clamp(1.0, 5.0) * 10.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rtpengine 10.5.3.5 answered to `query` after such reports.
    #[test]
    fn scores_are_those_of_rtpengine() {
        for (round_trip_us, jitter_ms, loss_percent, score) in [
            (24, 0, 0, 44),
            (4_776, 0, 0, 44),
            (13_328, 0, 0, 43),
            (40_125, 0, 0, 43),
            (40_276, 10, 9, 35),
            (40_350, 1, 4, 40),
            (140_145, 0, 0, 43),
            (240_126, 2, 1, 39),
            (340_165, 10, 5, 28),
            (440_057, 20, 10, 16),
            (640_082, 40, 19, 10),
            (840_116, 0, 30, 10),
            (80_058, 0, 50, 10),
            (80_078, 100, 99, 10),
        ] {
            let got = mos(round_trip_us, jitter_ms, loss_percent);
            assert_eq!(
                got, score,
                "{round_trip_us} µs {jitter_ms} ms {loss_percent} %"
            );
        }
    }

    #[test]
    fn no_figures_take_a_score_out_of_its_range() {
        for (round_trip_us, jitter_ms, loss_percent) in [
            (u32::MAX, u16::MAX, u8::MAX),
            (0, 0, 0),
            (u32::MAX, 0, 0),
            (0, u16::MAX, 0),
        ] {
            let got = mos(round_trip_us, jitter_ms, loss_percent);
            assert!((10..=44).contains(&got), "{got}");
        }
    }

    #[test]
    fn a_fraction_becomes_whole_percents() {
        assert_eq!(Sample::new(25, 10, 40_276, 20_106, 7).loss_percent, 9);
        assert_eq!(Sample::new(255, 0, 0, 0, 0).loss_percent, 99);
        assert_eq!(Sample::new(2, 0, 0, 0, 0).loss_percent, 0);
    }
}
