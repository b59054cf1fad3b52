//! An NG client over UDP.

use std::borrow::Cow;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::{bencode, value::Value};

use super::{PATIENCE, wait_for};

/// Speaks NG to one daemon. Cookies never repeat unless asked to.
#[derive(Debug)]
pub(crate) struct NgClient {
    socket: UdpSocket,
}

/// A request repeats with the same cookie after this long, as controllers do.
const RETRANSMIT: Duration = Duration::from_secs(1);

impl NgClient {
    /// A client of the daemon that listens at `daemon`.
    pub(crate) fn new(daemon: SocketAddr) -> Self {
        let any = if daemon.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        let socket = UdpSocket::bind(any).expect("a loopback socket can be bound");
        socket.connect(daemon).expect("loopback is reachable");
        Self { socket }
    }

    /// A cookie that was not used before, by no client of this process: rtpengine takes requests with
    /// equal cookies for one, whoever sends them.
    pub(crate) fn cookie(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{}_{count}", std::process::id())
    }

    /// Sends a request and waits for its reply, repeating it if need be.
    ///
    /// # Panics
    /// Without a readable reply within [`PATIENCE`].
    pub(crate) fn request(&self, request: &Value<'_>) -> Value<'static> {
        let mut document = Vec::new();
        bencode::encode(request, &mut document);
        let reply = self.ask(&document);
        match bencode::decode(&reply) {
            Ok((value, used)) if used == reply.len() => into_owned(value),
            _ => panic!(
                "not a bencode document: {}",
                String::from_utf8_lossy(&reply)
            ),
        }
    }

    /// The same in JSON.
    ///
    /// # Panics
    /// Without a readable reply within [`PATIENCE`].
    pub(crate) fn request_json(&self, request: &serde_json::Value) -> serde_json::Value {
        let reply = self.ask(request.to_string().as_bytes());
        serde_json::from_slice(&reply).expect("a JSON document")
    }

    /// Sends any document with a new cookie; the reply's document.
    ///
    /// # Panics
    /// Without a reply within [`PATIENCE`].
    pub(crate) fn ask(&self, document: &[u8]) -> Vec<u8> {
        self.exchange(&self.cookie(), document, PATIENCE)
            .unwrap_or_else(|| panic!("no reply to {}", String::from_utf8_lossy(document)))
    }

    /// The same as text, with a cookie of the caller's choice.
    ///
    /// # Panics
    /// Without a reply within [`PATIENCE`].
    pub(crate) fn ask_as(&self, cookie: &str, document: &str) -> String {
        let reply = self.exchange(cookie, document.as_bytes(), PATIENCE);
        let reply = reply.unwrap_or_else(|| panic!("no reply to {document}"));
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Pings until there is an answer.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub(crate) fn await_pong(&self) {
        wait_for("the daemon's first pong", || {
            self.pings(Duration::from_millis(100)).then_some(())
        });
    }

    /// Whether the daemon answers a ping within `patience`.
    pub(crate) fn pings(&self, patience: Duration) -> bool {
        let cookie = self.cookie();
        self.exchange(&cookie, b"d7:command4:pinge", patience)
            .is_some_and(|reply| reply == b"d6:result4:ponge")
    }

    /// Sends `cookie SP document` until a reply with that cookie comes; returns its document.
    pub(crate) fn exchange(
        &self,
        cookie: &str,
        document: &[u8],
        patience: Duration,
    ) -> Option<Vec<u8>> {
        let datagram = [cookie.as_bytes(), b" ", document].concat();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            // Refused while the daemon is not up yet: the next round tries again.
            let sent = self.socket.send(&datagram).is_ok();
            let round = Instant::now() + RETRANSMIT.min(patience);
            while let Some(left) = round.checked_duration_since(Instant::now()) {
                match self.receive(left) {
                    Some(reply) => {
                        if let Some(document) = strip_cookie(&reply, cookie) {
                            return Some(document.to_vec());
                        }
                    }
                    None if !sent => break,
                    None => {}
                }
            }
        }
        None
    }

    /// Sends `datagram` as it is and returns whatever comes back within `patience`.
    pub(crate) fn send_raw(&self, datagram: &[u8], patience: Duration) -> Option<Vec<u8>> {
        // A repeated request may have left a second reply behind.
        while self.receive(Duration::from_millis(1)).is_some() {}
        self.socket.send(datagram).expect("the daemon is up");
        self.receive(patience)
    }

    /// The next datagram, if one comes within `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        let patience = patience.max(Duration::from_millis(1));
        self.socket
            .set_read_timeout(Some(patience))
            .expect("a timeout above zero is accepted");
        let mut buffer = vec![0; 65_536];
        let len = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }
}

fn strip_cookie<'a>(datagram: &'a [u8], cookie: &str) -> Option<&'a [u8]> {
    datagram
        .strip_prefix(cookie.as_bytes())?
        .strip_prefix(b" ".as_slice())
}

/// A copy that borrows from nothing.
pub(crate) fn into_owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Int(n) => Value::Int(n),
        Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        Value::List(items) => Value::List(items.into_iter().map(into_owned).collect()),
        Value::Dict(pairs) => Value::Dict(
            pairs
                .into_iter()
                .map(|(key, value)| (Cow::Owned(key.into_owned()), into_owned(value)))
                .collect(),
        ),
    }
}

/// The string at `key`, or "".
pub(crate) fn text<'a>(value: &'a Value<'_>, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The integer at the end of a path of keys.
pub(crate) fn int_at(value: &Value<'_>, path: &[&str]) -> Option<i64> {
    path.iter()
        .try_fold(value, |value, key| value.get(key))?
        .as_int()
}
