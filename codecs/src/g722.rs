//! G.722 at 64 kbit/s (ITU-T G.722 09/2012; RFC 3551 §4.5.2): two bands of adaptive differential PCM in
//! integers, bit-exact. Decodes modes 2 and 3 too, whose octets hold one or two bits that are not audio.
//!
//! ```text
//! 16 kHz ─► QMF ─┬─ lower band, 8 kHz ─► 6 bits ─┬─► octet  h h l l l l l l
//!                └─ higher band, 8 kHz ► 2 bits ─┘
//! ```
//! Its lower band is telephone audio already. For a far end at 8 kHz, [`G722Decoder::narrowband`] gives that
//! band as it is and [`G722Encoder::narrowband`] leaves the higher one silent: no filter bank, no resampler,
//! no delay.
//!
//! A lost packet is concealed in each band, so that the filter bank never sees a step, while the predictors wait:
//! to teach them what was invented changes the packets after a gap by 0.1 dB of log-spectral distance, for the
//! better at 16 kHz and for the worse at 8 kHz.

mod band;
mod qmf;
mod tables;
mod taps;

use super::plc::Concealer;
use super::{CodecError, Decoder, Encoder, Pcm, PcmFormat, SampleRate};
use band::{High, Low, Resolution};
use qmf::Memory;

/// Octets done at a time: a packet of 20 ms.
const BLOCK: usize = 160;

/// What an encoder sends of the higher band when that is silent.
const SILENT_HIGH: u8 = 0b1100_0000;

/// Bit rate of the audio in a stream of octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// 64 kbit/s: mode 1, the only one that RTP can name.
    #[default]
    Kbps64,
    /// 56 kbit/s: mode 2, the last bit of an octet is not audio.
    Kbps56,
    /// 48 kbit/s: mode 3, the last two bits of an octet are not audio.
    Kbps48,
}

/// G.722 as an [`Encoder`]: one octet per two samples of 16,000 Hz, or per sample of 8000 Hz.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    low: Low,
    high: High,
    /// `None` at 8000 Hz.
    bank: Option<Memory>,
}

impl G722Encoder {
    /// Takes 16,000 Hz.
    #[must_use]
    pub fn new() -> Self {
        Self::with_bank(Some(Memory::new()))
    }
    /// Takes 8000 Hz, and sends nothing above 4 kHz.
    #[must_use]
    pub fn narrowband() -> Self {
        Self::with_bank(None)
    }
    fn with_bank(bank: Option<Memory>) -> Self {
        Self {
            low: Low::new(),
            high: High::new(),
            bank,
        }
    }
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder for G722Encoder {
    fn format(&self) -> PcmFormat {
        format(self.bank.is_some())
    }

    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError> {
        let expected = self.format();
        if pcm.format != expected {
            return Err(CodecError::WrongFormat {
                expected,
                given: pcm.format,
            });
        }
        let samples = pcm.samples.len();
        if self.bank.is_some() && !samples.is_multiple_of(2) {
            return Err(CodecError::BadLength { samples });
        }
        let needed = samples / pairing(self.bank.is_some());
        let available = out.len();
        let out = out
            .get_mut(..needed)
            .ok_or(CodecError::BufferTooSmall { needed, available })?;
        let Self { low, high, bank } = self;
        if let Some(bank) = bank {
            let (mut lows, mut highs) = ([0; BLOCK], [0; BLOCK]);
            for (pcm, out) in pcm.samples.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
                bank.split(pcm, &mut lows, &mut highs);
                encode_wide(low, high, &lows, &highs, out);
            }
        } else {
            encode_narrow(low, pcm.samples, out);
        }
        Ok(needed)
    }
}

/// State in local variables: the two bands' chains of dependent steps fill each other's gaps.
fn encode_wide(
    low_band: &mut Low,
    high_band: &mut High,
    lows: &[i16],
    highs: &[i16],
    out: &mut [u8],
) {
    let (mut low, mut high) = (low_band.clone(), high_band.clone());
    for ((l, h), out) in lows.iter().zip(highs).zip(out) {
        *out = low.encode(*l) | (high.encode(*h) << 6);
    }
    (*low_band, *high_band) = (low, high);
}

fn encode_narrow(low_band: &mut Low, pcm: &[i16], out: &mut [u8]) {
    let mut low = low_band.clone();
    for (sample, out) in pcm.iter().zip(out) {
        *out = low.encode(sample >> 1) | SILENT_HIGH;
    }
    *low_band = low;
}

/// G.722 as a [`Decoder`], with concealment of lost packets: two samples of 16,000 Hz per octet, or one of
/// 8000 Hz.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    low: Low,
    low_concealer: Concealer,
    resolution: Resolution,
    /// `None` at 8000 Hz.
    upper: Option<Upper>,
}

/// What only a decoder to 16,000 Hz needs.
#[derive(Clone, Debug)]
struct Upper {
    high: High,
    concealer: Concealer,
    bank: Memory,
}

impl G722Decoder {
    /// Gives 16,000 Hz.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let upper = Upper {
            high: High::new(),
            concealer: Concealer::new(SampleRate::HZ_8000),
            bank: Memory::new(),
        };
        Self::with_upper(mode, Some(upper))
    }
    /// Gives 8000 Hz: what is below 4 kHz.
    #[must_use]
    pub fn narrowband(mode: Mode) -> Self {
        Self::with_upper(mode, None)
    }
    fn with_upper(mode: Mode, upper: Option<Upper>) -> Self {
        Self {
            low: Low::new(),
            low_concealer: Concealer::new(SampleRate::HZ_8000),
            resolution: match mode {
                Mode::Kbps64 => Resolution::Six,
                Mode::Kbps56 => Resolution::Five,
                Mode::Kbps48 => Resolution::Four,
            },
            upper,
        }
    }
}

impl Decoder for G722Decoder {
    fn format(&self) -> PcmFormat {
        format(self.upper.is_some())
    }

    fn samples_in(&self, payload: &[u8]) -> usize {
        payload.len() * pairing(self.upper.is_some())
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let (needed, available) = (self.samples_in(payload), out.len());
        let out = out
            .get_mut(..needed)
            .ok_or(CodecError::BufferTooSmall { needed, available })?;
        let Some(upper) = &mut self.upper else {
            match self.resolution {
                Resolution::Six => decode_narrow(&mut self.low, Resolution::Six, payload, out),
                other => decode_narrow(&mut self.low, other, payload, out),
            }
            self.low_concealer.heard(out);
            double(out);
            return Ok(needed);
        };
        let (mut lows, mut highs) = ([0; BLOCK], [0; BLOCK]);
        for (payload, out) in payload.chunks(BLOCK).zip(out.chunks_mut(2 * BLOCK)) {
            let (l, h) = (&mut lows[..payload.len()], &mut highs[..payload.len()]);
            match self.resolution {
                Resolution::Six => {
                    decode_wide(
                        &mut self.low,
                        &mut upper.high,
                        Resolution::Six,
                        payload,
                        l,
                        h,
                    );
                }
                other => decode_wide(&mut self.low, &mut upper.high, other, payload, l, h),
            }
            self.low_concealer.heard(l);
            upper.concealer.heard(h);
            upper.bank.join(&lows, &highs, out);
        }
        Ok(needed)
    }

    fn conceal(&mut self, _next: Option<&[u8]>, out: &mut [i16]) {
        let (mut lows, mut highs) = ([0; BLOCK], [0; BLOCK]);
        let Some(upper) = &mut self.upper else {
            self.low_concealer.conceal(out);
            follow(&mut self.low, out);
            double(out);
            return;
        };
        for out in out.chunks_mut(2 * BLOCK) {
            let octets = out.len().div_ceil(2);
            let (l, h) = (&mut lows[..octets], &mut highs[..octets]);
            self.low_concealer.conceal(l);
            upper.concealer.conceal_like(&self.low_concealer, h);
            follow(&mut self.low, l);
            for sample in h.iter() {
                upper.high.encode(*sample);
            }
            let mut pairs = [0; 2 * BLOCK];
            upper.bank.join(&lows, &highs, &mut pairs[..2 * octets]);
            out.copy_from_slice(&pairs[..out.len()]);
        }
    }
}

/// Lets the predictor learn from what was invented: nearer to what the far one has learnt meanwhile than what
/// it knew before (as ITU-T G.722 Appendix III does by encoding it).
fn follow(low: &mut Low, invented: &[i16]) {
    for sample in invented {
        low.encode(*sample);
    }
}

/// `resolution` is a constant at the call that matters, hence inlined.
#[inline(always)]
fn decode_wide(
    low_band: &mut Low,
    high_band: &mut High,
    resolution: Resolution,
    payload: &[u8],
    lows: &mut [i16],
    highs: &mut [i16],
) {
    let (mut low, mut high) = (low_band.clone(), high_band.clone());
    for ((octet, l), h) in payload.iter().zip(lows).zip(highs) {
        *l = low.decode(*octet, resolution);
        *h = high.decode(octet >> 6);
    }
    (*low_band, *high_band) = (low, high);
}

#[inline(always)]
fn decode_narrow(low_band: &mut Low, resolution: Resolution, payload: &[u8], out: &mut [i16]) {
    let mut low = low_band.clone();
    for (octet, out) in payload.iter().zip(out) {
        *out = low.decode(*octet, resolution);
    }
    *low_band = low;
}

/// From the bands' 15 bits to 16.
fn double(samples: &mut [i16]) {
    for sample in samples {
        *sample = sample.saturating_mul(2);
    }
}

const fn format(wide: bool) -> PcmFormat {
    if wide {
        PcmFormat::MONO_16000
    } else {
        PcmFormat::MONO_8000
    }
}

/// Samples per octet.
const fn pairing(wide: bool) -> usize {
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests;
