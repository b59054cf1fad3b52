//! A daemon as a process of its own, and a client for it.
#![allow(dead_code, reason = "each test file uses its own part")]
#![expect(unreachable_pub, reason = "each test file is a crate of its own")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine, short enough not to hang a test run.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The daemon's binary.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daemon-rtpengine"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A running daemon; killed when dropped.
pub struct Process {
    pub child: Child,
}

impl Process {
    pub fn start(args: &[&str]) -> Process {
        let child = command().args(args).spawn().expect("the daemon starts");
        Process { child }
    }

    /// Waits for the process to end; `None` after the time given.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One UDP controller.
pub struct Controller {
    pub socket: UdpSocket,
}

impl Controller {
    pub fn of(daemon: SocketAddr) -> Controller {
        let local = match daemon {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::V6(_) => "[::1]:0".parse().unwrap(),
        };
        let socket = UdpSocket::bind(local).expect("a local port");
        socket.connect(daemon).expect("UDP connects at once");
        Controller { socket }
    }

    pub fn send(&self, datagram: &str) {
        // Refused while the daemon is not there yet: the caller tries again.
        let _ = self.socket.send(datagram.as_bytes());
    }

    /// The next reply, if one comes within `timeout`.
    pub fn receive(&self, timeout: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(timeout)).unwrap();
        let mut buffer = vec![0; 65_536];
        let len = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }

    /// Sends a document and gives the reply's, without the cookie.
    pub fn ask(&self, cookie: &str, document: &str) -> String {
        self.send(&format!("{cookie} {document}"));
        let reply = self.receive(DEADLINE).expect("a reply in time");
        let document = reply.strip_prefix(cookie).expect("the same cookie");
        document.strip_prefix(' ').expect("a space").to_owned()
    }

    /// Pings until there is an answer.
    pub fn wait_for_daemon(&self) {
        let deadline = Instant::now() + DEADLINE;
        for n in 0.. {
            self.send(&format!("wait-{n} d7:command4:pinge"));
            if self.receive(Duration::from_millis(50)).is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "no answer to ping");
        }
    }
}

/// Everything that a child wrote to its standard error.
pub fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = BufReader::new(stderr).read_to_string(&mut text);
    }
    text
}

/// A TCP connection that does not wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Status code, content type and body of the reply.
pub fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String, String) {
    let mut stream = connect(address);
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default();
    (status, kind.to_owned(), body.to_owned())
}
