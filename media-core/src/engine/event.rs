//! What a shard tells the control side.

use std::net::SocketAddr;

use super::HandshakeEvent;
use crate::units::{CallKey, SocketId};

/// Something the control side must know. Rare: never one per packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel has let go of the socket's port: it may be given out again.
    SocketClosed {
        /// The socket, not valid any more.
        socket: SocketId,
    },
    /// The shard has given the call up; its sockets are being closed.
    CallTimedOut {
        /// The call.
        call: CallKey,
        /// Why.
        reason: TimeoutReason,
    },
    /// A [`super::Command::CloseCall`] has run: the call's sockets are being closed.
    CallClosed {
        /// The call.
        call: CallKey,
    },
    /// Handling one of the call's packets panicked; the call was ended, no other one was touched.
    CallPanicked {
        /// The call.
        call: CallKey,
    },
    /// The stream now sends to another endpoint than before, found from what it received.
    EndpointLearned {
        /// The call.
        call: CallKey,
        /// The stream's socket.
        socket: SocketId,
        /// Where it sends from now on.
        endpoint: SocketAddr,
        /// It will not change again (unless media handover is on).
        confirmed: bool,
    },
    /// Something for whoever shakes hands; the driver takes it out.
    Handshake(HandshakeEvent),
    /// The driver could not serve the socket any more.
    SocketFailed {
        /// The socket; it is closed next.
        socket: SocketId,
        /// The operating system's error number.
        errno: i32,
    },
}

/// Why a shard gave a call up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReason {
    /// [`super::CallTimeouts::inactivity`].
    Inactivity,
    /// [`super::CallTimeouts::lifetime`].
    Lifetime,
}
