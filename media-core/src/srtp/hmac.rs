//! HMAC-SHA1 (RFC 2104) with the key's two blocks hashed ahead: per packet only the packet's own.

use sha1::block_api::compress;
use zeroize::Zeroize;

/// Bytes of a session authentication key (RFC 3711 §8.2).
pub(super) const KEY_LEN: usize = 20;
/// Bytes of a whole tag.
const TAG_LEN: usize = 20;

const BLOCK: usize = 64;
/// Bytes of the padding: one bit and the length.
const PADDING_MIN: usize = 9;
const INITIAL: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// A keyed HMAC-SHA1: SHA-1's states after the inner and the outer key block.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    /// Hashes the key's blocks.
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (b, k) in block.iter_mut().zip(key) {
                *b ^= k;
            }
            let mut state = INITIAL;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// The tag of `message`, followed by the rollover counter if there is one (RFC 3711 §4.2). Of its 20
    /// bytes SRTP takes the first 10 or 4; here are the first 16, in network order.
    #[inline]
    pub(super) fn tag(&self, message: &[u8], roc: Option<u32>) -> u128 {
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        let mut state = self.inner;
        compress(&mut state, blocks);

        let mut last = [0; 2 * BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let mut len = rest.len();
        if let Some(roc) = roc {
            last[len..len + 4].copy_from_slice(&roc.to_be_bytes());
            len += 4;
        }
        last[len] = 0x80;
        let end = (len + PADDING_MIN).next_multiple_of(BLOCK);
        let hashed = BLOCK + blocks.as_flattened().len() + len;
        last[end - 8..end].copy_from_slice(&(hashed as u64 * 8).to_be_bytes());
        compress(&mut state, last[..end].as_chunks().0);

        let mut last = [0; BLOCK];
        put(&state, &mut last);
        last[TAG_LEN] = 0x80;
        last[BLOCK - 8..].copy_from_slice(&((BLOCK + TAG_LEN) as u64 * 8).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[last]);
        let [a, b, c, d, _] = state.map(u128::from);
        a << 96 | b << 64 | c << 32 | d
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Writes a state in network order to the front of `out`.
#[inline]
fn put(state: &[u32; 5], out: &mut [u8]) {
    for (out, word) in out.as_chunks_mut().0.iter_mut().zip(state) {
        *out = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    #[test]
    fn tags_are_those_of_another_implementation() {
        let key: [u8; KEY_LEN] = std::array::from_fn(|n| u8::try_from(n * 7).unwrap());
        let ours = HmacSha1::new(&key);
        let theirs = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        let message: Vec<u8> = (0..300).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for len in 0..message.len() {
            let message = &message[..len];
            let expected = hmac::sign(&theirs, message);
            let tag = ours.tag(message, None).to_be_bytes();
            assert_eq!(tag, expected.as_ref()[..16], "{len}");
            let expected = hmac::sign(&theirs, &[message, &[1, 2, 3, 4]].concat());
            let tag = ours.tag(message, Some(0x0102_0304)).to_be_bytes();
            assert_eq!(tag, expected.as_ref()[..16], "{len}");
        }
    }
}
