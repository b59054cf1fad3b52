//! Where the parts of a protected packet stand, and which of them are encrypted and authenticated.
//!
//! A [`Layer`] is what SRTP or SRTCP does with one packet whose index is known. It keeps no state.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{Cipher, ssrc};
use super::gcm::{self, Gcm};
use super::hmac::{self, HmacSha1};
use super::kdf::{Label, derive};
use super::{CryptoSuite, MasterKey, Mki, RTCP_PREFIX_LEN, SrtpParams, UnprotectError};
use crate::units::ExtSeqNo;

/// Bytes of E and SRTCP index.
const WORD_LEN: usize = 4;
/// E, in the word of the SRTCP index: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Where the SSRC stands in an RTP header.
const RTP_SSRC_AT: usize = 8;
/// Where the SSRC stands in an RTCP packet.
const RTCP_SSRC_AT: usize = 4;

/// The session keys of SRTP or of SRTCP.
pub(super) struct Layer {
    transform: Transform,
    encrypt: bool,
    /// 0 if SRTP packets are not authenticated.
    tag_len: usize,
    mki: Option<Mki>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "contexts are boxed, and a packet saves a pointer to follow"
)]
enum Transform {
    Hmac { cipher: Cipher, mac: HmacSha1 },
    Aead(Gcm),
}

impl Transform {
    fn new(master: &MasterKey, [key, authentication, salt]: [Label; 3]) -> Self {
        let session = |label, len| {
            let mut out = Zeroizing::new([0; 32]);
            derive(master, label, &mut out[..len]);
            out
        };
        let suite = master.suite();
        let key_len = suite.key_len();
        let key = session(key, key_len);
        let salt = session(salt, suite.salt_len());
        if suite.is_aead() {
            return Self::Aead(Gcm::new(&key[..key_len], &front(&salt)));
        }
        let cipher = match suite {
            CryptoSuite::NullHmacSha1_80 | CryptoSuite::NullHmacSha1_32 => Cipher::Null,
            CryptoSuite::F8_128HmacSha1_80 | CryptoSuite::F8_128HmacSha1_32 => {
                Cipher::f8(&front(&key), &salt[..suite.salt_len()])
            }
            _ => Cipher::cm(&key[..key_len], &front(&salt)),
        };
        let authentication = session(authentication, hmac::KEY_LEN);
        let mac = HmacSha1::new(&front(&authentication));
        Self::Hmac { cipher, mac }
    }
}

/// The first `N` bytes.
fn front<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    let (front, _) = bytes
        .split_first_chunk()
        .expect("invariant: no key or salt is longer");
    *front
}

impl Layer {
    /// SRTP's.
    pub(super) fn rtp(params: &SrtpParams) -> Self {
        let suite = params.suite();
        let labels = [Label::RtpKey, Label::RtpAuthentication, Label::RtpSalt];
        Self {
            transform: Transform::new(&params.key, labels),
            encrypt: !params.unencrypted_srtp,
            tag_len: if params.unauthenticated_srtp && !suite.is_aead() {
                0
            } else {
                suite.tag_len()
            },
            mki: params.mki,
        }
    }

    /// SRTCP's.
    pub(super) fn rtcp(params: &SrtpParams) -> Self {
        let labels = [Label::RtcpKey, Label::RtcpAuthentication, Label::RtcpSalt];
        Self {
            transform: Transform::new(&params.key, labels),
            encrypt: !params.unencrypted_srtcp,
            tag_len: params.suite().rtcp_tag_len(),
            mki: params.mki,
        }
    }

    /// Whether packets carry a tag.
    pub(super) const fn authenticates(&self) -> bool {
        self.tag_len != 0
    }

    /// Bytes that an SRTP packet has behind its payload.
    pub(super) fn trailer_len(&self) -> usize {
        self.mki().len() + self.tag_len
    }

    /// Bytes that an SRTCP packet has behind its RTCP.
    pub(super) fn rtcp_trailer_len(&self) -> usize {
        WORD_LEN + self.trailer_len()
    }

    fn mki(&self) -> &[u8] {
        self.mki.as_ref().map_or(&[], Mki::as_bytes)
    }

    /// Protects an RTP packet that has room for the trailer at its end.
    #[inline]
    pub(super) fn seal_rtp(&self, packet: &mut [u8], header_len: usize, index: u64) {
        let (message, trailer) = packet.split_at_mut(packet.len() - self.trailer_len());
        match &self.transform {
            Transform::Hmac { cipher, mac } => {
                if self.encrypt {
                    let (header, payload) = message.split_at_mut(header_len);
                    cipher.apply_rtp(header, index, payload);
                }
                let (mki, tag) = trailer.split_at_mut(self.mki().len());
                mki.copy_from_slice(self.mki());
                if self.authenticates() {
                    let roc = ExtSeqNo::new(index).roc().get();
                    let computed = mac.tag(message, Some(roc)).to_be_bytes();
                    tag.copy_from_slice(&computed[..self.tag_len]);
                }
            }
            Transform::Aead(gcm) => {
                let ssrc = ssrc(message, RTP_SSRC_AT);
                let clear = if self.encrypt {
                    header_len
                } else {
                    message.len()
                };
                let (aad, data) = message.split_at_mut(clear);
                let (tag, mki) = trailer.split_at_mut(gcm::TAG_LEN);
                tag.copy_from_slice(&gcm.seal(ssrc, index, aad, data));
                mki.copy_from_slice(self.mki());
            }
        }
    }

    /// Whether there is room for a trailer behind `header_len`, and the MKI in it is ours.
    #[inline]
    pub(super) fn check_rtp(&self, packet: &[u8], header_len: usize) -> Result<(), UnprotectError> {
        if packet.len() < header_len + self.trailer_len() {
            return Err(UnprotectError::TooShort);
        }
        self.check_mki(packet)
    }

    /// Authenticates and decrypts an RTP packet that has passed [`Layer::check_rtp`], and returns its
    /// length without the trailer.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        index: u64,
    ) -> Result<usize, UnprotectError> {
        let len = packet.len() - self.trailer_len();
        let (message, trailer) = packet.split_at_mut(len);
        match &self.transform {
            Transform::Hmac { cipher, mac } => {
                if self.authenticates() {
                    let roc = ExtSeqNo::new(index).roc().get();
                    self.verify(mac.tag(message, Some(roc)), trailer)?;
                }
                if self.encrypt {
                    let (header, payload) = message.split_at_mut(header_len);
                    cipher.apply_rtp(header, index, payload);
                }
            }
            Transform::Aead(gcm) => {
                let ssrc = ssrc(message, RTP_SSRC_AT);
                let clear = if self.encrypt { header_len } else { len };
                let (aad, data) = message.split_at_mut(clear);
                if !gcm.open(ssrc, index, aad, data, &trailer[..gcm::TAG_LEN]) {
                    return Err(UnprotectError::BadTag);
                }
            }
        }
        Ok(len)
    }

    /// Protects an RTCP datagram that has room for the trailer at its end.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], index: u32) {
        let len = packet.len() - self.rtcp_trailer_len();
        match &self.transform {
            Transform::Hmac { cipher, mac } => {
                let encrypt = self.encrypt && cipher.encrypts();
                let word = if encrypt { index | ENCRYPTED } else { index };
                if encrypt {
                    let (prefix, rest) = packet[..len].split_at_mut(RTCP_PREFIX_LEN);
                    cipher.apply_rtcp(prefix, word, rest);
                }
                let (message, trailer) = packet.split_at_mut(len + WORD_LEN);
                message[len..].copy_from_slice(&word.to_be_bytes());
                let (mki, tag) = trailer.split_at_mut(self.mki().len());
                mki.copy_from_slice(self.mki());
                let computed = mac.tag(message, None).to_be_bytes();
                tag.copy_from_slice(&computed[..self.tag_len]);
            }
            Transform::Aead(gcm) => {
                let ssrc = ssrc(packet, RTCP_SSRC_AT);
                let word = if self.encrypt {
                    index | ENCRYPTED
                } else {
                    index
                };
                let tag = if self.encrypt {
                    let (prefix, rest) = packet[..len].split_at_mut(RTCP_PREFIX_LEN);
                    gcm.seal(ssrc, index.into(), &aead_prefix(prefix, word), rest)
                } else {
                    // All is associated data: the datagram and the word behind it, where the tag goes
                    // once it is known.
                    packet[len..len + WORD_LEN].copy_from_slice(&word.to_be_bytes());
                    gcm.seal(ssrc, index.into(), &packet[..len + WORD_LEN], &mut [])
                };
                let (tag_at, rest) = packet[len..].split_at_mut(gcm::TAG_LEN);
                let (word_at, mki) = rest.split_at_mut(WORD_LEN);
                tag_at.copy_from_slice(&tag);
                word_at.copy_from_slice(&word.to_be_bytes());
                mki.copy_from_slice(self.mki());
            }
        }
    }

    /// E and index of an SRTCP packet that is long enough and whose MKI is ours.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Result<u32, UnprotectError> {
        if packet.len() < RTCP_PREFIX_LEN + self.rtcp_trailer_len() {
            return Err(UnprotectError::TooShort);
        }
        self.check_mki(packet)?;
        let behind = match self.transform {
            Transform::Hmac { .. } => self.mki().len() + self.tag_len,
            Transform::Aead(_) => self.mki().len(),
        };
        packet[..packet.len() - behind]
            .last_chunk()
            .map(|word| u32::from_be_bytes(*word))
            .ok_or(UnprotectError::TooShort)
    }

    /// Authenticates and decrypts an SRTCP packet whose `word` was read by [`Layer::rtcp_word`], and
    /// returns its length without the trailer. Whatever E says, an unauthentic packet is refused.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], word: u32) -> Result<usize, UnprotectError> {
        let len = packet.len() - self.rtcp_trailer_len();
        let encrypted = word & ENCRYPTED != 0;
        match &self.transform {
            Transform::Hmac { cipher, mac } => {
                let (message, trailer) = packet.split_at_mut(len + WORD_LEN);
                self.verify(mac.tag(message, None), trailer)?;
                if encrypted {
                    let (prefix, rest) = message[..len].split_at_mut(RTCP_PREFIX_LEN);
                    cipher.apply_rtcp(prefix, word, rest);
                }
            }
            Transform::Aead(gcm) => {
                let ssrc = ssrc(packet, RTCP_SSRC_AT);
                let index = u64::from(word & !ENCRYPTED);
                let (message, trailer) = packet.split_at_mut(len);
                let mut tag = [0; gcm::TAG_LEN];
                tag.copy_from_slice(&trailer[..gcm::TAG_LEN]);
                let authentic = if encrypted {
                    let (prefix, rest) = message.split_at_mut(RTCP_PREFIX_LEN);
                    gcm.open(ssrc, index, &aead_prefix(prefix, word), rest, &tag)
                } else {
                    trailer[..WORD_LEN].copy_from_slice(&word.to_be_bytes());
                    gcm.open(ssrc, index, &packet[..len + WORD_LEN], &mut [], &tag)
                };
                if !authentic {
                    return Err(UnprotectError::BadTag);
                }
            }
        }
        Ok(len)
    }

    /// Compares the tag at the end of `trailer` with the front of the computed one, in constant time.
    ///
    /// As one number: `subtle` compares slices byte by byte, which costs a packet 10 ns.
    #[inline]
    fn verify(&self, computed: u128, trailer: &[u8]) -> Result<(), UnprotectError> {
        let (expected, received) = match trailer[trailer.len() - self.tag_len..] {
            [a, b, c, d] => (computed >> 96, u32::from_be_bytes([a, b, c, d]).into()),
            [a, b, c, d, e, f, g, h, i, j] => {
                let front = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                let back = u16::from_be_bytes([i, j]);
                (computed >> 48, u128::from(front) << 16 | u128::from(back))
            }
            _ => return Err(UnprotectError::BadTag),
        };
        if expected.ct_eq(&received).into() {
            Ok(())
        } else {
            Err(UnprotectError::BadTag)
        }
    }

    /// Looks for our MKI where it must stand; the caller has checked the length.
    #[inline]
    fn check_mki(&self, packet: &[u8]) -> Result<(), UnprotectError> {
        let Some(mki) = &self.mki else { return Ok(()) };
        let behind = match self.transform {
            Transform::Hmac { .. } => self.tag_len,
            Transform::Aead(_) => 0,
        };
        if packet[..packet.len() - behind].ends_with(mki.as_bytes()) {
            Ok(())
        } else {
            Err(UnprotectError::UnknownMki)
        }
    }
}

/// Associated data of an encrypted SRTCP packet: its first 8 bytes and the word (RFC 7714 §9.2).
fn aead_prefix(prefix: &[u8], word: u32) -> [u8; RTCP_PREFIX_LEN + WORD_LEN] {
    let mut aad = [0; RTCP_PREFIX_LEN + WORD_LEN];
    aad[..RTCP_PREFIX_LEN].copy_from_slice(prefix);
    aad[RTCP_PREFIX_LEN..].copy_from_slice(&word.to_be_bytes());
    aad
}

#[cfg(test)]
mod tests;
