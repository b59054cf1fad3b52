//! Codecs of a section, which of them the other side gets to see, and which are added for it.

mod answer;
mod list;
mod offer;
mod select;
mod supplemental;
mod word;

use codecs::registry;

use super::media::is_codec_line;
use super::parse::{Line, LineKind};
use super::text;
use crate::units::{ClockRate, PayloadType};

pub use answer::Answered;
pub use list::{Listed, Sink, Wish, beside, differ_in_audio, sink, target};
pub use offer::OfferedCodecs;

/// One payload type with all that a section says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The payload type.
    pub payload_type: PayloadType,
    /// Encoding name as written; empty when nobody said what it is.
    pub name: Box<[u8]>,
    /// Clock rate; `None` when nobody said what it is.
    pub clock_rate: Option<ClockRate>,
    /// Audio channels, at least 1.
    pub channels: u8,
    /// `a=fmtp`, without the payload type.
    pub fmtp: Option<Box<[u8]>>,
    /// `a=rtcp-fb` (RFC 4585), without the payload type, in order.
    pub feedback: Vec<Box<[u8]>>,
}

impl Codec {
    fn new(payload_type: PayloadType) -> Self {
        let (name, clock) = static_codec(payload_type.get());
        Self {
            payload_type,
            name: name.as_bytes().into(),
            clock_rate: ClockRate::new(clock),
            channels: if payload_type.get() == 11 { 2 } else { 1 },
            fmtp: None,
            feedback: Vec::new(),
        }
    }

    /// DTMF (RFC 4733) and comfort noise (RFC 3389) accompany a codec of the same clock rate and are
    /// of no use alone.
    #[must_use]
    pub fn is_supplemental(&self) -> bool {
        self.name.eq_ignore_ascii_case(b"telephone-event") || self.name.eq_ignore_ascii_case(b"CN")
    }

    /// DTMF (RFC 4733).
    #[must_use]
    pub fn is_events(&self) -> bool {
        self.name.eq_ignore_ascii_case(b"telephone-event")
    }

    /// Are the two names for the same, format parameters apart?
    #[must_use]
    pub fn is_same_encoding(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// What can code it; `None` for what can only be relayed, and for what goes with a codec.
    #[must_use]
    pub fn implementation(&self) -> Option<&'static registry::Codec> {
        let name = std::str::from_utf8(&self.name).ok()?;
        let clock = self.clock_rate.filter(|_| !self.is_supplemental())?;
        registry::by_name(name, clock.get(), self.channels)
    }

    /// Does a `codec` list's entry mean this codec? Entries are `name`, `name/clock` (one channel)
    /// or `name/clock/channels`, in any case; what follows does not count.
    #[must_use]
    pub fn matches(&self, entry: &str) -> bool {
        let mut parts = entry.as_bytes().splitn(4, |&b| b == b'/');
        let same_name = parts
            .next()
            .is_some_and(|name| !name.is_empty() && name.eq_ignore_ascii_case(&self.name));
        let clock = parts.next();
        let channels = parts.next();
        let same_clock = clock.is_none_or(|clock| {
            exact(clock).is_some_and(|hz| self.clock_rate == ClockRate::new(hz))
                && self.channels == channels.map_or(Some(1), exact).map_or(0, clamp)
        });
        same_name && same_clock
    }

    /// Appends `name/clock[/channels]`.
    pub(super) fn write_encoding(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        out.extend_from_slice(&self.name);
        // Writing to a Vec cannot fail.
        let _ = write!(out, "/{}", self.clock_rate.map_or(0, ClockRate::get));
        if self.channels > 1 {
            let _ = write!(out, "/{}", self.channels);
        }
    }
}

fn exact(digits: &[u8]) -> Option<u32> {
    match text::leading_u32(digits)? {
        (number, []) => Some(number),
        _ => None,
    }
}

fn clamp(channels: u32) -> u8 {
    u8::try_from(channels).unwrap_or(u8::MAX)
}

/// Payload type of these encodings that needs no `a=rtpmap` (RFC 3551 §6).
fn static_payload_type(name: &str, clock: ClockRate, channels: u8) -> Option<PayloadType> {
    (0..35).filter_map(PayloadType::new).find(|&payload_type| {
        let codec = Codec::new(payload_type);
        !name.is_empty()
            && codec.name.eq_ignore_ascii_case(name.as_bytes())
            && codec.clock_rate == Some(clock)
            && codec.channels == channels
    })
}

/// Name and clock rate of the static payload types (RFC 3551 §6); empty and 0 for the others.
const fn static_codec(payload_type: u8) -> (&'static str, u32) {
    match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44100),
        12 => ("QCELP", 8000),
        13 => ("CN", 8000),
        14 => ("MPA", 90000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11025),
        17 => ("DVI4", 22050),
        18 => ("G729", 8000),
        25 => ("CelB", 90000),
        26 => ("JPEG", 90000),
        28 => ("nv", 90000),
        31 => ("H261", 90000),
        32 => ("MPV", 90000),
        33 => ("MP2T", 90000),
        34 => ("H263", 90000),
        _ => ("", 0),
    }
}

/// What an `a=rtpmap`, `a=fmtp` or `a=rtcp-fb` line says, and about which payload type.
struct CodecLine<'a> {
    /// Not necessarily a payload type.
    number: u32,
    rest: &'a [u8],
}

impl<'a> CodecLine<'a> {
    fn parse(line: &Line<'a>) -> Option<Self> {
        let value = line.attribute_value()?;
        let (number, rest) = text::split_once(value, b' ').unwrap_or((value, b""));
        let number = exact(number)?;
        Some(Self { number, rest })
    }
}

/// `name/clock[/channels]`.
fn parse_encoding(value: &[u8]) -> Option<(&[u8], u32, u8)> {
    let encoding = value.split(|&b| b == b' ').next()?;
    let (name, rest) = text::split_once(encoding, b'/').filter(|(name, _)| !name.is_empty())?;
    let (clock, channels) = text::split_once(rest, b'/').unwrap_or((rest, b"1"));
    let channels = exact(channels).map_or(1, clamp).max(1);
    Some((name, exact(clock)?, channels))
}

/// Is the line about one payload type and understood? Others are copied like any attribute.
pub(super) fn is_understood(line: &Line<'_>) -> bool {
    is_codec_line(line)
        && CodecLine::parse(line).is_some_and(|about| {
            line.kind != LineKind::Rtpmap || parse_encoding(about.rest).is_some()
        })
}

/// The codecs of a section. Later lines for the same payload type win, but feedback accumulates.
/// A payload type listed twice counts once: or else a short text could ask for a very long one.
pub(super) fn collect(
    payload_types: impl Iterator<Item = PayloadType>,
    lines: &[Line<'_>],
) -> Vec<Codec> {
    let mut listed = 0u128;
    let mut codecs: Vec<Codec> = payload_types
        .filter(|payload_type| {
            let bit = 1 << payload_type.get();
            let first = listed & bit == 0;
            listed |= bit;
            first
        })
        .map(Codec::new)
        .collect();
    for line in lines.iter().filter(|line| is_codec_line(line)) {
        let Some(about) = CodecLine::parse(line) else {
            continue;
        };
        let encoding = match line.kind {
            LineKind::Rtpmap => match parse_encoding(about.rest) {
                None => continue,
                known => known,
            },
            _ => None,
        };
        let of_line = |codec: &&mut Codec| u32::from(codec.payload_type.get()) == about.number;
        if let Some(codec) = codecs.iter_mut().find(of_line) {
            match (line.kind, encoding) {
                (LineKind::Rtpmap, Some((name, clock, channels))) => {
                    codec.name = name.into();
                    codec.clock_rate = ClockRate::new(clock);
                    codec.channels = channels;
                }
                (LineKind::Fmtp, _) => {
                    codec.fmtp = Some(about.rest.into()).filter(|_| !about.rest.is_empty());
                }
                (LineKind::RtcpFb, _) => codec.feedback.push(about.rest.into()),
                _ => {}
            }
        }
    }
    codecs
}
