//! What was dialled, as seen in the packets that a phone has heard (RFC 4733).

use media_core::wire::telephone_event::TelephoneEvent;

use super::line::{Coding, DIGIT_PACKETS};
use super::phone::Packet;

/// One event: the packets in a row that share a time stamp (RFC 4733 §2.5.1.2).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dialled {
    pub(crate) key: char,
    pub(crate) length_ms: f64,
    /// Which of its packets have the marker, and which say that it has ended.
    markers: Vec<bool>,
    ends: Vec<bool>,
}

/// The events that a phone has heard, in order.
///
/// # Panics
/// When a packet is no event of a key.
pub(crate) fn dialled(packets: &[Packet], coding: &Coding) -> Vec<Dialled> {
    let events = coding.events.expect("the phone has events");
    let of_event = |packet: &&Packet| packet.payload_type == events.payload_type;
    let heard: Vec<&Packet> = packets.iter().filter(of_event).collect();
    let groups = heard.chunk_by(|a, b| a.timestamp == b.timestamp);
    groups
        .map(|group| {
            let parse =
                |packet: &&Packet| TelephoneEvent::parse(&packet.payload).expect("an event");
            let parsed: Vec<TelephoneEvent> = group.iter().map(parse).collect();
            let key = parsed[0].digit().expect("a key's event");
            let same = parsed.iter().all(|event| event.digit() == Some(key));
            assert!(same, "one time stamp, several keys: {parsed:?}");
            let ticks = parsed.iter().map(|event| event.duration_ticks).max();
            Dialled {
                key,
                length_ms: f64::from(ticks.unwrap_or(0)) * 1000.0 / f64::from(events.clock_rate_hz),
                markers: group.iter().map(|packet| packet.marker).collect(),
                ends: parsed.iter().map(|event| event.end).collect(),
            }
        })
        .collect()
}

/// The keys.
pub(crate) fn keys(dialled: &[Dialled]) -> String {
    dialled.iter().map(|event| event.key).collect()
}

impl Dialled {
    /// It is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.ends.contains(&true)
    }

    /// It begins once, and once it has ended it goes on no more.
    fn is_whole(&self) -> bool {
        let (first, rest) = self.markers.split_at(1);
        let begins_once = first[0] && !rest.contains(&true);
        let end = self.ends.iter().position(|end| *end);
        begins_once && end.is_some_and(|at| self.ends[at..].iter().all(|end| *end))
    }
}

/// That these keys were dialled, each once and in order, and came as events that begin once and end.
///
/// # Panics
/// When it is otherwise.
pub(crate) fn expect_keys(dialled: &[Dialled], expected: &str) {
    assert_eq!(keys(dialled), expected, "{dialled:?}");
    for event in dialled {
        assert!(event.is_whole(), "{event:?}");
    }
}

/// The same of a [`super::line::Speaker`]: all last as long as it dials.
///
/// # Panics
/// When it is otherwise.
pub(crate) fn expect_keys_in_time(dialled: &[Dialled], expected: &str) {
    expect_keys(dialled, expected);
    let length_ms = f64::from(DIGIT_PACKETS) * 20.0;
    for event in dialled {
        let off_ms = (event.length_ms - length_ms).abs();
        assert!(off_ms <= 1.0, "{event:?} should last {length_ms} ms");
    }
}
