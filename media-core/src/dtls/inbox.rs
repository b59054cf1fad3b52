//! Puts handshake messages together from fragments that come in any order, within fixed bounds.

use crate::wire::dtls::HandshakeFragment;

/// How far ahead of the next message one may be. The longest flight has seven.
const WINDOW: u16 = 8;
/// Longest message, bytes: a chain of RSA certificates fits.
const MAX_MESSAGE_LEN: usize = 16_384;
/// All that is held, bytes.
const MAX_HELD: usize = 2 * MAX_MESSAGE_LEN;
/// Gaps that a message may have while it is put together.
const MAX_PIECES: usize = 32;

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) seq: u16,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The message as the transcript has it: as if it had come in one fragment (RFC 6347 §4.2.6).
    pub(super) fn header(&self) -> [u8; 12] {
        let [_, h, m, l] = u32::try_from(self.body.len())
            .unwrap_or_default()
            .to_be_bytes();
        let [s0, s1] = self.seq.to_be_bytes();
        [self.kind, h, m, l, s0, s1, 0, 0, 0, h, m, l]
    }
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is held.
    New,
    /// Its message has been taken already: the peer repeats itself.
    Old,
    /// It is out of bounds, or nothing that we wait for.
    Dropped,
}

/// Messages on their way.
#[derive(Debug)]
pub(super) struct Inbox {
    next: u16,
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    seq: u16,
    body: Vec<u8>,
    /// What has come: from, to; sorted, with gaps between.
    pieces: Vec<(usize, usize)>,
}

impl Inbox {
    /// Waits for the message of this number first.
    pub(super) fn new(next: u16) -> Self {
        Self {
            next,
            partial: Vec::new(),
        }
    }

    /// Whether the message of this number has been taken already.
    pub(super) fn is_old(&self, seq: u16) -> bool {
        seq.wrapping_sub(self.next) > u16::MAX / 2
    }

    /// Takes a fragment.
    pub(super) fn push(&mut self, fragment: &HandshakeFragment<'_>) -> Kept {
        if self.is_old(fragment.message_seq) {
            return Kept::Old;
        }
        let ahead = fragment.message_seq.wrapping_sub(self.next);
        if ahead >= WINDOW || fragment.message_len > MAX_MESSAGE_LEN {
            return Kept::Dropped;
        }
        // Two fragments that disagree on their message: at most one is the peer's. The newer has the
        // better chance, as the peer sends again what it gets no answer to.
        self.partial.retain(|p| {
            p.seq != fragment.message_seq
                || (p.kind == fragment.message_type
                    && p.body.len() == fragment.message_len
                    && !fragment.is_whole())
        });
        let known = self
            .partial
            .iter()
            .position(|p| p.seq == fragment.message_seq);
        let at = match known {
            Some(at) => at,
            None => {
                if !self.make_room(fragment) {
                    return Kept::Dropped;
                }
                self.partial.push(Partial {
                    kind: fragment.message_type,
                    seq: fragment.message_seq,
                    body: vec![0; fragment.message_len],
                    pieces: Vec::new(),
                });
                self.partial.len() - 1
            }
        };
        let partial = self.partial.get_mut(at);
        if partial.is_some_and(|partial| partial.put(fragment)) {
            Kept::New
        } else {
            Kept::Dropped
        }
    }

    /// Gives up later messages for this one, latest first.
    fn make_room(&mut self, fragment: &HandshakeFragment<'_>) -> bool {
        let ahead = |seq: u16| seq.wrapping_sub(self.next);
        self.partial.sort_by_key(|p| ahead(p.seq));
        loop {
            if self.held() + fragment.message_len <= MAX_HELD {
                return true;
            }
            let last = self.partial.last().map_or(0, |p| ahead(p.seq));
            if last <= ahead(fragment.message_seq) {
                return false;
            }
            self.partial.pop();
        }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.partial.iter().map(|p| p.body.len()).sum()
    }

    /// The next message in order, once it is whole.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let at = self
            .partial
            .iter()
            .position(|p| p.seq == self.next && p.is_whole())?;
        let partial = self.partial.swap_remove(at);
        self.next = self.next.wrapping_add(1);
        Some(Message {
            kind: partial.kind,
            seq: partial.seq,
            body: partial.body,
        })
    }
}

impl Partial {
    fn is_whole(&self) -> bool {
        self.body.is_empty() || self.pieces == [(0, self.body.len())]
    }

    /// Whether there was room for the fragment.
    fn put(&mut self, fragment: &HandshakeFragment<'_>) -> bool {
        let (mut from, mut to) = (fragment.offset, fragment.offset + fragment.data.len());
        let Some(place) = self.body.get_mut(from..to) else {
            return false;
        };
        if from == to {
            return true;
        }
        let apart = |&&(f, t): &&(usize, usize)| t < from || f > to;
        if self.pieces.iter().filter(apart).count() >= MAX_PIECES {
            return false;
        }
        place.copy_from_slice(fragment.data);
        self.pieces.retain(|&(f, t)| {
            let touches = t >= from && f <= to;
            if touches {
                from = from.min(f);
                to = to.max(t);
            }
            !touches
        });
        let at = self.pieces.partition_point(|&(f, _)| f < from);
        self.pieces.insert(at, (from, to));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment(seq: u16, len: usize, offset: usize, data: &[u8]) -> HandshakeFragment<'_> {
        HandshakeFragment {
            message_type: 11,
            message_len: len,
            message_seq: seq,
            offset,
            data,
        }
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_make_the_message(
            body in prop::collection::vec(any::<u8>(), 1..400),
            cuts in prop::collection::vec((0..400_usize, 0..400_usize), 0..20),
            order in any::<u64>(),
        ) {
            let len = body.len();
            let mut pieces: Vec<(usize, usize)> = cuts
                .into_iter()
                .map(|(a, b)| (a.min(b).min(len), a.max(b).min(len)))
                .collect();
            pieces.extend((0..len).step_by(40).map(|at| (at, (at + 40).min(len))));
            let turn = usize::try_from(order % 1000).unwrap() % pieces.len();
            pieces.rotate_left(turn);
            let mut inbox = Inbox::new(0);
            for (from, to) in pieces {
                inbox.push(&fragment(0, len, from, &body[from..to]));
            }
            prop_assert_eq!(inbox.pop().map(|m| m.body), Some(body));
        }
    }

    #[test]
    fn messages_come_out_in_order_and_once() {
        let mut inbox = Inbox::new(1);
        assert_eq!(inbox.push(&fragment(2, 0, 0, &[])), Kept::New);
        assert_eq!(inbox.pop(), None);
        assert_eq!(inbox.push(&fragment(1, 2, 0, &[7, 8])), Kept::New);
        assert_eq!(inbox.pop().map(|m| (m.seq, m.body)), Some((1, vec![7, 8])));
        assert_eq!(inbox.pop().map(|m| (m.seq, m.body)), Some((2, vec![])));
        assert_eq!(inbox.push(&fragment(2, 0, 0, &[])), Kept::Old);
        assert_eq!(inbox.push(&fragment(0, 0, 0, &[])), Kept::Old);
        assert_eq!(inbox.push(&fragment(11, 0, 0, &[])), Kept::Dropped);
    }

    #[test]
    fn memory_is_bounded_and_the_next_message_always_gets_some() {
        let mut inbox = Inbox::new(0);
        for seq in (1..8).rev() {
            inbox.push(&fragment(seq, MAX_MESSAGE_LEN, 1, &[1]));
        }
        assert!(inbox.held() <= MAX_HELD);
        let body = vec![3; MAX_MESSAGE_LEN];
        assert_eq!(
            inbox.push(&fragment(0, MAX_MESSAGE_LEN, 0, &body)),
            Kept::New
        );
        assert!(inbox.held() <= MAX_HELD);
        assert_eq!(inbox.pop().map(|m| m.body), Some(body));
        let long = fragment(1, MAX_MESSAGE_LEN + 1, 0, &[1]);
        assert_eq!(inbox.push(&long), Kept::Dropped);
    }

    #[test]
    fn one_byte_fragments_with_gaps_are_bounded() {
        let mut inbox = Inbox::new(0);
        for offset in (0..1000).step_by(2) {
            inbox.push(&fragment(0, 1000, offset, &[1]));
        }
        assert!(inbox.partial[0].pieces.len() <= MAX_PIECES);
        assert_eq!(inbox.push(&fragment(0, 1000, 0, &[2; 1000])), Kept::New);
        assert!(inbox.pop().is_some());
    }

    #[test]
    fn a_forged_fragment_does_not_keep_the_real_message_out() {
        let mut inbox = Inbox::new(0);
        inbox.push(&fragment(0, 9, 0, &[0; 4]));
        inbox.push(&fragment(0, 4, 0, &[1, 2]));
        inbox.push(&fragment(0, 4, 2, &[3, 4]));
        assert_eq!(inbox.pop().map(|m| m.body), Some(vec![1, 2, 3, 4]));
    }
}
