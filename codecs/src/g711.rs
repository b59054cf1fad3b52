//! G.711 A-law and µ-law (ITU-T G.711, 11/1988; RFC 3551 §4.5.14), stateless. No packet loss
//! concealment (Appendix I) and no comfort noise (Appendix II).
//!
//! Samples are 16 bits; the Recommendation's 13-bit (A-law) and 14-bit (µ-law) values are their
//! upper bits. The intervals are those of its tables 1 and 2. A sample exactly on a decision value
//! belongs to the interval above it, on either side of zero, as in the ITU-T's software tool
//! library (G.191): the law of `!x` is the law of `x` with the sign bit inverted.
//!
//! ```text
//! |sample| >> 4 (A-law), (|sample| >> 2) + 33 (µ-law)     code before inversion
//!
//!  0 0 0 0 0 0 0 w x y z                                  s 0 0 0 w x y z
//!  0 0 0 0 0 0 1 w x y z                                  s 0 0 1 w x y z
//!  0 0 0 0 0 1 w x y z .                                  s 0 1 0 w x y z
//!  …                                                      …
//!  1 w x y z . . . . . .                                  s 1 1 1 w x y z
//! ```
//! This is A-law's picture; µ-law's biased magnitude has two bits more, and its first line begins
//! with a 1 as all others do. A-law inverts the even bits, µ-law all of them.

use super::plc::Concealer;
use super::{CodecError, Decoder, Encoder, Pcm, PcmFormat, SampleRate};

/// Codes of A-law magnitudes (`|sample| >> 4`), sign bit clear, not inverted.
static A_LAW_CODES: [u8; 2048] = a_law_codes();
/// Codes of µ-law magnitudes (`|sample| >> 2`), sign bit clear, not inverted.
static MU_LAW_CODES: [u8; 8192] = mu_law_codes();
/// Sample of each A-law code.
static A_LAW_SAMPLES: [i16; 256] = a_law_samples();
/// Sample of each µ-law code.
static MU_LAW_SAMPLES: [i16; 256] = mu_law_samples();

/// µ-law code of each A-law code.
static A_TO_MU: [u8; 256] = a_to_mu();
/// A-law code of each µ-law code.
static MU_TO_A: [u8; 256] = mu_to_a();

const MU_LAW_BIAS: u16 = 33;

/// The A-law code of a sample (G.711 tables 1a and 1b).
///
/// ```
/// use codecs::g711::{decode_a_law, encode_a_law};
/// assert_eq!(encode_a_law(0), 0xd5);
/// assert_eq!(decode_a_law(0xd5), 8);
/// ```
#[inline]
#[must_use]
pub fn encode_a_law(sample: i16) -> u8 {
    // Bits 0x55 are inverted on the line, and the sign bit is 1 for positive.
    A_LAW_CODES[usize::from(magnitude(sample) >> 4) % A_LAW_CODES.len()] ^ 0xd5 ^ sign(sample)
}

/// The sample of an A-law code.
#[inline]
#[must_use]
pub fn decode_a_law(code: u8) -> i16 {
    A_LAW_SAMPLES[usize::from(code)]
}

/// The µ-law code of a sample (G.711 tables 2a and 2b).
///
/// ```
/// use codecs::g711::{decode_mu_law, encode_mu_law};
/// assert_eq!(encode_mu_law(0), 0xff);
/// assert_eq!(decode_mu_law(0x7f), 0, "µ-law has a second zero");
/// ```
#[inline]
#[must_use]
pub fn encode_mu_law(sample: i16) -> u8 {
    MU_LAW_CODES[usize::from(magnitude(sample) >> 2) % MU_LAW_CODES.len()] ^ 0xff ^ sign(sample)
}

/// The sample of a µ-law code.
#[inline]
#[must_use]
pub fn decode_mu_law(code: u8) -> i16 {
    MU_LAW_SAMPLES[usize::from(code)]
}

/// What decoding a code of `from` and encoding it again as `to` gives, for all codes; `None` unless they are
/// PCMA and PCMU, in whichever order.
#[must_use]
pub fn translation(from: &str, to: &str) -> Option<&'static [u8; 256]> {
    match (from, to) {
        ("PCMA", "PCMU") => Some(&A_TO_MU),
        ("PCMU", "PCMA") => Some(&MU_TO_A),
        _ => None,
    }
}

/// `x` or `!x`, whichever is not negative: 0–32767, without a case for −32768. (The remainders taken
/// of it for the tables change nothing; they tell the compiler that no bounds check is needed.)
#[inline]
const fn magnitude(sample: i16) -> u16 {
    (sample ^ (sample >> 15)).cast_unsigned()
}

/// The sign as bit 7, without a branch: audio changes it too often to predict.
#[inline]
const fn sign(sample: i16) -> u8 {
    let [high, _] = sample.to_be_bytes();
    high & 0x80
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "magnitudes are below 2048, codes below 128"
)]
const fn a_law_codes() -> [u8; 2048] {
    let mut codes = [0; 2048];
    let mut magnitude = 0_usize;
    while magnitude < codes.len() {
        codes[magnitude] = if magnitude < 16 {
            magnitude as u8
        } else {
            let segment = magnitude.ilog2() - 3;
            (segment << 4) as u8 | (magnitude >> (segment - 1) & 15) as u8
        };
        magnitude += 1;
    }
    codes
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "magnitudes are below 8192, codes below 128"
)]
const fn mu_law_codes() -> [u8; 8192] {
    let mut codes = [0; 8192];
    let mut magnitude = 0_usize;
    while magnitude < codes.len() {
        let biased = magnitude + MU_LAW_BIAS as usize;
        codes[magnitude] = if biased < 8192 {
            let segment = biased.ilog2() - 5;
            (segment << 4) as u8 | (biased >> (segment + 1) & 15) as u8
        } else {
            // Beyond the virtual decision value 8159: overload.
            127
        };
        magnitude += 1;
    }
    codes
}

const fn a_to_mu() -> [u8; 256] {
    let (samples, laws) = (a_law_samples(), mu_law_codes());
    let mut codes = [0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = samples[code];
        codes[code] = laws[(magnitude(sample) >> 2) as usize] ^ 0xff ^ sign(sample);
        code += 1;
    }
    codes
}

const fn mu_to_a() -> [u8; 256] {
    let (samples, laws) = (mu_law_samples(), a_law_codes());
    let mut codes = [0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = samples[code];
        codes[code] = laws[(magnitude(sample) >> 4) as usize] ^ 0xd5 ^ sign(sample);
        code += 1;
    }
    codes
}

const fn a_law_samples() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0_u8;
    loop {
        let plain = code ^ 0x55;
        let segment = plain >> 4 & 7;
        let interval = (plain & 15) as i16;
        // The middle of the interval, in steps of 8.
        let middle = match segment {
            0 => 2 * interval + 1,
            _ => (2 * interval + 33) << (segment - 1),
        };
        samples[code as usize] = if plain & 0x80 == 0 {
            -8 * middle
        } else {
            8 * middle
        };
        if code == 255 {
            return samples;
        }
        code += 1;
    }
}

const fn mu_law_samples() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0_u8;
    loop {
        let plain = !code;
        let segment = plain >> 4 & 7;
        let interval = (plain & 15) as i16;
        let middle = ((2 * interval + 33) << segment) - MU_LAW_BIAS.cast_signed();
        samples[code as usize] = if plain & 0x80 == 0 {
            4 * middle
        } else {
            -4 * middle
        };
        if code == 255 {
            return samples;
        }
        code += 1;
    }
}

/// G.711 as an [`Encoder`]: one byte per sample, mono, 8000 Hz.
#[derive(Clone, Copy, Debug)]
pub struct G711Encoder {
    law: Law,
}

/// G.711 as a [`Decoder`], with concealment of lost packets.
#[derive(Clone, Debug)]
pub struct G711Decoder {
    law: Law,
    concealer: Concealer,
}

#[derive(Clone, Copy, Debug)]
enum Law {
    A,
    Mu,
}

impl G711Encoder {
    /// A-law, RTP's PCMA.
    #[must_use]
    pub const fn a_law() -> Self {
        Self { law: Law::A }
    }
    /// µ-law, RTP's PCMU.
    #[must_use]
    pub const fn mu_law() -> Self {
        Self { law: Law::Mu }
    }
}

impl G711Decoder {
    /// A-law, RTP's PCMA.
    #[must_use]
    pub fn a_law() -> Self {
        Self::new(Law::A)
    }
    /// µ-law, RTP's PCMU.
    #[must_use]
    pub fn mu_law() -> Self {
        Self::new(Law::Mu)
    }
    fn new(law: Law) -> Self {
        let concealer = Concealer::new(SampleRate::HZ_8000);
        Self { law, concealer }
    }
}

/// `out` cut to `needed` elements.
fn fit<T>(out: &mut [T], needed: usize) -> Result<&mut [T], CodecError> {
    let available = out.len();
    out.get_mut(..needed)
        .ok_or(CodecError::BufferTooSmall { needed, available })
}

/// Applies `convert` to each element; monomorphic, so that the law is chosen once per call.
fn convert_all<T: Copy, U>(from: &[T], to: &mut [U], convert: impl Fn(T) -> U) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = convert(*from);
    }
}

impl Encoder for G711Encoder {
    fn format(&self) -> PcmFormat {
        PcmFormat::MONO_8000
    }

    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError> {
        if pcm.format != PcmFormat::MONO_8000 {
            return Err(CodecError::WrongFormat {
                expected: PcmFormat::MONO_8000,
                given: pcm.format,
            });
        }
        let out = fit(out, pcm.samples.len())?;
        match self.law {
            Law::A => convert_all(pcm.samples, out, encode_a_law),
            Law::Mu => convert_all(pcm.samples, out, encode_mu_law),
        }
        Ok(out.len())
    }
}

impl Decoder for G711Decoder {
    fn format(&self) -> PcmFormat {
        PcmFormat::MONO_8000
    }

    fn samples_in(&self, payload: &[u8]) -> usize {
        payload.len()
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let out = fit(out, payload.len())?;
        match self.law {
            Law::A => convert_all(payload, out, decode_a_law),
            Law::Mu => convert_all(payload, out, decode_mu_law),
        }
        self.concealer.heard(out);
        Ok(out.len())
    }

    fn conceal(&mut self, _next: Option<&[u8]>, out: &mut [i16]) {
        self.concealer.conceal(out);
    }

    fn is_blending(&self) -> bool {
        self.concealer.is_rejoining()
    }
}

#[cfg(test)]
mod tests;
