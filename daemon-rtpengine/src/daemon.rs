//! The running daemon: joins driver, sessions and listeners, and takes them apart again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_core::driver::{Driver, StartError, raise_nofile};
use media_core::dtls::{Certificate, CertificateError};
use media_core::session::{SessionObserver, Sessions};
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::limits::Limits;
use crate::listen::http::{self, Site};
use crate::listen::udp::UdpListener;
use crate::listen::{ListenError, tcp};
use crate::ops::calls::CallLog;
use crate::ops::dtmf_log::DtmfLog;
use crate::ops::health::Health;
use crate::ops::requests::RequestCounters;
use crate::ops::traffic::Traffic;
use crate::service::Service;
use crate::sys;

/// Threads of the runtime that serves TCP and HTTP.
const RUNTIME_THREADS: usize = 2;
/// Time that calls get to end before the shards are stopped.
const CLOSING: Duration = Duration::from_secs(1);
/// Events come when they come; this only bounds one wait.
const EVENT_WAIT: Duration = Duration::from_secs(3600);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The media threads.
    #[error(transparent)]
    Driver(#[from] StartError),
    /// There is no certificate for DTLS.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A control listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A thread or the runtime.
    #[error("cannot start {what}")]
    Thread {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file for the process id.
    #[error("cannot write {path:?}")]
    Pidfile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The daemon. Dropping it stops everything.
pub struct Daemon {
    // In the order in which they are let go.
    udp: Vec<UdpListener>,
    runtime: Option<Runtime>,
    limits: Option<Limits>,
    events: Option<Events>,
    sessions: Arc<Sessions>,
    health: Arc<Health>,
    driver: Arc<Driver>,
    pidfile: Option<PathBuf>,
    addresses: Addresses,
}

/// Where the daemon listens, with ports of 0 replaced by the real ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// NG over UDP.
    pub ng: Vec<SocketAddr>,
    /// NG over TCP.
    pub tcp_ng: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

impl Daemon {
    /// Starts everything; when this returns, requests are served.
    ///
    /// # Errors
    /// See [`DaemonError`]; nothing is left running then.
    pub fn start(config: &Config) -> Result<Daemon, DaemonError> {
        let started = Instant::now();
        let files = raise_nofile();
        tracing::debug!(?files, "descriptors allowed");
        let driver = Arc::new(Driver::start(&config.driver, started)?);
        let (io, why) = driver.io_in_use();
        tracing::info!(
            io = io.name(),
            why,
            shards = driver.shard_counters().len(),
            "media threads run"
        );
        let calls = Arc::new(CallLog::new(DtmfLog::new(config.dtmf_log_dest)));
        let observer = Arc::clone(&calls) as Arc<dyn SessionObserver>;
        let sessions = Sessions::new(config.session.clone(), driver.plane(), started);
        let certificate = Certificate::generate(Driver::now())?;
        let sessions = Arc::new(
            sessions
                .with_observer(observer)
                .with_certificate(certificate),
        );
        let health = Arc::new(Health::new(Arc::clone(&driver), Arc::clone(&sessions)));
        let traffic = Arc::new(Traffic::new(driver.shard_counters().to_vec(), started));
        let requests = Arc::new(RequestCounters::default());
        let service = Arc::new(Service::new(
            Arc::clone(&sessions),
            Arc::clone(&requests),
            Arc::clone(&traffic),
            started,
        ));
        let site = Arc::new(Site {
            service: Arc::clone(&service),
            sessions: Arc::clone(&sessions),
            requests,
            traffic: Arc::clone(&traffic),
            calls,
            health: Arc::clone(&health),
            started,
            io: io.name(),
        });
        let thread = |what| move |source| DaemonError::Thread { what, source };
        let mut daemon = Daemon {
            udp: Vec::new(),
            runtime: None,
            limits: None,
            events: None,
            sessions: Arc::clone(&sessions),
            health: Arc::clone(&health),
            driver: Arc::clone(&driver),
            pidfile: None,
            addresses: Addresses::default(),
        };
        let events = Events::start(driver, sessions).map_err(thread("the event thread"))?;
        daemon.events = Some(events);
        let limits = Limits::start(config.limits, traffic, health);
        daemon.limits = Some(limits.map_err(thread("the limits thread"))?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("control")
            .on_thread_start(sys::yield_to_media)
            .enable_all()
            .build()
            .map_err(thread("the control runtime"))?;
        daemon.runtime = Some(runtime);
        if let Some(path) = &config.pidfile {
            let path = path.clone();
            match std::fs::write(&path, format!("{}\n", std::process::id())) {
                Ok(()) => daemon.pidfile = Some(path),
                Err(source) => return Err(DaemonError::Pidfile { path, source }),
            }
        }
        daemon.listen(config, &service, &site)?;
        Ok(daemon)
    }

    fn listen(
        &mut self,
        config: &Config,
        service: &Arc<Service>,
        site: &Arc<Site>,
    ) -> Result<(), DaemonError> {
        for &address in &config.listen_ng {
            let tos = config.control_tos;
            if let Some(udp) = UdpListener::start(address, tos, config.num_threads, service)? {
                self.addresses.ng.extend(udp.address());
                self.udp.push(udp);
            }
        }
        for &address in &config.listen_tcp_ng {
            let service = Arc::clone(service);
            let bound = self.spawn("TCP", address, |listener| tcp::serve(listener, service))?;
            self.addresses.tcp_ng.extend(bound);
        }
        for &address in &config.listen_http {
            let site = Arc::clone(site);
            let bound = self.spawn("HTTP", address, |listener| http::serve(listener, site))?;
            self.addresses.http.extend(bound);
        }
        Ok(())
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        protocol: &'static str,
        address: SocketAddr,
        serve: impl FnOnce(tokio::net::TcpListener) -> F,
    ) -> Result<Option<SocketAddr>, ListenError> {
        let Some(listener) = crate::listen::bind_tcp(protocol, address)? else {
            return Ok(None);
        };
        let runtime = self
            .runtime
            .as_ref()
            .expect("invariant: started before listening");
        let _context = runtime.enter();
        let error = |source| ListenError {
            protocol,
            address,
            source,
        };
        let listener = tokio::net::TcpListener::from_std(listener).map_err(error)?;
        let bound = listener.local_addr().map_err(error)?;
        runtime.spawn(serve(listener));
        Ok(Some(bound))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// All calls.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Blocks until SIGTERM or SIGINT comes, and names it.
    ///
    /// # Errors
    /// The signals cannot be listened for.
    pub fn wait_for_signal(&self) -> io::Result<&'static str> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = self
            .runtime
            .as_ref()
            .expect("invariant: runs until dropped");
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            Ok(tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            })
        })
    }

    /// Stops listening, ends all calls, stops the media threads. Takes at most about a second.
    pub fn stop(self) {}
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.health.stopping();
        self.udp.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
        self.limits = None;
        self.sessions.close_all(Driver::now());
        if let Some(events) = self.events.take() {
            events.wait_until_idle(&self.sessions);
            self.driver.begin_shutdown();
            events.join();
        }
        if let Some(path) = self.pidfile.take() {
            // It may have been removed by hand, which is as well.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The thread that passes the shards' events on to the sessions.
struct Events {
    thread: JoinHandle<()>,
    shared: Arc<EventsShared>,
}

#[derive(Default)]
struct EventsShared {
    stopping: AtomicBool,
    /// Notified after every event while stopping.
    handled: (Mutex<()>, Condvar),
}

impl Events {
    fn start(driver: Arc<Driver>, sessions: Arc<Sessions>) -> io::Result<Events> {
        let shared = Arc::new(EventsShared::default());
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                loop {
                    let now = Driver::now();
                    sessions.run_due(now);
                    let until = |due: Instant| due.saturating_duration_since(now.monotonic);
                    let wait = sessions.next_due().map_or(EVENT_WAIT, until);
                    match driver.next_event(wait.min(EVENT_WAIT)) {
                        Some(event) => sessions.handle_event(Driver::now(), event),
                        None if driver.is_alive() && !ours.stopping.load(Ordering::SeqCst) => {}
                        None => return,
                    }
                    if ours.stopping.load(Ordering::SeqCst) {
                        let _guard = ours
                            .handled
                            .0
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner);
                        ours.handled.1.notify_all();
                    }
                }
            })?;
        Ok(Events { thread, shared })
    }

    /// Waits until the last call has ended, but not for ever.
    fn wait_until_idle(&self, sessions: &Sessions) {
        let (lock, handled) = &self.shared.handled;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.stopping.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + CLOSING;
        let mut guard = guard;
        while sessions.sessions() > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                tracing::warn!("some calls did not end in time");
                return;
            };
            // Short steps, because an event may be handled just before `stopping` is seen.
            let step = left.min(Duration::from_millis(20));
            guard = handled
                .wait_timeout(guard, step)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn join(self) {
        // A panic in it was reported when it happened.
        let _ = self.thread.join();
    }
}
