//! Calls through Kamailio 5.6, whose rtpengine module steers the daemon under test. sipp makes and
//! takes the calls; their media comes from the test's own sockets, so that each packet is counted.
//!
//! `VOXPLANE_TEST_DAEMON=/usr/bin/rtpengine` puts the real one in our daemon's place: tests the test.

mod kamailio;
mod support;

use std::collections::BTreeSet;

use kamailio::{Caller, Calls, Network, Parties, STREAMED_PACKETS};
use support::daemon::Daemon;
use support::process::Guard;
use support::query::listed;
use support::{PATIENCE, poll, wait_for};

/// Sends `rounds` × 5 packets both ways through each call, and sees every one of them arrive once.
fn exchange_media(parties: &mut [Parties], daemon: &Daemon, rounds: u16) {
    const BURST: u16 = 5;
    let ports: Vec<_> = parties
        .iter()
        .map(|call| call.relay_ports(daemon))
        .collect();
    let before: Vec<_> = parties.iter().map(|call| call.packets(daemon)).collect();
    for _ in 0..rounds {
        for (call, (caller_to, callee_to)) in parties.iter_mut().zip(&ports) {
            call.caller.send_rtp(*caller_to, BURST);
            call.callee.send_rtp(*callee_to, BURST);
        }
        for (call, (caller_to, callee_to)) in parties.iter().zip(&ports) {
            for (receiver, relay) in [(&call.callee, callee_to), (&call.caller, caller_to)] {
                let got = receiver.receive(usize::from(BURST), PATIENCE);
                assert_eq!(
                    got.len(),
                    usize::from(BURST),
                    "{}: packets lost",
                    call.call_id
                );
                assert!(
                    got.iter().all(|(from, _)| from == relay),
                    "{}: a packet came from elsewhere than {relay}",
                    call.call_id
                );
                // rtpengine's threads may overtake each other within a burst.
                let mut seqs: Vec<u8> = got.iter().map(|(_, packet)| packet[3]).collect();
                seqs.sort_unstable();
                assert!(
                    seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
                    "{}: lost or doubled: {seqs:?}",
                    call.call_id
                );
            }
        }
    }
    let sent = i64::from(rounds * BURST);
    for (call, before) in parties.iter().zip(before) {
        let expected = (before.0 + sent, before.1 + sent);
        assert_eq!(call.packets(daemon), expected, "{}", call.call_id);
    }
}

fn await_end_of(mut callee: Guard) {
    let status = callee.wait();
    assert!(
        status.success(),
        "the callee ended with {status}\n{}",
        callee.log_tail()
    );
}

fn await_no_calls(daemon: &Daemon) {
    wait_for("the end of all calls in the daemon", || {
        listed(daemon).is_empty().then_some(())
    });
}

#[test]
fn fifty_simultaneous_calls_lose_nothing() {
    let mut network = Network::start("fifty", &[&[]]);
    let callee = network.callee(50);
    let mut calls = network.call("bob", 50, Caller::Plain);
    calls.await_sign("up", &network);
    let daemon = &network.daemons[0];
    let names: BTreeSet<String> = listed(daemon).into_iter().collect();
    assert_eq!(
        names,
        calls.parties.iter().map(|c| c.call_id.clone()).collect()
    );
    exchange_media(&mut calls.parties, daemon, 20);
    calls.go_on();
    calls.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn what_sipp_streams_comes_back_from_its_echo() {
    let mut network = Network::start("stream", &[&[]]);
    // All echoes pass one socket of sipp: so few packets fit its buffer even if sipp never gets to run.
    let callee = network.echoing_callee(2);
    let mut calls = network.call("bob", 2, Caller::Streams);
    calls.await_sign("up", &network);
    let daemon = &network.daemons[0];
    // Each packet is counted twice: from the caller, and as its echo from the callee. One that was
    // lost on the way to the callee would not come back.
    let all = vec![STREAMED_PACKETS; 2];
    for call in &calls.parties {
        let mut seen = (Vec::new(), None);
        let done = poll(|| {
            seen = call.streamed(daemon);
            (seen == (all.clone(), Some(0))).then_some(())
        });
        assert!(done.is_some(), "{}: {seen:?}", call.call_id);
    }
    calls.go_on();
    calls.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn retransmitted_invite_is_one_call() {
    let mut network = Network::start("retransmission", &[&[]]);
    let callee = network.callee(1);
    let mut calls = network.call("bob", 1, Caller::Retransmits);
    calls.await_sign("up", &network);
    assert_eq!(listed(&network.daemons[0]).len(), 1);
    exchange_media(&mut calls.parties, &network.daemons[0], 2);
    calls.go_on();
    calls.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn cancelled_call_leaves_nothing() {
    let mut network = Network::start("cancel", &[&[]]);
    let callee = network.ringing_callee(3);
    let mut calls = network.call("bob", 3, Caller::Cancels);
    calls.await_sign("ringing", &network);
    assert_eq!(listed(&network.daemons[0]).len(), 3);
    calls.go_on();
    calls.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn held_call_keeps_its_ports() {
    let mut network = Network::start("hold", &[&[]]);
    let callee = network.callee(2);
    let mut calls = network.call("bob", 2, Caller::Holds);
    calls.await_sign("up", &network);
    let daemon = &network.daemons[0];
    exchange_media(&mut calls.parties, daemon, 2);
    let ports = |calls: &Calls| -> Vec<_> {
        let parties = calls.parties.iter();
        parties.map(|call| call.relay_ports(daemon)).collect()
    };
    let before = ports(&calls);
    for sign in ["inactive", "sendrecv"] {
        calls.go_on();
        calls.await_sign(sign, &network);
        assert_eq!(ports(&calls), before, "{sign} must not move the media");
        // Like rtpengine, which leaves silence to the parties and relays what they send.
        exchange_media(&mut calls.parties, daemon, 2);
    }
    calls.go_on();
    calls.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn forked_call_goes_to_who_answers() {
    let mut network = Network::start("fork", &[&[]]);
    let answers = network.callee(3);
    let rings = network.second_ringing_callee(3);
    let mut calls = network.call("fork", 3, Caller::Plain);
    calls.await_sign("up", &network);
    exchange_media(&mut calls.parties, &network.daemons[0], 2);
    calls.go_on();
    calls.await_success(&network);
    await_end_of(answers);
    await_end_of(rings);
    await_no_calls(&network.daemons[0]);
}

#[test]
fn calls_go_to_the_other_daemon_when_one_dies() {
    let mut network = Network::start("failover", &[&[], &[]]);
    let callee = network.callee(30);
    let mut before = network.call("bob", 20, Caller::Plain);
    before.await_sign("up", &network);
    let shares: Vec<usize> = network.daemons.iter().map(|d| listed(d).len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 20);
    assert!(
        shares.iter().all(|&n| n > 0),
        "Kamailio balances: {shares:?}"
    );

    network.daemons[0].kill();
    let mut after = network.call("bob", 10, Caller::Plain);
    after.await_sign("up", &network);
    let survivor = &network.daemons[1];
    assert_eq!(listed(survivor).len(), shares[1] + 10);
    exchange_media(&mut after.parties, survivor, 2);
    let survived = listed(survivor);
    let mut on_survivor = Vec::new();
    for call in &before.parties {
        if survived.contains(&call.call_id) {
            on_survivor.push(call.call_id.clone());
        }
    }
    assert_eq!(on_survivor.len(), shares[1], "calls stay where they are");
    before.go_on();
    after.go_on();
    before.await_success(&network);
    after.await_success(&network);
    await_end_of(callee);
    await_no_calls(&network.daemons[1]);
}

#[test]
fn calls_go_to_the_other_daemon_when_one_is_full() {
    for limit in [0, 1] {
        let option = format!("--max-sessions={limit}");
        let mut network = Network::start(&format!("limit{limit}"), &[&[&option], &[]]);
        let callee = network.callee(10);
        let mut calls = network.call("bob", 10, Caller::Plain);
        calls.await_sign("up", &network);
        let shares: Vec<usize> = network.daemons.iter().map(|d| listed(d).len()).collect();
        assert_eq!(shares, [limit, 10 - limit]);
        calls.go_on();
        calls.await_success(&network);
        await_end_of(callee);
        await_no_calls(&network.daemons[0]);
        await_no_calls(&network.daemons[1]);
    }
}
