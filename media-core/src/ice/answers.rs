//! Answers to the peer's checks that wait to be sent.

use std::collections::VecDeque;

use super::types::{CandidatePair, Transmit};
use crate::wire::stun::{BINDING, Class, IntegrityKey, ROLE_CONFLICT, StunBuilder};

/// How a check is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With where it came from.
    Success,
    /// With error 487: the peer must take the other role (RFC 8445 §7.3.1.1).
    RoleConflict,
}

#[derive(Debug)]
struct Waiting {
    pair: CandidatePair,
    len: usize,
    bytes: [u8; Answers::LONGEST],
}

/// A bounded queue of answers. Allocates only for the first few.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<Waiting>);

impl Answers {
    /// Header, XOR-MAPPED-ADDRESS of IPv6 or the error, integrity, fingerprint.
    const LONGEST: usize = 20 + 24 + 24 + 8;
    /// Then the oldest is lost; the peer repeats what is not answered.
    const MAX: usize = 16;

    /// Answers a check that came over `pair`, signed with our key.
    pub(super) fn push(
        &mut self,
        pair: CandidatePair,
        transaction_id: &[u8; 12],
        answer: Answer,
        key: &IntegrityKey,
    ) {
        let mut bytes = [0; Self::LONGEST];
        let class = match answer {
            Answer::Success => Class::Success,
            Answer::RoleConflict => Class::Error,
        };
        let builder = StunBuilder::new(&mut bytes, class, BINDING, transaction_id);
        let builder = match answer {
            Answer::Success => builder.xor_mapped_address(pair.remote),
            Answer::RoleConflict => builder.error_code(ROLE_CONFLICT, "Role Conflict"),
        };
        let len = builder
            .finish(Some(key))
            .expect("invariant: no answer is longer");
        if self.0.len() == Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back(Waiting { pair, len, bytes });
    }

    /// Writes the oldest to the front of `out`; it is lost if it does not fit.
    pub(super) fn transmit(&mut self, out: &mut [u8]) -> Option<Transmit> {
        let Waiting { pair, len, bytes } = self.0.pop_front()?;
        out.get_mut(..len)?.copy_from_slice(bytes.get(..len)?);
        Some(Transmit { pair, len })
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
