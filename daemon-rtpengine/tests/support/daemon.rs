//! A media daemon, ours or the real one, on free ports.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use daemon_rtpengine::config::{Config, Outcome};

use super::ng::NgClient;
use super::ports::PortBlock;
use super::process::{Guard, TempDir};
use super::{tcp, wait_for};

/// Which program.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Debian's rtpengine.
    Rtpengine,
    /// The daemon under test.
    Ours(PathBuf),
}

impl Program {
    /// The daemon that this package builds, unless the variable `VOXPLANE_TEST_DAEMON` names another
    /// one; one named `rtpengine` gets the arguments that only that one knows.
    pub(crate) fn under_test() -> Self {
        let path = std::env::var_os("VOXPLANE_TEST_DAEMON").map_or_else(own_path, PathBuf::from);
        if path.file_name().is_some_and(|name| name == "rtpengine") {
            Self::Rtpengine
        } else {
            Self::Ours(path)
        }
    }

    /// The same, but never rtpengine: for what only ours has.
    pub(crate) fn ours() -> Self {
        match Self::under_test() {
            Self::Rtpengine => Self::Ours(own_path()),
            ours => ours,
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::Rtpengine => {
                let mut command = Command::new("rtpengine");
                command.args(["--config-file=none", "--foreground", "--log-stderr"]);
                // No kernel module; its absence is no error.
                command.args(["--table=-1", "--no-fallback=false"]);
                command
            }
            Self::Ours(path) => {
                let mut command = Command::new(path);
                // Debian's own file would add listeners.
                command.arg("--config-file=none").arg(io_argument());
                command
            }
        }
    }
}

/// The program that this package builds.
pub(crate) fn own_path() -> PathBuf {
    env!("CARGO_BIN_EXE_daemon-rtpengine").into()
}

/// The way to the network that the variable `VOXPLANE_IO` asks for, if it does.
pub(crate) fn requested_io() -> Option<String> {
    std::env::var("VOXPLANE_IO").ok()
}

/// What makes our daemon use [`requested_io`].
pub(crate) fn io_argument() -> String {
    format!("--io={}", requested_io().as_deref().unwrap_or("auto"))
}

/// Our daemon inside of the test's process: its parts can be reached.
pub(crate) struct Inside {
    pub(crate) daemon: daemon_rtpengine::Daemon,
    pub(crate) ports: PortBlock,
}

impl Inside {
    /// Starts it with NG over UDP and HTTP on free ports of 127.0.0.1, and `media_ports` ports for
    /// media. A deleted call ends at once.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) fn start(media_ports: u16, extra: &[&str]) -> Self {
        let ports = PortBlock::take(media_ports);
        let args = [
            "test",
            "--config-file=none",
            "--foreground",
            "--interface=127.0.0.1",
            "--delete-delay=0",
            "--listen-ng=127.0.0.1:0",
            "--listen-http=127.0.0.1:0",
            &io_argument(),
            &format!("--port-min={}", ports.first()),
            &format!("--port-max={}", ports.first() + media_ports - 1),
        ];
        let args = args.iter().chain(extra).map(OsString::from);
        let daemon = match Config::from_args(args).expect("good arguments") {
            Outcome::Run(config) => daemon_rtpengine::Daemon::start(&config).expect("it starts"),
            Outcome::Print(text) => panic!("should run, prints {text}"),
        };
        Self { daemon, ports }
    }

    /// A new client of it.
    pub(crate) fn client(&self) -> NgClient {
        NgClient::new(self.daemon.addresses().ng[0])
    }
    /// Asks it over HTTP: status code, content type and body of the reply.
    pub(crate) fn http(&self, request: &str, body: &str) -> (u16, String, String) {
        tcp::http(self.daemon.addresses().http[0], request, body)
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    guard: Guard,
    control: SocketAddr,
    ports: PortBlock,
}

impl Daemon {
    /// Starts it with NG over UDP on 127.0.0.1 and `media_ports` ports for media; returns when it
    /// answers. `extra` holds at least the interfaces. The log goes into `dir`.
    ///
    /// # Panics
    /// When it does not come up, with the end of its log.
    pub(crate) fn start(
        program: &Program,
        name: &str,
        media_ports: u16,
        extra: &[&str],
        dir: &TempDir,
    ) -> Self {
        let ports = PortBlock::take(media_ports + 2);
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.first()));
        let mut command = program.command();
        command
            .arg(format!("--listen-ng={control}"))
            .arg(format!("--port-min={}", ports.first() + 2))
            .arg(format!("--port-max={}", ports.last()))
            .args(extra);
        if matches!(program, Program::Rtpengine) {
            // Should it crash, its core goes with the directory.
            command.current_dir(dir.path());
        }
        let package = match program {
            Program::Rtpengine => "rtpengine-daemon",
            Program::Ours(_) => "voxplane",
        };
        let guard = Guard::start(command, package, &dir.join(&format!("{name}.log")));
        let mut daemon = Self {
            guard,
            control,
            ports,
        };
        daemon.await_ping();
        daemon
    }

    fn await_ping(&mut self) {
        let client = self.client();
        wait_for("the daemon's first pong", || {
            if let Some(status) = self.guard.exit_status() {
                panic!("the daemon ended with {status}:\n{}", self.guard.log_tail());
            }
            client.pings(Duration::from_millis(100)).then_some(())
        });
    }

    /// A new client of it.
    pub(crate) fn client(&self) -> NgClient {
        NgClient::new(self.control)
    }
    /// Where it takes NG.
    pub(crate) const fn control(&self) -> SocketAddr {
        self.control
    }
    /// Its media ports (and the two below them).
    pub(crate) const fn ports(&self) -> &PortBlock {
        &self.ports
    }
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.guard.id()
    }
    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.guard.kill();
    }
    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.guard.log_tail()
    }
    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.guard.log()
    }
    /// UDP sockets bound to one of its media ports.
    pub(crate) fn bound_media_ports(&self) -> usize {
        let control = self.control.port();
        let table = std::fs::read_to_string("/proc/net/udp").expect("the kernel lists its sockets");
        let local_port = |line: &str| {
            let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        let ports = table.lines().skip(1).filter_map(local_port);
        ports
            .filter(|port| self.ports.contains(*port) && *port != control)
            .count()
    }
    /// Waits until exactly `count` are bound: io_uring closes sockets a little after it was told to.
    pub(crate) fn await_bound_media_ports(&self, count: usize) {
        wait_for(&format!("{count} bound media ports"), || {
            (self.bound_media_ports() == count).then_some(())
        });
    }
    /// How it ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.guard.exit_status()
    }
    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.guard.exit_status().is_none()
    }
}

/// Path of a file beside the tests.
pub(crate) fn test_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}
