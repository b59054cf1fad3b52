//! Telephone events on their way through (RFC 4733).

use crate::units::RtpTimestamp;
use crate::wire::telephone_event::TelephoneEvent;

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
    volume: u8,
    ended: bool,
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
    pub(super) ended: Option<(u8, u8, u16)>,
    /// The event goes on.
    pub(super) sounds: bool,
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
        let known = before.filter(|current| current.from == from && current.event == event.event);
        let begins = known.is_none();
        let mut current = known.unwrap_or_else(|| Current {
            event: event.event,
            from,
            to: begin(),
            ticks: 0,
            volume: event.volume,
            ended: false,
        });
        let goes_on = !current.ended;
        let ticks = match goes_on {
            true => event.duration_ticks.saturating_sub(current.ticks),
            false => 0,
        };
        current.ticks = current.ticks.max(event.duration_ticks);
        current.ended |= event.end;
        self.current = Some(current);
        // One whose end was lost ends with the next one's begin.
        let cut = before.filter(|before| begins && !before.ended);
        let ended = cut.or(Some(current).filter(|_| goes_on && event.end));
        Progress {
            at: current.to,
            begins,
            ticks,
            ended: ended.map(|ended| (ended.event, ended.volume, ended.ticks)),
            sounds: !current.ended,
        }
    }
}

/// A duration in another clock's ticks; at most what the field holds.
pub(super) fn scale(ticks: u16, from_hz: u32, to_hz: u32) -> u16 {
    let scaled = u64::from(ticks) * u64::from(to_hz) / u64::from(from_hz.max(1));
    u16::try_from(scaled).unwrap_or(u16::MAX)
}
