//! What is to become of the digits in a stream: the session's word to the transcoder.

use codecs::tone::Digit;

/// Level of what stands in for a digit, and of a digit that was found in audio, where the event must name
/// one (RFC 4733 §2.3.4), unless [`DtmfOptions::volume_dbm0`] says otherwise.
pub(super) const VOLUME_DBM0: i8 = -10;

/// What becomes of the digits in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfOptions {
    /// What the receiver gets of a digit.
    pub hiding: Hiding,
    /// Level of what stands in for a digit, dBm0, at most 0.
    pub volume_dbm0: i8,
    /// Digits are silent at first, and come so much later, ms; 0: they come when they are dialled. What
    /// the receiver gets of one is decided when it comes.
    pub delay_ms: u16,
    /// Looks for tones in the audio, and reports them.
    pub detect: bool,
    /// Tones found become events, and are silent in the audio; needs the receiver to take events.
    pub tones_to_events: bool,
}

impl Default for DtmfOptions {
    fn default() -> Self {
        Self {
            hiding: Hiding::Off,
            volume_dbm0: VOLUME_DBM0,
            delay_ms: 0,
            detect: false,
            tones_to_events: false,
        }
    }
}

impl DtmfOptions {
    /// Is anything to be found in the audio?
    #[must_use]
    pub fn listens(&self) -> bool {
        self.detect || self.tones_to_events || self.hiding_at_once() != Hiding::Off
    }

    /// What the receiver gets of a digit while it is dialled.
    pub(super) fn hiding_at_once(&self) -> Hiding {
        match (self.delay_ms, self.hiding) {
            (_, Hiding::Drop) => Hiding::Drop,
            (0, hiding) => hiding,
            _ => Hiding::Silence,
        }
    }

    /// As an event has it, −dBm0.
    pub(super) fn volume(&self) -> u8 {
        self.volume_dbm0.min(0).unsigned_abs().min(63)
    }
}

/// `DTMF-security`: what the receiver gets in place of a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hiding {
    /// The digit.
    #[default]
    Off,
    /// Nothing: events are dropped, tones become silence.
    Drop,
    /// Silence for as long.
    Silence,
    /// A tone.
    Tone(Frequencies),
    /// Another digit each time.
    Random,
    /// This digit, whichever was dialled.
    Digit(Digit),
}

/// Frequencies of a tone that stands in for digits, one digit after another, then from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequencies {
    hz: [u16; Frequencies::MAX],
    len: usize,
}

impl Frequencies {
    /// The most there are.
    pub const MAX: usize = 8;
    /// What there is if nobody says so, Hz.
    pub const DEFAULT_HZ: u16 = 400;

    /// These, but no more than [`Frequencies::MAX`]; of none, [`Frequencies::DEFAULT_HZ`]. In Hz.
    #[must_use]
    pub fn new(hz: &[u16]) -> Self {
        let mut all = Self::default();
        let known = &hz[..hz.len().min(Self::MAX)];
        if !known.is_empty() {
            all.hz[..known.len()].copy_from_slice(known);
            all.len = known.len();
        }
        all
    }

    /// That of the `n`th digit from 0, Hz.
    #[must_use]
    pub fn of(&self, n: usize) -> u16 {
        self.hz[n % self.len.clamp(1, Self::MAX)]
    }
}

impl Default for Frequencies {
    fn default() -> Self {
        Self {
            hz: [Self::DEFAULT_HZ; Self::MAX],
            len: 1,
        }
    }
}

/// A digit to be played into a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Play {
    /// Which.
    pub digit: Digit,
    /// How long it sounds, ms.
    pub duration_ms: u16,
    /// Pause behind it, ms.
    pub pause_ms: u16,
    /// Level, dBm0, at most 0.
    pub volume_dbm0: i8,
}

/// A digit that a sender has dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub digit: Digit,
    /// How long it sounded, ms.
    pub duration_ms: u32,
    /// Level in −dBm0, as the event says; 10 for a tone in the audio.
    pub volume: u8,
}
