//! Further sockets of a stream: its party may be reached from several addresses of ours, and ICE says from
//! which. A stream has one state, whichever of its sockets a packet comes to.

use std::net::SocketAddr;
use std::time::Instant;

use super::stream::Stream;
use super::{Alternate, Datagram, DropReason, Egress, Engine, Verdict};
use crate::units::SocketId;

/// Whose further socket it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    generation: u32,
    /// The stream's own socket.
    stream: SocketId,
    call_index: u32,
}

impl Stream {
    /// The socket of the stream that is bound to `address`; `own`: its own socket and where that is bound.
    pub(super) fn socket_at(&self, own: (SocketId, SocketAddr), address: SocketAddr) -> SocketId {
        let other = self.alternates.iter().find(|a| a.address == address);
        other
            .filter(|_| own.1 != address)
            .map_or(own.0, |a| a.socket)
    }

    /// What `socket` is bound to.
    pub(super) fn address_of(&self, own: (SocketId, SocketAddr), socket: SocketId) -> SocketAddr {
        let other = self.alternates.iter().find(|a| a.socket == socket);
        other.map_or(own.1, |a| a.address)
    }
}

impl Engine {
    /// The stream that the socket belongs to, by its own socket: mostly that itself.
    pub(super) fn stream_of(&self, socket: SocketId) -> SocketId {
        self.owner(socket).map_or(socket, |owner| owner.stream)
    }

    fn owner(&self, socket: SocketId) -> Option<Owner> {
        let owner = (*self.owners.get(socket.index() as usize)?)?;
        (owner.generation == socket.generation()).then_some(owner)
    }

    /// Takes note of a stream's further sockets. Those of before that are not named any more get nothing
    /// sent from them.
    pub(super) fn set_alternates(
        &mut self,
        socket: SocketId,
        call_index: u32,
        alternates: Box<[Alternate]>,
    ) {
        for alternate in &alternates {
            let place = alternate.socket.index() as usize;
            if self.owners.len() <= place {
                self.owners.resize(place + 1, None);
            }
            self.owners[place] = Some(Owner {
                generation: alternate.socket.generation(),
                stream: socket,
                call_index,
            });
            if let Some(Some(call)) = self.calls.get_mut(call_index as usize)
                && !call.sockets.contains(&alternate.socket)
            {
                call.sockets.push(alternate.socket);
            }
        }
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        if !alternates.iter().any(|a| a.socket == stream.via) {
            stream.via = socket;
        }
        stream.alternates = alternates;
    }

    /// The socket is being closed.
    pub(super) fn close_alternate(&mut self, socket: SocketId) {
        let Some(owner) = self.owner(socket) else {
            return;
        };
        self.owners[socket.index() as usize] = None;
        if let Some(Some(call)) = self.calls.get_mut(owner.call_index as usize) {
            call.sockets.retain(|s| *s != socket);
        }
        if let Some(stream) = self.stream_mut(owner.stream)
            && stream.via == socket
        {
            stream.via = owner.stream;
        }
    }

    /// A datagram on a socket that has no stream of its own.
    #[cold]
    pub(super) fn forward_alternate(
        &mut self,
        now: Instant,
        datagram: Datagram,
        out: &mut Egress,
    ) -> Verdict {
        let Some(Owner { stream: socket, .. }) = self.owner(datagram.socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        if self.stream(socket).is_none() {
            return Verdict::Dropped(DropReason::NoRoute);
        }
        self.forward_on(now, socket, datagram, out)
    }
}
