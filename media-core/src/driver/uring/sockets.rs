//! The ring, its memory, and the sockets whose requests are in it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::{opcode, squeue, types};

use super::buf_ring::{BufRing, GROUP};
use super::ring::{Op, Ring};
use crate::buf::{ADDRESS_AT, HEADROOM, Slab};
use crate::driver::shard::{Core, Io};
use crate::driver::sys::{self, ADDRESS_LEN, ADDRESS_SOCKLEN};
use crate::engine::{DropReason, Event, Transmit};
use crate::units::{ShardId, SocketId};

/// Slots beyond those of the buffer ring, for copies to further sinks.
const SPARE_SLOTS: u16 = 256;
/// Bytes that the kernel writes in front of the name: `struct io_uring_recvmsg_out`.
const RECVMSG_OUT: usize = 16;
const _: () = assert!(RECVMSG_OUT == ADDRESS_AT && RECVMSG_OUT + ADDRESS_LEN == HEADROOM);

/// The ring and everything that requests in it point to. Fields drop in this order: the ring before
/// the memory that it may write to.
pub(super) struct Sockets {
    pub(super) ring: Ring,
    pub(super) buffers: BufRing,
    pub(super) slab: Slab,
    /// Slots named by sends since the last submit.
    in_flight: Vec<u16>,
    pub(super) by_index: Vec<Option<Socket>>,
    /// Says how much room for the name each slot has; all receives point to it.
    header: Box<libc::msghdr>,
    /// Where the wake-up descriptor's counter is read to.
    wake_count: Box<u64>,
}

pub(super) struct Socket {
    pub(super) id: SocketId,
    pub(super) phase: Phase,
    pub(super) failures: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Has no route yet.
    Open,
    Receiving,
    /// Its receive has ended for want of slots; armed again after the next refill.
    Starved,
    Cancelling,
    Closing,
}

impl Sockets {
    pub(super) fn new(tick: Duration, buffers: u16, max_sockets: u32) -> io::Result<Self> {
        let ring = Ring::new(tick)?;
        // The kernel refuses a table larger than the descriptor limit.
        let limit = u32::try_from(sys::raise_nofile()).unwrap_or(u32::MAX);
        ring.uring
            .submitter()
            .register_files_sparse(max_sockets.min(limit))?;
        let mut buffer_ring = BufRing::register(&ring.uring.submitter(), buffers)?;
        // SAFETY: all-zero is a valid msghdr: no name, no vectors, no control data.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = ADDRESS_SOCKLEN;
        let slab = Slab::new(buffers.saturating_add(SPARE_SLOTS));
        buffer_ring.refill(&slab);
        Ok(Self {
            ring,
            buffers: buffer_ring,
            slab,
            in_flight: Vec::with_capacity(usize::from(buffers)),
            by_index: Vec::new(),
            header: Box::new(header),
            wake_count: Box::new(0),
        })
    }

    pub(super) fn get(&mut self, socket: SocketId) -> Option<&mut Socket> {
        self.by_index
            .get_mut(socket.index() as usize)?
            .as_mut()
            .filter(|s| s.id == socket)
    }

    /// Puts sockets with consecutive indices into the direct descriptor table.
    pub(super) fn register(&mut self, run: &[(SocketId, OwnedFd)]) -> io::Result<()> {
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

    pub(super) fn arm(&mut self, socket: SocketId) -> io::Result<()> {
        let entry =
            opcode::RecvMsgMulti::new(types::Fixed(socket.index()), &raw const *self.header, GROUP)
                .build()
                .user_data(Op::Receive.user_data(socket));
        self.push(&entry)
    }

    pub(super) fn arm_wake(&mut self, fd: RawFd) -> io::Result<()> {
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

    /// Submits everything queued, and gives the kernel the slots that this frees.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.ring.submit()?;
        self.sends_done();
        self.buffers.refill(&self.slab);
        Ok(())
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
    pub(super) fn cancelled(&mut self, socket: SocketId, result: i32) {
        if result == -libc::ENOENT
            && self
                .get(socket)
                .is_some_and(|s| s.phase == Phase::Cancelling)
        {
            self.close_now(socket);
        }
    }

    /// Closes the direct descriptor; nothing is armed on it any more.
    pub(super) fn close_now(&mut self, socket: SocketId) {
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

    fn flush(&mut self) {
        // What the kernel did not take now it is offered again at the end of the turn.
        if !self.ring.all_submitted() {
            let _ = Sockets::flush(self);
        }
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
            is_check,
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
        let op = if is_check { Op::Check } else { Op::Send };
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
        .user_data(op.user_data(socket));
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
