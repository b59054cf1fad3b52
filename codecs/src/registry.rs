//! The codecs that are implemented, by name and by static payload type. Refuses to list others.

use super::{Decoder, Encoder, PcmFormat, g711};

/// What SDP and RTP need to know of a codec, and how to make one.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    /// Encoding name as in `a=rtpmap`, compared without case (RFC 8866 §6.6).
    pub name: &'static str,
    /// Hz of the RTP timestamp.
    pub clock_rate_hz: u32,
    /// What it codes; the channels are also those of `a=rtpmap`.
    pub format: PcmFormat,
    /// Length of a packet when nobody says otherwise, ms (RFC 3551 §4.5).
    pub default_ptime_ms: u32,
    /// Payload type that needs no `a=rtpmap` (RFC 3551 §6).
    pub static_payload_type: Option<u8>,
    new_encoder: fn() -> Box<dyn Encoder>,
    new_decoder: fn() -> Box<dyn Decoder>,
}

impl Codec {
    /// A fresh encoder.
    #[must_use]
    pub fn encoder(&self) -> Box<dyn Encoder> {
        (self.new_encoder)()
    }
    /// A fresh decoder.
    #[must_use]
    pub fn decoder(&self) -> Box<dyn Decoder> {
        (self.new_decoder)()
    }
}

/// All codecs.
pub const CODECS: [Codec; 2] = [
    Codec {
        name: "PCMU",
        clock_rate_hz: 8000,
        format: PcmFormat::MONO_8000,
        default_ptime_ms: 20,
        static_payload_type: Some(0),
        new_encoder: || Box::new(g711::Codec::mu_law()),
        new_decoder: || Box::new(g711::Codec::mu_law()),
    },
    Codec {
        name: "PCMA",
        clock_rate_hz: 8000,
        format: PcmFormat::MONO_8000,
        default_ptime_ms: 20,
        static_payload_type: Some(8),
        new_encoder: || Box::new(g711::Codec::a_law()),
        new_decoder: || Box::new(g711::Codec::a_law()),
    },
];

/// The codec that `a=rtpmap` calls `name/clock_rate_hz/channels`.
#[must_use]
pub fn by_name(name: &str, clock_rate_hz: u32, channels: u8) -> Option<&'static Codec> {
    CODECS.iter().find(|c| {
        c.name.eq_ignore_ascii_case(name)
            && c.clock_rate_hz == clock_rate_hz
            && c.format.channels == channels
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
    fn static_payload_types_are_those_of_rfc3551() {
        assert_eq!(by_static_payload_type(0).map(|c| c.name), Some("PCMU"));
        assert_eq!(by_static_payload_type(8).map(|c| c.name), Some("PCMA"));
        assert!(by_static_payload_type(9).is_none());
    }

    #[test]
    fn each_codec_makes_its_own_encoder_and_decoder() {
        for (codec, expected) in CODECS.iter().zip([0x80, 0xaa]) {
            let mut payload = [0; 1];
            let loud = Pcm {
                format: codec.format,
                samples: &[i16::MAX],
            };
            assert_eq!(codec.encoder().encode(loud, &mut payload), Ok(1));
            assert_eq!(payload, [expected], "{}", codec.name);
            let mut samples = [0; 1];
            assert_eq!(codec.decoder().decode(&payload, &mut samples), Ok(1));
            assert!(samples[0] > 32_000);
            assert_eq!(codec.decoder().format(), codec.format);
        }
    }
}
