//! ICE on a stream: its agent hears STUN, asks for time, and says where media goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Alternate, DropReason, Egress, Engine, Event, IceRoute, Transmit, Verdict};
use crate::buf::PacketBuf;
use crate::ice::{self, Agent, AgentConfig, FailReason, Role, State, StunVerdict, Timing};
use crate::units::SocketId;

/// The agent of one stream.
#[derive(Debug)]
pub(super) struct Path {
    agent: Agent,
    route: Arc<IceRoute>,
    /// Earliest entry of this stream in the timer heap.
    pub(super) armed: Option<Instant>,
}

impl Path {
    fn new(route: Arc<IceRoute>) -> Self {
        let mut agent = Agent::new(AgentConfig {
            component: route.component,
            mode: route.mode,
            credentials: route.credentials.clone(),
            tie_breaker: route.tie_breaker,
            timing: Timing::default(),
        });
        // An address that cannot be a candidate: checks to it are refused one by one, and counted.
        let _ = agent.add_local(route.local, u16::MAX);
        Self {
            agent,
            route,
            armed: None,
        }
    }

    /// The stream's further addresses, the better ones first; those of before are known.
    fn add_locals(&mut self, alternates: &[Alternate]) {
        for (preference, alternate) in (0..u16::MAX).rev().zip(alternates) {
            let _ = self.agent.add_local(alternate.address, preference);
        }
    }

    /// What the route says of the party.
    fn tell(&mut self, now: Instant) {
        let Some(remote) = self.route.remote.clone() else {
            return;
        };
        self.agent.set_remote_credentials(now, remote);
        for candidate in &self.route.candidates {
            // One of no use is counted by the agent.
            let _ = self.agent.add_remote_candidate(now, candidate);
        }
        if self.route.end_of_candidates {
            self.agent.end_of_candidates();
        }
    }

    fn update(&mut self, now: Instant, route: Arc<IceRoute>) {
        if Arc::ptr_eq(&self.route, &route) {
            return;
        }
        let restarted = self.route.session != route.session;
        self.route = route;
        if restarted {
            self.agent.restart(self.route.credentials.clone());
        }
        self.tell(now);
    }

    /// Where media goes.
    pub(super) fn nominated(&self) -> Option<SocketAddr> {
        self.agent.nominated().map(|pair| pair.remote)
    }

    /// Is another pair looked for while media goes to an earlier one?
    pub(super) fn is_restarting(&self) -> bool {
        self.agent.state() == State::Checking
    }

    /// Has the party shown, by a check that it signed, that it is there? Then it may shake hands, even
    /// before a pair is nominated.
    pub(super) fn is_checked(&self, from: SocketAddr) -> bool {
        self.agent.has_heard(from)
    }
}

impl Engine {
    /// Makes, restates or ends a stream's agent.
    pub(super) fn set_path(
        &mut self,
        now: Instant,
        socket: SocketId,
        route: Option<Arc<IceRoute>>,
        out: &mut Egress,
    ) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        match (&mut stream.path, route) {
            (path, None) => {
                if path.take().is_some() {
                    stream.via = socket;
                }
                stream.counters.ice.set(0);
                return;
            }
            (Some(path), Some(route)) => {
                path.add_locals(&stream.alternates);
                path.update(now, route);
            }
            (path, Some(route)) => {
                let path = path.insert(Box::new(Path::new(route)));
                path.add_locals(&stream.alternates);
                path.tell(now);
            }
        }
        // A new endpoint by signalling means nothing while there is a pair.
        if let Some(pair) = stream.path.as_ref().and_then(|path| path.agent.nominated()) {
            stream.learner.nominate(pair.remote);
        }
        self.drain_path(now, socket, out);
    }

    /// A STUN message on a stream with an agent.
    #[cold]
    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        socket: SocketId,
        arrived: SocketId,
        from: SocketAddr,
        packet: &PacketBuf,
        out: &mut Egress,
    ) -> Verdict {
        let Some(stream) = self.stream_mut(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let Some(own) = stream.path.as_ref().map(|path| path.route.local) else {
            return Verdict::Dropped(DropReason::NotMedia);
        };
        let local = stream.address_of((socket, own), arrived);
        let Some(path) = stream.path.as_mut() else {
            return Verdict::Dropped(DropReason::NotMedia);
        };
        match path.agent.handle_stun(now, local, from, packet.as_slice()) {
            StunVerdict::Accepted => {
                self.drain_path(now, socket, out);
                Verdict::Consumed
            }
            StunVerdict::Unauthenticated => Verdict::Dropped(DropReason::NotAuthentic),
            _ => Verdict::Dropped(DropReason::NotMedia),
        }
    }

    /// Runs the agents that have asked for it.
    pub(super) fn run_paths(&mut self, now: Instant, out: &mut Egress) {
        while let Some(socket) = self.path_timers.pop_due(now) {
            let Some(path) = self.stream_mut(socket).and_then(|s| s.path.as_mut()) else {
                continue;
            };
            path.armed = None;
            if path.agent.poll_timeout().is_some_and(|at| at <= now) {
                path.agent.handle_timeout(now);
            }
            self.drain_path(now, socket, out);
        }
    }

    /// Takes what an agent has to send and to say, and notes when it wants to run.
    fn drain_path(&mut self, now: Instant, socket: SocketId, out: &mut Egress) {
        let slab = self.slab.clone();
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        let Some(mut path) = stream.path.take() else {
            return;
        };
        let own = (socket, path.route.local);
        let mut message = [0; Agent::MAX_MESSAGE];
        while let Some(transmit) = path.agent.poll_transmit(&mut message) {
            // Without a slot the message is lost, as on the network.
            if let Some(mut packet) = slab.allocate()
                && packet.fill(&message[..transmit.len])
            {
                let socket = stream.socket_at(own, transmit.pair.local);
                let to = transmit.pair.remote;
                out.transmit(Transmit {
                    is_check: true,
                    ..Transmit::new(socket, to, packet)
                });
            }
        }
        let (mut nominated, mut lost) = (None, false);
        while let Some(event) = path.agent.poll_event() {
            match event {
                ice::Event::Nominated(pair) => (nominated, lost) = (Some(pair), false),
                // RFC 7675 §5.1: without consent nothing is sent.
                ice::Event::Disconnected => (nominated, lost) = (None, true),
                _ => {}
            }
        }
        stream.counters.set_ice(path.agent.state());
        let wants = path.agent.poll_timeout().map(|at| at.max(now));
        let arm = wants.filter(|at| path.armed.is_none_or(|armed| *at < armed));
        if arm.is_some() {
            path.armed = arm;
        }
        if lost {
            stream.learner.forget();
        }
        let news = nominated.map(|pair| {
            stream.learner.nominate(pair.remote);
            stream.via = stream.socket_at(own, pair.local);
            Event::PairNominated {
                call: stream.call,
                socket,
                via: stream.via,
                endpoint: pair.remote,
                controlling: path.agent.role() == Role::Controlling,
                session: path.route.session,
            }
        });
        stream.path = Some(path);
        if let Some(at) = arm {
            self.path_timers.arm(at, socket);
        }
        if let Some(news) = news {
            self.events.push_back(news);
            self.begin_handshake(socket);
        }
    }
}

/// An agent's states by their number in a counter, from 1; 0: there is no agent.
const STATES: [State; 8] = [
    State::New,
    State::Checking,
    State::Nominated,
    State::Disconnected,
    State::Failed(FailReason::NoCandidates),
    State::Failed(FailReason::NoAnswers),
    State::Failed(FailReason::WrongCredentials),
    State::Failed(FailReason::NotNominated),
];

pub(super) fn state_code(state: State) -> u64 {
    let known = STATES.iter().position(|s| *s == state);
    known.map_or(0, |n| n as u64 + 1)
}

/// The reverse of `state_code`.
pub(super) fn state_of(code: u64) -> Option<State> {
    let n = usize::try_from(code.checked_sub(1)?).ok()?;
    STATES.get(n).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_counter() {
        for state in STATES {
            assert_eq!(state_of(state_code(state)), Some(state));
        }
        assert_eq!(state_of(0), None);
    }
}
