//! The page in Chromium, by way of the driver, which speaks lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::daemon::test_file;
use crate::support::process::{Guard, TempDir};
use crate::support::tone::Recording;
use crate::support::wait_for;

use super::stats::Stats;

/// Longer than the driver gives a request: its own message says more.
const DRIVER_PATIENCE: Duration = Duration::from_secs(30);

/// Debian's browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// A page with a phone.
pub(crate) struct Chromium {
    // Dropped first: the driver ends its browser when the connection ends.
    connection: BufReader<TcpStream>,
    driver: Guard,
}

impl Chromium {
    /// Starts the browser and opens the page of this name; the driver listens at `port`.
    ///
    /// # Panics
    /// When a program or package is missing, naming it.
    pub(crate) fn start(dir: &TempDir, port: u16, page: &str) -> Self {
        assert!(
            Path::new(CHROMIUM).exists(),
            "cannot run {CHROMIUM}; it is in the Debian package chromium"
        );
        let mut command = Command::new("node");
        command
            .arg(test_file("browser/driver.mjs"))
            .arg(node_modules())
            .arg(CHROMIUM)
            .arg(port.to_string())
            .arg(page)
            // The browser's profile goes with the test's directory.
            .env("TMPDIR", dir.path());
        let mut driver = Guard::start(command, "nodejs", &dir.join("browser.log")).with_children();
        let stream = wait_for("the page", || {
            if let Some(status) = driver.exit_status() {
                panic!("the driver ended with {status}\n{}", driver.log_tail());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        stream
            .set_read_timeout(Some(DRIVER_PATIENCE))
            .expect("a timeout above zero is accepted");
        Self {
            connection: BufReader::new(stream),
            driver,
        }
    }

    /// Calls a method of the page's phone or of the driver, and waits for what it returns.
    ///
    /// # Panics
    /// When it fails or takes too long.
    pub(crate) fn ask(&mut self, method: &str, argument: &Value) -> Value {
        let request = format!("{}\n", json!([method, argument]));
        let sent = self.connection.get_mut().write_all(request.as_bytes());
        sent.unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.driver.log_tail()));
        let mut line = String::new();
        if let Err(error) = self.connection.read_line(&mut line) {
            panic!("{method}: {error}\n{}", self.driver.log_tail());
        }
        let mut reply: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{method}: {error} in {line:?}"));
        match reply.get_mut("ok") {
            Some(value) => value.take(),
            None => panic!("{method} failed: {}", reply["error"]),
        }
    }

    /// What the page hears from now on, for 0.7 s.
    pub(crate) fn record(&mut self) -> Recording {
        recording(&self.ask("record", &json!(null)), 1.0)
    }

    /// Has the page say this in place of its tone; returns when it is over.
    pub(crate) fn say(&mut self, speech: &Recording) {
        let samples = speech.samples_16();
        let speech = json!({ "rate": speech.sample_rate_hz, "samples": samples });
        self.ask("say", &speech);
    }

    /// Keeps what the page hears until [`Chromium::end_recording`].
    pub(crate) fn begin_recording(&mut self) {
        self.ask("beginRecording", &json!(null));
    }

    /// What it has heard since then.
    pub(crate) fn end_recording(&mut self) -> Recording {
        recording(&self.ask("endRecording", &json!(null)), 32_768.0)
    }

    /// The statistics of the page's peer connection.
    pub(crate) fn stats(&mut self) -> Stats {
        Stats::new(self.ask("stats", &json!(null)))
    }

    /// The page's console and what the driver has to say.
    pub(crate) fn log(&self) -> String {
        self.driver.log()
    }
}

/// Samples as the page gives them, with their full scale.
fn recording(heard: &Value, full_scale: f64) -> Recording {
    let samples = heard["samples"].as_array().expect("a list of samples");
    let samples = samples.iter().filter_map(Value::as_f64);
    Recording {
        sample_rate_hz: heard["rate"].as_f64().expect("a rate"),
        samples: samples.map(|sample| sample / full_scale).collect(),
    }
}

/// Where `cargo xtask` installs what `package.json` names.
fn node_modules() -> PathBuf {
    // target/tmp is cargo's own for integration tests.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let modules = target.map(|target| target.join("browser/node_modules"));
    let modules = modules.expect("a directory above");
    for package in ["playwright-core", "sip.js"] {
        assert!(
            modules.join(package).is_dir(),
            "no npm package {package} in {}: `cargo xtask test` installs it",
            modules.display()
        );
    }
    modules
}
