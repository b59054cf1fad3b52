//! Master keys.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::CryptoSuite;

/// The longest key (32 bytes) and the longest salt (14 bytes) together.
const MAX_LEN: usize = 46;

/// The bytes given are not as many as the suite's key and salt have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} bytes of key material for {}, which takes {needed}", suite.name())]
pub struct KeyLengthError {
    /// Whose key it was to be.
    pub suite: CryptoSuite,
    /// Bytes that it takes.
    pub needed: usize,
    /// Bytes that were given.
    pub got: usize,
}

/// A master key with its master salt, for one suite and one direction (RFC 3711 §3.2.1).
///
/// Its bytes are wiped when it is dropped, never shown by `Debug`, and compared in constant time.
#[derive(Clone)]
pub struct MasterKey {
    suite: CryptoSuite,
    /// key ‖ salt, then zeros.
    bytes: [u8; MAX_LEN],
}

impl MasterKey {
    /// Of key ‖ salt, as SDES carries them behind `inline:` once decoded (RFC 4568 §6.1).
    ///
    /// # Errors
    /// If there are not exactly [`CryptoSuite::key_len`] + [`CryptoSuite::salt_len`] bytes.
    pub fn new(suite: CryptoSuite, key_and_salt: &[u8]) -> Result<Self, KeyLengthError> {
        let (key, salt) = key_and_salt
            .split_at_checked(suite.key_len())
            .unwrap_or((key_and_salt, &[]));
        Self::from_parts(suite, key, salt).ok_or(KeyLengthError {
            suite,
            needed: suite.key_len() + suite.salt_len(),
            got: key_and_salt.len(),
        })
    }

    /// A new one from the operating system's random source.
    #[must_use]
    pub fn generate(suite: CryptoSuite) -> Self {
        let mut key = Self {
            suite,
            bytes: [0; MAX_LEN],
        };
        let len = suite.key_len() + suite.salt_len();
        aws_lc_rs::rand::fill(&mut key.bytes[..len])
            .expect("invariant: the system's random source does not fail");
        key
    }

    /// The suite that it is for.
    #[must_use]
    pub fn suite(&self) -> CryptoSuite {
        self.suite
    }

    /// key ‖ salt, for whoever writes it into a session description.
    #[must_use]
    pub fn key_and_salt(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len() + self.suite.salt_len()]
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len()]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.key_and_salt()[self.suite.key_len()..]
    }

    fn from_parts(suite: CryptoSuite, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != suite.key_len() || salt.len() != suite.salt_len() {
            return None;
        }
        let mut bytes = [0; MAX_LEN];
        bytes[..key.len()].copy_from_slice(key);
        bytes[key.len()..][..salt.len()].copy_from_slice(salt);
        Some(Self { suite, bytes })
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for MasterKey {}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// The keys of both directions of a DTLS association (RFC 5764 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsKeys {
    /// What the DTLS client protects with.
    pub client: MasterKey,
    /// What the DTLS server protects with.
    pub server: MasterKey,
}

impl DtlsKeys {
    /// Bytes to ask the exporter for, under the label `EXTRACTOR-dtls_srtp`.
    #[must_use]
    pub const fn exporter_len(suite: CryptoSuite) -> usize {
        2 * (suite.key_len() + suite.salt_len())
    }

    /// Of the exporter's output: client key, server key, client salt, server salt.
    ///
    /// # Errors
    /// If there are not exactly [`DtlsKeys::exporter_len`] bytes.
    pub fn new(suite: CryptoSuite, exported: &[u8]) -> Result<Self, KeyLengthError> {
        let wrong = KeyLengthError {
            suite,
            needed: Self::exporter_len(suite),
            got: exported.len(),
        };
        if exported.len() != Self::exporter_len(suite) {
            return Err(wrong);
        }
        let (keys, salts) = exported.split_at(2 * suite.key_len());
        let (client_key, server_key) = keys.split_at(suite.key_len());
        let (client_salt, server_salt) = salts.split_at(suite.salt_len());
        let key = |key, salt| MasterKey::from_parts(suite, key, salt).ok_or(wrong);
        Ok(Self {
            client: key(client_key, client_salt)?,
            server: key(server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_has_the_length_of_its_suite() {
        for suite in CryptoSuite::ALL {
            let needed = suite.key_len() + suite.salt_len();
            for got in [0, 1, suite.key_len(), needed - 1, needed + 1, 100] {
                let error = KeyLengthError { suite, needed, got };
                assert_eq!(MasterKey::new(suite, &vec![0; got]), Err(error));
            }
            let bytes: Vec<u8> = (1..).take(needed).collect();
            let key = MasterKey::new(suite, &bytes).unwrap();
            assert_eq!(key.key_and_salt(), bytes);
            assert_eq!([key.key(), key.salt()].concat(), bytes);
        }
    }

    #[test]
    fn generated_keys_differ() {
        for suite in CryptoSuite::ALL {
            let (a, b) = (MasterKey::generate(suite), MasterKey::generate(suite));
            assert_ne!(a, b);
            assert_eq!(a, a.clone());
            assert_eq!(MasterKey::new(suite, a.key_and_salt()), Ok(a));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let suite = CryptoSuite::AesCm128HmacSha1_80;
        let key = MasterKey::new(suite, &[0xab; 30]).unwrap();
        assert_eq!(
            format!("{key:?}"),
            "MasterKey { suite: AesCm128HmacSha1_80, .. }"
        );
        let keys = DtlsKeys::new(suite, &[171; 60]).unwrap();
        assert!(!format!("{keys:?}").contains("171"));
    }

    #[test]
    fn exporter_output_is_cut_as_rfc5764_draws_it() {
        for suite in CryptoSuite::ALL {
            let (key, salt) = (suite.key_len(), suite.salt_len());
            let part = |byte, len| vec![byte; len];
            let exported = [part(1, key), part(2, key), part(3, salt), part(4, salt)].concat();
            let keys = DtlsKeys::new(suite, &exported).unwrap();
            let expected = [part(1, key), part(3, salt)].concat();
            assert_eq!(keys.client.key_and_salt(), expected);
            let expected = [part(2, key), part(4, salt)].concat();
            assert_eq!(keys.server.key_and_salt(), expected);
            assert!(DtlsKeys::new(suite, &exported[1..]).is_err());
        }
    }
}
