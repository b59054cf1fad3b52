//! Makes up to two sines at once, in a cadence.

use std::f64::consts::TAU;
use std::time::Duration;

use super::super::SampleRate;
use super::{Digit, mean_square};

/// Pulses of one cadence.
const PULSES: usize = 3;
/// Edges rise and fall in this time, so that they do not click. Within what DTMF receivers must allow.
const EDGE: Duration = Duration::from_millis(1);

/// Sound and the pause behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pulse {
    /// How long it sounds; [`Duration::MAX`] for ever.
    pub on: Duration,
    /// How long it is silent then.
    pub off: Duration,
}

impl Pulse {
    /// Sound and pause in milliseconds.
    #[must_use]
    pub const fn ms(on: u64, off: u64) -> Self {
        Self {
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
        }
    }
}

/// What is to be heard: one or two frequencies, how loud, in which cadence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies, Hz; 0 for none. Of equal power.
    pub frequencies_hz: [f64; 2],
    /// Power of both together, dBm0. Above 0, two frequencies do not fit and are clipped.
    pub level_dbm0: f64,
    /// The pulses, in order; those without sound and pause are skipped.
    pub cadence: [Pulse; PULSES],
    /// How often the cadence is played; `None` without end.
    pub repeats: Option<u32>,
}

impl Tone {
    /// A sine for `on`; [`Duration::MAX`] for ever.
    #[must_use]
    pub fn sine(frequency_hz: f64, level_dbm0: f64, on: Duration) -> Self {
        Self::once([frequency_hz, 0.0], level_dbm0, on, Duration::ZERO)
    }

    /// A DTMF digit and the pause behind it. Q.24 wants at least 40 ms of each, and −3 to −24 dBm0.
    #[must_use]
    pub fn dtmf(digit: Digit, level_dbm0: f64, on: Duration, off: Duration) -> Self {
        let frequencies = digit.frequencies_hz().map(f64::from);
        Self::once(frequencies, level_dbm0, on, off)
    }

    /// Ringback as in most of Europe (ITU-T E.180 supplement 2): 425 Hz, 1 s every 5 s.
    #[must_use]
    pub fn ringback_europe() -> Self {
        Self::for_ever([425.0, 0.0], Pulse::ms(1000, 4000), Pulse::default())
    }

    /// Ringback of North America: 440 and 480 Hz, 2 s every 6 s.
    #[must_use]
    pub fn ringback_north_america() -> Self {
        Self::for_ever([440.0, 480.0], Pulse::ms(2000, 4000), Pulse::default())
    }

    /// Ringback of the United Kingdom: 400 and 450 Hz, a pair of 0.4 s pulses every 3 s.
    #[must_use]
    pub fn ringback_uk() -> Self {
        Self::for_ever([400.0, 450.0], Pulse::ms(400, 200), Pulse::ms(400, 2000))
    }

    /// Busy as in most of Europe: 425 Hz, half a second on and off.
    #[must_use]
    pub fn busy_europe() -> Self {
        Self::for_ever([425.0, 0.0], Pulse::ms(500, 500), Pulse::default())
    }

    /// Busy of North America: 480 and 620 Hz, half a second on and off.
    #[must_use]
    pub fn busy_north_america() -> Self {
        Self::for_ever([480.0, 620.0], Pulse::ms(500, 500), Pulse::default())
    }

    fn once(frequencies_hz: [f64; 2], level_dbm0: f64, on: Duration, off: Duration) -> Self {
        Self {
            frequencies_hz,
            level_dbm0,
            cadence: [Pulse { on, off }, Pulse::default(), Pulse::default()],
            repeats: Some(1),
        }
    }

    fn for_ever(frequencies_hz: [f64; 2], first: Pulse, second: Pulse) -> Self {
        Self {
            frequencies_hz,
            level_dbm0: -10.0,
            cadence: [first, second, Pulse::default()],
            repeats: None,
        }
    }
}

/// Plays a [`Tone`]. Its phase runs on through the pauses and however the output is cut.
#[derive(Clone, Debug)]
pub struct Generator {
    oscillators: [Oscillator; 2],
    /// Samples of sound and of pause.
    cadence: [[u64; 2]; PULSES],
    edge: u64,
    repeats_left: Option<u32>,
    pulse: usize,
    /// Samples since the pulse began.
    position: u64,
}

impl Generator {
    /// At the beginning of `tone`.
    ///
    /// # Errors
    /// - [`ToneError::Frequency`]: negative, not a number, or half the sample rate and more.
    /// - [`ToneError::Level`]: above 3.14 dBm0, or not a number.
    /// - [`ToneError::Cadence`]: no pulse has a sample.
    pub fn new(tone: &Tone, sample_rate: SampleRate) -> Result<Self, ToneError> {
        let rate = f64::from(sample_rate.get());
        for hz in tone.frequencies_hz {
            if !(0.0..rate / 2.0).contains(&hz) {
                return Err(ToneError::Frequency { hz });
            }
        }
        if tone.level_dbm0.is_nan() || tone.level_dbm0 > super::FULL_SCALE_SINE_DBM0 {
            return Err(ToneError::Level {
                dbm0: tone.level_dbm0,
            });
        }
        let cadence = tone
            .cadence
            .map(|p| [samples(p.on, sample_rate), samples(p.off, sample_rate)]);
        if cadence.iter().flatten().all(|n| *n == 0) {
            return Err(ToneError::Cadence);
        }
        let sounding = tone.frequencies_hz.iter().filter(|hz| **hz > 0.0).count();
        let share = if sounding == 2 { 0.5 } else { 1.0 };
        let amplitude = (2.0 * share * mean_square(tone.level_dbm0)).sqrt();
        Ok(Self {
            oscillators: tone
                .frequencies_hz
                .map(|hz| Oscillator::new(TAU * hz / rate, amplitude)),
            cadence,
            edge: samples(EDGE, sample_rate).max(1),
            repeats_left: tone.repeats,
            pulse: 0,
            position: 0,
        })
    }

    /// Writes the next samples to `out` and returns how many: fewer than its length once the tone ends,
    /// pause included, 0 from then on.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut written = 0;
        while written < out.len() && !self.is_finished() {
            let on = self.cadence[self.pulse][0];
            let left = self.length() - self.position;
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let run = left.min(out.len() - written);
            for sample in &mut out[written..][..run] {
                let sound = self.oscillators[0].next() + self.oscillators[1].next();
                *sample = round(sound * self.envelope(on));
                self.position += 1;
            }
            self.oscillators.iter_mut().for_each(Oscillator::normalise);
            written += run;
            // On to the next pulse that has samples, or to the end; `new` saw that there is one.
            while self.position == self.length() && !self.is_finished() {
                self.position = 0;
                self.pulse = (self.pulse + 1) % PULSES;
                if self.pulse == 0 {
                    self.repeats_left = self.repeats_left.map(|n| n - 1);
                }
            }
        }
        written
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.repeats_left == Some(0)
    }

    /// Samples of the current pulse.
    fn length(&self) -> u64 {
        let [on, off] = self.cadence[self.pulse];
        on.saturating_add(off)
    }

    /// Gain at the current position of a pulse that sounds `on` samples.
    fn envelope(&self, on: u64) -> f64 {
        let from_end = on.saturating_sub(self.position);
        let nearest = from_end.min(self.position + 1);
        if nearest >= self.edge {
            return 1.0;
        }
        let small = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        small(nearest) / small(self.edge)
    }
}

fn samples(duration: Duration, rate: SampleRate) -> u64 {
    let samples = duration.as_nanos() * u128::from(rate.get()) / 1_000_000_000;
    u64::try_from(samples).unwrap_or(u64::MAX / 2)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` clips a float to the integer's range"
)]
fn round(sample: f64) -> i16 {
    sample.round() as i16
}

/// A point that turns by the same angle for each sample.
#[derive(Clone, Copy, Debug)]
struct Oscillator {
    step: [f64; 2],
    point: [f64; 2],
    radius: f64,
}

impl Oscillator {
    fn new(angle: f64, amplitude: f64) -> Self {
        let radius = if angle == 0.0 { 0.0 } else { amplitude };
        Self {
            step: [angle.cos(), angle.sin()],
            point: [radius, 0.0],
            radius,
        }
    }

    fn next(&mut self) -> f64 {
        let ([x, y], [c, s]) = (self.point, self.step);
        self.point = [x * c - y * s, x * s + y * c];
        y
    }

    /// Takes back what rounding did to the amplitude; hours of it would be heard.
    fn normalise(&mut self) {
        let [x, y] = self.point;
        let square = x * x + y * y;
        if square > 0.0 {
            let gain = self.radius / square.sqrt();
            self.point = [x * gain, y * gain];
        }
    }
}

/// A tone that cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToneError {
    /// The sample rate cannot carry it.
    #[error("no tone of {hz} Hz at this sample rate")]
    Frequency {
        /// What was asked for.
        hz: f64,
    },
    /// More than full scale.
    #[error("no level of {dbm0} dBm0")]
    Level {
        /// What was asked for.
        dbm0: f64,
    },
    /// Too few samples for the tones, or more than anyone sends.
    #[error("no detection at {hz} samples per second")]
    SampleRate {
        /// What was asked for.
        hz: u32,
    },
    /// Nothing would ever be played.
    #[error("cadence is empty")]
    Cadence,
}
