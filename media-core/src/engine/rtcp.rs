//! RTCP of streams that are more than relayed (RFC 3550 §6, §7.2). What the parties report is taken in;
//! where our numbers are not theirs it is translated on its way through; where we are asked to, we report
//! ourselves and theirs goes no further.
//!
//! A stream is an RTP stream here: RTCP on a port of its own is found a stream by its route.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use super::reporting;
use super::stream::Stream;
use super::{DropReason, Egress, Engine, Verdict};
use crate::buf::PacketBuf;
use crate::media::quality::Sample;
use crate::units::{ClockRate, SocketId, Ssrc};
use crate::wire::rtcp::{
    Compound, ReportBlock, RtcpPacket, SenderInfo, Translation, emit_cname, emit_receiver_report,
    emit_sender_report, translate,
};

/// Seconds from 1900, which NTP counts from, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// The numbers of a stream and of those that it goes to.
struct Translator<'e> {
    engine: &'e mut Engine,
    stream: SocketId,
}

impl Translation for Translator<'_> {
    fn sender_info(&mut self, sender: Ssrc, info: SenderInfo) -> Option<SenderInfo> {
        let stream = self.engine.stream(self.stream)?;
        let Some(transcoder) = &stream.transcoder else {
            return Some(info);
        };
        let sent = stream.reporting.as_ref()?.sent?;
        let rtp_timestamp = transcoder.time_of(sender, info.rtp_timestamp)?;
        (sent.ssrc == sender).then_some(SenderInfo {
            rtp_timestamp,
            packet_count: sent.packets,
            octet_count: sent.octets,
            ..info
        })
    }

    fn report_block(&mut self, block: ReportBlock) -> Option<ReportBlock> {
        let source = self.engine.source_of(self.stream, block.ssrc);
        let Some(source) = source.and_then(|source| self.engine.stream_mut(source)) else {
            return Some(block);
        };
        if source.transcoder.is_none() {
            return Some(block);
        }
        Some(ReportBlock {
            last_sr: block.last_sr,
            delay_since_last_sr: block.delay_since_last_sr,
            ..source.report_block(block.ssrc)?
        })
    }
}

impl Engine {
    /// Takes in what an RTCP datagram says and puts its numbers right. An error says what became of one
    /// that is not to go on.
    #[cold]
    pub(super) fn hear_rtcp(
        &mut self,
        socket: SocketId,
        packet: &mut PacketBuf,
        at_us: u64,
    ) -> Result<(), Verdict> {
        let media = self.stream(socket).and_then(|stream| stream.media);
        let media = media.unwrap_or(socket);
        let Some(stream) = self.stream(media) else {
            return Ok(());
        };
        let is_ended = stream.rtcp_interval.is_some();
        let translates = stream.transcoder.is_some()
            || (self.sinks_of(media)).any(|(_, sink)| sink.transcoder.is_some());
        let Ok(compound) = Compound::parse(packet.as_slice()) else {
            return match translates || is_ended {
                true => Err(Verdict::Dropped(DropReason::Malformed)),
                false => Ok(()),
            };
        };
        for packet in compound {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    self.hear_sender(media, report.ssrc, &report.info, at_us);
                    for block in report.report_blocks() {
                        self.hear_block(media, report.ssrc, &block, at_us);
                    }
                }
                RtcpPacket::ReceiverReport(report) => {
                    for block in report.report_blocks() {
                        self.hear_block(media, report.ssrc, &block, at_us);
                    }
                }
                _ => {}
            }
        }
        if is_ended {
            return Err(Verdict::Consumed);
        }
        if translates {
            let mut translator = Translator {
                engine: self,
                stream: media,
            };
            match translate(packet.as_mut_slice(), &mut translator) {
                Ok(0) => return Err(Verdict::Dropped(DropReason::Feedback)),
                Ok(len) => packet.truncate(len),
                Err(_) => return Err(Verdict::Dropped(DropReason::Malformed)),
            }
        }
        Ok(())
    }

    /// The streams of those that get `socket`'s RTP.
    fn sinks_of(&self, socket: SocketId) -> impl Iterator<Item = (SocketId, &Stream)> {
        let sinks = self.stream(socket).map(|stream| stream.sinks(false));
        let sinks = sinks.unwrap_or_default().iter();
        sinks.filter_map(|sink| Some((sink.socket, self.stream(sink.socket)?)))
    }

    /// Of those that get `socket`'s RTP, and whose RTP its party gets in turn: the one that `ssrc` is of.
    fn source_of(&self, socket: SocketId, ssrc: Ssrc) -> Option<SocketId> {
        let mut sinks = self.sinks_of(socket);
        sinks
            .find(|(_, sink)| sink.has_source(ssrc))
            .map(|(socket, _)| socket)
    }

    fn hear_sender(&mut self, media: SocketId, ssrc: Ssrc, info: &SenderInfo, at_us: u64) {
        let Some(stream) = self.stream_mut(media) else {
            return;
        };
        let goes_on = stream.rtcp_interval.is_none();
        stream
            .reporting
            .get_or_insert_default()
            .hear(ssrc, info.ntp_timestamp, at_us);
        let sinks = stream.sinks(false).len();
        for n in 0..sinks {
            let sink = self.stream(media).and_then(|s| s.sinks(false).get(n));
            let Some(sink) = sink.map(|sink| sink.socket).filter(|_| goes_on) else {
                break;
            };
            if let Some(sink) = self.stream_mut(sink) {
                let reporting = sink.reporting.get_or_insert_default();
                reporting.give(info.ntp_timestamp, at_us);
            }
        }
    }

    /// The party of `media` tells how it receives what we send it.
    fn hear_block(&mut self, media: SocketId, reporter: Ssrc, block: &ReportBlock, at_us: u64) {
        // Of a source that we do not send it we know nothing to compare with.
        let Some(source) = self.source_of(media, block.ssrc) else {
            return;
        };
        let Some(sender) = self.stream_mut(source) else {
            return;
        };
        let other_leg_us = sender.reporting.as_ref().map_or(0, |r| r.leg_us);
        let clock_hz = sender.sent_clock().map_or(8000, ClockRate::get);
        if let Some(transcoder) = &mut sender.transcoder {
            let lost = u8::try_from(u16::from(block.fraction_lost) * 100 / 256).unwrap_or(100);
            transcoder.expect_loss(expected(transcoder.expected_loss_percent(), lost));
        }
        let Some(stream) = self.stream_mut(media) else {
            return;
        };
        let reporting = stream.reporting.get_or_insert_default();
        let is_first = reporting.blocks_at_us == 0;
        reporting.hear_block(block, at_us);
        let leg_us = reporting.leg_us;
        if is_first && (leg_us == 0 || other_leg_us == 0) {
            // The time there and back will be known soon, or never.
            return;
        }
        let jitter_ms = u64::from(block.jitter_ticks) * 1000 / u64::from(clock_hz);
        let sample = Sample::new(
            block.fraction_lost,
            u16::try_from(jitter_ms).unwrap_or(u16::MAX),
            match leg_us {
                0 => 0,
                leg_us => leg_us.saturating_add(other_leg_us),
            },
            leg_us,
            u32::try_from(at_us / 1_000_000).unwrap_or(u32::MAX),
        );
        let lost = u64::try_from(block.cumulative_lost).unwrap_or(0);
        stream.counters.add_quality(reporter, sample, lost, true);
    }

    /// Makes sure that the stream's next report of ours will go out.
    pub(super) fn arm_report(&mut self, now: Instant, socket: SocketId) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        let Some(interval) = stream.rtcp_interval else {
            return;
        };
        let seed = stream.call.get().rotate_left(32) ^ u64::from(socket.index());
        let reporting = stream.reporting.get_or_insert_default();
        if !reporting.armed {
            reporting.armed = true;
            let at = now + until_next(interval, reporting.rounds, seed);
            self.report_timers.arm(at, socket);
        }
    }

    /// Sends the reports that are due.
    pub(super) fn run_reports(&mut self, now: Instant, out: &mut Egress) {
        while let Some(socket) = self.report_timers.pop_due(now) {
            let Some(stream) = self.stream_mut(socket) else {
                continue;
            };
            let reporting = stream.reporting.get_or_insert_default();
            reporting.armed = false;
            reporting.rounds += 1;
            if stream.rtcp_interval.is_none() {
                continue;
            }
            let sinks = stream.sinks(true).len().min(stream.sinks(false).len());
            for n in 0..sinks {
                self.report_to(now, socket, n, out);
            }
            self.arm_report(now, socket);
        }
    }

    /// Tells the `n`th sink of a stream what was sent to it, and how its own stream is received.
    fn report_to(&mut self, now: Instant, socket: SocketId, n: usize, out: &mut Egress) {
        let at_us = self.micros(now);
        let Some(stream) = self.stream(socket).filter(|stream| !stream.passes()) else {
            return;
        };
        let sink = |rtcp| stream.sinks(rtcp).get(n).map(|sink| sink.socket);
        let (Some(media), Some(to)) = (sink(false), sink(true)) else {
            return;
        };
        let sent = stream.reporting.as_ref().and_then(|r| r.sent);
        // Whoever has sent nothing for two intervals is no sender any more (RFC 3550 §6.3.8).
        let recently = stream.rtcp_interval.unwrap_or_default() * 2;
        let recent_us = at_us.saturating_sub(u64::try_from(recently.as_micros()).unwrap_or(0));
        let ntp_timestamp = self.ntp(now);
        let info = sent
            .filter(|sent| sent.at_us >= recent_us)
            .map(|sent| SenderInfo {
                ntp_timestamp,
                rtp_timestamp: sent.timestamp_at(at_us, stream.sent_clock()),
                packet_count: sent.packets,
                octet_count: sent.octets,
            });
        let hasher = self.by_key.hasher();
        let [a, b, c, d, ..] = hasher.hash_one(socket).to_be_bytes();
        let own = Ssrc::new(u32::from_be_bytes([a, b, c, d]));
        let ssrc = sent.map_or(own, |sent| sent.ssrc);
        let cname = name(hasher.hash_one(stream.call));
        let block = self
            .stream_mut(media)
            .and_then(|party| party.latest_block(at_us));
        if sent.is_none() && block.is_none() {
            return;
        }
        let Some(mut packet) = self.slab.allocate() else {
            self.count_drop(socket, DropReason::NoBuffer);
            return;
        };
        let blocks = block.as_slice();
        let space = packet.spare_mut();
        let report = match &info {
            Some(info) => emit_sender_report(space, ssrc, info, blocks),
            None => emit_receiver_report(space, ssrc, blocks),
        };
        let len = report.and_then(|len| {
            let rest = space.get_mut(len..).unwrap_or_default();
            Ok(len + emit_cname(rest, ssrc, &cname)?)
        });
        let Ok(len) = len else { return };
        packet.set_len(len);
        if let Err(reason) = self.send_to(to, packet, true, false, out) {
            self.count_drop(socket, reason);
            return;
        }
        if let (Some(_), Some(party)) = (info, self.stream_mut(media)) {
            let reporting = party.reporting.get_or_insert_default();
            reporting.give(ntp_timestamp, at_us);
        }
    }

    /// NTP time: seconds since 1900 × 2³².
    fn ntp(&self, now: Instant) -> u64 {
        let unix = self.unix_at_epoch + now.saturating_duration_since(self.epoch);
        let seconds = unix.as_secs().wrapping_add(NTP_TO_UNIX_S) << 32;
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        seconds | fraction
    }
}

/// What loss an encoder is to expect: more at once, less by and by, for a burst seldom comes alone.
fn expected(before: u8, reported: u8) -> u8 {
    let fading = (u16::from(before) * 3 + u16::from(reported)) / 4;
    u8::try_from(fading).unwrap_or(100).max(reported)
}

/// Somewhere between half an interval and one and a half, so that reports of many calls do not come all at
/// once; the first in half the time (RFC 3550 §6.2, §6.3.1). There are two members, and nothing to reconsider.
fn until_next(interval: Duration, round: u64, seed: u64) -> Duration {
    // SplitMix64.
    let mut z = seed.wrapping_add(round.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [a, b, ..] = (z ^ z >> 31).to_be_bytes();
    let part = u32::from(u16::from_be_bytes([a, b]));
    let interval = if round == 0 { interval / 2 } else { interval };
    interval / 2 + interval * part / 65_536
}

/// A canonical name out of a random number (RFC 7022 §4.2): 48 bits of it in hexadecimal.
fn name(random: u64) -> [u8; 12] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = [0; 12];
    for (pair, byte) in name
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(random.to_be_bytes())
    {
        *pair = [byte >> 4, byte & 15].map(|nibble| DIGITS[usize::from(nibble)]);
    }
    name
}

impl Stream {
    /// Is there, or was there lately, such a source?
    fn has_source(&self, ssrc: Ssrc) -> bool {
        self.reception(ssrc).is_some()
    }

    /// Clock rate of the time stamps that leave.
    fn sent_clock(&self) -> Option<ClockRate> {
        match &self.transcoder {
            Some(transcoder) => transcoder.clock_rate(),
            None => self.latest_clock(),
        }
    }

    /// How a source is received, in the numbers that it has itself.
    fn report_block(&mut self, ssrc: Ssrc) -> Option<ReportBlock> {
        let (stats, intervals) = self.reception_mut(ssrc)?;
        let fraction_lost = intervals.reported.end(stats);
        Some(reporting::block(ssrc, stats, fraction_lost))
    }

    /// The same for the source heard last, if anything of it has come since it was last told.
    fn latest_block(&mut self, at_us: u64) -> Option<ReportBlock> {
        let ssrc = self.latest_source()?;
        let (stats, intervals) = self.reception_mut(ssrc)?;
        if intervals.reported.is_empty(stats) {
            return None;
        }
        let block = self.report_block(ssrc)?;
        let heard = self.reporting.as_ref();
        let (last_sr, delay_since_last_sr) =
            heard.map_or((0, 0), |heard| heard.last_report(ssrc, at_us));
        Some(ReportBlock {
            last_sr,
            delay_since_last_sr,
            ..block
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_spread_and_come_about_once_an_interval() {
        let interval = Duration::from_secs(5);
        let mut total = Duration::ZERO;
        for round in 1..=1000 {
            let wait = until_next(interval, round, 77);
            assert!(wait >= interval / 2 && wait < interval * 3 / 2, "{wait:?}");
            total += wait;
        }
        let mean = total / 1000;
        assert!(
            mean > interval * 9 / 10 && mean < interval * 11 / 10,
            "{mean:?}"
        );
        let first = until_next(interval, 0, 77);
        assert!(first >= interval / 4 && first < interval * 3 / 4);
        assert_ne!(until_next(interval, 1, 1), until_next(interval, 1, 2));
    }

    #[test]
    fn expected_loss_rises_at_once_and_fades() {
        assert_eq!(expected(0, 20), 20);
        assert_eq!(expected(20, 0), 15);
        let mut percent = 100;
        for _ in 0..20 {
            percent = expected(percent, 0);
        }
        assert_eq!(percent, 0);
        assert_eq!(expected(100, 100), 100);
    }
}
