//! ICE: whatever a peer that knows the password sends, the agent keeps its bounds and its word.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media_core::ice::{
    Agent, AgentConfig, Candidate, CandidatePair, Component, Credentials, Event, Mode, Role, State,
    Timing,
};
use media_core::testing::{Rng, start};
use media_core::wire::stun::{BINDING, Class, StunBuilder, StunMessage};

/// `a=candidate`: what is accepted can be written, and reads the same.
pub fn ice_candidate(data: &[u8]) {
    let Ok(candidate) = Candidate::parse(data) else {
        return;
    };
    let written = candidate.to_string();
    if written.len() <= Candidate::MAX_LEN {
        assert_eq!(Candidate::parse(written.as_bytes()), Ok(candidate));
    }
}

/// An agent's life. The first byte chooses the agent; then come steps, each of a kind, a length and so
/// many bytes: 0 datagram, 1 signed request, 2 signed answer to the check sent last, 3 time passes,
/// 4 candidate, 5 restart, 6 credentials of the peer, 7 error answer to that check.
pub fn ice(data: &[u8]) {
    let Some((first, mut steps)) = data.split_first() else {
        return;
    };
    let mode = match first % 3 {
        0 => Mode::Lite,
        1 => Mode::Full(Role::Controlling),
        _ => Mode::Full(Role::Controlled),
    };
    let credentials = |seed| {
        let mut rng = Rng::new(seed);
        Credentials::from_random(|out| rng.fill(out))
    };
    let (ours, theirs) = (credentials(1), credentials(2));
    let local: [SocketAddr; 2] = [([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 4002).into()];
    let mut now = start();
    let mut agent = Agent::new(AgentConfig {
        component: Component::RTP,
        mode,
        credentials: ours.clone(),
        tie_breaker: 1 << 63,
        timing: Timing::default(),
    });
    for address in local {
        agent.add_local(address, 1).expect("usable");
    }
    let mut asked = None;
    while let &[kind, len, ref rest @ ..] = steps {
        let (body, rest) = rest.split_at(usize::from(len).min(rest.len()));
        steps = rest;
        let port = 5000 + u16::from(kind >> 4);
        let from = SocketAddr::from(([127, 0, 0, 2], port));
        let socket = local[usize::from(kind >> 3 & 1)];
        match kind & 7 {
            0 => {
                agent.handle_stun(now, socket, from, body);
            }
            1 => {
                let mut out = [0; 600];
                let request = StunBuilder::new(&mut out, Class::Request, BINDING, &[kind; 12])
                    .username(ours.ufrag().as_bytes(), theirs.ufrag().as_bytes());
                let request = with_attributes(request.priority(1 << 30), body);
                let len = request.finish(Some(&ours.key())).expect("fits");
                agent.handle_stun(now, socket, from, &out[..len]);
            }
            class @ (2 | 7) => {
                if let Some((pair, id)) = asked {
                    let class = if class == 2 {
                        Class::Success
                    } else {
                        Class::Error
                    };
                    let mut out = [0; 600];
                    let answer = StunBuilder::new(&mut out, class, BINDING, &id);
                    let answer = with_attributes(answer, body);
                    let answer = answer.xor_mapped_address(socket).error_code(487, "");
                    let len = answer.finish(Some(&theirs.key())).expect("fits");
                    let CandidatePair { local, remote } = pair;
                    agent.handle_stun(now, local, remote, &out[..len]);
                }
            }
            3 => {
                let ms = body.iter().fold(0, |sum, b| sum + u64::from(*b) * 10);
                pass(&mut agent, &mut now, Duration::from_millis(ms));
            }
            4 => {
                if let Ok(candidate) = Candidate::parse(body) {
                    agent.add_remote_candidate(now, &candidate);
                }
            }
            5 => agent.restart(ours.clone()),
            _ => agent.set_remote_credentials(now, theirs.clone()),
        }
        drain(&mut agent, &local, &mut asked);
    }
}

/// Appends type, length and value triples, one byte of each type.
fn with_attributes<'a>(mut builder: StunBuilder<'a>, mut body: &[u8]) -> StunBuilder<'a> {
    while let &[attribute_type, len, ref rest @ ..] = body {
        let (value, rest) = rest.split_at(usize::from(len).min(rest.len()));
        let high = if attribute_type < 0x28 { 0 } else { 0x8000 };
        builder = builder.attribute(high | u16::from(attribute_type), value);
        body = rest;
    }
    builder
}

/// Serves the agent's timeouts until `now` has advanced so far. There are not many of them.
fn pass(agent: &mut Agent, now: &mut Instant, time: Duration) {
    let end = *now + time;
    let mut turns = 0;
    let mut out = [0; Agent::MAX_MESSAGE];
    while let Some(at) = agent.poll_timeout().filter(|at| *at <= end) {
        *now = at.max(*now);
        agent.handle_timeout(*now);
        while agent.poll_transmit(&mut out).is_some() {}
        turns += 1;
        assert!(turns < 3000, "no more than one timeout per pacing interval");
    }
    *now = end;
}

fn drain(agent: &mut Agent, local: &[SocketAddr], asked: &mut Option<(CandidatePair, [u8; 12])>) {
    let mut out = [0; Agent::MAX_MESSAGE];
    let mut sent = 0;
    while let Some(transmit) = agent.poll_transmit(&mut out) {
        sent += 1;
        assert!(sent < 100, "what waits to be sent is bounded");
        assert!(local.contains(&transmit.pair.local));
        let message = StunMessage::parse(&out[..transmit.len]).expect("agents send STUN");
        assert_eq!(message.fingerprint_matches(), Some(true));
        if message.class() == Class::Request {
            assert!(!agent.is_lite(), "a lite agent never asks");
            *asked = Some((transmit.pair, *message.transaction_id()));
        }
    }
    while let Some(event) = agent.poll_event() {
        if let Event::Nominated(pair) = event {
            assert!(local.contains(&pair.local));
        }
    }
    match agent.state() {
        State::Nominated => assert!(agent.nominated().is_some()),
        State::Disconnected | State::Failed(_) => assert_eq!(agent.nominated(), None),
        _ => {}
    }
}
