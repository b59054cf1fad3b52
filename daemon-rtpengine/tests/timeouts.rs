//! How calls end: each timeout, and the delay after a delete. Over the real daemon, with small values.

mod support;

use std::time::{Duration, Instant};

use daemon_rtpengine::ng::value::Value;
use support::call::{Call, relay, request, sdp};
use support::daemon::{Daemon, Program};
use support::ng::{NgClient, text};
use support::process::TempDir;
use support::wait_for;

/// What every `…=2` of this file means.
const TWO_SECONDS: Duration = Duration::from_secs(2);

fn start(dir: &TempDir, extra: &[&str]) -> Daemon {
    let base = ["--interface=127.0.0.1", "--endpoint-learning=immediate"];
    let arguments = [&base, extra].concat();
    Daemon::start(&Program::under_test(), "daemon", 48, &arguments, dir)
}

fn is_listed(client: &NgClient, id: &str) -> bool {
    let mut list = Value::dict();
    list.push("command", Value::str("list"));
    let reply = client.request(&list);
    let calls = reply.get("calls").and_then(Value::as_list);
    let mut calls = calls.expect("a list of calls").iter();
    calls.any(|call| call.as_str() == Some(id))
}

/// Waits until the call "c" is gone with all it had; it must have lasted two seconds from `since`.
fn await_end(daemon: &Daemon, since: Instant, reason: &str, mut meanwhile: impl FnMut()) {
    let client = daemon.client();
    wait_for("the end of the call", || {
        meanwhile();
        (!is_listed(&client, "c")).then_some(())
    });
    let lasted = since.elapsed();
    assert!(lasted >= TWO_SECONDS, "it ended after {lasted:?} already");
    daemon.await_bound_media_ports(0);
    let line = wait_for("the log's line", || {
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains("call ended"));
        line.map(str::to_owned)
    });
    // A space in front and behind: one reason is the end of another.
    assert!(line.contains(&format!(" reason={reason} ")), "{line}");
}

#[test]
fn call_without_media_ends_after_the_timeout() {
    let dir = TempDir::new("media-timeout");
    let others = ["--silent-timeout=600", "--offer-timeout=600"];
    let daemon = start(&dir, &[&["--timeout=2"], &others[..]].concat());
    let mut call = Call::new(&daemon.client(), "c");
    // Before the last packet is sent, which starts the time anew.
    let since = Instant::now();
    call.talks();
    await_end(&daemon, since, "timeout", || {});
}

#[test]
fn call_on_hold_ends_after_the_silent_timeout() {
    let dir = TempDir::new("silent-timeout");
    let daemon = start(&dir, &["--silent-timeout=2"]);
    let client = daemon.client();
    let call = Call::new(&client, "c");
    let since = Instant::now();
    for (command, party) in ["offer", "answer"].into_iter().zip(&call.parties) {
        let hold = sdp(party.port()) + "a=inactive\r\n";
        relay(&client.request(&request(command, "c", Some(&hold))));
    }
    await_end(&daemon, since, "silent_timeout", || {});
}

#[test]
fn call_without_an_answer_ends_after_the_offer_timeout() {
    let dir = TempDir::new("offer-timeout");
    let daemon = start(&dir, &["--offer-timeout=2"]);
    let since = Instant::now();
    relay(
        &daemon
            .client()
            .request(&request("offer", "c", Some(&sdp(40_000)))),
    );
    await_end(&daemon, since, "offer_timeout", || {});
}

#[test]
fn call_with_media_ends_after_the_final_timeout() {
    let dir = TempDir::new("final-timeout");
    let daemon = start(&dir, &["--final-timeout=2"]);
    let since = Instant::now();
    let mut call = Call::new(&daemon.client(), "c");
    await_end(&daemon, since, "final_timeout", || {
        call.parties[0].send_rtp(call.daemon[0], 1);
    });
}

#[test]
fn deleted_call_relays_until_its_delay_is_over() {
    let dir = TempDir::new("delete-delay");
    let daemon = start(&dir, &["--delete-delay=2"]);
    let client = daemon.client();
    let mut call = Call::new(&client, "c");
    call.talks();
    let since = Instant::now();
    let reply = client.request(&request("delete", "c", None));
    assert_eq!(text(&reply, "result"), "ok");
    assert!(is_listed(&client, "c"));
    call.talks();
    await_end(&daemon, since, "terminated", || {});
}
