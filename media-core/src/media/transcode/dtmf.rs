//! DTMF that is found, made, hidden or turned from tones into events (RFC 4733).
//!
//! Everything here is paced by the stream's own audio: a digit that is played lasts as many samples of it
//! as it lasts milliseconds, so that what leaves stays one unbroken time line.

use std::collections::VecDeque;
use std::time::Duration;

use codecs::SampleRate;
use codecs::tone::{Digit, DtmfDetector, DtmfEvent, Generator, Tone};

use crate::units::{ClockRate, RtpTimestamp};
use crate::wire::telephone_event::TelephoneEvent;

/// Digits that may wait to be played.
const QUEUE: usize = 64;
/// How often the end of an event is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Level of a digit found in audio, where the event must name one (RFC 4733 §2.3.4), −dBm0.
const FOUND_VOLUME: u8 = 10;

/// What becomes of the digits in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct DtmfOptions {
    /// What the receiver gets of a digit.
    pub hiding: Hiding,
    /// Looks for tones in the audio, and reports them.
    pub detect: bool,
    /// Tones found become events, and are silent in the audio; needs the receiver to take events.
    pub tones_to_events: bool,
}

impl DtmfOptions {
    fn listens(&self) -> bool {
        self.detect || self.tones_to_events || self.hiding != Hiding::Off
    }
}

/// `DTMF-security`: what the receiver gets in place of a digit.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Hiding {
    /// The digit.
    #[default]
    Off,
    /// Nothing: events are dropped, tones become silence.
    Drop,
    /// Silence for as long.
    Silence,
    /// A tone.
    Tone {
        /// Its frequency.
        frequency_hz: u16,
        /// Its level.
        volume_dbm0: i8,
    },
    /// Another digit each time.
    Random,
    /// The digit 0.
    Zero,
    /// The digit as a tone in the audio.
    Digit,
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

/// What is to be sent in place of a stretch of audio.
#[derive(Debug, PartialEq)]
pub(super) enum Instead {
    /// The audio itself.
    Audio,
    /// Samples that were written over it.
    Samples,
    /// This event, so many times, and no audio.
    Event {
        event: TelephoneEvent,
        /// Our time of its begin.
        at: RtpTimestamp,
        begins: bool,
        copies: u8,
    },
}

/// One stream's digits.
#[derive(Debug)]
pub(super) struct Dtmf {
    options: DtmfOptions,
    rate: SampleRate,
    detector: Option<Box<DtmfDetector>>,
    found_at: u64,
    queue: VecDeque<Play>,
    playing: Option<Playing>,
    /// The digit found in the audio, while it lasts.
    sounding: Option<Sounding>,
    random: u32,
}

#[derive(Debug)]
struct Playing {
    play: Play,
    /// Set if it goes out as an event.
    event: Option<Sent>,
    tone: Option<Generator>,
    /// Samples left of the sound, and of the pause.
    sound: usize,
    pause: usize,
}

#[derive(Debug)]
struct Sounding {
    found: Digit,
    shown: Digit,
    sent: Sent,
    cover: Option<Generator>,
}

/// An event that we send.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: RtpTimestamp,
    samples: usize,
}

impl Dtmf {
    /// For audio of 8000 Hz until [`Dtmf::set_rate`] says otherwise.
    pub(super) fn new(options: DtmfOptions, seed: u32) -> Self {
        let mut dtmf = Self {
            options,
            rate: SampleRate::HZ_8000,
            detector: None,
            found_at: 0,
            queue: VecDeque::new(),
            playing: None,
            sounding: None,
            random: seed | 1,
        };
        dtmf.set_rate(SampleRate::HZ_8000);
        dtmf
    }

    /// The audio has this rate from now on.
    pub(super) fn set_rate(&mut self, rate: SampleRate) {
        self.rate = rate;
        self.sounding = None;
        self.playing = None;
        self.detector = match self.options.listens() {
            true => DtmfDetector::new(rate).ok().map(Box::new),
            false => None,
        };
    }

    pub(super) fn set_options(&mut self, options: DtmfOptions) {
        if self.options != options {
            self.options = options;
            self.set_rate(self.rate);
        }
    }

    /// Has nothing to do with any audio?
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.detector.is_none() && self.playing.is_none() && self.queue.is_empty()
    }

    /// Puts a digit behind those that wait; `false` if too many do.
    pub(super) fn play(&mut self, play: Play) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back(play);
        }
        room
    }

    /// Looks at a stretch of audio that stands at `at` in our time, and says what to send in its place.
    /// `events`: the receiver's clock for events, if it takes them.
    pub(super) fn pass(
        &mut self,
        audio: &mut [i16],
        at: RtpTimestamp,
        events: Option<ClockRate>,
        heard: &mut Option<Heard>,
    ) -> Instead {
        let found = self.detect(audio, heard);
        if self.playing.is_none()
            && let Some(play) = self.queue.pop_front()
        {
            self.begin(play, at, events.is_some());
        }
        if self.playing.is_some() {
            return self.go_on(audio, events);
        }
        self.replace(found, audio, at, events)
    }

    fn ms(&self, ms: u16) -> usize {
        usize::try_from(u64::from(self.rate.get()) * u64::from(ms) / 1000).unwrap_or(0)
    }

    fn begin(&mut self, play: Play, at: RtpTimestamp, as_event: bool) {
        let tone = Tone::dtmf(
            play.digit,
            f64::from(play.volume_dbm0.min(0)),
            Duration::from_millis(play.duration_ms.into()),
            Duration::ZERO,
        );
        self.playing = Some(Playing {
            play,
            event: as_event.then_some(Sent { at, samples: 0 }),
            tone: (!as_event)
                .then(|| Generator::new(&tone, self.rate).ok())
                .flatten(),
            sound: self.ms(play.duration_ms).max(1),
            pause: self.ms(play.pause_ms),
        });
    }

    /// The digit that plays takes the place of this audio.
    fn go_on(&mut self, audio: &mut [i16], events: Option<ClockRate>) -> Instead {
        let Some(playing) = &mut self.playing else {
            return Instead::Audio;
        };
        let n = audio.len();
        let in_pause = playing.sound == 0;
        playing.sound = playing.sound.saturating_sub(n);
        if in_pause {
            playing.pause = playing.pause.saturating_sub(n);
            audio.fill(0);
            if playing.pause == 0 {
                self.playing = None;
            }
            return Instead::Samples;
        }
        let ends = playing.sound == 0;
        let instead = match (&mut playing.event, events) {
            (Some(sent), Some(clock)) => {
                let begins = sent.samples == 0;
                sent.samples += n;
                let event = TelephoneEvent {
                    event: playing.play.digit.event(),
                    end: ends,
                    volume: playing.play.volume_dbm0.min(0).unsigned_abs().min(63),
                    duration_ticks: ticks(sent.samples, self.rate, clock),
                };
                Instead::Event {
                    event,
                    at: sent.at,
                    begins,
                    copies: if ends { END_PACKETS } else { 1 },
                }
            }
            _ => {
                let made = playing.tone.as_mut().map_or(0, |tone| tone.fill(audio));
                audio[made..].fill(0);
                Instead::Samples
            }
        };
        if ends && playing.pause == 0 {
            self.playing = None;
        }
        instead
    }

    /// The digit that sounds in the audio, as far as known; `heard` is set when one has ended.
    fn detect(&mut self, audio: &[i16], heard: &mut Option<Heard>) -> Option<Digit> {
        let detector = self.detector.as_mut()?;
        let (found_at, rate) = (&mut self.found_at, u64::from(self.rate.get()));
        detector.process(audio, |event| match event {
            DtmfEvent::Begin { at, .. } => *found_at = at,
            DtmfEvent::End { digit, at } => {
                let ms = at.saturating_sub(*found_at) * 1000 / rate;
                *heard = Some(Heard {
                    digit,
                    duration_ms: u32::try_from(ms).unwrap_or(u32::MAX),
                    volume: FOUND_VOLUME,
                });
            }
        });
        detector.current()
    }

    /// A digit sounds in the audio, or has just ended: it is passed on as an event, or hidden.
    fn replace(
        &mut self,
        found: Option<Digit>,
        audio: &mut [i16],
        at: RtpTimestamp,
        events: Option<ClockRate>,
    ) -> Instead {
        let events = events.filter(|_| self.options.tones_to_events);
        if self.sounding.as_ref().map(|sounding| sounding.found) != found {
            let ended = self.sounding.take();
            if let Some(digit) = found {
                let shown = self.stand_in(digit);
                self.sounding = Some(Sounding {
                    found: digit,
                    shown,
                    sent: Sent { at, samples: 0 },
                    cover: self.cover(shown),
                });
            }
            if let (Some(ended), Some(clock)) = (ended, events) {
                return ended.event(false, true, self.rate, clock);
            }
        }
        let Some(sounding) = &mut self.sounding else {
            return Instead::Audio;
        };
        if let Some(clock) = events {
            let begins = sounding.sent.samples == 0;
            sounding.sent.samples += audio.len();
            return sounding.event(begins, false, self.rate, clock);
        }
        match (self.options.hiding, &mut sounding.cover) {
            (Hiding::Off | Hiding::Digit, _) => return Instead::Audio,
            (_, Some(cover)) => {
                let made = cover.fill(audio);
                audio[made..].fill(0);
            }
            (_, None) => audio.fill(0),
        }
        Instead::Samples
    }

    /// The digit shown in place of one.
    pub(super) fn stand_in(&mut self, digit: Digit) -> Digit {
        match self.options.hiding {
            Hiding::Zero => Digit::from_event(0).unwrap_or(digit),
            Hiding::Random => {
                // Marsaglia's xorshift: nobody is kept from guessing, only from knowing.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 17;
                self.random ^= self.random << 5;
                let [low, ..] = self.random.to_le_bytes();
                Digit::from_event(low % 10).unwrap_or(digit)
            }
            _ => digit,
        }
    }

    /// What sounds in place of a digit, without end; `None`: silence.
    pub(super) fn cover(&self, shown: Digit) -> Option<Generator> {
        let tone = match self.options.hiding {
            Hiding::Drop | Hiding::Silence => return None,
            Hiding::Tone {
                frequency_hz,
                volume_dbm0,
            } => Tone::sine(
                f64::from(frequency_hz),
                f64::from(volume_dbm0.min(0)),
                Duration::MAX,
            ),
            Hiding::Off | Hiding::Random | Hiding::Zero | Hiding::Digit => Tone::dtmf(
                shown,
                -f64::from(FOUND_VOLUME),
                Duration::MAX,
                Duration::ZERO,
            ),
        };
        Generator::new(&tone, self.rate).ok()
    }
}

impl Sounding {
    fn event(&self, begins: bool, end: bool, rate: SampleRate, clock: ClockRate) -> Instead {
        Instead::Event {
            event: TelephoneEvent {
                event: self.shown.event(),
                end,
                volume: FOUND_VOLUME,
                duration_ticks: ticks(self.sent.samples, rate, clock),
            },
            at: self.sent.at,
            begins,
            copies: if end { END_PACKETS } else { 1 },
        }
    }
}

fn ticks(samples: usize, rate: SampleRate, clock: ClockRate) -> u16 {
    let samples = u64::try_from(samples).unwrap_or(u64::MAX);
    let ticks = samples.saturating_mul(u64::from(clock.get())) / u64::from(rate.get());
    u16::try_from(ticks).unwrap_or(u16::MAX)
}
