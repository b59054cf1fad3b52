//! Any sequence of steps by caller and bot, with an end of any kind after any of them, against a model that says
//! under which name the call ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;

use daemon_audiosocket::Daemon;
use daemon_audiosocket::audiosocket::{CallId, Message};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use support::bot::{Bot, Bots};
use support::caller::Caller;
use support::{caller_address, http, metric, run_bots, run_for, sine, start};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[derive(Clone, Copy, Debug)]
enum Step {
    Uuid,
    Voice,
    Digit,
    HalfAMessage,
    BotComes,
    BotSpeaks,
    BotInterrupts,
    BotTalksRubbish,
    BotGoesAway(u16),
    BotVanishes,
    // Ends.
    HangUp,
    Close,
    Reset,
    SecondUuid,
    Junk,
    BotCloses,
    BotEndsCall,
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Uuid),
        4 => Just(Step::BotComes),
        2 => Just(Step::Voice),
        1 => Just(Step::Digit),
        1 => Just(Step::HalfAMessage),
        2 => Just(Step::BotSpeaks),
        1 => Just(Step::BotInterrupts),
        1 => Just(Step::BotTalksRubbish),
        1 => prop_oneof![Just(1001), Just(1011), Just(1013)].prop_map(Step::BotGoesAway),
        1 => Just(Step::BotVanishes),
        1 => Just(Step::HangUp),
        1 => Just(Step::Close),
        1 => Just(Step::Reset),
        1 => Just(Step::SecondUuid),
        1 => Just(Step::Junk),
        1 => Just(Step::BotCloses),
        1 => Just(Step::BotEndsCall),
        1 => Just(Step::Delete),
    ]
}

/// How a connection ends: the metric, and the reason.
type End = (&'static str, &'static str);

struct Play<'a> {
    daemon: &'a Daemon,
    bots: &'a Bots,
    id: CallId,
    /// Until it is reset.
    caller: Option<Caller>,
    bot: Option<Bot>,
    named: bool,
    /// Half a message is on its way: nothing else makes sense behind it.
    halved: bool,
}

impl Play<'_> {
    /// Takes a step, if it can be taken here; the end that it brings, by the model.
    async fn take(&mut self, step: Step) -> Option<End> {
        let whole = !self.halved;
        let (kind, named) = match self.named {
            true => ("ended", true),
            false => ("refused", false),
        };
        let caller = self.caller.as_mut()?;
        match step {
            Step::Uuid if !named && whole => {
                caller.send(Message::Uuid(self.id));
                self.named = true;
                // The first frame says that it is in the table.
                caller.hear().await;
            }
            Step::Voice if named && whole => caller.say(8000, &sine(440.0, 8000, 0..160)),
            Step::Digit if named && whole => caller.send(Message::Dtmf('1')),
            Step::HalfAMessage if whole => {
                let half = if named {
                    &b"\x10\x01\x40abc"[..]
                } else {
                    b"\x01\0\x10abc"
                };
                caller.send_bytes(half);
                self.halved = true;
            }
            Step::HangUp if whole => {
                caller.send(Message::Hangup);
                return Some((kind, "caller_hung_up"));
            }
            Step::Close => {
                socket2::SockRef::from(&caller.stream)
                    .shutdown(std::net::Shutdown::Write)
                    .unwrap();
                return Some((kind, "caller_hung_up"));
            }
            Step::Reset => {
                socket2::SockRef::from(&caller.stream)
                    .set_linger(Some(std::time::Duration::ZERO))
                    .unwrap();
                self.caller = None;
                return Some((
                    kind,
                    if named {
                        "caller_hung_up"
                    } else {
                        "caller_lost"
                    },
                ));
            }
            Step::SecondUuid if named && whole => {
                caller.send(Message::Uuid(self.id));
                return Some((kind, "caller_protocol"));
            }
            Step::Junk if whole => {
                caller.send_bytes(b"\x02\0\0");
                return Some((kind, "caller_protocol"));
            }
            Step::Delete if named => {
                let path = format!("/calls/{}", self.id);
                let (status, _) = http(self.daemon.addresses().http[0], "DELETE", &path);
                assert_eq!(status, 204);
                return Some((kind, "deleted"));
            }
            Step::BotComes if named && self.bot.is_none() => {
                self.bot = Some(self.accept().await);
            }
            _ => return self.take_bots(step).await,
        }
        None
    }

    async fn take_bots(&mut self, step: Step) -> Option<End> {
        let mut bot = self.bot.take()?;
        match step {
            Step::BotSpeaks => bot.say(24_000, 1, &sine(440.0, 24_000, 0..2400)).await,
            Step::BotInterrupts => {
                use daemon_audiosocket::pipecat::frame::Frame;
                bot.send(Frame::Interruption).await;
            }
            Step::BotTalksRubbish => {
                use futures_util::SinkExt as _;
                let rubbish = vec![0xff; 40].into();
                let sent = bot
                    .socket
                    .send(tokio_tungstenite::tungstenite::Message::Binary(rubbish));
                sent.await.unwrap();
            }
            Step::BotGoesAway(code) => {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: "".into(),
                };
                bot.socket.close(Some(frame)).await.unwrap();
                bot.wait_for_close().await;
                return None;
            }
            Step::BotVanishes => return None,
            Step::BotCloses => {
                bot.socket.close(None).await.unwrap();
                return Some(("ended", "bot_hung_up"));
            }
            Step::BotEndsCall => {
                bot.rtvi("server-message", json!({"type": "hangup"})).await;
                self.bot = Some(bot);
                return Some(("ended", "bot_ended_call"));
            }
            _ => {}
        }
        self.bot = Some(bot);
        None
    }

    /// This call's bot; connections of calls before it, which nobody waits for, are passed over.
    async fn accept(&self) -> Bot {
        loop {
            if let Some(bot) = self.bots.try_accept().await
                && bot.path.ends_with(&self.id.to_string())
            {
                return bot;
            }
        }
    }
}

/// How many have ended, by metric and reason.
fn ends(daemon: &Daemon) -> BTreeMap<String, u64> {
    let (_, page) = http(daemon.addresses().metrics[0], "GET", "/metrics");
    let lines = page.lines().filter(|line| line.contains("{reason="));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

async fn play(daemon: &Daemon, bots: &Bots, id: CallId, steps: &[Step]) {
    let mut expected = ends(daemon);
    let mut play = Play {
        daemon,
        bots,
        id,
        caller: Some(Caller::connect(caller_address(daemon)).await),
        bot: None,
        named: false,
        halved: false,
    };
    let mut end = None;
    for step in steps {
        end = play.take(*step).await;
        if end.is_some() {
            break;
        }
    }
    let (kind, reason) = match end {
        Some(end) => end,
        None => play.take(Step::Close).await.unwrap(),
    };
    let name = format!("voxplane_audiosocket_{kind}_total{{reason=\"{reason}\"}}");
    *expected.get_mut(&name).unwrap() += 1;
    loop {
        let now = ends(daemon);
        if now == expected {
            break;
        }
        let both = now.iter().zip(expected.values());
        let beyond = both.filter(|((_, now), expected)| now > expected);
        let beyond: Vec<_> = beyond.map(|((name, _), _)| name).collect();
        assert!(beyond.is_empty(), "{beyond:?}, not {name}");
        tokio::task::yield_now().await;
    }
    drop(play);
    while !daemon.calls().is_empty() || daemon.calls().pending() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn every_sequence_of_steps_ends_under_its_name() {
    let (bots, option) = run_bots();
    let daemon = start(&[&option]);
    let number = Cell::new(0_u128);
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 0..10);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        number.set(number.get() + 1);
        let id = CallId::new(number.get().to_be_bytes());
        run_for(
            std::time::Duration::from_secs(20),
            play(&daemon, &bots, id, &steps),
        );
        Ok(())
    });
    outcome.unwrap();
    let ended = metric(&daemon, "voxplane_audiosocket_calls_total ");
    assert!(ended > 20, "{ended} calls only");
    daemon.stop();
}
