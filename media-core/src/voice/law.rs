//! Tells µ-law under a linear label from linear samples.
//!
//! Asterisk's channel driver sends whatever its channel's format is as linear, so that a G.711 leg gives
//! frames of 160 bytes, 20 ms of µ-law, which would also be 10 ms of linear samples.

use codecs::g711::decode_mu_law;

use super::Encoding;

/// Frame of µ-law, bytes.
const SUSPECT: usize = 160;
/// Frames with sound that settle it.
const VOTES: i8 = 5;

/// Judges the first frames of a stream that says it is linear at 8000 Hz.
///
/// A frame of another length than 160 bytes is linear, and so is all behind it. In one of 160 the neighbouring
/// bytes tell: the low bytes of linear samples are as good as random, and read as µ-law they jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct LawDetector {
    settled: Option<Encoding>,
    /// For µ-law above 0.
    votes: i8,
}

impl LawDetector {
    /// How to read `payload`, the next frame. Until it is settled the answer may change: silence reads the
    /// same either way.
    pub fn judge(&mut self, payload: &[u8]) -> Encoding {
        if let Some(settled) = self.settled {
            return settled;
        }
        if payload.len() != SUSPECT {
            self.settled = Some(Encoding::Linear);
            return Encoding::Linear;
        }
        if is_mu_law_silence(payload) {
            return Encoding::MuLaw;
        }
        if is_linear_silence(payload) {
            return Encoding::Linear;
        }
        self.votes += if is_smooth_mu_law(payload) { 1 } else { -1 };
        let favoured = if self.votes > 0 {
            Encoding::MuLaw
        } else {
            Encoding::Linear
        };
        if self.votes.abs() >= VOTES {
            self.settled = Some(favoured);
        }
        favoured
    }

    /// What the stream is, once that is settled.
    #[must_use]
    pub fn settled(&self) -> Option<Encoding> {
        self.settled
    }
}

/// µ-law's two zeros and nothing else.
fn is_mu_law_silence(payload: &[u8]) -> bool {
    payload.iter().all(|b| matches!(b, 0x7f | 0xff))
}

/// Mean size of less than 64, which as µ-law would be among the loudest sounds and the softest in turns.
fn is_linear_silence(payload: &[u8]) -> bool {
    let pairs = payload.as_chunks::<2>().0;
    let sizes = pairs.iter().map(|b| i16::from_le_bytes(*b).unsigned_abs());
    sizes.map(u32::from).sum::<u32>() < 64 * 80
}

/// The mean step between neighbours is below 1.1 times the mean size: 0.3 for voices, up to 1.3 for hissing
/// sounds, and 1.5 to 1.9 for linear samples that are taken for µ-law.
fn is_smooth_mu_law(payload: &[u8]) -> bool {
    let mut last = None;
    let (mut steps, mut size) = (0_u32, 1_u32);
    for byte in payload {
        let sample = decode_mu_law(*byte);
        steps += u32::from(last.map_or(0, |last: i16| last.abs_diff(sample)));
        size += u32::from(sample.unsigned_abs());
        last = Some(sample);
    }
    steps * 10 < size * 11
}

#[cfg(test)]
mod tests {
    use codecs::g711::encode_mu_law;

    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "bounded by the level")]
    fn voice(n: u32, level: f64) -> i16 {
        let t = f64::from(n) / 8000.0 * std::f64::consts::TAU;
        ((t * 130.0).sin() * level
            + (t * 650.0).sin() * level / 2.0
            + (t * 2300.0).sin() * level / 8.0) as i16
    }

    #[test]
    fn mu_law_is_found_loud_and_soft() {
        for level in [300.0, 3000.0, 15_000.0] {
            let mut detector = LawDetector::default();
            assert_eq!(detector.judge(&[0xff; 160]), Encoding::MuLaw);
            for frame in 0..5 {
                let codes: Vec<u8> = (0..160)
                    .map(|n| encode_mu_law(voice(frame * 160 + n, level)))
                    .collect();
                assert_eq!(detector.judge(&codes), Encoding::MuLaw, "{level}");
            }
            assert_eq!(detector.settled(), Some(Encoding::MuLaw));
            assert_eq!(detector.judge(&[0; 320]), Encoding::MuLaw, "for good");
        }
    }

    #[test]
    fn short_linear_frames_stay_linear() {
        for level in [300.0, 3000.0, 15_000.0] {
            let mut detector = LawDetector::default();
            assert_eq!(detector.judge(&[0; 160]), Encoding::Linear);
            for frame in 0..5 {
                let bytes: Vec<u8> = (0..80)
                    .flat_map(|n| voice(frame * 80 + n, level).to_le_bytes())
                    .collect();
                assert_eq!(detector.judge(&bytes), Encoding::Linear, "{level}");
            }
            assert_eq!(detector.settled(), Some(Encoding::Linear));
        }
    }

    #[test]
    fn soft_noise_of_short_linear_frames_stays_linear() {
        let mut detector = LawDetector::default();
        for frame in 0..20_i16 {
            let noise = |n: i16| (n * 37 + frame * 11) % 17 - 8;
            let bytes: Vec<u8> = (0..80).flat_map(|n| noise(n).to_le_bytes()).collect();
            assert_eq!(detector.judge(&bytes), Encoding::Linear);
        }
        assert_eq!(detector.settled(), None, "either way");
    }

    #[test]
    fn other_lengths_are_linear() {
        let mut detector = LawDetector::default();
        assert_eq!(detector.judge(&[0xff; 320]), Encoding::Linear);
        assert_eq!(detector.settled(), Some(Encoding::Linear));
    }
}
