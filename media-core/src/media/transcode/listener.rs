//! Hears the digits of a stream that is otherwise left alone: no packet is changed, held or decoded.

use std::sync::Arc;

use codecs::tone::Digit;

use super::events::Events;
use super::hiding::Heard;
use crate::units::{ClockRate, PayloadType, Ssrc};
use crate::wire::rtp::{RtpHeader, RtpPacket};
use crate::wire::telephone_event::TelephoneEvent;

/// Payload types that carry DTMF events (RFC 4733), and their clock rates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventTypes {
    /// Few: one per clock rate of the audio.
    types: Box<[(PayloadType, ClockRate)]>,
}

impl EventTypes {
    /// These.
    #[must_use]
    pub fn new(types: Vec<(PayloadType, ClockRate)>) -> Self {
        Self {
            types: types.into_boxed_slice(),
        }
    }

    /// Clock rate of the events under this payload type; `None`: it carries something else.
    #[inline]
    #[must_use]
    pub fn clock(&self, payload_type: PayloadType) -> Option<ClockRate> {
        let found = self.types.iter().find(|(known, _)| *known == payload_type);
        found.map(|(_, clock)| *clock)
    }

    /// There are none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

/// One stream's digits, as its events tell them.
#[derive(Debug)]
pub struct EventListener {
    types: Arc<EventTypes>,
    ssrc: Option<Ssrc>,
    events: Events,
}

impl EventListener {
    /// With nothing heard yet.
    #[must_use]
    pub fn new(types: Arc<EventTypes>) -> Self {
        Self {
            types,
            ssrc: None,
            events: Events::default(),
        }
    }

    /// Listens for these from now on.
    pub fn set_types(&mut self, types: Arc<EventTypes>) {
        self.types = types;
    }

    /// Does the packet carry an event?
    #[inline]
    #[must_use]
    pub fn is_event(&self, header: &RtpHeader) -> bool {
        self.types.clock(header.payload_type()).is_some()
    }

    /// A packet of the stream, in the clear; a digit comes out once, when it is known to have ended: with
    /// the first packet that says so, or with the next digit's begin if all of those were lost.
    #[inline]
    pub fn hear(&mut self, header: &RtpHeader, packet: &[u8]) -> Option<Heard> {
        let clock = self.types.clock(header.payload_type())?;
        self.event(header, packet, clock)
    }

    fn event(&mut self, header: &RtpHeader, packet: &[u8], clock: ClockRate) -> Option<Heard> {
        let parsed = RtpPacket::parse(packet).ok()?;
        let event = TelephoneEvent::parse(parsed.payload()).ok()?;
        if self.ssrc != Some(header.ssrc()) {
            self.ssrc = Some(header.ssrc());
            self.events = Events::default();
        }
        let at = header.timestamp();
        heard(self.events.hear(at, &event, || at).ended, clock)
    }
}

/// An event that has ended: code, volume and ticks. `None` if it is none of the sixteen keys.
pub(super) fn heard(ended: Option<(u8, u8, u32)>, clock: ClockRate) -> Option<Heard> {
    let (code, volume, ticks) = ended?;
    Some(Heard {
        digit: Digit::from_event(code)?,
        duration_ms: ticks.saturating_mul(1000) / clock.get(),
        volume,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{RtpTimestamp, SeqNo};

    const EVENTS: u8 = 101;

    fn packet(number: u8, timestamp: u32, payload: &[u8]) -> (RtpHeader, Vec<u8>) {
        let header = RtpHeader::new(
            PayloadType::new(number).unwrap(),
            SeqNo::new(7),
            RtpTimestamp::new(timestamp),
            Ssrc::new(1),
        );
        let bytes = [&header.to_bytes()[..], payload].concat();
        (header, bytes)
    }

    fn listener() -> EventListener {
        let eight = ClockRate::new(8000).unwrap();
        let types = EventTypes::new(vec![(PayloadType::new(EVENTS).unwrap(), eight)]);
        EventListener::new(Arc::new(types))
    }

    /// `(time stamp, code, end, duration)`; the digits that came out.
    fn digits(packets: &[(u32, u8, bool, u16)]) -> Vec<(char, u32)> {
        let mut listener = listener();
        let heard = packets.iter().filter_map(|(at, code, end, duration)| {
            let event = TelephoneEvent {
                event: *code,
                end: *end,
                volume: 10,
                duration_ticks: *duration,
            };
            let (header, bytes) = packet(EVENTS, *at, &event.to_bytes());
            listener.hear(&header, &bytes)
        });
        heard.map(|h| (h.digit.to_char(), h.duration_ms)).collect()
    }

    #[test]
    fn digit_is_heard_once_at_its_first_end() {
        let one = [
            (0, 5, false, 160),
            (0, 5, false, 320),
            (0, 5, true, 480),
            (0, 5, true, 480),
            (0, 5, true, 480),
        ];
        assert_eq!(digits(&one), [('5', 60)]);
    }

    #[test]
    fn same_digit_twice_is_two_digits() {
        let two = [
            (0, 5, true, 480),
            (1600, 5, false, 160),
            (1600, 5, true, 800),
        ];
        assert_eq!(digits(&two), [('5', 60), ('5', 100)]);
    }

    #[test]
    fn digit_whose_end_is_lost_ends_with_the_next() {
        let cut = [(0, 1, false, 160), (0, 1, false, 320), (1600, 2, true, 800)];
        assert_eq!(digits(&cut), [('1', 40)]);
        let repeated = [cut[0], cut[1], cut[2], cut[2], cut[2]];
        assert_eq!(digits(&repeated), [('1', 40), ('2', 100)]);
    }

    #[test]
    fn late_end_is_no_further_digit() {
        let late = [
            (0, 1, false, 160),
            (0, 1, true, 320),
            (1600, 2, false, 160),
            (0, 1, true, 320),
            (1600, 2, true, 800),
        ];
        assert_eq!(digits(&late), [('1', 40), ('2', 100)]);
    }

    #[test]
    fn digit_longer_than_its_field_is_one() {
        let long = [
            (0, 4, false, 0xfff0),
            (0xffff, 4, false, 160),
            (0xffff, 4, true, 8000),
        ];
        assert_eq!(digits(&long), [('4', 9190)]);
    }

    #[test]
    fn other_packets_and_rubbish_are_nothing() {
        let mut listener = listener();
        for (number, payload) in [
            (0, &[5, 0x80, 1, 0][..]),
            (EVENTS, &[5, 0x80]),
            (EVENTS, &[]),
        ] {
            let (header, bytes) = packet(number, 0, payload);
            assert_eq!(listener.hear(&header, &bytes), None);
        }
        let (header, bytes) = packet(EVENTS, 0, &[16, 0x80, 1, 0]);
        assert_eq!(listener.hear(&header, &bytes), None, "a flash is no key");
    }
}
