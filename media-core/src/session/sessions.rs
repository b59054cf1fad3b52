//! All calls of the program.

use std::sync::Arc;
use std::time::Instant;

use super::limits::Limits;
use super::{
    AnswerRequest, CallReport, DeleteOutcome, DeleteRequest, Limit, OfferRequest, QueryRequest,
    Rewritten, Selector, SessionConfig, SessionError, SessionObserver, SessionStatistics, Warning,
};
use crate::engine::Event;
use crate::engine::MediaPlane;
use crate::units::Now;

/// All calls. Shared by the threads that serve requests; each call has its own lock.
pub struct Sessions {
    config: SessionConfig,
    plane: Arc<dyn MediaPlane>,
    observer: Option<Arc<dyn SessionObserver>>,
    epoch: Instant,
    limits: Limits,
}

impl Sessions {
    /// No calls yet. `epoch` is the instant that the engine counts
    /// [`crate::engine::StreamCounters::last_packet_us`] from.
    ///
    /// # Panics
    /// If `config.interfaces` is empty.
    #[must_use]
    pub fn new(config: SessionConfig, plane: Arc<dyn MediaPlane>, epoch: Instant) -> Self {
        let limits = Limits::new(config.max_sessions);
        Self {
            config,
            plane,
            observer: None,
            epoch,
            limits,
        }
    }

    /// Tells `observer` how each call ended.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn SessionObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Handles an offer; the description in the outcome is for the far party.
    ///
    /// # Errors
    /// See [`SessionError`]; the call is as before, except with [`SessionError::OutOfPorts`], which
    /// ends a new call.
    pub fn offer(&self, now: Now, request: &OfferRequest<'_>) -> Result<Rewritten, SessionError> {
        let _ = (now, &self.config, &self.plane, &self.epoch);
        if let Some(limit) = self.limits.refusal(0) {
            return Err(SessionError::Limit(limit));
        }
        let _ = request;
        Err(SessionError::SdpParse)
    }

    /// Handles an answer; the description in the outcome is for the offerer.
    ///
    /// # Errors
    /// See [`SessionError`]; the call is as before.
    pub fn answer(&self, now: Now, request: &AnswerRequest<'_>) -> Result<Rewritten, SessionError> {
        let _ = (now, request);
        Err(SessionError::UnknownCall)
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
        let _ = now;
        if request.options.fatal {
            return Err(SessionError::NotFound);
        }
        Ok(DeleteOutcome {
            report: None,
            warning: Some(Warning::NotFound),
        })
    }

    /// A snapshot of a call.
    ///
    /// # Errors
    /// [`SessionError::UnknownCall`].
    pub fn query(&self, now: Now, request: &QueryRequest<'_>) -> Result<CallReport, SessionError> {
        let _ = (now, request);
        Err(SessionError::UnknownCall)
    }

    /// Call-ids of at most `limit` calls, in no particular order.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<String> {
        let _ = limit;
        Vec::new()
    }

    /// Stops forwarding what the selected parties send; packets are still counted.
    ///
    /// # Errors
    /// [`SessionError::UnknownCallSelection`] or the selector's own.
    pub fn block_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        let _ = (now, call_id, selector);
        Err(SessionError::UnknownCallSelection)
    }

    /// Takes [`Sessions::block_media`] back.
    ///
    /// # Errors
    /// As there.
    pub fn unblock_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        let _ = (now, call_id, selector);
        Err(SessionError::UnknownCallSelection)
    }

    /// Takes note of what a shard reported.
    pub fn handle_event(&self, now: Now, event: Event) {
        let _ = (now, event);
    }

    /// Ends every call at once, for shutdown. Their ports are free once the events have come.
    pub fn close_all(&self, now: Now) {
        let _ = now;
    }

    /// Ends one call at once, as an operator's command. `false`: there is no such call.
    pub fn terminate(&self, now: Now, call_id: &str) -> bool {
        let _ = (now, call_id);
        false
    }

    /// Numbers over all calls.
    #[must_use]
    pub fn statistics(&self, now: Now) -> SessionStatistics {
        let _ = now;
        SessionStatistics::default()
    }

    /// Calls at this moment, draining ones included.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        0
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
