//! Losing a pair, and not finding one.

use std::time::Duration;

use media_core::ice::{Event, FailReason, Mode, Role, State};

use crate::net::{FULL_PAIR, Net, credentials};

const SECOND: Duration = Duration::from_secs(1);
const LITE_PAIR: [Mode; 2] = [Mode::Lite, Mode::Full(Role::Controlling)];

#[test]
fn silence_ends_consent_and_the_peers_return_renews_it() {
    for modes in [FULL_PAIR, [FULL_PAIR[1], FULL_PAIR[0]], LITE_PAIR] {
        let mut net = Net::new(modes);
        net.signal_all();
        assert!(net.run_until(SECOND, Net::is_connected));
        net.run(10 * SECOND);
        net.blocked = Box::new(|_, _| true);
        let cut = net.now;
        let lost = |n: &Net| n.sides[0].agent.state() == State::Disconnected;
        assert!(net.run_until(40 * SECOND, lost), "{modes:?}");
        let silence = net.now - cut;
        assert!(
            (15..=31).contains(&silence.as_secs()),
            "{modes:?}: {silence:?}"
        );
        assert!(net.saw(0, Event::Disconnected));
        assert_eq!(net.sides[0].agent.nominated(), None, "nothing may be sent");

        net.blocked = Box::new(|_, _| false);
        // As a browser would: its page restarts ICE, with candidates as before.
        if !net.run_until(10 * SECOND, Net::is_connected) {
            net.sides[0].agent.restart(credentials(10));
            net.sides[1].agent.restart(credentials(11));
            net.signal_all();
            assert!(
                net.run_until(SECOND, Net::is_connected),
                "{modes:?} {:?}",
                net.states()
            );
        }
    }
}

#[test]
fn short_silence_is_no_loss() {
    for modes in [FULL_PAIR, LITE_PAIR] {
        let mut net = Net::new(modes);
        net.signal_all();
        assert!(net.run_until(SECOND, Net::is_connected));
        net.run(10 * SECOND);
        net.blocked = Box::new(|_, _| true);
        net.run(10 * SECOND);
        net.blocked = Box::new(|_, _| false);
        net.run(60 * SECOND);
        assert!(net.is_connected());
        assert!(!net.saw(0, Event::Disconnected), "{modes:?}");
    }
}

#[test]
fn candidates_that_never_answer_fail_in_bounded_time() {
    for mode in [FULL_PAIR[0], FULL_PAIR[1], Mode::Lite] {
        let mut net = Net::new([mode, FULL_PAIR[1]]);
        net.blocked = Box::new(|_, _| true);
        net.signal_all();
        let failed = |n: &Net| matches!(n.sides[0].agent.state(), State::Failed(_));
        assert!(net.run_until(31 * SECOND, failed), "{:?}", net.states());
        assert!(net.saw(0, Event::Failed(FailReason::NoAnswers)), "{mode:?}");
        // And stays quiet from then on.
        let sent = net.sides[0].agent.counters().sent;
        assert!(sent < 20, "{sent} checks");
        net.run(600 * SECOND);
        assert_eq!(net.sides[0].agent.counters().sent, sent);
        assert_eq!(net.sides[0].agent.poll_timeout(), None);
    }
}

#[test]
fn end_of_candidates_fails_without_waiting_for_more() {
    let mut net = Net::new(FULL_PAIR);
    net.blocked = Box::new(|_, _| true);
    net.signal_all();
    net.sides[0].agent.end_of_candidates();
    let failed = |n: &Net| matches!(n.sides[0].agent.state(), State::Failed(_));
    assert!(net.run_until(31 * SECOND, failed));
    assert!(net.elapsed() < 25 * SECOND, "{:?}", net.elapsed());
}

#[test]
fn peer_without_candidates_fails_for_that_reason() {
    for mode in [FULL_PAIR[0], Mode::Lite] {
        let mut net = Net::new([mode, FULL_PAIR[1]]);
        net.signal_credentials(0);
        net.run(31 * SECOND);
        let reason = FailReason::NoCandidates;
        assert_eq!(net.sides[0].agent.state(), State::Failed(reason));
    }
}

#[test]
fn wrong_password_fails_for_that_reason() {
    for mode in [FULL_PAIR[0], Mode::Lite] {
        let mut net = Net::new([mode, FULL_PAIR[1]]);
        net.signal_all();
        // The peer was told another password than ours is.
        net.sides[1].agent.restart(credentials(2));
        let wrong = media_core::ice::Credentials::new(
            net.sides[0].agent.credentials().ufrag().as_bytes(),
            b"this-is-not-the-password",
        );
        let now = net.now;
        let wrong = wrong.expect("well-formed");
        net.sides[1].agent.set_remote_credentials(now, wrong);
        net.signal_candidates(1);
        // What ours asks is not heard, so that only the peer's checks come.
        let ours = net.sides[0].sockets[0];
        net.blocked = Box::new(move |from, _| from == ours);
        net.run(31 * SECOND);
        let reason = FailReason::WrongCredentials;
        assert_eq!(
            net.sides[0].agent.state(),
            State::Failed(reason),
            "{mode:?}"
        );
        let counters = net.sides[0].agent.counters();
        assert!(
            counters.unauthenticated > 3 && counters.accepted == 0,
            "{counters:?}"
        );
    }
}

#[test]
fn one_way_path_is_never_nominated() {
    for modes in [FULL_PAIR, [FULL_PAIR[1], FULL_PAIR[0]]] {
        let mut net = Net::new(modes);
        net.signal_all();
        let ours = net.sides[0].sockets[0];
        net.blocked = Box::new(move |from, _| from == ours);
        net.run(31 * SECOND);
        let reason = FailReason::NotNominated;
        assert_eq!(net.sides[0].agent.state(), State::Failed(reason));
        assert_eq!(net.sides[0].agent.nominated(), None);
    }
}

#[test]
fn late_peer_revives_a_failed_agent() {
    for modes in [FULL_PAIR, [FULL_PAIR[1], FULL_PAIR[0]], LITE_PAIR] {
        let mut net = Net::new(modes);
        net.signal_credentials(0);
        net.signal_candidates(0);
        net.blocked = Box::new(|_, _| true);
        net.run(40 * SECOND);
        assert_eq!(
            net.sides[0].agent.state(),
            State::Failed(FailReason::NoAnswers)
        );
        net.blocked = Box::new(|_, _| false);
        net.signal_credentials(1);
        net.signal_candidates(1);
        let connected = net.run_until(5 * SECOND, Net::is_connected);
        assert!(connected, "{modes:?} {:?}", net.states());
        let checking = |e: &&(Duration, Event)| e.1 == Event::Checking;
        assert_eq!(net.sides[0].events.iter().filter(checking).count(), 2);
    }
}
