//! Whether somebody speaks, by energy alone.

use std::time::Duration;

use codecs::tone::level_dbov;

use super::FRAME;

/// How readily speech is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadConfig {
    /// Nothing quieter is speech, dBov. −45 by default.
    pub threshold_dbov: f32,
    /// Speech is this much above the noise, dB. 12 by default.
    pub above_noise_db: f32,
    /// Speech lasts at least this long; clicks do not. 60 ms by default.
    pub onset: Duration,
    /// A pause this long ends it. 500 ms by default.
    pub hangover: Duration,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            threshold_dbov: -45.0,
            above_noise_db: 12.0,
            onset: Duration::from_millis(60),
            hangover: Duration::from_millis(500),
        }
    }
}

/// What has just changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VadEvent {
    /// Somebody has begun to speak.
    Started,
    /// They have been silent for the hangover.
    Stopped,
}

/// An energy detector with a floor that follows the noise. For a fallback it will do; a bot's own detector
/// knows speech better.
#[derive(Clone, Copy, Debug)]
pub struct EnergyVad {
    config: VadConfig,
    floor_dbov: f32,
    loud: Duration,
    quiet: Duration,
    speaking: bool,
}

/// Level of a quiet line, to begin with.
const FLOOR_DBOV: f32 = -60.0;
/// The floor falls at once and rises by this much per frame, 2 dB per second: speech does not lift it.
const RISE_DB: f32 = 0.04;

impl EnergyVad {
    /// Begins in silence.
    #[must_use]
    pub fn new(config: VadConfig) -> Self {
        Self {
            config,
            floor_dbov: FLOOR_DBOV,
            loud: Duration::ZERO,
            quiet: Duration::ZERO,
            speaking: false,
        }
    }

    /// Takes the next frame of 20 ms.
    pub fn process(&mut self, frame: &[i16]) -> Option<VadEvent> {
        let level = level_dbov(frame);
        let floor = self.floor_dbov;
        self.floor_dbov = level.clamp(-90.0, floor + RISE_DB);
        let loud = level > self.config.threshold_dbov && level > floor + self.config.above_noise_db;
        if loud {
            self.quiet = Duration::ZERO;
            self.loud = self.loud.saturating_add(FRAME);
        } else {
            self.loud = Duration::ZERO;
            self.quiet = self.quiet.saturating_add(FRAME);
        }
        if !self.speaking && self.loud >= self.config.onset && loud {
            self.speaking = true;
            return Some(VadEvent::Started);
        }
        if self.speaking && self.quiet >= self.config.hangover && !loud {
            self.speaking = false;
            return Some(VadEvent::Stopped);
        }
        None
    }

    /// Whether somebody speaks.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.speaking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square wave of this amplitude.
    fn frame(amplitude: i16) -> Vec<i16> {
        (0..320)
            .map(|n| {
                if n / 8 % 2 == 0 {
                    amplitude
                } else {
                    -amplitude
                }
            })
            .collect()
    }

    fn run(vad: &mut EnergyVad, amplitude: i16, frames: usize) -> Vec<(usize, VadEvent)> {
        let frame = frame(amplitude);
        (0..frames)
            .filter_map(|n| Some((n, vad.process(&frame)?)))
            .collect()
    }

    #[test]
    fn speech_begins_and_ends() {
        let mut vad = EnergyVad::new(VadConfig::default());
        assert_eq!(run(&mut vad, 10, 50), []);
        assert_eq!(run(&mut vad, 3000, 50), [(2, VadEvent::Started)]);
        assert!(vad.is_speaking());
        assert_eq!(run(&mut vad, 10, 50), [(24, VadEvent::Stopped)]);
    }

    #[test]
    fn clicks_and_pauses_between_words_do_not_count() {
        let mut vad = EnergyVad::new(VadConfig::default());
        for _ in 0..20 {
            assert_eq!(run(&mut vad, 8000, 2), []);
            assert_eq!(run(&mut vad, 10, 1), []);
        }
        assert_eq!(run(&mut vad, 3000, 10).len(), 1);
        assert_eq!(run(&mut vad, 10, 20), []);
        assert_eq!(run(&mut vad, 3000, 10), []);
    }

    #[test]
    fn steady_noise_becomes_the_floor() {
        let mut vad = EnergyVad::new(VadConfig::default());
        // −40 dBov, as a fan at the caller's: taken for speech at first, then for what it is.
        let events = run(&mut vad, 330, 1500);
        assert!(matches!(
            events[..],
            [(2, VadEvent::Started), (_, VadEvent::Stopped)]
        ));
        assert_eq!(run(&mut vad, 3300, 5), [(2, VadEvent::Started)]);
    }
}
