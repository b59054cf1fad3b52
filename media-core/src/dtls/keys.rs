//! What a handshake is for: SRTP profile and keying material (RFC 5764 §4).

use std::fmt;
use std::ops::Range;

use zeroize::Zeroize;

use crate::srtp::CryptoSuite;

use super::Role;

/// Label of the exporter (RFC 5764 §4.2).
pub(super) const EXPORTER_LABEL: &[u8] = b"EXTRACTOR-dtls_srtp";
/// Two keys and two salts of the longest suite.
const MAX_LEN: usize = 2 * (32 + 14);

/// The suites that DTLS can negotiate, in the order in which we prefer them.
pub const SUITES: [CryptoSuite; 4] = [
    CryptoSuite::AeadAes256Gcm,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AesCm128HmacSha1_32,
];

/// The protection profile's number in use_srtp (RFC 5764 §4.1.2, RFC 7714 §14.2).
pub(super) const fn profile_of(suite: CryptoSuite) -> Option<u16> {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 => Some(1),
        CryptoSuite::AesCm128HmacSha1_32 => Some(2),
        CryptoSuite::AeadAes128Gcm => Some(7),
        CryptoSuite::AeadAes256Gcm => Some(8),
        _ => None,
    }
}

/// The suite of a profile's number.
pub(super) fn suite_of(profile: u16) -> Option<CryptoSuite> {
    SUITES
        .into_iter()
        .find(|suite| profile_of(*suite) == Some(profile))
}

/// Bytes of keying material that a suite takes.
pub(super) const fn material_len(suite: CryptoSuite) -> usize {
    2 * (suite.key_len() + suite.salt_len())
}

/// SRTP master keys and salts of both directions. Overwritten when dropped; `Debug` tells nothing.
#[derive(Clone)]
pub struct KeyingMaterial {
    bytes: [u8; MAX_LEN],
    suite: CryptoSuite,
    role: Role,
}

impl KeyingMaterial {
    /// Takes exported bytes; `None` if they are not as many as the suite needs.
    pub(super) fn new(suite: CryptoSuite, role: Role, exported: &[u8]) -> Option<Self> {
        if exported.len() != material_len(suite) {
            return None;
        }
        let mut bytes = [0; MAX_LEN];
        bytes.get_mut(..exported.len())?.copy_from_slice(exported);
        Some(Self { bytes, suite, role })
    }

    /// The suite that the keys are for.
    #[must_use]
    pub const fn suite(&self) -> CryptoSuite {
        self.suite
    }
    /// Client key ‖ server key ‖ client salt ‖ server salt (RFC 5764 §4.2).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.part(0..material_len(self.suite))
    }
    /// Master key of what we send.
    #[must_use]
    pub fn local_key(&self) -> &[u8] {
        self.key(self.role)
    }
    /// Master salt of what we send.
    #[must_use]
    pub fn local_salt(&self) -> &[u8] {
        self.salt(self.role)
    }
    /// Master key of what the peer sends.
    #[must_use]
    pub fn remote_key(&self) -> &[u8] {
        self.key(self.role.opposite())
    }
    /// Master salt of what the peer sends.
    #[must_use]
    pub fn remote_salt(&self) -> &[u8] {
        self.salt(self.role.opposite())
    }

    fn key(&self, of: Role) -> &[u8] {
        let len = self.suite.key_len();
        let start = if of == Role::Active { 0 } else { len };
        self.part(start..start + len)
    }
    fn salt(&self, of: Role) -> &[u8] {
        let len = self.suite.salt_len();
        let keys = 2 * self.suite.key_len();
        let start = if of == Role::Active { keys } else { keys + len };
        self.part(start..start + len)
    }
    fn part(&self, range: Range<usize>) -> &[u8] {
        self.bytes
            .get(range)
            .expect("invariant: the longest suite's material fits")
    }
}

impl Drop for KeyingMaterial {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyingMaterial")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_as_in_rfc5764_and_belong_to_the_roles() {
        for suite in SUITES {
            let (key, salt) = (suite.key_len(), suite.salt_len());
            let exported: Vec<u8> = [(1, key), (2, key), (3, salt), (4, salt)]
                .iter()
                .flat_map(|&(byte, len)| vec![byte; len])
                .collect();
            let client = KeyingMaterial::new(suite, Role::Active, &exported).unwrap();
            assert_eq!(client.as_bytes(), exported);
            assert_eq!(client.local_key(), vec![1; key]);
            assert_eq!(client.remote_key(), vec![2; key]);
            assert_eq!(client.local_salt(), vec![3; salt]);
            assert_eq!(client.remote_salt(), vec![4; salt]);
            let server = KeyingMaterial::new(suite, Role::Passive, &exported).unwrap();
            assert_eq!(server.local_key(), client.remote_key());
            assert_eq!(server.remote_salt(), client.local_salt());
            assert!(KeyingMaterial::new(suite, Role::Active, &exported[1..]).is_none());
            assert_eq!(profile_of(suite).and_then(suite_of), Some(suite));
        }
        assert_eq!(suite_of(5), None, "NULL is not negotiated");
    }

    #[test]
    fn debug_output_holds_no_key() {
        let suite = CryptoSuite::AesCm128HmacSha1_80;
        let material = KeyingMaterial::new(suite, Role::Active, &[0xab; 60]).unwrap();
        let text = format!("{material:?}");
        assert!(!text.contains("171") && !text.contains("ab, "), "{text}");
    }
}
