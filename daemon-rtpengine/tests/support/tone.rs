//! Tones: made, and found again in what was heard.

use std::f64::consts::TAU;

/// A sine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tone {
    pub(crate) frequency_hz: f64,
    /// Of full scale: 1.0 is the largest sample.
    pub(crate) amplitude: f64,
}

/// What a party heard: samples of full scale 1.0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recording {
    pub(crate) sample_rate_hz: f64,
    pub(crate) samples: Vec<f64>,
}

impl Tone {
    /// `count` samples of it.
    pub(crate) fn samples(&self, sample_rate_hz: u32, count: u32) -> Vec<i16> {
        let sample = |at: u32| {
            let phase = TAU * self.frequency_hz * f64::from(at) / f64::from(sample_rate_hz);
            sample(self.amplitude * phase.sin())
        };
        (0..count).map(sample).collect()
    }

    /// How much louder than sent this tone was heard, in dB; 0.0 is what a clean line gives.
    pub(crate) fn gain_db(&self, heard: &Recording) -> f64 {
        20.0 * (heard.amplitude_at(self.frequency_hz) / self.amplitude).log10()
    }
}

impl Recording {
    /// The samples in 16 bits.
    pub(crate) fn samples_16(&self) -> Vec<i16> {
        self.samples.iter().map(|value| sample(*value)).collect()
    }

    /// The last second before the last `end` seconds.
    ///
    /// # Panics
    /// When it is not as long.
    pub(crate) fn last_second(&self, end: f64) -> Self {
        let position = |seconds: f64| {
            let samples = sample_count(seconds * self.sample_rate_hz);
            self.samples.len().checked_sub(samples)
        };
        let (from, to) = (position(1.0 + end), position(end));
        let (from, to) = from.zip(to).expect("more than a second was heard");
        Self {
            sample_rate_hz: self.sample_rate_hz,
            samples: self.samples[from..to].to_vec(),
        }
    }

    /// Amplitude of the sine of this frequency, by a Goertzel filter as long as the recording.
    pub(crate) fn amplitude_at(&self, frequency_hz: f64) -> f64 {
        let step = TAU * frequency_hz / self.sample_rate_hz;
        let turn = 2.0 * step.cos();
        let (mut last, mut before) = (0.0, 0.0);
        for sample in &self.samples {
            (last, before) = (sample + turn * last - before, last);
        }
        let power = last * last + before * before - turn * last * before;
        let count = u32::try_from(self.samples.len()).expect("a test's recording is short");
        2.0 * power.max(0.0).sqrt() / f64::from(count)
    }

    /// How far everything else is below the sine of this frequency, in dB.
    pub(crate) fn purity_db(&self, frequency_hz: f64) -> f64 {
        let count = u32::try_from(self.samples.len()).expect("a test's recording is short");
        let all = self.samples.iter().map(|s| s * s).sum::<f64>() / f64::from(count);
        let tone = self.amplitude_at(frequency_hz).powi(2) / 2.0;
        10.0 * (tone / (all - tone).max(1e-9)).log10()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test's recording is short, and its length no less than 0"
)]
fn sample_count(count: f64) -> usize {
    count.round() as usize
}

/// The 16-bit sample nearest to one of full scale 1.0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what 16 bits hold"
)]
fn sample(value: f64) -> i16 {
    (value * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
}
