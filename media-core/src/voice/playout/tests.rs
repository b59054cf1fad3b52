//! A bot and a clock in virtual time.
#![expect(
    clippy::disallowed_methods,
    reason = "any instant will do to start from"
)]

use super::*;

const MS: Duration = Duration::from_millis(1);
const FRAME_LEN: usize = 160;

struct Line {
    playout: Playout,
    start: Instant,
    now: Instant,
    heard: Vec<i16>,
    /// Samples of the tone sent.
    sent: usize,
}

impl Line {
    fn new(change: impl FnOnce(&mut PlayoutConfig)) -> Self {
        let mut config = PlayoutConfig::new(SampleRate::HZ_8000);
        change(&mut config);
        let start = Instant::now();
        Self {
            playout: Playout::new(config),
            start,
            now: start,
            heard: Vec::new(),
            sent: 0,
        }
    }

    /// 400 Hz: a period is 20 samples.
    #[expect(clippy::cast_possible_truncation, reason = "10,000 at most")]
    fn tone(at: usize) -> i16 {
        ((at % 20) as f64 / 20.0 * std::f64::consts::TAU)
            .sin()
            .mul_add(10_000.0, 0.0) as i16
    }

    fn say(&mut self, ms: usize) {
        let samples: Vec<i16> = (self.sent..self.sent + ms * 8).map(Self::tone).collect();
        self.sent += samples.len();
        self.playout.push(self.now, &samples);
    }

    fn tick(&mut self) -> Pulled {
        let mut frame = [0x55; FRAME_LEN];
        let pulled = self.playout.pull(self.now, &mut frame);
        self.heard.extend(frame);
        self.now += FRAME;
        pulled
    }

    /// Ticks, with 40 ms of talk every 40 ms.
    fn talk(&mut self, ms: usize) {
        for _ in 0..ms / 40 {
            self.say(40);
            self.tick();
            self.tick();
        }
    }

    /// The largest step between neighbours: the tone's own is 3142.
    fn roughest(&self) -> u16 {
        let steps = self.heard.windows(2).map(|w| w[0].abs_diff(w[1]));
        steps.max().unwrap_or(0)
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }
}

#[test]
fn nothing_said_is_silence() {
    let mut line = Line::new(|_| ());
    assert_eq!(line.tick(), Pulled::Silence);
    assert!(line.heard.iter().all(|s| *s == 0));
    assert!(!line.playout.is_talking());
}

#[test]
fn talk_comes_out_as_it_went_in_after_the_target() {
    let mut line = Line::new(|_| ());
    line.talk(2000);
    let first = line.heard.iter().position(|s| *s != 0).unwrap();
    // The second chunk, after 40 ms, makes it 80. The tone's own first sample is zero.
    assert_eq!(first, 40 * 8 + 1);
    let heard = &line.heard[first - 1..];
    assert!(heard.iter().enumerate().all(|(n, s)| *s == Line::tone(n)));
    assert_eq!(line.playout.counters().underruns, 0);
}

#[test]
fn short_word_is_played_although_the_target_is_not_reached() {
    let mut line = Line::new(|_| ());
    line.say(30);
    while line.elapsed() < MS * 200 {
        line.tick();
    }
    assert_eq!(line.playout.counters().played, 240);
    assert_eq!(line.playout.played(), MS * 30);
    assert!(line.roughest() < 3200);
}

#[test]
fn end_of_talk_is_no_underrun_and_begins_a_new_turn() {
    let mut line = Line::new(|_| ());
    line.talk(400);
    for _ in 0..50 {
        line.tick();
    }
    assert!(!line.playout.is_talking());
    line.talk(400);
    assert_eq!(line.playout.counters().underruns, 0);
    assert_eq!(line.playout.target(), MS * 80);
    assert!(line.playout.played() < MS * 400, "of the second turn alone");
}

#[test]
fn stalls_are_bridged_after_the_first() {
    let mut line = Line::new(|_| ());
    line.talk(400);
    for _ in 0..15 {
        line.tick();
    }
    line.talk(400);
    assert_eq!(line.playout.counters().underruns, 1);
    assert!(
        line.playout.target() >= MS * 300,
        "{:?}",
        line.playout.target()
    );
    line.talk(800);
    for _ in 0..15 {
        assert_eq!(line.tick(), Pulled::Talk);
    }
    line.talk(400);
    assert_eq!(line.playout.counters().underruns, 1);
    assert!(line.roughest() < 3200, "{}", line.roughest());
}

#[test]
fn target_stays_in_its_bounds_and_shrinks_when_all_is_well() {
    let mut line = Line::new(|_| ());
    for _ in 0..5 {
        line.talk(200);
        for _ in 0..45 {
            line.tick();
        }
    }
    line.talk(200);
    assert!(line.playout.target() <= MS * 600);
    let grown = line.playout.target();
    line.talk(21_000);
    assert!(line.playout.target() <= grown.max(MS * 120) - FRAME * 2);
    line.talk(400_000);
    assert_eq!(line.playout.target(), MS * 80);
}

#[test]
fn flood_is_cut_to_the_cap_without_clicks() {
    let mut line = Line::new(|c| c.cap = MS * 400);
    for _ in 0..100 {
        line.say(200);
        line.tick();
        assert!(line.playout.queued() <= MS * 400);
    }
    let counters = line.playout.counters();
    assert!(counters.overrun > 100 * 150 * 8 / 2);
    // A crossfade of two phases of the tone adds to its step, and makes no jump.
    assert!(line.roughest() < 4500, "{}", line.roughest());
    assert_eq!(line.playout.queue.capacity(), line.playout.cap + FRAME_LEN);
}

#[test]
fn flush_ends_within_a_frame_with_a_fade() {
    let mut line = Line::new(|_| ());
    line.talk(400);
    line.say(300);
    let queued = line.playout.queued();
    let played = line.playout.played();
    let flushed = line.playout.flush(None);
    assert_eq!(flushed.played, played + MS * 8);
    assert_eq!(flushed.dropped, queued - MS * 8);
    assert_eq!(line.tick(), Pulled::Partly);
    assert_eq!(line.tick(), Pulled::Silence);
    let cut = &line.heard[line.heard.len() - 2 * FRAME_LEN..];
    assert!(cut[..40].iter().any(|s| s.abs() > 3000), "a fade, no cut");
    assert!(cut[65..].iter().all(|s| *s == 0), "8 ms and no more");
    assert!(line.roughest() < 3300, "{}", line.roughest());
    assert!(!line.playout.is_talking());
    let again = line.playout.flush(None);
    assert_eq!(again, Flushed::default());
}

#[test]
fn next_answer_is_heard_whole_after_a_flush() {
    let mut line = Line::new(|_| ());
    line.talk(400);
    line.playout.flush(None);
    line.sent = 0;
    let from = line.heard.len();
    line.talk(400);
    let heard = &line.heard[from..];
    let start = heard[100..].iter().position(|s| *s != 0).unwrap() + 99;
    assert!(
        heard[start..]
            .iter()
            .enumerate()
            .all(|(n, s)| *s == Line::tone(n))
    );
    assert_eq!(line.playout.counters().underruns, 0);
}

#[test]
fn bot_that_does_not_know_it_was_interrupted_is_not_heard() {
    let mut line = Line::new(|_| ());
    line.talk(400);
    line.playout.flush(Some(MS * 150));
    let from = line.heard.len();
    line.talk(400);
    assert!(line.heard[from + 65..].iter().all(|s| *s == 0));
    for _ in 0..10 {
        line.tick();
    }
    line.talk(400);
    assert!(line.heard[line.heard.len() - 800..].iter().any(|s| *s != 0));
    line.playout.flush(Some(MS * 150));
    line.playout.accept();
    line.talk(400);
    assert!(line.heard[line.heard.len() - 800..].iter().any(|s| *s != 0));
}

#[test]
fn odd_sizes_do_not_break_it() {
    let mut line = Line::new(|c| {
        c.cap = Duration::ZERO;
        c.target = Duration::MAX;
        c.stall = Duration::ZERO;
        c.fade = Duration::ZERO;
    });
    line.say(5000);
    assert!(line.playout.queued() <= MS * 60);
    assert_eq!(line.tick(), Pulled::Talk);
    line.playout.flush(None);
    assert_eq!(line.tick(), Pulled::Silence);
}

#[test]
fn waiting_is_measured_from_push_to_pull() {
    let mut line = Line::new(|c| c.target = MS * 60);
    line.say(40);
    line.tick();
    assert_eq!(line.playout.waited(), None, "nothing was played");
    line.say(40);
    line.tick();
    assert_eq!(line.playout.waited(), Some(FRAME));
    line.tick();
    assert_eq!(line.playout.waited(), None, "in the middle of a push");
    line.tick();
    assert_eq!(line.playout.waited(), Some(FRAME * 2));
}

#[test]
fn talk_left_out_or_cut_off_is_not_measured() {
    let mut line = Line::new(|c| {
        c.cap = MS * 200;
        c.target = MS * 20;
    });
    line.say(400);
    line.now += MS * 10;
    line.say(100);
    line.now += MS * 10;
    line.tick();
    let waited = line.playout.waited().unwrap();
    assert!(waited <= MS * 20, "{waited:?}");
    line.playout.flush(None);
    line.say(40);
    line.now += MS * 20;
    line.tick();
    assert_eq!(line.playout.waited(), Some(MS * 20));
}
