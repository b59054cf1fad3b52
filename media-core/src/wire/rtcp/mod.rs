//! RTCP packets, alone or compound (RFC 3550 §6.1).
//!
//! [`Compound`] checks a whole datagram once, then yields its packets. It accepts reduced-size
//! datagrams (RFC 5506), which begin with something else than a report, and packet types that it
//! does not know, as [`RtcpPacket::Other`]. It does not decrypt: SRTCP is not parsed here.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  count  |  packet type  | length in 32-bit words less 1 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                content, by packet type                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     if P: padding, its last byte its length                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

mod app;
mod bye;
mod extended;
mod feedback;
mod report;
mod sdes;
mod strip;
mod translate;

pub use app::App;
pub use bye::{Bye, emit_bye};
pub use extended::{ExtendedReport, ReportBlocks, XrBlock};
pub use feedback::Feedback;
pub use report::{
    ReceiverReport, ReportBlock, SenderInfo, SenderReport, emit_receiver_report, emit_sender_report,
};
pub use sdes::{Chunks, Sdes, SdesChunk, SdesItem, SdesItems, emit_cname};
pub use strip::strip_feedback;
pub use translate::{Translation, translate};

use super::{EmitError, Writer, take};

/// Packet type of a sender report (RFC 3550 §6.4.1).
pub const SENDER_REPORT: u8 = 200;
/// Packet type of a receiver report (RFC 3550 §6.4.2).
pub const RECEIVER_REPORT: u8 = 201;
/// Packet type of a source description (RFC 3550 §6.5).
pub const SOURCE_DESCRIPTION: u8 = 202;
/// Packet type of a goodbye (RFC 3550 §6.6).
pub const GOODBYE: u8 = 203;
/// Packet type of an application-defined packet (RFC 3550 §6.7).
pub const APPLICATION_DEFINED: u8 = 204;
/// Packet type of transport-layer feedback (RFC 4585 §6.2).
pub const TRANSPORT_FEEDBACK: u8 = 205;
/// Packet type of payload-specific feedback (RFC 4585 §6.3).
pub const PAYLOAD_FEEDBACK: u8 = 206;
/// Packet type of an extended report (RFC 3611 §2).
pub const EXTENDED_REPORT: u8 = 207;

/// The count field has five bits.
const MAX_COUNT: usize = 31;
const HEADER_LEN: usize = 4;
const PADDING_BIT: u8 = 0x20;

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// Fewer bytes left than a header has, at the start or behind another packet.
    #[error("{0} bytes are shorter than an RTCP header")]
    TooShort(usize),
    /// The version field is not 2.
    #[error("RTCP version {0} is not 2")]
    BadVersion(u8),
    /// The length field runs past the end of the datagram.
    #[error("RTCP packet of type {packet_type} says {len} bytes, but only {available} follow")]
    Truncated {
        /// The packet's type.
        packet_type: u8,
        /// Length by its length field, bytes.
        len: usize,
        /// Bytes left in the datagram.
        available: usize,
    },
    /// The padding is empty, or longer than the packet's content.
    #[error("RTCP padding of {0} bytes is impossible")]
    BadPadding(u8),
    /// The packet's content is shorter than its type and count demand, or contradicts itself.
    #[error("content of RTCP packet of type {0} is malformed")]
    BadContent(u8),
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// What a source has sent and received.
    SenderReport(SenderReport<'a>),
    /// What a participant has received.
    ReceiverReport(ReceiverReport<'a>),
    /// Who a source is.
    Sdes(Sdes<'a>),
    /// Sources that leave.
    Bye(Bye<'a>),
    /// Application-defined.
    App(App<'a>),
    /// Transport-layer feedback (RTPFB), such as generic NACK.
    TransportFeedback(Feedback<'a>),
    /// Payload-specific feedback (PSFB), such as picture loss indication.
    PayloadFeedback(Feedback<'a>),
    /// Extended report (XR).
    ExtendedReport(ExtendedReport<'a>),
    /// A packet type not known here.
    Other(Raw<'a>),
}

/// A packet's header fields and content, uninterpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// The packet type.
    pub packet_type: u8,
    /// The five bits in front of it: a count, a subtype or a format.
    pub count: u8,
    /// What follows the header, without padding.
    pub content: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Cuts the first packet off `bytes`.
    fn split_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let mut body = bytes;
        let Some(&[flags, packet_type, l0, l1]) = take::<HEADER_LEN>(&mut body) else {
            return Err(RtcpError::TooShort(bytes.len()));
        };
        if flags >> 6 != 2 {
            return Err(RtcpError::BadVersion(flags >> 6));
        }
        let content_len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (content, rest) = body
            .split_at_checked(content_len)
            .ok_or(RtcpError::Truncated {
                packet_type,
                len: HEADER_LEN + content_len,
                available: bytes.len(),
            })?;
        let content = if flags & PADDING_BIT == 0 {
            content
        } else {
            let padding_len = content.last().copied().unwrap_or(0);
            content
                .len()
                .checked_sub(usize::from(padding_len))
                .filter(|_| padding_len != 0)
                .and_then(|len| content.get(..len))
                .ok_or(RtcpError::BadPadding(padding_len))?
        };
        let raw = Raw {
            packet_type,
            count: flags & 0x1f,
            content,
        };
        Ok((raw, rest))
    }

    /// The packet by its type; `None` if the content contradicts it.
    fn typed(self) -> Option<RtcpPacket<'a>> {
        Some(match self.packet_type {
            SENDER_REPORT => RtcpPacket::SenderReport(SenderReport::parse(self)?),
            RECEIVER_REPORT => RtcpPacket::ReceiverReport(ReceiverReport::parse(self)?),
            SOURCE_DESCRIPTION => RtcpPacket::Sdes(Sdes::parse(self)?),
            GOODBYE => RtcpPacket::Bye(Bye::parse(self)?),
            APPLICATION_DEFINED => RtcpPacket::App(App::parse(self)?),
            TRANSPORT_FEEDBACK => RtcpPacket::TransportFeedback(Feedback::parse(self)?),
            PAYLOAD_FEEDBACK => RtcpPacket::PayloadFeedback(Feedback::parse(self)?),
            EXTENDED_REPORT => RtcpPacket::ExtendedReport(ExtendedReport::parse(self)?),
            _ => RtcpPacket::Other(self),
        })
    }
}

fn split_first(bytes: &[u8]) -> Result<(RtcpPacket<'_>, &[u8]), RtcpError> {
    let (raw, rest) = Raw::split_first(bytes)?;
    let packet = raw.typed().ok_or(RtcpError::BadContent(raw.packet_type))?;
    Ok((packet, rest))
}

/// A datagram of one or more RTCP packets, all of them checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks every packet of the datagram.
    ///
    /// # Errors
    /// The first defect found, see [`RtcpError`]; an empty datagram is [`RtcpError::TooShort`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let (_, mut rest) = split_first(datagram)?;
        while !rest.is_empty() {
            (_, rest) = split_first(rest)?;
        }
        Ok(Self { bytes: datagram })
    }

    /// The packets, at least one, in their order.
    #[must_use]
    pub const fn packets(&self) -> Packets<'a> {
        Packets { rest: self.bytes }
    }

    /// Whether it does not begin with a report, which only RFC 5506 permits.
    #[must_use]
    pub fn is_reduced_size(&self) -> bool {
        !matches!(self.bytes, [_, SENDER_REPORT | RECEIVER_REPORT, ..])
    }
}

impl<'a> IntoIterator for Compound<'a> {
    type Item = RtcpPacket<'a>;
    type IntoIter = Packets<'a>;
    fn into_iter(self) -> Packets<'a> {
        self.packets()
    }
}

/// Iterator over the packets of a [`Compound`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = RtcpPacket<'a>;
    fn next(&mut self) -> Option<RtcpPacket<'a>> {
        let (packet, rest) = split_first(self.rest).ok()?;
        self.rest = rest;
        Some(packet)
    }
}

/// Begins a packet of `content_len` bytes, rounded up to whole words: its header is written.
fn begin(
    out: &mut [u8],
    packet_type: u8,
    count: usize,
    content_len: usize,
) -> Result<Writer<'_>, EmitError> {
    let flags = match u8::try_from(count) {
        Ok(n) if count <= MAX_COUNT => 0x80 | n,
        _ => {
            return Err(EmitError::TooMany {
                count,
                max: MAX_COUNT,
            });
        }
    };
    let words = content_len.div_ceil(4);
    let length = u16::try_from(words).map_err(|_| EmitError::TooLong {
        len: content_len,
        max: usize::from(u16::MAX) * 4,
    })?;
    let mut writer = Writer::new(out, HEADER_LEN + words * 4)?;
    writer.put(&[flags, packet_type]);
    writer.put_u16(length);
    Ok(writer)
}

#[cfg(test)]
mod tests;
