//! Calls against a media plane that only keeps books.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::*;
use crate::dtls::Certificate;
use crate::engine::{BindError, Command, Component, Event, Route};
use crate::engine::{CallTimeouts, MediaPlane, ShardLoad, SocketOptions};
use crate::units::{CallKey, Now, ShardId, SocketId};

mod calls;
mod deletes;
mod descriptions;
mod ice;
mod limits;
mod media;
mod placement;
mod properties;
mod reports;
mod sections;
mod security;
mod transcode;
mod triggers;

/// Remembers sockets, routes and calls as a shard would, without sending anything.
#[derive(Default)]
struct Books {
    inner: Mutex<Inner>,
    /// Every further bind fails for want of descriptors.
    full: AtomicBool,
    /// What the two shards say of themselves.
    loads: Mutex<[ShardLoad; 2]>,
}

#[derive(Default)]
struct Inner {
    made: u32,
    open: HashMap<SocketId, SocketAddr>,
    taken: HashMap<SocketAddr, SocketOptions>,
    routes: HashMap<SocketId, Route>,
    calls: HashMap<CallKey, CallTimeouts>,
    draining: HashMap<CallKey, Duration>,
    /// Digits played.
    digits: Vec<(SocketId, crate::media::transcode::Play)>,
    events: VecDeque<Event>,
    restated: usize,
}

impl Inner {
    fn close(&mut self, socket: SocketId) {
        if let Some(local) = self.open.remove(&socket) {
            self.taken.remove(&local);
            self.routes.remove(&socket);
            self.events.push_back(Event::SocketClosed { socket });
        }
    }
    /// Sockets that are not must at least be those whose closing has not been told yet.
    fn is_open(&self, socket: SocketId) -> bool {
        let open = self.open.contains_key(&socket);
        let told = !self.events.contains(&Event::SocketClosed { socket });
        assert!(open || !told, "a command names a closed socket");
        open
    }
    fn end(&mut self, call: CallKey) {
        let of_call =
            |(socket, route): (&SocketId, &Route)| (route.call == call).then_some(*socket);
        let mut sockets: Vec<SocketId> = self.routes.iter().filter_map(of_call).collect();
        for route in self.routes.values().filter(|route| route.call == call) {
            sockets.extend(route.alternates.iter().map(|other| other.socket));
        }
        sockets.into_iter().for_each(|socket| self.close(socket));
        self.calls.remove(&call);
        self.draining.remove(&call);
    }
}

impl Books {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl MediaPlane for Books {
    fn shards(&self) -> u8 {
        2
    }
    fn bind(
        &self,
        shard: ShardId,
        local: SocketAddr,
        options: SocketOptions,
    ) -> Result<SocketId, BindError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(BindError::TooManySockets);
        }
        let mut inner = self.lock();
        if inner.taken.contains_key(&local) {
            return Err(BindError::InUse(local.port()));
        }
        inner.made += 1;
        let socket = SocketId::new(shard, inner.made, 0);
        inner.taken.insert(local, options);
        inner.open.insert(socket, local);
        Ok(socket)
    }
    fn load(&self, shard: ShardId) -> ShardLoad {
        self.loads.lock().unwrap()[usize::from(shard.get())]
    }
    fn commands(&self, shard: ShardId, commands: Vec<Command>) {
        let mut inner = self.lock();
        for command in commands {
            match command {
                Command::Call { call, timeouts } => {
                    inner.draining.remove(&call);
                    inner.calls.insert(call, timeouts);
                }
                Command::Route { socket, route } => {
                    assert_eq!(socket.shard(), shard);
                    // As a shard does with a call that it does not know, or not any more.
                    inner.calls.entry(route.call).or_default();
                    inner.restated += 1;
                    if inner.is_open(socket) {
                        for other in &route.alternates {
                            assert!(inner.is_open(other.socket), "it has its stream's life");
                        }
                        inner.routes.insert(socket, *route);
                    } else {
                        for other in &route.alternates {
                            inner.close(other.socket);
                        }
                    }
                }
                Command::CloseSockets { sockets } => {
                    sockets.into_iter().for_each(|socket| inner.close(socket));
                }
                Command::CloseCall { call, after } if after.is_zero() => {
                    inner.end(call);
                    inner.events.push_back(Event::CallClosed { call });
                }
                Command::CloseCall { call, after } => {
                    inner.draining.insert(call, after);
                }
                Command::PlayDigit { socket, play } => inner.digits.push((socket, play)),
                #[cfg(feature = "testing")]
                Command::SendFrom { .. } | Command::HandshakeEnded { .. } => {
                    unreachable!("the driver's own")
                }
                Command::PanicOnNextPacket { .. } => {}
            }
        }
        // No route may name a socket that is gone.
        for route in inner.routes.values() {
            for sink in route
                .rtp_sinks
                .as_slice()
                .iter()
                .chain(route.rtcp_sinks.as_slice())
            {
                inner.is_open(sink.socket);
                assert_eq!(sink.socket.shard(), shard_of(route, &inner.routes));
            }
        }
    }
}

fn shard_of(route: &Route, routes: &HashMap<SocketId, Route>) -> ShardId {
    let mut of_call = routes.iter().filter(|(_, other)| other.call == route.call);
    of_call.next().unwrap().0.shard()
}

#[derive(Default)]
struct Ends(Mutex<Vec<CallEnded>>);

impl SessionObserver for Ends {
    fn call_ended(&self, ended: &CallEnded) {
        self.0.lock().unwrap().push(ended.clone());
    }
}

/// Random octets that are none: they count up.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// When tests begin.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// The sessions under test, with their surroundings.
struct Desk {
    plane: Arc<Books>,
    ends: Arc<Ends>,
    sessions: Sessions,
    start: Instant,
    passed: Mutex<Duration>,
}

fn interface(name: &str, address: &str) -> InterfaceConfig {
    InterfaceConfig {
        name: name.into(),
        address: address.parse().unwrap(),
        advertised: None,
        port_min: 30000,
        port_max: 30999,
    }
}

fn config() -> SessionConfig {
    SessionConfig {
        interfaces: vec![
            interface("default", "127.0.0.1"),
            interface("two", "127.0.0.2"),
            InterfaceConfig {
                advertised: Some("203.0.113.3".parse().unwrap()),
                ..interface("rr:a", "127.0.0.3")
            },
            interface("rr:b", "127.0.0.4"),
            interface("six", "::1"),
        ],
        interface_aliases: vec![("alias".into(), "two".into())],
        ..SessionConfig::default()
    }
}

impl Desk {
    fn new() -> Self {
        Self::with(config())
    }
    #[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
    fn with(config: SessionConfig) -> Self {
        let plane = Arc::new(Books::default());
        let ends = Arc::new(Ends::default());
        let start = Instant::now();
        let begin = Now {
            monotonic: start,
            unix: EPOCH,
        };
        let sessions = Sessions::new(config, plane.clone(), start)
            .with_observer(ends.clone())
            .with_entropy(Arc::new(Counting::default()))
            .with_certificate(Certificate::generate(begin).unwrap());
        Self {
            plane,
            ends,
            sessions,
            start,
            passed: Mutex::default(),
        }
    }
    fn now(&self) -> Now {
        let passed = *self.passed.lock().unwrap();
        Now {
            monotonic: self.start + passed,
            unix: EPOCH + passed,
        }
    }
    fn wait(&self, time: Duration) {
        *self.passed.lock().unwrap() += time;
    }
    /// Hands over what the plane has to say.
    fn settle(&self) {
        loop {
            let Some(event) = self.plane.lock().events.pop_front() else {
                return;
            };
            self.sessions.handle_event(self.now(), event);
        }
    }

    fn offer(&self, offer: Said<'_>) -> Result<Rewritten, SessionError> {
        let request = OfferRequest {
            call_id: offer.call_id,
            from_tag: offer.from,
            to_tag: (!offer.to.is_empty()).then_some(offer.to),
            via_branch: (!offer.branch.is_empty()).then_some(offer.branch),
            sdp: offer.sdp.as_bytes(),
            options: &offer.options,
        };
        self.sessions.offer(self.now(), &request)
    }
    fn answer(&self, answer: Said<'_>) -> Result<Rewritten, SessionError> {
        let request = AnswerRequest {
            call_id: answer.call_id,
            from_tag: answer.from,
            to_tag: answer.to,
            via_branch: (!answer.branch.is_empty()).then_some(answer.branch),
            sdp: answer.sdp.as_bytes(),
            options: &answer.options,
        };
        self.sessions.answer(self.now(), &request)
    }
    /// Offer by `f` from port 4000, answer by `t` from 5000; the ports shown to t and to f.
    fn call(&self, call_id: &str) -> (u16, u16) {
        let offered = self
            .offer(Said {
                call_id,
                ..said("f", "", &sdp(4000))
            })
            .unwrap();
        let answered = self
            .answer(Said {
                call_id,
                ..said("f", "t", &sdp(5000))
            })
            .unwrap();
        (port(&offered), port(&answered))
    }
    fn query(&self, call_id: &str) -> CallReport {
        let request = QueryRequest {
            call_id,
            from_tag: None,
            to_tag: None,
        };
        self.sessions.query(self.now(), &request).unwrap()
    }
    fn delete(&self, call_id: &str, from: Option<&str>, after: u64) -> DeleteOutcome {
        let options = DeleteOptions {
            delete_delay: Some(Duration::from_secs(after)),
            ..DeleteOptions::default()
        };
        let request = DeleteRequest {
            call_id,
            from_tag: from,
            to_tag: None,
            via_branch: None,
            options: &options,
        };
        self.sessions.delete(self.now(), &request).unwrap()
    }
    /// The route of the socket on this port of 127.0.0.1.
    fn route(&self, port: u16) -> Route {
        self.route_at(&format!("127.0.0.1:{port}"))
    }
    fn route_at(&self, local: &str) -> Route {
        let local: SocketAddr = local.parse().unwrap();
        let inner = self.plane.lock();
        let (socket, _) = inner.open.iter().find(|(_, at)| **at == local).unwrap();
        inner.routes[socket].clone()
    }
    /// Where RTP that arrives on this port of 127.0.0.1 leaves: local and remote port.
    fn rtp_leaves(&self, port: u16) -> Option<(u16, Option<u16>)> {
        let route = self.route(port);
        let sink = route.rtp_sinks.as_slice().first()?.socket;
        let inner = self.plane.lock();
        let endpoint = inner.routes[&sink].endpoint.map(|endpoint| endpoint.port());
        Some((inner.open[&sink].port(), endpoint))
    }
    fn rtcp_leaves(&self, port: u16) -> Option<(u16, Option<u16>)> {
        let route = self.route(port);
        let sink = route.rtcp_sinks.as_slice().first()?.socket;
        let inner = self.plane.lock();
        let endpoint = inner.routes[&sink].endpoint.map(|endpoint| endpoint.port());
        Some((inner.open[&sink].port(), endpoint))
    }
    fn open_sockets(&self) -> usize {
        self.plane.lock().open.len()
    }
    fn ports_used(&self) -> u32 {
        let statistics = self.sessions.statistics(self.now());
        statistics
            .interfaces
            .iter()
            .map(|interface| interface.used)
            .sum()
    }
    /// Nothing is left of any call.
    fn assert_empty(&self) {
        self.settle();
        assert_eq!(self.open_sockets(), 0);
        assert_eq!(self.ports_used(), 0);
        assert_eq!(self.sessions.sessions(), 0);
        assert_eq!(self.plane.lock().calls.len(), 0);
        assert_eq!(
            self.sessions.statistics(self.now()).current,
            CurrentStatistics::default()
        );
    }
    fn ends(&self) -> Vec<(String, EndReason)> {
        let ends = self.ends.0.lock().unwrap();
        ends.iter()
            .map(|end| (end.call_id.clone(), end.reason))
            .collect()
    }
}

/// What a test says in an offer or an answer.
struct Said<'a> {
    call_id: &'a str,
    from: &'a str,
    to: &'a str,
    branch: &'a str,
    sdp: &'a str,
    options: Options,
}

fn said<'a>(from: &'a str, to: &'a str, sdp: &'a str) -> Said<'a> {
    Said {
        call_id: "c",
        from,
        to,
        branch: "",
        sdp,
        options: Options::default(),
    }
}

/// One audio section.
fn sdp(port: u16) -> String {
    sdp_at("127.0.0.9", port, "")
}
/// One audio section, with more lines behind it.
fn sdp_at(address: &str, port: u16, more: &str) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
    )
}

fn lines<'a>(text: &'a [u8], prefix: &str) -> Vec<&'a str> {
    let mut found: Vec<&str> = str::from_utf8(text)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix(prefix))
        .collect();
    found.iter_mut().for_each(|line| *line = line.trim_end());
    found
}
/// Ports of the m= lines.
fn ports(rewritten: &Rewritten) -> Vec<u16> {
    let of = |line: &&str| line.split(' ').nth(1).unwrap().parse().unwrap();
    lines(&rewritten.sdp, "m=").iter().map(of).collect()
}
fn port(rewritten: &Rewritten) -> u16 {
    ports(rewritten)[0]
}
