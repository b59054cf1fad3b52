//! Protection of records with AES-GCM (RFC 5288 §3, RFC 6347 §4.1.2).

use aws_lc_rs::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use crate::wire::dtls::{DTLS_1_2, Record};

/// The part of the nonce that each record carries.
const EXPLICIT_LEN: usize = 8;
const TAG_LEN: usize = 16;
/// Bytes that protection adds to a record.
pub(super) const OVERHEAD: usize = EXPLICIT_LEN + TAG_LEN;
/// The part of the nonce that the key block gives.
pub(super) const SALT_LEN: usize = 4;
/// The only epoch that is ever protected: we never renegotiate.
pub(super) const EPOCH: u16 = 1;

/// One direction's key.
pub(super) struct Cipher {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
}

impl Cipher {
    /// `None` if the key does not have the algorithm's length.
    pub(super) fn new(
        algorithm: &'static Algorithm,
        key: &[u8],
        salt: [u8; SALT_LEN],
    ) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self { key, salt })
    }

    /// The fragment of a record: explicit nonce ‖ ciphertext ‖ tag. `sequence` must be new.
    pub(super) fn seal(&self, content_type: u8, sequence: u64, plain: &[u8]) -> Option<Vec<u8>> {
        let explicit = number(EPOCH, sequence);
        let aad = aad(explicit, content_type, DTLS_1_2, plain.len())?;
        let mut text = plain.to_vec();
        self.key
            .seal_in_place_append_tag(self.nonce(explicit), Aad::from(aad), &mut text)
            .ok()?;
        Some([explicit.as_slice(), &text].concat())
    }

    /// The plain text of a record; `None` if it is not genuine.
    pub(super) fn open(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        let (explicit, text) = record.fragment.split_first_chunk::<EXPLICIT_LEN>()?;
        let len = text.len().checked_sub(TAG_LEN)?;
        let number = number(record.epoch, record.sequence);
        let aad = aad(number, record.content_type, record.version, len)?;
        let mut text = text.to_vec();
        self.key
            .open_in_place(self.nonce(*explicit), Aad::from(aad), &mut text)
            .ok()?;
        text.truncate(len);
        Some(text)
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_LEN]) -> Nonce {
        let mut nonce = [0; SALT_LEN + EXPLICIT_LEN];
        let (salt, rest) = nonce.split_at_mut(SALT_LEN);
        salt.copy_from_slice(&self.salt);
        rest.copy_from_slice(&explicit);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Epoch and sequence number as one number of 64 bits.
fn number(epoch: u16, sequence: u64) -> [u8; 8] {
    (u64::from(epoch) << 48 | sequence).to_be_bytes()
}

fn aad(number: [u8; 8], content_type: u8, version: u16, len: usize) -> Option<[u8; 13]> {
    let mut aad = [0; 13];
    let (head, len_bytes) = aad.split_at_mut(11);
    let [v0, v1] = version.to_be_bytes();
    head.get_mut(..8)?.copy_from_slice(&number);
    head.get_mut(8..)?.copy_from_slice(&[content_type, v0, v1]);
    len_bytes.copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
    Some(aad)
}

/// Which of the last 64 sequence numbers have been seen (RFC 6347 §4.1.2.6).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReplayWindow {
    /// One more than the highest seen.
    end: u64,
    /// Bit n: `end - 1 - n` was seen.
    seen: u64,
}

impl ReplayWindow {
    /// Whether this number may still come.
    pub(super) fn is_new(&self, sequence: u64) -> bool {
        match self.end.checked_sub(sequence + 1) {
            None => true,
            Some(behind) => behind < 64 && self.seen >> behind & 1 == 0,
        }
    }

    /// Marks the number of a genuine record.
    pub(super) fn mark(&mut self, sequence: u64) {
        let end = sequence + 1;
        if let Some(ahead) = end.checked_sub(self.end) {
            self.seen = u32::try_from(ahead)
                .ok()
                .and_then(|ahead| self.seen.checked_shl(ahead))
                .unwrap_or(0);
            self.end = end;
        }
        if let Some(bit) = u32::try_from(self.end - end)
            .ok()
            .and_then(|behind| 1_u64.checked_shl(behind))
        {
            self.seen |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::AES_128_GCM;

    use super::*;

    #[test]
    fn opened_is_what_was_sealed_unless_a_bit_changed() {
        let cipher = || Cipher::new(&AES_128_GCM, &[1; 16], [2; 4]).unwrap();
        let fragment = cipher().seal(22, 5, b"Finished").unwrap();
        assert_eq!(fragment.len(), 8 + OVERHEAD);
        let record = Record {
            content_type: 22,
            version: DTLS_1_2,
            epoch: 1,
            sequence: 5,
            fragment: &fragment,
        };
        assert_eq!(cipher().open(&record).as_deref(), Some(&b"Finished"[..]));
        let others = [
            Record {
                content_type: 23,
                ..record
            },
            Record {
                sequence: 6,
                ..record
            },
            Record { epoch: 2, ..record },
            Record {
                fragment: &fragment[..31],
                ..record
            },
            Record {
                fragment: &fragment[..7],
                ..record
            },
            Record {
                fragment: &[],
                ..record
            },
        ];
        for other in others {
            assert_eq!(cipher().open(&other), None, "{other:?}");
        }
        for at in 0..fragment.len() {
            let mut forged = fragment.clone();
            forged[at] ^= 1;
            let record = Record {
                fragment: &forged,
                ..record
            };
            assert_eq!(cipher().open(&record), None, "byte {at}");
        }
    }

    #[test]
    fn each_number_is_new_once_within_the_window() {
        let mut window = ReplayWindow::default();
        for sequence in [0, 1, 5, 3, 70, 7, 69] {
            assert!(window.is_new(sequence), "{sequence}");
            window.mark(sequence);
            assert!(!window.is_new(sequence), "{sequence}");
        }
        assert!(!window.is_new(5), "behind the window or seen");
        assert!(!window.is_new(6), "behind the window");
        assert!(window.is_new(8) && window.is_new(68) && window.is_new(71));
        window.mark(1 << 47);
        assert!(!window.is_new(71));
    }
}
