//! The codecs that are implemented, by name and by static payload type, and the supplemental formats that
//! go with them. Refuses to list others.

#[cfg(feature = "opus")]
use super::opus::{self, OpusDecoder, OpusEncoder};
use super::{CodecError, Decoder, Encoder, PcmFormat, SampleRate, g711, g722, l16};

/// What SDP and RTP need to know of a codec, and how to make one.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    /// Encoding name as in `a=rtpmap`, compared without case (RFC 8866 §6.6).
    pub name: &'static str,
    /// Hz of the RTP timestamp.
    pub clock_rate_hz: u32,
    /// Channels in `a=rtpmap`. Opus always has two there, however many it codes (RFC 7587 §7).
    pub rtpmap_channels: u8,
    /// What it codes at its best in one channel, or in all it has to. [`Settings`] may ask for other rates
    /// and channels: what an encoder or decoder really has, its own `format` says.
    pub format: PcmFormat,
    /// Length of a packet when nobody says otherwise, ms (RFC 3551 §4.5).
    pub default_ptime_ms: u32,
    /// Lengths of packets that its encoder can make.
    pub packets: PacketLengths,
    /// Payload type that needs no `a=rtpmap` (RFC 3551 §6).
    pub static_payload_type: Option<u8>,
    /// What decoding one packet at the rate of `format` costs on a processor of 2020 or so, microseconds: for
    /// sharing work out, not exact. 0: next to nothing.
    pub decode_cost_us: u32,
    /// What encoding one packet costs, likewise.
    pub encode_cost_us: u32,
    new_encoder: fn(&Settings<'_>) -> Result<Box<dyn Encoder>, CodecError>,
    new_decoder: fn(&Settings<'_>) -> Result<Box<dyn Decoder>, CodecError>,
}

/// What a stream asks of its encoder or decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// `a=fmtp` without the payload type (RFC 8866 §6.15): for an encoder that of whoever receives, for a
    /// decoder that of whoever sends. Unknown parameters and bad values count as absent.
    pub fmtp: &'a str,
    /// The rate that whatever is at the other end of the transcoder works at. Codecs that can code at
    /// several rates take the nearest one not below it.
    pub sample_rate: Option<SampleRate>,
    /// The channels that whatever is at the other end works with: 1 keeps a codec that could do more from
    /// coding what nobody hears.
    pub channels: Option<u8>,
    /// Bits per second that an encoder may spend, if it has the choice.
    pub bitrate_bps: Option<u32>,
    /// How hard an encoder tries, from 0 to 10, if it has the choice. More counts as 10.
    pub complexity: Option<u8>,
}

/// Which lengths of packets a codec can code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketLengths {
    /// Any up to 200 ms (what RFC 3551 §4.2 has receivers accept) whose samples per channel are a multiple
    /// of this, never 0.
    MultipleOf(u8),
    /// These, µs, ascending.
    Of(&'static [u32]),
}

/// Longest packet of a codec whose packets have no bound of their own, ms (RFC 3551 §4.2).
const MAX_PTIME_MS: u32 = 200;

impl PacketLengths {
    /// The longest, ms.
    #[must_use]
    pub fn max_ptime_ms(&self) -> u32 {
        match self {
            Self::MultipleOf(_) => MAX_PTIME_MS,
            Self::Of(lengths) => lengths.last().map_or(MAX_PTIME_MS, |us| us / 1000),
        }
    }

    /// Samples per channel at `rate` in the longest packet not longer than `ptime_ms`; in the shortest if
    /// all are longer.
    ///
    /// Opus's 2.5 ms is 3 in `a=ptime` (RFC 7587 §6.1), and comes back from it.
    #[must_use]
    pub fn samples(&self, ptime_ms: u32, rate: SampleRate) -> usize {
        let samples = match self {
            Self::MultipleOf(step) => {
                let step = u64::from(*step).max(1);
                let samples = samples_in_us(ptime_ms.min(MAX_PTIME_MS) * 1000, rate);
                (samples - samples % step).max(step)
            }
            Self::Of(lengths) => {
                let wanted_us = ptime_ms.saturating_mul(1000);
                let fits = lengths.iter().rev().find(|us| **us <= wanted_us);
                samples_in_us(*fits.or(lengths.first()).unwrap_or(&20_000), rate)
            }
        };
        usize::try_from(samples).unwrap_or(usize::MAX)
    }

    /// Whether `samples` samples per channel at `rate` make a packet.
    #[must_use]
    pub fn contains(&self, samples: usize, rate: SampleRate) -> bool {
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        match self {
            Self::MultipleOf(step) => {
                let max = samples_in_us(MAX_PTIME_MS * 1000, rate);
                (1..=max).contains(&samples) && samples.is_multiple_of(u64::from(*step))
            }
            Self::Of(lengths) => lengths.iter().any(|us| samples_in_us(*us, rate) == samples),
        }
    }
}

fn samples_in_us(us: u32, rate: SampleRate) -> u64 {
    u64::from(us) * u64::from(rate.get()) / 1_000_000
}

impl Codec {
    /// A fresh encoder.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec's library has no memory.
    pub fn encoder(&self, settings: &Settings<'_>) -> Result<Box<dyn Encoder>, CodecError> {
        (self.new_encoder)(settings)
    }
    /// A fresh decoder.
    ///
    /// # Errors
    /// As [`Codec::encoder`].
    pub fn decoder(&self, settings: &Settings<'_>) -> Result<Box<dyn Decoder>, CodecError> {
        (self.new_decoder)(settings)
    }

    /// What decoding and encoding a packet cost when the other end of the transcoder works at `other_end`,
    /// microseconds or so: a codec that can works at no higher rate itself, for less.
    #[must_use]
    pub fn costs_us(&self, other_end: SampleRate) -> [u32; 2] {
        let percent = match (self.format.sample_rate.get(), other_end.get()) {
            (48_000, 0..=8000) => 24,
            (48_000, 8001..=12_000) => 50,
            (48_000, 12_001..=16_000) => 65,
            (48_000, 16_001..=24_000) => 80,
            (16_000, 0..=8000) => 50,
            _ => 100,
        };
        [self.decode_cost_us, self.encode_cost_us].map(|us| (us * percent).div_ceil(100))
    }

    /// The longest packet, ms, not longer than `ptime_ms`, whose payload has at most `bytes`. Only samples
    /// that are not compressed are ever too many.
    #[must_use]
    pub fn ptime_within(&self, ptime_ms: u32, bytes: u32) -> u32 {
        if self.name != "L16" {
            return ptime_ms;
        }
        let per_second = self.format.sample_rate.get() * u32::from(self.format.channels) * 2;
        ptime_ms.min(bytes * 1000 / per_second.max(1)).max(1)
    }

    /// Ticks of the RTP timestamp that `samples` samples per channel at `rate` last, modulo 2³². Not the
    /// same number for G.722 and for Opus below 48,000 Hz.
    #[must_use]
    pub fn ticks(&self, samples: usize, rate: SampleRate) -> u32 {
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        let ticks = u128::from(samples) * u128::from(self.clock_rate_hz) / u128::from(rate.get());
        u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// Samples per channel at `rate` in so many ticks of the RTP timestamp, rounded down.
    #[must_use]
    pub fn samples(&self, ticks: u32, rate: SampleRate) -> u64 {
        u64::from(ticks) * u64::from(rate.get()) / u64::from(self.clock_rate_hz)
    }
}

/// What the payloads of a format are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Samples of one of [`CODECS`].
    Audio,
    /// Telephone events (RFC 4733).
    Event,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
}

/// A format that goes with audio of the same clock rate instead of it now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supplement {
    /// Encoding name as in `a=rtpmap`, compared without case.
    pub name: &'static str,
    /// What it is; never [`Kind::Audio`].
    pub kind: Kind,
    /// `a=fmtp` to offer it with.
    pub default_fmtp: Option<&'static str>,
    /// Payload type that needs no `a=rtpmap`, at 8000 Hz (RFC 3551 §6).
    pub static_payload_type: Option<u8>,
}

/// All supplemental formats; each exists at any clock rate, with one channel.
pub const SUPPLEMENTS: [Supplement; 2] = [
    Supplement {
        name: "telephone-event",
        kind: Kind::Event,
        default_fmtp: Some("0-15"),
        static_payload_type: None,
    },
    Supplement {
        name: "CN",
        kind: Kind::ComfortNoise,
        default_fmtp: None,
        static_payload_type: Some(13),
    },
];

/// What `a=rtpmap` calls `name`; `None` if that is not known here.
#[must_use]
pub fn kind(name: &str) -> Option<Kind> {
    match supplement(name) {
        Some(supplement) => Some(supplement.kind),
        None => CODECS
            .iter()
            .any(|c| c.name.eq_ignore_ascii_case(name))
            .then_some(Kind::Audio),
    }
}

/// The supplemental format of that name.
#[must_use]
pub fn supplement(name: &str) -> Option<&'static Supplement> {
    SUPPLEMENTS
        .iter()
        .find(|s| s.name.eq_ignore_ascii_case(name))
}

/// All codecs; Opus is among them by the feature `opus`.
pub const CODECS: &[Codec] = &[
    Codec {
        name: "PCMU",
        clock_rate_hz: 8000,
        rtpmap_channels: 1,
        format: PcmFormat::MONO_8000,
        default_ptime_ms: 20,
        packets: PacketLengths::MultipleOf(1),
        static_payload_type: Some(0),
        decode_cost_us: 0,
        encode_cost_us: 0,
        new_encoder: |_| Ok(Box::new(g711::G711Encoder::mu_law())),
        new_decoder: |_| Ok(Box::new(g711::G711Decoder::mu_law())),
    },
    Codec {
        name: "PCMA",
        clock_rate_hz: 8000,
        rtpmap_channels: 1,
        format: PcmFormat::MONO_8000,
        default_ptime_ms: 20,
        packets: PacketLengths::MultipleOf(1),
        static_payload_type: Some(8),
        decode_cost_us: 0,
        encode_cost_us: 0,
        new_encoder: |_| Ok(Box::new(g711::G711Encoder::a_law())),
        new_decoder: |_| Ok(Box::new(g711::G711Decoder::a_law())),
    },
    Codec {
        name: "G722",
        // By history, not by its samples (RFC 3551 §4.5.2).
        clock_rate_hz: 8000,
        rtpmap_channels: 1,
        format: PcmFormat::MONO_16000,
        default_ptime_ms: 20,
        // A byte is two samples at 16,000 Hz.
        packets: PacketLengths::MultipleOf(2),
        static_payload_type: Some(9),
        decode_cost_us: 5,
        encode_cost_us: 7,
        new_encoder: |settings| {
            Ok(Box::new(if narrow(settings) {
                g722::G722Encoder::narrowband()
            } else {
                g722::G722Encoder::new()
            }))
        },
        new_decoder: |settings| {
            let mode = g722::Mode::Kbps64;
            Ok(Box::new(if narrow(settings) {
                g722::G722Decoder::narrowband(mode)
            } else {
                g722::G722Decoder::new(mode)
            }))
        },
    },
    #[cfg(feature = "opus")]
    Codec {
        name: "opus",
        clock_rate_hz: 48_000,
        rtpmap_channels: 2,
        format: PcmFormat {
            sample_rate: SampleRate::HZ_48000,
            channels: 1,
        },
        default_ptime_ms: 20,
        packets: PacketLengths::Of(&opus::PACKET_LENGTHS_US),
        static_payload_type: None,
        decode_cost_us: 30,
        encode_cost_us: 215,
        new_encoder: |settings| Ok(Box::new(OpusEncoder::new(settings)?)),
        new_decoder: |settings| Ok(Box::new(OpusDecoder::new(settings)?)),
    },
    l16::<44_100, 2>(Some(10)),
    l16::<44_100, 1>(Some(11)),
    l16::<8000, 1>(None),
    l16::<16_000, 1>(None),
    l16::<24_000, 1>(None),
    l16::<32_000, 1>(None),
    l16::<48_000, 1>(None),
    l16::<8000, 2>(None),
    l16::<16_000, 2>(None),
    l16::<48_000, 2>(None),
];

/// Whether nothing above 4 kHz is of use to the other end.
fn narrow(settings: &Settings<'_>) -> bool {
    settings
        .sample_rate
        .is_some_and(|rate| rate <= SampleRate::HZ_8000)
}

/// L16 of that format.
const fn l16<const HZ: u32, const CHANNELS: u8>(static_payload_type: Option<u8>) -> Codec {
    Codec {
        name: "L16",
        clock_rate_hz: HZ,
        rtpmap_channels: CHANNELS,
        format: l16_format::<HZ, CHANNELS>(),
        default_ptime_ms: 20,
        packets: PacketLengths::MultipleOf(1),
        static_payload_type,
        decode_cost_us: 0,
        encode_cost_us: 0,
        new_encoder: |_| Ok(Box::new(l16::L16Encoder::new(l16_format::<HZ, CHANNELS>()))),
        new_decoder: |_| Ok(Box::new(l16::L16Decoder::new(l16_format::<HZ, CHANNELS>()))),
    }
}

const fn l16_format<const HZ: u32, const CHANNELS: u8>() -> PcmFormat {
    const {
        match SampleRate::new(HZ) {
            Some(sample_rate) => PcmFormat {
                sample_rate,
                channels: CHANNELS,
            },
            None => panic!("a rate of 0"),
        }
    }
}

/// The codec that `a=rtpmap` calls `name/clock_rate_hz/channels`.
#[must_use]
pub fn by_name(name: &str, clock_rate_hz: u32, channels: u8) -> Option<&'static Codec> {
    CODECS.iter().find(|c| {
        c.name.eq_ignore_ascii_case(name)
            && c.clock_rate_hz == clock_rate_hz
            && c.rtpmap_channels == channels
    })
}

/// The codec of a payload type without `a=rtpmap`.
#[must_use]
pub fn by_static_payload_type(payload_type: u8) -> Option<&'static Codec> {
    CODECS
        .iter()
        .find(|c| c.static_payload_type == Some(payload_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pcm;

    #[test]
    fn names_are_found_without_case() {
        assert_eq!(by_name("pcma", 8000, 1).map(|c| c.name), Some("PCMA"));
        assert!(by_name("PCMA", 16_000, 1).is_none());
        assert!(by_name("PCMA", 8000, 2).is_none());
        assert!(by_name("G729", 8000, 1).is_none());
    }

    #[test]
    fn supplements_are_known_but_are_no_codecs() {
        assert_eq!(kind("Telephone-Event"), Some(Kind::Event));
        assert_eq!(kind("cn"), Some(Kind::ComfortNoise));
        assert_eq!(kind("pcmu"), Some(Kind::Audio));
        assert_eq!(kind("VP8"), None);
        assert!(by_name("CN", 8000, 1).is_none());
    }

    #[test]
    fn default_packets_can_be_coded() {
        for codec in CODECS {
            let rate = codec.format.sample_rate;
            let samples = codec.packets.samples(codec.default_ptime_ms, rate);
            assert!(codec.packets.contains(samples, rate), "{}", codec.name);
            let ticks = codec.ticks(samples, rate);
            assert_eq!(ticks, codec.clock_rate_hz * codec.default_ptime_ms / 1000);
            assert_eq!(codec.samples(ticks, rate), samples as u64);
        }
    }

    #[cfg(feature = "opus")]
    #[test]
    fn opus_has_two_channels_in_rtpmap() {
        assert_eq!(by_name("OPUS", 48_000, 2).map(|c| c.name), Some("opus"));
        assert!(by_name("opus", 48_000, 1).is_none(), "RFC 7587 §7");
    }

    #[cfg(feature = "opus")]
    #[test]
    fn opus_has_few_lengths() {
        let opus = by_name("opus", 48_000, 2).unwrap().packets;
        let rate = SampleRate::HZ_8000;
        let samples = [0, 3, 10, 30, 70, 1000].map(|ms| opus.samples(ms, rate));
        assert_eq!(samples, [20, 20, 80, 160, 480, 960]);
        assert!(opus.contains(20, rate) && !opus.contains(240, rate) && !opus.contains(0, rate));
        assert_eq!(opus.max_ptime_ms(), 120);
    }

    #[test]
    fn g711_has_any_length() {
        let rate = SampleRate::HZ_8000;
        let g711 = CODECS[0].packets;
        assert_eq!(
            [0, 30, 1000].map(|ms| g711.samples(ms, rate)),
            [1, 240, 1600]
        );
        assert!(g711.contains(1, rate) && !g711.contains(1601, rate) && !g711.contains(0, rate));
    }

    #[cfg(feature = "opus")]
    #[test]
    fn opus_ticks_are_those_of_48000_hz_at_any_rate() {
        let opus = by_name("opus", 48_000, 2).unwrap();
        assert_eq!(opus.ticks(160, SampleRate::HZ_8000), 960);
        assert_eq!(opus.samples(960, SampleRate::HZ_16000), 320);
        // As many samples as 2³² + 960 ticks have.
        let long = (1 << 32) / 6 + 1 + 160;
        assert_eq!(opus.ticks(long, SampleRate::HZ_8000), 960 + 2);
    }

    #[test]
    fn static_payload_types_are_those_of_rfc3551() {
        assert_eq!(by_static_payload_type(0).map(|c| c.name), Some("PCMU"));
        assert_eq!(by_static_payload_type(8).map(|c| c.name), Some("PCMA"));
        assert_eq!(by_static_payload_type(9).map(|c| c.name), Some("G722"));
        let l16 = by_static_payload_type(10).expect("RFC 3551 has it");
        assert_eq!((l16.name, l16.format.channels), ("L16", 2));
        let l16 = by_static_payload_type(11).expect("RFC 3551 has it");
        assert_eq!((l16.name, l16.format.channels), ("L16", 1));
        assert!(by_static_payload_type(12).is_none());
    }

    #[cfg(feature = "opus")]
    #[test]
    fn a_codec_costs_less_when_the_other_end_can_carry_less() {
        let opus = by_name("opus", 48_000, 2).unwrap();
        let of = |hz| opus.costs_us(SampleRate::new(hz).unwrap());
        let costs = [8000, 12_000, 16_000, 24_000, 48_000].map(of);
        assert!(costs.is_sorted(), "{costs:?}");
        assert_eq!((costs[0], of(96_000)), ([8, 52], [30, 215]));
        let g722 = by_static_payload_type(9).unwrap();
        assert_eq!(g722.costs_us(SampleRate::HZ_8000), [3, 4]);
    }

    #[test]
    fn g722_works_at_the_rate_of_the_other_end() {
        let g722 = by_name("G722", 8000, 1).expect("it is there");
        for (far, ours) in [(Some(8000), 8000), (Some(12_000), 16_000), (None, 16_000)] {
            let settings = Settings {
                sample_rate: far.and_then(SampleRate::new),
                ..Settings::default()
            };
            let encoder = g722.encoder(&settings).expect("no library to fail");
            let decoder = g722.decoder(&settings).expect("no library to fail");
            assert_eq!(encoder.format().sample_rate.get(), ours);
            assert_eq!(decoder.format(), encoder.format());
        }
    }

    #[test]
    fn both_laws_make_their_own_encoder_and_decoder() {
        for (codec, expected) in CODECS.iter().zip([0x80, 0xaa]) {
            let mut payload = [0; 1];
            let loud = Pcm {
                format: codec.format,
                samples: &[i16::MAX],
            };
            assert_eq!(
                codec
                    .encoder(&Settings::default())
                    .unwrap()
                    .encode(loud, &mut payload),
                Ok(1)
            );
            assert_eq!(payload, [expected], "{}", codec.name);
            let mut samples = [0; 1];
            let mut decoder = codec.decoder(&Settings::default()).unwrap();
            assert_eq!(decoder.decode(&payload, &mut samples), Ok(1));
            assert!(samples[0] > 32_000);
            assert_eq!(decoder.format(), codec.format);
        }
    }
}
