//! The running daemon: joins listeners and calls, and takes them apart again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media_core::driver::raise_nofile;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::call::Shared;
use crate::call::end::EndReason;
use crate::calls::Calls;
use crate::config::Config;
use crate::listen::{ListenError, bind_tcp, bots, callers, http};
use crate::tls::{self, TlsError};
use crate::webhook::Webhook;

/// Calls that are told to end have this long for their goodbyes.
const CLOSING: Duration = Duration::from_secs(2);

/// Turns of calls between two looks at the clock.
const EVENT_INTERVAL: u32 = 16;

/// Open files besides those of calls: listeners, HTTP, webhooks.
const SPARE_FILES: usize = 256;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The threads.
    #[error("cannot start the threads")]
    Threads(#[source] io::Error),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS to bots or to the webhook.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Where the daemon listens, with ports of 0 replaced by the real ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// AudioSocket.
    pub audiosocket: Vec<SocketAddr>,
    /// Bots' WebSockets.
    pub bot: Vec<SocketAddr>,
    /// Health and calls.
    pub http: Vec<SocketAddr>,
    /// Metrics.
    pub metrics: Vec<SocketAddr>,
}

/// The daemon. Dropping it ends all calls without goodbyes; [`Daemon::stop`] is kinder.
pub struct Daemon {
    runtime: Runtime,
    shared: Arc<Shared>,
    addresses: Addresses,
    drain_timeout: Duration,
}

impl Daemon {
    /// Starts everything; when this returns, calls are taken.
    ///
    /// # Errors
    /// See [`DaemonError`]; nothing is left running then.
    pub fn start(config: &Config) -> Result<Daemon, DaemonError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("calls")
            // Calls looked after before timers and sockets are looked at again: with many at work, frames
            // would be late by as many as the default of 61.
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()
            .map_err(DaemonError::Threads)?;
        let files = raise_nofile();
        // A caller and a bot each.
        let wanted = 2 * config.limits.max_calls + config.limits.max_pending + SPARE_FILES;
        if files < u64::try_from(wanted).unwrap_or(u64::MAX) {
            tracing::warn!(
                files,
                wanted,
                "fewer open files are allowed than --max-calls may need"
            );
        }
        let call = config.call.clone();
        let tls = match call.needs_tls() {
            true => Some(tls::client(call.ca_file.as_deref())?),
            false => None,
        };
        let webhook = call.webhook.clone();
        let webhook = webhook.map(|config| Arc::new(Webhook::new(config, tls.clone())));
        let mut daemon = Daemon {
            runtime,
            shared: Arc::new(Shared {
                config: call,
                webhook,
                tls,
                calls: Arc::new(Calls::new(config.limits)),
                metrics: Arc::default(),
            }),
            addresses: Addresses::default(),
            drain_timeout: config.drain_timeout,
        };
        let on = &config.listen_http;
        daemon.addresses.http = daemon.serve("HTTP", on, http::serve)?;
        let on = &config.listen_metrics;
        daemon.addresses.metrics = daemon.serve("metrics", on, http::serve_metrics)?;
        let on = &config.listen_bot;
        daemon.addresses.bot = daemon.serve("bots", on, bots::serve)?;
        let on = &config.listen_audiosocket;
        daemon.addresses.audiosocket = daemon.serve("AudioSocket", on, callers::serve)?;
        Ok(daemon)
    }

    fn serve<F: Future<Output = ()> + Send + 'static>(
        &self,
        protocol: &'static str,
        addresses: &[SocketAddr],
        serve: impl Fn(tokio::net::TcpListener, Arc<Shared>) -> F,
    ) -> Result<Vec<SocketAddr>, ListenError> {
        let mut bound = Vec::new();
        let _context = self.runtime.enter();
        for &address in addresses {
            let error = |source| ListenError {
                protocol,
                address,
                source,
            };
            if let Some(listener) = bind_tcp(protocol, address)? {
                let listener = tokio::net::TcpListener::from_std(listener).map_err(error)?;
                bound.push(listener.local_addr().map_err(error)?);
                self.runtime
                    .spawn(serve(listener, Arc::clone(&self.shared)));
            }
        }
        Ok(bound)
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// All calls.
    #[must_use]
    pub fn calls(&self) -> &Arc<Calls> {
        &self.shared.calls
    }

    /// Blocks until SIGTERM or SIGINT comes, and names it.
    ///
    /// # Errors
    /// The signals cannot be listened for.
    pub fn wait_for_signal(&self) -> io::Result<&'static str> {
        self.runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            Ok(tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            })
        })
    }

    /// Refuses new calls, lets those that are there end by themselves within the time for that, and ends the rest.
    pub fn stop(self) {
        let calls = &self.shared.calls;
        calls.drain();
        self.runtime.block_on(async {
            let empty = calls.wait_until_empty();
            if tokio::time::timeout(self.drain_timeout, empty)
                .await
                .is_err()
            {
                calls.end_all(EndReason::Stopped);
                let _ = tokio::time::timeout(CLOSING, calls.wait_until_empty()).await;
            }
        });
        self.runtime.shutdown_timeout(Duration::from_millis(200));
    }
}
