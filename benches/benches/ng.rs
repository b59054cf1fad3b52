//! The control path from a request's bytes to its reply's, without its sockets: documents in both
//! encodings, and calls against a media plane that only keeps books.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use benches::load::Media;
use benches::sdp;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use daemon_rtpengine::ng::document::Encoding;
use daemon_rtpengine::ng::value::Value;
use daemon_rtpengine::ops::requests::RequestCounters;
use daemon_rtpengine::ops::traffic::Traffic;
use daemon_rtpengine::service::{Handled, Service};
use media_core::driver::Driver;
use media_core::engine::{BindError, Command, Event, MediaPlane, SocketOptions};
use media_core::session::{InterfaceConfig, SessionConfig, Sessions};
use media_core::units::{CallKey, ShardId, SocketId};

/// An offer as Kamailio sends it for a call between phones, 1.1 kB.
const OFFER: &[u8] = include_bytes!("../../fuzz/corpus/bencode/kamailio-offer");
const ENCODINGS: [(&str, Encoding); 2] = [("bencode", Encoding::Bencode), ("json", Encoding::Json)];

/// Counts sockets, knows which call has which, and closes them at once.
#[derive(Default)]
struct Books(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    made: u32,
    calls: HashMap<CallKey, Vec<SocketId>>,
    closed: Vec<SocketId>,
}

impl Books {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediaPlane for Books {
    fn shards(&self) -> u8 {
        1
    }

    fn bind(&self, shard: ShardId, _: SocketAddr, _: SocketOptions) -> Result<SocketId, BindError> {
        let mut inner = self.lock();
        inner.made += 1;
        Ok(SocketId::new(shard, inner.made, 0))
    }

    fn commands(&self, _: ShardId, commands: Vec<Command>) {
        let inner = &mut *self.lock();
        for command in commands {
            match command {
                Command::Route { socket, route } => {
                    let sockets = inner.calls.entry(route.call).or_default();
                    if !sockets.contains(&socket) {
                        sockets.push(socket);
                    }
                }
                Command::CloseSockets { sockets } => {
                    for open in inner.calls.values_mut() {
                        open.retain(|socket| !sockets.contains(socket));
                    }
                    inner.closed.extend(sockets);
                }
                Command::CloseCall { call, .. } => {
                    inner
                        .closed
                        .extend(inner.calls.remove(&call).into_iter().flatten());
                }
                _ => {}
            }
        }
    }
}

/// The daemon between its sockets.
struct World {
    plane: Arc<Books>,
    sessions: Arc<Sessions>,
    requests: Arc<RequestCounters>,
    service: Service,
    scratch: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let started = Instant::now();
        let interface = InterfaceConfig {
            name: "default".into(),
            address: Ipv4Addr::LOCALHOST.into(),
            advertised: None,
            port_min: 30_000,
            port_max: 39_999,
        };
        let config = SessionConfig {
            interfaces: vec![interface],
            ..SessionConfig::default()
        };
        let plane = Arc::new(Books::default());
        let books = Arc::clone(&plane) as Arc<dyn MediaPlane>;
        let sessions = Arc::new(Sessions::new(config, books, started));
        let requests = Arc::new(RequestCounters::default());
        let traffic = Arc::new(Traffic::new(Vec::new(), started));
        let (calls, counted) = (Arc::clone(&sessions), Arc::clone(&requests));
        Self {
            plane,
            sessions,
            requests,
            service: Service::new(calls, counted, traffic, started),
            scratch: Vec::new(),
        }
    }

    /// Serves a request, and tells the session layer which ports are free again.
    fn ask(&mut self, datagram: &[u8]) {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        let handled = self
            .service
            .handle_datagram(peer, datagram, &mut self.scratch);
        assert!(
            matches!(handled, Handled::Reply(_)),
            "each request has its reply"
        );
        let closed = std::mem::take(&mut self.plane.lock().closed);
        for socket in closed {
            let event = Event::SocketClosed { socket };
            self.sessions.handle_event(Driver::now(), event);
        }
    }

    /// Nothing was refused, and nothing is left.
    fn check(&self) {
        assert!(
            self.requests
                .snapshot()
                .iter()
                .all(|proxy| proxy.errors == 0)
        );
        assert!(self.sessions.list(1).is_empty() && self.plane.lock().calls.is_empty());
    }
}

/// Offer, answer and delete of one call, each with its cookie.
fn requests(encoding: Encoding, call: u64) -> [Vec<u8>; 3] {
    let id = format!("{call}@bench");
    ["offer", "answer", "delete"].map(|command| {
        let mut request = Value::dict();
        request
            .push("command", Value::str(command))
            .push("call-id", Value::str(&id))
            .push("from-tag", Value::str("A"));
        if command == "delete" {
            request.push("delete-delay", Value::Int(0));
        } else {
            let port = if command == "offer" { 4000 } else { 5000 };
            let local = format!("127.0.0.1:{port}").parse().expect("an address");
            let replace = ["origin", "session-connection"].map(Value::str);
            request
                .push(
                    "sdp",
                    Value::string(sdp::write(local, &Media::PCMU, "RTP/AVP", &[])),
                )
                .push("ICE", Value::str("remove"))
                .push("replace", Value::List(replace.into()));
        }
        if command == "answer" {
            request.push("to-tag", Value::str("B"));
        }
        let mut datagram = format!("{call}{command} ").into_bytes();
        encoding.encode(&request, &mut datagram);
        datagram
    })
}

fn documents(c: &mut Criterion) {
    let value = Encoding::decode(OFFER).1.expect("the sample is a document");
    let mut group = c.benchmark_group("ng document");
    for (name, encoding) in ENCODINGS {
        let mut out = Vec::new();
        encoding.encode(&value, &mut out);
        let document = out.clone();
        assert_eq!(Encoding::decode(&document).1.as_ref(), Ok(&value));
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_function(format!("decode offer, {name}"), |b| {
            b.iter(|| Encoding::decode(black_box(&document)).1.is_ok());
        });
        group.bench_function(format!("encode offer, {name}"), |b| {
            b.iter(|| {
                out.clear();
                encoding.encode(black_box(&value), &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("ng service");
    group.throughput(Throughput::Elements(1));
    for (name, encoding) in ENCODINGS {
        let (mut world, mut call) = (World::new(), 0);
        // Serves a whole call, of which the first requests are timed.
        let mut serve = |timed: usize| -> Duration {
            call += 1;
            let requests = requests(encoding, call);
            let begin = Instant::now();
            requests[..timed].iter().for_each(|r| world.ask(r));
            let took = begin.elapsed();
            requests[timed..].iter().for_each(|r| world.ask(r));
            took
        };
        for (what, timed) in [
            ("offer", 1),
            ("offer, answer", 2),
            ("offer, answer, delete", 3),
        ] {
            group.bench_function(format!("{what}, {name}"), |b| {
                b.iter_custom(|n| (0..n).map(|_| serve(timed)).sum());
            });
        }
        world.check();
    }
    group.finish();
}

criterion_group!(benches, documents, calls);
criterion_main!(benches);
