//! Codecs of a section, and which of them the other side gets to see.

use super::media::is_codec_line;
use super::options::CodecOptions;
use super::parse::{Line, LineKind};
use super::text;
use crate::units::{ClockRate, PayloadType};

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

    /// Does a `codec` list's entry mean this codec? Entries are `name`, `name/clock` (one channel)
    /// or `name/clock/channels`, in any case.
    #[must_use]
    pub fn matches(&self, entry: &str) -> bool {
        let mut parts = entry.as_bytes().splitn(3, |&b| b == b'/');
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
    payload_type: PayloadType,
    rest: &'a [u8],
}

impl<'a> CodecLine<'a> {
    fn parse(line: &Line<'a>) -> Option<Self> {
        let (number, rest) = text::split_once(line.attribute_value()?, b' ')?;
        let payload_type = PayloadType::new(u8::try_from(exact(number)?).ok()?)?;
        Some(Self { payload_type, rest })
    }
}

/// `name/clock[/channels]`.
fn parse_encoding(value: &[u8]) -> Option<(&[u8], ClockRate, u8)> {
    let (name, rest) = text::split_once(value, b'/')?;
    if name.is_empty() || name.starts_with(b" ") {
        return None;
    }
    let (clock, rest) = text::leading_u32(rest)?;
    let channels = rest
        .strip_prefix(b"/")
        .and_then(text::number)
        .map_or(1, clamp)
        .max(1);
    Some((name, ClockRate::new(clock)?, channels))
}

/// Is the line about one payload type and understood? Others are copied like any attribute.
pub(super) fn is_understood(line: &Line<'_>) -> bool {
    is_codec_line(line)
        && CodecLine::parse(line).is_some_and(|about| {
            line.kind != LineKind::Rtpmap || parse_encoding(about.rest).is_some()
        })
}

/// The codecs of a section. Later lines for the same payload type win, but feedback accumulates.
pub(super) fn collect(
    payload_types: impl Iterator<Item = PayloadType>,
    lines: &[Line<'_>],
) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = payload_types.map(Codec::new).collect();
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
        for codec in codecs
            .iter_mut()
            .filter(|codec| codec.payload_type == about.payload_type)
        {
            match (line.kind, encoding) {
                (LineKind::Rtpmap, Some((name, clock, channels))) => {
                    codec.name = name.into();
                    codec.clock_rate = Some(clock);
                    codec.channels = channels;
                }
                (LineKind::Fmtp, _) => codec.fmtp = Some(about.rest.into()),
                (LineKind::RtcpFb, _) => codec.feedback.push(about.rest.into()),
                _ => {}
            }
        }
    }
    codecs
}

/// One section's codecs between offer and answer: kept by the call with the section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedCodecs {
    /// What the other side was shown of the offer.
    shown: Vec<Codec>,
}

impl OfferedCodecs {
    /// What to show of an offer: see [`CodecOptions`] and RFC 3264 §5.
    #[must_use]
    pub fn new(offered: &[Codec], options: &CodecOptions) -> Self {
        let shown = select(offered, options);
        Self { shown }
    }

    /// What the other side is shown of the offer.
    #[must_use]
    pub fn shown(&self) -> &[Codec] {
        &self.shown
    }

    /// What the offerer is shown of the answer: the codecs that were offered, or else all. Of the
    /// options only `strip`, with `except`, works on answers.
    #[must_use]
    pub fn answer(&self, answered: &[Codec], options: &CodecOptions) -> Vec<Codec> {
        let strip_only = CodecOptions {
            strip: options.strip.clone(),
            except: options.except.clone(),
            ..CodecOptions::default()
        };
        let known: Vec<Codec> = answered
            .iter()
            .filter(|codec| self.was_shown(codec))
            .cloned()
            .collect();
        let known = if known.is_empty() { answered } else { &known };
        select(known, &strip_only)
    }

    fn was_shown(&self, codec: &Codec) -> bool {
        let same = |other: &Codec| other.payload_type == codec.payload_type;
        self.shown.iter().any(same)
    }
}

/// What is left of `offered` after `strip`, `mask`, `offer` and `except`.
///
/// `offer` and `except` mean something only to a codec that `strip` or `mask` would take away.
/// Taking all away is taken for a mistake: everything is shown then. The words that add or replace
/// codecs by transcoding are not looked at.
fn select(offered: &[Codec], options: &CodecOptions) -> Vec<Codec> {
    let hidden = |list: &[String]| list.iter().any(|word| word == "all" || word == "full");
    let hide_all = hidden(&options.strip) || hidden(&options.mask);
    if !hide_all && options.strip.is_empty() && options.mask.is_empty() {
        return offered.to_vec();
    }
    let named = |list: &[String], codec: &Codec| list.iter().any(|word| codec.matches(word));
    let mut shown: Vec<Codec> = offered
        .iter()
        .filter(|codec| {
            let explicit = named(&options.strip, codec) || named(&options.mask, codec);
            !explicit && (!hide_all || named(&options.except, codec))
        })
        .cloned()
        .collect();
    for word in &options.offer {
        for codec in offered.iter().filter(|codec| codec.matches(word)) {
            if !shown.contains(codec) {
                shown.push(codec.clone());
            }
        }
    }
    if shown.is_empty() {
        return offered.to_vec();
    }
    if shown.len() < offered.len() {
        drop_lonely_supplementals(&mut shown);
    }
    shown.sort_by_key(Codec::is_supplemental);
    shown
}

/// Without a codec of their clock rate they have nothing to accompany.
fn drop_lonely_supplementals(codecs: &mut Vec<Codec>) {
    let clocks: Vec<Option<ClockRate>> = codecs
        .iter()
        .filter(|codec| !codec.is_supplemental())
        .map(|codec| codec.clock_rate)
        .collect();
    codecs.retain(|codec| !codec.is_supplemental() || clocks.contains(&codec.clock_rate));
}
