//! The media of a plain phone: plays a tone, records what it hears.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::poll;
use super::rtp::Endpoint;
use super::tone::{Recording, Tone};

/// Samples per packet: 20 ms of PCMU.
const PACKET_SAMPLES: u32 = 160;
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Packets of the recording that [`Phone::hears`] judges: one second.
const WINDOW: usize = 50;

/// A phone on a free pair of loopback ports, with PCMU. It speaks in a thread of its own.
#[derive(Debug)]
pub(crate) struct Phone {
    port: u16,
    shared: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    talks_to: Option<SocketAddr>,
    /// Payloads by sequence number; calls of tests are too short for it to wrap twice.
    heard: BTreeMap<i64, Vec<u8>>,
    doubled: usize,
    strange: Vec<String>,
    sent: u32,
    over: bool,
}

impl Phone {
    /// A phone that plays `tone` once it knows whom to.
    pub(crate) fn new(tone: Tone) -> Self {
        let endpoint = Endpoint::bind(Ipv4Addr::LOCALHOST.into(), 0);
        let port = endpoint.port();
        let shared = Arc::new(Mutex::new(State::default()));
        let state = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(&endpoint, tone, &state));
        Self {
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
    /// Plays the tone to `relay`.
    pub(crate) fn talk_to(&self, relay: SocketAddr) {
        self.state(|state| state.talks_to = Some(relay));
    }
    /// Sends nothing any more.
    pub(crate) fn fall_silent(&self) {
        self.state(|state| state.talks_to = None);
    }
    /// Packets sent so far.
    pub(crate) fn sent(&self) -> u32 {
        self.state(|state| state.sent)
    }
    /// Packets heard so far.
    pub(crate) fn heard(&self) -> usize {
        self.state(|state| state.heard.len())
    }

    /// Waits for one second of what comes from now on, without a gap; `None` if there is none in time.
    pub(crate) fn record(&self) -> Option<Recording> {
        let begin = self.state(|state| {
            state
                .heard
                .last_key_value()
                .map_or(i64::MIN, |(seq, _)| *seq)
        });
        poll(|| {
            self.state(|state| {
                let mut fresh = state.heard.range(begin..).map(|(seq, _)| *seq).skip(1);
                let first = fresh.next()?;
                let window = first..first + i64::try_from(WINDOW).ok()?;
                let payloads: Vec<&Vec<u8>> = state.heard.range(window).map(|(_, p)| p).collect();
                let octets: Vec<u8> = payloads.iter().flat_map(|p| p.iter().copied()).collect();
                (payloads.len() == WINDOW).then(|| Recording::of_pcmu(&octets))
            })
        })
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

fn run(endpoint: &Endpoint, tone: Tone, shared: &Mutex<State>) {
    let mut due = Instant::now();
    let mut number: u32 = 0;
    loop {
        let to = {
            let state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if state.over {
                return;
            }
            state.talks_to
        };
        while due <= Instant::now() {
            if let Some(to) = to {
                endpoint.send(to, &packet(tone, number));
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.sent += 1;
                number += 1;
            }
            due += PACKET_TIME;
        }
        let left = due.saturating_duration_since(Instant::now());
        for (_, packet) in endpoint.receive(1, left) {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.take(&packet);
        }
    }
}

impl State {
    fn take(&mut self, packet: &[u8]) {
        // Version 2, payload type 0, no extension or padding (RFC 3550 §5.1); a marker is fine.
        let plain = packet.len() > 12 && packet[0] == 0x80 && packet[1] & 0x7f == 0;
        if !plain {
            let head = &packet[..packet.len().min(12)];
            self.strange.push(format!("not plain PCMU: {head:02x?}"));
            return;
        }
        let short = i64::from(u16::from_be_bytes([packet[2], packet[3]]));
        // The number nearest to the last one that has these 16 bits.
        let seq = self.heard.last_key_value().map_or(short, |(last, _)| {
            let ahead = (short - last + 0x8000).rem_euclid(0x1_0000) - 0x8000;
            last + ahead
        });
        if self.heard.insert(seq, packet[12..].to_vec()).is_some() {
            self.doubled += 1;
        }
    }
}

/// An RTP packet of PCMU (RFC 3550 §5.1, RFC 3551 §6).
fn packet(tone: Tone, number: u32) -> Vec<u8> {
    let [_, _, high, low] = number.to_be_bytes();
    let first = number * PACKET_SAMPLES;
    let mut packet = vec![0x80, 0, high, low];
    packet.extend(first.to_be_bytes());
    packet.extend(0x7055_0001_u32.to_be_bytes());
    packet.extend(tone.pcmu(first, PACKET_SAMPLES));
    packet
}
