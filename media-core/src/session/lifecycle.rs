//! What becomes of a call between its first offer and its end, whichever request or event causes it.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use super::call::{Call, Phase};
use super::registry::Entry;
use super::routes;
use super::signal::{Role, Signal};
use super::snapshot::{self, Shown, Snapshot};
use super::tally;
use super::{
    CallEnded, EndReason, Limit, Options, Rewritten, SessionError, Sessions, StreamTotals,
};
use crate::engine::{CallTimeouts, Command};
use crate::sdp::{SessionDescription, parse};
use crate::units::{CallKey, Now, ShardId, SocketId};

impl Sessions {
    /// Carries an offer or an answer out, whole or not at all.
    #[expect(
        clippy::too_many_arguments,
        reason = "the two requests differ in no more than this"
    )]
    pub(super) fn signal(
        &self,
        now: Now,
        entry: &Entry,
        mut call: MutexGuard<'_, Call>,
        role: Role,
        options: &Options,
        description: &SessionDescription<'_>,
        find: impl FnOnce(&mut Call) -> Result<(usize, usize), SessionError>,
    ) -> Result<Rewritten, SessionError> {
        let is_new = call.phase == Phase::New;
        let backup = (!is_new).then(|| call.clone());
        let mut signal = Signal {
            config: &self.config,
            plane: &*self.plane,
            interfaces: &self.interfaces,
            registry: &self.registry,
            identity: &self.identity,
            certificate: self.identity.certificate(now),
            loop_id: &self.loop_id,
            options,
            role,
            unix: now.unix,
            fresh: Vec::new(),
            warnings: Vec::new(),
        };
        let done = find(&mut call).and_then(|(speaker, listener)| {
            let sdp = signal.describe(&mut call, speaker, listener, description)?;
            call.tie(speaker, listener);
            call.hear_hold(is_new, self.config.hold, options);
            call.hear_digits(speaker, &options.dtmf);
            call.replan(self.config.reports_digits);
            Ok(sdp)
        });
        let Signal {
            fresh, warnings, ..
        } = signal;
        match done {
            Ok(sdp) => {
                call.phase = Phase::Alive;
                call.answered |= role == Role::Answer;
                call.last_signal = now.unix;
                self.placement.weigh(&mut call);
                if is_new {
                    self.tally.created(now.monotonic);
                }
                let command = Command::Call {
                    call: call.key,
                    timeouts: self.timeouts(&call),
                };
                self.restate(&mut call, vec![command]);
                Ok(Rewritten { sdp, warnings })
            }
            Err(error) => {
                self.close_sockets(call.shard, fresh);
                match backup {
                    Some(backup) => *call = backup,
                    None => {
                        call.phase = Phase::Ended;
                        self.registry.remove(entry);
                    }
                }
                Err(error)
            }
        }
    }

    /// The description, with the addresses that are to be believed.
    pub(super) fn described<'a>(
        &self,
        sdp: &'a [u8],
        options: &Options,
    ) -> Result<SessionDescription<'a>, SessionError> {
        let mut description = parse(sdp).map_err(|error| match error {
            error if error.is_incomplete() => SessionError::SdpIncomplete,
            _ => SessionError::SdpParse,
        })?;
        if !options.trust_address.unwrap_or(self.config.trust_address) {
            let source = options.received_from.ok_or(SessionError::SdpIncomplete)?;
            description.set_source(source);
        }
        Ok(description)
    }

    /// The description as it came, if it has been through here already and is to be left alone.
    pub(super) fn looped(
        &self,
        description: &SessionDescription<'_>,
        options: &Options,
        sdp: &[u8],
    ) -> Option<Rewritten> {
        let seen = options.sdp.loop_protect && description.has_loop_mark(&self.loop_id);
        seen.then(|| Rewritten {
            sdp: sdp.to_vec(),
            warnings: Vec::new(),
        })
    }

    pub(super) fn since_epoch(&self, now: Now) -> Duration {
        now.monotonic.saturating_duration_since(self.epoch)
    }

    /// A place for another call when `calls` are there already.
    pub(super) fn admit(&self, now: Now, calls: u64) -> Result<ShardId, SessionError> {
        let shard = match self.limits.refusal(calls) {
            Some(limit) => Err(limit),
            None => self
                .placement
                .choose(&*self.plane, self.since_epoch(now))
                .ok_or(Limit::Load),
        };
        shard.map_err(|limit| {
            self.tally.rejected(now.monotonic);
            SessionError::Limit(limit)
        })
    }

    fn timeouts(&self, call: &Call) -> CallTimeouts {
        let config = &self.config.timeouts;
        let inactivity = match () {
            () if call.is_held() => config.silent,
            () if !call.answered => config.offer,
            () => config.media,
        };
        let never_if_zero = |time: Duration| (!time.is_zero()).then_some(time);
        CallTimeouts {
            inactivity: never_if_zero(inactivity),
            lifetime: never_if_zero(config.lifetime),
        }
    }

    /// Closes parties whose time after a delete is over.
    pub(super) fn purge(&self, call: &mut Call, now: Now) {
        let due = |closing: Option<Instant>| closing.is_some_and(|at| at <= now.monotonic);
        if !call
            .parties
            .iter()
            .any(|party| !party.closed && due(party.closing))
        {
            return;
        }
        let mut sockets = Vec::new();
        for party in &mut call.parties {
            if !party.closed && due(party.closing) {
                party.closed = true;
                sockets.extend(party.sockets());
                for media in &mut party.medias {
                    media.active = None;
                }
            }
        }
        self.placement.weigh(call);
        self.restate(call, vec![Command::CloseSockets { sockets }]);
    }

    /// Sends `commands`, then every route that changed.
    pub(super) fn restate(&self, call: &mut Call, mut commands: Vec<Command>) {
        routes::restate(call, &self.interfaces, &self.hasher, &mut commands);
        if !commands.is_empty() {
            self.plane.commands(call.shard, commands);
        }
    }

    fn close_sockets(&self, shard: ShardId, sockets: Vec<SocketId>) {
        if !sockets.is_empty() {
            let close = vec![Command::CloseSockets { sockets }];
            self.plane.commands(shard, close);
        }
    }

    /// Has the shard close a call now, and ends it here.
    pub(super) fn close(
        &self,
        now: Now,
        entry: &Entry,
        call: MutexGuard<'_, Call>,
        reason: EndReason,
    ) {
        let close = Command::CloseCall {
            call: call.key,
            after: Duration::ZERO,
        };
        self.plane.commands(call.shard, vec![close]);
        self.end(now, entry, call, reason);
    }

    /// The shard has ended a call by itself. It is told to close it all the same: a request that was
    /// carried out meanwhile may have made it anew there.
    pub(super) fn gone(&self, now: Now, key: CallKey, reason: impl FnOnce(&Call) -> EndReason) {
        if let Some(entry) = self.registry.find_key(key) {
            let call = entry.lock();
            if call.phase != Phase::Ended {
                let reason = reason(&call);
                self.close(now, &entry, call, reason);
            }
        }
    }

    fn end(&self, now: Now, entry: &Entry, mut call: MutexGuard<'_, Call>, reason: EndReason) {
        let was_new = call.phase == Phase::New;
        call.phase = Phase::Ended;
        self.placement.weigh(&mut call);
        self.note_deadline(&mut call);
        self.registry.remove(entry);
        if was_new {
            return;
        }
        let duration = now
            .monotonic
            .saturating_duration_since(call.created.monotonic);
        let mut relayed = StreamTotals::default();
        for stream in snapshot::totals(&call) {
            relayed.add(stream);
        }
        let senders = snapshot::senders(&call);
        let ended = tally::Ended {
            reason,
            duration,
            relayed,
            senders,
        };
        self.tally.ended(now.monotonic, &ended);
        let Some(observer) = &self.observer else {
            return;
        };
        let report = self.snapshot(now).report(&call, Shown::All);
        drop(call);
        let call_id = entry.call_id.to_string();
        observer.call_ended(&CallEnded {
            call_id,
            reason,
            duration,
            report,
        });
    }

    pub(super) fn snapshot(&self, now: Now) -> Snapshot<'_> {
        Snapshot {
            interfaces: &self.interfaces,
            now,
            epoch: self.epoch,
        }
    }
}
