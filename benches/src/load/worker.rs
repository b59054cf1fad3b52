//! The generator thread's loop: send what is due, take what came, and, without a core of its own, sleep.

use std::cmp::Ordering;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use media_core::srtp::UnprotectError;

use super::batch::{ReceiveBatch, Received, SEND_SLOTS, SendBatch};
use super::ear::{Broken, Ear};
use super::live::Delta;
use super::packet::{self, Defect};
use super::stream::{Arrival, Receiver, Sender};
use super::{Content, Job, Live, Plan, SocketPair, Tally, nanoseconds, realtime_ns};
use crate::host;
use crate::secure::srtp::Slot;

/// Ticks between looks at the RTCP sockets, which are quiet.
const RTCP_TICKS: u32 = 64;

/// Runs a job on the calling thread from the plan's start until its stragglers are in.
#[must_use]
pub fn run(job: Job) -> Tally {
    host::sharpen_timers();
    Worker::new(job).run()
}

struct Worker {
    sockets: Vec<Arc<SocketPair>>,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    /// By stream, when there are voices.
    ears: Vec<Ear>,
    /// Stream by the daemon's port.
    by_port: Vec<Option<u32>>,
    plan: Plan,
    live: Arc<Live>,
    delta: Delta,
    tally: Tally,
    send: SendBatch,
    /// Stream and number of each packet in `send`.
    batched: Vec<(usize, u64)>,
    receive: ReceiveBatch,
    /// Where SRTP is worked on.
    slot: Slot,
}

impl Worker {
    fn new(job: Job) -> Self {
        let Job {
            sockets,
            streams,
            plan,
            live,
        } = job;
        let mut by_port = vec![None; 1 << 16];
        let rounds = plan.rampup.as_nanos() / plan.media.interval().as_nanos().max(1);
        let count = streams.len().max(1);
        let receivers = streams.iter().map(|_| Receiver::default()).collect();
        let ears = match &plan.voices {
            Some(_) => streams.iter().map(|_| Ear::default()).collect(),
            None => Vec::new(),
        };
        let senders = streams
            .into_iter()
            .enumerate()
            .map(|(i, config)| {
                let index = u32::try_from(i).expect("invariant: fewer streams than ports");
                by_port[usize::from(config.daemon.port())] = Some(index);
                // Both sides of a call start in the same round.
                let skip = (i & !1) as u128 * rounds / count as u128;
                Sender::new(config, index, u64::try_from(skip).unwrap_or(0), &plan)
            })
            .collect();
        Self {
            receivers,
            ears,
            sockets,
            senders,
            by_port,
            plan,
            live,
            delta: Delta::default(),
            tally: Tally::default(),
            send: SendBatch::new(),
            batched: Vec::with_capacity(SEND_SLOTS),
            receive: ReceiveBatch::new(),
            slot: Slot::new(),
        }
    }

    fn run(mut self) -> Tally {
        // In socket order, so that a batch mostly leaves through one socket.
        let mut order: Vec<usize> = (0..self.senders.len()).collect();
        order.sort_by_key(|&i| self.senders[i].config.socket);
        let end = self.plan.steady.end + Plan::RUNOUT;
        let mut position = 0;
        let mut ticks = 0_u32;
        while self.plan.base.elapsed() < end {
            if !order.is_empty() {
                position = self.send_due(&order, position);
            }
            self.receive_all(ticks.is_multiple_of(RTCP_TICKS));
            self.delta.publish(&self.live);
            ticks = ticks.wrapping_add(1);
            if let Some(nap) = self.plan.nap {
                std::thread::sleep(nap);
            }
        }
        // Stragglers; not longer than needed, but a while for what comes twice.
        while self.plan.base.elapsed() < end + Plan::GRACE
            && !(self.is_complete() && self.plan.base.elapsed() > end + Plan::GRACE / 10)
        {
            self.receive_all(true);
            self.delta.publish(&self.live);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.finish()
    }

    /// Sends everything due by now. Packets are numbered through all streams, round by round, and spread
    /// evenly over the packet time; returns the first position not yet due.
    fn send_due(&mut self, order: &[usize], mut position: usize) -> usize {
        let streams = order.len();
        let start_ns = nanoseconds(self.plan.start);
        let interval_ns = u128::from(nanoseconds(self.plan.media.interval()));
        let due = |position: usize| {
            let after = position as u128 * interval_ns / streams as u128;
            start_ns + u64::try_from(after).unwrap_or(u64::MAX - start_ns)
        };
        let now_ns = nanoseconds(self.plan.base.elapsed());
        let mut socket = 0;
        loop {
            let due_ns = due(position);
            if due_ns > now_ns {
                break;
            }
            let i = order[position % streams];
            let round = (position / streams) as u64;
            let copies = match round.cmp(&self.senders[i].skip) {
                Ordering::Less => 0,
                Ordering::Equal => 1 + self.plan.burst,
                Ordering::Greater => 1,
            };
            for _ in 0..copies {
                let next_socket = self.senders[i].config.socket;
                if self.send.len() == SEND_SLOTS || next_socket != socket {
                    self.flush(socket);
                    // Between batches, lest what comes in waits behind what goes out.
                    self.receive_socket(socket);
                }
                socket = next_socket;
                self.push(i, due_ns, now_ns);
            }
            position += 1;
        }
        self.flush(socket);
        position
    }

    fn push(&mut self, i: usize, due_ns: u64, now_ns: u64) {
        let sender = &mut self.senders[i];
        let (header, mark, measured) = sender.next(due_ns, &self.plan);
        if measured {
            self.tally
                .lag_us
                .saturating_record((now_ns - due_ns) / 1000);
        }
        let payload_bytes = self.plan.media.payload_bytes;
        let slot = &mut self.slot;
        let voice = self.plan.voice_of(i);
        self.send.push(sender.config.daemon, |buffer| {
            let write = |to: &mut [u8]| match voice {
                None => packet::write(to, header, mark, payload_bytes),
                Some(voice) => {
                    let payload = voice.payload(mark.number + shift(i));
                    packet::write_payload(to, header, payload)
                }
            };
            match &mut sender.secure {
                None => write(buffer),
                Some(secure) => secure.protect(slot, buffer, write),
            }
        });
        self.batched.push((i, mark.number));
        self.delta.sent += 1;
    }

    fn flush(&mut self, socket: usize) {
        let count = self.batched.len() as u64;
        if count == 0 {
            return;
        }
        let before = realtime_ns();
        self.tally.send_errors += self.send.send(&self.sockets[socket].rtp);
        // They leave one by one: spread the send times over the call.
        let each = realtime_ns().saturating_sub(before) / count;
        for (k, (i, number)) in self.batched.drain(..).enumerate() {
            self.senders[i].set_sent(number, before + each * k as u64);
        }
    }

    fn receive_all(&mut self, rtcp_too: bool) {
        for socket in 0..self.sockets.len() {
            self.receive_socket(socket);
            if rtcp_too {
                self.tally.rtcp += self.receive.receive(&self.sockets[socket].rtcp) as u64;
            }
        }
    }

    fn receive_socket(&mut self, socket: usize) {
        loop {
            let count = self.receive.receive(&self.sockets[socket].rtp);
            for slot in 0..count {
                self.take(socket, slot);
            }
            // A short batch has emptied the socket.
            if count < super::batch::RECEIVE_SLOTS {
                break;
            }
        }
    }

    fn take(&mut self, socket: usize, slot: usize) {
        let Received {
            bytes,
            from,
            stamp_ns,
        } = self.receive.get(slot);
        let tally = &mut self.tally;
        if self.plan.steady.contains(&self.plan.since_base(stamp_ns)) {
            tally.relayed += 1;
        }
        let Some(i) = self.by_port[usize::from(from.port())].map(|i| i as usize) else {
            tally.unknown_source += 1;
            return;
        };
        let bytes = match &mut self.senders[i].secure {
            Some(secure) if !packet::is_rtcp(bytes) => {
                match secure.unprotect(&mut self.slot, bytes) {
                    Ok(packet) => packet,
                    Err(UnprotectError::Replayed) => {
                        self.receivers[i].tally.duplicate += 1;
                        return;
                    }
                    Err(UnprotectError::TooShort | UnprotectError::Malformed) => {
                        tally.malformed += 1;
                        return;
                    }
                    Err(_) => {
                        tally.unauthentic += 1;
                        return;
                    }
                }
            }
            _ => bytes,
        };
        // A party is spoken to in its own codec.
        let media = self.plan.media_of(i);
        let read = match self.plan.voices {
            None => {
                packet::read(bytes, media.payload_bytes).map(|(header, mark)| (header, Ok(mark)))
            }
            Some(_) => packet::read_header(bytes).map(|(header, payload)| (header, Err(payload))),
        };
        let (header, content) = match read {
            Ok(read) => read,
            Err(Defect::Malformed) => {
                tally.malformed += 1;
                return;
            }
            Err(Defect::Rtcp) => {
                tally.rtcp += 1;
                return;
            }
            Err(Defect::Payload) => {
                tally.damaged += 1;
                return;
            }
        };
        let sender = &self.senders[i ^ 1];
        let is_of_another = content.is_ok_and(|mark| mark.stream as usize != i ^ 1);
        if !is_expected(&self.senders[i], socket, from) || is_of_another {
            tally.misrouted += 1;
            return;
        }
        if header.payload_type != media.payload_type {
            tally.wrong_payload_type += 1;
            return;
        }
        let number = match content {
            Ok(mark) => mark.number,
            Err(payload) => match self.ears[i].hear(header, payload, media) {
                Ok(number) => number,
                Err(Broken) => {
                    tally.discontinuous += 1;
                    return;
                }
            },
        };
        let receiver = &mut self.receivers[i];
        match receiver.arrive(number, sender) {
            Arrival::NeverSent => {
                tally.damaged += 1;
                return;
            }
            Arrival::Duplicate => return,
            Arrival::Newest { skipped } => self.delta.missing += skipped.cast_signed(),
            Arrival::Late => self.delta.missing -= 1,
        }
        tally.rewritten +=
            u64::from(content.is_ok() && header != sender.header(number, media.payload_type));
        let jitter_before = receiver.jitter_ns();
        if let Some(latency_ns) = receiver.measure(number, stamp_ns, sender) {
            // An odd stream hears side A.
            tally.latency_us[(i & 1) ^ 1].saturating_record(latency_ns / 1000);
        }
        self.delta.received += 1;
        self.delta.jitter_ns += receiver.jitter_ns().cast_signed() - jitter_before.cast_signed();
        if !std::mem::replace(&mut receiver.tally.heard, true) {
            self.delta.heard += 1;
        }
    }

    /// Whether every packet has come.
    fn is_complete(&self) -> bool {
        let mut pairs = self.receivers.iter().enumerate();
        pairs.all(|(i, receiver)| receiver.arrived == self.senders[i ^ 1].count)
    }

    fn finish(mut self) -> Tally {
        for (i, receiver) in self.receivers.iter_mut().enumerate() {
            receiver.tally.sent = self.senders[i ^ 1].measured_count();
            receiver.tally.jitter = Duration::from_nanos(receiver.jitter_ns());
            if let (Some(ear), Some(said)) = (self.ears.get(i), self.plan.voice_of(i ^ 1)) {
                let media = self.plan.media_of(i);
                receiver.tally.content = ear.content(media, said, shift(i ^ 1));
                let is_other = |content: Content| !content.is_faithful();
                self.tally.unfaithful += u64::from(receiver.tally.content.is_some_and(is_other));
            }
        }
        self.tally.streams = self.receivers.iter().map(|r| r.tally).collect();
        self.tally
    }
}

/// Packets by which what a stream says is ahead of the voice's beginning: each says something else at a time, so
/// that a party that hears another's is known to.
const fn shift(stream: usize) -> u64 {
    stream as u64 * 37
}

/// Whether a packet of stream `own` may come to this socket from there.
fn is_expected(own: &Sender, socket: usize, from: SocketAddrV4) -> bool {
    own.config.socket == socket && own.config.daemon == from
}
