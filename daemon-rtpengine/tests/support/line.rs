//! How a party speaks on the wire: its codec, its payload types, its digits.

use std::collections::VecDeque;
use std::sync::Arc;

use codecs::registry::{self, Codec, Settings};
use codecs::{Encoder, Pcm};
use media_core::wire::telephone_event::TelephoneEvent;

use super::tone::{Recording, Tone};

/// Length of a packet.
const PTIME_MS: u32 = 20;
/// Packets that a digit lasts: 100 ms.
pub(crate) const DIGIT_PACKETS: u16 = 5;
/// How often the end of a digit is sent (RFC 4733 §2.5.1.4).
pub(crate) const END_PACKETS: usize = 3;
/// Packets of sound between two digits: 60 ms.
const PAUSE_PACKETS: u16 = 3;
/// Level of the digits, −dBm0.
const DIGIT_VOLUME: u8 = 10;

/// A codec and what goes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coding {
    pub(crate) codec: &'static Codec,
    pub(crate) payload_type: u8,
    pub(crate) events: Option<Events>,
}

/// Telephone events (RFC 4733).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    pub(crate) payload_type: u8,
    pub(crate) clock_rate_hz: u32,
}

impl Coding {
    fn new(name: &str, clock_rate_hz: u32, channels: u8, payload_type: u8) -> Self {
        let codec = registry::by_name(name, clock_rate_hz, channels);
        Self {
            codec: codec.unwrap_or_else(|| panic!("the codecs have no {name}")),
            payload_type,
            events: None,
        }
    }
    pub(crate) fn pcmu() -> Self {
        Self::new("PCMU", 8000, 1, 0)
    }
    pub(crate) fn pcma() -> Self {
        Self::new("PCMA", 8000, 1, 8)
    }
    pub(crate) fn g722() -> Self {
        Self::new("G722", 8000, 1, 9)
    }
    pub(crate) fn opus(payload_type: u8) -> Self {
        Self::new("opus", 48_000, 2, payload_type)
    }
    pub(crate) const fn with_events(self, payload_type: u8, clock_rate_hz: u32) -> Self {
        let events = Events {
            payload_type,
            clock_rate_hz,
        };
        Self {
            events: Some(events),
            ..self
        }
    }

    /// The media section of a description, the audio at this port.
    pub(crate) fn section(&self, port: u16) -> String {
        let number = self.payload_type;
        let Codec {
            name,
            clock_rate_hz: clock,
            rtpmap_channels: channels,
            ..
        } = self.codec;
        let mut formats = number.to_string();
        let mut attributes = format!("a=rtpmap:{number} {name}/{clock}/{channels}\r\n");
        if let Some(Events {
            payload_type: number,
            clock_rate_hz: clock,
        }) = self.events
        {
            formats.push_str(&format!(" {number}"));
            attributes.push_str(&format!("a=rtpmap:{number} telephone-event/{clock}\r\n"));
            attributes.push_str(&format!("a=fmtp:{number} 0-15\r\n"));
        }
        format!("m=audio {port} RTP/AVP {formats}\r\n{attributes}a=ptime:{PTIME_MS}\r\n")
    }
    /// A whole description, at this port of 127.0.0.1.
    pub(crate) fn sdp(&self, port: u16) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}",
            self.section(port)
        )
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        let mono = Settings {
            channels: Some(1),
            ..Settings::default()
        };
        self.codec.encoder(&mono).expect("memory for an encoder")
    }
    /// Samples per second that it is given.
    pub(crate) fn sample_rate_hz(&self) -> u32 {
        self.encoder().format().sample_rate.get()
    }
    fn ticks(&self) -> u32 {
        self.codec.clock_rate_hz / 1000 * PTIME_MS
    }

    /// What these payloads say, one behind the other.
    ///
    /// # Panics
    /// When one is none of this codec.
    pub(crate) fn decode<'p>(&self, payloads: impl Iterator<Item = &'p [u8]>) -> Recording {
        let mono = Settings {
            channels: Some(1),
            ..Settings::default()
        };
        let mut decoder = self.codec.decoder(&mono).expect("memory for a decoder");
        // 120 ms of 48 kHz in two channels: what Opus may hold.
        let mut out = vec![0; 11_520];
        let mut samples = Vec::new();
        for payload in payloads {
            let count = decoder.decode(payload, &mut out).unwrap_or_else(|error| {
                panic!("{} of {} bytes: {error}", self.codec.name, payload.len())
            });
            let channels = usize::from(decoder.format().channels);
            let first = out[..count].iter().step_by(channels);
            samples.extend(first.map(|sample| f64::from(*sample) / 32_768.0));
        }
        Recording {
            sample_rate_hz: decoder.format().sample_rate.get().into(),
            samples,
        }
    }
}

/// What is to be said: samples, once or again and again.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    samples: Arc<[i16]>,
    at: usize,
    repeats: bool,
}

impl Sound {
    /// A tone without end, of a whole number of Hz.
    pub(crate) fn tone(tone: Tone, sample_rate_hz: u32) -> Self {
        Self {
            samples: tone.samples(sample_rate_hz, sample_rate_hz).into(),
            at: 0,
            repeats: true,
        }
    }
    /// These samples, then silence.
    pub(crate) fn once(samples: Vec<i16>) -> Self {
        Self {
            samples: samples.into(),
            at: 0,
            repeats: false,
        }
    }
    /// Nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.samples.len()
    }

    fn next(&mut self) -> i16 {
        let sample = self.samples.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        if self.repeats && self.is_over() {
            self.at = 0;
        }
        sample
    }
}

/// Makes a party's packets.
pub(crate) struct Speaker {
    coding: Coding,
    encoder: Box<dyn Encoder>,
    sound: Sound,
    digits: VecDeque<u8>,
    dialling: Option<Dialling>,
    seq: u16,
    timestamp: u32,
}

/// A digit that is being sent, or the pause behind it.
struct Dialling {
    event: u8,
    timestamp: u32,
    packets: u16,
}

impl Speaker {
    pub(crate) fn new(coding: Coding, sound: Sound) -> Self {
        Self {
            coding,
            encoder: coding.encoder(),
            sound,
            digits: VecDeque::new(),
            dialling: None,
            // They wrap soon.
            seq: u16::MAX - 20,
            timestamp: u32::MAX - 40_000,
        }
    }
    /// Its time stamps do not wrap.
    pub(crate) const fn begin_at_0(&mut self) {
        self.timestamp = 0;
    }
    pub(crate) fn play(&mut self, sound: Sound) {
        self.sound = sound;
    }
    /// What it plays has an end and has come to it.
    pub(crate) fn has_played(&self) -> bool {
        self.sound.is_over()
    }
    /// Dials these keys, one after the other.
    pub(crate) fn dial(&mut self, keys: &str) {
        self.digits.extend(keys.chars().map(|key| {
            let digit = codecs::tone::Digit::from_char(key);
            digit.expect("a key of a telephone").event()
        }));
    }
    pub(crate) fn has_dialled(&self) -> bool {
        self.digits.is_empty() && self.dialling.is_none()
    }

    /// The packets of the next 20 ms.
    pub(crate) fn next(&mut self) -> Vec<Vec<u8>> {
        if self.dialling.is_none() {
            self.dialling = self.digits.pop_front().map(|event| Dialling {
                event,
                timestamp: self.timestamp,
                packets: 0,
            });
        }
        let packets = match self.dialling.take() {
            Some(digit) => self.next_of(digit),
            None => vec![self.next_sound()],
        };
        self.timestamp = self.timestamp.wrapping_add(self.coding.ticks());
        packets
    }

    fn next_of(&mut self, mut digit: Dialling) -> Vec<Vec<u8>> {
        digit.packets += 1;
        if digit.packets > DIGIT_PACKETS {
            if digit.packets < DIGIT_PACKETS + PAUSE_PACKETS {
                self.dialling = Some(digit);
            }
            return vec![self.next_sound()];
        }
        let events = self.coding.events.expect("the party has events");
        let end = digit.packets == DIGIT_PACKETS;
        let ticks = events.clock_rate_hz / 1000 * PTIME_MS * u32::from(digit.packets);
        let payload = TelephoneEvent {
            event: digit.event,
            end,
            volume: DIGIT_VOLUME,
            duration_ticks: u16::try_from(ticks).expect("a short digit"),
        }
        .to_bytes();
        // The marker says that it begins (RFC 4733 §2.5.1.1).
        let marker = u8::from(digit.packets == 1) << 7;
        let timestamp = digit.timestamp;
        self.dialling = Some(digit);
        let copies = if end { END_PACKETS } else { 1 };
        (0..copies)
            .map(|_| self.packet(marker | events.payload_type, timestamp, &payload))
            .collect()
    }

    fn next_sound(&mut self) -> Vec<u8> {
        let format = self.encoder.format();
        let count = format.sample_rate.get() / 1000 * PTIME_MS * u32::from(format.channels);
        let samples: Vec<i16> = (0..count).map(|_| self.sound.next()).collect();
        let pcm = Pcm {
            format,
            samples: &samples,
        };
        let mut payload = [0; 1400];
        let len = self.encoder.encode(pcm, &mut payload);
        let len = len.expect("20 ms, and room for them");
        self.packet(self.coding.payload_type, self.timestamp, &payload[..len])
    }

    /// An RTP packet (RFC 3550 §5.1).
    fn packet(&mut self, second: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, second];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(0x7055_0001_u32.to_be_bytes());
        packet.extend(payload);
        self.seq = self.seq.wrapping_add(1);
        packet
    }
}
