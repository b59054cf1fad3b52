//! What one stream keeps for RTCP (RFC 3550 §6.4): what was sent of it, how its party's reports and ours
//! have met, and how its reception did since it was last told.

use crate::media::stats::ReceptionStats;
use crate::units::{ClockRate, RtpTimestamp, Ssrc};
use crate::wire::rtcp::ReportBlock;
use crate::wire::rtp::RtpPacket;

/// Sender reports given to a party that a report block of its may still be about.
const GIVEN: usize = 4;
/// The units of a report block's delay (RFC 3550 §6.4.1).
const DELAY_HZ: u64 = 65_536;

/// A stream's part in RTCP.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    /// What the sinks got of the stream; counted once that is asked for.
    pub(super) sent: Option<Sent>,
    /// Sender reports given to the stream's party, the next one to be written over first.
    given: [Option<Report>; GIVEN],
    next_given: usize,
    /// The last one from it.
    heard: Option<(Ssrc, Report)>,
    /// Between the party and us, µs, as its last report block tells; 0: not known.
    pub(super) leg_us: u32,
    /// When its last report block came; 0: never.
    pub(super) blocks_at_us: u64,
    /// Reports of ours that went out, or were to.
    pub(super) rounds: u64,
    /// There is a timer for the next one.
    pub(super) armed: bool,
}

/// A sender report that passed by.
#[derive(Clone, Copy, Debug)]
struct Report {
    /// The middle of its NTP time stamp, by which report blocks name it.
    middle: u32,
    at_us: u64,
}

/// What left of one stream, by the numbers that it left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ssrc: Ssrc,
    pub(super) packets: u32,
    /// Of payload.
    pub(super) octets: u32,
    /// The latest moment of the media that left, and when it did.
    timestamp: RtpTimestamp,
    timestamp_at_us: u64,
    /// When anything left last.
    pub(super) at_us: u64,
}

/// One RTP packet, as far as [`Sent`] counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    ssrc: Ssrc,
    timestamp: RtpTimestamp,
    octets: u32,
}

impl Outgoing {
    #[inline]
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let packet = RtpPacket::parse(packet).ok()?;
        Some(Self {
            ssrc: packet.ssrc(),
            timestamp: packet.timestamp(),
            octets: u32::try_from(packet.payload().len()).ok()?,
        })
    }
}

impl Reporting {
    /// Reads what [`Reporting::count`] will need.
    #[inline]
    pub(super) fn warm(&self) -> u64 {
        self.sent.as_ref().map_or(0, |sent| sent.at_us)
    }

    /// Counts a packet that left.
    #[inline]
    pub(super) fn count(&mut self, packet: Outgoing, at_us: u64) {
        match &mut self.sent {
            Some(sent) if sent.ssrc == packet.ssrc => sent.count(packet, at_us),
            // Another source, which counts from zero (RFC 3550 §6.4.1).
            other => {
                *other = Some(Sent {
                    ssrc: packet.ssrc,
                    packets: 1,
                    octets: packet.octets,
                    timestamp: packet.timestamp,
                    timestamp_at_us: at_us,
                    at_us,
                });
            }
        }
    }

    /// The stream's party is given a sender report.
    pub(super) fn give(&mut self, ntp_timestamp: u64, at_us: u64) {
        let middle = middle(ntp_timestamp);
        self.given[self.next_given] = Some(Report { middle, at_us });
        self.next_given = (self.next_given + 1) % GIVEN;
    }

    /// The stream's party has sent one.
    pub(super) fn hear(&mut self, ssrc: Ssrc, ntp_timestamp: u64, at_us: u64) {
        let middle = middle(ntp_timestamp);
        self.heard = Some((ssrc, Report { middle, at_us }));
    }

    /// The stream's party tells how it receives. What there was between us and it and back then is what its
    /// delay leaves of the time since it was given the report that it names (RFC 3550 §6.4.1).
    pub(super) fn hear_block(&mut self, block: &ReportBlock, at_us: u64) {
        self.blocks_at_us = at_us.max(1);
        let given = self.given.iter().flatten();
        let named = given
            .filter(|given| block.last_sr != 0 && given.middle == block.last_sr)
            .max_by_key(|given| given.at_us);
        let Some(named) = named else { return };
        let delay_us = u64::from(block.delay_since_last_sr) * 1_000_000 / DELAY_HZ;
        if let Some(us) = at_us
            .checked_sub(named.at_us)
            .and_then(|us| us.checked_sub(delay_us))
        {
            self.leg_us = u32::try_from(us).unwrap_or(u32::MAX).max(1);
        }
    }

    /// What a report block about `ssrc` has to say of its last sender report: which, and how long ago.
    pub(super) fn last_report(&self, ssrc: Ssrc, at_us: u64) -> (u32, u32) {
        match self.heard {
            Some((of, report)) if of == ssrc => {
                let ago = at_us.saturating_sub(report.at_us).saturating_mul(DELAY_HZ) / 1_000_000;
                (report.middle, u32::try_from(ago).unwrap_or(u32::MAX))
            }
            _ => (0, 0),
        }
    }
}

impl Sent {
    /// What was relayed of a source before it was counted.
    pub(super) fn relayed(
        ssrc: Ssrc,
        stats: &ReceptionStats,
        timestamp: RtpTimestamp,
        at_us: u64,
    ) -> Self {
        let headers = stats.packets().saturating_mul(12);
        Self {
            ssrc,
            packets: wrapped(stats.packets()),
            octets: wrapped(stats.octets().saturating_sub(headers)),
            timestamp,
            timestamp_at_us: at_us,
            at_us,
        }
    }

    #[inline]
    fn count(&mut self, packet: Outgoing, at_us: u64) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.octets);
        self.at_us = at_us;
        let ahead = packet.timestamp.get().wrapping_sub(self.timestamp.get());
        // Not the further packets of an event, whose time stamp stays (RFC 4733 §2.2.1).
        if ahead.cast_signed() > 0 || ahead.cast_signed() < -i32::from(i16::MAX) {
            self.timestamp = packet.timestamp;
            self.timestamp_at_us = at_us;
        }
    }

    /// What the media's time stamp is at a moment.
    pub(super) fn timestamp_at(&self, at_us: u64, clock: Option<ClockRate>) -> RtpTimestamp {
        let since_us = u128::from(at_us.saturating_sub(self.timestamp_at_us));
        let hz = u128::from(clock.map_or(0, ClockRate::get));
        let ticks = since_us * hz / 1_000_000;
        let [b0, b1, b2, b3, ..] = ticks.to_le_bytes();
        let ticks = u32::from_le_bytes([b0, b1, b2, b3]);
        RtpTimestamp::new(self.timestamp.get().wrapping_add(ticks))
    }
}

/// Where the reception of a source stood when it was last told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interval {
    expected: u64,
    lost: u64,
}

impl Interval {
    /// Nothing was told yet.
    pub(super) const NEVER: Interval = Interval {
        expected: 0,
        lost: 0,
    };

    /// Has anything been expected since?
    pub(super) fn is_empty(&self, stats: &ReceptionStats) -> bool {
        stats.expected() == self.expected
    }

    /// The share that was lost since, of 256 (RFC 3550 §A.3); the next interval begins.
    pub(super) fn end(&mut self, stats: &ReceptionStats) -> u8 {
        let now = Self {
            expected: stats.expected(),
            lost: stats.lost(),
        };
        let before = std::mem::replace(self, now);
        let expected = now.expected.saturating_sub(before.expected);
        let lost = now.lost.saturating_sub(before.lost).min(expected);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0);
        u8::try_from(fraction).unwrap_or(u8::MAX)
    }
}

/// A report block of what was received of `ssrc`, without a word on sender reports.
pub(super) fn block(ssrc: Ssrc, stats: &ReceptionStats, fraction_lost: u8) -> ReportBlock {
    let highest = stats.highest_seq().map_or(0, |highest| highest.get());
    ReportBlock {
        ssrc,
        fraction_lost,
        cumulative_lost: stats.cumulative_lost(),
        highest_seq: wrapped(highest),
        jitter_ticks: stats.jitter_ticks(),
        last_sr: 0,
        delay_since_last_sr: 0,
    }
}

/// The middle 32 bits of an NTP time stamp.
fn middle(ntp_timestamp: u64) -> u32 {
    wrapped(ntp_timestamp >> 16)
}

/// The low 32 bits, as RTCP counts.
fn wrapped(n: u64) -> u32 {
    let [.., b0, b1, b2, b3] = n.to_be_bytes();
    u32::from_be_bytes([b0, b1, b2, b3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SeqNo;

    const SSRC: Ssrc = Ssrc::new(7);

    fn about(last_sr: u32, delay_since_last_sr: u32) -> ReportBlock {
        ReportBlock {
            last_sr,
            delay_since_last_sr,
            ..block(SSRC, &ReceptionStats::new(), 0)
        }
    }

    #[test]
    fn the_way_there_and_back_is_what_the_delay_leaves() {
        let mut reporting = Reporting::default();
        for n in 0..6_u64 {
            reporting.give(n << 32, n * 1_000_000);
        }
        // Given at 4 s, held back for half a second, heard at 4.54 s.
        reporting.hear_block(&about(4 << 16, 32_768), 4_540_000);
        assert_eq!(reporting.leg_us, 40_000);
        // Forgotten, never given, none, and one that claims more delay than there was.
        for (last_sr, delay) in [(1 << 16, 0), (9 << 16, 0), (0, 0), (5 << 16, u32::MAX)] {
            reporting.hear_block(&about(last_sr, delay), 7_000_000);
            assert_eq!(reporting.leg_us, 40_000);
        }
        assert_eq!(reporting.blocks_at_us, 7_000_000);
    }

    #[test]
    fn a_report_that_was_heard_is_named_with_its_age() {
        let mut reporting = Reporting::default();
        assert_eq!(reporting.last_report(SSRC, 0), (0, 0));
        reporting.hear(SSRC, 0x1234_5678_9abc_def0, 1_000_000);
        assert_eq!(
            reporting.last_report(SSRC, 1_500_000),
            (0x5678_9abc, 32_768)
        );
        assert_eq!(reporting.last_report(Ssrc::new(8), 1_500_000), (0, 0));
    }

    #[test]
    fn time_stamps_go_on_between_packets_and_over_their_end() {
        let mut reporting = Reporting::default();
        let packet = |timestamp| Outgoing {
            ssrc: SSRC,
            timestamp: RtpTimestamp::new(timestamp),
            octets: 160,
        };
        reporting.count(packet(u32::MAX - 79), 1_000_000);
        reporting.count(packet(80), 1_020_000);
        // An event's further packets.
        reporting.count(packet(80), 1_040_000);
        let sent = reporting.sent.unwrap();
        assert_eq!((sent.packets, sent.octets), (3, 480));
        let at = |us| sent.timestamp_at(us, Some(ClockRate::HZ_8000)).get();
        assert_eq!((at(1_020_000), at(1_030_000)), (80, 160));
        assert_eq!(sent.timestamp_at(9_000_000, None).get(), 80);
    }

    #[test]
    fn each_interval_has_its_own_loss() {
        let mut stats = ReceptionStats::new();
        let mut interval = Interval::default();
        let mut receive = |range: std::ops::Range<u16>, step| {
            for n in range.step_by(step) {
                stats.on_packet(SeqNo::new(n), RtpTimestamp::new(0), 0, None, 172);
            }
            stats.clone()
        };
        let after = receive(0..101, 2);
        assert!(!interval.is_empty(&after));
        assert_eq!(interval.end(&after), 126);
        assert!(interval.is_empty(&after));
        assert_eq!(interval.end(&receive(101..200, 1)), 0);
        let block = block(SSRC, &receive(200..300, 1), 9);
        assert_eq!((block.cumulative_lost, block.highest_seq), (50, 299));
        assert_eq!(block.fraction_lost, 9);
    }
}
