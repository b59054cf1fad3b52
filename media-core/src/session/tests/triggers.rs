//! Digits that begin and end the hiding of digits, in virtual time.

use std::num::NonZeroU32;

use super::*;
use crate::media::transcode::{Digit, DtmfOptions, Heard, Hiding};

/// How long each digit sounds.
const SOUNDS_MS: u32 = 100;

fn sequence(keys: &str) -> DigitSequence {
    DigitSequence::parse(keys).unwrap()
}

/// Digits are dropped behind `*1`.
fn trigger() -> DtmfTrigger {
    DtmfTrigger {
        start: sequence("*1"),
        hiding: Hiding::Drop,
        end: None,
        end_digits: None,
        end_after: None,
        end_hiding: Hiding::Off,
    }
}

fn selector(from_tag: Option<&str>) -> Selector {
    Selector {
        from_tag: from_tag.map(ToOwned::to_owned),
        ..Selector::default()
    }
}

/// A call of f and t.
struct Line {
    desk: Desk,
    /// The ports that f and t send to.
    ports: [u16; 2],
}

impl Line {
    fn new() -> Self {
        Self::on(Desk::new())
    }

    fn on(desk: Desk) -> Self {
        let (of_t, of_f) = desk.call("c");
        let ports = [of_f, of_t];
        Self { desk, ports }
    }

    fn armed(trigger: DtmfTrigger) -> Self {
        let line = Self::new();
        line.arm(Some("f"), trigger);
        line
    }

    fn arm(&self, from_tag: Option<&str>, trigger: DtmfTrigger) {
        let (desk, options) = (&self.desk, DtmfOptions::default());
        desk.sessions
            .arm_dtmf(desk.now(), "c", &selector(from_tag), options, trigger)
            .unwrap();
    }

    fn block(&self, hiding: Hiding) {
        let (desk, options) = (&self.desk, DtmfOptions::default());
        let options = DtmfOptions { hiding, ..options };
        desk.sessions
            .block_dtmf(desk.now(), "c", &selector(Some("f")), options)
            .unwrap();
    }

    /// The party dials, 0 or 1; digits come one behind the other.
    fn dials(&self, party: usize, keys: &str) {
        for key in keys.chars() {
            self.desk.wait(Duration::from_millis(SOUNDS_MS.into()));
            let route = self.desk.route(self.ports[party]);
            let local: SocketAddr = format!("127.0.0.1:{}", self.ports[party]).parse().unwrap();
            let socket = {
                let inner = self.desk.plane.lock();
                let mut open = inner.open.iter();
                *open.find(|(_, at)| **at == local).unwrap().0
            };
            let digit = Heard {
                digit: Digit::from_char(key).unwrap(),
                duration_ms: SOUNDS_MS,
                volume: 10,
            };
            let call = route.call;
            let event = Event::Digit {
                call,
                socket,
                digit,
            };
            self.desk.sessions.handle_event(self.desk.now(), event);
        }
    }

    /// What becomes of the party's digits, as its route has it.
    fn hides(&self, party: usize) -> Hiding {
        let route = self.desk.route(self.ports[party]);
        route.transcode.map_or(Hiding::Off, |plan| plan.dtmf.hiding)
    }

    /// For each digit what becomes of the next one: `-` hidden, `+` not.
    fn follows(&self, keys: &str) -> String {
        let mark = |key: char| {
            self.dials(0, &key.to_string());
            if self.hides(0) == Hiding::Off {
                '+'
            } else {
                '-'
            }
        };
        keys.chars().map(mark).collect()
    }

    fn due_in(&self) -> Option<Duration> {
        let due = self.desk.sessions.next_due()?;
        Some(due.saturating_duration_since(self.desk.now().monotonic))
    }
}

#[test]
fn trigger_hides_from_the_next_digit_on() {
    let line = Line::armed(trigger());
    assert_eq!(line.follows("12*1345*1"), "+++------");
    assert_eq!(line.hides(1), Hiding::Off);
}

#[test]
fn sequence_is_found_wherever_it_ends_what_was_dialled() {
    let start = sequence("112");
    let line = Line::armed(DtmfTrigger { start, ..trigger() });
    assert_eq!(line.follows("11112"), "++++-");
}

#[test]
fn sequence_as_long_as_can_be_is_found() {
    let keys = "0123456789*#ABCD".repeat(4);
    let start = sequence(&keys);
    let line = Line::armed(DtmfTrigger { start, ..trigger() });
    line.dials(0, "7777");
    let follows = line.follows(&keys);
    assert_eq!(follows.find('-'), Some(63), "{follows}");
}

#[test]
fn hiding_ends_once_and_does_not_begin_again() {
    let end = Some(sequence("#4"));
    let line = Line::armed(DtmfTrigger { end, ..trigger() });
    assert_eq!(line.follows("#4*1#5#4*1#4"), "+++----+++++");
    line.arm(Some("f"), trigger());
    assert_eq!(line.follows("*1"), "+-");
}

#[test]
fn trigger_is_no_part_of_its_end() {
    let end = Some(sequence("1"));
    let line = Line::armed(DtmfTrigger { end, ..trigger() });
    assert_eq!(line.follows("*11"), "+-+");
    let end = Some(sequence("*1"));
    let line = Line::armed(DtmfTrigger { end, ..trigger() });
    assert_eq!(line.follows("*1*1"), "+--+");
}

#[test]
fn so_many_digits_are_hidden() {
    let end_digits = NonZeroU32::new(16);
    let line = Line::armed(DtmfTrigger {
        end_digits,
        ..trigger()
    });
    assert_eq!(line.follows("*1"), "+-");
    assert_eq!(line.follows("4111111111111111"), "---------------+");
    assert_eq!(line.follows("99"), "++");
}

#[test]
fn behind_the_end_the_mode_is_the_one_asked_for() {
    let line = Line::armed(DtmfTrigger {
        end_digits: NonZeroU32::new(1),
        end_hiding: Hiding::Random,
        ..trigger()
    });
    line.dials(0, "*15");
    assert_eq!(line.hides(0), Hiding::Random);
}

#[test]
fn hiding_ends_by_itself_when_its_time_is_over() {
    let line = Line::armed(DtmfTrigger {
        end_after: Some(Duration::from_secs(5)),
        ..trigger()
    });
    assert_eq!(line.due_in(), None);
    assert_eq!(line.follows("*1"), "+-");
    assert_eq!(line.due_in(), Some(Duration::from_secs(5)));
    // Digits do not put it off.
    assert_eq!(line.follows("234"), "---");
    assert_eq!(line.due_in(), Some(Duration::from_millis(4700)));
    line.desk.wait(Duration::from_millis(4699));
    line.desk.sessions.run_due(line.desk.now());
    assert_eq!(line.hides(0), Hiding::Drop);
    line.desk.wait(Duration::from_millis(1));
    line.desk.sessions.run_due(line.desk.now());
    assert_eq!((line.hides(0), line.due_in()), (Hiding::Off, None));
    assert_eq!(line.follows("*1"), "++");
}

#[test]
fn first_of_several_ends_counts() {
    let all = DtmfTrigger {
        end: Some(sequence("#")),
        end_digits: NonZeroU32::new(4),
        end_after: Some(Duration::from_secs(5)),
        ..trigger()
    };
    for (keys, follows) in [("*12#5", "+--++"), ("*123456", "+----++")] {
        let line = Line::armed(all.clone());
        assert_eq!(line.follows(keys), follows);
        assert_eq!(line.due_in(), None);
    }
    // A digit that is told before the timer's turn.
    let line = Line::armed(all);
    line.dials(0, "*1");
    line.desk.wait(Duration::from_secs(6));
    assert_eq!(line.follows("2"), "+");
    assert_eq!(line.due_in(), None);
}

#[test]
fn digits_far_apart_are_no_sequence() {
    for (pause_ms, follows) in [(2500, "-"), (2501, "+")] {
        let line = Line::armed(trigger());
        line.dials(0, "*");
        line.desk.wait(Duration::from_millis(pause_ms));
        assert_eq!(line.follows("1"), follows, "{pause_ms}");
    }
    let dtmf_pause = Duration::from_millis(40);
    let line = Line::on(Desk::with(SessionConfig {
        dtmf_pause,
        ..config()
    }));
    line.arm(Some("f"), trigger());
    line.dials(0, "*");
    line.desk.wait(Duration::from_millis(41));
    assert_eq!(line.follows("1*1"), "++-");
}

#[test]
fn block_and_unblock_without_a_trigger_forget_it() {
    let timed = DtmfTrigger {
        end_after: Some(Duration::from_secs(5)),
        ..trigger()
    };
    let unblock = |line: &Line| {
        let desk = &line.desk;
        let selector = selector(Some("f"));
        desk.sessions
            .unblock_dtmf(desk.now(), "c", &selector)
            .unwrap();
    };
    let line = Line::armed(timed.clone());
    unblock(&line);
    assert_eq!(line.follows("*1"), "++");
    line.arm(Some("f"), timed.clone());
    assert_eq!(line.follows("*1"), "+-");
    unblock(&line);
    assert_eq!((line.hides(0), line.due_in()), (Hiding::Off, None));
    line.arm(Some("f"), timed);
    line.dials(0, "*1");
    line.block(Hiding::Silence);
    assert_eq!(line.due_in(), None);
    line.dials(0, "*1");
    assert_eq!(line.hides(0), Hiding::Silence);
}

#[test]
fn each_party_of_a_call_dials_for_itself() {
    let line = Line::new();
    line.arm(None, trigger());
    line.dials(0, "*");
    line.dials(1, "1");
    assert_eq!([0, 1].map(|at| line.hides(at)), [Hiding::Off; 2]);
    line.dials(1, "*1");
    let expected = [Hiding::Off, Hiding::Drop];
    assert_eq!([0, 1].map(|at| line.hides(at)), expected);
    // What is asked for of a party goes before what is of its call.
    line.block(Hiding::Silence);
    line.dials(0, "*1");
    let expected = [Hiding::Silence, Hiding::Drop];
    assert_eq!([0, 1].map(|at| line.hides(at)), expected);
}

#[test]
fn another_offer_changes_nothing() {
    let line = Line::armed(trigger());
    let again = || {
        let sdp = sdp(4000);
        line.desk.offer(said("f", "t", &sdp)).unwrap();
        let sdp = super::sdp(5000);
        line.desk.answer(said("f", "t", &sdp)).unwrap();
    };
    line.dials(0, "*");
    again();
    assert_eq!(line.follows("1"), "-");
    again();
    assert_eq!(line.hides(0), Hiding::Drop);
}

#[test]
fn end_of_a_call_ends_its_timer() {
    let line = Line::armed(DtmfTrigger {
        end_after: Some(Duration::from_secs(5)),
        ..trigger()
    });
    line.dials(0, "*1");
    assert!(line.due_in().is_some());
    line.desk.delete("c", None, 0);
    assert_eq!(line.due_in(), None);
    line.desk.assert_empty();
}

#[test]
fn events_are_followed_before_any_are_hidden_and_delays_do_not_count() {
    let line = Line::new();
    let options = DtmfOptions {
        delay_ms: 300,
        ..DtmfOptions::default()
    };
    let (desk, selector) = (&line.desk, selector(Some("f")));
    desk.sessions
        .arm_dtmf(desk.now(), "c", &selector, options, trigger())
        .unwrap();
    // Else a digit would change in its middle.
    let plan = desk.route(line.ports[0]).transcode.unwrap();
    assert!(plan.events.is_some());
    assert_eq!((plan.dtmf.delay_ms, plan.dtmf.detect), (0, false));
}

#[test]
fn whoever_has_no_events_is_listened_to() {
    let desk = Desk::new();
    let plain = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 0\r\n";
    desk.offer(said("f", "", plain)).unwrap();
    let answered = desk.answer(said("f", "t", plain)).unwrap();
    let ports = [port(&answered); 2];
    let line = Line { desk, ports };
    line.arm(Some("f"), trigger());
    let plan = line.desk.route(ports[0]).transcode.unwrap();
    assert!(plan.dtmf.detect);
    assert_eq!(line.follows("*1"), "+-");
}

#[test]
fn sequences_have_keys_alone_and_a_bound() {
    for (keys, is_one) in [
        ("*1", true),
        ("0123456789*#ABCD", true),
        ("", false),
        ("a", false),
        ("* 1", false),
        ("x", false),
        ("é", false),
    ] {
        assert_eq!(DigitSequence::parse(keys).is_some(), is_one, "{keys}");
    }
    assert!(DigitSequence::parse(&"1".repeat(64)).is_some());
    assert!(DigitSequence::parse(&"1".repeat(65)).is_none());
}
