//! RTP packets (RFC 3550 §5.1). Refuses other versions than 2.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |            contributing source (CSRC) identifiers × CC        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   if X: defined by profile    |    length in 32-bit words     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       header extension                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     payload, then if P: padding, its last byte its length     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

mod builder;

pub use builder::RtpBuilder;

use super::take;
use crate::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};

/// Length of the fixed header, bytes.
pub const FIXED_HEADER_LEN: usize = 12;
/// Most contributing sources that a packet can name.
pub const MAX_CSRCS: usize = 15;

const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
const EXTENSION_BIT: u8 = 0x10;
const CSRC_MASK: u8 = 0x0f;
const MARKER_BIT: u8 = 0x80;

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Shorter than the fixed header.
    #[error("RTP packet of {0} bytes is shorter than its fixed header")]
    TooShort(usize),
    /// The version field is not 2.
    #[error("RTP version {0} is not 2")]
    BadVersion(u8),
    /// The list of contributing sources runs past the end.
    #[error("RTP packet ends within its {0} CSRCs")]
    TruncatedCsrcs(u8),
    /// The header extension runs past the end.
    #[error("RTP packet ends within its header extension")]
    TruncatedExtension,
    /// The padding is empty or longer than what follows the header.
    #[error("RTP padding of {0} bytes is impossible")]
    BadPadding(u8),
}

/// The fixed header, by value: all that a relay looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    flags: u8,
    marker_and_type: u8,
    sequence_number: SeqNo,
    timestamp: RtpTimestamp,
    ssrc: Ssrc,
}

impl RtpHeader {
    /// A header without marker, padding, extension and contributing sources.
    #[must_use]
    pub const fn new(
        payload_type: PayloadType,
        sequence_number: SeqNo,
        timestamp: RtpTimestamp,
        ssrc: Ssrc,
    ) -> Self {
        Self {
            flags: VERSION << 6,
            marker_and_type: payload_type.get(),
            sequence_number,
            timestamp,
            ssrc,
        }
    }

    /// The same header with the marker bit as given.
    #[must_use]
    pub const fn with_marker(mut self, marker: bool) -> Self {
        self.marker_and_type = if marker {
            self.marker_and_type | MARKER_BIT
        } else {
            self.marker_and_type & !MARKER_BIT
        };
        self
    }

    /// Reads the fixed header and nothing behind it; [`RtpPacket::parse`] checks the rest too.
    ///
    /// # Errors
    /// [`RtpError::TooShort`] and [`RtpError::BadVersion`] only.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let &[b0, b1, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3, ..] = packet else {
            return Err(RtpError::TooShort(packet.len()));
        };
        if b0 >> 6 != VERSION {
            return Err(RtpError::BadVersion(b0 >> 6));
        }
        Ok(Self {
            flags: b0,
            marker_and_type: b1,
            sequence_number: SeqNo::new(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp::new(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc::new(u32::from_be_bytes([i0, i1, i2, i3])),
        })
    }

    /// Length of the whole header in `packet`, of which `self` is the front: with contributing sources
    /// and header extension, in bytes. Padding is not looked at, so the packet may be encrypted.
    ///
    /// # Errors
    /// [`RtpError::TruncatedCsrcs`] and [`RtpError::TruncatedExtension`] only.
    #[inline]
    pub fn header_len(self, packet: &[u8]) -> Result<usize, RtpError> {
        let count = self.csrc_count();
        let len = FIXED_HEADER_LEN + usize::from(count) * 4;
        let rest = packet.get(len..).ok_or(RtpError::TruncatedCsrcs(count))?;
        if !self.has_extension() {
            return Ok(len);
        }
        let (extension, _) = split_extension(rest).ok_or(RtpError::TruncatedExtension)?;
        Ok(len + 4 + extension.data.len())
    }

    /// Whether padding follows the payload.
    #[must_use]
    pub const fn has_padding(self) -> bool {
        self.flags & PADDING_BIT != 0
    }
    /// Whether a header extension follows the contributing sources.
    #[must_use]
    pub const fn has_extension(self) -> bool {
        self.flags & EXTENSION_BIT != 0
    }
    /// Number of contributing sources, 0–15.
    #[must_use]
    pub const fn csrc_count(self) -> u8 {
        self.flags & CSRC_MASK
    }
    /// The marker bit; its meaning is the profile's.
    #[must_use]
    pub const fn marker(self) -> bool {
        self.marker_and_type & MARKER_BIT != 0
    }
    /// Format of the payload.
    #[must_use]
    pub const fn payload_type(self) -> PayloadType {
        match PayloadType::new(self.marker_and_type & !MARKER_BIT) {
            Some(payload_type) => payload_type,
            None => unreachable!(),
        }
    }
    /// Increments by one for each packet sent.
    #[must_use]
    pub const fn sequence_number(self) -> SeqNo {
        self.sequence_number
    }
    /// Sampling instant of the payload's first octet.
    #[must_use]
    pub const fn timestamp(self) -> RtpTimestamp {
        self.timestamp
    }
    /// Who sent the packet.
    #[must_use]
    pub const fn ssrc(self) -> Ssrc {
        self.ssrc
    }

    /// The header as on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; FIXED_HEADER_LEN] {
        let [s0, s1] = self.sequence_number.get().to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.get().to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.get().to_be_bytes();
        [
            self.flags,
            self.marker_and_type,
            s0,
            s1,
            t0,
            t1,
            t2,
            t3,
            i0,
            i1,
            i2,
            i3,
        ]
    }
}

/// Header extension of an RTP packet (RFC 3550 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The 16 bits "defined by profile"; RFC 8285 gives some of them a meaning.
    pub profile: u16,
    /// The extension's words, a multiple of 4 bytes.
    pub data: &'a [u8],
}

/// A whole RTP packet, every length in it checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    header: RtpHeader,
    csrcs: &'a [u8],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
    padding_len: u8,
}

impl<'a> RtpPacket<'a> {
    /// Checks `packet` and finds its parts.
    ///
    /// # Errors
    /// - [`RtpError::TooShort`], [`RtpError::BadVersion`]: not RTP at all.
    /// - [`RtpError::TruncatedCsrcs`], [`RtpError::TruncatedExtension`], [`RtpError::BadPadding`]:
    ///   a length in the packet contradicts the packet's.
    pub fn parse(packet: &'a [u8]) -> Result<Self, RtpError> {
        let header = RtpHeader::parse(packet)?;
        let rest = packet.get(FIXED_HEADER_LEN..).unwrap_or_default();
        let count = header.csrc_count();
        let (csrcs, rest) = rest
            .split_at_checked(usize::from(count) * 4)
            .ok_or(RtpError::TruncatedCsrcs(count))?;
        let (extension, rest) = if header.has_extension() {
            let (extension, rest) = split_extension(rest).ok_or(RtpError::TruncatedExtension)?;
            (Some(extension), rest)
        } else {
            (None, rest)
        };
        let padding_len = match (header.has_padding(), rest.last()) {
            (false, _) => 0,
            (true, None | Some(0)) => return Err(RtpError::BadPadding(0)),
            (true, Some(&len)) => len,
        };
        let payload_len = rest
            .len()
            .checked_sub(usize::from(padding_len))
            .ok_or(RtpError::BadPadding(padding_len))?;
        Ok(Self {
            header,
            csrcs,
            extension,
            payload: rest.get(..payload_len).unwrap_or_default(),
            padding_len,
        })
    }

    /// The fixed header.
    #[must_use]
    pub const fn header(&self) -> RtpHeader {
        self.header
    }
    /// The marker bit.
    #[must_use]
    pub const fn marker(&self) -> bool {
        self.header.marker()
    }
    /// Format of the payload.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        self.header.payload_type()
    }
    /// Increments by one for each packet sent.
    #[must_use]
    pub const fn sequence_number(&self) -> SeqNo {
        self.header.sequence_number
    }
    /// Sampling instant of the payload's first octet.
    #[must_use]
    pub const fn timestamp(&self) -> RtpTimestamp {
        self.header.timestamp
    }
    /// Who sent the packet.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.header.ssrc
    }
    /// Whose contributions a mixer put into the payload, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.csrcs
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| Ssrc::new(u32::from_be_bytes(*b)))
    }
    /// The header extension, if there is one.
    #[must_use]
    pub const fn extension(&self) -> Option<Extension<'a>> {
        self.extension
    }
    /// What follows the header, without padding.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
    /// Length of the padding in bytes, its own length byte included; 0 without padding.
    #[must_use]
    pub const fn padding_len(&self) -> u8 {
        self.padding_len
    }
}

/// Splits the extension off what follows the contributing sources.
fn split_extension(mut rest: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let &[p0, p1, l0, l1] = take(&mut rest)?;
    let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(len)?;
    let profile = u16::from_be_bytes([p0, p1]);
    Some((Extension { profile, data }, rest))
}

#[cfg(test)]
mod tests;
