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
mod shard;
mod sockets;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use io_uring::cqueue;

use super::sys;
use crate::units::{ShardId, SocketId};

use ring::Completion;
use sockets::Sockets;

pub(super) use shard::Shard;

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
    sockets.arm(socket).map_err(|e| format!("receive: {e}"))?;
    sender
        .send_to(b"probe", to)
        .map_err(|e| format!("loopback send: {e}"))?;
    let deadline = Instant::now() + Duration::from_secs(1);
    sockets
        .flush()
        .and_then(|()| sockets.ring.wait(false, Some(deadline)))
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
