//! Reception statistics of one RTP source (RFC 3550 §6.4.1, §A.1, §A.3, §A.8).
//!
//! [`ReceptionStats`] is plain state of bounded size: no allocation, no clock, no atomics. It does
//! not judge packets: whatever it is given it counts, and it drops nothing.

use crate::units::{ClockRate, ExtSeqNo, RtpTimestamp, SeqNo};

/// A forward step of the sequence number this long is a jump, not a loss (RFC 3550 §A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// A packet this far behind the highest is a jump, not reordered (RFC 3550 §A.1).
pub const MAX_MISORDER: u16 = 100;

/// A change of transit time beyond this is a new time base of the sender, not jitter.
const MAX_TRANSIT_CHANGE_S: u32 = 8;
/// Extended sequence numbers start here inside, so that one behind the first stays positive.
const EXT_OFFSET: u64 = 1 << 16;
/// Bits of the window that tells duplicates from late packets.
const WINDOW: u16 = 128;
const _: () = assert!(MAX_MISORDER < WINDOW, "each misordered packet has its bit");

/// What one packet's sequence number meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Later than all before it, perhaps after a gap.
    Newest,
    /// Behind a later packet, not seen before.
    Reordered,
    /// Seen before.
    Duplicate,
    /// So far away that it belongs elsewhere; if its successor follows, the source has restarted.
    Stray,
    /// Its number follows a stray: the source has restarted, and counting starts anew from the first.
    Restarted,
}

/// Reception statistics of one source.
///
/// Loss is counted by sequence numbers: *expected* is highest − first + 1, and a number counts as
/// received once, however often it arrives. When a source restarts elsewhere (RFC 3550 §A.1: two
/// successive numbers beyond [`MAX_DROPOUT`] or [`MAX_MISORDER`]) what was expected and lost until
/// then is kept, and the jump itself is not loss.
///
/// ```
/// use media_core::media::stats::ReceptionStats;
/// use media_core::units::{ClockRate, RtpTimestamp, SeqNo};
///
/// let mut stats = ReceptionStats::new();
/// for n in [0_u16, 1, 3] {
///     let timestamp = RtpTimestamp::new(u32::from(n) * 160);
///     let arrival_us = u64::from(n) * 20_000;
///     stats.on_packet(SeqNo::new(n), timestamp, arrival_us, Some(ClockRate::HZ_8000), 172);
/// }
/// assert_eq!((stats.packets(), stats.expected(), stats.lost()), (3, 4, 1));
/// assert_eq!(stats.jitter_us(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReceptionStats {
    /// Highest extended sequence number + [`EXT_OFFSET`]; 0: no packet yet.
    highest: u64,
    /// Lowest of this sequence, same offset.
    base: u64,
    /// Bit n: `highest − n` has arrived.
    window: u128,
    /// Sequence numbers that have arrived in this sequence.
    distinct: u64,
    /// The number that would confirm a restart.
    restart_at: Option<u16>,
    packets: u64,
    octets: u64,
    reordered: u64,
    duplicates: u64,
    strays: u64,
    restarts: u64,
    /// Expected and lost in the sequences before this one.
    expected_before: u64,
    lost_before: u64,
    jitter: Jitter,
}

impl ReceptionStats {
    /// Nothing received yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a packet of this source.
    ///
    /// `arrival_us` is its arrival in microseconds since any fixed epoch, not going backwards;
    /// `clock` the rate of its timestamp, or `None` to leave it out of the jitter (unknown format,
    /// or RFC 4733 events, whose timestamps stand still); `octets` what it adds to
    /// [`ReceptionStats::octets`].
    #[inline]
    pub fn on_packet(
        &mut self,
        seq: SeqNo,
        timestamp: RtpTimestamp,
        arrival_us: u64,
        clock: Option<ClockRate>,
        octets: u64,
    ) -> Arrival {
        self.packets += 1;
        self.octets += octets;
        let arrival = self.place(seq);
        match arrival {
            Arrival::Stray => {}
            Arrival::Restarted => self.jitter.rebase(),
            _ => {
                if let Some(clock) = clock {
                    self.jitter.update(clock, timestamp, arrival_us);
                }
            }
        }
        arrival
    }

    /// Finds the packet's place in the sequence (RFC 3550 §A.1).
    #[inline]
    fn place(&mut self, seq: SeqNo) -> Arrival {
        if self.highest == 0 {
            self.start(EXT_OFFSET + u64::from(seq.get()));
            return Arrival::Newest;
        }
        let ahead = seq.get().wrapping_sub(low16(self.highest));
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.window = if ahead < WINDOW {
                self.window << ahead | 1
            } else {
                1
            };
            self.distinct += 1;
            return Arrival::Newest;
        }
        let behind = ahead.wrapping_neg();
        if behind < MAX_MISORDER {
            return self.place_late(behind);
        }
        self.place_far(seq.get())
    }

    fn start(&mut self, ext: u64) {
        self.highest = ext;
        self.base = ext;
        self.window = 1;
        self.distinct = 1;
        self.restart_at = None;
    }

    /// `behind` the highest, less than [`MAX_MISORDER`].
    fn place_late(&mut self, behind: u16) -> Arrival {
        let bit = 1 << behind;
        if self.window & bit != 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.window |= bit;
        self.distinct += 1;
        self.reordered += 1;
        // One that overtook the first packet belongs to the sequence as well.
        self.base = self.base.min(self.highest - u64::from(behind));
        Arrival::Reordered
    }

    #[cold]
    fn place_far(&mut self, seq: u16) -> Arrival {
        if self.restart_at != Some(seq) {
            self.restart_at = Some(seq.wrapping_add(1));
            self.strays += 1;
            return Arrival::Stray;
        }
        self.expected_before = self.expected();
        self.lost_before = self.lost();
        self.restarts += 1;
        // The first of the two was no stray after all.
        self.strays -= 1;
        self.start(EXT_OFFSET + u64::from(seq));
        self.base -= 1;
        self.window = 0b11;
        self.distinct = 2;
        Arrival::Restarted
    }

    /// Packets given to [`ReceptionStats::on_packet`], whatever they were.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }
    /// Sum of their octets.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }
    /// Packets expected: highest − first + 1, summed over restarts.
    #[must_use]
    pub fn expected(&self) -> u64 {
        if self.highest == 0 {
            return 0;
        }
        self.expected_before + (self.highest - self.base + 1)
    }
    /// Expected packets that have not arrived; a late packet lowers it again.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_before + (self.highest - self.base + u64::from(self.highest != 0) - self.distinct)
    }
    /// What a report block calls cumulative number of packets lost (RFC 3550 §A.3): duplicates
    /// count as received, so that it may be negative; clamped to its 24 bits.
    #[must_use]
    pub fn cumulative_lost(&self) -> i32 {
        const MAX: i64 = 0x7f_ffff;
        let lost = i64::try_from(self.lost()).unwrap_or(MAX);
        let extra = i64::try_from(self.duplicates).unwrap_or(MAX);
        i32::try_from((lost - extra).clamp(-MAX - 1, MAX)).expect("invariant: clamped to 24 bits")
    }
    /// Highest sequence number with the count of its wraps since the (re)start; `None` before the
    /// first packet.
    #[must_use]
    pub fn highest_seq(&self) -> Option<ExtSeqNo> {
        self.highest.checked_sub(EXT_OFFSET).map(ExtSeqNo::new)
    }
    /// Packets that arrived after a later one, duplicates excluded.
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }
    /// Packets whose sequence number had arrived before.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }
    /// Packets far off the sequence that no restart explained.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }
    /// Times the source has started anew at another sequence number.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }
    /// Interarrival jitter in ticks of the clock, as a report block has it (RFC 3550 §A.8).
    #[must_use]
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter.scaled >> 4
    }
    /// Interarrival jitter in microseconds.
    #[inline]
    #[must_use]
    pub fn jitter_us(&self) -> u64 {
        mul_shift(u64::from(self.jitter.scaled), self.jitter.us_per_scaled)
    }
}

/// The running estimate of RFC 3550 §A.8. Two clocks, multiplications instead of divisions.
#[derive(Clone, Debug, Default)]
struct Jitter {
    /// Jitter × 16, in ticks: A.8's estimate with its fraction.
    scaled: u32,
    /// Arrival and timestamp of the packet before; transit times are compared with it.
    last_arrival_us: u64,
    last_timestamp: u32,
    /// `last_*` can be compared with.
    based: bool,
    clock: Option<ClockRate>,
    /// Ticks per microsecond × 2³².
    ticks_per_us: u64,
    /// Microseconds per 1/16 tick × 2³².
    us_per_scaled: u64,
    /// [`MAX_TRANSIT_CHANGE_S`] in ticks.
    max_change: u32,
}

impl Jitter {
    #[inline]
    fn update(&mut self, clock: ClockRate, timestamp: RtpTimestamp, arrival_us: u64) {
        if self.clock != Some(clock) {
            self.set_clock(clock);
        }
        let elapsed_us = arrival_us.saturating_sub(self.last_arrival_us);
        let sent = timestamp.get().wrapping_sub(self.last_timestamp);
        self.last_arrival_us = arrival_us;
        self.last_timestamp = timestamp.get();
        if !self.based {
            self.based = true;
            return;
        }
        // D(i-1, i): how much longer or shorter this packet travelled, modulo 2³² ticks.
        let arrived = low32(mul_shift(elapsed_us, self.ticks_per_us));
        let change = arrived.wrapping_sub(sent).cast_signed().unsigned_abs();
        if change <= self.max_change {
            self.scaled = self.scaled + change - ((self.scaled + 8) >> 4);
        }
    }

    /// The next packet's transit time cannot be compared with the last one's.
    fn rebase(&mut self) {
        self.based = false;
    }

    #[cold]
    fn set_clock(&mut self, clock: ClockRate) {
        let hz = u64::from(clock.get());
        if let Some(old) = self.clock {
            let rescaled = u64::from(self.scaled) * hz / u64::from(old.get());
            self.scaled = u32::try_from(rescaled).unwrap_or(u32::MAX / 2);
        }
        self.clock = Some(clock);
        // Timestamps of two clocks have no common zero.
        self.based = false;
        self.ticks_per_us = ((hz << 32) + 500_000) / 1_000_000;
        self.us_per_scaled = ((1_000_000 << 28) + hz / 2) / hz;
        // `scaled` stays below 16 × the largest change, so this bound keeps it within 32 bits.
        self.max_change = clock
            .get()
            .saturating_mul(MAX_TRANSIT_CHANGE_S)
            .min(u32::MAX >> 6);
        self.scaled = self.scaled.min(self.max_change << 4);
    }
}

/// `a × factor / 2³²`, rounded.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "intervals here are far below 2⁶⁴; modulo is harmless"
)]
fn mul_shift(a: u64, factor: u64) -> u64 {
    ((u128::from(a) * u128::from(factor) + (1 << 31)) >> 32) as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "modulo 2¹⁶ is meant")]
const fn low16(value: u64) -> u16 {
    value as u16
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "modulo 2³² is meant")]
const fn low32(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests;
