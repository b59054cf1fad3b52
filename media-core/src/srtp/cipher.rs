//! The ciphers that leave authentication to HMAC: AES in counter mode (RFC 3711 §4.1.1, RFC 6188), AES in
//! f8 mode (RFC 3711 §4.1.2) and none (§4.1.3).

use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use zeroize::Zeroize;

/// AES with the key of one of its three lengths.
pub(super) enum Aes {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Aes {
    /// # Panics
    /// If the key is not of 16, 24 or 32 bytes: suites have no others.
    pub(super) fn new(key: &[u8]) -> Self {
        let aes = match key.len() {
            16 => Aes128Enc::new_from_slice(key).map(Self::Aes128),
            24 => Aes192Enc::new_from_slice(key).map(Self::Aes192),
            _ => Aes256Enc::new_from_slice(key).map(Self::Aes256),
        };
        aes.expect("invariant: the suite's keys are those of AES")
    }

    /// Encrypts or decrypts in counter mode from the counter block `iv` on.
    #[inline]
    pub(super) fn apply_keystream(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(aes) => apply_keystream(aes, iv, data),
            Self::Aes192(aes) => apply_keystream(aes, iv, data),
            Self::Aes256(aes) => apply_keystream(aes, iv, data),
        }
    }
}

/// A packet is shorter than 2^16 blocks and the counter starts with 16 zero bits, so 32 bits of counting
/// are plenty.
#[inline]
fn apply_keystream<C>(aes: &C, iv: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
{
    CtrCore::<&C, Ctr32BE>::inner_iv_init(aes, &iv.into()).apply_keystream_partial(data.into());
}

/// Encrypts what HMAC authenticates. Encryption and decryption are the same operation.
#[expect(
    clippy::large_enum_variant,
    reason = "contexts are boxed, and a packet saves a pointer to follow"
)]
pub(super) enum Cipher {
    /// AES in counter mode.
    Cm {
        aes: Aes,
        /// The session salt × 2^16.
        salt: u128,
    },
    /// AES in f8 mode.
    F8(Box<F8>),
    /// None.
    Null,
}

impl Cipher {
    /// Counter mode under a session key and a session salt of 14 bytes.
    pub(super) fn cm(key: &[u8], salt: &[u8; 14]) -> Self {
        let mut padded = [0; 16];
        padded[..salt.len()].copy_from_slice(salt);
        let cipher = Self::Cm {
            aes: Aes::new(key),
            salt: u128::from_be_bytes(padded),
        };
        padded.zeroize();
        cipher
    }

    /// f8 mode under a session key and a session salt.
    pub(super) fn f8(key: &[u8; 16], salt: &[u8]) -> Self {
        Self::F8(Box::new(F8::new(key, salt)))
    }

    /// Whether it hides anything.
    pub(super) const fn encrypts(&self) -> bool {
        !matches!(self, Self::Null)
    }

    /// Applies to the payload of the RTP packet that begins with `header`.
    #[inline]
    pub(super) fn apply_rtp(&self, header: &[u8], index: u64, payload: &mut [u8]) {
        match self {
            Self::Cm { aes, salt } => {
                let iv = salt ^ counter(header, 8, index);
                aes.apply_keystream(iv.to_be_bytes(), payload);
            }
            Self::F8(f8) => f8.apply(f8_iv_rtp(header, index), payload),
            Self::Null => {}
        }
    }

    /// Applies to what follows the first 8 bytes of an RTCP packet. `word` is E and index.
    #[inline]
    pub(super) fn apply_rtcp(&self, prefix: &[u8], word: u32, rest: &mut [u8]) {
        match self {
            Self::Cm { aes, salt } => {
                let index = u64::from(word & 0x7fff_ffff);
                let iv = salt ^ counter(prefix, 4, index);
                aes.apply_keystream(iv.to_be_bytes(), rest);
            }
            Self::F8(f8) => {
                let mut iv = [0; 16];
                iv[4..8].copy_from_slice(&word.to_be_bytes());
                iv[8..].copy_from_slice(&prefix[..8]);
                f8.apply(iv, rest);
            }
            Self::Null => {}
        }
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        if let Self::Cm { salt, .. } = self {
            salt.zeroize();
        }
    }
}

/// SSRC × 2^64 xor index × 2^16 (RFC 3711 §4.1.1); the SSRC stands at `ssrc_at` in the header.
#[inline]
fn counter(header: &[u8], ssrc_at: usize, index: u64) -> u128 {
    u128::from(ssrc(header, ssrc_at)) << 64 | u128::from(index) << 16
}

/// The SSRC that stands at `at`; callers have checked that the header is that long.
#[inline]
pub(super) fn ssrc(header: &[u8], at: usize) -> u32 {
    header[at..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// 0x00 ‖ M ‖ PT ‖ SEQ ‖ TS ‖ SSRC ‖ ROC (RFC 3711 §4.1.2.2).
fn f8_iv_rtp(header: &[u8], index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[1..12].copy_from_slice(&header[1..12]);
    iv[12..].copy_from_slice(&index.to_be_bytes()[2..6]);
    iv
}

/// AES in f8 mode: output feedback, made different for every packet by a second key.
pub(super) struct F8 {
    aes: Aes128Enc,
    /// Under the key xor the salt padded with 0x55, for the initialisation vector.
    masked: Aes128Enc,
}

impl F8 {
    fn new(key: &[u8; 16], salt: &[u8]) -> Self {
        let mut mask = [0x55; 16];
        mask[..salt.len()].copy_from_slice(salt);
        for (m, k) in mask.iter_mut().zip(key) {
            *m ^= k;
        }
        let f8 = Self {
            aes: Aes128Enc::new(key.into()),
            masked: Aes128Enc::new(&mask.into()),
        };
        mask.zeroize();
        f8
    }

    fn apply(&self, iv: [u8; 16], data: &mut [u8]) {
        let mut start = iv.into();
        self.masked.encrypt_block(&mut start);
        // Numbers in the machine's byte order, so that only the counter is turned round.
        let start = u128::from_ne_bytes(start.into());
        let mut keystream = 0_u128;
        let mut next = |j: u128| {
            let mut block = (start ^ j.to_be() ^ keystream).to_ne_bytes().into();
            self.aes.encrypt_block(&mut block);
            keystream = u128::from_ne_bytes(block.into());
            keystream
        };
        let (blocks, rest) = data.as_chunks_mut::<16>();
        let mut j = 0;
        for block in blocks {
            *block = (u128::from_ne_bytes(*block) ^ next(j)).to_ne_bytes();
            j += 1;
        }
        if !rest.is_empty() {
            for (byte, key) in rest.iter_mut().zip(next(j).to_ne_bytes()) {
                *byte ^= key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    /// The salt of all keystream vectors.
    const SALT: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfd";

    /// The first and the last three blocks of the longest keystream that there is, SSRC and index 0.
    fn check_keystream(key: &str, first: &str, last: &str) {
        let cipher = Cipher::cm(&hex(key), &hex(SALT).try_into().unwrap());
        let mut data = vec![0; 0xff02 * 16];
        cipher.apply_rtp(&[0; 12], 0, &mut data);
        assert_eq!(data[..48], hex(first));
        assert_eq!(data[data.len() - 48..], hex(last));
    }

    #[test]
    fn rfc3711_b2_keystream_of_aes_128() {
        check_keystream(
            "2b7e151628aed2a6abf7158809cf4f3c",
            "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab
             41e95b3bb0a2e8dd477901e4fca894c0",
            "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae
             6a2cc3787889374fbeb4c81b17ba6c44",
        );
    }

    #[test]
    fn rfc6188_7_1_keystream_of_aes_256() {
        check_keystream(
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac
             63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d
             6eb246913062a16891433e97dd01a57f",
        );
    }

    #[test]
    fn rfc6188_7_3_keystream_of_aes_192() {
        check_keystream(
            "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
            "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a
             474a40c77894bc17180202272a4c264d",
            "d108d1a31a00bad6367ec23eb044b415 c8f57129fdeb970b59f917b257662d4c
             a5dab625811034e8cebdfeb6dc158dd3",
        );
    }

    #[test]
    fn rfc3711_b1_f8() {
        let key = hex("234829008467be186c3de14aae72d62c");
        let cipher = Cipher::f8(&key.try_into().unwrap(), &hex("32f2870d"));
        let mut data = b"pseudorandomness is the next best thing".to_vec();
        let header = hex("806e5cba50681de55c621599");
        cipher.apply_rtp(&header, 0xd462_564a_5cba, &mut data);
        assert_eq!(
            data,
            hex("019ce7a26e7854014a6366aa95d4eefd
                 1ad4172a14f9faf455b7f1d4b62bd08f
                 562c0eef7c4802")
        );
    }
}
