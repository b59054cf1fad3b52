//! Programs that end with the test that started them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::wait_for;

/// A running program. Dropping it kills it, by its process id and nobody else's.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    name: String,
    log: PathBuf,
    has_children: bool,
}

impl Guard {
    /// Starts `command`; both its outputs go to the file `log`.
    ///
    /// # Panics
    /// When the program is missing, naming the Debian `package` that has it.
    pub(crate) fn start(mut command: Command, package: &str, log: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let out = File::create(log).expect("the log file can be created");
        let err = out.try_clone().expect("the log file can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run {name}: {error}; it is in the Debian package {package}")
            });
        Self {
            child,
            name,
            log: log.to_path_buf(),
            has_children: false,
        }
    }

    /// The program starts processes of its own: it is asked to end before it is killed.
    pub(crate) fn with_children(mut self) -> Self {
        self.has_children = true;
        self
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
    /// How it ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child is ours")
    }
    /// Waits until it ends by itself, then says how.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait_for(&format!("the end of {name}"), || self.exit_status())
    }
    /// Sends the signal of this name; whether that worked.
    pub(crate) fn signal(&self, name: &str) -> bool {
        // The standard library can only kill; every system has a shell to send the signal.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status();
        sent.is_ok_and(|status| status.success())
    }
    /// Asks it to end, so that it can end its own children; kills it if it does not.
    pub(crate) fn terminate(&mut self) {
        // Once it has ended its id may be another's.
        if self.exit_status().is_none() && self.signal("TERM") {
            let deadline = Instant::now() + Duration::from_secs(5);
            while self.exit_status().is_none() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        self.kill();
    }
    /// Kills it without a chance to clean up.
    pub(crate) fn kill(&mut self) {
        // Fails only if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
    /// The last lines of [`Guard::log`], for messages of failed tests.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log(), 40)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.has_children {
            self.terminate();
        } else {
            self.kill();
        }
    }
}

/// The last `count` lines of `text`.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A directory that goes with the test, unless the test failed: then it stays for a look.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// Makes an empty directory for this process.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("voxplane-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Self(path)
    }
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
    /// A file in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("files are left in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
