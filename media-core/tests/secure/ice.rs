//! ICE as the engine sees it: only a nominated pair may move media, and strangers move nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::dtls::Role;
use media_core::engine::{
    DropReason, Event, HandshakeStep, IceRoute, Protection, StreamCounters, Verdict,
};
use media_core::ice::{
    Agent, AgentConfig, Candidate, Component, Credentials, Mode, Role as IceRole, State, Timing,
};
use media_core::testing::Rng;
use media_core::testing::packets::{RtpStream, stun_binding_request};
use media_core::units::{PayloadType, Ssrc};

use super::bench::{Bench, party, route, stranger};
use super::dtls::{handshake, record};

/// Where stream 0's socket is bound.
fn local() -> SocketAddr {
    SocketAddr::from(([198, 18, 9, 9], 30_000))
}

/// Where the party of stream 0 really is: not where its description says.
fn real() -> SocketAddr {
    SocketAddr::from(([198, 18, 5, 5], 5555))
}

fn audio() -> Vec<u8> {
    RtpStream::new(Ssrc::new(1), PayloadType::new(0).unwrap()).next_packet()
}

/// The party's full agent, at `real()`.
fn agent(ours: &Credentials, theirs: Credentials, now: Instant) -> Agent {
    let mut agent = Agent::new(AgentConfig {
        component: Component::RTP,
        mode: Mode::Full(IceRole::Controlling),
        credentials: theirs,
        tie_breaker: 1,
        timing: Timing::default(),
    });
    agent.add_local(real(), u16::MAX).unwrap();
    agent.set_remote_credentials(now, ours.clone());
    let candidate = Candidate::host(local(), Component::RTP, u16::MAX, "f");
    agent.add_remote_candidate(now, &candidate);
    agent
}

/// A call whose stream 0 is under ICE, and its party.
fn call(mode: Mode, protection: Protection) -> (Bench, [Arc<StreamCounters>; 2], Agent) {
    let (mut bench, [_, plain]) = Bench::call([Protection::None, Protection::None]);
    let [ours, theirs] = [(); 2].map(|()| Credentials::random().unwrap());
    let mut secured = route(0, 1, protection);
    secured.ice = Some(Arc::new(IceRoute {
        session: 1,
        component: Component::RTP,
        mode,
        credentials: ours.clone(),
        tie_breaker: 2,
        local: local(),
        remote: Some(theirs.clone()),
        candidates: Vec::new(),
        end_of_candidates: false,
    }));
    // A stream of its own, as one under ICE is made, so that nothing was learned before.
    bench.command(media_core::engine::Command::CloseSockets {
        sockets: vec![super::bench::socket(0)],
    });
    let counters = bench.route(0, secured);
    let agent = agent(&ours, theirs, bench.now);
    bench.events();
    (bench, [counters, plain], agent)
}

/// Lets messages go back and forth for `time`; `true` stays if no media leaves through stream 0.
fn exchange(bench: &mut Bench, agent: &mut Agent, time: Duration) {
    let until = bench.now + time;
    let mut buffer = [0; Agent::MAX_MESSAGE];
    while bench.now < until {
        while let Some(transmit) = agent.poll_transmit(&mut buffer) {
            let message = &buffer[..transmit.len];
            assert_eq!(bench.receive(0, real(), message), Verdict::Consumed);
        }
        for (n, to, message) in bench.sent() {
            assert_eq!((n, to), (0, real()));
            agent.handle_stun(bench.now, real(), local(), &message);
        }
        bench.advance(Duration::from_millis(5));
        agent.handle_timeout(bench.now);
    }
}

fn modes() -> [Mode; 2] {
    [Mode::Lite, Mode::Full(IceRole::Controlled)]
}

#[test]
fn media_waits_for_the_nominated_pair_and_then_goes_there() {
    for mode in modes() {
        let (mut bench, [counters, _], mut agent) = call(mode, Protection::None);
        assert_eq!(counters.ice_state(), Some(State::Checking));
        // Neither the signalled address nor the source of a packet will do.
        bench.refused(1, &audio(), DropReason::NoEndpoint);
        bench.receive(0, stranger(), &audio());
        bench.sent();
        bench.refused(1, &audio(), DropReason::NoEndpoint);
        bench.receive(0, party(0), &audio());
        bench.sent();
        bench.refused(1, &audio(), DropReason::NoEndpoint);

        exchange(&mut bench, &mut agent, Duration::from_secs(2));
        assert_eq!(counters.ice_state(), Some(State::Nominated), "{mode:?}");
        bench.sent();
        assert_eq!(bench.receive(1, party(1), &audio()), Verdict::Forwarded);
        let sent = bench.sent();
        assert_eq!((sent[0].0, sent[0].1), (0, real()));
        // Nothing moves it any more.
        bench.receive(0, stranger(), &audio());
        bench.sent();
        bench.receive(1, party(1), &audio());
        assert_eq!(bench.sent()[0].1, real());
    }
}

#[test]
fn a_strangers_stun_moves_nothing_and_is_counted() {
    for mode in modes() {
        let (mut bench, [counters, _], mut friend) = call(mode, Protection::None);
        bench.sent();
        let mut rng = Rng::new(1);
        let unsigned = stun_binding_request(&mut rng);
        bench.refused_from(0, stranger(), &unsigned, DropReason::NotAuthentic);
        // Signed, but with a password that it does not know.
        let [ours, theirs] = [(); 2].map(|()| Credentials::random().unwrap());
        let mut forger = agent(&ours, theirs, bench.now);
        let mut buffer = [0; Agent::MAX_MESSAGE];
        let first_check = forger.poll_timeout().unwrap();
        forger.handle_timeout(first_check);
        let transmit = forger.poll_transmit(&mut buffer).unwrap();
        let forged = &buffer[..transmit.len];
        bench.refused_from(0, stranger(), forged, DropReason::NotAuthentic);
        assert_eq!(counters.dropped_for(DropReason::NotAuthentic), 2);
        assert_eq!(counters.dropped_total(), 2);
        assert_eq!(bench.events(), []);
        bench.refused(1, &audio(), DropReason::NoEndpoint);

        exchange(&mut bench, &mut friend, Duration::from_secs(2));
        bench.sent();
        bench.refused_from(0, stranger(), forged, DropReason::NotAuthentic);
        bench.receive(1, party(1), &audio());
        assert_eq!(bench.sent()[0].1, real());
    }
}

#[test]
fn a_strangers_dtls_reaches_no_handshake() {
    let ours = Arc::new(handshake(1, Some(Role::Active)));
    for mode in modes() {
        let protection = Protection::Dtls(Arc::clone(&ours));
        let (mut bench, [counters, _], mut agent) = call(mode, protection);
        bench.sent();
        for _ in 0..100 {
            bench.refused_from(0, stranger(), &record(), DropReason::WrongSource);
            bench.refused(0, &record(), DropReason::WrongSource);
            bench.refused_from(0, real(), &record(), DropReason::WrongSource);
        }
        assert_eq!(counters.dropped_for(DropReason::WrongSource), 300);
        assert_eq!(bench.events(), [], "not even the way is open");

        exchange(&mut bench, &mut agent, Duration::from_secs(2));
        let begun = bench.events().into_iter().filter(
            |event| matches!(event, Event::Handshake(e) if e.step == HandshakeStep::Begin(real())),
        );
        assert_eq!(begun.count(), 1, "once, at the nominated pair: {mode:?}");
        bench.sent();
        bench.refused_from(0, stranger(), &record(), DropReason::WrongSource);
        assert_eq!(bench.events(), []);
        // The stranger has spent nothing of the budget.
        for _ in 0..64 {
            assert_eq!(bench.receive(0, real(), &record()), Verdict::Consumed);
        }
        let passed_on = bench.events();
        assert_eq!(passed_on.len(), 64);
    }
}

#[test]
fn without_consent_nothing_is_sent() {
    let (mut bench, [counters, _], mut agent) =
        call(Mode::Full(IceRole::Controlled), Protection::None);
    exchange(&mut bench, &mut agent, Duration::from_secs(2));
    bench.sent();
    // The party is gone; our own checks go unanswered.
    let until = bench.now + Duration::from_secs(60);
    while let Some(at) = bench.poll_timeout().filter(|at| *at <= until) {
        let wait = at.saturating_duration_since(bench.now);
        bench.advance(wait.max(Duration::from_millis(1)));
        bench.sent();
    }
    assert_eq!(counters.ice_state(), Some(State::Disconnected));
    bench.refused(1, &audio(), DropReason::NoEndpoint);
    bench.receive(0, stranger(), &audio());
    bench.sent();
    bench.refused(1, &audio(), DropReason::NoEndpoint);
}
