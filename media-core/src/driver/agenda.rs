//! Who wants to be looked at when: one time for each socket, the earliest first.
//!
//! Every operation costs the logarithm of the number of sockets, so that a thread with thousands of
//! them does not look at all to learn that nothing is due.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::units::SocketId;

/// Sockets by the time at which they are due.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Instant, SocketId)>,
    times: HashMap<SocketId, Instant>,
}

impl Agenda {
    /// The socket is due at this time and at no other; `None`: never.
    pub(super) fn set(&mut self, socket: SocketId, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.times.insert(socket, at),
            None => self.times.remove(&socket),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, socket));
        }
        if let Some(at) = at {
            self.by_time.insert((at, socket));
        }
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes off all that are due by `now`, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant, due: &mut Vec<SocketId>) {
        while let Some(&(at, socket)) = self.by_time.first()
            && at <= now
        {
            self.by_time.pop_first();
            self.times.remove(&socket);
            due.push(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::units::ShardId;

    fn socket(index: u32) -> SocketId {
        SocketId::new(ShardId::new(0), index, 0)
    }

    proptest! {
        /// Against a map that is searched from end to end.
        #[test]
        fn agrees_with_a_search_of_all(
            steps in proptest::collection::vec((0_u32..8, proptest::option::of(0_u64..20), any::<bool>()), 0..64),
        ) {
            let base = Instant::now();
            let mut agenda = Agenda::default();
            let mut model: BTreeMap<SocketId, Instant> = BTreeMap::new();
            for (index, millis, take) in steps {
                let at = millis.map(|millis| base + Duration::from_millis(millis));
                if let (true, Some(now)) = (take, at) {
                    let mut due = Vec::new();
                    agenda.take_due(now, &mut due);
                    let mut expected: Vec<_> =
                        model.iter().filter(|(_, at)| **at <= now).map(|(s, at)| (*at, *s)).collect();
                    expected.sort();
                    model.retain(|_, at| *at > now);
                    prop_assert_eq!(due, expected.into_iter().map(|(_, s)| s).collect::<Vec<_>>());
                } else {
                    agenda.set(socket(index), at);
                    match at {
                        Some(at) => model.insert(socket(index), at),
                        None => model.remove(&socket(index)),
                    };
                }
                prop_assert_eq!(agenda.next(), model.values().min().copied());
                // Nothing stays behind in either of its halves.
                prop_assert_eq!(agenda.by_time.len(), model.len());
                prop_assert_eq!(agenda.times.len(), model.len());
            }
        }
    }
}
