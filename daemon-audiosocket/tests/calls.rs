//! Calls between a strict caller and a bot: what each hears, and how calls end.

mod support;

use daemon_audiosocket::audiosocket::Message;
use daemon_audiosocket::pipecat::frame::Frame;
use serde_json::json;
use support::caller::{Caller, Got};
use support::{
    caller_address, http, id, is_loud, metric, purity, run, run_bots, sine, start, wait_for_ends,
};

#[test]
fn both_hear_each_other() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--bot-header=X-Call: {uuid}", "--playout-cap=3000"]);
    let (heard, bot) = run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        for n in 0..50 {
            // Pipecat's chunks: 40 ms, stereo here, at its own rate.
            let mono = sine(1000.0, 24_000, n * 960..(n + 1) * 960);
            let stereo: Vec<i16> = mono.iter().flat_map(|s| [*s, *s]).collect();
            bot.say(24_000, 2, &stereo).await;
        }
        let heard = caller
            .exchange(60, |n| sine(440.0, 8000, n * 160..(n + 1) * 160))
            .await;
        bot.hear_frames(50).await;
        caller.send(Message::Hangup);
        let (close, last) = bot.wait_for_close().await;
        assert_eq!(u16::from(close.unwrap().code), 1000);
        assert_eq!(last["type"], "disconnect-bot");
        (heard, bot)
    });
    assert_eq!(bot.path, format!("/ws/{}", id(1)));
    assert_eq!(bot.headers["x-call"], id(1).to_string());
    let tone = &bot.heard[bot.heard.len() - 16_000 / 2..];
    assert!(
        purity(tone, 440.0, 16_000) > 0.95,
        "{}",
        purity(tone, 440.0, 16_000)
    );
    let start = heard.iter().position(|s| s.abs() > 1000).unwrap();
    let tone = &heard[start + 400..start + 4400];
    assert!(
        purity(tone, 1000.0, 8000) > 0.99,
        "{}",
        purity(tone, 1000.0, 8000)
    );
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    daemon.stop();
}

#[test]
fn silence_begins_with_the_uuid_and_fills_every_pause() {
    let (_bots, option) = run_bots();
    let daemon = start(&[&option, "--bot-patience=5"]);
    run(async {
        // Nobody accepts the bot's connection: the caller hears silence in time all the same.
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let heard = caller.exchange(50, |_| vec![0; 160]).await;
        assert!(heard.iter().all(|s| *s == 0));
        let took = caller.arrivals[49] - caller.arrivals[0];
        assert!(took.as_millis() >= 800, "no bursts: {took:?}");
    });
    daemon.stop();
}

#[test]
fn calls_come_in_at_every_listener() {
    let (bots, option) = run_bots();
    let daemon = start(&[
        &option,
        "--listen-audiosocket=127.0.0.2:0",
        "--listen-audiosocket=[::1]:0",
    ]);
    let listeners = daemon.addresses().audiosocket.clone();
    let families: Vec<bool> = listeners.iter().map(|l| l.is_ipv6()).collect();
    assert_eq!(families, [false, false, true]);
    run(async {
        for (n, listener) in (1..).zip(listeners) {
            let mut caller = Caller::call(listener, id(n)).await;
            let mut bot = bots.accept().await;
            caller.exchange(5, |_| vec![1000; 160]).await;
            bot.hear_frames(5).await;
            caller.send(Message::Hangup);
        }
    });
    daemon.stop();
}

#[test]
fn caller_is_answered_at_its_rate() {
    let rates = [
        12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
    ];
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        for (n, rate) in (1..).zip(rates) {
            let mut caller = Caller::call(caller_address(&daemon), id(n)).await;
            let mut bot = bots.accept().await;
            caller.say(rate, &sine(440.0, rate, 0..rate as usize / 10));
            while !matches!(caller.receive().await, Got::Audio { rate_hz, .. } if rate_hz == rate) {
            }
            bot.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
            let mut frames = Vec::new();
            while frames.len() < rate as usize / 5 {
                let frame = caller.hear().await;
                if is_loud(&frame) {
                    frames.extend(frame);
                }
            }
            let tone = &frames[frames.len() / 2..];
            assert!(purity(tone, 440.0, rate) > 0.95, "{rate}");
            bot.hear_frames(9).await;
            assert!(is_loud(&bot.heard));
            caller.send(Message::Hangup);
        }
    });
    daemon.stop();
}

#[test]
fn mu_law_under_a_linear_label_is_understood() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    let heard = run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        for n in 0..50 {
            caller.hear().await;
            let samples = sine(440.0, 8000, n * 160..(n + 1) * 160);
            let codes = samples.iter().map(|s| codecs::g711::encode_mu_law(*s));
            let payload: Vec<u8> = codes.collect();
            let rate_hz = 8000;
            caller.send(Message::Audio {
                rate_hz,
                payload: &payload,
            });
        }
        bot.hear_frames(45).await;
        bot.heard
    });
    let tone = &heard[heard.len() - 8000..];
    assert!(purity(tone, 440.0, 16_000) > 0.95);
    daemon.stop();
}

#[test]
fn interrupted_bot_falls_silent_at_once_and_learns_what_was_heard() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--playout-cap=2000"]);
    let address = caller_address(&daemon);
    run(async {
        for (n, how) in (1..).zip(["frame", "rtvi", "text"]) {
            let mut caller = Caller::call(address, id(n)).await;
            let mut bot = bots.accept().await;
            bot.say(16_000, 1, &sine(440.0, 16_000, 0..24_000)).await;
            caller.hear_something().await;
            match how {
                "frame" => bot.send(Frame::Interruption).await,
                "rtvi" => bot.rtvi("bot-interrupted", json!({})).await,
                _ => {
                    bot.send(Frame::Text {
                        text: "FLUSH_MEDIA",
                    })
                    .await
                }
            }
            let told = bot.message().await;
            assert_eq!(told["data"]["t"], "playback-interrupted");
            let played = told["data"]["d"]["played_ms"].as_u64().unwrap();
            let dropped = told["data"]["d"]["dropped_ms"].as_u64().unwrap();
            assert!((1490..=1500).contains(&(played + dropped)), "{told}");
            // What was on its way when the bot was told, and then nothing: the caller heard what the bot is told.
            let mut loud = 1;
            let mut quiet = 0;
            while quiet < 25 {
                if is_loud(&caller.hear().await) {
                    loud += 1;
                    assert_eq!(quiet, 0, "talk goes on after the silence");
                } else {
                    quiet += 1;
                }
            }
            assert!(loud * 20 <= played + 20, "{loud} frames for {played} ms");
            // The next answer is heard.
            bot.say(16_000, 1, &sine(440.0, 16_000, 0..8000)).await;
            caller.hear_something().await;
            caller.send(Message::Hangup);
        }
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 3);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_flushes_total "), 3);
    daemon.stop();
}

#[test]
fn callers_voice_interrupts_where_that_is_wanted() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--vad", "--playout-cap=5000"]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..64_000)).await;
        caller.hear_something().await;
        let said = |n: usize| sine(300.0, 8000, n * 160..(n + 1) * 160);
        let heard = caller.exchange(15, said).await;
        assert!(heard[heard.len() - 320..].iter().all(|s| *s == 0));
        let told = bot.message().await;
        assert_eq!(told["data"]["t"], "playback-interrupted");
    });
    daemon.stop();
}

#[test]
fn digits_reach_the_bot() {
    let (bots, option) = run_bots();
    for (style, expected) in [
        ("rtvi", json!({"buttons": ["#"]})),
        ("client-message", json!({"t": "dtmf", "d": {"button": "#"}})),
    ] {
        let daemon = start(&[&option, &format!("--dtmf={style}")]);
        run(async {
            let caller = Caller::call(caller_address(&daemon), id(1)).await;
            let mut bot = bots.accept().await;
            caller.send(Message::Dtmf('#'));
            assert_eq!(bot.message().await["data"], expected);
        });
        daemon.stop();
    }
}

#[test]
fn digits_pressed_before_the_bot_is_there_are_kept() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        caller.hear().await;
        caller.send(Message::Dtmf('4'));
        caller.send(Message::Dtmf('2'));
        // Its WebSocket is not answered before this.
        caller.exchange(3, |_| vec![0; 160]).await;
        let mut bot = bots.accept().await;
        for digit in ["4", "2"] {
            assert_eq!(bot.message().await["data"]["buttons"][0], digit);
        }
        caller.send(Message::Hangup);
    });
    daemon.stop();
}

#[test]
fn function_calls_are_answered_and_end_call_ends_the_call() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        let call = |name| json!({"tool_call_id": name, "function_name": name, "arguments": {}});
        bot.rtvi("llm-function-call-in-progress", call("weather"))
            .await;
        let result = bot.message().await;
        assert_eq!(result["type"], "llm-function-call-result");
        assert_eq!(result["data"]["tool_call_id"], "weather");
        assert_eq!(result["data"]["result"]["status"], "error");
        bot.rtvi("llm-function-call-in-progress", call("end_call"))
            .await;
        assert_eq!(bot.message().await["data"]["result"]["status"], "ok");
        assert_eq!(bot.message().await["type"], "disconnect-bot");
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "ended", "bot_ended_call", 1);
    daemon.stop();
}

#[test]
fn lost_bot_is_dialled_again_and_then_given_up() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--bot-patience=1"]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        for _ in 0..3 {
            let mut bot = bots.accept().await;
            bot.say(16_000, 1, &sine(440.0, 16_000, 0..3200)).await;
            caller.hear_something().await;
            // Killed: no goodbye.
            drop(bot);
        }
        drop(bots);
        let frames = caller.wait_for_end().await;
        assert!((40..200).contains(&frames), "{frames}");
    });
    wait_for_ends(&daemon, "ended", "bot_lost", 1);
    assert_eq!(metric(&daemon, "voxplane_audiosocket_reconnects_total "), 2);
    daemon.stop();
}

#[test]
fn bot_that_closes_ends_the_call() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        bot.socket.close(None).await.unwrap();
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "ended", "bot_hung_up", 1);
    daemon.stop();
}

#[test]
fn calls_are_listed_and_deleted() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    let web = daemon.addresses().http[0];
    assert_eq!(http(web, "GET", "/health").0, 200);
    assert_eq!(http(web, "GET", "/ready").0, 200);
    let path = format!("/calls/{}", id(1));
    assert_eq!(http(web, "DELETE", &path).0, 404);
    assert_eq!(http(web, "DELETE", "/calls/nonsense").0, 400);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let _bot = bots.accept().await;
        caller.hear().await;
        let (_, calls) = http(web, "GET", "/calls");
        let calls: serde_json::Value = serde_json::from_str(&calls).unwrap();
        assert_eq!(calls[0]["uuid"], id(1).to_string());
        assert_eq!(calls[0]["has_bot"], true);
        assert_eq!(http(web, "GET", &path).0, 200);
        assert_eq!(http(web, "DELETE", &path).0, 204);
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "ended", "deleted", 1);
    daemon.stop();
}

#[test]
fn stopping_refuses_new_calls_and_gives_old_ones_time() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--drain-timeout=1"]);
    let (address, web) = (caller_address(&daemon), daemon.addresses().http[0]);
    run(async {
        let caller = Caller::call(address, id(1)).await;
        let _bot = bots.accept().await;
        let stopping = std::thread::spawn(move || daemon.stop());
        while http(web, "GET", "/ready").0 == 200 {}
        let refused = Caller::call(address, id(2)).await;
        assert_eq!(refused.wait_for_end().await, 0);
        let frames = caller.wait_for_end().await;
        assert!(frames >= 40, "{frames} frames in the second that it had");
        stopping.join().unwrap();
    });
}
