//! Many datagrams per system call: `sendmmsg` and `recvmmsg` behind safe types.
//!
//! ```text
//! slot i:  buffers[i] (2048 bytes)   addresses[i]   controls[i] (receive stamp)
//!              ▲                         ▲              ▲
//! headers[i].msg_iov ─► vectors[i]   .msg_name     .msg_control
//! ```
//! The pointers are written anew before every call, so that none outlives a borrow.
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg take raw pointers")]

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use super::realtime_ns;

/// Bytes of one datagram's buffer.
pub(super) const SLOT_BYTES: usize = 2048;
/// Datagrams of one send.
pub(super) const SEND_SLOTS: usize = 32;
/// Datagrams of one receive.
pub(super) const RECEIVE_SLOTS: usize = 64;
/// The same, as the system call wants it.
const RECEIVE_COUNT: libc::c_uint = 64;
const _: () = assert!(RECEIVE_COUNT as usize == RECEIVE_SLOTS);
/// Eight-byte words of control data: a header of 16 bytes and a time of 16, with room to spare.
const CONTROL_WORDS: usize = 8;

/// IPv4, in the type of the address's field.
const FAMILY: libc::sa_family_t = 2;
const _: () = assert!(FAMILY as i32 == libc::AF_INET);

const NAME_BYTES: libc::socklen_t = {
    assert!(size_of::<libc::sockaddr_in>() == 16);
    16
};

struct Slots {
    buffers: Box<[[u8; SLOT_BYTES]]>,
    addresses: Box<[libc::sockaddr_in]>,
    controls: Box<[[u64; CONTROL_WORDS]]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Slots {
    fn new(count: usize) -> Self {
        // SAFETY: sockaddr_in, iovec and mmsghdr are integers and raw pointers, for which all zeroes is
        // a value.
        let (address, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            buffers: vec![[0; SLOT_BYTES]; count].into(),
            addresses: vec![address; count].into(),
            controls: vec![[0; CONTROL_WORDS]; count].into(),
            vectors: vec![vector; count].into(),
            headers: vec![header; count].into(),
        }
    }

    /// Points the headers at the slots.
    fn arm(&mut self, with_control: bool) {
        for (i, header) in self.headers.iter_mut().enumerate() {
            self.vectors[i].iov_base = self.buffers[i].as_mut_ptr().cast();
            header.msg_len = 0;
            let message = &mut header.msg_hdr;
            message.msg_iov = &raw mut self.vectors[i];
            message.msg_iovlen = 1;
            message.msg_name = (&raw mut self.addresses[i]).cast();
            message.msg_namelen = NAME_BYTES;
            message.msg_flags = 0;
            if with_control {
                message.msg_control = self.controls[i].as_mut_ptr().cast();
                message.msg_controllen = CONTROL_WORDS * size_of::<u64>();
            }
        }
    }
}

/// Datagrams gathered for one send.
pub(super) struct SendBatch {
    slots: Slots,
    len: usize,
}

impl SendBatch {
    pub(super) fn new() -> Self {
        Self {
            slots: Slots::new(SEND_SLOTS),
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a datagram; `fill` writes it and returns its length. The batch must not be full.
    pub(super) fn push(&mut self, to: SocketAddrV4, fill: impl FnOnce(&mut [u8]) -> usize) {
        let i = self.len;
        self.slots.vectors[i].iov_len = fill(&mut self.slots.buffers[i]).min(SLOT_BYTES);
        let address = &mut self.slots.addresses[i];
        address.sin_family = FAMILY;
        address.sin_port = to.port().to_be();
        address.sin_addr.s_addr = u32::from(*to.ip()).to_be();
        self.len += 1;
    }

    /// Sends and empties the batch; returns how many datagrams the system refused.
    pub(super) fn send(&mut self, socket: &impl AsFd) -> u64 {
        self.slots.arm(false);
        let (mut at, mut refused) = (0, 0);
        while at < self.len {
            let rest = &mut self.slots.headers[at..self.len];
            let count = u32::try_from(rest.len()).unwrap_or(0);
            // SAFETY: `rest` holds `count` headers; `arm` has pointed each at a slot of `self`, whose
            // boxes stay where they are and unborrowed until the call returns. `iov_len` is at most the
            // slot's size by `push`.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_fd().as_raw_fd(),
                    rest.as_mut_ptr(),
                    count,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => at += sent,
                // The first of the rest cannot be sent; go on behind it.
                _ => {
                    refused += 1;
                    at += 1;
                }
            }
        }
        self.len = 0;
        refused
    }
}

/// A datagram that came in.
pub(super) struct Received<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddrV4,
    /// When the kernel got it, in ns since 1970.
    pub(super) stamp_ns: u64,
}

/// Datagrams of one receive.
pub(super) struct ReceiveBatch {
    slots: Slots,
    stamps: Vec<u64>,
}

impl ReceiveBatch {
    pub(super) fn new() -> Self {
        let mut slots = Slots::new(RECEIVE_SLOTS);
        for vector in &mut slots.vectors {
            vector.iov_len = SLOT_BYTES;
        }
        Self {
            slots,
            stamps: Vec::with_capacity(RECEIVE_SLOTS),
        }
    }

    /// Takes what waits in a socket, replacing what the batch held; returns how many there are.
    pub(super) fn receive(&mut self, socket: &impl AsFd) -> usize {
        self.stamps.clear();
        self.slots.arm(true);
        // SAFETY: there are RECEIVE_SLOTS headers; `arm` has pointed each at a slot of `self`, whose
        // boxes stay where they are and unborrowed until the call returns, and `iov_len` and
        // `msg_controllen` are the sizes of what they point at.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.slots.headers.as_mut_ptr(),
                RECEIVE_COUNT,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        // -1: nothing there, or an ICMP error of an earlier send; either way nothing came in.
        let count = usize::try_from(count).unwrap_or(0);
        for header in &self.slots.headers[..count] {
            self.stamps.push(stamp(&header.msg_hdr));
        }
        count
    }

    /// The datagram at `i`, below the count of the last [`Self::receive`].
    pub(super) fn get(&self, i: usize) -> Received<'_> {
        let len = self.slots.headers[i].msg_len as usize;
        let address = &self.slots.addresses[i];
        Received {
            bytes: &self.slots.buffers[i][..len.min(SLOT_BYTES)],
            from: SocketAddrV4::new(
                Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)),
                u16::from_be(address.sin_port),
            ),
            stamp_ns: self.stamps[i],
        }
    }
}

/// The kernel's receive time in a message's control data; now, should it be missing.
fn stamp(message: &libc::msghdr) -> u64 {
    // SAFETY: `message` was filled by recvmmsg just now, so its control pointer and length describe live
    // control headers, which the CMSG functions walk within that length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: not null, so a whole header inside the control data, aligned as it is made of u64s.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            // SAFETY: data of this kind is a timespec, which needs no alignment to be read like this.
            let time: libc::timespec =
                unsafe { ptr::read_unaligned(libc::CMSG_DATA(header).cast()) };
            return time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs();
        }
        // SAFETY: as for CMSG_FIRSTHDR; `header` came from it or from this call.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    realtime_ns()
}
