//! What strangers and greedy peers cannot do.

use std::net::SocketAddr;
use std::time::Duration;

use media_core::ice::{
    Agent, Candidate, CandidateVerdict, Component, Credentials, Event, LocalAddressError, Mode,
    State, StunVerdict,
};
use media_core::testing::start;
use media_core::wire::stun::{BINDING, Class, StunBuilder, StunMessage};

use crate::net::{FULL_PAIR, Net, addr, config, credentials};

const SECOND: Duration = Duration::from_secs(1);
const MODES: [Mode; 2] = [FULL_PAIR[1], Mode::Lite];

/// A check of a peer with these credentials.
fn check(ours: &Credentials, theirs: &Credentials, id: u8, nominate: bool) -> Vec<u8> {
    let mut out = [0; 400];
    let mut request = StunBuilder::new(&mut out, Class::Request, BINDING, &[id; 12])
        .username(ours.ufrag().as_bytes(), theirs.ufrag().as_bytes())
        .priority(1_862_270_975)
        .ice_controlling(1 << 60);
    if nominate {
        request = request.use_candidate();
    }
    let len = request.finish(Some(&ours.key())).expect("fits");
    out[..len].to_vec()
}

fn agent(mode: Mode) -> (Agent, SocketAddr) {
    let mut agent = Agent::new(config(mode, 1));
    let local = addr("10.0.0.1:4000");
    agent.add_local(local, 65_535).expect("usable");
    agent.set_remote_credentials(start(), credentials(2));
    (agent, local)
}

#[test]
fn only_the_peer_gets_an_answer() {
    for mode in MODES {
        let (mut agent, local) = agent(mode);
        let now = start();
        let peer = addr("10.0.0.2:5000");
        let (ours, theirs) = (credentials(1), credentials(2));
        let mut out = [0; Agent::MAX_MESSAGE];
        while agent.poll_event().is_some() {}

        let good = check(&ours, &theirs, 1, false);
        let wrong_pwd = Credentials::new(ours.ufrag().as_bytes(), &[b'x'; 26]).expect("fine");
        let nowhere = addr("10.0.0.1:4001");
        let mut unsigned = [0; 100];
        let len = StunBuilder::new(&mut unsigned, Class::Request, BINDING, &[3; 12])
            .username(ours.ufrag().as_bytes(), theirs.ufrag().as_bytes())
            .priority(1)
            .use_candidate()
            .finish(None)
            .expect("fits");
        let mut indication = [0; 100];
        let short = StunBuilder::new(&mut indication, Class::Indication, BINDING, &[3; 12])
            .finish(Some(&ours.key()))
            .expect("fits");
        let mut no_priority = [0; 200];
        let bare = StunBuilder::new(&mut no_priority, Class::Request, BINDING, &[3; 12])
            .username(ours.ufrag().as_bytes(), theirs.ufrag().as_bytes())
            .finish(Some(&ours.key()))
            .expect("fits");
        let mut unasked = [0; 200];
        let answer = StunBuilder::new(&mut unasked, Class::Success, BINDING, &[3; 12])
            .xor_mapped_address(local)
            .finish(Some(&theirs.key()))
            .expect("fits");
        let strangers = check(&credentials(7), &theirs, 2, true);
        let impostors = check(&ours, &credentials(7), 2, true);
        let cases = [
            (local, &b"\x00\x01\x00"[..], StunVerdict::Malformed),
            (local, &good[..good.len() - 4], StunVerdict::Malformed),
            (local, &no_priority[..bare], StunVerdict::Malformed),
            (nowhere, &good[..], StunVerdict::NotOurs),
            (local, &indication[..short], StunVerdict::NotOurs),
            (local, &unasked[..answer], StunVerdict::NotOurs),
            (local, &unsigned[..len], StunVerdict::Unauthenticated),
            (
                local,
                &check(&wrong_pwd, &theirs, 2, true)[..],
                StunVerdict::Unauthenticated,
            ),
            (local, &strangers[..], StunVerdict::Unauthenticated),
            (local, &impostors[..], StunVerdict::Unauthenticated),
        ];
        let state = agent.state();
        for (socket, bytes, verdict) in cases {
            assert_eq!(
                agent.handle_stun(now, socket, peer, bytes),
                verdict,
                "{bytes:02x?}"
            );
            assert_eq!(agent.poll_transmit(&mut out), None);
            assert_eq!(agent.poll_event(), None);
            assert_eq!(agent.state(), state);
        }
        assert_eq!(
            agent.handle_stun(now, local, peer, &good),
            StunVerdict::Accepted
        );
        let answer = agent.poll_transmit(&mut out).expect("the peer gets one");
        assert_eq!((answer.pair.local, answer.pair.remote), (local, peer));
        let message = StunMessage::parse(&out[..answer.len]).expect("STUN");
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.transaction_id(), &[1; 12]);
        assert_eq!(message.xor_mapped_address(), Some(peer));
        assert!(
            message.integrity_matches(&ours.key()),
            "signed with our password"
        );
        assert_eq!(
            agent.poll_event(),
            Some(Event::PeerReflexive { remote: peer })
        );
    }
}

#[test]
fn answer_from_another_address_than_was_asked_is_refused() {
    let (mut agent, local) = agent(FULL_PAIR[0]);
    let now = start();
    let peer = addr("10.0.0.2:5000");
    let candidate = Candidate::host(peer, Component::RTP, 65_535, "f");
    agent.add_remote_candidate(now, &candidate);
    agent.handle_timeout(now + SECOND);
    let mut out = [0; Agent::MAX_MESSAGE];
    let asked = agent.poll_transmit(&mut out).expect("a check");
    assert_eq!(asked.pair.remote, peer);
    let id = *StunMessage::parse(&out[..asked.len])
        .expect("STUN")
        .transaction_id();
    let mut reply = [0; 200];
    let len = StunBuilder::new(&mut reply, Class::Success, BINDING, &id)
        .xor_mapped_address(local)
        .finish(Some(&credentials(2).key()))
        .expect("fits");
    let now = now + SECOND;
    let elsewhere = addr("10.0.0.66:5000");
    let reply = &reply[..len];
    assert_eq!(
        agent.handle_stun(now, local, elsewhere, reply),
        StunVerdict::NotOurs
    );
    assert_eq!(agent.nominated(), None);
    assert_eq!(
        agent.handle_stun(now, local, peer, reply),
        StunVerdict::Accepted
    );
    assert_eq!(agent.nominated().map(|p| p.remote), Some(peer));
    assert_eq!(
        agent.handle_stun(now, local, peer, reply),
        StunVerdict::NotOurs,
        "answered"
    );
}

#[test]
fn greedy_peer_is_bounded_in_rate_and_addresses() {
    for mode in MODES {
        let (mut agent, local) = agent(mode);
        let now = start();
        let (ours, theirs) = (credentials(1), credentials(2));
        let request = check(&ours, &theirs, 1, false);
        let mut out = [0; Agent::MAX_MESSAGE];
        let mut accepted = 0;
        for n in 0..10_000_u32 {
            // A thousand a second, each from a port of its own.
            let from = SocketAddr::new([10, 0, 0, 2].into(), 1024 + u16::try_from(n).expect("few"));
            let at = now + Duration::from_millis(n.into());
            if agent.handle_stun(at, local, from, &request) == StunVerdict::Accepted {
                accepted += 1;
            }
            while agent.poll_transmit(&mut out).is_some() {}
        }
        assert_eq!(accepted, Agent::MAX_REMOTE, "{mode:?}");
        let events = std::iter::from_fn(|| agent.poll_event());
        let learned = events
            .filter(|e| matches!(e, Event::PeerReflexive { .. }))
            .count();
        assert_eq!(learned, Agent::MAX_REMOTE);

        // From one address, in one second.
        let from = SocketAddr::new([10, 0, 0, 2].into(), 1024);
        let second = now + 100 * SECOND;
        let taken = (0..1000)
            .filter(|ms| {
                let at = second + Duration::from_millis(*ms);
                agent.handle_stun(at, local, from, &request) == StunVerdict::Accepted
            })
            .count();
        assert_eq!(taken, 128 + 124, "{mode:?}");
    }
}

#[test]
fn useless_candidates_are_counted_and_not_checked() {
    let (mut agent, _) = agent(FULL_PAIR[0]);
    let now = start();
    let mut add = |line: &str| {
        let candidate = Candidate::parse(line.as_bytes()).expect("well-formed");
        agent.add_remote_candidate(now, &candidate)
    };
    use CandidateVerdict as V;
    let ufrag = credentials(2).ufrag().to_owned();
    let cases = [
        ("1 1 udp 5 0a1b.local 5000 typ host", V::Unreachable),
        ("1 1 udp 5 0.0.0.0 5000 typ host", V::Unreachable),
        ("1 1 udp 5 224.0.0.1 5000 typ host", V::Unreachable),
        ("1 1 udp 5 255.255.255.255 5000 typ host", V::Unreachable),
        ("1 1 udp 5 10.0.0.2 0 typ host", V::Unreachable),
        ("1 1 tcp 5 10.0.0.2 9 typ host tcptype active", V::NotUdp),
        ("1 2 udp 5 10.0.0.2 5000 typ host", V::OtherComponent),
        (
            "1 1 udp 5 10.0.0.2 5000 typ host ufrag old1",
            V::OtherGeneration,
        ),
        (
            &format!("1 1 udp 5 10.0.0.2 5000 typ host ufrag {ufrag}"),
            V::Added,
        ),
        (
            "1 1 udp 9 10.0.0.2 5000 typ srflx raddr 1.1.1.1 rport 1",
            V::Duplicate,
        ),
    ];
    for (line, verdict) in cases {
        assert_eq!(add(line), verdict, "{line}");
    }
    for port in 1..1000 {
        let verdict = add(&format!("1 1 udp 5 10.0.0.3 {port} typ host"));
        let fits = port < Agent::MAX_REMOTE;
        assert_eq!(verdict, if fits { V::Added } else { V::TooMany }, "{port}");
    }
    assert_eq!(agent.counters().candidates_ignored, 8 + 1000 - 32);
}

#[test]
fn local_addresses_are_checked() {
    let mut agent = Agent::new(config(Mode::Lite, 1));
    for unusable in [
        "0.0.0.0:1",
        "10.0.0.1:0",
        "[ff02::1]:1",
        "255.255.255.255:1",
    ] {
        let error = LocalAddressError::Unusable(addr(unusable));
        assert_eq!(agent.add_local(addr(unusable), 1), Err(error));
    }
    for port in 1..=16 {
        let address = addr(&format!("127.0.0.1:{port}"));
        assert_eq!(agent.add_local(address, 1), Ok(()));
        assert_eq!(agent.add_local(address, 1), Ok(()), "again");
    }
    let error = LocalAddressError::TooMany(addr("127.0.0.1:17"));
    assert_eq!(agent.add_local(addr("127.0.0.1:17"), 1), Err(error));
}

#[test]
fn longest_user_names_are_sent_and_understood() {
    let long = Credentials::new(&[b'u'; Credentials::MAX_UFRAG], &[b'p'; 256]).expect("allowed");
    let mut net = Net::new(FULL_PAIR);
    net.sides[1].agent.restart(long);
    net.signal_all();
    assert!(
        net.run_until(SECOND, Net::is_connected),
        "{:?}",
        net.states()
    );
}

#[test]
fn lying_about_our_address_costs_the_peer_its_pair() {
    let (mut agent, local) = agent(FULL_PAIR[0]);
    let start = start();
    let peer = addr("10.0.0.2:5000");
    agent.add_remote_candidate(start, &Candidate::host(peer, Component::RTP, 65_535, "f"));
    let mut out = [0; Agent::MAX_MESSAGE];
    let mut now = start;
    let mut limited = 0;
    for n in 0..200_u16 {
        now = agent.poll_timeout().unwrap_or(now).max(now);
        agent.handle_timeout(now);
        while let Some(asked) = agent.poll_transmit(&mut out) {
            let message = StunMessage::parse(&out[..asked.len]).expect("STUN");
            let mut reply = [0; 200];
            let len = StunBuilder::new(
                &mut reply,
                Class::Success,
                BINDING,
                message.transaction_id(),
            )
            .xor_mapped_address(SocketAddr::new([192, 0, 2, 1].into(), 1000 + n))
            .finish(Some(&credentials(2).key()))
            .expect("fits");
            let verdict = agent.handle_stun(now, local, peer, &reply[..len]);
            limited += u32::from(verdict == StunVerdict::Limited);
        }
    }
    assert!(limited > 5, "{limited}");
    assert_eq!(agent.state(), State::Disconnected);
}
