//! Bytes off a wire to mono samples of one rate.

use codecs::SampleRate;
use codecs::g711::{decode_a_law, decode_mu_law};
use codecs::resample::Resampler;

use super::{FRAME, samples_in};

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Signed 16 bits, little-endian.
    Linear,
    /// G.711 µ-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

impl Encoding {
    const fn bytes(self) -> usize {
        match self {
            Encoding::Linear => 2,
            Encoding::MuLaw | Encoding::ALaw => 1,
        }
    }
}

/// What a peer says that its bytes are. Not checked before [`Intake::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// Of each sample.
    pub encoding: Encoding,
    /// Samples per second and channel.
    pub sample_rate_hz: u32,
    /// Interleaved channels; 1 is mono.
    pub channels: u32,
}

impl AudioFormat {
    /// Linear samples of one channel.
    #[must_use]
    pub const fn linear(sample_rate_hz: u32) -> Self {
        Self {
            encoding: Encoding::Linear,
            sample_rate_hz,
            channels: 1,
        }
    }
}

/// Why bytes were refused. They are lost, what comes behind them is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// Nothing converts this rate.
    #[error("sample rate of {hz} Hz")]
    Rate {
        /// As claimed.
        hz: u32,
    },
    /// More than eight channels, or none.
    #[error("{channels} channels")]
    Channels {
        /// As claimed.
        channels: u32,
    },
    /// A peer that sends this many formats plays with our memory.
    #[error("more than {} formats in one stream", Intake::MAX_FORMATS)]
    TooManyFormats,
}

/// Turns a stream of bytes into mono samples of one rate. Remembers the bytes of a sample that the end of a
/// chunk cut, and the filters' past, so that the result does not depend on the cuts.
#[derive(Debug)]
pub struct Intake {
    to: SampleRate,
    converters: Vec<Converter>,
    current: usize,
    /// The front of a sample whose rest is in the next chunk.
    carry: [u8; MAX_WIDTH],
    carried: usize,
}

const MAX_CHANNELS: u32 = 8;
/// Bytes of a sample of all channels.
const MAX_WIDTH: usize = 16;

#[derive(Debug)]
struct Converter {
    format: AudioFormat,
    /// Bytes of a sample of all channels.
    width: usize,
    resampler: Resampler,
    mono: Box<[i16]>,
    out: Box<[i16]>,
}

impl Intake {
    /// Formats that one stream may use. Each keeps its converter, some 2 kB, or 100 kB for odd ratios.
    pub const MAX_FORMATS: usize = 4;

    /// Makes samples of this rate.
    #[must_use]
    pub fn new(to: SampleRate) -> Self {
        Self {
            to,
            converters: Vec::new(),
            current: 0,
            carry: [0; MAX_WIDTH],
            carried: 0,
        }
    }

    /// The rate of the samples made.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        self.to
    }

    /// Converts `bytes` and hands the samples to `sink` in pieces of at most about 20 ms. Allocates only when
    /// `format` is new in this stream.
    ///
    /// # Errors
    /// See [`IntakeError`]; nothing was converted.
    pub fn push(
        &mut self,
        format: AudioFormat,
        bytes: &[u8],
        mut sink: impl FnMut(&[i16]),
    ) -> Result<(), IntakeError> {
        self.choose(format)?;
        let converter = &mut self.converters[self.current];
        let mut rest = bytes;
        if self.carried > 0 {
            let taken = rest.len().min(converter.width - self.carried);
            let (head, tail) = rest.split_at(taken);
            self.carry[self.carried..self.carried + taken].copy_from_slice(head);
            self.carried += taken;
            rest = tail;
            if self.carried < converter.width {
                return Ok(());
            }
            converter.convert(&self.carry[..converter.width], &mut sink);
        }
        let whole = rest.len() - rest.len() % converter.width;
        let (whole, tail) = rest.split_at(whole);
        for piece in whole.chunks(converter.width * converter.mono.len()) {
            converter.convert(piece, &mut sink);
        }
        self.carry[..tail.len()].copy_from_slice(tail);
        self.carried = tail.len();
        Ok(())
    }

    /// Forgets the past: the next bytes begin a sample, and what went before does not sound on.
    pub fn reset(&mut self) {
        self.carried = 0;
        if let Some(converter) = self.converters.get_mut(self.current) {
            converter.resampler.reset();
        }
    }

    fn choose(&mut self, format: AudioFormat) -> Result<(), IntakeError> {
        let current = self.converters.get(self.current);
        if current.is_some_and(|c| c.format == format) {
            return Ok(());
        }
        let known = self.converters.iter().position(|c| c.format == format);
        self.current = match known {
            Some(known) => known,
            None if self.converters.len() < Self::MAX_FORMATS => {
                self.converters.push(Converter::new(format, self.to)?);
                self.converters.len() - 1
            }
            None => return Err(IntakeError::TooManyFormats),
        };
        self.reset();
        Ok(())
    }
}

impl Converter {
    fn new(format: AudioFormat, to: SampleRate) -> Result<Self, IntakeError> {
        let hz = format.sample_rate_hz;
        let from = SampleRate::new(hz).ok_or(IntakeError::Rate { hz })?;
        if !codecs::resample::BOUNDS_HZ.contains(&hz) {
            return Err(IntakeError::Rate { hz });
        }
        let channels = format.channels;
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(IntakeError::Channels { channels });
        }
        let resampler = Resampler::new(from, to).map_err(|_| IntakeError::Rate { hz })?;
        let piece = samples_in(FRAME, from);
        // Over a piece, what is kept back makes a group more or less.
        let out = resampler.output_len(piece) + 64;
        let channels = usize::try_from(channels).unwrap_or(1);
        Ok(Self {
            format,
            width: format.encoding.bytes() * channels,
            resampler,
            mono: vec![0; piece].into(),
            out: vec![0; out].into(),
        })
    }

    /// Of whole samples, at most a piece.
    fn convert(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[i16])) {
        let count = bytes.len() / self.width;
        let mono = &mut self.mono[..count];
        let one = self.format.encoding.bytes();
        for (sample, of_all) in mono.iter_mut().zip(bytes.chunks_exact(self.width)) {
            let sum: i32 = of_all
                .chunks_exact(one)
                .map(|bytes| i32::from(decode(self.format.encoding, bytes)))
                .sum();
            let channels = i32::try_from(self.format.channels).unwrap_or(1);
            *sample = i16::try_from(sum / channels).unwrap_or(0);
        }
        let made = self.resampler.process(mono, &mut self.out);
        let made = made.expect("invariant: the output has room for a piece");
        if made > 0 {
            sink(&self.out[..made]);
        }
    }
}

fn decode(encoding: Encoding, bytes: &[u8]) -> i16 {
    match (encoding, bytes) {
        (Encoding::Linear, [low, high, ..]) => i16::from_le_bytes([*low, *high]),
        (Encoding::MuLaw, [code, ..]) => decode_mu_law(*code),
        (Encoding::ALaw, [code, ..]) => decode_a_law(*code),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use codecs::g711::encode_mu_law;

    use super::*;

    fn convert(to: SampleRate, format: AudioFormat, chunks: &[&[u8]]) -> Vec<i16> {
        let mut intake = Intake::new(to);
        let mut out = Vec::new();
        for chunk in chunks {
            intake.push(format, chunk, |s| out.extend(s)).unwrap();
        }
        out
    }

    fn sine(rate: f64, hz: f64, samples: u32) -> Vec<i16> {
        let at = |n| (f64::from(n) * hz / rate * std::f64::consts::TAU).sin() * 8000.0;
        #[expect(clippy::cast_possible_truncation, reason = "8000 at most")]
        (0..samples).map(|n| at(n) as i16).collect()
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_le_bytes()).collect()
    }

    #[test]
    fn cuts_change_nothing() {
        let input = bytes(&sine(24_000.0, 440.0, 4800));
        for channels in [1, 2, 3] {
            let format = AudioFormat {
                channels,
                ..AudioFormat::linear(24_000)
            };
            let whole = convert(SampleRate::HZ_8000, format, &[&input]);
            for len in [1, 3, 7, 333, 641] {
                let chunks: Vec<_> = input.chunks(len).collect();
                assert_eq!(convert(SampleRate::HZ_8000, format, &chunks), whole);
            }
        }
    }

    #[test]
    fn stereo_is_mixed_and_rates_are_kept_in_time() {
        let left = sine(44_100.0, 440.0, 44_100);
        let both: Vec<i16> = left.iter().flat_map(|s| [*s, 0]).collect();
        let format = AudioFormat {
            channels: 2,
            ..AudioFormat::linear(44_100)
        };
        let out = convert(SampleRate::HZ_8000, format, &[&bytes(&both)]);
        assert!(out.len().abs_diff(8000) <= 8, "{}", out.len());
        let peak = out[1000..7000].iter().map(|s| s.unsigned_abs()).max();
        assert!((3900..4100).contains(&peak.unwrap()), "{peak:?}");
    }

    #[test]
    fn laws_are_decoded() {
        let samples = sine(8000.0, 440.0, 160);
        let codes: Vec<u8> = samples.iter().map(|s| encode_mu_law(*s)).collect();
        let format = AudioFormat {
            encoding: Encoding::MuLaw,
            ..AudioFormat::linear(8000)
        };
        let out = convert(SampleRate::HZ_8000, format, &[&codes]);
        assert!(out.iter().zip(&samples).all(|(a, b)| a.abs_diff(*b) < 300));
    }

    #[test]
    fn nonsense_is_refused_and_does_no_harm() {
        let mut intake = Intake::new(SampleRate::HZ_16000);
        let mut got = 0;
        let of = |hz, channels| AudioFormat {
            channels,
            ..AudioFormat::linear(hz)
        };
        for hz in [0, 1, 3999, 192_001, u32::MAX] {
            let refused = intake.push(of(hz, 1), &[0; 4], |_| ());
            assert_eq!(refused, Err(IntakeError::Rate { hz }));
        }
        for channels in [0, 9, u32::MAX] {
            let refused = intake.push(of(8000, channels), &[0; 4], |_| ());
            assert_eq!(refused, Err(IntakeError::Channels { channels }));
        }
        for hz in [8000, 11_025, 22_050, 48_000] {
            intake
                .push(of(hz, 1), &[0; 1600], |s| got += s.len())
                .unwrap();
        }
        let fifth = intake.push(of(12_000, 1), &[0; 4], |_| ());
        assert_eq!(fifth, Err(IntakeError::TooManyFormats));
        let before = got;
        intake
            .push(of(8000, 1), &[0; 320], |s| got += s.len())
            .unwrap();
        assert_eq!(got - before, 320);
    }
}
