//! Callers and bots that break the rules, vanish, or come in masses: every one ends under its name, and others do not
//! notice.

mod support;

use daemon_audiosocket::audiosocket::{Message, encode};
use futures_util::{SinkExt as _, StreamExt as _};
use support::bot::{Bot, Heard};
use support::caller::Caller;
use support::{
    PATIENCE, caller_address, http, id, is_loud, metric, purity, run, run_bots, sine, start,
    wait_for_ends,
};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message as WsMessage;

#[test]
fn callers_that_break_the_rules_are_refused_or_ended() {
    let (_bots, option) = run_bots();
    let daemon = start(&[&option, "--uuid-timeout=200"]);
    let address = caller_address(&daemon);
    run(async {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x02\0\0",
            b"\x01\0\x0f",
            b"\x10\0\x02ab",
        ] {
            let caller = Caller::connect(address).await;
            caller.send_bytes(bytes);
            assert_eq!(caller.wait_for_end().await, 0, "{bytes:?}");
        }
        for bytes in [&b""[..], b"\x01", b"\x01\0\x10", b"\x01\0\x1012345"] {
            let caller = Caller::connect(address).await;
            caller.send_bytes(bytes);
            assert_eq!(caller.wait_for_end().await, 0, "{bytes:?}");
        }
        for (n, bytes) in (1..).zip([
            &b"\x02\0\0"[..],
            b"\x01\0\x100123456789abcdef",
            b"\x03\0\x01x",
        ]) {
            let caller = Caller::call(address, id(n)).await;
            caller.send_bytes(bytes);
            caller.wait_for_end().await;
        }
        let caller = Caller::call(address, id(9)).await;
        caller.send(Message::Error(2));
        caller.wait_for_end().await;
    });
    wait_for_ends(&daemon, "refused", "caller_protocol", 4);
    wait_for_ends(&daemon, "refused", "no_uuid", 4);
    wait_for_ends(&daemon, "ended", "caller_protocol", 3);
    wait_for_ends(&daemon, "ended", "caller_error", 1);
    daemon.stop();
}

#[test]
fn second_caller_of_a_call_is_refused_and_the_first_goes_on() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--max-calls=2"]);
    let address = caller_address(&daemon);
    run(async {
        let mut first = Caller::call(address, id(1)).await;
        let _bot = bots.accept().await;
        let second = Caller::call(address, id(1)).await;
        assert_eq!(second.wait_for_end().await, 0);
        let mut other = Caller::call(address, id(2)).await;
        other.hear().await;
        let one_too_many = Caller::call(address, id(3)).await;
        assert_eq!(one_too_many.wait_for_end().await, 0);
        first.exchange(20, |_| vec![0; 160]).await;
    });
    wait_for_ends(&daemon, "refused", "duplicate_uuid", 1);
    wait_for_ends(&daemon, "refused", "too_many_calls", 1);
    daemon.stop();
}

#[test]
fn only_announced_calls_come_in_where_that_is_wanted() {
    let (_bots, option) = run_bots();
    let daemon = start(&[&option, "--announced-only"]);
    let address = caller_address(&daemon);
    run(async {
        let unknown = Caller::call(address, id(1)).await;
        assert_eq!(unknown.wait_for_end().await, 0);
        let path = format!("/calls/{}", id(1));
        assert_eq!(http(daemon.addresses().http[0], "PUT", &path).0, 204);
        Caller::call(address, id(1)).await.hear().await;
    });
    wait_for_ends(&daemon, "refused", "unknown_uuid", 1);
    daemon.stop();
}

#[test]
fn caller_gone_at_any_step_leaves_nothing_behind() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    let address = caller_address(&daemon);
    let mut whole = Vec::new();
    whole.extend(b"\x01\0\x100123456789abcdef");
    whole.extend(b"\x10\x01\x40");
    whole.extend([0; 320]);
    whole.extend(b"\x03\0\x015");
    let steps = [
        0,
        1,
        2,
        3,
        10,
        18,
        19,
        20,
        22,
        100,
        342,
        343,
        345,
        whole.len(),
    ];
    run(async {
        for reset in [false, true] {
            for step in steps {
                let caller = Caller::connect(address).await;
                caller.send_bytes(&whole[..step]);
                if reset {
                    socket2::SockRef::from(&caller.stream)
                        .set_linger(Some(std::time::Duration::ZERO))
                        .unwrap();
                }
                drop(caller);
                while !daemon.calls().is_empty() || daemon.calls().pending() > 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        // And all is as before.
        let mut caller = Caller::call(address, id(1)).await;
        caller.hear().await;
        drop(bots);
    });
    daemon.stop();
}

#[test]
fn flood_of_silent_connections_is_bounded_and_disturbs_no_call() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--max-pending=50", "--uuid-timeout=500"]);
    let address = caller_address(&daemon);
    run(async {
        let mut caller = Caller::call(address, id(1)).await;
        let mut bot = bots.accept().await;
        let mut flood = Vec::new();
        for _ in 0..500 {
            flood.push(Caller::connect(address).await);
            assert!(daemon.calls().pending() <= 50);
        }
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
        caller.hear_something().await;
        for silent in flood {
            assert_eq!(silent.wait_for_end().await, 0);
        }
        caller.exchange(10, |_| vec![0; 160]).await;
        Caller::call(address, id(2)).await.hear().await;
    });
    daemon.stop();
}

#[test]
fn caller_that_takes_nothing_is_ended_and_the_bot_is_heard_out() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--stuck-timeout=300", "--caller-rate=192000"]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        // Its own voice still reaches the bot.
        caller.say(8000, &sine(440.0, 8000, 0..1600));
        while !is_loud(&bot.heard) {
            assert!(matches!(bot.hear().await, Heard::Audio));
        }
        let (close, _) = bot.wait_for_close().await;
        assert_eq!(u16::from(close.unwrap().code), 1000);
        drop(caller);
    });
    wait_for_ends(&daemon, "ended", "caller_stuck", 1);
    daemon.stop();
}

#[test]
fn caller_that_says_nothing_is_ended() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--idle-timeout=1"]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        let frames = caller.wait_for_end().await;
        assert!((45..=100).contains(&frames), "{frames}");
        // Muted, the caller was silence in time.
        bot.wait_for_close().await;
        assert!(bot.heard.len() >= 320 * 30);
    });
    wait_for_ends(&daemon, "ended", "caller_idle", 1);
    daemon.stop();
}

#[test]
fn bot_that_never_reads_does_not_hold_up_its_caller() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--bot-rate=48000"]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..1600)).await;
        // Four seconds of sound are more than all the buffers on the way hold.
        caller.exchange(200, |_| sine(440.0, 8000, 0..160)).await;
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
        caller.hear_something().await;
        caller.send(Message::Hangup);
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    let not_sent = metric(&daemon, "voxplane_audiosocket_messages_not_sent_total ");
    assert!(not_sent > 0);
    daemon.stop();
}

#[test]
fn bot_that_floods_and_talks_rubbish_is_heard_in_time() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        for n in 0..50 {
            bot.socket
                .send(WsMessage::Binary(vec![0xff; n].into()))
                .await
                .unwrap();
            bot.socket
                .send(WsMessage::Text("hello".into()))
                .await
                .unwrap();
            bot.say(0, 1, &[1]).await;
            bot.say(16_000, 99, &[1]).await;
            bot.rtvi("no such type", serde_json::Value::Null).await;
            // Ten times as fast as it is played.
            bot.say(16_000, 1, &sine(440.0, 16_000, n * 3200..(n + 1) * 3200))
                .await;
            if n % 10 == 9 {
                caller.hear().await;
            }
        }
        caller.hear_something().await;
        let mut loud = 0;
        while is_loud(&caller.hear().await) {
            loud += 1;
        }
        assert!(
            loud <= 60,
            "{loud} frames: a second is the most that is queued"
        );
        caller.send(Message::Hangup);
        bot.wait_for_close().await;
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    assert!(metric(&daemon, "voxplane_audiosocket_overruns_total ") > 0);
    assert_eq!(
        metric(&daemon, "voxplane_audiosocket_bad_frames_total "),
        50 * 4 - 1
    );
    daemon.stop();
}

#[test]
fn messages_come_in_any_pieces_and_sizes() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    run(async {
        let mut caller = Caller::connect(caller_address(&daemon)).await;
        let mut uuid = Vec::new();
        encode(Message::Uuid(id(1)), &mut uuid);
        // A segment for each byte: the socket sends at once, and is given time to.
        for byte in &uuid {
            caller.send_bytes(std::slice::from_ref(byte));
            tokio::task::yield_now().await;
        }
        let mut bot = bots.accept().await;
        let mut call = Vec::new();
        let voice: Vec<u8> = sine(440.0, 8000, 0..800)
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let audio = |payload| Message::Audio {
            rate_hz: 8000,
            payload,
        };
        encode(audio(&voice[..]), &mut call);
        encode(audio(&[]), &mut call);
        encode(audio(&voice[..1]), &mut call);
        encode(audio(&voice[1..321]), &mut call);
        encode(Message::Dtmf('7'), &mut call);
        for byte in &call {
            caller.send_bytes(std::slice::from_ref(byte));
            tokio::task::yield_now().await;
        }
        assert_eq!(bot.message().await["data"]["buttons"][0], "7");
        assert!(
            purity(&bot.heard, 440.0, 16_000) > 0.5,
            "{}",
            bot.heard.len()
        );
        // The longest message there is, and odd: four seconds at once, of which a little is passed on.
        bot.heard.clear();
        let longest = [0x20; 65_535];
        let mut message = Vec::new();
        encode(audio(&longest), &mut message);
        for piece in message.chunks(1000) {
            caller.stream.writable().await.unwrap();
            caller.send_bytes(piece);
            caller.hear().await;
        }
        caller.exchange(10, |_| vec![0; 160]).await;
        caller.send(Message::Dtmf('8'));
        assert_eq!(bot.message().await["data"]["buttons"][0], "8");
        let loud = bot.heard.iter().filter(|s| **s > 8000).count();
        assert!(loud > 320, "{loud}");
        caller.send(Message::Hangup);
    });
    wait_for_ends(&daemon, "ended", "caller_hung_up", 1);
    daemon.stop();
}

#[test]
fn bot_of_44100_hz_in_stereo_is_heard_pure() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--playout-cap=3000"]);
    run(async {
        let mut caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        // Pieces of no length in particular; the right channel has the other half of the tone's energy.
        for n in 0..60 {
            let mono = sine(900.0, 44_100, n * 1111..(n + 1) * 1111);
            let stereo: Vec<i16> = mono.iter().flat_map(|s| [*s, *s / 2]).collect();
            bot.say(44_100, 2, &stereo).await;
        }
        caller.hear_something().await;
        let heard = caller.exchange(60, |_| vec![0; 160]).await;
        assert!(purity(&heard[320..], 900.0, 8000) > 0.99);
        caller.send(Message::Hangup);
    });
    assert_eq!(metric(&daemon, "voxplane_audiosocket_bad_frames_total "), 0);
    daemon.stop();
}

#[test]
fn nobody_answers_the_call() {
    let (bots, option) = run_bots();
    drop(bots);
    let daemon = start(&[&option, "--bot-patience=1"]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        assert!(caller.wait_for_end().await >= 45);
    });
    wait_for_ends(&daemon, "ended", "no_bot", 1);
    assert!(metric(&daemon, "voxplane_audiosocket_bot_failures_total ") >= 2);
    daemon.stop();
}

#[test]
fn bot_that_sends_its_calls_away_again_and_again_is_none() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option, "--bot-patience=1"]);
    run(async {
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let refusing = async {
            loop {
                let mut bot = bots.accept().await;
                let code =
                    tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode::Again;
                let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
                    code,
                    reason: "".into(),
                };
                let _ = bot.socket.close(Some(frame)).await;
            }
        };
        tokio::select! {
            frames = caller.wait_for_end() => assert!(frames >= 45, "{frames}"),
            () = refusing => {}
        }
    });
    wait_for_ends(&daemon, "ended", "bot_lost", 1);
    // At 0, 100, 300 and 700 ms.
    let times = metric(&daemon, "voxplane_audiosocket_reconnects_total ");
    assert!((2..=4).contains(&times), "{times}");
    daemon.stop();
}

#[test]
fn bots_that_dial_find_their_calls_or_are_sent_away() {
    let daemon = start(&["--listen-bot=127.0.0.1:0", "--bot-patience=1"]);
    let (address, bots) = (caller_address(&daemon), daemon.addresses().bot[0]);
    run(async {
        // Before its call, talking already; a second one for the same; then the call.
        let path = format!("/ws/{}", id(1));
        let mut early = Bot::dial(bots, &path).await;
        early.say(16_000, 1, &sine(440.0, 16_000, 0..320)).await;
        let mut second = Bot::dial(bots, &path).await;
        let (close, _) = second.wait_for_close().await;
        assert_eq!(u16::from(close.unwrap().code), 1013);
        while metric(&daemon, "voxplane_audiosocket_bot_frames_early_total ") == 0 {}
        let mut caller = Caller::call(address, id(1)).await;
        assert_eq!(early.message().await["type"], "client-ready");
        early.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
        caller.hear_something().await;
        let mut third = Bot::dial(bots, &path).await;
        let (close, _) = third.wait_for_close().await;
        assert_eq!(u16::from(close.unwrap().code), 1013);
        // Lost, it may come back.
        drop(early);
        let mut again = loop {
            let mut bot = Bot::dial(bots, &path).await;
            match bot.hear().await {
                Heard::Message(message) if message["type"] == "client-ready" => break bot,
                Heard::Closed(_) => caller.say(8000, &[0; 160]),
                other => panic!("{other:?}"),
            }
        };
        again.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
        caller.hear_something().await;
        // To nobody.
        let mut lonely = Bot::dial(bots, &format!("/ws/{}", id(9))).await;
        let (close, _) = lonely.wait_for_close().await;
        assert_eq!(u16::from(close.unwrap().code), 1008);
        let nowhere = tokio_tungstenite::connect_async(format!("ws://{bots}/elsewhere")).await;
        assert!(nowhere.unwrap_err().to_string().contains("404"));
    });
    assert!(metric(&daemon, "voxplane_audiosocket_bots_refused_total ") >= 3);
    daemon.stop();
}

#[test]
fn strangers_at_the_bots_door_do_not_keep_it_shut() {
    let daemon = start(&["--listen-bot=127.0.0.1:0"]);
    let bots = daemon.addresses().bot[0];
    run(async {
        let mut stranger = tokio::net::TcpStream::connect(bots).await.unwrap();
        stranger.try_write(&[0xff; 100]).unwrap();
        let mut answer = Vec::new();
        // Answered or reset, it is over.
        let read = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut answer)).await;
        assert!(read.is_ok());
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = Bot::dial(bots, &format!("/ws/{}", id(1))).await;
        assert_eq!(bot.message().await["type"], "client-ready");
        drop(caller);
        while bot.socket.next().await.is_some_and(|m| m.is_ok()) {}
    });
    daemon.stop();
}
