//! All calls of the program, and every request on them.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use super::call::{Call, Phase, SelectedPair};
use super::identity::Identity;
use super::interfaces::Interfaces;
use super::limits::Limits;
use super::parties::{self, Selected, Target};
use super::placement::Placement;
use super::registry::Registry;
use super::signal::Role;
use super::snapshot;
use super::tally::Tally;
use super::trigger::Deadlines;
use super::{
    AnswerRequest, CallReport, CurrentStatistics, DeleteOutcome, DeleteRequest, EndReason, Entropy,
    Limit, OfferRequest, QueryRequest, Rewritten, Selector, SessionConfig, SessionError,
    SessionObserver, SessionStatistics, Warning,
};
use crate::dtls::Certificate;
use crate::engine::MediaPlane;
use crate::engine::{Command, Event, TimeoutReason};
use crate::units::Now;

/// All calls. Shared by the threads that serve requests; each call has its own lock.
pub struct Sessions {
    pub(super) config: SessionConfig,
    pub(super) plane: Arc<dyn MediaPlane>,
    pub(super) observer: Option<Arc<dyn SessionObserver>>,
    pub(super) epoch: Instant,
    pub(super) limits: Limits,
    pub(super) interfaces: Interfaces,
    pub(super) registry: Registry,
    pub(super) tally: Tally,
    /// Digests of routes.
    pub(super) hasher: RandomState,
    pub(super) identity: Identity,
    /// Our mark in descriptions, for `loop-protect`.
    pub(super) loop_id: String,
    pub(super) placement: Placement,
    pub(super) deadlines: Deadlines,
}

impl Sessions {
    /// No calls yet. `epoch` is the instant that the engine counts
    /// [`crate::engine::StreamCounters::last_packet_us`] from.
    ///
    /// # Panics
    /// If `config.interfaces` is empty.
    #[must_use]
    pub fn new(config: SessionConfig, plane: Arc<dyn MediaPlane>, epoch: Instant) -> Self {
        let hasher = RandomState::new();
        Self {
            limits: Limits::new(config.max_sessions),
            interfaces: Interfaces::new(&config.interfaces, &config.interface_aliases),
            registry: Registry::new(),
            tally: Tally::new(epoch),
            loop_id: format!("{:012x}", hasher.hash_one("loop") & 0xffff_ffff_ffff),
            placement: Placement::new(plane.shards()),
            observer: None,
            deadlines: Deadlines::default(),
            identity: Identity::new(),
            config,
            plane,
            epoch,
            hasher,
        }
    }

    /// Tells `observer` how each call ended.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn SessionObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Takes random values from `entropy` instead of the system.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.identity.entropy = entropy;
        self
    }

    /// Shakes hands with this certificate, and before it ends with new ones. Without one, DTLS is neither
    /// offered nor accepted.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Certificate) -> Self {
        self.identity.begin_with(certificate);
        self
    }

    /// Handles an offer; the description in the outcome is for the far party.
    ///
    /// # Errors
    /// See [`SessionError`]; an existing call is as before, a new one is gone.
    pub fn offer(&self, now: Now, request: &OfferRequest<'_>) -> Result<Rewritten, SessionError> {
        let description = self.described(request.sdp, request.options)?;
        if let Some(unchanged) = self.looped(&description, request.options, request.sdp) {
            return Ok(unchanged);
        }
        if description.media().is_empty() {
            return Err(SessionError::SdpRewrite);
        }
        // Ends when it meets a call that did not end between finding and locking it.
        loop {
            let entry = self.registry.find_or_create(
                request.call_id,
                |calls| self.admit(now, calls),
                |key, shard| Call::new(key, shard, now),
            )?;
            let mut call = entry.lock();
            if call.phase == Phase::Ended {
                continue;
            }
            self.purge(&mut call, now);
            let find = |call: &mut Call| {
                let (from, to) = (request.from_tag, request.to_tag);
                parties::of_offer(call, from, to, request.via_branch, now.unix)
            };
            return self.signal(
                now,
                &entry,
                call,
                Role::Offer,
                request.options,
                &description,
                find,
            );
        }
    }

    /// Handles an answer; the description in the outcome is for the offerer.
    ///
    /// # Errors
    /// See [`SessionError`]; the call is as before.
    pub fn answer(&self, now: Now, request: &AnswerRequest<'_>) -> Result<Rewritten, SessionError> {
        let description = self.described(request.sdp, request.options)?;
        let entry = self
            .registry
            .find(request.call_id)
            .ok_or(SessionError::UnknownCall)?;
        if let Some(unchanged) = self.looped(&description, request.options, request.sdp) {
            return Ok(unchanged);
        }
        if description.media().is_empty() {
            return Err(SessionError::SdpRewrite);
        }
        let mut call = entry.lock();
        if matches!(call.phase, Phase::New | Phase::Ended) {
            return Err(SessionError::UnknownCall);
        }
        self.purge(&mut call, now);
        let find = |call: &mut Call| {
            let (from, to) = (request.from_tag, request.to_tag);
            parties::of_answer(call, from, to, request.via_branch, now.unix)
        };
        self.signal(
            now,
            &entry,
            call,
            Role::Answer,
            request.options,
            &description,
            find,
        )
    }

    /// Ends a call or a branch, by default after a delay in which media still flows.
    ///
    /// # Errors
    /// [`SessionError::NotFound`] with [`super::DeleteOptions::fatal`] alone.
    pub fn delete(
        &self,
        now: Now,
        request: &DeleteRequest<'_>,
    ) -> Result<DeleteOutcome, SessionError> {
        let found = self.delete_found(now, request);
        match found {
            Some(report) => Ok(DeleteOutcome {
                report,
                warning: None,
            }),
            None if request.options.fatal => Err(SessionError::NotFound),
            None => Ok(DeleteOutcome {
                report: None,
                warning: Some(Warning::NotFound),
            }),
        }
    }

    /// The outer `None`: nothing matches.
    fn delete_found(&self, now: Now, request: &DeleteRequest<'_>) -> Option<Option<CallReport>> {
        let entry = self.registry.find(request.call_id)?;
        let mut call = entry.lock();
        if matches!(call.phase, Phase::New | Phase::Ended) {
            return None;
        }
        self.purge(&mut call, now);
        let target = parties::of_delete(&call, request)?;
        let delay = request.options.delete_delay.or(call.delete_delay);
        let delay = delay.unwrap_or(self.config.delete_delay);
        let report = match target {
            Target::Call => None,
            Target::Party { shown, .. } => Some(self.snapshot(now).report(&call, shown)),
        };
        if let Target::Party { party, .. } = target {
            let at = &mut call.parties[party].closing;
            let before = at.replace(now.monotonic + delay);
            if call.has_dialogue() {
                self.purge(&mut call, now);
                return Some(report);
            }
            call.parties[party].closing = before;
        }
        if delay.is_zero() {
            self.close(now, &entry, call, EndReason::Deleted);
        } else {
            call.phase = Phase::Draining;
            let close = Command::CloseCall {
                call: call.key,
                after: delay,
            };
            self.plane.commands(call.shard, vec![close]);
        }
        Some(report)
    }

    /// A snapshot of a call.
    ///
    /// # Errors
    /// [`SessionError::UnknownCall`].
    pub fn query(&self, now: Now, request: &QueryRequest<'_>) -> Result<CallReport, SessionError> {
        let entry = self
            .registry
            .find(request.call_id)
            .ok_or(SessionError::UnknownCall)?;
        let call = entry.lock();
        if matches!(call.phase, Phase::New | Phase::Ended) {
            return Err(SessionError::UnknownCall);
        }
        let shown = parties::of_query(&call, request);
        Ok(self.snapshot(now).report(&call, shown))
    }

    /// Call-ids of at most `limit` calls, in no particular order.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<String> {
        self.registry.call_ids(limit)
    }

    /// Stops forwarding what the selected parties send; packets are still counted. Without any
    /// selection the call as a whole is blocked, apart from its parties.
    ///
    /// # Errors
    /// [`SessionError::UnknownCallSelection`] or the selector's own.
    pub fn block_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        self.set_blocked(now, call_id, selector, true)
    }

    /// Takes [`Sessions::block_media`] back. What was blocked for a party stays so when only the
    /// call is unblocked, and the other way round.
    ///
    /// # Errors
    /// As there.
    pub fn unblock_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        self.set_blocked(now, call_id, selector, false)
    }

    fn set_blocked(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        blocked: bool,
    ) -> Result<(), SessionError> {
        self.on_selected(now, call_id, selector, |call, selected| {
            if matches!(selected, Selected::Call | Selected::Everything) {
                call.blocked = blocked;
            }
            for (at, party) in call.parties.iter_mut().enumerate() {
                if selected.has_party(at) {
                    party.blocked = blocked;
                }
            }
            Ok(Vec::new())
        })
    }

    /// Is there a shard that has not more to transcode than it can? If not, new calls are refused.
    #[must_use]
    pub fn has_room(&self, now: Now) -> bool {
        self.placement.has_room(&*self.plane, self.since_epoch(now))
    }

    /// Takes note of what a shard reported.
    pub fn handle_event(&self, now: Now, event: Event) {
        match event {
            Event::SocketClosed { socket } => {
                if let Some(lease) = self.registry.end_lease(socket) {
                    self.interfaces.ports(lease.pool).release(lease.port);
                }
            }
            Event::CallTimedOut { call, reason } => self.gone(now, call, |call| match reason {
                _ if call.phase == Phase::Draining => EndReason::Deleted,
                TimeoutReason::Lifetime => EndReason::FinalTimeout,
                TimeoutReason::Inactivity if call.is_held() => EndReason::SilentTimeout,
                TimeoutReason::Inactivity if !call.answered => EndReason::OfferTimeout,
                TimeoutReason::Inactivity => EndReason::MediaTimeout,
            }),
            Event::CallClosed { call } => self.gone(now, call, |_| EndReason::Deleted),
            Event::CallPanicked { call } => self.gone(now, call, |_| EndReason::Fault),
            Event::EndpointLearned {
                call,
                socket,
                endpoint,
                confirmed,
            } => {
                if let Some(entry) = self.registry.find_key(call) {
                    entry.lock().learn(socket, endpoint, confirmed, None);
                }
            }
            Event::PairNominated {
                call,
                socket,
                via,
                endpoint,
                controlling,
                session,
            } => {
                if let Some(entry) = self.registry.find_key(call) {
                    let selected = SelectedPair {
                        socket: via,
                        remote: endpoint,
                        controlling,
                        session,
                    };
                    entry.lock().learn(socket, endpoint, true, Some(selected));
                }
            }
            Event::Digit {
                call,
                socket,
                digit,
            } => self.dialled(now, call, socket, digit),
            // The first one's closing follows; the driver has workers for the second.
            Event::SocketFailed { .. } | Event::Handshake(_) => {}
        }
    }

    /// Ends every call at once, for shutdown. Their ports are free once the events have come.
    pub fn close_all(&self, now: Now) {
        for entry in self.registry.entries() {
            let call = entry.lock();
            if call.phase != Phase::Ended {
                self.close(now, &entry, call, EndReason::Forced);
            }
        }
    }

    /// Ends one call at once, as an operator's command. `false`: there is no such call.
    pub fn terminate(&self, now: Now, call_id: &str) -> bool {
        let Some(entry) = self.registry.find(call_id) else {
            return false;
        };
        let call = entry.lock();
        if matches!(call.phase, Phase::New | Phase::Ended) {
            return false;
        }
        self.close(now, &entry, call, EndReason::Forced);
        true
    }

    /// Numbers over all calls. Looks at every call: for people and scrapers, not for hot paths.
    #[must_use]
    pub fn statistics(&self, now: Now) -> SessionStatistics {
        let (mut total, interval) = self.tally.read(now.monotonic);
        let mut current = CurrentStatistics {
            sockets: self.registry.leased(),
            ..CurrentStatistics::default()
        };
        for entry in self.registry.entries() {
            let call = entry.lock();
            if matches!(call.phase, Phase::New | Phase::Ended) {
                continue;
            }
            current.sessions += 1;
            current.draining += u64::from(call.phase == Phase::Draining);
            let medias = call.parties.iter().flat_map(|party| &party.medias);
            current.media += medias.filter(|media| media.active.is_some()).count() as u64;
            for stream in snapshot::totals(&call) {
                total.relayed.add(stream);
            }
        }
        SessionStatistics {
            current,
            total,
            interval,
            interfaces: self.interfaces.statistics(),
        }
    }

    /// Calls at this moment, draining ones included.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.registry.count()
    }

    /// Most calls at a time from now on; `Some(0)` drains, `None` is no limit.
    pub fn set_max_sessions(&self, max: Option<u32>) {
        self.limits.set_max_sessions(max);
    }

    /// Most calls at a time.
    #[must_use]
    pub fn max_sessions(&self) -> Option<u32> {
        self.limits.max_sessions()
    }

    /// The limit that the program found exceeded; `None` once it is not any more. While one is,
    /// new calls are refused and existing ones carry on.
    pub fn set_exceeded(&self, limit: Option<Limit>) {
        self.limits.set_exceeded(limit);
    }
}
