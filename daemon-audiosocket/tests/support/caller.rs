//! A caller that keeps app_audiosocket's and chan_audiosocket's rules, and holds the server to them:
//!
//! * 2 s without traffic end the call;
//! * a message that does not come in one piece is fatal (Asterisk waits 5 ms for the rest; here a read that ends within
//!   a message fails, which does not depend on how busy the machine is);
//! * an unknown kind, audio without samples, a UUID or a digit from the server is fatal;
//! * a write that comes up short is fatal;
//! * the end is 0x00, then end of file.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use daemon_audiosocket::audiosocket::{CallId, Message, audio_kind, audio_rate_hz, encode};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a server sends.
#[derive(Debug, PartialEq)]
pub enum Got {
    Audio { rate_hz: u32, samples: Vec<i16> },
    Hangup,
}

pub struct Caller {
    pub stream: TcpStream,
    waiting: Vec<u8>,
    buffer: Vec<u8>,
    /// When each frame came.
    pub arrivals: Vec<Instant>,
}

impl Caller {
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            waiting: Vec::new(),
            buffer: vec![0; 256 * 1024],
            arrivals: Vec::new(),
        }
    }

    /// Connects and says which call it is.
    pub async fn call(to: SocketAddr, id: CallId) -> Self {
        let caller = Self::connect(to).await;
        caller.send(Message::Uuid(id));
        caller
    }

    pub fn send(&self, message: Message<'_>) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        self.send_bytes(&bytes);
    }

    pub fn send_bytes(&self, bytes: &[u8]) {
        let written = self.stream.try_write(bytes).unwrap();
        assert_eq!(written, bytes.len(), "the server does not read promptly");
    }

    pub fn say(&self, rate_hz: u32, samples: &[i16]) {
        let payload: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.send(Message::Audio {
            rate_hz,
            payload: &payload,
        });
    }

    /// The next message.
    pub async fn receive(&mut self) -> Got {
        if self.waiting.is_empty() {
            let read = timeout(Duration::from_secs(2), self.stream.read(&mut self.buffer)).await;
            let read = read.expect("2 s without traffic end the call").unwrap();
            assert!(read > 0, "end of file without 0x00");
            self.waiting.extend(&self.buffer[..read]);
        }
        let header = self
            .waiting
            .first_chunk::<3>()
            .expect("a message in one piece");
        let [kind, high, low] = *header;
        if kind == 0 {
            self.waiting.drain(..3);
            return Got::Hangup;
        }
        let rate_hz = audio_rate_hz(kind).unwrap_or_else(|| panic!("kind {kind:#x} is fatal"));
        assert_eq!(audio_kind(rate_hz), Some(kind));
        let len = usize::from(u16::from_be_bytes([high, low]));
        assert!(len > 0, "audio without samples is fatal");
        assert!(self.waiting.len() >= 3 + len, "a message in one piece");
        let samples = self.waiting[3..3 + len].as_chunks().0;
        let samples = samples.iter().map(|b| i16::from_le_bytes(*b)).collect();
        self.waiting.drain(..3 + len);
        self.arrivals.push(Instant::now());
        Got::Audio { rate_hz, samples }
    }

    /// The next frame, which has to be of 20 ms.
    pub async fn hear(&mut self) -> Vec<i16> {
        match self.receive().await {
            Got::Audio { rate_hz, samples } => {
                assert_eq!(samples.len(), rate_hz as usize / 50);
                samples
            }
            Got::Hangup => panic!("hung up"),
        }
    }

    /// The next frames; for each, one of 8 kHz is said, as a telephone would: the server's clock is ours.
    pub async fn exchange(
        &mut self,
        frames: usize,
        mut say: impl FnMut(usize) -> Vec<i16>,
    ) -> Vec<i16> {
        let mut heard = Vec::new();
        for n in 0..frames {
            heard.extend(self.hear().await);
            self.say(8000, &say(n));
        }
        heard
    }

    /// How far each frame's arrival was from its time: 20 ms after the one before it, counted from a frame in the
    /// middle of the pack, so that one that came late itself does not count against all.
    pub fn jitter(&self) -> Vec<Duration> {
        let times = self.arrivals.iter().zip(0..);
        let offset =
            |(at, n): (&Instant, u32)| (*at - self.arrivals[0]).as_secs_f64() - f64::from(n) * 0.02;
        let offsets: Vec<f64> = times.map(offset).collect();
        let mut sorted = offsets.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let from_middle = |offset: &f64| Duration::from_secs_f64((offset - middle).abs());
        offsets.iter().map(from_middle).collect()
    }

    /// Listens until something is heard.
    pub async fn hear_something(&mut self) -> Vec<i16> {
        loop {
            let frame = self.hear().await;
            self.say(8000, &[0; 160]);
            if super::is_loud(&frame) {
                return frame;
            }
        }
    }

    /// Waits for the call's end in good order; the frames before it.
    pub async fn wait_for_end(mut self) -> usize {
        let mut frames = 0;
        while self.receive().await != Got::Hangup {
            frames += 1;
        }
        assert!(self.waiting.is_empty(), "something behind 0x00");
        let end = self.stream.read(&mut self.buffer).await;
        assert_eq!(end.unwrap(), 0, "0x00, then end of file");
        frames
    }
}
