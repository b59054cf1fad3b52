//! Sequence numbers and time stamps of what leaves (RFC 3550 §5.1, §7.1).
//!
//! A transcoder is a translator: it keeps the SSRC, so that RTCP goes on meaning what it says, and starts
//! with the sequence number and time stamp that it was given. From there on both count what leaves.

use crate::units::{ClockRate, PayloadType, RtpTimestamp, SeqNo, Ssrc};
use crate::wire::rtp::RtpHeader;

/// Ticks after which the two time lines are tied together anew, long before their distance overflows.
const REBASE_TICKS: u32 = 1 << 28;

/// One outgoing RTP stream's numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbering {
    ssrc: Ssrc,
    next: SeqNo,
    /// Where the sender's time line and ours were last tied together.
    from: RtpTimestamp,
    to: RtpTimestamp,
    from_clock: u32,
    to_clock: u32,
    marker: bool,
}

impl Numbering {
    /// Begins where the sender's packet stands.
    pub(super) fn new(first: &RtpHeader, from: Option<ClockRate>, to: Option<ClockRate>) -> Self {
        let from_clock = from.map_or(8000, ClockRate::get);
        Self {
            ssrc: first.ssrc(),
            next: first.sequence_number(),
            from: first.timestamp(),
            to: first.timestamp(),
            from_clock,
            to_clock: to.map_or(from_clock, ClockRate::get),
            marker: true,
        }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Our time of a sender's time stamp, which need not be one of its packets'.
    pub(super) fn time_of(&self, timestamp: RtpTimestamp) -> RtpTimestamp {
        let ticks = timestamp.get().wrapping_sub(self.from.get()).cast_signed();
        let ours = i64::from(ticks) * i64::from(self.to_clock) / i64::from(self.from_clock);
        RtpTimestamp::new(self.to.get().wrapping_add(wrap(ours)))
    }

    /// Our time of a packet's time stamp.
    pub(super) fn map(&mut self, timestamp: RtpTimestamp) -> RtpTimestamp {
        let ticks = timestamp.get().wrapping_sub(self.from.get()).cast_signed();
        let mapped = self.time_of(timestamp);
        let exact = (i64::from(ticks) * i64::from(self.to_clock))
            .unsigned_abs()
            .is_multiple_of(u64::from(self.from_clock));
        if ticks.unsigned_abs() > REBASE_TICKS && exact {
            self.tie(timestamp, mapped);
        }
        mapped
    }

    /// From now on the sender's `from` is our `to`.
    pub(super) fn tie(&mut self, from: RtpTimestamp, to: RtpTimestamp) {
        self.from = from;
        self.to = to;
    }

    /// The sender's clock is another one from `at` on, which is our `to`.
    pub(super) fn set_clock(&mut self, clock: ClockRate, at: RtpTimestamp, to: RtpTimestamp) {
        self.from_clock = clock.get();
        self.tie(at, to);
    }

    /// Our clock is another one from now on.
    pub(super) fn set_target_clock(&mut self, clock: ClockRate) {
        self.to_clock = clock.get();
    }

    /// Both clocks are this one; what has been mapped up to `last` stays.
    pub(super) fn begin_clock(&mut self, clock: ClockRate, last: RtpTimestamp) {
        let at = self.map(last);
        self.tie(last, at);
        self.from_clock = clock.get();
        self.to_clock = clock.get();
    }

    pub(super) fn sender_clock(&self) -> u32 {
        self.from_clock
    }

    pub(super) fn target_clock(&self) -> u32 {
        self.to_clock
    }

    /// The next audio packet begins a talkspurt (RFC 3551 §4.1).
    pub(super) fn mark(&mut self) {
        self.marker = true;
    }

    /// Does the next audio packet begin a talkspurt?
    pub(super) fn take_mark(&mut self) -> bool {
        std::mem::take(&mut self.marker)
    }

    /// The header of the next packet.
    pub(super) fn header(
        &mut self,
        payload_type: PayloadType,
        timestamp: RtpTimestamp,
        marker: bool,
    ) -> RtpHeader {
        let header = RtpHeader::new(payload_type, self.next, timestamp, self.ssrc);
        self.next = SeqNo::new(self.next.get().wrapping_add(1));
        header.with_marker(marker)
    }
}

/// The low 32 bits, which is how time stamps count.
fn wrap(ticks: i64) -> u32 {
    let [b0, b1, b2, b3, ..] = ticks.to_le_bytes();
    u32::from_le_bytes([b0, b1, b2, b3])
}
