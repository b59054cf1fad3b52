//! Two agents and the network between them, in virtual time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media_core::ice::{
    Agent, AgentConfig, Candidate, CandidatePair, Component, Credentials, Event, Mode, Role, State,
    StunVerdict, Timing,
};
use media_core::testing::{Link, LinkConfig, Rng, start};
use media_core::wire::stun::{Class, StunMessage};

pub(crate) const FULL_PAIR: [Mode; 2] =
    [Mode::Full(Role::Controlling), Mode::Full(Role::Controlled)];

#[derive(Clone)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// An agent, its sockets, and what it did.
pub(crate) struct Side {
    pub(crate) agent: Agent,
    pub(crate) sockets: Vec<SocketAddr>,
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) verdicts: Vec<StunVerdict>,
    pub(crate) requests_sent: usize,
    /// Where the other side sees this one, if it is behind an address translator.
    pub(crate) outside: Option<SocketAddr>,
    link: Link<Datagram>,
}

/// The two.
pub(crate) struct Net {
    pub(crate) sides: [Side; 2],
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    /// What the network does not carry, by sender and receiver.
    pub(crate) blocked: Box<dyn Fn(SocketAddr, SocketAddr) -> bool>,
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn credentials(seed: u64) -> Credentials {
    let mut rng = Rng::new(seed);
    Credentials::from_random(|out| rng.fill(out))
}

pub(crate) fn config(mode: Mode, seed: u64) -> AgentConfig {
    AgentConfig {
        component: Component::RTP,
        mode,
        credentials: credentials(seed),
        tie_breaker: seed,
        timing: Timing::default(),
    }
}

impl Net {
    /// Agents with one IPv4 socket each, ten milliseconds apart.
    pub(crate) fn new(modes: [Mode; 2]) -> Self {
        let configs = [config(modes[0], 1), config(modes[1], 2)];
        let link = LinkConfig {
            delay: Duration::from_millis(10),
            ..LinkConfig::default()
        };
        let sockets = [vec![addr("10.0.0.1:4000")], vec![addr("10.0.0.2:5000")]];
        Self::with(configs, sockets, link)
    }

    pub(crate) fn with(
        configs: [AgentConfig; 2],
        sockets: [Vec<SocketAddr>; 2],
        link: LinkConfig,
    ) -> Self {
        let mut seed = 0;
        let mut both = configs.into_iter().zip(sockets).map(|(config, sockets)| {
            seed += 1;
            let mut agent = Agent::new(config);
            for (n, socket) in sockets.iter().enumerate() {
                let preference = 65_535 - u16::try_from(n).expect("few");
                agent.add_local(*socket, preference).expect("usable");
            }
            Side {
                agent,
                sockets,
                events: Vec::new(),
                verdicts: Vec::new(),
                requests_sent: 0,
                outside: None,
                link: Link::new(link, seed),
            }
        });
        let sides = [both.next().expect("two"), both.next().expect("two")];
        let start = start();
        Self {
            sides,
            now: start,
            start,
            blocked: Box::new(|_, _| false),
        }
    }

    /// Gives `to` the credentials of the other side.
    pub(crate) fn signal_credentials(&mut self, to: usize) {
        let credentials = self.sides[1 - to].agent.credentials().clone();
        self.sides[to]
            .agent
            .set_remote_credentials(self.now, credentials);
    }

    /// Gives `to` the host candidates of the other side.
    pub(crate) fn signal_candidates(&mut self, to: usize) {
        for (n, socket) in self.sides[1 - to].sockets.clone().into_iter().enumerate() {
            let preference = 65_535 - u16::try_from(n).expect("few");
            let candidate = Candidate::host(socket, Component::RTP, preference, "foundation");
            self.sides[to]
                .agent
                .add_remote_candidate(self.now, &candidate);
        }
    }

    pub(crate) fn signal_all(&mut self) {
        for to in 0..2 {
            self.signal_credentials(to);
            self.signal_candidates(to);
        }
    }

    /// Lets time pass until `done` or for `limit`; tells whether it was done.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 1_000_000, "time does not advance");
            self.exchange();
            if done(self) {
                return true;
            }
            let due = |s: &Side| {
                s.agent
                    .poll_timeout()
                    .into_iter()
                    .chain(s.link.next_arrival())
                    .min()
            };
            let next = self.sides.iter().filter_map(due).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => {
                    self.now = end;
                    self.exchange();
                    return done(self);
                }
            }
        }
    }

    pub(crate) fn run(&mut self, limit: Duration) {
        self.run_until(limit, |_| false);
    }

    /// Everything that is due now.
    fn exchange(&mut self) {
        for from in 0..2 {
            while let Some((_, datagram)) = self.sides[from].link.poll(self.now) {
                self.deliver(1 - from, datagram);
            }
        }
        for n in 0..2 {
            let side = &mut self.sides[n];
            if side.agent.poll_timeout().is_some_and(|t| t <= self.now) {
                side.agent.handle_timeout(self.now);
            }
            let mut out = [0; Agent::MAX_MESSAGE];
            while let Some(transmit) = side.agent.poll_transmit(&mut out) {
                let bytes = out[..transmit.len].to_vec();
                let CandidatePair { local, remote } = transmit.pair;
                assert!(
                    side.sockets.contains(&local),
                    "{local} is no socket of ours"
                );
                let message = StunMessage::parse(&bytes).expect("agents send STUN");
                assert_eq!(message.fingerprint_matches(), Some(true));
                side.requests_sent += usize::from(message.class() == Class::Request);
                let from = side.outside.unwrap_or(local);
                if !(self.blocked)(from, remote) {
                    let to = remote;
                    side.link.send(self.now, Datagram { from, to, bytes });
                }
            }
            while let Some(event) = side.agent.poll_event() {
                side.events.push((self.now - self.start, event));
            }
        }
    }

    fn deliver(&mut self, to: usize, datagram: Datagram) {
        let side = &mut self.sides[to];
        let Datagram { from, to, bytes } = datagram;
        let local = if side.outside == Some(to) {
            side.sockets[0]
        } else {
            to
        };
        if side.sockets.contains(&local) {
            let verdict = side.agent.handle_stun(self.now, local, from, &bytes);
            side.verdicts.push(verdict);
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn states(&self) -> [State; 2] {
        [0, 1].map(|n| self.sides[n].agent.state())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.states() == [State::Nominated; 2]
    }

    /// Both have nominated, and the same pair.
    pub(crate) fn agreed_pair(&self) -> Option<[SocketAddr; 2]> {
        let [a, b] = [0, 1].map(|n| self.sides[n].agent.nominated());
        let (a, b) = (a?, b?);
        (a.local == b.remote && a.remote == b.local).then_some([a.local, a.remote])
    }

    pub(crate) fn saw(&self, side: usize, event: Event) -> bool {
        self.sides[side].events.iter().any(|(_, e)| *e == event)
    }
}
