//! L16, samples as they are, high byte first (RFC 3551 §4.5.11, RFC 2586), of any rate and number of
//! channels.

use super::plc::Concealer;
use super::{CodecError, Decoder, Encoder, Pcm, PcmFormat};

/// Samples per channel that are taken apart at a time.
const BLOCK: usize = 256;

/// L16 as an [`Encoder`].
#[derive(Clone, Copy, Debug)]
pub struct L16Encoder {
    format: PcmFormat,
}

impl L16Encoder {
    /// Of that format.
    #[must_use]
    pub const fn new(format: PcmFormat) -> Self {
        Self { format }
    }
}

/// L16 as a [`Decoder`], with concealment of lost packets.
#[derive(Clone, Debug)]
pub struct L16Decoder {
    format: PcmFormat,
    /// Of the first channel, at whose pitch the others are concealed too.
    first: Concealer,
    others: Vec<Concealer>,
}

impl L16Decoder {
    /// Of that format. Remembers 98 ms of samples of each channel.
    #[must_use]
    pub fn new(format: PcmFormat) -> Self {
        let first = Concealer::new(format.sample_rate);
        let others = vec![first.clone(); usize::from(format.channels.saturating_sub(1))];
        Self {
            format,
            first,
            others,
        }
    }

    /// Bytes of a sample of all channels.
    fn frame(&self) -> usize {
        2 * channels(self.format)
    }

    fn heard(&mut self, samples: &mut [i16]) {
        if self.others.is_empty() {
            self.first.heard(samples);
            return;
        }
        let channels = 1 + self.others.len();
        by_block(samples, channels, |samples| {
            apply(samples, channels, 0, |samples| self.first.heard(samples));
            for (other, at) in self.others.iter_mut().zip(1..) {
                apply(samples, channels, at, |samples| other.heard(samples));
            }
        });
    }
}

/// Channels of the format; one of none counts as mono.
fn channels(format: PcmFormat) -> usize {
    usize::from(format.channels).max(1)
}

/// Gives `change` whole samples of all channels, at most [`BLOCK`] at a time.
fn by_block(samples: &mut [i16], channels: usize, change: impl FnMut(&mut [i16])) {
    samples.chunks_mut(channels * BLOCK).for_each(change);
}

/// Takes one channel out of at most [`BLOCK`] interleaved samples, and puts it back changed.
fn apply(samples: &mut [i16], channels: usize, at: usize, change: impl FnOnce(&mut [i16])) {
    let mut channel = [0; BLOCK];
    let mut count = 0;
    for (frame, sample) in samples.chunks_exact(channels).zip(&mut channel) {
        *sample = frame[at];
        count += 1;
    }
    change(&mut channel[..count]);
    for (frame, sample) in samples.chunks_exact_mut(channels).zip(&channel) {
        frame[at] = *sample;
    }
}

impl Encoder for L16Encoder {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError> {
        if pcm.format != self.format {
            return Err(CodecError::WrongFormat {
                expected: self.format,
                given: pcm.format,
            });
        }
        let channels = channels(self.format);
        if !pcm.samples.len().is_multiple_of(channels) {
            let samples = pcm.samples.len() / channels;
            return Err(CodecError::BadLength { samples });
        }
        let (needed, available) = (2 * pcm.samples.len(), out.len());
        let out = out
            .get_mut(..needed)
            .ok_or(CodecError::BufferTooSmall { needed, available })?;
        for (out, sample) in out.chunks_exact_mut(2).zip(pcm.samples) {
            out.copy_from_slice(&sample.to_be_bytes());
        }
        Ok(needed)
    }
}

impl Decoder for L16Decoder {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn samples_in(&self, payload: &[u8]) -> usize {
        if payload.len().is_multiple_of(self.frame()) {
            payload.len() / self.frame()
        } else {
            0
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if !payload.len().is_multiple_of(self.frame()) {
            return Err(CodecError::BadPayload { len: payload.len() });
        }
        let (needed, available) = (payload.len() / 2, out.len());
        let out = out
            .get_mut(..needed)
            .ok_or(CodecError::BufferTooSmall { needed, available })?;
        for (out, bytes) in out.iter_mut().zip(payload.chunks_exact(2)) {
            *out = i16::from_be_bytes([bytes[0], bytes[1]]);
        }
        self.heard(out);
        Ok(needed)
    }

    fn conceal(&mut self, _next: Option<&[u8]>, out: &mut [i16]) {
        if self.others.is_empty() {
            self.first.conceal(out);
            return;
        }
        let channels = 1 + self.others.len();
        by_block(out, channels, |out| {
            // Part of a frame, which nobody asks for who counts samples per channel, stays silent.
            out.fill(0);
            apply(out, channels, 0, |out| self.first.conceal(out));
            for (other, at) in self.others.iter_mut().zip(1..) {
                apply(out, channels, at, |out| {
                    other.conceal_like(&self.first, out)
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRate;

    fn format(channels: u8) -> PcmFormat {
        PcmFormat {
            sample_rate: SampleRate::new(44_100).expect("not 0"),
            channels,
        }
    }

    #[test]
    fn samples_travel_high_byte_first() {
        let samples = [0x0102, -2, i16::MIN, i16::MAX];
        for channels in [1, 2] {
            let mut bytes = [0; 8];
            let pcm = Pcm {
                format: format(channels),
                samples: &samples,
            };
            let mut encoder = L16Encoder::new(format(channels));
            assert_eq!(encoder.encode(pcm, &mut bytes), Ok(8));
            assert_eq!(bytes, [1, 2, 0xff, 0xfe, 0x80, 0, 0x7f, 0xff]);
            let mut decoder = L16Decoder::new(format(channels));
            let mut again = [0; 4];
            assert_eq!(
                decoder.samples_in(&bytes),
                4 / usize::from(channels),
                "per channel"
            );
            assert_eq!(decoder.decode(&bytes, &mut again), Ok(4));
            assert_eq!(again, samples);
        }
    }

    #[test]
    fn parts_of_samples_are_refused() {
        let mut out = [0; 8];
        let mut mono = L16Decoder::new(format(1));
        let mut stereo = L16Decoder::new(format(2));
        assert_eq!(
            mono.decode(&[0; 3], &mut out),
            Err(CodecError::BadPayload { len: 3 })
        );
        assert_eq!(
            stereo.decode(&[0; 6], &mut out),
            Err(CodecError::BadPayload { len: 6 })
        );
        assert_eq!(
            (mono.samples_in(&[0; 3]), stereo.samples_in(&[0; 6])),
            (0, 0)
        );
        let pcm = Pcm {
            format: format(2),
            samples: &[0; 3],
        };
        let mut encoder = L16Encoder::new(format(2));
        assert_eq!(
            encoder.encode(pcm, &mut [0; 8]),
            Err(CodecError::BadLength { samples: 1 })
        );
    }

    #[test]
    fn both_channels_of_a_gap_are_concealed_at_one_pitch() {
        // A saw of 100 Hz, and the same upside down: what is invented must stay so.
        let saw = |n: usize| i16::try_from(n % 441 * 20).expect("below 8820");
        let mut bytes = Vec::new();
        for n in 0..4410 {
            bytes.extend(saw(n).to_be_bytes());
            bytes.extend((-saw(n)).to_be_bytes());
        }
        let mut decoder = L16Decoder::new(format(2));
        decoder.decode(&bytes, &mut [0; 8820]).expect("whole pairs");
        let mut gap = [0; 882];
        decoder.conceal(None, &mut gap);
        for (n, pair) in gap.chunks(2).enumerate() {
            let (left, right) = (i32::from(pair[0]), i32::from(pair[1]));
            assert!((left + right).abs() <= 4, "{n}: {pair:?}");
            assert!(
                (left - i32::from(saw(4410 + n))).abs() <= 40 || n % 441 > 330,
                "{n}"
            );
        }
    }
}
