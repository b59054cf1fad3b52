//! A generator joined to one daemon.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::MeasureError;
use media_core::srtp::CryptoSuite;

use crate::calls::{Caller, Cycles, Leftovers};
use crate::load::voice::Voice;
use crate::load::{Media, SocketPair};
use crate::ng::Client;
use crate::process::{Sample, Usage};

/// How the generator works.
#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// The daemon's NG socket.
    pub ng: SocketAddr,
    /// The daemon's process, to take figures of.
    pub pid: u32,
    /// Cores for the generator's media threads, one thread each; empty: one thread anywhere.
    pub cpus: Vec<usize>,
    /// The cores have other work, too: the media threads nap between packets, and do not spin.
    pub shared: bool,
    /// RTP sockets per side and thread.
    pub sockets: usize,
    /// First of the generator's own RTP ports; keep it out of the daemon's range.
    pub first_port: u16,
    /// NG requests in flight.
    pub window: usize,
    /// What is sent.
    pub media: Media,
    /// Side B takes and sends this instead, so that the daemon has to transcode; both sides then say something.
    /// Both codecs must have a [`Voice`].
    pub far: Option<Media>,
    /// Packets that each stream sends at once when it starts.
    pub burst: u64,
    /// Side A's media is SRTP of this suite, with keys in SDP; side B's is plain RTP.
    pub srtp: Option<CryptoSuite>,
}

impl BenchConfig {
    /// One thread, G.711, eight requests in flight, ports from 61000.
    #[must_use]
    pub const fn new(ng: SocketAddr, pid: u32) -> Self {
        Self {
            ng,
            pid,
            cpus: Vec::new(),
            shared: false,
            sockets: 4,
            first_port: 61_000,
            window: 8,
            media: Media::PCMU,
            far: None,
            burst: 0,
            srtp: None,
        }
    }

    /// Whether the media threads never sleep: cores of their own are there to be used up.
    pub(super) fn spins(&self) -> bool {
        !self.cpus.is_empty() && !self.shared
    }

    /// Generator threads.
    pub(super) fn threads(&self) -> usize {
        self.cpus.len().max(1)
    }
}

/// The generator, its sockets open.
pub struct Bench {
    pub(super) config: BenchConfig,
    pub(super) caller: Caller,
    /// By thread: sockets of side A, then of side B.
    pub(super) sockets: Vec<Vec<Arc<SocketPair>>>,
    /// With [`BenchConfig::far`], of sides A and B.
    pub(super) voices: Option<Arc<[Voice; 2]>>,
}

/// A daemon with calls but no media.
#[derive(Clone, Debug)]
pub struct Idle {
    /// What it used in the measured phase.
    pub usage: Usage,
    /// Growth of resident memory with the calls, in bytes.
    pub rss_growth_bytes: u64,
    /// What was left after deleting them.
    pub leftovers: Leftovers,
}

/// A daemon that only sets up and ends calls.
#[derive(Clone, Debug)]
pub struct Signalling {
    /// The calls.
    pub cycles: Cycles,
    /// What the daemon used meanwhile.
    pub usage: Usage,
}

impl Signalling {
    /// Calls offered, answered and deleted per second.
    #[must_use]
    pub fn cycles_per_second(&self) -> f64 {
        self.cycles.completed as f64 / self.cycles.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The daemon's CPU time per call.
    #[must_use]
    pub fn cpu_per_cycle(&self) -> Duration {
        self.usage
            .cpu()
            .div_f64(self.cycles.completed.max(1) as f64)
    }
}

impl Bench {
    /// Opens the generator's sockets. Nothing is sent yet.
    ///
    /// # Errors
    /// [`MeasureError::Sockets`], [`MeasureError::Ng`], or [`MeasureError::Voice`].
    pub fn new(config: BenchConfig) -> Result<Self, MeasureError> {
        let mut next = config.first_port;
        let per_thread = config.sockets.max(1);
        let mut sockets = Vec::new();
        for _ in 0..config.threads() {
            let pairs: Result<Vec<_>, _> = (0..per_thread * 2)
                .map(|_| SocketPair::bind(Ipv4Addr::LOCALHOST, &mut next).map(Arc::new))
                .collect();
            sockets.push(pairs?);
        }
        // Calls take threads in turn, and within a thread its sockets in turn.
        let ports = (0..per_thread)
            .flat_map(|k| {
                sockets
                    .iter()
                    .map(move |pairs| [pairs[k].port(), pairs[k + per_thread].port()])
            })
            .collect();
        let far = config.far.as_ref();
        let voice = |media| Voice::new(media);
        let voices = match far {
            Some(far) => Some(Arc::new([voice(&config.media)?, voice(far)?])),
            None => None,
        };
        // A daemon answers a cookie that it has seen with what it said then.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("bench{}-{number}", std::process::id());
        let client = Client::connect(config.ng, prefix)?;
        Ok(Self {
            caller: Caller::new(
                client,
                Ipv4Addr::LOCALHOST,
                [&config.media, far.unwrap_or(&config.media)].map(Media::clone),
                config.srtp,
                config.window,
                ports,
            ),
            config,
            sockets,
            voices,
        })
    }

    /// The highest of the generator's ports.
    pub(super) fn last_port(&self) -> u16 {
        let ports = self.sockets.iter().flatten().map(|pair| pair.port());
        // RTCP's is the one above.
        ports
            .max()
            .map_or(self.config.first_port, |port| port.saturating_add(1))
    }

    /// Sets up calls, sends nothing, and looks at the daemon for `span`.
    ///
    /// # Errors
    /// When the calls cannot be set up or the daemon is gone.
    pub fn idle(&mut self, count: usize, span: Duration) -> Result<Idle, MeasureError> {
        let before = Sample::of(self.config.pid)?;
        let calls = self
            .caller
            .establish(count)
            .map_err(|source| MeasureError::Calls { count, source })?;
        // What setting up left to do is not idling.
        std::thread::sleep(Duration::from_millis(500));
        let begin = Sample::of(self.config.pid)?;
        std::thread::sleep(span);
        let end = Sample::of(self.config.pid)?;
        Ok(Idle {
            usage: end.since(&begin),
            rss_growth_bytes: end.rss_bytes.saturating_sub(before.rss_bytes),
            leftovers: self.caller.release(&calls),
        })
    }

    /// Sets up and ends calls for `span`, as fast as the daemon and the window allow.
    ///
    /// # Errors
    /// When a call fails or the daemon is gone.
    pub fn signalling(&mut self, span: Duration) -> Result<Signalling, MeasureError> {
        let begin = Sample::of(self.config.pid)?;
        let cycles = self.caller.cycle(span)?;
        Ok(Signalling {
            cycles,
            usage: Sample::of(self.config.pid)?.since(&begin),
        })
    }
}
