//! A pipelining NG client over UDP: cookies, requests in flight, retransmission.
//!
//! Cookies are `<prefix>_<number>`; replies are matched by cookie and may come in any order. A request
//! unanswered for [`RETRANSMIT_AFTER`] is sent again with the same cookie, as Kamailio does, and given
//! up after [`TRIES`] sendings.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::bencode::{self, DecodeError};
use daemon_rtpengine::ng::value::Value;

use crate::host;

/// How long a reply may take before its request is sent again.
pub const RETRANSMIT_AFTER: Duration = Duration::from_secs(1);
/// Sendings of one request before it is given up.
pub const TRIES: u32 = 5;
/// Room for bursts of replies, in bytes.
const SOCKET_BUFFER_BYTES: usize = 8 << 20;

/// Why a request brought no usable reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NgError {
    /// The socket to the daemon could not be made or used.
    #[error("NG socket to {daemon}")]
    Socket {
        /// The daemon's NG address.
        daemon: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("no reply from {daemon} to {TRIES} sendings")]
    NoReply {
        /// The daemon's NG address.
        daemon: SocketAddr,
    },
    /// The reply is not a bencode dictionary.
    #[error("unreadable reply")]
    Unreadable(#[from] DecodeError),
    /// The daemon answered `result: error`, or no result at all.
    #[error("refused: {reason}")]
    Refused {
        /// The daemon's `error-reason`.
        reason: String,
    },
}

/// What came of one request.
#[derive(Debug)]
pub struct Reply {
    /// The token given to [`Client::send`].
    pub token: u64,
    /// From the first sending to now.
    pub latency: Duration,
    /// The document that came back.
    pub document: Result<Document, NgError>,
}

/// A reply's bytes, cookie removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Vec<u8>);

impl Document {
    /// Decodes the document.
    ///
    /// # Errors
    /// [`NgError::Unreadable`] if it is not bencode.
    pub fn value(&self) -> Result<Value<'_>, NgError> {
        Ok(bencode::decode(&self.0)?.0)
    }

    /// Decodes the document and insists on `result: ok` (or `pong`).
    ///
    /// # Errors
    /// [`NgError::Refused`] with the daemon's reason, or [`NgError::Unreadable`].
    pub fn accepted(&self) -> Result<Value<'_>, NgError> {
        let value = self.value()?;
        match value.get("result").and_then(Value::as_str) {
            Some("ok" | "pong") => Ok(value),
            _ => Err(NgError::Refused {
                reason: value
                    .get("error-reason")
                    .and_then(Value::as_str)
                    .unwrap_or("reply without result")
                    .to_owned(),
            }),
        }
    }
}

struct Pending {
    token: u64,
    first_sent: Instant,
    last_sent: Instant,
    tries: u32,
    datagram: Vec<u8>,
}

/// The client. One socket, any number of requests in flight.
pub struct Client {
    socket: UdpSocket,
    daemon: SocketAddr,
    prefix: String,
    next_cookie: u64,
    pending: HashMap<Vec<u8>, Pending>,
    next_check: Instant,
    retransmissions: u64,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to a daemon's NG socket. Nothing is sent yet.
    ///
    /// `prefix` starts every cookie; two clients of one daemon need different ones.
    ///
    /// # Errors
    /// [`NgError::Socket`].
    pub fn connect(daemon: SocketAddr, prefix: impl Into<String>) -> Result<Self, NgError> {
        let open = || {
            let socket = match daemon {
                SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
            }?;
            socket.connect(daemon)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            host::enlarge_buffers(&socket, SOCKET_BUFFER_BYTES)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(|source| NgError::Socket { daemon, source })?,
            daemon,
            prefix: prefix.into(),
            next_cookie: 0,
            pending: HashMap::new(),
            next_check: Instant::now() + RETRANSMIT_AFTER,
            retransmissions: 0,
            buffer: vec![0; 65_536],
        })
    }

    /// Requests sent and neither answered nor given up.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Sendings beyond the first, since the client was made.
    #[must_use]
    pub const fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// Sends a request; its reply carries `token`.
    pub fn send(&mut self, token: u64, request: &Value<'_>) {
        let cookie = format!("{}_{}", self.prefix, self.next_cookie).into_bytes();
        self.next_cookie += 1;
        let mut datagram = cookie.clone();
        datagram.push(b' ');
        bencode::encode(request, &mut datagram);
        let now = Instant::now();
        self.transmit(&datagram);
        self.pending.insert(
            cookie,
            Pending {
                token,
                first_sent: now,
                last_sent: now,
                tries: 1,
                datagram,
            },
        );
    }

    /// Waits for the next reply, or for a request that has to be given up. `None` when nothing is in
    /// flight.
    pub fn receive(&mut self) -> Option<Reply> {
        while !self.pending.is_empty() {
            match self.socket.recv(&mut self.buffer) {
                Ok(len) => {
                    if let Some(reply) = self.match_reply(len) {
                        return Some(reply);
                    }
                }
                Err(e) if is_pause(&e) => {}
                // A refused port: the daemon is not there (yet). The timers below decide.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
            if let Some(lost) = self.retransmit() {
                return Some(lost);
            }
        }
        None
    }

    /// Takes a reply, if the socket is `readable`, or gives up a request that is due for it; does not
    /// wait. For who waits for other sockets too.
    pub fn receive_ready(&mut self, readable: bool) -> Option<Reply> {
        if readable
            && let Ok(len) = self.socket.recv(&mut self.buffer)
            && let Some(reply) = self.match_reply(len)
        {
            return Some(reply);
        }
        self.retransmit()
    }

    /// Sends one request and waits for its reply. Replies to earlier requests are thrown away, so use
    /// it with nothing in flight.
    ///
    /// # Errors
    /// [`NgError::NoReply`].
    pub fn ask(&mut self, request: &Value<'_>) -> Result<Document, NgError> {
        self.send(u64::MAX, request);
        while let Some(reply) = self.receive() {
            if reply.token == u64::MAX {
                return reply.document;
            }
        }
        Err(NgError::NoReply {
            daemon: self.daemon,
        })
    }

    fn transmit(&self, datagram: &[u8]) {
        // A send that fails is a datagram lost: the retransmission makes up for it.
        let _ = self.socket.send(datagram);
    }

    fn match_reply(&mut self, len: usize) -> Option<Reply> {
        let datagram = &self.buffer[..len];
        let space = datagram.iter().position(|&c| c == b' ')?;
        // A reply to a retransmitted request may come twice: the second has nothing to match.
        let pending = self.pending.remove(&datagram[..space])?;
        Some(Reply {
            token: pending.token,
            latency: pending.first_sent.elapsed(),
            document: Ok(Document(datagram[space + 1..].to_vec())),
        })
    }

    fn retransmit(&mut self) -> Option<Reply> {
        let now = Instant::now();
        if now < self.next_check {
            return None;
        }
        let overdue: Vec<Vec<u8>> = self
            .pending
            .iter()
            .filter(|(_, p)| now - p.last_sent >= RETRANSMIT_AFTER)
            .map(|(cookie, _)| cookie.clone())
            .collect();
        for cookie in overdue {
            let pending = self.pending.get_mut(&cookie)?;
            if pending.tries >= TRIES {
                let pending = self.pending.remove(&cookie)?;
                // Look again at once: others may be due as well.
                return Some(Reply {
                    token: pending.token,
                    latency: pending.first_sent.elapsed(),
                    document: Err(NgError::NoReply {
                        daemon: self.daemon,
                    }),
                });
            }
            pending.tries += 1;
            pending.last_sent = now;
            self.retransmissions += 1;
            let _ = self.socket.send(&pending.datagram);
        }
        self.next_check = now + RETRANSMIT_AFTER / 10;
        None
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_pause(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping() -> Value<'static> {
        let mut ping = Value::dict();
        ping.push("command", Value::str("ping"));
        ping
    }

    /// A daemon that answers the requests it hears in the order given by `order`.
    fn answering(count: usize, order: impl Fn(&mut Vec<Vec<u8>>) + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            let (mut cookies, mut peer) = (Vec::new(), None);
            while cookies.len() < count {
                let (len, from) = socket.recv_from(&mut buffer).unwrap();
                let space = buffer[..len].iter().position(|&c| c == b' ').unwrap();
                cookies.push(buffer[..space].to_vec());
                peer = Some(from);
            }
            order(&mut cookies);
            for cookie in cookies {
                let mut reply = cookie;
                reply.extend_from_slice(b" d6:result4:ponge");
                socket.send_to(&reply, peer.unwrap()).unwrap();
            }
        });
        address
    }

    #[test]
    fn replies_are_matched_by_cookie_in_any_order() {
        let daemon = answering(8, |cookies| cookies.reverse());
        let mut client = Client::connect(daemon, "t").unwrap();
        for token in 0..8 {
            client.send(token, &ping());
        }
        let tokens: Vec<u64> =
            std::iter::from_fn(|| client.receive().map(|reply| reply.token)).collect();
        assert_eq!(tokens, [7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!((client.in_flight(), client.retransmissions()), (0, 0));
    }

    #[test]
    fn an_unanswered_request_is_sent_again_with_its_cookie() {
        // The daemon speaks only once it has heard two datagrams.
        let daemon = answering(2, |cookies| {
            assert_eq!(cookies[0], cookies[1]);
        });
        let mut client = Client::connect(daemon, "t").unwrap();
        let reply = client.ask(&ping()).unwrap();
        assert!(reply.accepted().is_ok());
        assert_eq!(client.retransmissions(), 1);
    }

    #[test]
    fn a_refusal_names_the_daemons_reason() {
        let reply = Document(b"d6:result5:error12:error-reason8:no portse".to_vec());
        assert_eq!(
            reply.accepted().unwrap_err().to_string(),
            "refused: no ports"
        );
    }
}
