//! Finding a pair, and another one.

use std::time::Duration;

use media_core::ice::{Candidate, Component, Event, Mode, Role, State, StunVerdict};
use media_core::testing::LinkConfig;

use crate::net::{FULL_PAIR, Net, addr, config, credentials};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn full_agents_agree_on_a_pair_in_either_role() {
    for modes in [FULL_PAIR, [FULL_PAIR[1], FULL_PAIR[0]]] {
        let mut net = Net::new(modes);
        net.signal_all();
        assert!(
            net.run_until(SECOND, Net::is_connected),
            "{:?}",
            net.states()
        );
        let expected = [addr("10.0.0.1:4000"), addr("10.0.0.2:5000")];
        assert_eq!(net.agreed_pair(), Some(expected));
        // There and back, and there again: nobody waits for a Ta.
        assert_eq!(net.elapsed(), Duration::from_millis(30));
        for side in &net.sides {
            let events: Vec<Event> = side.events.iter().map(|e| e.1).collect();
            assert_eq!(events[0], Event::Checking);
            assert!(matches!(events[1], Event::Nominated(_)), "{events:?}");
        }
        // It stays so, and stays quiet: one check each way every three seconds.
        let before = net.sides[0].requests_sent;
        net.run(60 * SECOND);
        assert!(net.is_connected());
        let checks = net.sides[0].requests_sent - before;
        assert!((15..40).contains(&checks), "{checks} in a minute");
        assert!(!net.saw(0, Event::Disconnected) && !net.saw(1, Event::Disconnected));
        let nominations = |n: usize| {
            let is_one = |e: &&(Duration, Event)| matches!(e.1, Event::Nominated(_));
            net.sides[n].events.iter().filter(is_one).count()
        };
        assert_eq!([nominations(0), nominations(1)], [1, 1]);
    }
}

#[test]
fn lite_agent_answers_and_never_asks() {
    let mut net = Net::new([Mode::Lite, Mode::Full(Role::Controlling)]);
    net.signal_all();
    assert!(
        net.run_until(SECOND, Net::is_connected),
        "{:?}",
        net.states()
    );
    assert!(net.agreed_pair().is_some());
    assert_eq!(net.elapsed(), Duration::from_millis(30));
    net.run(120 * SECOND);
    assert!(net.is_connected(), "checks of the peer keep consent");
    assert_eq!(net.sides[0].requests_sent, 0);
    assert!(net.sides[0].agent.is_lite());
    assert_eq!(net.sides[0].agent.role(), Role::Controlled);
}

#[test]
fn peer_that_thinks_it_is_controlled_is_told_by_a_lite_agent() {
    let mut net = Net::new([Mode::Lite, Mode::Full(Role::Controlled)]);
    net.signal_all();
    assert!(
        net.run_until(SECOND, Net::is_connected),
        "{:?}",
        net.states()
    );
    assert!(net.saw(1, Event::RoleChanged(Role::Controlling)));
}

#[test]
fn role_conflicts_leave_one_controlling() {
    for role in [Role::Controlling, Role::Controlled] {
        for tie_breakers in [[7, 9], [9, 7]] {
            let mut configs = [0, 1].map(|n| config(Mode::Full(role), n));
            for n in 0..2 {
                configs[n].tie_breaker = tie_breakers[n];
            }
            let sockets = [vec![addr("10.0.0.1:4000")], vec![addr("10.0.0.2:5000")]];
            let link = LinkConfig {
                delay: Duration::from_millis(10),
                ..LinkConfig::default()
            };
            let mut net = Net::with(configs, sockets, link);
            net.signal_all();
            let settled = net.run_until(5 * SECOND, Net::is_connected);
            let roles = [0, 1].map(|n| net.sides[n].agent.role());
            assert!(
                settled,
                "{role:?} {tie_breakers:?} {roles:?} {:?}",
                net.states()
            );
            assert_ne!(roles[0], roles[1]);
            assert!(net.agreed_pair().is_some());
            let changes = |n: usize| {
                let is_one = |e: &&(Duration, Event)| matches!(e.1, Event::RoleChanged(_));
                net.sides[n].events.iter().filter(is_one).count()
            };
            let changes = changes(0) + changes(1);
            assert!((1..=5).contains(&changes), "{role:?}: {changes} changes");
        }
    }
}

#[test]
fn restart_moves_media_only_when_the_new_pair_is_nominated() {
    for first in [FULL_PAIR[0], Mode::Lite] {
        let second = if first == Mode::Lite {
            FULL_PAIR[0]
        } else {
            FULL_PAIR[1]
        };
        let mut net = Net::new([first, second]);
        net.signal_all();
        assert!(net.run_until(SECOND, Net::is_connected));
        net.run(SECOND);
        let old = net.agreed_pair();

        // The peer has moved.
        net.sides[1].agent.restart(credentials(11));
        net.sides[0].agent.restart(credentials(10));
        assert_eq!(net.states(), [State::New; 2]);
        net.sides[1].sockets.push(addr("10.0.9.9:7000"));
        net.sides[1]
            .agent
            .add_local(addr("10.0.9.9:7000"), 65_535)
            .expect("usable");
        net.blocked = Box::new(|from, to| [from, to].contains(&addr("10.0.0.2:5000")));
        assert_eq!(net.agreed_pair(), old, "media goes on meanwhile");
        net.run(SECOND / 2);
        assert_eq!(net.agreed_pair(), old, "media goes on meanwhile");
        net.signal_all();
        assert!(net.run_until(2 * SECOND, |n| n.is_connected() && n.agreed_pair() != old));
        let new = [addr("10.0.0.1:4000"), addr("10.0.9.9:7000")];
        assert_eq!(net.agreed_pair(), Some(new));
    }
}

#[test]
fn old_credentials_keep_the_old_pair_alive_and_open_nothing() {
    for modes in [FULL_PAIR, [Mode::Lite, FULL_PAIR[0]]] {
        let mut net = Net::new(modes);
        net.signal_all();
        assert!(net.run_until(SECOND, Net::is_connected));
        let old = net.agreed_pair();
        // One side alone: the other one does not know of it yet.
        net.sides[0].agent.restart(credentials(10));
        net.signal_credentials(0);
        // What is on its way at that moment answers nothing any more.
        net.run(SECOND / 10);
        let verdicts = |net: &mut Net, time| {
            net.sides[0].verdicts.clear();
            net.run(time);
            let mut all = net.sides[0].verdicts.clone();
            all.dedup();
            all
        };
        let all = verdicts(&mut net, 25 * SECOND);
        assert_eq!(all, [StunVerdict::Accepted], "its checks are answered");
        assert_eq!(net.states(), [State::Checking, State::Nominated]);
        assert_eq!(net.agreed_pair(), old);
        // From elsewhere they are no longer.
        net.sides[1].outside = Some(addr("203.0.113.5:61000"));
        let all = verdicts(&mut net, 4 * SECOND);
        assert_eq!(all, [StunVerdict::Unauthenticated]);
        // Nor is anything once the restart has come to nothing.
        net.sides[1].outside = None;
        net.run(4 * SECOND);
        assert!(matches!(net.states()[0], State::Failed(_)));
        let all = verdicts(&mut net, 4 * SECOND);
        assert_eq!(all, [StunVerdict::Unauthenticated]);
    }
}

#[test]
fn changed_remote_credentials_are_a_restart_of_the_peer() {
    let mut net = Net::new(FULL_PAIR);
    net.signal_all();
    assert!(net.run_until(SECOND, Net::is_connected));
    net.sides[1].agent.restart(credentials(11));
    net.signal_all();
    assert_eq!(net.states(), [State::Checking; 2]);
    assert!(
        net.run_until(2 * SECOND, Net::is_connected),
        "{:?}",
        net.states()
    );
}

#[test]
fn candidates_may_trickle_in_late() {
    let mut net = Net::new(FULL_PAIR);
    net.signal_credentials(0);
    net.signal_credentials(1);
    net.run(10 * SECOND);
    assert_eq!(net.states(), [State::Checking; 2]);
    net.signal_candidates(0);
    net.signal_candidates(1);
    assert!(
        net.run_until(SECOND, Net::is_connected),
        "{:?}",
        net.states()
    );
    assert!(net.elapsed() < 11 * SECOND);
}

#[test]
fn peer_reflexive_candidate_is_learned_and_nominated() {
    for modes in [
        FULL_PAIR,
        [FULL_PAIR[1], FULL_PAIR[0]],
        [Mode::Lite, FULL_PAIR[0]],
    ] {
        let mut net = Net::new(modes);
        let outside = addr("203.0.113.5:61000");
        net.sides[1].outside = Some(outside);
        net.signal_credentials(0);
        net.signal_credentials(1);
        // Ours is told the peer's inner address, which does not work.
        net.signal_candidates(0);
        net.signal_candidates(1);
        net.blocked = Box::new(|_, to| to == addr("10.0.0.2:5000"));
        assert!(
            net.run_until(2 * SECOND, Net::is_connected),
            "{modes:?} {:?}",
            net.states()
        );
        let pair = net.sides[0].agent.nominated().expect("connected");
        assert_eq!(pair.remote, outside);
        assert!(net.saw(0, Event::PeerReflexive { remote: outside }));
        // Signalled after all: known already, and nothing changes.
        let mut candidate = Candidate::host(outside, Component::RTP, 5, "f");
        candidate.priority = 1_677_721_855;
        net.sides[0].agent.add_remote_candidate(net.now, &candidate);
        net.run(30 * SECOND);
        assert!(net.is_connected());
        assert_eq!(net.sides[0].agent.nominated(), Some(pair));
    }
}

#[test]
fn checks_before_the_answer_are_not_lost() {
    // Ours offers; the answerer's checks overtake its answer.
    for ours in [FULL_PAIR[0], Mode::Lite] {
        let theirs = if ours == Mode::Lite {
            FULL_PAIR[0]
        } else {
            FULL_PAIR[1]
        };
        let mut net = Net::new([ours, theirs]);
        net.signal_credentials(1);
        net.signal_candidates(1);
        net.run(SECOND);
        assert_eq!(net.sides[0].agent.state(), State::New);
        assert_eq!(net.sides[0].agent.nominated(), None, "nobody is known yet");
        net.signal_credentials(0);
        assert!(
            net.run_until(4 * SECOND, Net::is_connected),
            "{ours:?} {:?}",
            net.states()
        );
    }
}

#[test]
fn lossy_reordering_link_is_overcome() {
    for modes in [
        FULL_PAIR,
        [FULL_PAIR[1], FULL_PAIR[0]],
        [Mode::Lite, FULL_PAIR[0]],
    ] {
        let link = LinkConfig {
            loss: 0.3,
            duplicate: 0.1,
            reorder: 0.2,
            reorder_hold: Duration::from_millis(120),
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(30),
        };
        for seed in 0..10 {
            let configs = [config(modes[0], 20 + seed), config(modes[1], 50 + seed)];
            let sockets = [vec![addr("10.0.0.1:4000")], vec![addr("10.0.0.2:5000")]];
            let mut net = Net::with(configs, sockets, link);
            net.signal_all();
            assert!(
                net.run_until(10 * SECOND, Net::is_connected),
                "{modes:?} {:?}",
                net.states()
            );
            net.run(300 * SECOND);
            assert!(net.is_connected(), "{modes:?} {:?}", net.states());
            assert!(!net.saw(0, Event::Disconnected) && !net.saw(1, Event::Disconnected));
        }
    }
}

fn dual_stack(modes: [Mode; 2]) -> Net {
    let sockets = [
        vec![addr("[2001:db8::1]:4000"), addr("10.0.0.1:4000")],
        vec![addr("[2001:db8::2]:5000"), addr("10.0.0.2:5000")],
    ];
    let link = LinkConfig {
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    Net::with([config(modes[0], 1), config(modes[1], 2)], sockets, link)
}

#[test]
fn both_families_are_tried_and_the_preferred_wins() {
    for modes in [FULL_PAIR, [Mode::Lite, FULL_PAIR[0]]] {
        let mut net = dual_stack(modes);
        net.signal_all();
        net.run(5 * SECOND);
        assert!(net.is_connected());
        let pair = net.agreed_pair().expect("the same");
        assert_eq!(
            pair,
            [addr("[2001:db8::1]:4000"), addr("[2001:db8::2]:5000")]
        );
    }
}

#[test]
fn other_family_serves_where_one_is_blocked_and_when_it_fails_later() {
    for modes in [FULL_PAIR, [Mode::Lite, FULL_PAIR[0]]] {
        let mut net = dual_stack(modes);
        net.blocked = Box::new(|from, _| from.is_ipv6());
        net.signal_all();
        assert!(
            net.run_until(2 * SECOND, Net::is_connected),
            "{:?}",
            net.states()
        );
        let pair = net.agreed_pair().expect("the same");
        assert_eq!(pair, [addr("10.0.0.1:4000"), addr("10.0.0.2:5000")]);

        let mut net = dual_stack(modes);
        net.signal_all();
        net.run(5 * SECOND);
        net.blocked = Box::new(|from, _| from.is_ipv6());
        let ipv4 =
            |n: &Net| n.agreed_pair() == Some([addr("10.0.0.1:4000"), addr("10.0.0.2:5000")]);
        assert!(
            net.run_until(40 * SECOND, |n| n.is_connected() && ipv4(n)),
            "{:?}",
            net.states()
        );
    }
}

#[test]
fn components_have_agents_of_their_own() {
    let mut nets = [Component::RTP, Component::RTCP].map(|component| {
        let mut configs = [config(FULL_PAIR[0], 1), config(FULL_PAIR[1], 2)];
        for config in &mut configs {
            config.component = component;
        }
        let port = 4000 + component.get();
        let sockets = [format!("10.0.0.1:{port}"), format!("10.0.0.2:{port}")];
        Net::with(
            configs,
            sockets.map(|s| vec![addr(&s)]),
            LinkConfig::default(),
        )
    });
    let ufrags = [0, 1].map(|n| nets[n].sides[0].agent.credentials().clone());
    assert_eq!(ufrags[0], ufrags[1], "the stream's credentials");
    for net in &mut nets {
        net.signal_credentials(0);
        net.signal_credentials(1);
        for to in 0..2 {
            for component in [Component::RTP, Component::RTCP] {
                let host = if to == 0 { "10.0.0.2" } else { "10.0.0.1" };
                let address = addr(&format!("{host}:{}", 4000 + component.get()));
                let candidate = Candidate::host(address, component, 65_535, "f");
                net.sides[to]
                    .agent
                    .add_remote_candidate(net.now, &candidate);
            }
        }
        assert!(net.run_until(SECOND, Net::is_connected));
        assert_eq!(net.sides[0].agent.counters().candidates_ignored, 1);
    }
    let ports = nets.map(|n| n.agreed_pair().expect("the same").map(|a| a.port()));
    assert_eq!(ports, [[4001; 2], [4002; 2]]);
}
