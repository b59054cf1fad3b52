//! Calls to bots made of pipecat-ai, with its own transports, serializer and RTVI.

mod support;

use std::time::{Duration, Instant};

use daemon_audiosocket::audiosocket::Message;
use support::caller::Caller;
use support::pipecat::{Pipecat, at, lasting_port, wall_clock};
use support::{
    caller_address, histogram, id, is_loud, metric, purity, run_for, sine, start, wait_for_ends,
};

/// All of a test, Python's start aside.
const PATIENCE: Duration = Duration::from_secs(90);
const CALLS: u8 = 20;

/// Hears and says until something is heard; how long that took.
async fn hear_first(caller: &mut Caller) -> Duration {
    let begin = Instant::now();
    caller.hear_something().await;
    begin.elapsed()
}

/// The share of a tone in what is heard next, after `skipped` frames.
async fn tone(caller: &mut Caller, hz: f64, skipped: usize) -> f64 {
    caller.exchange(skipped, |_| vec![0; 160]).await;
    purity(&caller.exchange(20, |_| vec![0; 160]).await, hz, 8000)
}

#[test]
fn twenty_callers_hear_their_own_echo() {
    let pipecat = Pipecat::serve(0);
    let daemon = start(&[&pipecat.option("echo")]);
    let address = caller_address(&daemon);
    run_for(PATIENCE, async {
        let calls = (0..CALLS).map(|n| async move {
            let hz = 400.0 + 50.0 * f64::from(n);
            let mut caller = Caller::call(address, id(n)).await;
            // The bot is there when something comes back.
            let mut at = 0;
            let mut say = |_| {
                at += 160;
                sine(hz, 8000, at - 160..at)
            };
            while !is_loud(&caller.exchange(1, &mut say).await) {}
            caller.exchange(25, &mut say).await;
            caller.arrivals.clear();
            let heard = caller.exchange(150, &mut say).await;
            caller.send(Message::Hangup);
            // A stall of the interpreter's may be heard; most of a second is not it.
            let best = heard.chunks(2000).map(|piece| purity(piece, hz, 8000));
            let best = best.fold(0.0, f64::max);
            assert!(best > 0.95, "call {n}: {best} of {hz} Hz at best");
            let mean = purity(&heard, hz, 8000);
            (mean, caller.jitter())
        });
        let mut jitter = Vec::new();
        for (mean, lateness) in futures_util::future::join_all(calls).await {
            assert!(mean > 0.3, "{mean}");
            jitter.extend(lateness);
        }
        jitter.sort();
        let [half, p99] = [50, 99].map(|p| jitter[(jitter.len() - 1) * p / 100]);
        println!("frames come within {half:?} (p50), {p99:?} (p99) of their time");
        assert!(half < Duration::from_millis(10), "{half:?}");
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", u64::from(CALLS));
    let (sent, slowest) = histogram(&daemon, "mouth_to_bot_seconds", 0.99);
    println!("mouth to bot: {sent} frames, 99 % within {slowest} s");
    assert!(slowest <= 0.04, "{slowest}");
    assert_eq!(metric(&daemon, "voxplane_audiosocket_bad_frames_total "), 0);
    for _ in 0..CALLS {
        pipecat.event("end");
    }
    daemon.stop();
}

#[test]
fn tone_with_wav_headers_is_heard_pure_and_lasts() {
    let pipecat = Pipecat::serve(0);
    let daemon = start(&[&pipecat.option("tone")]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        hear_first(&mut caller).await;
        caller.exchange(25, |_| vec![0; 160]).await;
        let heard = caller.exchange(200, |_| vec![0; 160]).await;
        let share = purity(&heard, 700.0, 8000);
        assert!(share > 0.5, "{share} of the sound is the tone");
        let best = heard.chunks(4000).map(|piece| purity(piece, 700.0, 8000));
        let best = best.fold(0.0, f64::max);
        assert!(best > 0.99, "{best}");
        caller.send(Message::Hangup);
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_bad_frames_total "), 0);
    // Told by the WebSocket's close that the call is over, the pipeline ends.
    pipecat.event("end");
    daemon.stop();
}

#[test]
fn caller_interrupts_and_the_bot_learns_what_was_heard() {
    let pipecat = Pipecat::serve(0);
    let daemon = start(&[&pipecat.option("talk")]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        hear_first(&mut caller).await;
        let before = caller.exchange(50, |_| vec![0; 160]).await;
        assert!(purity(&before, 700.0, 8000) > 0.5);
        let mut frames = 51;
        let begin = Instant::now();
        // Speaks until the bot is quiet.
        while is_loud(&caller.hear().await) {
            caller.say(8000, &sine(300.0, 8000, 0..160));
            frames += 1;
        }
        let (silent, took) = (wall_clock(), begin.elapsed());
        let interrupted = at(&pipecat.event("interruption"));
        let late = silent.saturating_sub(interrupted);
        println!("barge-in: {took:?} from speech to silence, {late:?} of it after the bot's word");
        assert!(late < Duration::from_millis(100), "{late:?}");
        // And stays quiet, until it answers in another tone.
        let played = pipecat.event("message");
        assert_eq!(played["type"], "playback-interrupted", "{played}");
        let told = played["data"]["played_ms"].as_u64().unwrap();
        let heard = frames * 20;
        assert!(
            told.abs_diff(heard) <= 60,
            "{told} ms told, {heard} ms heard"
        );
        caller.hear_something().await;
        let share = tone(&mut caller, 1100.0, 10).await;
        assert!(share > 0.5, "{share}");
        caller.send(Message::Hangup);
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_flushes_total "), 1);
    assert_eq!(histogram(&daemon, "turn_latency_seconds", 0.5).0, 1);
    let (count, slowest) = histogram(&daemon, "barge_in_seconds", 1.0);
    assert_eq!(count, 1);
    assert!(slowest <= 0.06, "{slowest}");
    daemon.stop();
}

#[test]
fn digits_and_functions_reach_their_ends() {
    let pipecat = Pipecat::serve(0);
    let webhook = format!("--webhook-url=http://127.0.0.1:{}/functions", pipecat.port);
    let daemon = start(&[&pipecat.option("tools"), &webhook]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        // A digit by itself is answered by a tone of its own. Pipecat may still be starting, and forget it.
        pipecat.event("connected");
        caller.exchange(50, |_| vec![0; 160]).await;
        caller.send(Message::Dtmf('5'));
        assert_eq!(pipecat.event("dtmf")["key"], "5");
        caller.hear_something().await;
        let share = tone(&mut caller, 1000.0, 10).await;
        assert!(share > 0.5, "{share}");
        while is_loud(&caller.exchange(5, |_| vec![0; 160]).await) {}
        // A function: from the model to the webhook, its result back to the model.
        caller.send(Message::Dtmf('1'));
        let called = pipecat.event("function");
        assert_eq!(called["function_name"], "transfer_call");
        assert_eq!(called["arguments"]["to"], "100");
        assert_eq!(called["uuid"], id(1).to_string());
        assert_eq!(pipecat.event("result")["result"]["tone"], 1300);
        caller.hear_something().await;
        let share = tone(&mut caller, 1300.0, 10).await;
        assert!(share > 0.5, "{share}");
        // The last: the webhook hears of it, and the call ends.
        caller.send(Message::Dtmf('0'));
        assert_eq!(pipecat.event("function")["function_name"], "end_call");
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "ended", "bot_ended_call", 1);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_functions_total "), 2);
    let failed = metric(&daemon, "voxplane_audiosocket_functions_failed_total ");
    assert_eq!(failed, 0);
    daemon.stop();
}

#[test]
fn bot_killed_in_a_call_is_silence_until_it_is_back() {
    let port = lasting_port(0);
    let pipecat = Pipecat::serve(port);
    let daemon = start(&[&pipecat.option("tone"), "--bot-patience=60"]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        hear_first(&mut caller).await;
        pipecat.kill();
        // The server's clock is ours all the while, and its silence is quiet.
        while is_loud(&caller.exchange(10, |_| vec![0; 160]).await) {}
        let again = std::thread::spawn(move || Pipecat::serve(port));
        let mut frames = 0;
        while !is_loud(&caller.exchange(1, |_| vec![0; 160]).await) {
            frames += 1;
        }
        println!("{frames} frames of silence between");
        let share = tone(&mut caller, 700.0, 25).await;
        assert!(share > 0.5, "{share}");
        caller.send(Message::Hangup);
        drop(again.join().unwrap());
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_reconnects_total "), 1);
    daemon.stop();
}

#[test]
fn bots_that_dial_and_servers_for_one_client_do_as_well() {
    // Pipecat's server cannot be asked which port it has.
    let port = lasting_port(1);
    let single = Pipecat::serve_with(&["single", &port.to_string()]);
    let daemon = start(&[&single.option("tone")]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        hear_first(&mut caller).await;
        let share = tone(&mut caller, 700.0, 25).await;
        assert!(share > 0.5, "{share}");
        // It has one client already: a second call is not answered, and the first goes on.
        let mut second = Caller::call(caller_address(&daemon), id(2)).await;
        second.exchange(25, |_| vec![0; 160]).await;
        second.send(Message::Hangup);
        let share = tone(&mut caller, 700.0, 0).await;
        assert!(share > 0.5, "{share}");
        caller.send(Message::Hangup);
    });
    daemon.stop();

    let daemon = start(&["--listen-bot=127.0.0.1:0", "--bot-patience=60"]);
    let url = format!("ws://{}/ws/{}", daemon.addresses().bot[0], id(3));
    let _dialling = Pipecat::start(&["dial", &url]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(3)).await;
        let mut at = 0;
        let mut say = |_| {
            at += 160;
            sine(440.0, 8000, at - 160..at)
        };
        while !is_loud(&caller.exchange(1, &mut say).await) {}
        caller.exchange(25, &mut say).await;
        let heard = caller.exchange(50, &mut say).await;
        let best = heard.chunks(2000).map(|piece| purity(piece, 440.0, 8000));
        assert!(best.fold(0.0, f64::max) > 0.95);
        caller.send(Message::Hangup);
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    daemon.stop();
}

#[test]
fn bot_and_webhook_are_reached_over_tls_by_those_that_trust_them() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipecat-tls");
    std::fs::create_dir_all(&directory).unwrap();
    let [key, certificate] = ["key.pem", "certificate.pem"]
        .map(|name| directory.join(name).to_str().unwrap().to_owned());
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj"])
        .args(["/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("the package openssl");
    assert!(made.status.success(), "{made:?}");
    let pipecat = Pipecat::serve_with(&["serve", "0", &certificate, &key]);
    let url = format!("--bot-url=wss://localhost:{}/tools/{{uuid}}", pipecat.port);
    let webhook = format!("--webhook-url=https://localhost:{}/functions", pipecat.port);
    let daemon = start(&[&url, &webhook, &format!("--ca-file={certificate}")]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        pipecat.event("connected");
        caller.exchange(50, |_| vec![0; 160]).await;
        caller.send(Message::Dtmf('1'));
        assert_eq!(pipecat.event("result")["result"]["tone"], 1300);
        caller.send(Message::Hangup);
    });
    daemon.stop();
    // Whoever trusts others only does not speak to it.
    let daemon = start(&[&url, &webhook, "--bot-patience=1"]);
    run_for(PATIENCE, async {
        let caller = Caller::call(caller_address(&daemon), id(2)).await;
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "ended", "no_bot", 1);
    daemon.stop();
}
