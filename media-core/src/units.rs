//! Numbers that look alike and must not be mixed up. No behaviour beyond arithmetic of their own.

use std::fmt;
use std::time::{Duration, Instant};

/// Synchronization source identifier (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ssrc(u32);

impl Ssrc {
    /// Wraps a wire value; every `u32` is valid.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }
    /// The wire value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({:#010x})", self.0)
    }
}

/// Sequence number as on the wire, 16 bits (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SeqNo(u16);

impl SeqNo {
    /// Wraps a wire value.
    #[must_use]
    pub const fn new(value: u16) -> Self {
        Self(value)
    }
    /// The wire value.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
    /// Signed distance from `earlier` to `self`, the shorter way round: −32768..=32767.
    #[must_use]
    pub const fn distance_from(self, earlier: SeqNo) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// Sequence number extended by the rollover counter (RFC 3550 §A.1, the index of RFC 3711 §3.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ExtSeqNo(u64);

impl ExtSeqNo {
    /// Wraps an extended value: rollover counter × 65536 + sequence number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }
    /// The extended value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl ExtSeqNo {
    /// Of a rollover counter and the wire's sequence number.
    #[must_use]
    pub const fn from_parts(roc: Roc, sequence_number: SeqNo) -> Self {
        Self((roc.0 as u64) << 16 | sequence_number.0 as u64)
    }
    /// The wire's sequence number: the low 16 bits.
    #[must_use]
    pub const fn sequence_number(self) -> SeqNo {
        let [.., high, low] = self.0.to_be_bytes();
        SeqNo(u16::from_be_bytes([high, low]))
    }
    /// The rollover counter: the 32 bits above the sequence number.
    #[must_use]
    pub const fn roc(self) -> Roc {
        let [_, _, a, b, c, d, _, _] = self.0.to_be_bytes();
        Roc(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Rollover counter: how often a source's sequence number has wrapped (RFC 3711 §3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Roc(u32);

impl Roc {
    /// Wraps a count; every `u32` is valid.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }
    /// The count.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Media time stamp in ticks of the [`ClockRate`] (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RtpTimestamp(u32);

impl RtpTimestamp {
    /// Wraps a wire value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }
    /// The wire value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// RTP clock rate in Hz (RFC 8866 §6.6). Not the sample rate: G.722 has 8000 here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClockRate(u32);

impl ClockRate {
    /// 8000 Hz, the rate of the static audio payload types.
    pub const HZ_8000: ClockRate = ClockRate(8000);

    /// `None` for 0.
    #[must_use]
    pub const fn new(hz: u32) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }
    /// Ticks per second, never 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// RTP payload type, 0–127 (RFC 3551).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PayloadType(u8);

impl PayloadType {
    /// `None` above 127.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }
    /// 0–127.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// One engine thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ShardId(u8);

impl ShardId {
    /// Wraps a shard's index, counted from 0.
    #[must_use]
    pub const fn new(index: u8) -> Self {
        Self(index)
    }
    /// The shard's index.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// One local UDP socket, and with it the stream that it carries.
///
/// The index is the socket's place in its shard's tables (and io_uring's direct descriptor); the
/// generation tells a reused place from its earlier tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId {
    shard: ShardId,
    index: u32,
    generation: u32,
}

impl SocketId {
    /// `index` is the place in the shard's tables, `generation` changes with each tenant.
    #[must_use]
    pub const fn new(shard: ShardId, index: u32, generation: u32) -> Self {
        Self {
            shard,
            index,
            generation,
        }
    }
    /// The shard that owns the socket.
    #[must_use]
    pub const fn shard(self) -> ShardId {
        self.shard
    }
    /// Place in the shard's tables.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }
    /// Tenant of that place.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// One call for as long as the process lives; never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct CallKey(u64);

impl CallKey {
    /// Wraps a number that the caller has not used before.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The two clocks read together: what `session` and `engine` know of time.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For intervals and timers; never goes backwards.
    pub monotonic: Instant,
    /// Since 1970-01-01 UTC, for what people read.
    pub unix: Duration,
}

impl Now {
    /// Wall-clock time of an instant near `self`, in the past or the future.
    #[must_use]
    pub fn unix_at(&self, at: Instant) -> Duration {
        match at.checked_duration_since(self.monotonic) {
            Some(ahead) => self.unix + ahead,
            None => self.unix.saturating_sub(self.monotonic.duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_rollover_counter_and_sequence_number() {
        let index = ExtSeqNo::from_parts(Roc::new(0xffff_fffe), SeqNo::new(0x8001));
        assert_eq!(index.get(), 0xffff_fffe_8001);
        assert_eq!(index.roc(), Roc::new(0xffff_fffe));
        assert_eq!(index.sequence_number(), SeqNo::new(0x8001));
    }
}
