//! Packet indices: the rollover counter's guess and the replay window (RFC 3711 §3.3.1, §3.3.2,
//! Appendix A).

use crate::units::{ExtSeqNo, Roc, SeqNo};

/// Packets that the replay window spans, the newest included.
pub const WINDOW: u64 = u64::BITS as u64;

/// Why an index cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexError {
    /// Taken before.
    Replayed,
    /// Behind the window, or in front of the first index there is.
    TooOld,
    /// Behind the last index that there is.
    Exhausted,
}

/// What is known of the indices of one source: the highest and which of those before it were taken.
///
/// ```text
///   bit    63              1 0
///   seen  |1 1 0 1 … 1 1 1 1 1|      highest is bit 0; no bit at all: nothing taken yet
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// Highest index taken; where none was, what the next one is guessed from.
    highest: u64,
    seen: u64,
}

impl Window {
    /// Nothing taken yet; the next index is guessed from `from`.
    pub(super) const fn starting_from(from: u64) -> Self {
        Self {
            highest: from,
            seen: 0,
        }
    }

    /// Whether nothing was taken yet.
    pub(super) const fn is_empty(self) -> bool {
        self.seen == 0
    }

    /// The rollover counter of the highest index.
    pub(super) const fn roc(self) -> Roc {
        ExtSeqNo::new(self.highest).roc()
    }

    /// The index behind the highest; of an empty window its start.
    pub(super) const fn next(self) -> u64 {
        if self.is_empty() {
            self.highest
        } else {
            self.highest + 1
        }
    }

    /// Extends a sequence number to the index that is nearest to the highest (RFC 3711 Appendix A).
    pub(super) fn guess(self, sequence_number: SeqNo) -> Result<u64, IndexError> {
        let highest = ExtSeqNo::new(self.highest);
        let (seq, last) = (sequence_number.get(), highest.sequence_number().get());
        let roc = highest.roc().get();
        let guessed = if self.is_empty() {
            roc
        } else if last < 0x8000 {
            if seq > last && seq - last > 0x8000 {
                roc.checked_sub(1).ok_or(IndexError::TooOld)?
            } else {
                roc
            }
        } else if last - 0x8000 > seq {
            roc.checked_add(1).ok_or(IndexError::Exhausted)?
        } else {
            roc
        };
        Ok(ExtSeqNo::from_parts(Roc::new(guessed), sequence_number).get())
    }

    /// The window as it is once `index` was taken.
    pub(super) const fn with(self, index: u64) -> Result<Self, IndexError> {
        if self.is_empty() {
            return Ok(Self {
                highest: index,
                seen: 1,
            });
        }
        if index > self.highest {
            let shift = index - self.highest;
            let before = if shift < WINDOW {
                self.seen << shift
            } else {
                0
            };
            return Ok(Self {
                highest: index,
                seen: before | 1,
            });
        }
        let age = self.highest - index;
        if age >= WINDOW {
            return Err(IndexError::TooOld);
        }
        if self.seen & (1 << age) != 0 {
            return Err(IndexError::Replayed);
        }
        Ok(Self {
            highest: self.highest,
            seen: self.seen | 1 << age,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn window(highest: u64) -> Window {
        Window::default().with(highest).unwrap()
    }

    fn guess(highest: u64, seq: u16) -> Result<u64, IndexError> {
        window(highest).guess(SeqNo::new(seq))
    }

    #[test]
    fn guesses_are_those_of_rfc3711_appendix_a() {
        // Lower half: half the number space ahead is ours, more is the rollover before.
        assert_eq!(guess(0x5_0000, 0x8000), Ok(0x5_8000));
        assert_eq!(guess(0x5_0000, 0x8001), Ok(0x4_8001));
        assert_eq!(guess(0x5_7fff, 0xffff), Ok(0x5_ffff));
        assert_eq!(guess(0x5_0001, 0xffff), Ok(0x4_ffff));
        // Upper half: half the number space behind is ours, more is the rollover after.
        assert_eq!(guess(0x5_8000, 0), Ok(0x5_0000));
        assert_eq!(guess(0x5_8001, 0), Ok(0x6_0000));
        assert_eq!(guess(0x5_ffff, 0x7fff), Ok(0x5_7fff));
        assert_eq!(guess(0x5_ffff, 0x7ffe), Ok(0x6_7ffe));
        assert_eq!(guess(0x5_ffff, 0x8000), Ok(0x5_8000));
    }

    #[test]
    fn there_is_no_rollover_before_the_first_and_none_behind_the_last() {
        assert_eq!(guess(0, 0xffff), Err(IndexError::TooOld));
        assert_eq!(guess(0xffff_ffff_ffff, 0), Err(IndexError::Exhausted));
        assert_eq!(guess(0xffff_ffff_fffe, 0xffff), Ok(0xffff_ffff_ffff));
    }

    #[test]
    fn first_packet_has_the_counter_that_was_set() {
        let start = Window::starting_from(7 << 16);
        for seq in [0, 1, 0x8000, 0xffff] {
            let expected = Ok(7 << 16 | u64::from(seq));
            assert_eq!(start.guess(SeqNo::new(seq)), expected);
        }
        assert_eq!(start.next(), 7 << 16);
        assert_eq!(start.with(7 << 16).unwrap().next(), (7 << 16) + 1);
    }

    #[test]
    fn window_spans_64_packets() {
        let window = window(100).with(164 - 1).unwrap();
        assert_eq!(window.with(100), Err(IndexError::Replayed));
        assert_eq!(window.with(99), Err(IndexError::TooOld));
        assert!(window.with(101).is_ok());
        assert_eq!(window.with(163), Err(IndexError::Replayed));
        assert_eq!(
            window.with(1000).unwrap().with(164 - 1),
            Err(IndexError::TooOld)
        );
    }

    proptest! {
        /// Against a set that remembers everything.
        #[test]
        fn window_agrees_with_a_set(indices in proptest::collection::vec(0_u64..300, 1..200)) {
            let mut window = Window::default();
            let mut taken = BTreeSet::new();
            for index in indices {
                let highest = taken.last().copied();
                let expected = match highest {
                    Some(highest) if index + WINDOW <= highest => Err(IndexError::TooOld),
                    _ if taken.contains(&index) => Err(IndexError::Replayed),
                    _ => Ok(()),
                };
                let next = window.with(index);
                prop_assert_eq!(next.map(|_| ()), expected);
                if let Ok(next) = next {
                    window = next;
                    taken.insert(index);
                }
            }
        }

        /// Whatever is nearer than half the number space is found.
        #[test]
        fn guess_finds_what_is_near(highest in 0x1_0000_u64..0xffff_fffe_ffff, ahead in -0x7fff_i64..0x8000) {
            let index = highest.checked_add_signed(ahead).unwrap();
            let seq = ExtSeqNo::new(index).sequence_number();
            prop_assert_eq!(window(highest).guess(seq), Ok(index));
        }
    }
}
