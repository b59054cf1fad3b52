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

use super::{EmitError, Writer};
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
    let &[p0, p1, l0, l1] = super::take(&mut rest)?;
    let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(len)?;
    let profile = u16::from_be_bytes([p0, p1]);
    Some((Extension { profile, data }, rest))
}

/// What [`RtpBuilder::emit`] makes a packet of.
#[derive(Clone, Copy, Debug)]
pub struct RtpBuilder<'a> {
    header: RtpHeader,
    csrcs: &'a [Ssrc],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
    padding_len: u8,
}

impl<'a> RtpBuilder<'a> {
    /// A packet of a header and a payload. Of `header` only marker, payload type, sequence number,
    /// timestamp and SSRC count: the builder knows the rest.
    #[must_use]
    pub const fn new(header: RtpHeader, payload: &'a [u8]) -> Self {
        Self {
            header,
            csrcs: &[],
            extension: None,
            payload,
            padding_len: 0,
        }
    }
    /// Names contributing sources, at most [`MAX_CSRCS`].
    #[must_use]
    pub const fn csrcs(mut self, csrcs: &'a [Ssrc]) -> Self {
        self.csrcs = csrcs;
        self
    }
    /// Adds a header extension; its data fills whole 32-bit words.
    #[must_use]
    pub const fn extension(mut self, extension: Extension<'a>) -> Self {
        self.extension = Some(extension);
        self
    }
    /// Appends this many bytes of padding, the length byte included; 0 for none.
    #[must_use]
    pub const fn padding(mut self, len_bytes: u8) -> Self {
        self.padding_len = len_bytes;
        self
    }
    /// Length of the packet in bytes.
    #[must_use]
    pub fn packet_len(&self) -> usize {
        FIXED_HEADER_LEN
            + self.csrcs.len() * 4
            + self.extension.map_or(0, |e| 4 + e.data.len())
            + self.payload.len()
            + usize::from(self.padding_len)
    }

    /// Writes the packet to the front of `out` and returns its length.
    ///
    /// # Errors
    /// - [`EmitError::BufferTooSmall`]: `out` is shorter than [`RtpBuilder::packet_len`].
    /// - [`EmitError::TooMany`]: more than [`MAX_CSRCS`] contributing sources.
    /// - [`EmitError::Unaligned`], [`EmitError::TooLong`]: the extension's data.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let count = self.csrcs.len();
        let csrc_count = match u8::try_from(count) {
            Ok(n) if count <= MAX_CSRCS => n,
            _ => {
                return Err(EmitError::TooMany {
                    count,
                    max: MAX_CSRCS,
                });
            }
        };
        let mut header = self.header;
        header.flags = (VERSION << 6) | csrc_count;
        if self.padding_len != 0 {
            header.flags |= PADDING_BIT;
        }
        if self.extension.is_some() {
            header.flags |= EXTENSION_BIT;
        }

        let mut writer = Writer::new(out, self.packet_len())?;
        writer.put(&header.to_bytes());
        for csrc in self.csrcs {
            writer.put_u32(csrc.get());
        }
        if let Some(Extension { profile, data }) = self.extension {
            if !data.len().is_multiple_of(4) {
                return Err(EmitError::Unaligned(data.len()));
            }
            let words = u16::try_from(data.len() / 4).map_err(|_| EmitError::TooLong {
                len: data.len(),
                max: usize::from(u16::MAX) * 4,
            })?;
            writer.put_u16(profile);
            writer.put_u16(words);
            writer.put(data);
        }
        writer.put(self.payload);
        if let Some(zeros) = self.padding_len.checked_sub(1) {
            writer.zeros(usize::from(zeros));
            writer.put(&[self.padding_len]);
        }
        Ok(writer.written())
    }

    /// The packet in a buffer of its own, for those who may allocate.
    ///
    /// # Errors
    /// As [`RtpBuilder::emit`], but never [`EmitError::BufferTooSmall`].
    pub fn to_vec(&self) -> Result<Vec<u8>, EmitError> {
        let mut out = vec![0; self.packet_len()];
        self.emit(&mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> RtpHeader {
        RtpHeader::new(
            PayloadType::new(8).expect("8 < 128"),
            SeqNo::new(0x0102),
            RtpTimestamp::new(0x0304_0506),
            Ssrc::new(0x0708_090a),
        )
    }

    #[test]
    fn fields_are_found_where_rfc3550_draws_them() {
        let bytes = [
            0x80, 0x88, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xaa, 0xbb, // payload of two
        ];
        let packet = RtpPacket::parse(&bytes).expect("well-formed");
        assert!(packet.marker());
        assert_eq!(packet.payload_type().get(), 8);
        assert_eq!(packet.sequence_number(), SeqNo::new(0x0102));
        assert_eq!(packet.timestamp(), RtpTimestamp::new(0x0304_0506));
        assert_eq!(packet.ssrc(), Ssrc::new(0x0708_090a));
        assert_eq!(packet.payload(), [0xaa, 0xbb]);
        assert_eq!(packet.extension(), None);
        assert_eq!(packet.header(), header().with_marker(true));
        assert_eq!(
            RtpBuilder::new(packet.header(), packet.payload())
                .to_vec()
                .expect("emits"),
            bytes
        );
    }

    #[test]
    fn lengths_that_contradict_the_packet_are_refused() {
        let mut bytes = header().to_bytes().to_vec();
        assert_eq!(RtpHeader::parse(&bytes[..11]), Err(RtpError::TooShort(11)));
        bytes[0] = 0x41;
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadVersion(1)));
        bytes[0] = 0x82;
        bytes.extend([0; 7]);
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedCsrcs(2)));
        bytes[0] = 0x90;
        bytes.truncate(12);
        bytes.extend([0xbe, 0xde, 0]);
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedExtension));
        bytes.push(1);
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedExtension));
        bytes.extend([0; 4]);
        assert!(RtpPacket::parse(&bytes).is_ok());
        bytes[0] = 0xb0;
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadPadding(0)));
        bytes.push(2);
        assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadPadding(2)));
        *bytes.last_mut().expect("not empty") = 1;
        assert!(RtpPacket::parse(&bytes).is_ok_and(|p| p.payload().is_empty()));
    }

    #[test]
    fn what_does_not_fit_is_not_emitted() {
        let builder = RtpBuilder::new(header(), &[0; 10]);
        assert_eq!(
            builder.emit(&mut [0; 21]),
            Err(EmitError::BufferTooSmall {
                needed: 22,
                available: 21
            })
        );
        let csrcs = [Ssrc::new(1); 16];
        assert_eq!(
            builder.csrcs(&csrcs).to_vec(),
            Err(EmitError::TooMany { count: 16, max: 15 })
        );
        let extension = Extension {
            profile: 0xbede,
            data: &[0; 3],
        };
        assert_eq!(
            builder.extension(extension).to_vec(),
            Err(EmitError::Unaligned(3))
        );
    }

    proptest! {
        #[test]
        fn emitted_packets_parse_back(
            marker: bool,
            payload_type in 0_u8..128,
            seq: u16,
            timestamp: u32,
            ssrc: u32,
            csrcs in prop::collection::vec(any::<u32>(), 0..=15),
            extension in prop::option::of((any::<u16>(), prop::collection::vec(any::<[u8; 4]>(), 0..20))),
            payload in prop::collection::vec(any::<u8>(), 0..300),
            padding: u8,
        ) {
            let header = RtpHeader::new(
                PayloadType::new(payload_type).expect("below 128"),
                SeqNo::new(seq),
                RtpTimestamp::new(timestamp),
                Ssrc::new(ssrc),
            )
            .with_marker(marker);
            let csrcs: Vec<Ssrc> = csrcs.into_iter().map(Ssrc::new).collect();
            let words = extension.as_ref().map(|(_, words)| words.concat());
            let mut builder = RtpBuilder::new(header, &payload).csrcs(&csrcs).padding(padding);
            if let (Some((profile, _)), Some(data)) = (&extension, &words) {
                builder = builder.extension(Extension { profile: *profile, data });
            }
            let bytes = builder.to_vec().expect("all within bounds");
            let packet = RtpPacket::parse(&bytes).expect("what is emitted is valid");
            prop_assert_eq!(packet.marker(), marker);
            prop_assert_eq!(packet.payload_type().get(), payload_type);
            prop_assert_eq!(packet.sequence_number().get(), seq);
            prop_assert_eq!(packet.timestamp().get(), timestamp);
            prop_assert_eq!(packet.ssrc().get(), ssrc);
            prop_assert!(packet.csrcs().eq(csrcs.iter().copied()));
            prop_assert_eq!(
                packet.extension().map(|e| (e.profile, e.data)),
                extension.as_ref().map(|(p, _)| *p).zip(words.as_deref())
            );
            prop_assert_eq!(packet.payload(), &payload);
            prop_assert_eq!(packet.padding_len(), padding);
        }

        #[test]
        fn parts_of_any_accepted_bytes_add_up(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            if let Ok(p) = RtpPacket::parse(&bytes) {
                let len = 12
                    + p.csrcs().len() * 4
                    + p.extension().map_or(0, |e| 4 + e.data.len())
                    + p.payload().len()
                    + usize::from(p.padding_len());
                prop_assert_eq!(len, bytes.len());
            }
        }
    }
}
