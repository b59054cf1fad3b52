//! A stream with sockets at several addresses of ours: ICE says which of them media leaves through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media_core::dtls::Role;
use media_core::engine::{
    Alternate, Command, DropReason, Event, IceRoute, Protection, Route, StreamCounters, Verdict,
};
use media_core::ice::{
    Agent, AgentConfig, Candidate, Component, Credentials, Mode, Role as IceRole, State, Timing,
};
use media_core::testing::Rng;
use media_core::testing::packets::{RtpStream, stun_binding_request};
use media_core::units::{PayloadType, Ssrc};

use super::bench::{Bench, CALL, party, route, socket, stranger};
use super::dtls::{handshake, record};

/// Sockets of stream 0: its own and two more.
const SOCKETS: [u32; 3] = [0, 7, 9];

/// Where they are bound.
fn ours() -> [SocketAddr; 3] {
    [
        "198.18.9.9:30000",
        "198.18.9.8:30002",
        "[2001:db8::9]:30004",
    ]
    .map(|a| a.parse().unwrap())
}

/// Where the party is.
fn theirs() -> [SocketAddr; 2] {
    ["198.18.5.5:5555", "[2001:db8::5]:5556"].map(|a| a.parse().unwrap())
}

/// The one of its addresses that reaches `ours()[n]`.
fn peer_of(n: usize) -> SocketAddr {
    theirs()[usize::from(ours()[n].is_ipv6())]
}

fn audio() -> Vec<u8> {
    RtpStream::new(Ssrc::new(1), PayloadType::new(0).unwrap()).next_packet()
}

fn alternates() -> Box<[Alternate]> {
    let others = SOCKETS.into_iter().zip(ours()).skip(1);
    let all = others.map(|(n, address)| Alternate {
        socket: socket(n),
        address,
    });
    all.collect()
}

/// A call whose stream 0 has three sockets, and the party's agent.
struct World {
    bench: Bench,
    agent: Agent,
    ours: Credentials,
    session: u32,
    counters: Arc<StreamCounters>,
    protection: Protection,
    mode: Mode,
}

impl World {
    fn new(mode: Mode, protection: Protection) -> Self {
        let [ours, theirs_credentials] = [(); 2].map(|()| Credentials::random().unwrap());
        let mut bench = Bench::new();
        bench.route(1, route(1, 0, Protection::None));
        let agent = Agent::new(AgentConfig {
            component: Component::RTP,
            mode: Mode::Full(IceRole::Controlling),
            credentials: theirs_credentials,
            tie_breaker: 1,
            timing: Timing::default(),
        });
        let mut world = Self {
            bench,
            agent,
            ours,
            session: 1,
            counters: Arc::default(),
            protection,
            mode,
        };
        for (address, preference) in theirs().into_iter().zip([9, 8]) {
            world.agent.add_local(address, preference).unwrap();
        }
        world.restate();
        world.signal();
        world.bench.events();
        world
    }

    fn restate(&mut self) {
        let mut first = route(0, 1, self.protection.clone());
        first.counters = Arc::clone(&self.counters);
        first.alternates = alternates();
        first.ice = Some(Arc::new(IceRoute {
            session: self.session,
            component: Component::RTP,
            mode: self.mode,
            credentials: self.ours.clone(),
            tie_breaker: 2,
            local: ours()[0],
            remote: Some(self.agent.credentials().clone()),
            candidates: Vec::new(),
            end_of_candidates: false,
        }));
        self.bench.route(0, first);
    }

    /// The party hears of us.
    fn signal(&mut self) {
        let now = self.bench.now;
        self.agent.set_remote_credentials(now, self.ours.clone());
        for (address, preference) in ours().into_iter().zip([9, 8, 7]) {
            let candidate = Candidate::host(address, Component::RTP, preference, "f");
            self.agent.add_remote_candidate(now, &candidate);
        }
    }

    fn restart(&mut self) {
        self.session += 1;
        self.ours = Credentials::random().unwrap();
        self.agent.restart(Credentials::random().unwrap());
        self.restate();
        self.signal();
    }

    /// Lets messages pass for `time`, between the party and `ours()[n]` for those of `open` alone.
    fn exchange(&mut self, open: &[usize], time: Duration) {
        let until = self.bench.now + time;
        let mut buffer = [0; Agent::MAX_MESSAGE];
        while self.bench.now < until {
            while let Some(transmit) = self.agent.poll_transmit(&mut buffer) {
                let to = ours()
                    .iter()
                    .position(|a| *a == transmit.pair.remote)
                    .unwrap();
                if open.contains(&to) {
                    let bytes = &buffer[..transmit.len];
                    let verdict = self.bench.receive(SOCKETS[to], transmit.pair.local, bytes);
                    assert_eq!(verdict, Verdict::Consumed);
                }
            }
            for (n, to, bytes) in self.bench.sent() {
                let at = SOCKETS.iter().position(|s| *s == n).unwrap();
                let from = ours()[at];
                assert_eq!(from.is_ipv4(), to.is_ipv4(), "a socket of the family");
                if open.contains(&at) && theirs().contains(&to) {
                    self.agent.handle_stun(self.bench.now, to, from, &bytes);
                }
            }
            self.bench.advance(Duration::from_millis(5));
            self.agent.handle_timeout(self.bench.now);
        }
        self.bench.sent();
    }

    /// Through which socket, and to whom, media goes to the party.
    fn leaves(&mut self) -> (u32, SocketAddr) {
        let verdict = self.bench.receive(1, party(1), &audio());
        assert_eq!(verdict, Verdict::Forwarded);
        let sent = self.bench.sent();
        assert_eq!(sent.len(), 1);
        (sent[0].0, sent[0].1)
    }
}

fn modes() -> [Mode; 3] {
    let full = [IceRole::Controlled, IceRole::Controlling].map(Mode::Full);
    [Mode::Lite, full[0], full[1]]
}

const LONG: Duration = Duration::from_secs(2);

#[test]
fn the_nominated_pair_decides_which_socket_sends() {
    for mode in modes() {
        for (open, through) in SOCKETS.into_iter().enumerate() {
            let mut world = World::new(mode, Protection::None);
            world.exchange(&[open], LONG);
            let state = world.counters.ice_state();
            assert_eq!(state, Some(State::Nominated), "{mode:?} {open}");
            assert_eq!(world.leaves(), (through, peer_of(open)));
            let nominated = world
                .bench
                .events()
                .into_iter()
                .find_map(|event| match event {
                    Event::PairNominated {
                        call,
                        socket,
                        via,
                        endpoint,
                        session,
                        ..
                    } => Some((call, socket, via, endpoint, session)),
                    _ => None,
                });
            let via = socket(through);
            assert_eq!(nominated, Some((CALL, socket(0), via, peer_of(open), 1)));
        }
    }
}

#[test]
fn what_comes_to_any_socket_is_the_streams() {
    let mut world = World::new(modes()[1], Protection::None);
    world.exchange(&[0, 1, 2], LONG);
    for (count, n) in (1..).zip(SOCKETS) {
        let verdict = world.bench.receive(n, theirs()[0], &audio());
        assert_eq!(verdict, Verdict::Forwarded);
        let sent = world.bench.sent();
        assert_eq!((sent[0].0, sent[0].1), (1, party(1)));
        assert_eq!(world.counters.packets.get(), count);
    }
    // A forgery is counted where it belongs, and moves nothing.
    let before = world.leaves();
    let unsigned = stun_binding_request(&mut Rng::new(1));
    let reason = DropReason::NotAuthentic;
    world.bench.refused_from(7, stranger(), &unsigned, reason);
    assert_eq!(world.counters.dropped_for(reason), 1);
    assert_eq!(world.leaves(), before);
}

#[test]
fn during_a_restart_media_stays_on_the_pair_of_before() {
    for mode in modes() {
        let mut world = World::new(mode, Protection::None);
        world.exchange(&[2], LONG);
        assert_eq!(world.leaves(), (9, theirs()[1]));
        world.restart();
        for _ in 0..20 {
            world.exchange(&[], Duration::from_millis(20));
            assert_eq!(world.leaves(), (9, theirs()[1]), "{mode:?}");
        }
        world.exchange(&[1], LONG);
        assert_eq!(world.leaves(), (7, theirs()[0]), "{mode:?}");
    }
}

#[test]
fn answers_of_a_handshake_leave_where_it_was_asked() {
    let ours = Arc::new(handshake(1, Some(Role::Passive)));
    let mut world = World::new(modes()[1], Protection::Dtls(ours));
    // The best pair first, so that the stream sends from its own socket.
    world.exchange(&[0, 1, 2], LONG);
    for n in [0, 1, 0] {
        let verdict = world.bench.receive(SOCKETS[n], theirs()[0], &record());
        assert_eq!(verdict, Verdict::Consumed);
        world.bench.command(Command::SendFrom {
            socket: socket(0),
            to: theirs()[0],
            datagram: record().into(),
        });
        let sent = world.bench.sent();
        assert_eq!((sent[0].0, sent[0].1), (SOCKETS[n], theirs()[0]));
    }
}

#[test]
fn ice_between_the_ends_is_answered_where_it_asked() {
    let mut bench = Bench::new();
    bench.route(1, route(1, 0, Protection::PassThrough));
    let passing = Route {
        alternates: alternates(),
        ..route(0, 1, Protection::PassThrough)
    };
    bench.route(0, passing);
    let mut rng = Rng::new(3);
    for n in [0, 1, 2, 0, 2] {
        let check = stun_binding_request(&mut rng);
        assert_eq!(
            bench.receive(SOCKETS[n], peer_of(n), &check),
            Verdict::Forwarded
        );
        assert_eq!(bench.sent()[0].0, 1);
        assert_eq!(bench.receive(1, party(1), &check), Verdict::Forwarded);
        let sent = bench.sent();
        assert_eq!((sent[0].0, sent[0].1), (SOCKETS[n], peer_of(n)));
    }
}

#[test]
fn all_sockets_end_with_the_call_or_one_by_one() {
    let mut world = World::new(modes()[1], Protection::None);
    world.exchange(&[2], LONG);
    world.bench.command(Command::CloseSockets {
        sockets: vec![socket(9)],
    });
    assert_eq!(world.bench.closed(), [9]);
    assert_eq!(world.leaves().0, 0, "the stream's own is left");
    let reason = DropReason::NoRoute;
    world.bench.refused_from(9, theirs()[1], &audio(), reason);
    world.bench.command(Command::CloseCall {
        call: CALL,
        after: Duration::ZERO,
    });
    assert_eq!(world.bench.closed(), [0, 1, 7]);
    for n in SOCKETS {
        world.bench.refused_from(n, theirs()[0], &audio(), reason);
    }
}
