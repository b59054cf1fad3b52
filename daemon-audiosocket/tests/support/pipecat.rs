//! Bots made of pipecat-ai itself, in processes of their own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

/// A Python process has this long to import Pipecat, and to tell of what happens.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Pipecat {
    child: Child,
    events: Receiver<Value>,
    pub port: u16,
}

impl Pipecat {
    /// A server of all kinds of bots; of the same port as before, if there was one.
    pub fn serve(port: u16) -> Self {
        Self::serve_with(&["serve", &port.to_string()])
    }

    /// Any of the script's servers.
    pub fn serve_with(args: &[&str]) -> Self {
        let mut pipecat = Self::start(args);
        let ready = pipecat.event("ready");
        pipecat.port = ready["port"].as_u64().unwrap() as u16;
        pipecat
    }

    pub fn start(args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipecat/bot.py");
        let mut child = Command::new(python())
            .arg(script)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Pipecat greets on its own.
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = sender.send(event);
                }
            }
        });
        Self {
            child,
            events,
            port: 0,
        }
    }

    /// The option that has the daemon dial this kind of bot.
    pub fn option(&self, kind: &str) -> String {
        format!("--bot-url=ws://127.0.0.1:{}/{kind}/{{uuid}}", self.port)
    }

    /// The next event of this name; those before it are passed over.
    pub fn event(&self, name: &str) -> Value {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.unwrap_or_else(|_| panic!("no {name} from the bot"));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// As a crash does it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Pipecat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port that stays free: below those that the kernel gives to whoever asks for any, so that a server may come
/// back to it. Each test has a `number` of its own.
pub fn lasting_port(number: u16) -> u16 {
    let first = 20_000 + (std::process::id() % 1000) as u16 * 10 + number;
    let ports = (first..32_000)
        .step_by(10)
        .chain((20_000..first).step_by(10));
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().unwrap()
}

/// When an event happened, since 1970.
pub fn at(event: &Value) -> Duration {
    Duration::from_secs_f64(event["at"].as_f64().unwrap())
}

/// Since 1970.
pub fn wall_clock() -> Duration {
    UNIX_EPOCH.elapsed().unwrap()
}

/// Where `cargo xtask` installs pipecat-ai.
fn python() -> PathBuf {
    // target/tmp is cargo's own for integration tests.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let environment = target.unwrap().join("pipecat/venv");
    let python = environment.join("bin/python");
    let installed = std::fs::read_to_string(environment.join("installed.txt"));
    assert!(
        python.is_file() && installed.is_ok_and(|list| list.contains("pipecat-ai==")),
        "no Python package pipecat-ai in {}: `cargo xtask test` installs it",
        environment.display()
    );
    python
}
