//! Transcoding, after everything that needs none: a queue of streams that have work, served in turns.
//!
//! A datagram is only put into its stream's buffer. [`Engine::transcode`] does the work, a bounded share at
//! a time, so that a relayed packet never waits for more than one such share.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::stream::Stream;
use super::timer::Timers;
use super::{DropReason, Egress, Engine, Event, Verdict};
use crate::buf::PacketBuf;
use crate::media::jitter::MAX_DELAY_MS;
use crate::media::transcode::{Heard, Outlet, Scratch};
use crate::units::{CallKey, SocketId};
use crate::wire::rtp::RtpHeader;

/// Estimated cost of what one call of [`Engine::transcode`] does, microseconds. A relayed packet that
/// arrives meanwhile waits as long.
const SHARE_US: u64 = 500;

/// Packets are no longer held back when less than one in so many slots is free.
const SHORT: usize = 4;

/// What costs no more, estimated microseconds, is done at once, as SRTP is: to come back to it would cost more.
const AT_ONCE_US: u64 = 1;

/// A packet that waits longer than this before it is transcoded, microseconds, waits because more comes than is
/// done: by then its stream's next one is there.
const BEHIND_US: u64 = 20_000;

/// A shard's transcoding.
#[derive(Debug, Default)]
pub(super) struct Transcoding {
    /// Streams with work, each once, and since when.
    queue: VecDeque<(SocketId, u64)>,
    /// Estimated cost of one turn of each, microseconds.
    queued_us: u64,
    /// Since when the queue has not been empty, though its first has waited for too long; microseconds.
    behind_since: Option<u64>,
    /// When packets that are held back become due.
    timers: Timers<SocketId>,
    scratch: Scratch,
    /// What one stream's turn gave, until it is sent.
    done: Vec<PacketBuf>,
}

impl Transcoding {
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Engine {
    /// What waits for [`Engine::transcode`], by its estimated cost in microseconds; 0: nothing does.
    #[inline]
    #[must_use]
    pub fn transcoding_us(&self) -> u64 {
        self.transcoding.queued_us
    }

    /// Transcodes a bounded share of what waits; call it again while [`Engine::transcoding_us`] is not 0.
    pub fn transcode(&mut self, now: Instant, out: &mut Egress) {
        let at_us = self.micros(now);
        let mut spent_us = 0;
        while spent_us < SHARE_US {
            let Some((socket, since)) = self.transcoding.queue.pop_front() else {
                break;
            };
            self.unqueue(socket);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.turn(socket, at_us, out)));
            spent_us += outcome.unwrap_or_else(|_| {
                self.end_panicked(socket, out);
                1
            });
            // One that has yet more to do has waited since it had nothing.
            if let Some((again, at)) = self.transcoding.queue.back_mut()
                && *again == socket
            {
                *at = since;
            }
        }
        let Transcoding {
            queue,
            queued_us,
            behind_since,
            ..
        } = &mut self.transcoding;
        match queue.front() {
            None => {
                // Streams may have left the queue with their calls.
                *queued_us = 0;
                *behind_since = None;
            }
            Some((_, since)) if at_us.saturating_sub(*since) > BEHIND_US => {
                behind_since.get_or_insert(at_us);
            }
            Some(_) => {}
        }
        let behind_us = behind_since.map_or(0, |since| (at_us - since).max(1));
        self.counters.transcode_backlog_us.set(*queued_us);
        self.counters.transcode_behind_us.set(behind_us);
    }

    /// Keeps a packet for its turn.
    #[inline]
    pub(super) fn defer(
        &mut self,
        socket: SocketId,
        header: &RtpHeader,
        packet: PacketBuf,
        at_us: u64,
        out: &mut Egress,
    ) -> Verdict {
        let short = self.slab.free_slots() < self.slab.slots() / SHORT;
        let crowded = |stream: &Stream| {
            let transcoder = stream.transcoder.as_ref();
            transcoder.is_some_and(|t| t.is_crowded() || short && t.is_holding())
        };
        if self.stream(socket).is_some_and(crowded) {
            // After a stall one batch may hold a second of a stream; and what is held back must leave room for
            // everybody else's packets, in time or before.
            let in_any_case = at_us + u64::from(MAX_DELAY_MS) * 1000;
            self.turn(socket, in_any_case, out);
        }
        let Some(stream) = self.stream_mut(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let Some(transcoder) = &mut stream.transcoder else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        if transcoder.push(header, packet, at_us).is_err() {
            return Verdict::Dropped(DropReason::Late);
        }
        if stream.transcode_cost_us <= AT_ONCE_US && !stream.queued {
            self.turn(socket, at_us, out);
        } else {
            self.requeue(socket, at_us);
        }
        Verdict::Consumed
    }

    /// Puts streams whose held packets have become due into the queue.
    pub(super) fn queue_due(&mut self, now: Instant) {
        let at_us = self.micros(now);
        while let Some(socket) = self.transcoding.timers.pop_due(now) {
            if let Some(stream) = self.stream_mut(socket)
                && stream.armed_us.is_some_and(|armed| armed <= at_us)
            {
                stream.armed_us = None;
                self.requeue(socket, at_us);
            }
        }
    }

    fn unqueue(&mut self, socket: SocketId) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        stream.queued = false;
        let cost_us = stream.transcode_cost_us;
        self.transcoding.queued_us = self.transcoding.queued_us.saturating_sub(cost_us);
    }

    /// One packet of one stream; returns what it cost, in microseconds or so.
    fn turn(&mut self, socket: SocketId, at_us: u64, out: &mut Egress) -> u64 {
        let place = socket.index() as usize;
        let Some(Some(stream)) = self.streams.get_mut(place) else {
            return 0;
        };
        if stream.generation != socket.generation() {
            return 0;
        }
        let cost_us = stream.transcode_cost_us;
        let Some(transcoder) = &mut stream.transcoder else {
            return 0;
        };
        let Transcoding { scratch, done, .. } = &mut self.transcoding;
        let mut keep = |packet| done.push(packet);
        let mut outlet = Outlet::new(&self.slab, &mut keep);
        if !transcoder.work(at_us, scratch, &mut outlet) {
            self.requeue(socket, at_us);
            return 0;
        }
        let counted = (outlet.unlisted, outlet.failed, outlet.concealed);
        let (heard, call) = (outlet.heard, stream.call);
        stream.counters.transcoded.add(1);
        stream.counters.concealed.add(counted.2);
        self.counters.transcoded.add(1);
        for (n, reason) in [
            (counted.0, DropReason::NotNegotiated),
            (counted.1, DropReason::Undecodable),
        ] {
            for _ in 0..n {
                self.count_drop(socket, reason);
            }
        }
        if let Some(digit) = heard {
            self.report_digit(call, socket, digit);
        }
        self.send_done(socket, at_us, out);
        self.requeue(socket, at_us);
        cost_us
    }

    #[cold]
    pub(super) fn report_digit(&mut self, call: CallKey, socket: SocketId, digit: Heard) {
        self.events.push_back(Event::Digit {
            call,
            socket,
            digit,
        });
    }

    fn send_done(&mut self, socket: SocketId, at_us: u64, out: &mut Egress) {
        // Taken for the loop and put back for its capacity.
        let mut done = std::mem::take(&mut self.transcoding.done);
        let events = self
            .stream(socket)
            .filter(|stream| stream.blocked)
            .map(|stream| {
                let transcoder = stream.transcoder.as_ref();
                transcoder.and_then(|transcoder| Some(transcoder.plan().events?.0))
            });
        for packet in done.drain(..) {
            // Of a blocked stream's packets events alone go on.
            let blocked = events.is_some_and(|events| {
                let header = RtpHeader::parse(packet.as_slice()).ok();
                events.is_none() || header.map(|h| h.payload_type()) != events
            });
            let verdict = match blocked {
                true => Verdict::Dropped(DropReason::Blocked),
                false => self.emit_counted(socket, packet, at_us, out),
            };
            if let Verdict::Dropped(reason) = verdict {
                self.count_drop(socket, reason);
            }
        }
        self.transcoding.done = done;
    }

    /// Into the queue if there is work now, or to be woken when there will be.
    #[inline]
    fn requeue(&mut self, socket: SocketId, at_us: u64) {
        let epoch = self.epoch;
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        let due = stream.transcoder.as_ref().and_then(|t| t.due_us());
        match due {
            Some(due) if due <= at_us && stream.queued => {}
            Some(due) if due <= at_us => {
                stream.queued = true;
                let cost_us = stream.transcode_cost_us;
                self.transcoding.queued_us += cost_us;
                self.transcoding.queue.push_back((socket, at_us));
            }
            Some(due) if stream.armed_us.is_none_or(|armed| due < armed) => {
                stream.armed_us = Some(due);
                let at = epoch + Duration::from_micros(due);
                self.transcoding.timers.arm(at, socket);
            }
            _ => {}
        }
    }

    pub(super) fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
