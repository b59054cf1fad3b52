//! Telephone events, DTMF above all (RFC 4733 §2.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     event     |E|R| volume    |          duration             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

/// Length of the payload, bytes.
pub const PAYLOAD_LEN: usize = 4;

const END_BIT: u8 = 0x80;
const VOLUME_MASK: u8 = 0x3f;

/// Why a payload is no telephone event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TelephoneEventError {
    /// Shorter than an event.
    #[error("telephone event payload of {0} bytes is shorter than 4")]
    TooShort(usize),
}

/// One telephone event payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code: 0–9, 10 `*`, 11 `#`, 12–15 `A`–`D`, and more (RFC 4733 §3.2).
    pub event: u8,
    /// The event has ended: its duration is final.
    pub end: bool,
    /// Power level of a tone in −dBm0, 0–63; larger is quieter.
    pub volume: u8,
    /// How long the event has lasted since the packet's timestamp, in ticks of the clock.
    pub duration_ticks: u16,
}

impl TelephoneEvent {
    /// Reads the event at the front of `payload`; what follows it is not looked at, nor is the
    /// reserved bit (RFC 4733 §2.3.4).
    ///
    /// # Errors
    /// [`TelephoneEventError::TooShort`] below [`PAYLOAD_LEN`] bytes.
    pub fn parse(payload: &[u8]) -> Result<Self, TelephoneEventError> {
        let &[event, flags, d0, d1, ..] = payload else {
            return Err(TelephoneEventError::TooShort(payload.len()));
        };
        Ok(Self {
            event,
            end: flags & END_BIT != 0,
            volume: flags & VOLUME_MASK,
            duration_ticks: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload as on the wire; a volume above 63 is written as 63.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PAYLOAD_LEN] {
        let end = if self.end { END_BIT } else { 0 };
        let [d0, d1] = self.duration_ticks.to_be_bytes();
        [self.event, end | self.volume.min(VOLUME_MASK), d0, d1]
    }

    /// The key that the event stands for, `None` if it is not DTMF.
    #[must_use]
    pub fn digit(self) -> Option<char> {
        const KEYS: &str = "0123456789*#ABCD";
        KEYS.chars().nth(usize::from(self.event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn event_is_laid_out_as_rfc4733_draws_it() {
        let event = TelephoneEvent {
            event: 11,
            end: true,
            volume: 10,
            duration_ticks: 800,
        };
        assert_eq!(event.to_bytes(), [11, 0x8a, 0x03, 0x20]);
        assert_eq!(event.digit(), Some('#'));
        // The reserved bit is ignored.
        assert_eq!(TelephoneEvent::parse(&[11, 0xca, 0x03, 0x20]), Ok(event));
    }

    #[test]
    fn other_events_are_no_digits() {
        let flash = TelephoneEvent::parse(&[16, 0, 0, 0]).expect("long enough");
        assert_eq!(flash.digit(), None);
    }

    #[test]
    fn short_payload_is_refused() {
        assert_eq!(
            TelephoneEvent::parse(&[1, 2, 3]),
            Err(TelephoneEventError::TooShort(3))
        );
    }

    proptest! {
        #[test]
        fn emitted_events_parse_back(event: u8, end: bool, volume in 0_u8..64, duration_ticks: u16) {
            let event = TelephoneEvent { event, end, volume, duration_ticks };
            prop_assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Ok(event));
        }
    }
}
