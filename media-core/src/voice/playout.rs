//! What the bot says, until it is due.
//!
//! A bot sends in real time, more or less: a busy interpreter stands still for 100 to 600 ms. So playout
//! begins only once `target` is queued. If it runs dry all the same and the bot then goes on, that was a
//! stall: the target grows to what would have bridged it, up to `stall`, and shrinks again while all is well.
//! It comes into force where it does no harm, at the next start.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use codecs::SampleRate;

use super::{FRAME, duration_of, samples_in, scaled};

/// Sizes of a [`Playout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// Rate of the samples in and out.
    pub sample_rate: SampleRate,
    /// What is queued before it is played. 80 ms by default.
    pub target: Duration,
    /// Stalls of the bot that the target grows to bridge. 600 ms by default.
    pub stall: Duration,
    /// Most that is ever queued; the oldest gives way. 1 s by default.
    pub cap: Duration,
    /// Length of the fade when talk is cut off and of the crossfade when some is left out. 8 ms by default.
    pub fade: Duration,
}

impl PlayoutConfig {
    /// The defaults at this rate.
    #[must_use]
    pub const fn new(sample_rate: SampleRate) -> Self {
        Self {
            sample_rate,
            target: Duration::from_millis(80),
            stall: Duration::from_millis(600),
            cap: Duration::from_secs(1),
            fade: Duration::from_millis(8),
        }
    }
}

/// What [`Playout::pull`] put into the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Talk, and nothing else.
    Talk,
    /// Talk in front, then silence.
    Partly,
    /// Silence.
    Silence,
}

/// What became of the talk that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Of the turn's talk, how much the caller hears, the fade included.
    pub played: Duration,
    /// How much was queued and is not heard.
    pub dropped: Duration,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PlayoutCounters {
    /// Samples of talk played.
    pub played: u64,
    /// Samples left out, as more came than is played.
    pub overrun: u64,
    /// Times that samples were left out.
    pub overruns: u64,
    /// Times that talk paused for want of samples and then went on.
    pub underruns: u64,
    /// Calls of [`Playout::flush`].
    pub flushes: u64,
    /// Samples cut off by them, or refused after them.
    pub flushed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody talks.
    Idle,
    /// Talk is queued and waits for more.
    Filling { since: Instant },
    /// It is played.
    Playing,
    /// It ran dry, and may go on.
    Starved { since: Instant },
}

/// The queue between a bot and the clock. Its memory is that of `cap` from the start.
#[derive(Debug)]
pub struct Playout {
    rate: SampleRate,
    /// In samples, all of them.
    frame: usize,
    cap: usize,
    fade: usize,
    target_least: Duration,
    target_most: Duration,
    target: Duration,
    queue: VecDeque<i16>,
    /// Samples that have left the queue.
    left: u64,
    /// Where in the run of samples each push begins, and when it came.
    marks: VecDeque<(u64, Instant)>,
    /// How long the talk waited that the last pull began with.
    waited: Option<Duration>,
    /// Faded talk that is still to be played after a flush.
    tail: VecDeque<i16>,
    phase: Phase,
    /// Played last.
    last: i16,
    /// Samples of the fade-in that are still to come.
    rising: usize,
    /// Samples of talk played in this turn.
    turn: u64,
    /// Samples played since the target changed.
    calm: u64,
    /// Talk is refused until none has come for this long.
    refuse: Option<Duration>,
    last_push: Option<Instant>,
    counters: PlayoutCounters,
}

/// Pushes whose waiting is measured at a time; more are not measured.
const MARKS: usize = 64;

/// Talk without a stall after which the target shrinks by a frame.
const CALM: Duration = Duration::from_secs(10);

impl Playout {
    /// An empty queue. A target that does not fit into the cap is cut to it; a cap is at least three frames
    /// and at most a minute, a fade at most 10 ms.
    #[must_use]
    pub fn new(config: PlayoutConfig) -> Self {
        let rate = config.sample_rate;
        let cap = config.cap.clamp(FRAME * 3, Duration::from_secs(60));
        let most = cap - FRAME * 2;
        let target = config.target.min(most);
        let frame = samples_in(FRAME, rate).max(1);
        let fade = samples_in(config.fade.min(FRAME / 2), rate);
        let cap = samples_in(cap, rate);
        Self {
            rate,
            frame,
            cap,
            fade,
            target_least: target,
            target_most: config.stall.clamp(target, most),
            target,
            queue: VecDeque::with_capacity(cap + frame),
            left: 0,
            marks: VecDeque::with_capacity(MARKS),
            waited: None,
            tail: VecDeque::with_capacity(fade),
            phase: Phase::Idle,
            last: 0,
            rising: 0,
            turn: 0,
            calm: 0,
            refuse: None,
            last_push: None,
            counters: PlayoutCounters::default(),
        }
    }

    /// Queues talk of any length. What does not fit below the cap makes the oldest give way.
    pub fn push(&mut self, now: Instant, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        let pause = self
            .last_push
            .map(|last| now.saturating_duration_since(last));
        self.last_push = Some(now);
        if let Some(least) = self.refuse {
            if pause.is_none_or(|pause| pause < least) {
                self.counters.flushed += len(samples.len());
                return;
            }
            self.refuse = None;
        }
        match self.phase {
            Phase::Idle => {
                self.turn = 0;
                self.phase = Phase::Filling { since: now };
            }
            Phase::Starved { since } => {
                self.stalled(now.saturating_duration_since(since));
                self.phase = Phase::Filling { since: now };
                self.rising = self.fade;
            }
            Phase::Filling { .. } | Phase::Playing => {}
        }
        if self.marks.len() < MARKS {
            self.marks
                .push_back((self.left + len(self.queue.len()), now));
        }
        for piece in samples.chunks(self.frame) {
            self.queue.extend(piece);
            if self.queue.len() > self.cap {
                self.drop_oldest();
            }
        }
    }

    /// Fills `frame` with what is due by `now`.
    pub fn pull(&mut self, now: Instant, frame: &mut [i16]) -> Pulled {
        self.waited = None;
        let mut filled = take(&mut self.tail, frame);
        match self.phase {
            Phase::Filling { since } if self.is_full(now.saturating_duration_since(since)) => {
                self.phase = Phase::Playing;
            }
            Phase::Starved { since }
                if now.saturating_duration_since(since) > self.target_most.max(FRAME) =>
            {
                self.phase = Phase::Idle;
            }
            _ => {}
        }
        if self.phase == Phase::Playing {
            let room = &mut frame[filled..];
            let taken = take(&mut self.queue, room);
            for sample in &mut room[..taken.min(self.rising)] {
                *sample = scaled(*sample, self.fade - self.rising, self.fade);
                self.rising -= 1;
            }
            if taken < room.len() {
                self.phase = Phase::Starved { since: now };
            }
            filled += taken;
            self.left += len(taken);
            while let Some((_, came)) = self.marks.front().filter(|(at, _)| *at < self.left) {
                let waited = now.saturating_duration_since(*came);
                self.waited = self.waited.max(Some(waited));
                self.marks.pop_front();
            }
            self.counters.played += len(taken);
            self.turn += len(taken);
            self.calm_down(len(taken));
        }
        if let Some(last) = frame[..filled].last() {
            self.last = *last;
        }
        self.fall_silent(&mut frame[filled..]);
        match filled {
            0 => Pulled::Silence,
            n if n == frame.len() => Pulled::Talk,
            _ => Pulled::Partly,
        }
    }

    /// Cuts the talk off: what is left of it fades within the next frame. With `refuse`, talk is refused until
    /// none has come for that long: for whoever interrupts a bot that does not know it yet.
    pub fn flush(&mut self, refuse: Option<Duration>) -> Flushed {
        let queued = self.queue.len();
        // With less than a fade queued, the last sample's way to zero will do.
        let fading = match self.phase {
            Phase::Playing if self.tail.is_empty() && queued >= self.fade => self.fade,
            _ => 0,
        };
        for (n, sample) in self.queue.drain(..fading).enumerate() {
            self.tail.push_back(scaled(sample, fading - 1 - n, fading));
        }
        self.left += len(queued);
        self.queue.clear();
        self.marks.clear();
        self.phase = Phase::Idle;
        self.rising = 0;
        self.refuse = refuse;
        let heard = self.turn + len(fading);
        self.turn = 0;
        self.counters.played += len(fading);
        self.counters.flushed += len(queued - fading);
        self.counters.flushes += 1;
        Flushed {
            played: duration_of(heard, self.rate),
            dropped: duration_of(len(queued - fading), self.rate),
        }
    }

    /// Takes talk again, whatever was said at the last [`Playout::flush`].
    pub fn accept(&mut self) {
        self.refuse = None;
    }

    /// Talk that is queued.
    #[must_use]
    pub fn queued(&self) -> Duration {
        duration_of(len(self.queue.len()), self.rate)
    }

    /// How much of this turn's talk was played; a turn ends with a flush, or when the bot has been silent for
    /// longer than it ever stalls.
    #[must_use]
    pub fn played(&self) -> Duration {
        duration_of(self.turn, self.rate)
    }

    /// What is queued before talk starts, at present.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.target
    }

    /// How long the talk had waited here that the last pull gave, from its push on, if a push's began in it.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        self.waited
    }

    /// Whether talk is queued, played, or may go on at any moment.
    #[must_use]
    pub fn is_talking(&self) -> bool {
        self.phase != Phase::Idle || !self.tail.is_empty()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> PlayoutCounters {
        self.counters
    }

    /// Enough is queued, or it has waited for as long as that takes to come: then there is no more.
    fn is_full(&self, waited: Duration) -> bool {
        waited >= self.target || self.queue.len() >= samples_in(self.target, self.rate)
    }

    fn stalled(&mut self, gap: Duration) {
        self.counters.underruns += 1;
        self.calm = 0;
        let bridging = self.target.saturating_add(gap).saturating_add(FRAME);
        self.target = bridging.min(self.target_most);
    }

    fn calm_down(&mut self, played: u64) {
        self.calm += played;
        if self.calm >= len(samples_in(CALM, self.rate)) {
            self.calm = 0;
            self.target = self.target.saturating_sub(FRAME).max(self.target_least);
        }
    }

    /// Leaves out at least a frame, so that splices are few, and blends into what follows.
    fn drop_oldest(&mut self) {
        let excess = (self.queue.len() - self.cap).max(self.frame);
        let excess = excess.min(self.queue.len());
        let blended = self.fade.min(self.queue.len() - excess);
        for n in 0..blended {
            let old = scaled(self.queue[n], blended - n, blended + 1);
            let new = scaled(self.queue[excess + n], n + 1, blended + 1);
            self.queue[excess + n] = old.saturating_add(new);
        }
        self.queue.drain(..excess);
        self.left += len(excess);
        while self.marks.get(1).is_some_and(|(at, _)| *at <= self.left) {
            self.marks.pop_front();
        }
        if let Some((at, _)) = self.marks.front_mut() {
            *at = self.left.max(*at);
        }
        self.counters.overrun += len(excess);
        self.counters.overruns += 1;
    }

    /// From the last sample to zero, without a step that would click.
    fn fall_silent(&mut self, rest: &mut [i16]) {
        let falling = if self.last == 0 { 0 } else { self.fade };
        let last = self.last;
        for (n, sample) in rest.iter_mut().enumerate() {
            *sample = if n < falling {
                scaled(last, falling - 1 - n, falling)
            } else {
                0
            };
        }
        if let Some(end) = rest.last() {
            self.last = *end;
        }
    }
}

fn take(from: &mut VecDeque<i16>, into: &mut [i16]) -> usize {
    let taken = from.len().min(into.len());
    for (to, sample) in into.iter_mut().zip(from.drain(..taken)) {
        *to = sample;
    }
    taken
}

fn len(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
