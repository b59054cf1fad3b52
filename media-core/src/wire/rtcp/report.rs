//! Sender and receiver reports (RFC 3550 §6.4).

use super::{RECEIVER_REPORT, Raw, SENDER_REPORT, begin};
use crate::units::{RtpTimestamp, Ssrc};
use crate::wire::{EmitError, Writer, take, take_u32};

pub(super) const BLOCK_LEN: usize = 24;
pub(super) const SENDER_INFO_LEN: usize = 20;
const MAX_LOST: i32 = 0x7f_ffff;

/// What a sender says about itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall-clock time of the report: NTP, seconds since 1900 × 2³².
    pub ntp_timestamp: u64,
    /// The same instant in the clock of the media.
    pub rtp_timestamp: RtpTimestamp,
    /// RTP packets sent since the start.
    pub packet_count: u32,
    /// Their payload octets.
    pub octet_count: u32,
}

impl SenderInfo {
    pub(super) fn from_bytes(bytes: &[u8; SENDER_INFO_LEN]) -> Self {
        let &[
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            t0,
            t1,
            t2,
            t3,
            p0,
            p1,
            p2,
            p3,
            o0,
            o1,
            o2,
            o3,
        ] = bytes;
        Self {
            ntp_timestamp: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            rtp_timestamp: RtpTimestamp::new(u32::from_be_bytes([t0, t1, t2, t3])),
            packet_count: u32::from_be_bytes([p0, p1, p2, p3]),
            octet_count: u32::from_be_bytes([o0, o1, o2, o3]),
        }
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put(&self.ntp_timestamp.to_be_bytes());
        writer.put_u32(self.rtp_timestamp.get());
        writer.put_u32(self.packet_count);
        writer.put_u32(self.octet_count);
    }
}

/// How a participant receives one source (RFC 3550 §6.4.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                             SSRC                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | fraction lost |       cumulative number of packets lost       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           extended highest sequence number received           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      interarrival jitter                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         last SR (LSR)                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                   delay since last SR (DLSR)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: Ssrc,
    /// Share of packets lost since the report before, × 256.
    pub fraction_lost: u8,
    /// Packets lost since the start, −2²³..2²³; duplicates may make it negative. Values beyond are
    /// written as the nearest that fits.
    pub cumulative_lost: i32,
    /// Highest sequence number received, wraps counted in the upper 16 bits.
    pub highest_seq: u32,
    /// Interarrival jitter in ticks of the media's clock.
    pub jitter_ticks: u32,
    /// Middle 32 bits of the last sender report's NTP timestamp; 0: none received.
    pub last_sr: u32,
    /// From its arrival to this report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    pub(super) fn from_bytes(bytes: &[u8; BLOCK_LEN]) -> Option<Self> {
        let mut rest = bytes.as_slice();
        let ssrc = Ssrc::new(take_u32(&mut rest)?);
        let loss = take_u32(&mut rest)?;
        let [fraction_lost, ..] = loss.to_be_bytes();
        Some(Self {
            ssrc,
            fraction_lost,
            // Shifted up and back to extend the sign of 24 bits.
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            highest_seq: take_u32(&mut rest)?,
            jitter_ticks: take_u32(&mut rest)?,
            last_sr: take_u32(&mut rest)?,
            delay_since_last_sr: take_u32(&mut rest)?,
        })
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_u32(self.ssrc.get());
        let lost = self.cumulative_lost.clamp(-MAX_LOST - 1, MAX_LOST);
        let [_, l0, l1, l2] = lost.to_be_bytes();
        writer.put(&[self.fraction_lost, l0, l1, l2]);
        writer.put_u32(self.highest_seq);
        writer.put_u32(self.jitter_ticks);
        writer.put_u32(self.last_sr);
        writer.put_u32(self.delay_since_last_sr);
    }
}

/// Splits `count` report blocks off; what follows is the profile's extension.
fn split_blocks(bytes: &[u8], count: u8) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::from(count) * BLOCK_LEN)
}

fn blocks(bytes: &[u8]) -> impl Iterator<Item = ReportBlock> + use<'_> {
    let (blocks, _) = bytes.as_chunks::<BLOCK_LEN>();
    blocks.iter().filter_map(ReportBlock::from_bytes)
}

/// A sender report: [`SenderInfo`], then how the sender receives others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What it has sent.
    pub info: SenderInfo,
    blocks: &'a [u8],
    /// Profile-specific extension behind the blocks.
    pub extension: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.content;
        let ssrc = Ssrc::new(take_u32(&mut rest)?);
        let info = SenderInfo::from_bytes(take(&mut rest)?);
        let (blocks, extension) = split_blocks(rest, raw.count)?;
        Some(Self {
            ssrc,
            info,
            blocks,
            extension,
        })
    }

    /// How the sender receives others, at most 31.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        blocks(self.blocks)
    }
}

/// A receiver report: how a participant receives others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: &'a [u8],
    /// Profile-specific extension behind the blocks.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.content;
        let ssrc = Ssrc::new(take_u32(&mut rest)?);
        let (blocks, extension) = split_blocks(rest, raw.count)?;
        Some(Self {
            ssrc,
            blocks,
            extension,
        })
    }

    /// How it receives others, at most 31.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        blocks(self.blocks)
    }
}

/// Writes a sender report to the front of `out` and returns its length.
///
/// # Errors
/// - [`EmitError::TooMany`]: more than 31 blocks.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than 28 + 24 × blocks.
pub fn emit_sender_report(
    out: &mut [u8],
    ssrc: Ssrc,
    info: &SenderInfo,
    blocks: &[ReportBlock],
) -> Result<usize, EmitError> {
    let content_len = 4 + SENDER_INFO_LEN + blocks.len() * BLOCK_LEN;
    let mut writer = begin(out, SENDER_REPORT, blocks.len(), content_len)?;
    writer.put_u32(ssrc.get());
    info.put(&mut writer);
    for block in blocks {
        block.put(&mut writer);
    }
    Ok(writer.written())
}

/// Writes a receiver report to the front of `out` and returns its length.
///
/// # Errors
/// - [`EmitError::TooMany`]: more than 31 blocks.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than 8 + 24 × blocks.
pub fn emit_receiver_report(
    out: &mut [u8],
    ssrc: Ssrc,
    blocks: &[ReportBlock],
) -> Result<usize, EmitError> {
    let content_len = 4 + blocks.len() * BLOCK_LEN;
    let mut writer = begin(out, RECEIVER_REPORT, blocks.len(), content_len)?;
    writer.put_u32(ssrc.get());
    for block in blocks {
        block.put(&mut writer);
    }
    Ok(writer.written())
}
