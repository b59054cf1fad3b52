//! NG over UDP: a few threads block on one socket, and the kernel wakes one per datagram. No thread
//! wakes without one, and a slow request holds up nobody else.

use std::io;
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use daemon_base::bind;
use socket2::SockRef;

use super::ListenError;
use crate::service::{Handled, Service};
use crate::sys::{self, PacketInfo};

/// Largest datagram there is.
const BUFFER: usize = 65_535;
/// Most that IPv4 carries in a datagram.
const MAX_REPLY: usize = 65_507;
/// Pause after an error of the socket itself, lest a broken one eat a core.
const PAUSE: Duration = Duration::from_millis(20);

/// One UDP listener with its threads.
pub(crate) struct UdpListener {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    socket: UdpSocket,
    /// Bound to all addresses: the one that was hit must be found out per datagram.
    wildcard: bool,
    stopping: AtomicBool,
    service: Arc<Service>,
}

impl UdpListener {
    /// Serves `address`; `None` if it is IPv6's wildcard or loopback on a machine without IPv6.
    pub(crate) fn start(
        address: SocketAddr,
        tos: Option<u8>,
        threads: usize,
        service: &Arc<Service>,
    ) -> Result<Option<UdpListener>, ListenError> {
        let Some(socket) = bind::udp(address, tos)? else {
            return Ok(None);
        };
        let error = |source| ListenError {
            protocol: "UDP",
            address,
            source,
        };
        let wildcard = address.ip().is_unspecified();
        if wildcard {
            PacketInfo::enable(&socket).map_err(error)?;
        }
        let mut listener = UdpListener {
            shared: Arc::new(Shared {
                socket,
                wildcard,
                stopping: AtomicBool::new(false),
                service: Arc::clone(service),
            }),
            threads: Vec::with_capacity(threads),
        };
        for n in 0..threads {
            let shared = Arc::clone(&listener.shared);
            let thread = Builder::new()
                .name(format!("ng-udp-{n}"))
                .spawn(move || shared.serve())
                .map_err(error)?;
            listener.threads.push(thread);
        }
        Ok(Some(listener))
    }

    /// Where it really listens (a port of 0 was replaced).
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
    }
}

impl Drop for UdpListener {
    /// Ends the threads; requests being executed are finished and answered.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // On Linux this wakes all readers of a socket, although it complains that UDP is not connected.
        let _ = SockRef::from(&self.shared.socket).shutdown(Shutdown::Read);
        for thread in self.threads.drain(..) {
            // Panics of requests are caught; one of the loop itself has been reported.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self) {
        sys::yield_to_media();
        let mut buffer = vec![0; BUFFER];
        let mut scratch = Vec::new();
        while !self.stopping.load(Ordering::SeqCst) {
            let received = if self.wildcard {
                sys::receive(&self.socket, &mut buffer)
                    .map(|(len, peer, info)| (len, peer, Some(info)))
            } else {
                let received = self.socket.recv_from(&mut buffer);
                received.map(|(len, peer)| (len, peer, None))
            };
            match received {
                Ok((len, peer, info)) => {
                    self.handle(peer, &buffer[..len], info.as_ref(), &mut scratch)
                }
                Err(_) if self.stopping.load(Ordering::SeqCst) => break,
                // An ICMP message about an earlier reply, or a signal.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot receive requests");
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn handle(
        &self,
        peer: SocketAddr,
        datagram: &[u8],
        info: Option<&PacketInfo>,
        scratch: &mut Vec<u8>,
    ) {
        let handled = catch_unwind(AssertUnwindSafe(|| {
            self.service.handle_datagram(peer, datagram, scratch)
        }));
        let reply = match handled {
            Ok(Handled::Reply(reply)) => reply,
            // The thread that executes the original answers the same peer: one reply serves both.
            Ok(Handled::Executing(_) | Handled::NoCookie) => return,
            Err(_) => {
                tracing::error!(%peer, "a request failed by a fault of ours; it gets no reply");
                return;
            }
        };
        let reply = match &reply {
            long if long.len() > MAX_REPLY => &Service::too_long(datagram),
            reply => &**reply,
        };
        let sent = match info {
            Some(info) => sys::send(&self.socket, reply, peer, info),
            None => self.socket.send_to(reply, peer),
        };
        if let Err(error) = sent {
            tracing::debug!(%peer, %error, "cannot send a reply");
        }
    }
}
