//! Writes a message attribute by attribute, signed and with a fingerprint.

use std::net::SocketAddr;

use super::attributes::{
    ERROR_CODE, ICE_CONTROLLED, ICE_CONTROLLING, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE,
    USERNAME, XOR_MAPPED_ADDRESS, xor_mapped_value,
};
use super::integrity::{INTEGRITY_LEN, IntegrityKey};
use super::{
    Class, FINGERPRINT, FINGERPRINT_LEN, FINGERPRINT_XOR, HEADER_LEN, MAGIC_COOKIE, crc32,
    type_field,
};
use crate::wire::EmitError;

/// A message in the making, at the front of a buffer. Allocates nothing.
///
/// What does not fit is noticed by [`StunBuilder::finish`].
#[derive(Debug)]
pub struct StunBuilder<'a> {
    out: &'a mut [u8],
    transaction_id: [u8; 12],
    /// Where the next byte goes, within `out` or not.
    at: usize,
    longest_value: usize,
}

impl<'a> StunBuilder<'a> {
    /// Begins a message. `method` has 12 bits, more are ignored.
    #[must_use]
    pub fn new(out: &'a mut [u8], class: Class, method: u16, transaction_id: &[u8; 12]) -> Self {
        let mut builder = Self {
            out,
            transaction_id: *transaction_id,
            at: 0,
            longest_value: 0,
        };
        builder.put(&type_field(class, method).to_be_bytes());
        builder.put(&[0, 0]);
        builder.put(&MAGIC_COOKIE.to_be_bytes());
        builder.put(transaction_id);
        builder
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if let Some(to) = self.out.get_mut(self.at..end) {
            to.copy_from_slice(bytes);
        }
        self.at = end;
    }

    /// Appends an attribute whose value is the parts, one after the other.
    fn parts(mut self, attribute_type: u16, parts: &[&[u8]]) -> Self {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        self.longest_value = self.longest_value.max(len);
        self.put(&attribute_type.to_be_bytes());
        self.put(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        for part in parts {
            self.put(part);
        }
        let padding = len.next_multiple_of(4) - len;
        self.put([0; 3].get(..padding).unwrap_or_default());
        self
    }

    /// Appends any attribute.
    #[must_use]
    pub fn attribute(self, attribute_type: u16, value: &[u8]) -> Self {
        self.parts(attribute_type, &[value])
    }
    /// Appends USERNAME of a request: `receiver:sender`, their username fragments.
    #[must_use]
    pub fn username(self, receiver: &[u8], sender: &[u8]) -> Self {
        self.parts(USERNAME, &[receiver, b":", sender])
    }
    /// Appends XOR-MAPPED-ADDRESS: where the request came from.
    #[must_use]
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let (value, len) = xor_mapped_value(address, &self.transaction_id);
        self.parts(XOR_MAPPED_ADDRESS, &[value.get(..len).unwrap_or_default()])
    }
    /// Appends PRIORITY.
    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(PRIORITY, &priority.to_be_bytes())
    }
    /// Appends USE-CANDIDATE.
    #[must_use]
    pub fn use_candidate(self) -> Self {
        self.attribute(USE_CANDIDATE, &[])
    }
    /// Appends ICE-CONTROLLED.
    #[must_use]
    pub fn ice_controlled(self, tie_breaker: u64) -> Self {
        self.attribute(ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }
    /// Appends ICE-CONTROLLING.
    #[must_use]
    pub fn ice_controlling(self, tie_breaker: u64) -> Self {
        self.attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }
    /// Appends ERROR-CODE. `code` is 300–699; what lies outside is brought to the nearer end.
    #[must_use]
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let code = code.clamp(300, 699);
        let [_, class] = (code / 100).to_be_bytes();
        let [_, number] = (code % 100).to_be_bytes();
        self.parts(ERROR_CODE, &[&[0, 0, class, number], reason.as_bytes()])
    }

    /// Signs if there is a key, adds the fingerprint, and returns the message's length in bytes.
    ///
    /// # Errors
    /// - [`EmitError::TooLong`]: more than 65,535 bytes of attributes, or a value of more.
    /// - [`EmitError::BufferTooSmall`]: the buffer is shorter than the message.
    pub fn finish(mut self, key: Option<&IntegrityKey>) -> Result<usize, EmitError> {
        let signed_len = self.at + key.map_or(0, |_| INTEGRITY_LEN);
        let needed = signed_len + FINGERPRINT_LEN;
        let available = self.out.len();
        let max = usize::from(u16::MAX);
        let longest = self.longest_value.max(needed - HEADER_LEN);
        if longest > max {
            return Err(EmitError::TooLong { len: longest, max });
        }
        if needed > available {
            return Err(EmitError::BufferTooSmall { needed, available });
        }
        if let Some(key) = key {
            self.set_length(signed_len);
            let tag = key.tag(&[self.out.get(..self.at).unwrap_or_default()]);
            self = self.attribute(MESSAGE_INTEGRITY, &tag);
        }
        self.set_length(needed);
        let crc = crc32(self.out.get(..self.at).unwrap_or_default()) ^ FINGERPRINT_XOR;
        self = self.attribute(FINGERPRINT, &crc.to_be_bytes());
        Ok(self.at)
    }

    /// Sets the length field for a message that ends there.
    fn set_length(&mut self, end: usize) {
        let length = u16::try_from(end - HEADER_LEN).unwrap_or(u16::MAX);
        if let Some(field) = self.out.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}
