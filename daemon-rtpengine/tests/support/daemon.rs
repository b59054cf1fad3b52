//! A media daemon, ours or the real one, on free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ng::NgClient;
use super::ports::PortBlock;
use super::process::{Guard, TempDir};
use super::wait_for;

/// Which program.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Debian's rtpengine.
    Rtpengine,
    /// The daemon under test.
    Ours(PathBuf),
}

impl Program {
    /// `path` is the daemon under test, unless the variable `VOXPLANE_TEST_DAEMON` names another one;
    /// one named `rtpengine` gets the arguments that only that one knows.
    pub(crate) fn under_test(path: &str) -> Self {
        let path =
            std::env::var_os("VOXPLANE_TEST_DAEMON").map_or_else(|| path.into(), PathBuf::from);
        if path.file_name().is_some_and(|name| name == "rtpengine") {
            Self::Rtpengine
        } else {
            Self::Ours(path)
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
                command.arg("--config-file=none");
                command
            }
        }
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
        let mut client = self.client();
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
