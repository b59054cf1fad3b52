//! What a party with a codec says, packet by packet, and what a party with that codec hears of it.
//!
//! Three seconds that sound like speech, encoded once and sent again and again. Opus's packets come from a file
//! that libopus wrote (`cargo run -p voxplane-benches --example opus_voice`), at 48,000 Hz and 32,000 b/s, as a
//! browser's do, so that the generator can be built without a C compiler; they are decoded by `opus-rs`.

use std::f32::consts::{PI, TAU};
use std::fmt;

use codecs::registry::{Settings, by_static_payload_type};
use codecs::{Decoder, Pcm, PcmFormat};

use super::Media;

/// Packets before the same come again.
pub const LOOP_PACKETS: usize = 150;
/// Samples of a packet at [`HEARD_HZ`].
pub const PACKET_SAMPLES: usize = 160;
/// What is heard is compared at this rate.
pub const HEARD_HZ: u32 = 8000;

const PTIME_MS: u32 = 20;
/// Zero crossings of the decimation filter, on each side.
const CROSSINGS: usize = 16;
const OPUS_PACKETS: &[u8] = include_bytes!("../../data/opus.bin");
const OPUS_HZ: u32 = 48_000;

/// One party's words, in its codec.
pub struct Voice {
    media: Media,
    payloads: Box<[Box<[u8]>]>,
    heard: Box<[f32]>,
}

/// Why there is no voice in a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no voice in {rtpmap}: only PCMU, PCMA, G722 and opus in packets of 20 ms")]
pub struct NoVoice {
    /// What was asked for.
    pub rtpmap: &'static str,
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Voice").field(&self.media.rtpmap).finish()
    }
}

impl Voice {
    /// Encodes it; the length of the payloads that `media` states does not count.
    ///
    /// # Errors
    /// [`NoVoice`].
    pub fn new(media: &Media) -> Result<Self, NoVoice> {
        let none = NoVoice {
            rtpmap: media.rtpmap,
        };
        if media.ptime_ms != PTIME_MS {
            return Err(none);
        }
        let payloads: Box<[Box<[u8]>]> = match media.rtpmap {
            "opus/48000/2" => opus_payloads().map(Box::from).collect(),
            _ => encode(media).ok_or(none)?,
        };
        let mut listener = Listener::new(media).ok_or(none)?;
        // Twice: what is heard of the first round has its beginning in silence.
        let twice = || payloads.iter().chain(payloads.iter()).map(|p| &**p);
        let heard = listener.hear(twice());
        let half = LOOP_PACKETS * PACKET_SAMPLES;
        Ok(Self {
            media: media.clone(),
            heard: heard.get(half..2 * half).ok_or(none)?.into(),
            payloads,
        })
    }

    /// The codec.
    #[must_use]
    pub const fn media(&self) -> &Media {
        &self.media
    }

    /// The payload of packet `number`.
    #[must_use]
    pub fn payload(&self, number: u64) -> &[u8] {
        &self.payloads[place(number)]
    }

    /// What a party with this codec hears of the loop at [`HEARD_HZ`], beginning with packet `number`.
    pub fn heard_from(&self, number: u64) -> impl Iterator<Item = f32> {
        let at = place(number) * PACKET_SAMPLES;
        self.heard.iter().cycle().skip(at).copied()
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % LOOP_PACKETS as u64).unwrap_or(0)
}

/// A party's decoder.
pub struct Listener {
    decoder: AnyDecoder,
    /// Samples heard of which one is kept.
    step: usize,
    filter: Box<[f32]>,
}

enum AnyDecoder {
    Ours(Box<dyn Decoder>),
    Opus(Box<opus_rs::OpusDecoder>),
}

impl Listener {
    /// `None` if the codec is not one of [`Voice`]'s.
    #[must_use]
    pub fn new(media: &Media) -> Option<Self> {
        let (decoder, hz) = if media.rtpmap == "opus/48000/2" {
            let hz = i32::try_from(OPUS_HZ).ok()?;
            let decoder = opus_rs::OpusDecoder::new(hz, 1).ok()?;
            (AnyDecoder::Opus(Box::new(decoder)), OPUS_HZ)
        } else {
            let codec = by_static_payload_type(media.payload_type)?;
            let decoder = codec.decoder(&Settings::default()).ok()?;
            (AnyDecoder::Ours(decoder), codec.format.sample_rate.get())
        };
        let step = usize::try_from(hz / HEARD_HZ).ok()?;
        Some(Self {
            decoder,
            step,
            filter: low_pass(step),
        })
    }

    /// What is heard of these packets, at [`HEARD_HZ`], delayed by the codec alone. A packet that cannot be
    /// decoded is silence.
    pub fn hear<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Vec<f32> {
        let packet = PACKET_SAMPLES * self.step;
        let mut samples = Vec::new();
        for payload in payloads {
            let at = samples.len();
            samples.resize(at + packet, 0.0);
            self.decoder.decode(payload, &mut samples[at..]);
        }
        decimate(&samples, self.step, &self.filter)
    }
}

impl AnyDecoder {
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) {
        match self {
            Self::Opus(decoder) => {
                // What cannot be decoded leaves the silence that is there.
                let _ = decoder.decode(payload, out.len(), out);
            }
            Self::Ours(decoder) => {
                let mut samples = [0; 1 << 12];
                let n = decoder.decode(payload, &mut samples).unwrap_or(0);
                for (out, sample) in out.iter_mut().zip(&samples[..n]) {
                    *out = f32::from(*sample) / 32_768.0;
                }
            }
        }
    }
}

/// A windowed sinc that keeps what is below 4000 Hz, symmetrical about its middle.
fn low_pass(step: usize) -> Box<[f32]> {
    let reach = (CROSSINGS * step) as f32;
    let taps = (0..=2 * CROSSINGS * step).map(|n| {
        let t = n as f32 - reach;
        let x = PI * t / step as f32;
        let sinc = if t == 0.0 { 1.0 } else { x.sin() / x };
        sinc * (0.5 + 0.5 * (PI * t / (reach + 1.0)).cos()) / step as f32
    });
    taps.collect()
}

/// Every `step`th sample, without delay.
fn decimate(samples: &[f32], step: usize, filter: &[f32]) -> Vec<f32> {
    if step == 1 {
        return samples.to_vec();
    }
    let reach = filter.len() / 2;
    let at = |middle: usize| -> f32 {
        let begin = middle.saturating_sub(reach);
        let end = (middle + reach + 1).min(samples.len());
        let taps = &filter[reach + begin - middle..];
        samples[begin..end]
            .iter()
            .zip(taps)
            .map(|(s, f)| s * f)
            .sum()
    };
    (0..samples.len()).step_by(step).map(at).collect()
}

/// Payloads of a codec that needs no library.
fn encode(media: &Media) -> Option<Box<[Box<[u8]>]>> {
    let codec = by_static_payload_type(media.payload_type)?;
    let mut encoder = codec.encoder(&Settings::default()).ok()?;
    let format = encoder.format();
    let speech = speech(format);
    let mut payloads = Vec::new();
    let mut payload = [0; 1 << 11];
    for samples in packets(&speech, format).chain(packets(&speech, format)) {
        let len = encoder.encode(Pcm { format, samples }, &mut payload).ok()?;
        payloads.push(Box::from(&payload[..len]));
    }
    // The second round begins in the state that it ends in.
    Some(payloads.split_off(LOOP_PACKETS).into())
}

/// The samples of each packet.
pub fn packets(speech: &[i16], format: PcmFormat) -> impl Iterator<Item = &[i16]> {
    let samples = usize::try_from(format.sample_rate.get() / 1000 * PTIME_MS).unwrap_or(1);
    speech.chunks_exact(samples)
}

/// The file's packets: each a length of two bytes, and so many bytes.
fn opus_payloads() -> impl Iterator<Item = &'static [u8]> {
    let mut rest = OPUS_PACKETS;
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (payload, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
        rest = after;
        Some(payload)
    })
}

/// Three seconds of harmonics of a gliding pitch in syllables of changing vowels, with hiss between them, at
/// about −23 dB of full scale. No two parts of it are alike, and its end goes over into its beginning.
#[must_use]
pub fn speech(format: PcmFormat) -> Vec<i16> {
    let hz = format.sample_rate.get() as f32;
    let seconds = LOOP_PACKETS as f32 * PTIME_MS as f32 / 1000.0;
    let mut phase = 0.0_f32;
    let mut noise = 1_u32;
    let mut before = 0.0_f32;
    let packet = usize::try_from(format.sample_rate.get() / 1000 * PTIME_MS).unwrap_or(0);
    let mut samples = Vec::with_capacity(LOOP_PACKETS * packet);
    for n in 0..LOOP_PACKETS * packet {
        let t = n as f32 / hz;
        // Whole numbers of periods in three seconds, none of which divides another's.
        let slow = |periods: f32, shift: f32| (TAU * (periods / seconds * t + shift)).sin();
        let pitch = 132.0 + 24.0 * slow(2.0, 0.1) + 14.0 * slow(7.0, 0.6);
        phase = (phase + TAU * pitch / hz) % TAU;
        let formants = [
            (520.0 + 220.0 * slow(5.0, 0.0), 120.0, 1.0),
            (1500.0 + 600.0 * slow(3.0, 0.3), 180.0, 0.5),
            (2600.0 + 300.0 * slow(4.0, 0.8), 250.0, 0.25),
        ];
        let voiced: f32 = (1_u8..)
            .map(f32::from)
            .take_while(|k| k * pitch < 7000.0_f32.min(hz * 0.45))
            .map(|k| {
                let at = k * pitch;
                let near = |(middle, width, level): (f32, f32, f32)| {
                    level / (1.0 + ((at - middle) / width).powi(2))
                };
                let level: f32 = formants.into_iter().map(near).sum::<f32>() + 0.02;
                level * (k * phase).sin()
            })
            .sum();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (noise >> 16) as f32 / 65_536.0 - 0.5;
        // Hiss is high.
        let hiss = white - 0.8 * before;
        before = white;
        let swell = slow(11.0, 0.0) + 0.4 * slow(13.0, 0.4);
        let value = 2400.0 * (swell + 0.3).clamp(0.0, 1.0) * voiced
            + 1500.0 * (-swell - 0.2).clamp(0.01, 1.0) * hiss;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        samples.push(value as i16);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Media; 4] = [Media::PCMU, Media::PCMA, Media::G722, Media::OPUS];

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn all_codecs_say_the_same() {
        let speech: Vec<f32> = speech(PcmFormat::MONO_8000)
            .into_iter()
            .map(|s| f32::from(s) / 32_768.0)
            .collect();
        let level = 20.0 * rms(&speech).log10();
        assert!((-26.0..-20.0).contains(&level), "{level} dB");
        for media in ALL {
            let voice = Voice::new(&media).unwrap();
            assert_eq!(voice.payloads.len(), LOOP_PACKETS, "{}", media.rtpmap);
            let heard = 20.0 * rms(&voice.heard).log10();
            assert!((heard - level).abs() < 1.0, "{}: {heard} dB", media.rtpmap);
        }
    }

    #[test]
    fn a_codec_without_a_voice_is_named() {
        let gsm = Media {
            payload_type: 3,
            rtpmap: "GSM/8000",
            ..Media::PCMU
        };
        let error = Voice::new(&gsm).err().unwrap();
        assert_eq!(error.rtpmap, "GSM/8000");
        let long = Media {
            ptime_ms: 30,
            ..Media::PCMU
        };
        assert!(Voice::new(&long).is_err());
    }

    #[test]
    fn libopus_hears_what_opus_rs_does() {
        let opus = codecs::registry::by_name("opus", 48_000, 2).unwrap();
        let mut decoder = opus.decoder(&Settings::default()).unwrap();
        let mut listener = Listener::new(&Media::OPUS).unwrap();
        let theirs: Vec<f32> = opus_payloads()
            .flat_map(|payload| {
                let mut samples = [0; 960];
                assert_eq!(decoder.decode(payload, &mut samples), Ok(960));
                samples.map(|s| f32::from(s) / 32_768.0)
            })
            .collect();
        let theirs = decimate(&theirs, 6, &low_pass(6));
        let ours = listener.hear(opus_payloads());
        let error: Vec<f32> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
        assert!(
            rms(&error) < 0.01 * rms(&ours),
            "{}",
            rms(&error) / rms(&ours)
        );
    }
}
