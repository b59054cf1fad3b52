//! AES-GCM for SRTP (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Bytes of a tag.
pub(super) const TAG_LEN: usize = 16;

/// A session key with its salt.
pub(super) struct Gcm {
    key: LessSafeKey,
    /// The session salt, 96 bits.
    salt: u128,
}

impl Gcm {
    /// Of a session key of 16 or 32 bytes and a session salt.
    ///
    /// # Panics
    /// If the key is of another length: suites have no others.
    pub(super) fn new(key: &[u8], salt: &[u8; 12]) -> Self {
        let algorithm = if key.len() == 16 {
            &AES_128_GCM
        } else {
            &AES_256_GCM
        };
        let key = UnboundKey::new(algorithm, key)
            .expect("invariant: the suite's keys are those of its cipher");
        let mut padded = [0; 16];
        padded[4..].copy_from_slice(salt);
        let gcm = Self {
            key: LessSafeKey::new(key),
            salt: u128::from_be_bytes(padded),
        };
        padded.zeroize();
        gcm
    }

    /// Encrypts in place and returns the tag.
    #[inline]
    pub(super) fn seal(&self, ssrc: u32, index: u64, aad: &[u8], data: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), data)
            .expect("invariant: a packet is shorter than what GCM can encrypt");
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts in place if the tag matches; if not, says `false` and the data are unspecified.
    #[inline]
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> bool {
        self.key
            .open_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), tag, data)
            .is_ok()
    }

    /// 0 (16 bits) ‖ SSRC (32) ‖ index (48), xor the salt (RFC 7714 §8.1, §9.1).
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let iv = self.salt ^ (u128::from(ssrc) << 48 | u128::from(index));
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&iv.to_be_bytes()[4..]);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}
