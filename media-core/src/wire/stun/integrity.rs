//! MESSAGE-INTEGRITY (RFC 8489 §14.5): HMAC-SHA1 over the message in front of it, whose length field
//! counts up to and including it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            0x0008             |              20               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   HMAC-SHA1 (160 bits)  …
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::attributes::MESSAGE_INTEGRITY;
use super::{HEADER_LEN, StunMessage};

/// Bytes of the whole attribute.
pub(super) const INTEGRITY_LEN: usize = 4 + TAG_LEN;
const TAG_LEN: usize = 20;

/// A password made ready: the two blocks that depend on it alone are hashed. Allocates nothing, ever.
#[derive(Clone)]
pub struct IntegrityKey(Hmac<Sha1>);

impl IntegrityKey {
    /// The key of short-term credentials: the password itself (RFC 8489 §9.1.1).
    ///
    /// SASLprep is not applied: ICE passwords are ASCII (RFC 8839 §5.4).
    #[must_use]
    pub fn new(password: &[u8]) -> Self {
        Self(Hmac::new_from_slice(password).expect("invariant: HMAC takes keys of any length"))
    }

    /// HMAC-SHA1 of the parts, one after the other.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 20] {
        self.over(parts).finalize().into_bytes().into()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha1> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(…)")
    }
}

impl StunMessage<'_> {
    /// Whether the message carries a MESSAGE-INTEGRITY made with this key. Compares in constant time.
    #[must_use]
    pub fn integrity_matches(&self, key: &IntegrityKey) -> bool {
        self.check_integrity(key).unwrap_or(false)
    }

    fn check_integrity(&self, key: &IntegrityKey) -> Option<bool> {
        let mut attributes = self.attributes();
        let (offset, tag) = loop {
            let offset = self.bytes.len() - attributes.rest.len();
            let attribute = attributes.next()?;
            if attribute.attribute_type == MESSAGE_INTEGRITY {
                break (offset, attribute.value);
            }
        };
        let covered_len = u16::try_from(offset + INTEGRITY_LEN - HEADER_LEN).ok()?;
        let message_type = self.bytes.get(..2)?;
        let rest = self.bytes.get(4..offset)?;
        let mac = key.over(&[message_type, &covered_len.to_be_bytes(), rest]);
        Some(mac.verify_slice(tag).is_ok())
    }
}
