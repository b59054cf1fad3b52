//! Digits that begin and end the hiding of digits: `trigger` of `block DTMF`.
//!
//! A party's digits come here as they end, and say what becomes of its next one. The digits of a sequence
//! are each treated as what was in force when they began: the one that completes a trigger is heard in full,
//! the one that completes its end is hidden in full.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Sessions;
use super::call::{Call, Phase};
use crate::media::transcode::{Digit, DtmfOptions, Heard, Hiding};
use crate::units::{CallKey, Now, SocketId};

/// Digits dialled one after another: at least one, at most [`DigitSequence::MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigitSequence {
    digits: Box<[Digit]>,
}

impl DigitSequence {
    /// The longest there is.
    pub const MAX: usize = 64;

    /// `None`: the text is empty or too long, or something in it is none of `0`–`9`, `*`, `#`, `A`–`D`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_fit = (1..=Self::MAX).contains(&text.len());
        let known = |key: char| Digit::from_char(key).filter(|_| !key.is_ascii_lowercase());
        let digits: Option<Box<[Digit]>> = text.chars().map(known).collect();
        digits.filter(|_| is_fit).map(|digits| Self { digits })
    }

    /// Are these the last ones of what was dialled?
    fn ends(&self, dialled: &VecDeque<Digit>) -> bool {
        let mut last = dialled.iter().rev();
        self.digits
            .iter()
            .rev()
            .all(|digit| last.next() == Some(digit))
    }
}

/// What changes how a party's digits are hidden (`trigger` and its like of `block DTMF`). Once only: hiding that has
/// ended begins again with the next [`Sessions::arm_dtmf`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtmfTrigger {
    /// `trigger`: what begins it.
    pub start: DigitSequence,
    /// `DTMF-security-trigger`: what the receiver gets of digits from the next one on.
    pub hiding: Hiding,
    /// `trigger-end`: what ends it.
    pub end: Option<DigitSequence>,
    /// `trigger-end-digits`: so many digits end it, and are the last to be hidden.
    pub end_digits: Option<NonZeroU32>,
    /// `trigger-end-time`: it lasts no longer, from the end of the trigger's last digit on.
    pub end_after: Option<Duration>,
    /// `DTMF-security-trigger-end`: what the receiver gets of digits behind the end.
    pub end_hiding: Hiding,
}

/// What a party has or its call: how digits are hidden, and what changes that.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    /// From the request on.
    pub(super) options: DtmfOptions,
    pub(super) trigger: Option<Arc<DtmfTrigger>>,
}

impl Blocking {
    /// What is in force by now for a party.
    pub(super) fn options_by(&self, watch: &Watch) -> DtmfOptions {
        let hiding = self.trigger.as_ref().and_then(|trigger| match watch.stage {
            Stage::Armed => None,
            Stage::Hiding { .. } => Some(trigger.hiding),
            Stage::Over => Some(trigger.end_hiding),
        });
        DtmfOptions {
            hiding: hiding.unwrap_or(self.options.hiding),
            ..self.options
        }
    }
}

/// How far a party has come with the trigger that counts for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    stage: Stage,
    /// The last ones of this stage, without a long pause between them.
    dialled: VecDeque<Digit>,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The trigger has not been dialled.
    #[default]
    Armed,
    /// It has.
    Hiding { digits: u32, until: Option<Instant> },
    /// Hiding has ended; there is no second time.
    Over,
}

impl Watch {
    /// A digit has ended. `true`: the next one is to be treated otherwise.
    fn hear(
        &mut self,
        trigger: &DtmfTrigger,
        most_pause: Duration,
        digit: &Heard,
        now: Instant,
    ) -> bool {
        let sounded = Duration::from_millis(digit.duration_ms.into());
        let paused = |last: Instant| now.saturating_duration_since(last).saturating_sub(sounded);
        if self.last.is_some_and(|last| paused(last) > most_pause) {
            self.dialled.clear();
        }
        self.last = Some(now);
        if self.dialled.len() == DigitSequence::MAX {
            self.dialled.pop_front();
        }
        self.dialled.push_back(digit.digit);
        let next = match self.stage {
            Stage::Armed if trigger.start.ends(&self.dialled) => Stage::Hiding {
                digits: 0,
                until: trigger.end_after.and_then(|after| now.checked_add(after)),
            },
            Stage::Hiding { digits, until } => {
                let digits = digits.saturating_add(1);
                let is_end = |end: &DigitSequence| end.ends(&self.dialled);
                let enough = |most: NonZeroU32| digits >= most.get();
                match trigger.end.as_ref().is_some_and(is_end)
                    || trigger.end_digits.is_some_and(enough)
                {
                    true => Stage::Over,
                    false => Stage::Hiding { digits, until },
                }
            }
            same => same,
        };
        let changes = std::mem::discriminant(&next) != std::mem::discriminant(&self.stage);
        if changes {
            self.dialled.clear();
        }
        self.stage = next;
        changes
    }

    /// When hiding ends by itself.
    fn until(&self) -> Option<Instant> {
        match self.stage {
            Stage::Hiding { until, .. } => until,
            Stage::Armed | Stage::Over => None,
        }
    }

    /// `true`: it has just ended by itself.
    fn expire(&mut self, now: Instant) -> bool {
        let is_due = self.until().is_some_and(|until| until <= now);
        if is_due {
            self.stage = Stage::Over;
        }
        is_due
    }
}

/// When hiding is to end, of all calls: one entry per call at most.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: Mutex<BTreeSet<(Instant, CallKey)>>,
}

impl Deadlines {
    fn change(&self, call: CallKey, from: Option<Instant>, to: Option<Instant>) {
        if from == to {
            return;
        }
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = from {
            due.remove(&(from, call));
        }
        due.extend(to.map(|to| (to, call)));
    }

    fn next(&self) -> Option<Instant> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.first().map(|(at, _)| *at)
    }

    fn pop(&self, now: Instant) -> Option<(Instant, CallKey)> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.first().filter(|(at, _)| *at <= now)?;
        due.pop_first()
    }
}

impl Call {
    /// What counts for the party: what was asked for of it, or else of its call.
    pub(super) fn blocking(&self, party: usize) -> Option<&Blocking> {
        let own = self.parties[party].digits.dtmf.as_ref();
        own.or(self.digits.dtmf.as_ref())
    }

    fn trigger(&self, party: usize) -> Option<Arc<DtmfTrigger>> {
        self.blocking(party)?.trigger.clone()
    }

    /// The first instant at which the hiding of a party's digits ends by itself.
    fn first_deadline(&self) -> Option<Instant> {
        let of = |party: usize| {
            let watched = self.blocking(party)?.trigger.is_some();
            self.parties[party].watch.until().filter(|_| watched)
        };
        (0..self.parties.len()).filter_map(of).min()
    }
}

impl Sessions {
    /// The first instant at which [`Sessions::run_due`] has something to do; `None`: not before the next
    /// request or event.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends what was to last until now: hiding that [`DtmfTrigger::end_after`] bounds.
    pub fn run_due(&self, now: Now) {
        while let Some((at, key)) = self.deadlines.pop(now.monotonic) {
            let Some(entry) = self.registry.find_key(key) else {
                continue;
            };
            let mut call = entry.lock();
            if call.dtmf_due == Some(at) {
                call.dtmf_due = None;
            }
            if matches!(call.phase, Phase::New | Phase::Ended) {
                continue;
            }
            let mut changes = false;
            for party in &mut call.parties {
                changes |= party.watch.expire(now.monotonic);
            }
            self.follow_triggers(&mut call, changes);
        }
    }

    /// A party of the call has dialled a digit.
    pub(super) fn watch(&self, call: &mut Call, now: Now, socket: SocketId, digit: &Heard) {
        let Some(at) = call.party_of(socket) else {
            return;
        };
        let Some(trigger) = call.trigger(at) else {
            return;
        };
        let watch = &mut call.parties[at].watch;
        // The event may have been here before the deadline's turn came.
        let expired = watch.expire(now.monotonic);
        let most_pause = self.config.dtmf_pause;
        let heard = watch.hear(&trigger, most_pause, digit, now.monotonic);
        self.follow_triggers(call, expired || heard);
    }

    fn follow_triggers(&self, call: &mut Call, changes: bool) {
        if changes {
            call.replan(self.config.reports_digits);
            self.restate(call, Vec::new());
        }
        self.note_deadline(call);
    }

    /// Sees to it that the call's first deadline is kept; none, once it has ended.
    pub(super) fn note_deadline(&self, call: &mut Call) {
        let first = match call.phase {
            Phase::Ended => None,
            Phase::New | Phase::Alive | Phase::Draining => call.first_deadline(),
        };
        self.deadlines.change(call.key, call.dtmf_due, first);
        call.dtmf_due = first;
    }
}
