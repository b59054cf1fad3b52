//! Judges messages: what is not from the peer gets no further than this file.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Agent, Half, RemoteAddress};
use crate::ice::answers::Answer;
use crate::ice::lite::pair_priority;
use crate::ice::types::{CandidatePair, Event, Role, State, StunVerdict};
use crate::wire::stun::{BINDING, Class, StunMessage};

impl Agent {
    /// Takes a STUN message that came to our socket `local` from `from`.
    ///
    /// Until it is known to be the peer's, nothing is allocated and nothing changes but a counter; then
    /// it is bounded: 128 messages at once and 125 per second. The fingerprint is not looked at, as
    /// integrity says more. To whoever fails nothing is answered, not even an error (RFC 8489 §9.1.3
    /// would have one): an answer could be aimed at others.
    pub fn handle_stun(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) -> StunVerdict {
        let pair = CandidatePair {
            local,
            remote: from,
        };
        let verdict = self.judge(now, pair, datagram);
        self.counters.count(verdict);
        verdict
    }

    fn judge(&mut self, now: Instant, pair: CandidatePair, datagram: &[u8]) -> StunVerdict {
        let Ok(message) = StunMessage::parse(datagram) else {
            return StunVerdict::Malformed;
        };
        if message.method() != BINDING || !self.is_local(pair.local) {
            return StunVerdict::NotOurs;
        }
        match message.class() {
            Class::Request => self.request(now, pair, &message, datagram),
            Class::Success | Class::Error => self.response(now, pair, &message, datagram),
            // A keep-alive of others (RFC 8445 §11): its coming through was all.
            Class::Indication => StunVerdict::NotOurs,
        }
    }

    fn request(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        datagram: &[u8],
    ) -> StunVerdict {
        let Some((receiver, sender)) = message.username_fragments() else {
            return StunVerdict::Unauthenticated;
        };
        let named = receiver == self.credentials.ufrag().as_bytes()
            && self
                .remote
                .as_ref()
                .is_none_or(|r| sender == r.credentials.ufrag().as_bytes());
        if !named {
            return self.earlier_request(now, pair, message, (receiver, sender));
        }
        if !message.integrity_matches(&self.key) {
            return StunVerdict::Unauthenticated;
        }
        let Some(priority) = message.priority() else {
            return StunVerdict::Malformed;
        };
        // Before its credentials are known, one peer cannot be told from another that got the same
        // offer. Who nominates must wait, and repeats what is not answered.
        if self.is_lite() && self.remote.is_none() && message.use_candidate() {
            return StunVerdict::Limited;
        }
        if !self.budget.take(now) {
            return StunVerdict::Limited;
        }
        let Some(priority) = self.learn(pair.remote, priority) else {
            return StunVerdict::Limited;
        };
        self.heard_on(now, pair);
        match &self.half {
            Half::Full(_) => self.full_request(now, pair, message, datagram),
            Half::Lite(_) => self.lite_request(now, pair, message, priority),
        }
        StunVerdict::Accepted
    }

    /// A check that may be of the generation before a restart. While that one's pair carries media
    /// (RFC 8445 §9), the peer must not take it for dead. On any other pair a yes would be wrong: Chromium
    /// checks from its new port with the old password first, and would never take the new one.
    fn earlier_request(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        (receiver, sender): (&[u8], &[u8]),
    ) -> StunVerdict {
        let known = self.earlier.as_ref().filter(|earlier| {
            self.nominated == Some(pair)
                && receiver == earlier.local.ufrag().as_bytes()
                && sender == earlier.remote.ufrag().as_bytes()
        });
        let Some(key) = known.map(|earlier| earlier.local.key()) else {
            return StunVerdict::Unauthenticated;
        };
        if !message.integrity_matches(&key) {
            return StunVerdict::Unauthenticated;
        }
        if !self.budget.take(now) {
            return StunVerdict::Limited;
        }
        let id = message.transaction_id();
        self.answers.push(pair, id, Answer::Success, &key);
        // It says nothing about this generation.
        self.before.accepted += 1;
        StunVerdict::Accepted
    }

    /// What `is` knows already we answer ourselves, which allocates nothing.
    fn full_request(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        datagram: &[u8],
    ) {
        let Half::Full(full) = &mut self.half else {
            return;
        };
        let conflict = match full.role() {
            Role::Controlling => message.ice_controlling(),
            Role::Controlled => message.ice_controlled(),
        };
        let news = conflict.is_some() || full.is_news(now, pair, message.use_candidate());
        // It answers what it is told, but only once it knows the peer; the peer must not wait
        // (RFC 8445 §7.3).
        if !news || self.remote.is_none() {
            let id = message.transaction_id();
            self.answers.push(pair, id, Answer::Success, &self.key);
        }
        if news {
            full.request(now, pair, datagram);
            self.settle(now);
        }
    }

    fn lite_request(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        remote_priority: u32,
    ) {
        let Half::Lite(lite) = &mut self.half else {
            return;
        };
        let id = message.transaction_id();
        if message.ice_controlled().is_some() {
            // We cannot take the other role, whatever the tie-breakers say.
            self.answers.push(pair, id, Answer::RoleConflict, &self.key);
            return;
        }
        self.answers.push(pair, id, Answer::Success, &self.key);
        let ours = self.locals.iter().find(|l| l.address == pair.local);
        let priority = pair_priority(remote_priority, ours.map_or(0, |l| l.priority));
        if let Some(pair) = lite.check(now, pair, priority, message.use_candidate()) {
            self.nominate(now, pair);
        }
        self.heal(now, pair);
    }

    fn response(
        &mut self,
        now: Instant,
        pair: CandidatePair,
        message: &StunMessage<'_>,
        datagram: &[u8],
    ) -> StunVerdict {
        let (Half::Full(full), Some(remote)) = (&mut self.half, &self.remote) else {
            return StunVerdict::NotOurs;
        };
        if !full.awaits(message.transaction_id(), pair) {
            return StunVerdict::NotOurs;
        }
        if !message.integrity_matches(&remote.key) {
            return StunVerdict::Unauthenticated;
        }
        let success = message.class() == Class::Success;
        let mapped = message.xor_mapped_address();
        if success && mapped.is_none() {
            return StunVerdict::Malformed;
        }
        if !self.budget.take(now) || !full.response(now, pair, message, mapped, datagram) {
            return StunVerdict::Limited;
        }
        if success {
            self.heard_on(now, pair);
        }
        self.settle(now);
        if success {
            self.heal(now, pair);
        }
        StunVerdict::Accepted
    }

    /// The priority of the candidate at this address, which may be new: a peer-reflexive one
    /// (RFC 8445 §7.3.1.3). `None`: there are too many.
    fn learn(&mut self, address: SocketAddr, priority: u32) -> Option<u32> {
        if let Some(known) = self.remotes.iter_mut().find(|r| r.address == address) {
            known.heard = true;
            return Some(known.priority);
        }
        let learned = self.remotes.iter().filter(|r| !r.signalled).count();
        if learned == Self::MAX_REMOTE {
            return None;
        }
        self.remotes.push(RemoteAddress {
            address,
            priority,
            signalled: false,
            heard: true,
        });
        self.emit(Event::PeerReflexive { remote: address });
        Some(priority)
    }

    /// After a disconnection: the pair works again, and is still the half's choice.
    fn heal(&mut self, now: Instant, pair: CandidatePair) {
        if self.state == State::Disconnected && self.chosen == Some(pair) {
            self.nominate(now, pair);
        }
    }
}
