//! Sample-rate conversion of mono audio, statefully and without allocation per call.
//!
//! Between the rates of telephony, [`RATES_HZ`], it is our polyphase filter: linear phase, images and
//! aliases at least 90 dB down over the whole band, ±0.2 dB up to 0.425 (8000 Hz) or 0.4375 of the lower
//! rate, at most 3 ms of delay. Any other ratio goes to `rubato`, which takes about 7 ms for the same
//! figures when one of the rates is 8000 Hz. Knows nothing of channels: keep one [`Resampler`] for each.

mod filter;
mod odd;
mod polyphase;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::{CodecError, SampleRate};

/// Rates between which our own filter converts, Hz.
pub const RATES_HZ: [u32; 6] = [8000, 12_000, 16_000, 24_000, 32_000, 48_000];

/// Rates that can be converted at all, Hz. Below, there is no speech; above, nobody sends it.
pub const BOUNDS_HZ: std::ops::RangeInclusive<u32> = 4000..=192_000;

/// Converts one channel from one sample rate to another. State belongs to one stream.
///
/// Samples come out as soon as they are known, so that whole milliseconds in give the same whole
/// milliseconds out from the first call on; the delay shows as silence at the start. The output does
/// not depend on how the input is cut.
///
/// ```
/// # use codecs::{SampleRate, resample::Resampler};
/// let wide = SampleRate::new(16_000).unwrap();
/// let mut resampler = Resampler::new(SampleRate::HZ_8000, wide)?;
/// let mut out = [0; 320];
/// assert_eq!(resampler.process(&[1000; 160], &mut out)?, 320);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    converter: Converter,
}

enum Converter {
    /// Equal rates.
    Copy,
    Polyphase(polyphase::Polyphase),
    Odd(Box<odd::Odd>),
}

impl Resampler {
    /// A converter whose past is silence. Allocates all that it will ever need: 1 to 6 kB between the
    /// [`RATES_HZ`], whose filters are shared; some 100 kB and a millisecond for other ratios.
    ///
    /// # Errors
    /// [`ResampleError`] if a rate is outside [`BOUNDS_HZ`] and they differ.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self, ResampleError> {
        let converter = if from == to {
            Converter::Copy
        } else if let Some(bank) = polyphase::bank(from, to) {
            Converter::Polyphase(polyphase::Polyphase::new(bank))
        } else if BOUNDS_HZ.contains(&from.get()) && BOUNDS_HZ.contains(&to.get()) {
            Converter::Odd(Box::new(odd::Odd::new(from, to)))
        } else {
            return Err(ResampleError {
                from_hz: from.get(),
                to_hz: to.get(),
            });
        };
        Ok(Self {
            from,
            to,
            converter,
        })
    }

    /// The rate of the input.
    #[must_use]
    pub fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate of the output.
    #[must_use]
    pub fn to(&self) -> SampleRate {
        self.to
    }

    /// How much later than in the input a sound comes in the output.
    #[must_use]
    pub fn delay(&self) -> Duration {
        match &self.converter {
            Converter::Copy => Duration::ZERO,
            Converter::Polyphase(polyphase) => polyphase.delay(),
            Converter::Odd(odd) => odd.delay(),
        }
    }

    /// Samples that [`Resampler::process`] will give for the next `input` samples, exactly: over time
    /// `input × to / from`, with less than a group of input samples (a fraction of a millisecond) kept
    /// back when the ratio does not divide them.
    #[must_use]
    pub fn output_len(&self, input: usize) -> usize {
        match &self.converter {
            Converter::Copy => input,
            Converter::Polyphase(polyphase) => polyphase.output_len(input),
            Converter::Odd(odd) => odd.output_len(input),
        }
    }

    /// Converts `input`, of any length, into the front of `out` and returns the samples written, which
    /// are [`Resampler::output_len`] of its length. Peaks that the filter lifts above full scale are
    /// clipped.
    ///
    /// # Errors
    /// [`CodecError::BufferTooSmall`]: `out` is too short; nothing was converted.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> Result<usize, CodecError> {
        let needed = self.output_len(input.len());
        let available = out.len();
        let out = out
            .get_mut(..needed)
            .ok_or(CodecError::BufferTooSmall { needed, available })?;
        match &mut self.converter {
            Converter::Copy => out.copy_from_slice(input),
            Converter::Polyphase(polyphase) => polyphase.process(input, out),
            Converter::Odd(odd) => odd.process(input, out),
        }
        Ok(needed)
    }

    /// Forgets the past, as if new.
    pub fn reset(&mut self) {
        match &mut self.converter {
            Converter::Copy => {}
            Converter::Polyphase(polyphase) => polyphase.reset(),
            Converter::Odd(odd) => odd.reset(),
        }
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resampler({} → {} Hz)", self.from.get(), self.to.get())
    }
}

/// Nothing converts between these rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no conversion from {from_hz} Hz to {to_hz} Hz")]
pub struct ResampleError {
    /// Rate of the input, Hz.
    pub from_hz: u32,
    /// Rate of the output, Hz.
    pub to_hz: u32,
}

/// To a 16-bit sample: clipped, and rounded to the nearest, halves to even.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low 16 mantissa bits are the integer that was rounded to"
)]
fn to_i16(sample: f32) -> i16 {
    // 1.5 · 2²³: a float of this size has no fraction bits. Four instructions that vectorise at SSE2,
    // where `as i16` takes a dozen. Full scale cannot be NaN.
    const ROUND: f32 = 12_582_912.0;
    (sample.clamp(-32_768.0, 32_767.0) + ROUND).to_bits() as i16
}
