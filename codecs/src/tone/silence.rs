//! Level of a frame, and whether a stream has fallen silent.

use std::time::Duration;

use super::super::SampleRate;

/// Mean power of the samples in dBov: 0 is a full-scale square wave (RFC 6464 §3), −127 stands for anything
/// below and for no samples.
#[must_use]
pub fn level_dbov(samples: &[i16]) -> f32 {
    const LOWEST: f32 = -127.0;
    // 64 bits hold 2³³ squares; a sum of that many lanes vectorises.
    let energy: u64 = samples
        .iter()
        .map(|s| u64::from(i32::from(*s).pow(2).unsigned_abs()))
        .sum();
    if energy == 0 {
        return LOWEST;
    }
    #[expect(clippy::cast_precision_loss, reason = "the level is rounded anyway")]
    let mean_square = energy as f32 / samples.len() as f32;
    (10.0 * (mean_square / (32_768.0 * 32_768.0)).log10()).max(LOWEST)
}

/// Tells speech from silence by level, and waits before it calls a pause silence.
#[derive(Clone, Copy, Debug)]
pub struct SilenceDetector {
    threshold_dbov: f32,
    /// Samples.
    hangover: u64,
    /// Samples since the last loud frame.
    quiet: u64,
}

impl SilenceDetector {
    /// Frames below `threshold_dbov` are quiet (−50 is usual), and `hangover` of them are silence. Begins
    /// not silent.
    #[must_use]
    pub fn new(sample_rate: SampleRate, threshold_dbov: f32, hangover: Duration) -> Self {
        let samples = hangover.as_nanos() * u128::from(sample_rate.get()) / 1_000_000_000;
        Self {
            threshold_dbov,
            hangover: u64::try_from(samples).unwrap_or(u64::MAX),
            quiet: 0,
        }
    }

    /// Takes a frame, of 10 to 60 ms for a sensible answer, and says whether the stream is silent now.
    /// Frames without samples change nothing.
    pub fn process(&mut self, frame: &[i16]) -> bool {
        if !frame.is_empty() {
            if level_dbov(frame) < self.threshold_dbov {
                let samples = u64::try_from(frame.len()).unwrap_or(u64::MAX);
                self.quiet = self.quiet.saturating_add(samples);
            } else {
                self.quiet = 0;
            }
        }
        self.is_silent()
    }

    /// Whether the stream was silent at the end of the last frame.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.quiet > self.hangover
    }
}
