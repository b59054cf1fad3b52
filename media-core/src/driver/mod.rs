//! Sockets and threads: runs an [`Engine`](crate::engine::Engine) per core on io_uring or epoll.
//!
//! Both drivers keep one contract ([`shard`](self) and its `Io`): they wait for the next tick, read the
//! clock once, hand everything that arrived to the engine, send what it gives back, and only then look
//! at commands and timers. The tick batches: at the load a proxy carries, waking once per millisecond
//! costs a third of waking once per packet (docs/decisions/002-tick.md).
#![expect(unsafe_code, reason = "system calls")]
#![expect(clippy::disallowed_methods, reason = "this is where the clock is read")]

mod agenda;
mod epoll;
mod handshakes;
mod pace;
mod plane;
mod shard;
mod sys;
mod uring;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::dtls::{ClientOffer, DtlsVersion};
use crate::engine::{Event, HandshakeEvent, MediaPlane, ShardCounters};
use crate::units::Now;

use plane::{Plane, ShardPort};

pub use sys::raise_nofile;

/// How to reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// io_uring where it works, else epoll.
    #[default]
    Auto,
    /// io_uring or fail.
    Uring,
    /// epoll.
    Epoll,
}

/// What is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoKind {
    /// io_uring (needs Linux 6.1; best from 6.12).
    Uring,
    /// epoll.
    Epoll,
}

impl IoKind {
    /// Name as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            IoKind::Uring => "uring",
            IoKind::Epoll => "epoll",
        }
    }
}

/// Settings of the shards.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Threads, at least 1; `None`: one per CPU that this process may use.
    pub shards: Option<u8>,
    /// How to reach the kernel.
    pub io: IoChoice,
    /// Packets are handled in batches this far apart; zero: as they come, at several times the CPU.
    pub tick: Duration,
    /// Most receive slots per shard, 2048 bytes each, a power of two; memory is touched as load asks.
    pub buffers: u16,
    /// Binds each shard's thread to a CPU of its own, if there are enough.
    pub pin: bool,
    /// Sockets per shard.
    pub max_sockets: u32,
    /// What handshakes may agree on.
    pub dtls: DtlsConfig,
}

/// Versions of DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsConfig {
    /// What is said first where ours is the active role.
    pub client_offer: ClientOffer,
    /// The latest version that is agreed on, in either role.
    pub max_version: DtlsVersion,
}

impl Default for DtlsConfig {
    /// As client 1.2, which every peer has; as server the latest that the client has.
    fn default() -> Self {
        Self {
            client_offer: ClientOffer::Compatible,
            max_version: DtlsVersion::V1_3,
        }
    }
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            shards: None,
            io: IoChoice::Auto,
            tick: Duration::from_millis(1),
            buffers: 4096,
            pin: true,
            max_sockets: 65_536,
            dtls: DtlsConfig::default(),
        }
    }
}

/// Why the shards could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// io_uring was asked for by name.
    #[error("io=uring: {missing}; use io=epoll or io=auto")]
    NoUring {
        /// What the kernel lacks or refuses.
        missing: String,
    },
    /// A shard's thread or its descriptors could not be made.
    #[error("cannot start shard {shard}")]
    Shard {
        /// Which one.
        shard: u8,
        /// Why.
        source: io::Error,
    },
    /// A setting is out of its range.
    #[error("{name}={value}: {remedy}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What to do.
        remedy: &'static str,
    },
}

/// The running shards. Dropping it stops them.
pub struct Driver {
    plane: Arc<Plane>,
    events: Mutex<Events>,
    counters: Vec<Arc<ShardCounters>>,
    threads: Vec<JoinHandle<()>>,
    kind: IoKind,
    why: String,
}

impl Driver {
    /// Starts the shards and waits until each is ready.
    ///
    /// # Errors
    /// See [`StartError`]; no thread is left behind.
    pub fn start(config: &DriverConfig, epoch: Instant) -> Result<Driver, StartError> {
        check(config)?;
        let (kind, why) = choose(config.io)?;
        let cpus = sys::allowed_cpus();
        let shards = config
            .shards
            .unwrap_or_else(|| u8::try_from(cpus.len()).unwrap_or(u8::MAX))
            .max(1);
        let (event_tx, events) = mpsc::channel();
        let mut driver = Driver {
            plane: Arc::new(Plane::default()),
            events: Mutex::new(Events {
                batches: events,
                batch: Vec::new().into_iter(),
            }),
            counters: Vec::new(),
            threads: Vec::new(),
            kind,
            why,
        };
        let mut ports = Vec::new();
        for shard in 0..shards {
            let fail = |source| StartError::Shard { shard, source };
            let port = Arc::new(ShardPort::new(shard, config.max_sockets).map_err(fail)?);
            let counters = Arc::new(ShardCounters::default());
            let (handshakes, thread) =
                handshakes::start(shard, config.dtls, Arc::clone(&port)).map_err(fail)?;
            driver.threads.push(thread);
            let core = CoreParts {
                port: Arc::clone(&port),
                handshakes,
                counters: Arc::clone(&counters),
                events: event_tx.clone(),
                epoch,
                unix_at_epoch: Self::now().unix_at(epoch),
            };
            let pin =
                (config.pin && cpus.len() >= usize::from(shards)).then(|| cpus[usize::from(shard)]);
            let (config, (ready_tx, ready)) = (config.clone(), mpsc::channel());
            let thread = std::thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn(move || run(kind, &config, pin, core, &ready_tx))
                .map_err(fail)?;
            driver.threads.push(thread);
            ports.push(port);
            driver.counters.push(counters);
            // Published shard by shard, so that dropping `driver` on an error stops those that run.
            driver.plane = Arc::new(Plane::new(ports.clone(), driver.counters.clone()));
            ready
                .recv()
                .unwrap_or_else(|_| Err(io::Error::other("the thread died")))
                .map_err(fail)?;
        }
        Ok(driver)
    }

    /// What sessions talk to.
    #[must_use]
    pub fn plane(&self) -> Arc<dyn MediaPlane> {
        Arc::clone(&self.plane) as Arc<dyn MediaPlane>
    }

    /// The next event of any shard; `None` after `timeout` or once all shards have ended.
    #[must_use]
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = events.batch.next() {
            return Some(event);
        }
        events.batch = events.batches.recv_timeout(timeout).ok()?.into_iter();
        events.batch.next()
    }

    /// Counters by shard.
    #[must_use]
    pub fn shard_counters(&self) -> &[Arc<ShardCounters>] {
        &self.counters
    }

    /// Whether every shard's thread is running.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.threads.iter().all(|t| !t.is_finished())
    }

    /// What is in use, and why it was chosen.
    #[must_use]
    pub fn io_in_use(&self) -> (IoKind, &str) {
        (self.kind, &self.why)
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now() -> Now {
        let unix = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            monotonic: Instant::now(),
            unix,
        }
    }

    /// Tells the shards to end, without waiting: [`Driver::next_event`] then gives what is left, and
    /// `None` at once after that.
    pub fn begin_shutdown(&self) {
        self.plane.shutdown();
    }

    /// Stops the shards, closes their sockets and waits for the threads.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.plane.shutdown();
        for thread in self.threads.drain(..) {
            // A shard that panicked has said so on stderr; nothing is left to do about it here.
            let _ = thread.join();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Events arrive in batches and leave one by one.
struct Events {
    batches: mpsc::Receiver<Vec<Event>>,
    batch: std::vec::IntoIter<Event>,
}

/// What a shard's thread is started with.
struct CoreParts {
    port: Arc<ShardPort>,
    handshakes: mpsc::SyncSender<HandshakeEvent>,
    counters: Arc<ShardCounters>,
    events: mpsc::Sender<Vec<Event>>,
    epoch: Instant,
    /// Since 1970.
    unix_at_epoch: Duration,
}

fn check(config: &DriverConfig) -> Result<(), StartError> {
    let setting = |name, value, remedy| {
        Err(StartError::Setting {
            name,
            value,
            remedy,
        })
    };
    if !config.buffers.is_power_of_two() || config.buffers < 64 {
        return setting(
            "buffers",
            config.buffers.into(),
            "give a power of two from 64 to 32768",
        );
    }
    if config.tick > Duration::from_millis(20) {
        let value = u64::try_from(config.tick.as_micros()).unwrap_or(u64::MAX);
        return setting("tick", value, "give at most 20000 microseconds");
    }
    Ok(())
}

/// Probes io_uring where it is wanted.
fn choose(choice: IoChoice) -> Result<(IoKind, String), StartError> {
    if choice == IoChoice::Epoll {
        return Ok((IoKind::Epoll, "asked for".into()));
    }
    match (uring::probe(), choice) {
        (Ok(what), _) => Ok((IoKind::Uring, what)),
        (Err(missing), IoChoice::Uring) => Err(StartError::NoUring { missing }),
        (Err(missing), _) => Ok((IoKind::Epoll, format!("no io_uring: {missing}"))),
    }
}

fn run(
    kind: IoKind,
    config: &DriverConfig,
    pin: Option<usize>,
    parts: CoreParts,
    ready: &mpsc::Sender<io::Result<()>>,
) {
    if let Some(cpu) = pin {
        sys::pin_to(cpu);
    }
    sys::precise_timers();
    let started = match kind {
        IoKind::Uring => uring::Shard::new(config, parts).map(|mut shard| {
            let _ = ready.send(Ok(()));
            while shard.turn() {}
        }),
        IoKind::Epoll => epoll::Shard::new(config, parts).map(|mut shard| {
            let _ = ready.send(Ok(()));
            while shard.turn() {}
        }),
    };
    if let Err(error) = started {
        let _ = ready.send(Err(error));
    }
}
