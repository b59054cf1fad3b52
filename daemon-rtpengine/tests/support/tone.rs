//! Tones: made, coded as PCMU, and found again.

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

/// Samples per second of PCMU (RFC 3551 §4.5.14).
pub(crate) const PCMU_RATE_HZ: f64 = 8000.0;

impl Tone {
    /// `count` octets of PCMU, from sample number `first` on.
    pub(crate) fn pcmu(&self, first: u32, count: u32) -> Vec<u8> {
        let sample = |at: u32| {
            let phase = TAU * self.frequency_hz * f64::from(at) / PCMU_RATE_HZ;
            ulaw(self.amplitude * phase.sin())
        };
        (first..first + count).map(sample).collect()
    }

    /// How much louder than sent this tone was heard, in dB; 0.0 is what a clean line gives.
    pub(crate) fn gain_db(&self, heard: &Recording) -> f64 {
        20.0 * (heard.amplitude_at(self.frequency_hz) / self.amplitude).log10()
    }
}

impl Recording {
    /// What PCMU says, at 8 kHz.
    pub(crate) fn of_pcmu(octets: &[u8]) -> Self {
        Self {
            sample_rate_hz: PCMU_RATE_HZ,
            samples: octets.iter().map(|octet| linear(*octet)).collect(),
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
}

/// The µ-law octet of a sample: the standard's formula in 14 bits (ITU-T G.711, table 2).
fn ulaw(sample: f64) -> u8 {
    let nearest = (0..=u8::MAX).min_by(|a, b| {
        let distance = |octet: u8| (linear(octet) - sample).abs();
        distance(*a).total_cmp(&distance(*b))
    });
    nearest.unwrap_or(0xff)
}

/// The sample of a µ-law octet (ITU-T G.711, table 2): sign, three bits of exponent, four of mantissa,
/// all inverted.
fn linear(octet: u8) -> f64 {
    let bits = !octet;
    let mantissa = f64::from(bits & 0x0f);
    let exponent = i32::from((bits >> 4) & 0x07);
    let size = (2.0 * mantissa + 33.0) * 2_f64.powi(exponent) - 33.0;
    let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
    // 8159 is the decision value of overload: the end of the 14-bit scale.
    sign * size / 8159.0
}
