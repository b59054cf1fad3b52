//! One turn of a shard: send what the turn before left, wait, hand what arrived to the engine.

use std::io;
use std::time::Instant;

use io_uring::cqueue;

use super::ring::{self, Completion, Op};
use super::sockets::{Phase, Sockets};
use crate::buf::{ADDRESS_AT, HEADROOM};
use crate::driver::epoll::send_failure;
use crate::driver::shard::Core;
use crate::driver::sys::{self, ADDRESS_LEN};
use crate::driver::{CoreParts, DriverConfig};
use crate::engine::{Datagram, DropReason, Event};
use crate::units::SocketId;

/// Completions copied out of the queue at a time.
const REAP: usize = 256;
/// Give up a socket whose receive keeps failing.
const MAX_FAILURES: u8 = 16;

pub(in crate::driver) struct Shard {
    core: Core,
    sockets: Sockets,
    reaped: Box<[Completion; REAP]>,
    busy: bool,
}

impl Shard {
    pub(in crate::driver) fn new(config: &DriverConfig, parts: CoreParts) -> io::Result<Self> {
        let now = Instant::now();
        let sockets = Sockets::new(config.tick, config.buffers, config.max_sockets)?;
        let core = Core::new(parts, &sockets.slab, now);
        let mut shard = Self {
            core,
            sockets,
            reaped: Box::new(
                [Completion {
                    user_data: 0,
                    result: 0,
                    flags: 0,
                }; REAP],
            ),
            busy: false,
        };
        shard.sockets.arm_wake(shard.core.port().wake.fd())?;
        Ok(shard)
    }

    /// One batch; `false` when the shard is to end.
    pub(in crate::driver) fn turn(&mut self) -> bool {
        let until = self.core.poll_timeout();
        let entered = self
            .sockets
            .flush()
            .and_then(|()| match self.core.is_behind() {
                true => self.sockets.ring.look(),
                false => self.sockets.ring.wait(self.busy, until),
            });
        if let Err(error) = entered {
            // Nothing can be received or sent without the ring: end loudly rather than spin.
            panic!("io_uring_enter: {error}");
        }
        let now = Instant::now();
        self.sockets.ring.pace.begin(now);
        self.core.counters.wakeups.add(1);
        self.busy = false;
        let mut starved = false;
        let mut go_on = true;
        // Bounded: a queue's worth per turn, then timers get their chance.
        for _ in 0..64 {
            let n = self.sockets.ring.reap(&mut self.reaped[..]);
            go_on &= self.core.obey(now, &mut self.sockets);
            let shard = self.core.shard();
            let batch = self.reaped[..n].iter();
            self.core.warm(
                batch.filter_map(|c| match ring::decode(shard, c.user_data) {
                    Some((Op::Receive, socket)) => Some(socket),
                    _ => None,
                }),
            );
            for at in 0..n {
                starved |= self.complete(now, self.reaped[at]);
            }
            if n < REAP {
                break;
            }
        }
        if starved {
            self.core.counters.buffer_shortages.add(1);
            self.rearm_starved();
        }
        self.core.housekeep(now, &mut self.sockets);
        self.core.transcode(now, &mut self.sockets);
        self.core.tell();
        go_on
    }

    /// Handles one completion; `true` if a socket found no free slot.
    fn complete(&mut self, now: Instant, completion: Completion) -> bool {
        let Some((op, socket)) = ring::decode(self.core.shard(), completion.user_data) else {
            return false;
        };
        match op {
            Op::Receive => return self.received(now, socket, completion),
            // Only failures complete visibly.
            Op::Send => self
                .core
                .engine
                .count_drop(socket, send_failure(-completion.result)),
            Op::Check => {}
            Op::Wake => {
                if let Err(error) = self.sockets.arm_wake(self.core.port().wake.fd()) {
                    panic!("io_uring: cannot listen for commands: {error}");
                }
            }
            Op::Cancel => self.sockets.cancelled(socket, completion.result),
            Op::Close => {
                self.sockets.by_index[socket.index() as usize] = None;
                self.core.closed(socket);
            }
        }
        false
    }

    fn received(&mut self, now: Instant, socket: SocketId, completion: Completion) -> bool {
        let more = cqueue::more(completion.flags);
        if let Some(slot) = cqueue::buffer_select(completion.flags) {
            self.sockets.buffers.taken();
            self.busy = true;
            let len = usize::try_from(completion.result).unwrap_or(0);
            self.deliver(now, socket, slot, len);
        }
        let Some(state) = self.sockets.get(socket) else {
            return false;
        };
        if completion.result >= 0 {
            state.failures = 0;
        }
        if more {
            return false;
        }
        // The receive has ended, whatever the reason: a cancel, no slots, a full completion queue.
        match state.phase {
            Phase::Cancelling => self.sockets.close_now(socket),
            Phase::Open | Phase::Closing | Phase::Starved => {}
            Phase::Receiving if completion.result == -libc::ENOBUFS => {
                state.phase = Phase::Starved;
                return true;
            }
            Phase::Receiving => {
                state.failures += u8::from(completion.result < 0);
                let given_up = state.failures > MAX_FAILURES;
                if given_up || self.sockets.arm(socket).is_err() {
                    self.core.report(Event::SocketFailed {
                        socket,
                        errno: -completion.result,
                    });
                    self.sockets.close_now(socket);
                }
            }
        }
        false
    }

    /// Takes a filled slot and hands it to the engine.
    #[inline]
    fn deliver(&mut self, now: Instant, socket: SocketId, slot: u16, len: usize) {
        let Some(packet) = self.sockets.slab.adopt(slot, len.saturating_sub(HEADROOM)) else {
            return;
        };
        let head = packet.head();
        // struct io_uring_recvmsg_out: namelen, controllen, payloadlen, flags.
        let flags = u32::from_ne_bytes([head[12], head[13], head[14], head[15]]);
        if len < HEADROOM || flags & libc::MSG_TRUNC.cast_unsigned() != 0 {
            self.core.engine.count_drop(socket, DropReason::TooLong);
            return;
        }
        let Some(name) = head[ADDRESS_AT..].first_chunk::<ADDRESS_LEN>() else {
            return;
        };
        if let Some(from) = sys::decode_address(name) {
            self.core.receive(
                now,
                Datagram {
                    socket,
                    from,
                    packet,
                },
                &mut self.sockets,
            );
        }
    }

    /// Gives the kernel more slots and starts the receives that ended for want of them.
    #[cold]
    fn rearm_starved(&mut self) {
        self.sockets.buffers.shortage();
        self.sockets.buffers.refill(&self.sockets.slab);
        let starved: Vec<SocketId> = self
            .sockets
            .by_index
            .iter()
            .flatten()
            .filter(|s| s.phase == Phase::Starved)
            .map(|s| s.id)
            .collect();
        for socket in starved {
            if let Some(state) = self.sockets.get(socket) {
                state.phase = Phase::Receiving;
            }
            if self.sockets.arm(socket).is_err() {
                self.core.report(Event::SocketFailed {
                    socket,
                    errno: libc::EBUSY,
                });
                self.sockets.close_now(socket);
            }
        }
    }
}
