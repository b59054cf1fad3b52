//! STUN messages (RFC 8489 §5, §14): recognise and walk. Refuses the classic STUN of RFC 3489, which
//! has no magic cookie, and keeps no keys: who checks message integrity brings one.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0|     message type          |  message length, bytes        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   magic cookie 0x2112A442                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! |                  transaction ID (96 bits)                     |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  attributes: type, length, value padded to whole words  …     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::{EmitError, Writer, take};

mod attributes;
mod builder;
mod integrity;

pub use attributes::{
    ERROR_CODE, ICE_CONTROLLED, ICE_CONTROLLING, MESSAGE_INTEGRITY, PRIORITY, ROLE_CONFLICT,
    USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
};
pub use builder::StunBuilder;
pub use integrity::IntegrityKey;

/// The fixed value of bytes 4–7.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Length of the header, bytes.
pub const HEADER_LEN: usize = 20;
/// The binding method, the only one that ICE uses (RFC 8489 §18.2).
pub const BINDING: u16 = 0x001;
/// Attribute type of FINGERPRINT (RFC 8489 §14.7).
pub const FINGERPRINT: u16 = 0x8028;

const FINGERPRINT_LEN: usize = 8;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// Shorter than the header.
    #[error("STUN message of {0} bytes is shorter than its header")]
    TooShort(usize),
    /// The two most significant bits are not zero.
    #[error("first byte {0:#04x} is not STUN's")]
    BadType(u8),
    /// Bytes 4–7 are not the magic cookie.
    #[error("{0:#010x} is not the magic cookie")]
    BadCookie(u32),
    /// The length field is not the length of the datagram less the header, or not whole words.
    #[error("STUN message says {0} bytes follow its header, which is not so")]
    BadLength(u16),
    /// An attribute runs past the end of the message.
    #[error("STUN attribute {0:#06x} runs past the end")]
    TruncatedAttribute(u16),
}

/// What a message is for (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// A request succeeded.
    Success,
    /// A request failed.
    Error,
}

/// A STUN message whose attributes have been walked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StunMessage<'a> {
    message_type: u16,
    transaction_id: &'a [u8; 12],
    bytes: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> StunMessage<'a> {
    /// Checks header and attributes of a message that fills its datagram.
    ///
    /// # Errors
    /// The first defect found, see [`StunError`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let too_short = StunError::TooShort(datagram.len());
        let mut rest = datagram;
        let &[t0, t1, l0, l1, c0, c1, c2, c3] = take(&mut rest).ok_or(too_short)?;
        let transaction_id = take(&mut rest).ok_or(too_short)?;
        if t0 & 0xc0 != 0 {
            return Err(StunError::BadType(t0));
        }
        let cookie = u32::from_be_bytes([c0, c1, c2, c3]);
        if cookie != MAGIC_COOKIE {
            return Err(StunError::BadCookie(cookie));
        }
        let len = u16::from_be_bytes([l0, l1]);
        if usize::from(len) != rest.len() || !len.is_multiple_of(4) {
            return Err(StunError::BadLength(len));
        }
        let mut attributes = Attributes { rest };
        while attributes.next().is_some() {}
        if let &[t0, t1, ..] = attributes.rest {
            let attribute_type = u16::from_be_bytes([t0, t1]);
            return Err(StunError::TruncatedAttribute(attribute_type));
        }
        Ok(Self {
            message_type: u16::from_be_bytes([t0, t1]),
            transaction_id,
            bytes: datagram,
            attributes: rest,
        })
    }

    /// Request, indication or response.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.message_type & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }
    /// The method, 12 bits, for example [`BINDING`].
    #[must_use]
    pub const fn method(&self) -> u16 {
        let t = self.message_type;
        (t & 0x000f) | ((t & 0x00e0) >> 1) | ((t & 0x3e00) >> 2)
    }
    /// Ties a response to its request.
    #[must_use]
    pub const fn transaction_id(&self) -> &'a [u8; 12] {
        self.transaction_id
    }
    /// The attributes in their order.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: self.attributes,
        }
    }
    /// Value of the first attribute of this type; later ones do not count (RFC 8489 §14).
    #[must_use]
    pub fn attribute(&self, attribute_type: u16) -> Option<&'a [u8]> {
        self.attributes()
            .find(|a| a.attribute_type == attribute_type)
            .map(|a| a.value)
    }
    /// Whether the fingerprint is right (RFC 8489 §14.7); `None` if the message does not end in one.
    #[must_use]
    pub fn fingerprint_matches(&self) -> Option<bool> {
        let (covered, mut last) = self
            .bytes
            .split_at_checked(self.bytes.len().checked_sub(FINGERPRINT_LEN)?)?;
        let claimed = self.attributes().last()?;
        if claimed.attribute_type != FINGERPRINT || claimed.value.len() != 4 {
            return None;
        }
        let _type_and_length: &[u8; 4] = take(&mut last)?;
        let value = super::take_u32(&mut last)?;
        Some(crc32(covered) ^ FINGERPRINT_XOR == value)
    }
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type; 0x8000 and above may be ignored when unknown.
    pub attribute_type: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// Iterator over the attributes of a [`StunMessage`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;
    fn next(&mut self) -> Option<Attribute<'a>> {
        let mut rest = self.rest;
        let &[t0, t1, l0, l1] = take(&mut rest)?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let (padded, rest) = rest.split_at_checked(len.next_multiple_of(4))?;
        self.rest = rest;
        Some(Attribute {
            attribute_type: u16::from_be_bytes([t0, t1]),
            value: padded.get(..len).unwrap_or_default(),
        })
    }
}

/// Writes a message to the front of `out`, a fingerprint last if wanted, and returns its length.
///
/// `method` has 12 bits, more are ignored. Integrity must be among `attributes` already; a message that
/// is to be signed is made with [`StunBuilder`].
///
/// # Errors
/// - [`EmitError::TooLong`]: attributes of more than 65,535 bytes in all.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than the message.
pub fn emit(
    out: &mut [u8],
    class: Class,
    method: u16,
    transaction_id: &[u8; 12],
    attributes: &[Attribute<'_>],
    fingerprint: bool,
) -> Result<usize, EmitError> {
    let listed: usize = attributes
        .iter()
        .map(|a| 4 + a.value.len().next_multiple_of(4))
        .sum();
    let len = listed + if fingerprint { FINGERPRINT_LEN } else { 0 };
    let too_long = |_| EmitError::TooLong {
        len,
        max: usize::from(u16::MAX),
    };
    let length = u16::try_from(len).map_err(too_long)?;

    let mut writer = Writer::new(out, HEADER_LEN + len)?;
    writer.put_u16(type_field(class, method));
    writer.put_u16(length);
    writer.put_u32(MAGIC_COOKIE);
    writer.put(transaction_id);
    for Attribute {
        attribute_type,
        value,
    } in attributes
    {
        writer.put_u16(*attribute_type);
        writer.put_u16(u16::try_from(value.len()).map_err(too_long)?);
        writer.put(value);
        writer.zeros(value.len().next_multiple_of(4) - value.len());
    }
    let written = writer.written();
    if !fingerprint {
        return Ok(written);
    }
    let (covered, rest) = out
        .split_at_mut_checked(written)
        .expect("invariant: the writer stayed within out");
    let mut writer = Writer::new(rest, FINGERPRINT_LEN)?;
    writer.put_u16(FINGERPRINT);
    writer.put_u16(4);
    writer.put_u32(crc32(covered) ^ FINGERPRINT_XOR);
    Ok(written + FINGERPRINT_LEN)
}

/// The first 16 bits: class and method interleaved (RFC 8489 §5).
fn type_field(class: Class, method: u16) -> u16 {
    let class_bits = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    class_bits | (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2)
}

/// CRC-32 of ISO 3309, as RFC 8489 §14.7 asks for; by nibbles, as it is off the fast path.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 4) ^ nibble_remainder(crc & 15);
    !bytes
        .iter()
        .fold(u32::MAX, |crc, b| step(step(crc ^ u32::from(*b))))
}

/// Remainder of four bits by the reflected polynomial 0xEDB88320.
fn nibble_remainder(nibble: u32) -> u32 {
    (0..4).fold(nibble, |crc, _| {
        (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
    })
}

#[cfg(test)]
mod ice_tests;
#[cfg(test)]
mod tests;
