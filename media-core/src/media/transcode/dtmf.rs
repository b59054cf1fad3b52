//! DTMF that is found, made, hidden or turned from tones into events (RFC 4733).
//!
//! Everything here is paced by the stream's own audio: a digit that is played lasts as many samples of it
//! as it lasts milliseconds, so that what leaves stays one unbroken time line.

use std::collections::VecDeque;
use std::time::Duration;

use codecs::SampleRate;
use codecs::tone::{Digit, DtmfDetector, DtmfEvent, Generator, Tone};

use super::hiding::{DtmfOptions, Heard, Hiding, Play};
use crate::units::{ClockRate, RtpTimestamp};
use crate::wire::telephone_event::TelephoneEvent;

/// Digits that may wait to be played.
const QUEUE: usize = 64;
/// How often the end of an event is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Level of a digit found in audio, −dBm0: what its tones had is not measured.
const FOUND_VOLUME: u8 = 10;
/// Pause behind a digit that comes late, ms: what receivers need at least (ITU-T Q.24).
const ECHO_PAUSE_MS: u16 = 40;

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

/// What the receiver gets of an event.
pub(super) enum Shown {
    Nothing,
    /// An event, perhaps another one.
    Event(u8),
    /// Audio for as long: a tone without end, or silence.
    Audio(Option<Generator>),
}

/// One stream's digits.
#[derive(Debug)]
pub(super) struct Dtmf {
    options: DtmfOptions,
    rate: SampleRate,
    detector: Option<Box<DtmfDetector>>,
    found_at: u64,
    /// Samples that have passed here.
    now: u64,
    /// Where the digit that is dialled began.
    begun_at: u64,
    queue: VecDeque<Waiting>,
    playing: Option<Playing>,
    /// The digit found in the audio, while it lasts.
    sounding: Option<Sounding>,
    random: u32,
    /// Tones that stood in for digits so far.
    tones: usize,
}

/// A digit to come.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    play: Play,
    /// Not before so many samples have passed.
    from: u64,
    /// The sender has dialled it itself: it was reported, and may yet be hidden.
    echo: bool,
}

#[derive(Debug)]
struct Playing {
    play: Play,
    echo: bool,
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
    pub(super) fn new(options: DtmfOptions) -> Self {
        let mut dtmf = Self {
            options,
            rate: SampleRate::HZ_8000,
            detector: None,
            found_at: 0,
            now: 0,
            begun_at: 0,
            queue: VecDeque::new(),
            playing: None,
            sounding: None,
            random: 1,
            tones: 0,
        };
        dtmf.listen();
        dtmf
    }

    /// Random digits follow from this: not the same ones in every call.
    pub(super) fn seed(&mut self, seed: u32) {
        self.random = seed | 1;
    }

    /// The audio has this rate from now on.
    pub(super) fn set_rate(&mut self, rate: SampleRate) {
        if self.rate == rate {
            return;
        }
        let scaled = |samples: u64| samples * u64::from(rate.get()) / u64::from(self.rate.get());
        for waiting in &mut self.queue {
            waiting.from = scaled(waiting.from);
        }
        self.now = scaled(self.now);
        self.begun_at = scaled(self.begun_at);
        self.rate = rate;
        self.playing = None;
        self.listen();
    }

    pub(super) fn set_options(&mut self, options: DtmfOptions) {
        let listened = self.options.listens();
        self.options = options;
        if listened != options.listens() {
            self.listen();
        }
    }

    fn listen(&mut self) {
        self.sounding = None;
        self.detector = match self.options.listens() {
            true => DtmfDetector::new(self.rate).ok().map(Box::new),
            false => None,
        };
    }

    /// Has nothing to do with any audio?
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.detector.is_none() && self.playing.is_none() && self.queue.is_empty()
    }

    /// Are digits in the audio of any interest?
    #[inline]
    pub(super) fn listens(&self) -> bool {
        self.detector.is_some()
    }

    /// Puts a digit behind those that wait; `false` if too many do.
    pub(super) fn play(&mut self, play: Play) -> bool {
        self.put(play, self.now, false)
    }

    fn put(&mut self, play: Play, from: u64, echo: bool) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back(Waiting { play, from, echo });
        }
        room
    }

    /// So many samples pass that are none of the sender's audio.
    pub(super) fn advance(&mut self, samples: usize) {
        self.now += u64::try_from(samples).unwrap_or(0);
    }

    /// The sender begins to dial a digit by an event.
    pub(super) fn event_begins(&mut self) {
        self.begun_at = self.now;
    }

    /// The sender has dialled a digit, by event or by tones: it comes later, if digits are delayed.
    pub(super) fn echo(&mut self, heard: &Heard) {
        if self.options.delay_ms == 0 {
            return;
        }
        let from = self.begun_at + self.ms(self.options.delay_ms);
        let play = Play {
            digit: heard.digit,
            duration_ms: u16::try_from(heard.duration_ms).unwrap_or(u16::MAX),
            pause_ms: ECHO_PAUSE_MS,
            volume_dbm0: self.options.volume_dbm0,
        };
        // Nobody dials so fast.
        let _ = self.put(play, from, true);
    }

    /// Looks for digits in a stretch of audio that goes on as it is.
    pub(super) fn overhear(&mut self, audio: &[i16], heard: &mut Option<Heard>) {
        let _ = self.detect(audio, heard);
        self.advance(audio.len());
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
        if self.playing.is_none() {
            self.begin_next(at, events.is_some());
        }
        self.advance(audio.len());
        if self.playing.is_some() {
            return self.go_on(audio, events, heard);
        }
        self.replace(found, audio, at, events)
    }

    fn ms(&self, ms: u16) -> u64 {
        u64::from(self.rate.get()) * u64::from(ms) / 1000
    }

    fn begin_next(&mut self, at: RtpTimestamp, takes_events: bool) {
        let now = self.now;
        let Some(waiting) = self.queue.pop_front_if(|waiting| waiting.from <= now) else {
            return;
        };
        let Waiting { play, echo, .. } = waiting;
        let hiding = match echo {
            true => self.options.hiding,
            false => Hiding::Off,
        };
        let shown = match hiding {
            // It was silent when it was dialled, and stays so.
            Hiding::Drop | Hiding::Silence => return,
            Hiding::Tone(_) | Hiding::Off => play.digit,
            Hiding::Random | Hiding::Digit(_) => self.stand_in(play.digit),
        };
        let as_event = takes_events && !matches!(hiding, Hiding::Tone(_));
        let lasts = Duration::from_millis(play.duration_ms.into());
        let tone = match (as_event, hiding) {
            (true, _) => None,
            (_, Hiding::Tone(_)) => self.sine(lasts),
            _ => self.digit(shown, play.volume_dbm0, lasts),
        };
        let samples = |ms| usize::try_from(self.ms(ms)).unwrap_or(0);
        self.playing = Some(Playing {
            play: Play {
                digit: shown,
                ..play
            },
            echo,
            event: as_event.then_some(Sent { at, samples: 0 }),
            tone,
            sound: samples(play.duration_ms).max(1),
            pause: samples(play.pause_ms),
        });
    }

    /// The digit that plays takes the place of this audio.
    fn go_on(
        &mut self,
        audio: &mut [i16],
        events: Option<ClockRate>,
        heard: &mut Option<Heard>,
    ) -> Instead {
        let Some(playing) = &mut self.playing else {
            return Instead::Audio;
        };
        let n = audio.len();
        let in_pause = playing.sound == 0;
        let sounds = playing.sound.min(n);
        playing.sound -= sounds;
        if in_pause {
            playing.pause = playing.pause.saturating_sub(n);
            audio.fill(0);
            if playing.pause == 0 {
                self.playing = None;
            }
            return Instead::Samples;
        }
        let ends = playing.sound == 0;
        let volume = playing.play.volume_dbm0.min(0).unsigned_abs().min(63);
        if ends && !playing.echo {
            *heard = Some(Heard {
                digit: playing.play.digit,
                duration_ms: playing.play.duration_ms.into(),
                volume,
            });
        }
        let instead = match (&mut playing.event, events) {
            (Some(sent), Some(clock)) => {
                let begins = sent.samples == 0;
                sent.samples += n;
                let event = TelephoneEvent {
                    event: playing.play.digit.event(),
                    end: ends,
                    volume,
                    duration_ticks: ticks(sent.samples, self.rate, clock),
                };
                Instead::Event {
                    event,
                    at: sent.at,
                    begins,
                    copies: if ends { END_PACKETS } else { 1 },
                }
            }
            (_, _) => {
                let tone = playing.tone.as_mut();
                let made = tone.map_or(0, |tone| tone.fill(&mut audio[..sounds]));
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
        let rate = u64::from(self.rate.get());
        let (found_at, begun_at, now) = (&mut self.found_at, &mut self.begun_at, self.now);
        let mut found = None;
        detector.process(audio, |event| match event {
            DtmfEvent::Begin { at, .. } => (*found_at, *begun_at) = (at, now),
            DtmfEvent::End { digit, at } => {
                let ms = at.saturating_sub(*found_at) * 1000 / rate;
                found = Some(Heard {
                    digit,
                    duration_ms: u32::try_from(ms).unwrap_or(u32::MAX),
                    volume: FOUND_VOLUME,
                });
            }
        });
        let current = detector.current();
        if let Some(found) = found {
            self.echo(&found);
            *heard = Some(found);
        }
        current
    }

    /// A digit sounds in the audio, or has just ended: it is passed on as an event, or hidden.
    fn replace(
        &mut self,
        found: Option<Digit>,
        audio: &mut [i16],
        at: RtpTimestamp,
        events: Option<ClockRate>,
    ) -> Instead {
        let hiding = self.options.hiding_at_once();
        let passes = matches!(hiding, Hiding::Off | Hiding::Random | Hiding::Digit(_));
        let events = events.filter(|_| self.options.tones_to_events && passes);
        let volume = match hiding {
            Hiding::Off => FOUND_VOLUME,
            _ => self.options.volume(),
        };
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
                return ended.event(false, true, volume, self.rate, clock);
            }
        }
        let Some(sounding) = &mut self.sounding else {
            return Instead::Audio;
        };
        if let Some(clock) = events {
            let begins = sounding.sent.samples == 0;
            sounding.sent.samples += audio.len();
            return sounding.event(begins, false, volume, self.rate, clock);
        }
        match (hiding, &mut sounding.cover) {
            (Hiding::Off, _) => return Instead::Audio,
            (_, Some(cover)) => {
                let made = cover.fill(audio);
                audio[made..].fill(0);
            }
            (_, None) => audio.fill(0),
        }
        Instead::Samples
    }

    /// What a receiver gets of an event that begins. `takes_events`, `takes_audio`: what can be made for it.
    pub(super) fn show(&mut self, code: u8, takes_events: bool, takes_audio: bool) -> Shown {
        let hiding = self.options.hiding_at_once();
        let as_audio = |tone: Option<Generator>| match takes_audio {
            true => Shown::Audio(tone),
            false => Shown::Nothing,
        };
        let digit = match (Digit::from_event(code), hiding) {
            (_, Hiding::Drop) => return Shown::Nothing,
            (Some(digit), _) => digit,
            // A flash, say: there is no tone for it.
            (None, Hiding::Off) if takes_events => return Shown::Event(code),
            (None, _) => return Shown::Nothing,
        };
        match hiding {
            Hiding::Drop => Shown::Nothing,
            Hiding::Silence => as_audio(None),
            Hiding::Tone(_) => {
                let tone = self.sine(Duration::MAX);
                as_audio(tone)
            }
            Hiding::Off | Hiding::Random | Hiding::Digit(_) => {
                let shown = self.stand_in(digit);
                match takes_events {
                    true => Shown::Event(shown.event()),
                    false => as_audio(self.digit(shown, self.options.volume_dbm0, Duration::MAX)),
                }
            }
        }
    }

    /// The digit shown in place of one.
    fn stand_in(&mut self, digit: Digit) -> Digit {
        match self.options.hiding {
            Hiding::Digit(shown) => shown,
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

    /// What sounds in place of a digit in the audio, without end; `None`: silence.
    fn cover(&mut self, shown: Digit) -> Option<Generator> {
        match self.options.hiding_at_once() {
            Hiding::Drop | Hiding::Silence => None,
            Hiding::Tone(_) => self.sine(Duration::MAX),
            Hiding::Off | Hiding::Random | Hiding::Digit(_) => {
                self.digit(shown, self.options.volume_dbm0, Duration::MAX)
            }
        }
    }

    fn digit(&self, digit: Digit, volume_dbm0: i8, lasts: Duration) -> Option<Generator> {
        let level = f64::from(volume_dbm0.min(0));
        let tone = Tone::dtmf(digit, level, lasts, Duration::ZERO);
        Generator::new(&tone, self.rate).ok()
    }

    /// The next of the tones that stand in for digits.
    fn sine(&mut self, lasts: Duration) -> Option<Generator> {
        let Hiding::Tone(frequencies) = self.options.hiding else {
            return None;
        };
        let hz = f64::from(frequencies.of(self.tones));
        self.tones = self.tones.wrapping_add(1);
        let level = f64::from(self.options.volume_dbm0.min(0));
        let tone = Tone::sine(hz, level, lasts);
        Generator::new(&tone, self.rate).ok()
    }
}

impl Sounding {
    fn event(
        &self,
        begins: bool,
        end: bool,
        volume: u8,
        rate: SampleRate,
        clock: ClockRate,
    ) -> Instead {
        Instead::Event {
            event: TelephoneEvent {
                event: self.shown.event(),
                end,
                volume,
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
