//! Entries of `codec` lists: `name[/clock[/channels[/bitrate[/ptime[/fmtp[/options]]]]]]`.

use codecs::registry;

use super::list::Wish;
use super::{Codec, clamp, static_payload_type};
use crate::units::{ClockRate, PayloadType};

/// One entry. What cannot be read counts as absent.
pub(super) struct Word<'a> {
    name: &'a str,
    clock: Option<ClockRate>,
    channels: Option<u8>,
    bitrate_bps: Option<u32>,
    ptime_ms: Option<u32>,
    fmtp: Option<&'a str>,
    options: Option<&'a str>,
}

/// What an entry asks for, in the spelling that goes into a description.
pub(super) struct Encoding {
    name: &'static str,
    clock: ClockRate,
    channels: u8,
}

const EVENTS: &str = "telephone-event";
const COMFORT_NOISE: &str = "CN";

/// All digits (RFC 4733 §2.4.1).
const EVENTS_FMTP: &str = "0-15";

impl<'a> Word<'a> {
    pub(super) fn parse(entry: &'a str) -> Self {
        let mut parts = entry.splitn(7, '/').map(|part| part.trim());
        let name = parts.next().unwrap_or_default();
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
        let clock = number(part()).and_then(ClockRate::new);
        Self {
            name,
            clock,
            channels: number(part()).filter(|&channels| channels > 0).map(clamp),
            bitrate_bps: number(part()),
            ptime_ms: number(part()).filter(|&ms| ms > 0),
            fmtp: part(),
            options: part(),
        }
    }

    /// Is this the codec that the entry asks for? One with other format parameters is not.
    pub(super) fn is_satisfied_by(&self, codec: &Codec) -> bool {
        let named = codec.name.eq_ignore_ascii_case(self.name.as_bytes());
        let fmtp = codec.fmtp.as_deref().unwrap_or_default();
        let alike = self.fmtp.is_none_or(|wanted| wanted.as_bytes() == fmtp);
        let as_encoded = || match self.encoding() {
            Some(encoding) => {
                codec.clock_rate == Some(encoding.clock) && codec.channels == encoding.channels
            }
            None => codec.clock_rate == self.clock,
        };
        named && alike && (self.clock.is_none() || as_encoded())
    }

    /// What to write for it; `None`: there is nobody to code it.
    pub(super) fn encoding(&self) -> Option<Encoding> {
        let supplemental = [EVENTS, COMFORT_NOISE].into_iter();
        let mut supplemental = supplemental.filter(|name| name.eq_ignore_ascii_case(self.name));
        if let Some(name) = supplemental.next() {
            return Some(Encoding {
                name,
                clock: self.clock.or(ClockRate::new(8000))?,
                channels: 1,
            });
        }
        let named = |codec: &&registry::Codec| codec.name.eq_ignore_ascii_case(self.name);
        let encodings = registry::CODECS.iter().filter(named).filter_map(|codec| {
            let is_known = |&channels: &u8| {
                registry::by_name(codec.name, codec.clock_rate_hz, channels).is_some()
            };
            Some(Encoding {
                name: codec.name,
                clock: ClockRate::new(codec.clock_rate_hz)?,
                channels: (1..=2).find(is_known)?,
            })
        });
        let mut encodings =
            encodings.filter(|encoding| self.clock.is_none_or(|clock| clock == encoding.clock));
        let first = encodings.next()?;
        // `opus/48000` is what people write; RFC 7587 §7 has always two channels.
        let exact = |encoding: &Encoding| self.channels == Some(encoding.channels);
        let found = if exact(&first) {
            None
        } else {
            encodings.find(exact)
        };
        Some(found.unwrap_or(first))
    }

    /// What it asks of an encoder beyond what the receiver says.
    pub(super) fn wish(&self) -> Option<Box<Wish>> {
        let bitrate = self
            .bitrate_bps
            .map(|bps| format!("maxaveragebitrate={bps}"));
        let options = self.options.map(|options| options.to_ascii_lowercase());
        let fmtp: Vec<String> = [bitrate, options].into_iter().flatten().collect();
        let wish = Wish {
            fmtp: fmtp.join(";").into(),
            ptime_ms: self.ptime_ms,
        };
        (wish != Wish::default()).then(|| Box::new(wish))
    }

    /// The codec that it asks for. `is_free`: may the number be used for this codec?
    pub(super) fn codec(&self, is_free: impl Fn(PayloadType, &Codec) -> bool) -> Option<Codec> {
        let fmtp = self.fmtp.map(|fmtp| fmtp.as_bytes().into());
        self.encoding()?.codec(fmtp, is_free)
    }
}

impl Encoding {
    /// DTMF or comfort noise of a clock rate.
    pub(super) fn supplemental(is_events: bool, clock: ClockRate) -> Self {
        Self {
            name: if is_events { EVENTS } else { COMFORT_NOISE },
            clock,
            channels: 1,
        }
    }

    pub(super) fn codec(
        self,
        fmtp: Option<Box<[u8]>>,
        is_free: impl Fn(PayloadType, &Codec) -> bool,
    ) -> Option<Codec> {
        let events = Some(EVENTS_FMTP.as_bytes().into()).filter(|_| self.name == EVENTS);
        let mut codec = Codec {
            payload_type: PayloadType::new(0)?,
            name: self.name.as_bytes().into(),
            clock_rate: Some(self.clock),
            channels: self.channels,
            fmtp: fmtp.or(events),
            feedback: Vec::new(),
        };
        let own = static_payload_type(self.name, self.clock, self.channels);
        // RFC 3551 §3: 96 to 127 are for such use; below are more, but not every phone takes them.
        let mut numbers = own
            .into_iter()
            .chain((96..128).filter_map(PayloadType::new));
        codec.payload_type = numbers.find(|&number| is_free(number, &codec))?;
        Some(codec)
    }
}
