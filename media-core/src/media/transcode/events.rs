//! Telephone events on their way through (RFC 4733).

use crate::units::RtpTimestamp;
use crate::wire::telephone_event::TelephoneEvent;

/// Ticks by which a packet's time stamp may lie behind the event that is known for it to be a late packet
/// of the one before: two seconds at 8000 Hz. Further back begins another time line.
const LATE_TICKS: u32 = 16_000;
/// A duration from which on an event without an end may go on under another time stamp: the field is
/// about to overflow (RFC 4733 §2.5.1.3).
const LONG_TICKS: u16 = 0xe000;

/// The event that a sender is in the middle of.
#[derive(Debug, Default)]
pub(super) struct Events {
    current: Option<Current>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    event: u8,
    /// The sender's time stamp, which all packets of an event share (RFC 4733 §2.5.1.2).
    from: RtpTimestamp,
    to: RtpTimestamp,
    /// Longest duration heard, in the sender's ticks.
    ticks: u16,
    /// Of the segments before this one.
    before_ticks: u32,
    volume: u8,
    ended: bool,
    /// Somebody was told that it has ended.
    told: bool,
}

/// What a packet adds to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Our time of the event's begin.
    pub(super) at: RtpTimestamp,
    /// The first packet of the event that came.
    pub(super) begins: bool,
    /// Sender's ticks that this packet says more than those before.
    pub(super) ticks: u16,
    /// An event that is known to have ended by this packet: its code, volume and ticks. Once per event.
    pub(super) ended: Option<(u8, u8, u32)>,
    /// The event goes on.
    pub(super) sounds: bool,
    /// A packet of an event that is over and done with: it came after the next one's begin.
    pub(super) late: bool,
}

impl Events {
    /// A packet of an event. `begin` is our time for it if it is a new one.
    pub(super) fn hear(
        &mut self,
        from: RtpTimestamp,
        event: &TelephoneEvent,
        begin: impl FnOnce() -> RtpTimestamp,
    ) -> Progress {
        let before = self.current.take();
        if let Some(current) = before
            && (1..=LATE_TICKS).contains(&current.from.get().wrapping_sub(from.get()))
        {
            self.current = before;
            return Progress {
                at: current.to,
                begins: false,
                ticks: 0,
                ended: None,
                sounds: !current.ended,
                late: true,
            };
        }
        let known = before.filter(|current| current.from == from && current.event == event.event);
        let segment = before.filter(|current| current.is_continued_by(from, event));
        let begins = known.or(segment).is_none();
        let mut current = known.unwrap_or_else(|| Current {
            event: event.event,
            from,
            to: begin(),
            ticks: 0,
            before_ticks: segment.map_or(0, |segment| segment.all_ticks()),
            volume: event.volume,
            ended: false,
            told: false,
        });
        let goes_on = !current.ended;
        let ticks = match goes_on {
            true => event.duration_ticks.saturating_sub(current.ticks),
            false => 0,
        };
        current.ticks = current.ticks.max(event.duration_ticks);
        current.ended |= event.end;
        // One whose end was lost ends with the next one's begin; the next one's end, if it is in the same
        // packet, is told with its repetition.
        let cut = before.filter(|before| begins && !before.told);
        let ended = cut.or(Some(current).filter(|current| current.ended && !current.told));
        current.told |= cut.is_none() && current.ended;
        self.current = Some(current);
        Progress {
            at: current.to,
            begins,
            ticks,
            ended: ended.map(|ended| (ended.event, ended.volume, ended.all_ticks())),
            sounds: !current.ended,
            late: false,
        }
    }
}

impl Current {
    /// Of all its segments so far.
    fn all_ticks(&self) -> u32 {
        self.before_ticks.saturating_add(u32::from(self.ticks))
    }

    /// Is this the next segment of the same long event?
    fn is_continued_by(&self, from: RtpTimestamp, event: &TelephoneEvent) -> bool {
        let passed = from.get().wrapping_sub(self.from.get());
        let long = self.event == event.event && !self.ended && self.ticks >= LONG_TICKS;
        long && (u32::from(self.ticks)..=u32::from(u16::MAX)).contains(&passed)
    }
}

/// A duration in another clock's ticks; at most what the field holds.
pub(super) fn scale(ticks: u16, from_hz: u32, to_hz: u32) -> u16 {
    let scaled = u64::from(ticks) * u64::from(to_hz) / u64::from(from_hz.max(1));
    u16::try_from(scaled).unwrap_or(u16::MAX)
}
