//! The io_uring driver: multishot receive into a provided-buffer ring, send out of the same slot.
//!
//! ```text
//! kernel ──recvmsg multishot──▶ slot ──adopt──▶ PacketBuf ──engine──▶ into_flight ──SEND──▶ kernel
//!   ▲                                                                                  │
//!   └───────────── buffer ring ◀── free ◀── complete (the send ended in the submit) ◀──┘
//! ```
//! A send with `MSG_DONTWAIT` completes while it is submitted, success without a completion entry; so
//! its slot is free as soon as the submit has returned. Sockets are direct descriptors whose number is
//! their [`SocketId`]'s index.

mod buf_ring;
mod ring;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::{cqueue, opcode, squeue, types};

use super::epoll::send_failure;
use super::shard::{Core, Io};
use super::sys::{self, ADDRESS_LEN, ADDRESS_SOCKLEN};
use super::{CoreParts, DriverConfig};
use crate::buf::{ADDRESS_AT, HEADROOM, Slab};
use crate::engine::{Datagram, DropReason, Event, Transmit};
use crate::units::{ShardId, SocketId};

use buf_ring::{BufRing, GROUP};
use ring::{Completion, Op, Ring};

/// Completions copied out of the queue at a time.
const REAP: usize = 256;
/// Slots beyond those of the buffer ring, for copies to further sinks.
const SPARE_SLOTS: u16 = 256;
/// Bytes that the kernel writes in front of the name: `struct io_uring_recvmsg_out`.
const RECVMSG_OUT: usize = 16;
const _: () = assert!(RECVMSG_OUT == ADDRESS_AT && RECVMSG_OUT + ADDRESS_LEN == HEADROOM);
/// Give up a socket whose receive keeps failing.
const MAX_FAILURES: u8 = 16;

/// What the kernel has to be able to do: tries it out on loopback and says what was found.
pub(super) fn probe() -> Result<String, String> {
    let mut sockets = Sockets::new(Duration::ZERO, 64, 4).map_err(|e| format!("set-up: {e}"))?;
    let bind = || sys::bind_udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None);
    let fd = bind().map_err(|e| format!("loopback socket: {e}"))?;
    let receiver = UdpSocket::from(fd);
    let sender = UdpSocket::from(bind().map_err(|e| format!("loopback socket: {e}"))?);
    let to = receiver.local_addr().map_err(|e| e.to_string())?;
    let socket = SocketId::new(ShardId::new(0), 0, 0);
    sockets
        .register(&[(socket, receiver.into())])
        .map_err(|e| format!("direct descriptors: {e}"))?;
    sockets.buffers.refill(&sockets.slab);
    sockets.arm(socket).map_err(|e| format!("receive: {e}"))?;
    sender
        .send_to(b"probe", to)
        .map_err(|e| format!("loopback send: {e}"))?;
    let deadline = Instant::now() + Duration::from_secs(1);
    sockets
        .ring
        .enter(false, Some(deadline))
        .map_err(|e| format!("enter: {e}"))?;
    let mut reaped = [Completion {
        user_data: 0,
        result: 0,
        flags: 0,
    }; 1];
    if sockets.ring.reap(&mut reaped) != 1 {
        return Err("multishot recvmsg: no completion".into());
    }
    match reaped[0].result {
        n if n > 0 && cqueue::buffer_select(reaped[0].flags).is_some() => {
            let how = if sockets.ring.has_min_wait() {
                "min_wait"
            } else {
                "naps, no min_wait before Linux 6.12"
            };
            Ok(format!("multishot recvmsg works, ticks by {how}"))
        }
        n => Err(format!(
            "multishot recvmsg: {}",
            io::Error::from_raw_os_error(-n)
        )),
    }
}

pub(super) struct Shard {
    core: Core,
    sockets: Sockets,
    reaped: Box<[Completion; REAP]>,
    busy: bool,
}

/// The ring and everything that requests in it point to. Fields drop in this order: the ring before
/// the memory that it may write to.
struct Sockets {
    ring: Ring,
    buffers: BufRing,
    slab: Slab,
    /// Slots named by sends since the last submit.
    in_flight: Vec<u16>,
    by_index: Vec<Option<Socket>>,
    /// Says how much room for the name each slot has; all receives point to it.
    header: Box<libc::msghdr>,
    /// Where the wake-up descriptor's counter is read to.
    wake_count: Box<u64>,
}

struct Socket {
    id: SocketId,
    phase: Phase,
    failures: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Has no route yet.
    Open,
    Receiving,
    /// Its receive has ended for want of slots; armed again after the next refill.
    Starved,
    Cancelling,
    Closing,
}

impl Shard {
    pub(super) fn new(config: &DriverConfig, parts: CoreParts) -> io::Result<Self> {
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
    pub(super) fn turn(&mut self) -> bool {
        self.sockets.buffers.refill(&self.sockets.slab);
        let until = self.core.engine.poll_timeout();
        let entered = self.sockets.ring.enter(self.busy, until);
        self.sockets.sends_done();
        if let Err(error) = entered {
            // Nothing can be received or sent without the ring: end loudly rather than spin.
            panic!("io_uring_enter: {error}");
        }
        let now = Instant::now();
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

impl Sockets {
    fn new(tick: Duration, buffers: u16, max_sockets: u32) -> io::Result<Self> {
        let ring = Ring::new(tick)?;
        // The kernel refuses a table larger than the descriptor limit.
        let limit = u32::try_from(super::raise_nofile()).unwrap_or(u32::MAX);
        ring.uring
            .submitter()
            .register_files_sparse(max_sockets.min(limit))?;
        let buffer_ring = BufRing::register(&ring.uring.submitter(), buffers)?;
        // SAFETY: all-zero is a valid msghdr: no name, no vectors, no control data.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = ADDRESS_SOCKLEN;
        Ok(Self {
            ring,
            buffers: buffer_ring,
            slab: Slab::new(buffers.saturating_add(SPARE_SLOTS)),
            in_flight: Vec::with_capacity(usize::from(buffers)),
            by_index: Vec::new(),
            header: Box::new(header),
            wake_count: Box::new(0),
        })
    }

    fn get(&mut self, socket: SocketId) -> Option<&mut Socket> {
        self.by_index
            .get_mut(socket.index() as usize)?
            .as_mut()
            .filter(|s| s.id == socket)
    }

    /// Puts sockets with consecutive indices into the direct descriptor table.
    fn register(&mut self, run: &[(SocketId, OwnedFd)]) -> io::Result<()> {
        let Some((first, _)) = run.first() else {
            return Ok(());
        };
        let fds: Vec<RawFd> = run.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        self.ring
            .uring
            .submitter()
            .register_files_update(first.index(), &fds)?;
        let end = first.index() as usize + run.len();
        if self.by_index.len() < end {
            self.by_index.resize_with(end, || None);
        }
        for (socket, _) in run {
            self.by_index[socket.index() as usize] = Some(Socket {
                id: *socket,
                phase: Phase::Open,
                failures: 0,
            });
        }
        Ok(())
    }

    fn arm(&mut self, socket: SocketId) -> io::Result<()> {
        let entry =
            opcode::RecvMsgMulti::new(types::Fixed(socket.index()), &raw const *self.header, GROUP)
                .build()
                .user_data(Op::Receive.user_data(socket));
        self.push(&entry)
    }

    fn arm_wake(&mut self, fd: RawFd) -> io::Result<()> {
        let count = (&raw mut *self.wake_count).cast();
        let entry = opcode::Read::new(types::Fd(fd), count, 8)
            .build()
            .user_data(Op::Wake.user_data(SocketId::new(ShardId::new(0), 0, 0)));
        self.push(&entry)
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.ring.is_full() {
            self.ring.submit()?;
            self.sends_done();
        }
        self.ring.push(entry)
    }

    /// After a submit: every send in it has completed, one way or the other.
    fn sends_done(&mut self) {
        if self.in_flight.is_empty() || !self.ring.all_submitted() {
            return;
        }
        for slot in self.in_flight.drain(..) {
            self.slab.complete(slot);
        }
    }

    /// The answer to a cancel: what was to be cancelled was not there any more.
    fn cancelled(&mut self, socket: SocketId, result: i32) {
        if result == -libc::ENOENT
            && self
                .get(socket)
                .is_some_and(|s| s.phase == Phase::Cancelling)
        {
            self.close_now(socket);
        }
    }

    /// Closes the direct descriptor; nothing is armed on it any more.
    fn close_now(&mut self, socket: SocketId) {
        let Some(state) = self.get(socket) else {
            return;
        };
        state.phase = Phase::Closing;
        let entry = opcode::Close::new(types::Fixed(socket.index()))
            .build()
            .user_data(Op::Close.user_data(socket));
        // A push fails only when the kernel takes no entries at all; then the next enter says so.
        let _ = self.push(&entry);
    }
}

impl Io for Sockets {
    fn open(&mut self, sockets: &mut Vec<(SocketId, OwnedFd)>, core: &mut Core) {
        // Places come back in any order; runs of neighbours take one system call each.
        sockets.sort_unstable_by_key(|(socket, _)| socket.index());
        for run in sockets.chunk_by(|(a, _), (b, _)| a.index() + 1 == b.index()) {
            if let Err(error) = self.register(run) {
                for (socket, _) in run {
                    let errno = error.raw_os_error().unwrap_or(0);
                    core.report(Event::SocketFailed {
                        socket: *socket,
                        errno,
                    });
                    core.closed(*socket);
                }
            }
        }
        // The process's own descriptors close; the table's stay.
        sockets.clear();
    }

    fn start(&mut self, socket: SocketId, core: &mut Core) -> bool {
        let Some(state) = self.get(socket) else {
            return false;
        };
        match state.phase {
            Phase::Receiving | Phase::Starved => return true,
            Phase::Cancelling | Phase::Closing => return false,
            Phase::Open => state.phase = Phase::Receiving,
        }
        if let Err(error) = self.arm(socket) {
            core.report(Event::SocketFailed {
                socket,
                errno: error.raw_os_error().unwrap_or(0),
            });
            self.close_now(socket);
            return false;
        }
        true
    }

    #[inline]
    fn send(&mut self, transmit: Transmit) -> Result<(), DropReason> {
        let Transmit {
            socket,
            to,
            mut packet,
        } = transmit;
        if self
            .get(socket)
            .is_none_or(|s| matches!(s.phase, Phase::Cancelling | Phase::Closing))
        {
            return Err(DropReason::NoSink);
        }
        let len = u32::try_from(packet.len()).unwrap_or(0);
        let Some(name) = packet.head_mut()[ADDRESS_AT..].first_chunk_mut::<ADDRESS_LEN>() else {
            return Err(DropReason::SendFailed);
        };
        let name_len = sys::encode_address(to, name);
        let slot = packet.into_flight();
        let start = self.slab.address(slot);
        let entry = opcode::Send::new(
            types::Fixed(socket.index()),
            start.wrapping_add(HEADROOM).cast_const(),
            len,
        )
        .flags(libc::MSG_DONTWAIT)
        .dest_addr(start.wrapping_add(ADDRESS_AT).cast_const().cast())
        .dest_addr_len(name_len)
        .build()
        .flags(squeue::Flags::SKIP_SUCCESS)
        .user_data(Op::Send.user_data(socket));
        if self.push(&entry).is_err() {
            self.slab.complete(slot);
            return Err(DropReason::NoBuffer);
        }
        self.in_flight.push(slot);
        Ok(())
    }

    fn close(&mut self, socket: SocketId, _core: &mut Core) {
        let Some(state) = self.get(socket) else {
            return;
        };
        match state.phase {
            Phase::Receiving => {
                state.phase = Phase::Cancelling;
                let entry = opcode::AsyncCancel::new(Op::Receive.user_data(socket))
                    .build()
                    .user_data(Op::Cancel.user_data(socket));
                let _ = self.push(&entry);
            }
            Phase::Open | Phase::Starved => self.close_now(socket),
            Phase::Cancelling | Phase::Closing => {}
        }
    }
}

impl Drop for Sockets {
    /// Ends every request before the memory that they name goes, and frees the ports now: a ring that
    /// is merely closed frees them tens of milliseconds later.
    fn drop(&mut self) {
        let _ = self.ring.submit();
        let submitter = self.ring.uring.submitter();
        let second = types::Timespec::new().sec(1);
        let _ = submitter.register_sync_cancel(Some(second), types::CancelBuilder::any());
        let _ = submitter.unregister_buf_ring(GROUP);
        let _ = submitter.unregister_files();
    }
}
