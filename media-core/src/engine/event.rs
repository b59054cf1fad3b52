//! What a shard tells the control side.

use std::net::SocketAddr;

use super::HandshakeEvent;
use crate::media::transcode::Heard;
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
    /// A stream's party has dialled a digit, by an event or by tones.
    Digit {
        /// The call.
        call: CallKey,
        /// The stream's socket.
        socket: SocketId,
        /// What it was.
        digit: Heard,
    },
    /// ICE has nominated a pair: the stream's media goes this way from now on.
    PairNominated {
        /// The call.
        call: CallKey,
        /// The stream's own socket.
        socket: SocketId,
        /// The socket that it sends from: the same, or one of [`super::Route::alternates`].
        via: SocketId,
        /// Where it sends to.
        endpoint: SocketAddr,
        /// We nominated, not the party.
        controlling: bool,
        /// [`super::IceRoute::session`] that it was found in.
        session: u32,
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
