//! What is to be done to a stream, by payload type: the session's word to the transcoder.

use codecs::registry::Codec;

use super::hiding::DtmfOptions;
use crate::media::jitter::Hold;
use crate::units::{ClockRate, PayloadType};

/// How one stream's RTP becomes what its sink takes. Stated whole; a stream that needs nothing done has
/// no plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// By the payload type that arrives, sorted. What is not listed is treated as [`Plan::unlisted`] says.
    rules: Box<[(PayloadType, Rule)]>,
    /// Payload types that were not agreed on.
    pub unlisted: Unlisted,
    /// What decoded audio becomes; `None`: nothing here is encoded, decoded audio serves detection only.
    pub target: Option<CodecUse>,
    /// The sink's payload type and clock rate for DTMF events (RFC 4733), if it has one.
    pub events: Option<(PayloadType, ClockRate)>,
    /// The sink's payload type for comfort noise (RFC 3389), if it has one.
    pub comfort_noise: Option<PayloadType>,
    /// How packets are put in order before they are decoded.
    pub hold: Hold,
    /// Clock rates of what goes on as it is, where they matter: packets are held back by their time stamps.
    pub clocks: Box<[(PayloadType, ClockRate)]>,
    /// What becomes of DTMF, be it events or tones.
    pub dtmf: DtmfOptions,
    /// Decoded audio is replaced by silence.
    pub silenced: bool,
}

/// What becomes of one payload type.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Its payload goes on as it is, under this payload type.
    Forward(PayloadType),
    /// Decoded as this, and encoded as [`Plan::target`].
    Decode(CodecUse),
    /// As [`Rule::Forward`]; decoded as well, to look for digits in it.
    Overhear(PayloadType, CodecUse),
    /// DTMF events of this clock rate, to become [`Plan::events`]; in-band tones where there is none.
    Events(ClockRate),
    /// Comfort noise of this clock rate, to become [`Plan::comfort_noise`]; noise where there is none.
    ComfortNoise(ClockRate),
    /// Dropped and counted.
    Drop,
}

/// Payload types nobody agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Goes on as it is.
    #[default]
    Forward,
    /// Dropped and counted.
    Drop,
}

/// One side's use of a codec.
#[derive(Clone, Debug)]
pub struct CodecUse {
    /// Which.
    pub codec: &'static Codec,
    /// Under which number.
    pub payload_type: PayloadType,
    /// `a=fmtp` without the payload type; empty if there is none.
    pub fmtp: Box<str>,
    /// Length of a packet, ms.
    pub ptime_ms: u32,
}

impl CodecUse {
    /// Ticks per second of its RTP time stamps; `None` only for a registry entry without one.
    #[must_use]
    pub const fn clock_rate(&self) -> Option<ClockRate> {
        ClockRate::new(self.codec.clock_rate_hz)
    }
}

impl PartialEq for CodecUse {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.codec, other.codec)
            && self.payload_type == other.payload_type
            && self.fmtp == other.fmtp
            && self.ptime_ms == other.ptime_ms
    }
}

impl Plan {
    /// A plan with these rules, later ones for the same payload type ignored, and nothing to encode.
    #[must_use]
    pub fn new(mut rules: Vec<(PayloadType, Rule)>) -> Self {
        rules.sort_by_key(|rule| rule.0);
        rules.dedup_by_key(|rule| rule.0);
        Self {
            rules: rules.into(),
            unlisted: Unlisted::default(),
            target: None,
            events: None,
            comfort_noise: None,
            hold: Hold::Order,
            clocks: Box::default(),
            dtmf: DtmfOptions::default(),
            silenced: false,
        }
    }

    /// What one packet costs at most, in microseconds or so: for who shares out a processor, not exact.
    #[must_use]
    pub fn cost_us(&self) -> u32 {
        let decoded = self.rules.iter().filter_map(|(_, rule)| match rule {
            Rule::Decode(codec) | Rule::Overhear(_, codec) => Some(codec.codec),
            _ => None,
        });
        let target = self.target.as_ref().map(|target| target.codec);
        let (mut decode, mut encode) = (0, 0);
        for source in decoded {
            let far = target.unwrap_or(source).format.sample_rate;
            decode = decode.max(source.costs_us(far)[0]);
            let near = source.format.sample_rate;
            encode = encode.max(target.map_or(0, |target| target.costs_us(near)[1]));
        }
        1 + decode + encode
    }

    /// The clock rate of what goes on as it is.
    pub(super) fn clock(&self, payload_type: PayloadType) -> Option<ClockRate> {
        let clock = self.clocks.iter().find(|clock| clock.0 == payload_type);
        clock.map(|clock| clock.1)
    }

    /// The rule of a payload type.
    #[must_use]
    pub fn rule(&self, payload_type: PayloadType) -> Option<&Rule> {
        let at = self.rules.binary_search_by_key(&payload_type, |r| r.0);
        at.ok().and_then(|at| self.rules.get(at)).map(|r| &r.1)
    }

    /// All rules, by payload type.
    #[must_use]
    pub fn rules(&self) -> &[(PayloadType, Rule)] {
        &self.rules
    }
}
