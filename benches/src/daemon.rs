//! A daemon under test: started on chosen cores with the command line that ours and rtpengine share,
//! and ended, by its process id, when the guard is dropped.
#![expect(unsafe_code, reason = "the child is set up between fork and exec")]

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::bencode;
use daemon_rtpengine::ng::value::Value;

use crate::host;

/// How long a daemon may take to answer its first ping.
pub const START_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to end after SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// Lines of the daemon's log quoted when it fails.
const LOG_LINES: usize = 8;

/// How to start a daemon.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// Executable, by path or by name.
    pub program: PathBuf,
    /// Cores it may use; empty: all.
    pub cpus: Vec<usize>,
    /// Its RTP ports.
    pub ports: RangeInclusive<u16>,
    /// Options beyond the shared ones.
    pub extra: Vec<String>,
}

impl DaemonConfig {
    /// A daemon with room for 5000 calls on any core.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            cpus: Vec::new(),
            ports: 10_000..=29_999,
            extra: Vec::new(),
        }
    }
}

/// Why a daemon did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// It could not be run, or a port or log file for it not be had.
    #[error("cannot start {}", program.display())]
    Start {
        /// What was run.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it answered.
    #[error("{} ended at once ({status}): {log}", program.display())]
    Ended {
        /// What was run.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        log: String,
    },
    /// It runs but does not answer a ping.
    #[error("{} does not answer after {START_LIMIT:?}: {log}", program.display())]
    Silent {
        /// What was run.
        program: PathBuf,
        /// The last lines it wrote.
        log: String,
    },
}

/// A running daemon. Dropping it ends the process: SIGTERM first, then SIGKILL. Should the thread that
/// started it die, the kernel kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    ng: SocketAddr,
    program: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts a daemon on loopback and waits until it answers a ping.
    ///
    /// # Errors
    /// See [`DaemonError`].
    pub fn start(config: &DaemonConfig) -> Result<Self, DaemonError> {
        let program = config.program.clone();
        let start = || -> io::Result<Self> {
            let ng = free_address()?;
            let log = log_path();
            let output = File::create(&log)?;
            let mut command = Command::new(&config.program);
            command
                .args(["--config-file=none", "-f", "--table=-1"])
                .args(["-i", "127.0.0.1", "--log-level=3", "-E"])
                .arg("--delete-delay=0")
                .arg(format!("--listen-ng={ng}"))
                .arg(format!("--port-min={}", config.ports.start()))
                .arg(format!("--port-max={}", config.ports.end()))
                .args(&config.extra)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output);
            let cpus = config.cpus.clone();
            // SAFETY: between fork and exec only async-signal-safe calls are made: three system calls,
            // on memory allocated before the fork.
            unsafe { command.pre_exec(move || become_measurable(&cpus)) };
            Ok(Self {
                child: command.spawn()?,
                ng,
                program: config.program.clone(),
                log,
            })
        };
        let mut daemon = start().map_err(|source| DaemonError::Start { program, source })?;
        host::prefer(daemon.pid());
        daemon.wait_for_pong()?;
        Ok(daemon)
    }

    /// Its NG address (UDP).
    #[must_use]
    pub const fn ng(&self) -> SocketAddr {
        self.ng
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines it wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return "(nothing logged)".to_owned();
        }
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn wait_for_pong(&mut self) -> Result<(), DaemonError> {
        let fail = |source| DaemonError::Start {
            program: self.program.clone(),
            source,
        };
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
        socket.connect(self.ng).map_err(fail)?;
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .map_err(fail)?;
        let deadline = Instant::now() + START_LIMIT;
        let mut reply = [0; 512];
        let mut number = 0;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().map_err(fail)? {
                return Err(DaemonError::Ended {
                    program: self.program.clone(),
                    status,
                    log: self.log_tail(),
                });
            }
            // A cookie each, lest a daemon answers a ping of before it was ready.
            number += 1;
            let mut ping = format!("start_{number} ").into_bytes();
            let mut request = Value::dict();
            request.push("command", Value::str("ping"));
            bencode::encode(&request, &mut ping);
            if socket.send(&ping).is_ok() && socket.recv(&mut reply).is_ok() {
                return Ok(());
            }
            // Refused: nobody listens yet, and the system says so at once.
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(DaemonError::Silent {
            program: self.program.clone(),
            log: self.log_tail(),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // SAFETY: kill touches no memory; the child has not been waited for, so its id is its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_file(&self.log);
    }
}

/// What `program --version` prints first, or its name.
#[must_use]
pub fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map_or_else(
        |_| String::new(),
        |o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned(),
    );
    match text.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => line.trim().to_owned(),
        None => program.display().to_string(),
    }
}

/// Runs in the child before exec: a session of its own (so of its own autogroup), an end with its
/// parent, and its cores.
fn become_measurable(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: both calls take plain integers and touch no memory of ours.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    if cpus.is_empty() {
        Ok(())
    } else {
        host::pin(cpus)
    }
}

/// A UDP address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn log_path() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!(
        "voxplane-daemon-{}-{number}.log",
        std::process::id()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = Daemon::start(&DaemonConfig::new("/nonexistent/daemon")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start /nonexistent/daemon");
    }

    #[test]
    fn a_program_that_ends_is_reported_with_what_it_wrote() {
        let error = Daemon::start(&DaemonConfig::new("ls")).unwrap_err();
        let DaemonError::Ended { status, log, .. } = error else {
            panic!("{error}");
        };
        assert!(!status.success());
        assert!(log.contains("config-file"), "{log}");
    }
}
