//! The decoding half: payloads in, samples of the sink's format out.

use codecs::comfort_noise::NoiseGenerator;
use codecs::resample::Resampler;
use codecs::{Decoder, PcmFormat};

use super::direct::Direct;
use super::{CodecUse, MAX_SAMPLES, Scratch};
use crate::units::PayloadType;

/// One payload type's decoder, and the way from its samples to the sink's.
pub(super) struct Source {
    pub(super) payload_type: PayloadType,
    decoder: Box<dyn Decoder>,
    clock_rate_hz: u32,
    format: PcmFormat,
    target: PcmFormat,
    resampler: Option<Resampler>,
    /// Samples per channel of the packet before.
    last: usize,
    /// Payloads may go on without being decoded.
    direct: Option<Direct>,
    /// What is decoded next is its payload's alone.
    settled: bool,
}

impl Source {
    /// `None` if there is no way from the decoder's samples to `target`.
    pub(super) fn new(
        codec: &CodecUse,
        decoder: Box<dyn Decoder>,
        target: PcmFormat,
    ) -> Option<Self> {
        let format = decoder.format();
        let resampler = match format.sample_rate == target.sample_rate {
            true => None,
            false => Some(Resampler::new(format.sample_rate, target.sample_rate).ok()?),
        };
        Some(Self {
            payload_type: codec.payload_type,
            decoder,
            clock_rate_hz: codec.codec.clock_rate_hz,
            format,
            target,
            resampler,
            last: samples_of(20, format),
            direct: None,
            settled: true,
        })
    }

    /// What its samples become.
    pub(super) fn target(&self) -> PcmFormat {
        self.target
    }

    /// Knows what it is decoded for.
    pub(super) fn towards(self, codec: &CodecUse, target: &CodecUse) -> Self {
        Self {
            direct: Direct::new(codec, target),
            ..self
        }
    }

    /// The way without decoding, for a payload of so many samples that nothing is missing in front of.
    #[inline]
    pub(super) fn direct(&mut self, samples: usize) -> Option<&mut Direct> {
        let direct = self
            .direct
            .as_mut()
            .filter(|_| self.settled && samples > 0)?;
        self.last = samples;
        Some(direct)
    }

    /// Before the decoder is used: it hears what went by without it.
    #[inline]
    fn catch_up(&mut self) {
        if let Some(direct) = &mut self.direct
            && !direct.is_heard()
        {
            direct.catch_up(&mut *self.decoder);
        }
    }

    /// Reads what the next packet will need.
    #[inline]
    pub(super) fn warm(&self) -> usize {
        match &self.direct {
            Some(direct) => direct.warm(),
            None => self.decoder.samples_in(&[]),
        }
    }

    /// Ticks of the RTP clock that a payload lasts; 0 if it is not valid.
    pub(super) fn ticks_in(&self, payload: &[u8]) -> u32 {
        self.ticks(self.decoder.samples_in(payload))
    }

    /// Does the sender send next to nothing after this payload?
    pub(super) fn is_pause(&self, payload: &[u8]) -> bool {
        self.decoder.is_pause(payload)
    }

    fn ticks(&self, samples: usize) -> u32 {
        let samples = u64::try_from(samples).unwrap_or(0);
        let ticks =
            samples * u64::from(self.clock_rate_hz) / u64::from(self.format.sample_rate.get());
        u32::try_from(ticks).unwrap_or(0)
    }

    /// Decodes a payload; `None` if it is none of this codec.
    pub(super) fn decode<'s>(
        &mut self,
        payload: &[u8],
        scratch: &'s mut Scratch,
    ) -> Option<&'s mut [i16]> {
        self.catch_up();
        let n = self
            .decoder
            .decode(payload, &mut scratch.decoded[..])
            .ok()?;
        self.settled = !self.decoder.is_blending();
        self.last = n / usize::from(self.format.channels.max(1));
        Some(self.convert(n, scratch))
    }

    /// A stand-in for at most `ticks` that were lost, no longer than the packet before, and the ticks that
    /// it lasts. `next`: the payload behind the gap if this stand-in reaches up to it.
    pub(super) fn conceal<'s>(
        &mut self,
        ticks: u32,
        next: &[u8],
        scratch: &'s mut Scratch,
    ) -> (u32, &'s mut [i16]) {
        let channels = usize::from(self.format.channels.max(1));
        let rate = u64::from(self.format.sample_rate.get());
        let wanted = u64::from(ticks) * rate / u64::from(self.clock_rate_hz);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let samples = wanted.min(self.last.max(1)).min(MAX_SAMPLES / channels);
        let n = samples * channels;
        let reaches = wanted <= samples;
        let next = reaches.then_some(next);
        self.catch_up();
        self.settled = false;
        self.decoder.conceal(next, &mut scratch.decoded[..n]);
        let lasts = self.ticks(samples).clamp(1, ticks.max(1));
        (lasts, self.convert(n, scratch))
    }

    /// At most `ticks` of noise, and the ticks that it lasts.
    pub(super) fn noise<'s>(
        &mut self,
        noise: &mut NoiseGenerator,
        ticks: u32,
        scratch: &'s mut Scratch,
    ) -> (u32, &'s mut [i16]) {
        let channels = usize::from(self.format.channels.max(1));
        let rate = u64::from(self.format.sample_rate.get());
        let wanted = u64::from(ticks) * rate / u64::from(self.clock_rate_hz);
        let samples = usize::try_from(wanted).unwrap_or(0);
        let samples = samples.min(MAX_SAMPLES / channels);
        noise.fill(&mut scratch.decoded[..samples]);
        let n = mix(&mut scratch.decoded[..], samples, 1, self.format.channels);
        let lasts = self.ticks(samples).clamp(1, ticks.max(1));
        (lasts, self.convert(n, scratch))
    }

    /// The first `n` decoded samples in the sink's format. Resampling works on one channel.
    fn convert<'s>(&mut self, n: usize, scratch: &'s mut Scratch) -> &'s mut [i16] {
        let Scratch { decoded, converted } = scratch;
        let (from, to) = (self.format.channels, self.target.channels);
        let Some(resampler) = &mut self.resampler else {
            let n = mix(&mut decoded[..], n, from, to);
            return &mut decoded[..n];
        };
        let n = mix(&mut decoded[..], n, from, 1);
        let n = resampler
            .process(&decoded[..n], &mut converted[..])
            .unwrap_or(0);
        let n = mix(&mut converted[..], n, 1, to);
        &mut converted[..n]
    }
}

fn samples_of(ms: u32, format: PcmFormat) -> usize {
    usize::try_from(format.sample_rate.get() * ms / 1000).unwrap_or(0)
}

/// Makes one channel of two or two of one, in place; returns the samples there are then.
pub(super) fn mix(samples: &mut [i16], n: usize, from: u8, to: u8) -> usize {
    match (from, to) {
        (2, 1) => {
            for at in 0..n / 2 {
                let sum = i32::from(samples[2 * at]) + i32::from(samples[2 * at + 1]);
                samples[at] = i16::try_from(sum / 2).unwrap_or(0);
            }
            n / 2
        }
        (1, 2) => {
            let n = n.min(samples.len() / 2);
            for at in (0..n).rev() {
                samples[2 * at + 1] = samples[at];
                samples[2 * at] = samples[at];
            }
            2 * n
        }
        _ => n,
    }
}
