//! Two UDP peers and a relayed call between them, on a real driver.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(missing_docs, unreachable_pub, reason = "test support")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::driver::{Driver, DriverConfig, IoChoice, StartError};
use media_core::engine::{
    Command, Component, Event, LearnMode, Learning, MediaPlane, Protection, Route, SinkAction,
    Sinks, SocketOptions, StreamCounters,
};
use media_core::units::{CallKey, PayloadType, RtpTimestamp, SeqNo, ShardId, SocketId, Ssrc};
use media_core::wire::rtp::{RtpBuilder, RtpHeader};

pub const DEADLINE: Duration = Duration::from_secs(5);

/// Starts a driver, or says why this kernel cannot run it.
pub fn start(io: IoChoice, shards: u8, tick: Duration) -> Option<Driver> {
    let config = DriverConfig {
        shards: Some(shards),
        io,
        tick,
        max_sockets: 4096,
        ..DriverConfig::default()
    };
    match Driver::start(&config, Instant::now()) {
        Ok(driver) => Some(driver),
        Err(error) => {
            refused_by_the_kernel(&error);
            None
        }
    }
}

/// Says that a test is skipped; panics if the error has another reason than a kernel or container that
/// refuses to set up any ring at all. A ring that is there and does not work is our fault.
pub fn refused_by_the_kernel(error: &StartError) {
    match (error, io_uring::IoUring::new(8)) {
        (StartError::NoUring { .. }, Err(refusal)) => {
            println!("SKIPPED: io_uring is refused here: {refusal}");
        }
        _ => panic!("{error}"),
    }
}

/// The driver's own port of a socket is not asked back: ports are chosen here.
pub fn bind(plane: &dyn MediaPlane, shard: ShardId, v6: bool) -> (SocketId, SocketAddr) {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 34_000 + u16::try_from(std::process::id() % 12).unwrap() * 500;
    for _ in 0..2000 {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
        let ip: std::net::IpAddr = if v6 { "::1" } else { "127.0.0.1" }.parse().unwrap();
        let local = SocketAddr::new(ip, port);
        if let Ok(socket) = plane.bind(shard, local, SocketOptions::default()) {
            return (socket, local);
        }
    }
    panic!("no free port");
}

pub fn peer(v6: bool) -> UdpSocket {
    let socket = UdpSocket::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

pub struct Relayed {
    pub key: CallKey,
    pub peers: [UdpSocket; 2],
    pub local: [SocketAddr; 2],
    pub sockets: [SocketId; 2],
    pub counters: [Arc<StreamCounters>; 2],
}

/// A route without sinks that trusts its first packet.
pub fn route(call: CallKey, endpoint: SocketAddr) -> Route {
    Route {
        call,
        component: Component::RtpAndRtcp,
        endpoint: Some(endpoint),
        learning: Learning {
            mode: LearnMode::Immediate,
            strict_source: false,
            media_handover: false,
        },
        learn_epoch: 0,
        blocked: false,
        pierce_nat: false,
        protection: Protection::None,
        untouched: false,
        drops_feedback: false,
        transcode: None,
        ice: None,
        alternates: Box::default(),
        media: None,
        rtcp_interval: None,
        rtp_sinks: Sinks::None,
        rtcp_sinks: Sinks::None,
        clocks: Arc::default(),
        counters: Arc::default(),
    }
}

/// A call of two streams; `v6` says which family each side has.
pub fn call(plane: &dyn MediaPlane, shard: ShardId, key: u64, v6: [bool; 2]) -> Relayed {
    protected_call(plane, shard, key, v6, [Protection::None, Protection::None])
}

/// The same with each side's protection.
pub fn protected_call(
    plane: &dyn MediaPlane,
    shard: ShardId,
    key: u64,
    v6: [bool; 2],
    protections: [Protection; 2],
) -> Relayed {
    call_with(plane, shard, key, v6, |side, route| {
        route.protection = protections[side].clone();
    })
}

/// A call whose routes are changed as wanted before they are set.
pub fn call_with(
    plane: &dyn MediaPlane,
    shard: ShardId,
    key: u64,
    v6: [bool; 2],
    change: impl Fn(usize, &mut Route),
) -> Relayed {
    let peers = v6.map(peer);
    let bound = v6.map(|v6| bind(plane, shard, v6));
    let counters: [Arc<StreamCounters>; 2] = [Arc::default(), Arc::default()];
    let key = CallKey::new(key);
    let routes = [0, 1].map(|n| {
        let sinks = Sinks::One(SinkAction {
            socket: bound[1 - n].0,
        });
        let mut route = route(key, peers[n].local_addr().unwrap());
        route.rtp_sinks.clone_from(&sinks);
        route.rtcp_sinks = sinks;
        route.counters = Arc::clone(&counters[n]);
        change(n, &mut route);
        Command::Route {
            socket: bound[n].0,
            route: Box::new(route),
        }
    });
    plane.commands(shard, routes.into());
    Relayed {
        key,
        peers,
        local: bound.map(|b| b.1),
        sockets: bound.map(|b| b.0),
        counters,
    }
}

pub fn rtp(seq: u16, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader::new(
        PayloadType::new(0).unwrap(),
        SeqNo::new(seq),
        RtpTimestamp::new(u32::from(seq) * 160),
        Ssrc::new(0x1234_5678),
    );
    RtpBuilder::new(header, payload).to_vec().unwrap()
}

impl Relayed {
    pub fn send(&self, side: usize, packet: &[u8]) {
        self.peers[side].send_to(packet, self.local[side]).unwrap();
    }

    pub fn receive(&self, side: usize) -> Vec<u8> {
        let mut buf = [0; 4096];
        let (n, from) = self.peers[side]
            .recv_from(&mut buf)
            .expect("a packet before the deadline");
        assert_eq!(
            from, self.local[side],
            "it must come from the port that was signalled"
        );
        buf[..n].to_vec()
    }
}

/// Waits until `done` has seen enough events.
pub fn events_until(driver: &Driver, mut done: impl FnMut(&Event) -> bool) {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        if let Some(event) = driver.next_event(Duration::from_millis(50))
            && done(&event)
        {
            return;
        }
    }
    panic!("the awaited event did not come");
}

/// Makes one test function per driver from one body.
#[macro_export]
macro_rules! on_both_drivers {
    ($(fn $name:ident($io:ident: IoChoice) $body:block)*) => {
        mod uring { $(#[test] fn $name() { super::$name(media_core::driver::IoChoice::Uring); })* }
        mod epoll { $(#[test] fn $name() { super::$name(media_core::driver::IoChoice::Epoll); })* }
        $(fn $name($io: IoChoice) $body)*
    };
}
