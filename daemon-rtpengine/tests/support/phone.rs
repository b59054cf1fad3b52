//! The media of a plain phone: plays a tone or anything else, dials, records what it hears.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::line::{Coding, Sound, Speaker};
use super::poll;
use super::rtp::Endpoint;
use super::tone::{Recording, Tone};

const PACKET_TIME: Duration = Duration::from_millis(20);
/// Packets of the recording that [`Phone::record`] judges: one second.
const WINDOW: usize = 50;

/// A phone on a free pair of loopback ports. It speaks in a thread of its own.
pub(crate) struct Phone {
    coding: Coding,
    port: u16,
    shared: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    coding: Coding,
    speaker: Speaker,
    talks_to: Option<SocketAddr>,
    /// By sequence number; calls of tests are too short for it to wrap twice.
    heard: BTreeMap<i64, Packet>,
    doubled: usize,
    strange: Vec<String>,
    sent: u32,
    over: bool,
}

/// An RTP packet that a phone has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Vec<u8>,
}

impl Phone {
    /// A phone with PCMU that plays `tone` once it knows whom to.
    pub(crate) fn new(tone: Tone) -> Self {
        let coding = Coding::pcmu();
        Self::with(coding, Sound::tone(tone, coding.sample_rate_hz()))
    }

    /// A phone that plays `sound`, of [`Coding::sample_rate_hz`], once it knows whom to.
    pub(crate) fn with(coding: Coding, sound: Sound) -> Self {
        let endpoint = Endpoint::bind(Ipv4Addr::LOCALHOST.into(), 0);
        let port = endpoint.port();
        let shared = Arc::new(Mutex::new(State {
            coding,
            speaker: Speaker::new(coding, sound),
            talks_to: None,
            heard: BTreeMap::new(),
            doubled: 0,
            strange: Vec::new(),
            sent: 0,
            over: false,
        }));
        let state = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(&endpoint, &state));
        Self {
            coding,
            port,
            shared,
            thread: Some(thread),
        }
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its RTP port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
    /// What it speaks.
    pub(crate) const fn coding(&self) -> Coding {
        self.coding
    }
    /// Plays to `relay`.
    pub(crate) fn talk_to(&self, relay: SocketAddr) {
        self.state(|state| state.talks_to = Some(relay));
    }
    /// Sends nothing any more.
    pub(crate) fn fall_silent(&self) {
        self.state(|state| state.talks_to = None);
    }
    /// Its time stamps, not yet sent, do not wrap: baresip 1.0 loses its way where they do.
    pub(crate) fn begin_at_0(&self) {
        self.state(|state| state.speaker.begin_at_0());
    }
    /// Plays this instead.
    pub(crate) fn play(&self, sound: Sound) {
        self.state(|state| state.speaker.play(sound));
    }
    /// What it plays is over.
    pub(crate) fn has_played(&self) -> bool {
        self.state(|state| state.speaker.has_played())
    }
    /// Dials these keys as telephone events.
    pub(crate) fn dial(&self, keys: &str) {
        self.state(|state| state.speaker.dial(keys));
    }
    /// All keys are sent.
    pub(crate) fn has_dialled(&self) -> bool {
        self.state(|state| state.speaker.has_dialled())
    }
    /// Packets sent so far.
    pub(crate) fn sent(&self) -> u32 {
        self.state(|state| state.sent)
    }
    /// Packets heard so far.
    pub(crate) fn heard(&self) -> usize {
        self.state(|state| state.heard.len())
    }
    /// The packets heard so far, by their numbers.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.state(|state| state.heard.values().cloned().collect())
    }

    /// Waits for one second of what comes from now on, without a gap; `None` if there is none in time.
    pub(crate) fn record(&self) -> Option<Recording> {
        let begin = self.last_number();
        poll(|| {
            self.state(|state| {
                let mut fresh = state.heard.range(begin..).map(|(seq, _)| *seq).skip(1);
                let first = fresh.next()?;
                let window = first..first + i64::try_from(WINDOW).ok()?;
                (state.heard.range(window.clone()).count() == WINDOW).then_some(window)
            })
        })
        .map(|window| self.recording(window.start, window.end))
    }

    /// The number of the last packet heard, for [`Phone::recording_from`].
    pub(crate) fn last_number(&self) -> i64 {
        let last = |state: &mut State| state.heard.last_key_value().map(|(seq, _)| *seq);
        self.state(last).unwrap_or(i64::MIN)
    }
    /// All that it has heard behind the packet of this number.
    pub(crate) fn recording_from(&self, last: i64) -> Recording {
        self.recording(last.saturating_add(1), i64::MAX)
    }

    /// The sound of the packets with these numbers. What came before is decoded as well: a decoder remembers.
    fn recording(&self, begin: i64, end: i64) -> Recording {
        let number = self.coding.payload_type;
        let [before, all] = self.state(|state| {
            [begin, end].map(|end| -> Vec<Vec<u8>> {
                let packets = state.heard.range(..end).map(|(_, packet)| packet);
                let sound = packets.filter(|packet| packet.payload_type == number);
                sound.map(|packet| packet.payload.clone()).collect()
            })
        });
        let decode = |list: &[Vec<u8>]| self.coding.decode(list.iter().map(Vec::as_slice));
        let skip = decode(&before).samples.len();
        let mut recording = decode(&all);
        recording.samples.drain(..skip);
        recording
    }

    /// What was wrong with the packets: gaps in the numbers, packets twice, other payloads.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.state(|state| {
            let mut all = state.strange.clone();
            if let (Some((first, _)), Some((last, _))) =
                (state.heard.first_key_value(), state.heard.last_key_value())
            {
                let count = i64::try_from(state.heard.len()).unwrap_or(0);
                let lost = last - first + 1 - count;
                if lost != 0 {
                    all.push(format!("{lost} of {count} packets lost"));
                }
            }
            if state.doubled != 0 {
                all.push(format!("{} packets came twice", state.doubled));
            }
            all
        })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.state(|state| state.over = true);
        if let Some(thread) = self.thread.take() {
            // It panics only if the loopback is gone; the test has seen that by itself.
            let _ = thread.join();
        }
    }
}

fn run(endpoint: &Endpoint, shared: &Mutex<State>) {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = Instant::now();
    loop {
        while due <= Instant::now() {
            let mut state = lock();
            if state.over {
                return;
            }
            if let Some(to) = state.talks_to {
                for packet in state.speaker.next() {
                    endpoint.send(to, &packet);
                    state.sent += 1;
                }
            }
            due += PACKET_TIME;
        }
        let left = due.saturating_duration_since(Instant::now());
        for (from, packet) in endpoint.receive(1, left) {
            lock().take(from, &packet);
        }
    }
}

impl State {
    fn take(&mut self, from: SocketAddr, packet: &[u8]) {
        let number = packet.get(1).map(|second| second & 0x7f);
        let events = self.coding.events.map(|events| events.payload_type);
        let known =
            number.is_some() && (number == Some(self.coding.payload_type) || number == events);
        // Version 2, no extension or padding (RFC 3550 §5.1); a marker is fine.
        if packet.len() <= 12 || packet[0] != 0x80 || !known {
            let head = &packet[..packet.len().min(12)];
            let name = self.coding.codec.name;
            self.strange.push(format!("not plain {name}: {head:02x?}"));
            return;
        }
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| packet[at + n]));
        let short = i64::from(u16::from_be_bytes([packet[2], packet[3]]));
        // The number nearest to the last one that has these 16 bits.
        let seq = self.heard.last_key_value().map_or(short, |(last, _)| {
            let ahead = (short - last + 0x8000).rem_euclid(0x1_0000) - 0x8000;
            last + ahead
        });
        let packet = Packet {
            from,
            marker: packet[1] & 0x80 != 0,
            payload_type: packet[1] & 0x7f,
            timestamp: word(4),
            ssrc: word(8),
            payload: packet[12..].to_vec(),
        };
        if self.heard.insert(seq, packet).is_some() {
            self.doubled += 1;
        }
    }
}
