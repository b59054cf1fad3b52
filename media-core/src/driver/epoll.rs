//! The driver for kernels and containers that refuse io_uring: the same batches on epoll.
//!
//! Sleeps to the tick while there is traffic, blocks without a timeout while there is none; one
//! receive per ready socket and turn, level-triggered, so that no socket starves another.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use super::pace::Pace;
use super::shard::{Core, Io};
use super::sys::{self, ADDRESS_LEN, ADDRESS_SOCKLEN};
use super::{CoreParts, DriverConfig};
use crate::buf::{PAYLOAD_MAX, Slab};
use crate::engine::{Datagram, DropReason, Event, Transmit};
use crate::units::{ShardId, SocketId};

const EVENTS: usize = 512;
/// User data of the wake-up descriptor; no socket has this index.
const WAKE: u64 = u64::MAX;

pub(super) struct Shard {
    core: Core,
    sockets: Sockets,
    slab: Slab,
    ready: Vec<libc::epoll_event>,
    pace: Pace,
    busy: bool,
}

struct Sockets {
    epoll: OwnedFd,
    by_index: Vec<Option<(SocketId, OwnedFd)>>,
}

impl Shard {
    pub(super) fn new(config: &DriverConfig, parts: CoreParts) -> io::Result<Self> {
        let now = Instant::now();
        let slab = Slab::new(config.buffers);
        let core = Core::new(parts, &slab, now);
        let sockets = Sockets {
            epoll: epoll_create()?,
            by_index: Vec::new(),
        };
        epoll_add(&sockets.epoll, core.port().wake.fd(), WAKE)?;
        Ok(Self {
            core,
            sockets,
            slab,
            ready: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS],
            pace: Pace::new(config.tick, now),
            busy: false,
        })
    }

    /// One batch; `false` when the shard is to end.
    pub(super) fn turn(&mut self) -> bool {
        let ready = self.wait();
        let now = Instant::now();
        self.pace.begin(now);
        self.core.counters.wakeups.add(1);
        // Cleared before the queue is emptied, or a message in between would wait for the next wake-up.
        if self.ready[..ready].iter().any(|event| event.u64 == WAKE) {
            self.core.port().wake.clear();
        }
        let go_on = self.core.obey(now, &mut self.sockets);
        let shard = self.core.shard();
        let batch = self.ready[..ready].iter();
        self.core.warm(batch.map(|event| unpack(shard, event.u64)));
        let mut received = 0;
        for at in 0..ready {
            let user_data = self.ready[at].u64;
            if user_data != WAKE && self.receive(now, user_data) {
                received += 1;
            }
        }
        // A full batch means that more is waiting: no nap then.
        self.busy = received > 0 && ready < EVENTS;
        self.core.housekeep(now, &mut self.sockets);
        self.core.transcode(now, &mut self.sockets);
        self.core.tell();
        go_on
    }

    fn wait(&mut self) -> usize {
        let mut timeout = -1;
        if self.core.is_behind() {
            timeout = 0;
        } else if self.busy && !self.pace.is_off() {
            let now = Instant::now();
            let gather = self.pace.gather(now);
            if !gather.is_zero() {
                sys::sleep(gather);
            }
            timeout = 0;
        } else if let Some(at) = self.core.poll_timeout() {
            // Rounded up: an early wake-up would find nothing due.
            let ms = at.saturating_duration_since(Instant::now()).as_millis() + 1;
            timeout = i32::try_from(ms).unwrap_or(i32::MAX);
        }
        let max = i32::try_from(self.ready.len()).unwrap_or(i32::MAX);
        // SAFETY: `ready` has room for `max` events and lives through the call.
        let n = unsafe {
            libc::epoll_wait(
                self.sockets.epoll.as_raw_fd(),
                self.ready.as_mut_ptr(),
                max,
                timeout,
            )
        };
        // Interrupted: as if nothing had happened.
        usize::try_from(n).unwrap_or(0)
    }

    /// One datagram of a ready socket; `false` if there was none after all.
    fn receive(&mut self, now: Instant, user_data: u64) -> bool {
        let socket = unpack(self.core.shard(), user_data);
        let Some(fd) = self.sockets.fd(socket) else {
            return false;
        };
        let Some(mut packet) = self.slab.allocate() else {
            return false;
        };
        let mut address = [0u8; ADDRESS_LEN];
        let mut address_len = ADDRESS_SOCKLEN;
        let area = packet.spare_mut();
        // SAFETY: buffer and address are live and their lengths true. MSG_TRUNC makes the result the
        // datagram's own length, so that a cut one is noticed.
        let got = unsafe {
            libc::recvfrom(
                fd,
                area.as_mut_ptr().cast(),
                area.len(),
                libc::MSG_TRUNC,
                address.as_mut_ptr().cast(),
                &raw mut address_len,
            )
        };
        let Ok(len) = usize::try_from(got) else {
            return false;
        };
        if len > PAYLOAD_MAX {
            self.core.engine.count_drop(socket, DropReason::TooLong);
            return true;
        }
        packet.set_len(len);
        if let Some(from) = sys::decode_address(&address) {
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
        true
    }
}

impl Sockets {
    fn fd(&self, socket: SocketId) -> Option<i32> {
        let (tenant, fd) = self.by_index.get(socket.index() as usize)?.as_ref()?;
        (*tenant == socket).then(|| fd.as_raw_fd())
    }
}

impl Io for Sockets {
    fn open(&mut self, sockets: &mut Vec<(SocketId, OwnedFd)>, _core: &mut Core) {
        for (socket, fd) in sockets.drain(..) {
            let place = socket.index() as usize;
            if self.by_index.len() <= place {
                self.by_index.resize_with(place + 1, || None);
            }
            self.by_index[place] = Some((socket, fd));
        }
    }

    fn start(&mut self, socket: SocketId, core: &mut Core) -> bool {
        let Some(fd) = self.fd(socket) else {
            return false;
        };
        match epoll_add(&self.epoll, fd, pack(socket)) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => true,
            Err(error) => {
                core.report(Event::SocketFailed {
                    socket,
                    errno: error.raw_os_error().unwrap_or(0),
                });
                self.close(socket, core);
                false
            }
        }
    }

    fn send(&mut self, transmit: Transmit) -> Result<(), DropReason> {
        let fd = self.fd(transmit.socket).ok_or(DropReason::NoSink)?;
        let mut address = [0u8; ADDRESS_LEN];
        let address_len = sys::encode_address(transmit.to, &mut address);
        let payload = transmit.packet.as_slice();
        // SAFETY: payload and address are live and their lengths true.
        let sent = unsafe {
            libc::sendto(
                fd,
                payload.as_ptr().cast(),
                payload.len(),
                libc::MSG_DONTWAIT,
                address.as_ptr().cast(),
                address_len,
            )
        };
        if sent >= 0 {
            return Ok(());
        }
        Err(send_failure(
            io::Error::last_os_error().raw_os_error().unwrap_or(0),
        ))
    }

    fn flush(&mut self) {}

    fn close(&mut self, socket: SocketId, core: &mut Core) {
        let Some(place) = self.by_index.get_mut(socket.index() as usize) else {
            return;
        };
        if place.as_ref().is_some_and(|(tenant, _)| *tenant == socket) {
            // Closing takes it out of the epoll set, too: no other descriptor refers to it.
            *place = None;
            core.closed(socket);
        }
    }
}

/// What an errno of a send means to the packet.
pub(super) fn send_failure(errno: i32) -> DropReason {
    match errno {
        libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => DropReason::NoBuffer,
        _ => DropReason::SendFailed,
    }
}

fn pack(socket: SocketId) -> u64 {
    u64::from(socket.generation()) << 32 | u64::from(socket.index())
}

fn unpack(shard: ShardId, user_data: u64) -> SocketId {
    let index = u32::try_from(user_data & 0xffff_ffff).unwrap_or(0);
    let generation = u32::try_from(user_data >> 32).unwrap_or(0);
    SocketId::new(shard, index, generation)
}

fn epoll_create() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
}

fn epoll_add(epoll: &OwnedFd, fd: i32, user_data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN.cast_unsigned(),
        u64: user_data,
    };
    // SAFETY: the event lives through the call.
    match unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
