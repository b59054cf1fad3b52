//! baresip, a phone with codecs of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::daemon::test_file;
use super::process::{Guard, TempDir};
use super::tone::Recording;
use super::wait_for;

/// Where Debian keeps its modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// How it is set up.
pub(crate) struct Setup<'a> {
    pub(crate) sip_port: u16,
    /// The first of ten ports for its media.
    pub(crate) rtp_port: u16,
    /// What stands behind the address of its account.
    pub(crate) account: &'a str,
    pub(crate) modules: &'a [&'a str],
    /// More lines of its configuration.
    pub(crate) config: &'a str,
}

/// Starts it; returns when it is ready.
///
/// # Panics
/// When the program or a module is missing, naming the package.
pub(crate) fn start(dir: &TempDir, setup: &Setup<'_>) -> Guard {
    let mut more = setup.config.to_owned();
    for module in setup.modules {
        assert!(
            Path::new(MODULES).join(module).exists(),
            "no {MODULES}/{module}: it is in the Debian package baresip-core"
        );
        more.push_str(&format!("\nmodule {module}"));
    }
    let home = dir.join("baresip");
    std::fs::create_dir(&home).expect("the directory can be made");
    let template = std::fs::read_to_string(test_file("baresip/config"));
    let rtp_port = setup.rtp_port;
    let config = template
        .expect("the template is there")
        .replace("{modules}", MODULES)
        .replace("{sip_port}", &setup.sip_port.to_string())
        .replace("{rtp_ports}", &format!("{rtp_port}-{}", rtp_port + 9))
        .replace("{more}", &more);
    let account = format!("<sip:baresip@127.0.0.1>;regint=0;{}\n", setup.account);
    for (name, text) in [
        ("config", config),
        ("accounts", account),
        ("contacts", String::new()),
    ] {
        std::fs::write(home.join(name), text).expect("the configuration can be written");
    }
    let mut command = Command::new("baresip");
    command.arg("-f").arg(&home).arg("-v");
    let mut guard = Guard::start(command, "baresip-core", &dir.join("baresip.log"));
    wait_for("baresip", || {
        if let Some(status) = guard.exit_status() {
            panic!("baresip ended with {status}\n{}", guard.log_tail());
        }
        guard.log().contains("baresip is ready").then_some(())
    });
    guard
}

/// A connection to its module `ctrl_tcp`: JSON in netstrings, commands to it and events from it.
pub(crate) struct Control {
    stream: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
}

impl Control {
    /// Connects to where it listens.
    pub(crate) fn connect(port: u16) -> Self {
        let stream = wait_for("baresip's control port", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        let round = Some(Duration::from_millis(5));
        stream
            .set_read_timeout(round)
            .expect("a timeout above zero");
        Self {
            stream,
            unread: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Gives a command.
    pub(crate) fn command(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params }).to_string();
        let sent = write!(self.stream, "{}:{text},", text.len());
        sent.expect("baresip takes commands");
    }

    /// The parameters of all events so far of this type.
    pub(crate) fn events(&mut self, kind: &str) -> Vec<String> {
        self.read();
        let of_kind = self.events.iter().filter(|event| event["type"] == kind);
        of_kind
            .map(|event| event["param"].as_str().unwrap_or("").to_owned())
            .collect()
    }

    /// Waits for an event of this type.
    pub(crate) fn await_event(&mut self, kind: &str) {
        wait_for(&format!("baresip's {kind}"), || {
            (!self.events(kind).is_empty()).then_some(())
        });
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => self.unread.extend(&buffer[..len]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("baresip's control port: {error}"),
            }
        }
        while let Some(message) = self.next_message() {
            self.events.push(message);
        }
    }

    /// The next whole netstring: its length in digits, a colon, the text, a comma.
    fn next_message(&mut self) -> Option<Value> {
        let colon = self.unread.iter().position(|byte| *byte == b':')?;
        let len = std::str::from_utf8(&self.unread[..colon]).ok();
        let len: usize = len.and_then(|len| len.parse().ok()).expect("a length");
        let end = colon + 1 + len;
        if self.unread.len() <= end {
            return None;
        }
        let message = serde_json::from_slice(&self.unread[colon + 1..end]);
        self.unread.drain(..=end);
        Some(message.expect("JSON"))
    }
}

/// A WAV file of these samples in 16 bits, each in all channels.
pub(crate) fn write_wav(path: &Path, sample_rate_hz: u32, channels: u16, samples: &[i16]) {
    let frame = channels * 2;
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes().repeat(usize::from(channels)))
        .collect();
    let len = u32::try_from(data.len()).expect("a short file");
    let mut file = b"RIFF".to_vec();
    file.extend((36 + len).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(sample_rate_hz.to_le_bytes());
    file.extend((sample_rate_hz * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(len.to_le_bytes());
    file.extend(data);
    std::fs::write(path, file).expect("the file can be written");
}

/// The first channel of a WAV file of 16-bit samples, whose header may not know yet how long it is.
///
/// # Panics
/// When it is none.
pub(crate) fn read_wav(bytes: &[u8]) -> Recording {
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
    assert_eq!(
        (&bytes[..4], &bytes[8..16]),
        (&b"RIFF"[..], &b"WAVEfmt "[..])
    );
    assert_eq!(short(34), 16, "bits");
    let channels = usize::from(short(22));
    let mut at = 12;
    while &bytes[at..at + 4] != b"data" {
        at += 8 + usize::try_from(long(at + 4)).expect("a short header");
    }
    let frames = bytes[at + 8..].chunks_exact(2 * channels);
    let first = |frame: &[u8]| f64::from(i16::from_le_bytes([frame[0], frame[1]])) / 32_768.0;
    Recording {
        sample_rate_hz: long(24).into(),
        samples: frames.map(first).collect(),
    }
}
