//! What both ends of a stream have agreed on.

use super::{CryptoSuite, MasterKey};

/// Master key identifier: which of several keys a packet is under (RFC 3711 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mki {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Mki {
    /// The longest that fits a packet slot's tailroom, bytes; RFC 4568 would allow 128.
    pub const MAX_LEN: usize = 32;

    /// As on the wire; `None` unless of 1 to [`Mki::MAX_LEN`] bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut mki = Self {
            bytes: [0; Self::MAX_LEN],
            len: u8::try_from(bytes.len()).ok().filter(|len| *len > 0)?,
        };
        mki.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(mki)
    }

    /// As on the wire, 1 to [`Mki::MAX_LEN`] bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// One direction's key and session parameters (RFC 4568 §6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpParams {
    /// The key, and with it the suite.
    pub key: MasterKey,
    /// Present in every packet if set.
    pub mki: Option<Mki>,
    /// `UNENCRYPTED_SRTP`: SRTP packets are authenticated only.
    pub unencrypted_srtp: bool,
    /// `UNENCRYPTED_SRTCP`: SRTCP packets that we send are authenticated only. Received ones say
    /// themselves whether they are encrypted.
    pub unencrypted_srtcp: bool,
    /// `UNAUTHENTICATED_SRTP`: SRTP packets carry no tag, and nothing is a replay. SRTCP is always
    /// authenticated (RFC 3711 §3.4), and so is everything under an AEAD suite, where this is ignored.
    pub unauthenticated_srtp: bool,
}

impl SrtpParams {
    /// Encrypted and authenticated, without MKI.
    #[must_use]
    pub const fn new(key: MasterKey) -> Self {
        Self {
            key,
            mki: None,
            unencrypted_srtp: false,
            unencrypted_srtcp: false,
            unauthenticated_srtp: false,
        }
    }

    /// The suite of the key.
    #[must_use]
    pub fn suite(&self) -> CryptoSuite {
        self.key.suite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mki_has_1_to_32_bytes() {
        assert_eq!(Mki::new(&[7; 32]).unwrap().as_bytes(), [7; 32]);
        assert_eq!(Mki::new(&[0; 33]), None);
        assert_eq!(Mki::new(&[0; 300]), None);
        assert_eq!(Mki::new(&[]), None);
    }
}
