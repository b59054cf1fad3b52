//! Puts packets back in order, and holds them back on request, before they are decoded.
//!
//! Two ways, one buffer. [`Hold::Order`] adds no delay: a packet leaves at once unless an earlier one is
//! missing, and then waits only as long as packets of this stream have lately been seen to overtake each
//! other: on a path that loses but does not reorder, a gap is given up at once. [`Hold::Delay`] lets each
//! packet leave at its time stamp plus a delay, so that what comes out is evenly spaced.
//!
//! Knows no clock: `at_us` is the arrival in microseconds since whatever epoch the caller counts from.
//! Refuses to invent packets: whoever takes one is told how many are missing in front of it.

use crate::units::{ClockRate, RtpTimestamp, SeqNo};

/// Sequence numbers that a buffer spans which holds packets back for at most so many ms; powers of two. Enough
/// for packets of 5 ms.
const SPAN: usize = 64;
const LONG_SPAN: usize = 256;
const SHORT_HOLD_MS: u16 = 250;
/// Longest delay, ms.
pub const MAX_DELAY_MS: u16 = 1000;
/// Longest wait for a missing packet in [`Hold::Order`], microseconds.
const ORDER_WAIT_US: u64 = 100_000;
/// Packets after which the observed reordering is forgotten, in two steps.
const MEMORY: u32 = 500;
/// Packets by which one may be overtaken and still be waited for.
const MAX_DEPTH: u16 = 8;
/// What is assumed of a stream that has just begun, until [`MEMORY`] packets have come.
const FIRST_DEPTH: u16 = 3;
/// Microseconds over which the least transit time is looked for, in two steps.
const FLOOR_WINDOW_US: u64 = 4_000_000;

/// How long packets are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// No longer than it takes to put them in order.
    Order,
    /// So that they leave evenly.
    Delay {
        /// Least delay, ms.
        min_ms: u16,
        /// Largest delay, ms; the same as `min_ms` for a fixed one. At most [`MAX_DELAY_MS`].
        max_ms: u16,
    },
}

impl Hold {
    fn span(self) -> usize {
        match self {
            Self::Delay { max_ms, .. } if max_ms > SHORT_HOLD_MS => LONG_SPAN,
            _ => SPAN,
        }
    }
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its place has been given up: a later packet has left.
    #[error("packet came after a later one had left")]
    Late,
    /// There is one of that number already.
    #[error("packet came twice")]
    Duplicate,
}

/// A packet that leaves.
#[derive(Debug, PartialEq, Eq)]
pub struct Released<T> {
    /// What was pushed.
    pub item: T,
    /// Packets missing in front of it.
    pub missing: u16,
}

#[derive(Debug)]
struct Held<T> {
    item: T,
    /// Position on the media's own time line, microseconds.
    media_us: i64,
    arrived_us: u64,
}

/// Packets of one SSRC.
#[derive(Debug)]
pub struct JitterBuffer<T> {
    hold: Hold,
    slots: Box<[Option<Held<T>>]>,
    held: usize,
    /// The number that leaves next; `None` before the first packet.
    next: Option<SeqNo>,
    highest: SeqNo,
    depth: Depth,
    timing: Timing,
}

/// By how much packets have lately overtaken each other.
#[derive(Debug)]
struct Depth {
    now: u16,
    seen: [u16; 2],
    packets: u32,
}

/// The media's time line, and how late packets come on it.
#[derive(Debug, Default)]
struct Timing {
    last: Option<(RtpTimestamp, i64)>,
    /// Least (arrival − media time) of the window that runs and of the one before.
    floor_us: [Option<i64>; 2],
    /// Largest lateness over the floor in the same windows.
    spread_us: [i64; 2],
    window_ends_us: u64,
}

impl<T> JitterBuffer<T> {
    /// An empty buffer. Allocates, as only [`JitterBuffer::set_hold`] may do again.
    #[must_use]
    pub fn new(hold: Hold) -> Self {
        Self {
            hold,
            slots: (0..hold.span()).map(|_| None).collect(),
            held: 0,
            next: None,
            highest: SeqNo::new(0),
            depth: Depth {
                now: FIRST_DEPTH,
                seen: [0; 2],
                packets: 0,
            },
            timing: Timing::default(),
        }
    }

    /// Holds packets in another way from now on, those held already as well.
    pub fn set_hold(&mut self, hold: Hold) {
        self.hold = hold;
        let span = hold.span();
        // What is held may still need a longer one.
        if span <= self.slots.len() {
            return;
        }
        let mut slots: Box<[_]> = (0..span).map(|_| None).collect();
        if let Some(next) = self.next {
            for ahead in 0..self.slots.len() {
                let seq = ahead_of(next, ahead);
                slots[usize::from(seq.get()) % span] = self.slot(seq).take();
            }
        }
        self.slots = slots;
    }

    /// Packets held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }
    /// None held?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes a packet. One that is further ahead than the buffer spans begins anew: what was held is
    /// dropped.
    ///
    /// # Errors
    /// [`Refused`]; the packet is dropped.
    pub fn push(
        &mut self,
        seq: SeqNo,
        timestamp: RtpTimestamp,
        clock: Option<ClockRate>,
        at_us: u64,
        item: T,
    ) -> Result<(), Refused> {
        let next = *self.next.get_or_insert(seq);
        let ahead = seq.distance_from(next);
        if usize::from(ahead.unsigned_abs()) >= self.slots.len() {
            // Beyond what reordering can explain, in whichever direction: the sender began anew, or
            // everything in between is lost. `missing` then is no longer of interest to anyone.
            self.begin_anew(seq);
        } else if ahead < 0 {
            self.depth.saw(ahead.unsigned_abs().saturating_add(1));
            return Err(Refused::Late);
        }
        if self.held == 0 || seq.distance_from(self.highest) > 0 {
            self.highest = seq;
        } else if seq != self.highest {
            self.depth
                .saw(self.highest.distance_from(seq).unsigned_abs());
        }
        self.depth.count();
        let media_us = self.timing.observe(timestamp, clock, at_us);
        let slot = self.slot(seq);
        if slot.is_some() {
            return Err(Refused::Duplicate);
        }
        *slot = Some(Held {
            item,
            media_us,
            arrived_us: at_us,
        });
        self.held += 1;
        Ok(())
    }

    /// Lets the packet that is due next go by, as pushing and popping it would; `false`: it has to be pushed. Then
    /// something is held, or missing, or everything is to be held back.
    #[inline]
    pub fn pass(&mut self, seq: SeqNo) -> bool {
        if self.held > 0 || self.hold != Hold::Order || self.next != Some(seq) {
            return false;
        }
        self.highest = seq;
        self.depth.count();
        self.next = Some(SeqNo::new(seq.get().wrapping_add(1)));
        true
    }

    /// The next packet whose time has come.
    pub fn pop(&mut self, at_us: u64) -> Option<Released<T>> {
        let (seq, missing) = self.first()?;
        if self.release_us(seq, missing) > at_us {
            return None;
        }
        let held = self.slot(seq).take()?;
        self.held -= 1;
        self.next = Some(SeqNo::new(seq.get().wrapping_add(1)));
        Some(Released {
            item: held.item,
            missing,
        })
    }

    /// Is so much held that whoever takes packets out should do so before more come?
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.held >= self.slots.len() / 2
    }

    /// When [`JitterBuffer::pop`] will next have something if nothing else arrives; `None`: never.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        let (seq, missing) = self.first()?;
        Some(self.release_us(seq, missing))
    }

    /// Delay that is added now to a packet that comes neither early nor late, ms.
    #[must_use]
    pub fn delay_ms(&self) -> u16 {
        match self.hold {
            Hold::Order => 0,
            Hold::Delay { min_ms, max_ms } => self.timing.delay_ms(min_ms, max_ms),
        }
    }

    /// Drops what is held and takes whatever number comes next.
    pub fn reset(&mut self) {
        self.slots.fill_with(|| None);
        self.held = 0;
        self.next = None;
        self.timing = Timing::default();
    }

    fn place(&self, seq: SeqNo) -> usize {
        usize::from(seq.get()) % self.slots.len()
    }

    fn slot(&mut self, seq: SeqNo) -> &mut Option<Held<T>> {
        let place = self.place(seq);
        &mut self.slots[place]
    }

    fn begin_anew(&mut self, seq: SeqNo) {
        self.reset();
        self.next = Some(seq);
    }

    /// The first packet held and how many are missing in front of it.
    fn first(&self) -> Option<(SeqNo, u16)> {
        if self.held == 0 {
            return None;
        }
        let next = self.next?;
        (0..self.slots.len())
            .filter_map(|ahead| u16::try_from(ahead).ok())
            .map(|ahead| (ahead_of(next, ahead.into()), ahead))
            .find(|(seq, _)| self.slots[self.place(*seq)].is_some())
    }

    fn release_us(&self, seq: SeqNo, missing: u16) -> u64 {
        let Some(held) = &self.slots[self.place(seq)] else {
            return u64::MAX;
        };
        match self.hold {
            Hold::Order => {
                let behind = self.highest.distance_from(seq).max(0).unsigned_abs() + 1;
                if missing == 0 || behind > self.depth.now {
                    0
                } else {
                    held.arrived_us + ORDER_WAIT_US
                }
            }
            Hold::Delay { min_ms, max_ms } => {
                let delay_us = i64::from(self.timing.delay_ms(min_ms, max_ms)) * 1000;
                let at = held.media_us + self.timing.floor_us() + delay_us;
                // A time line that jumps must not strand a packet.
                let latest = held.arrived_us + u64::from(max_ms) * 1000;
                u64::try_from(at).unwrap_or(0).min(latest)
            }
        }
    }
}

fn ahead_of(next: SeqNo, ahead: usize) -> SeqNo {
    let ahead = u16::try_from(ahead).unwrap_or(u16::MAX);
    SeqNo::new(next.get().wrapping_add(ahead))
}

impl Depth {
    /// A packet came after others that had been sent after it: `by` of them. The next may come after one more.
    fn saw(&mut self, by: u16) {
        let by = by.min(MAX_DEPTH);
        self.seen[0] = self.seen[0].max(by);
        self.now = self.now.max(by + 1);
    }

    fn count(&mut self) {
        self.packets += 1;
        if self.packets.is_multiple_of(MEMORY) {
            self.now = match self.seen[0].max(self.seen[1]) {
                0 => 0,
                by => by + 1,
            };
            self.seen = [0, self.seen[0]];
        }
    }
}

impl Timing {
    /// Places a packet on the time line and measures how late it came.
    fn observe(&mut self, timestamp: RtpTimestamp, clock: Option<ClockRate>, at_us: u64) -> i64 {
        let hz = i64::from(clock.map_or(8000, ClockRate::get));
        let at = i64::try_from(at_us).unwrap_or(i64::MAX);
        let media_us = self.last.map_or(0, |(last, last_us)| {
            let ticks = timestamp.get().wrapping_sub(last.get()).cast_signed();
            last_us + i64::from(ticks) * 1_000_000 / hz
        });
        let transit = at - media_us;
        // A jump of the time line by more than any network's delay: begin anew where the packet came.
        let jumped = self.last.is_some() && (transit - self.floor_us()).abs() > 5_000_000;
        if jumped {
            self.floor_us = [None; 2];
            self.spread_us = [0; 2];
        }
        if at_us >= self.window_ends_us {
            self.floor_us = [None, self.floor_us[0]];
            self.spread_us = [0, self.spread_us[0]];
            self.window_ends_us = at_us + FLOOR_WINDOW_US / 2;
        }
        let least = self.floor_us[0].map_or(transit, |floor| floor.min(transit));
        self.floor_us[0] = Some(least);
        self.spread_us[0] = self.spread_us[0].max(transit - self.floor_us());
        if self
            .last
            .is_none_or(|(last, _)| timestamp.get().wrapping_sub(last.get()).cast_signed() > 0)
        {
            self.last = Some((timestamp, media_us));
        }
        media_us
    }

    fn floor_us(&self) -> i64 {
        self.floor_us.into_iter().flatten().min().unwrap_or(0)
    }

    fn delay_ms(&self, min_ms: u16, max_ms: u16) -> u16 {
        let spread_ms = self.spread_us[0].max(self.spread_us[1]).max(0) / 1000 + 1;
        let wanted = u16::try_from(spread_ms).unwrap_or(u16::MAX);
        wanted.clamp(min_ms.min(max_ms), max_ms)
    }
}

#[cfg(test)]
mod tests;
