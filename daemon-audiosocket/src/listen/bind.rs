//! Binding of listeners, with patience: the process before may still hold the port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Time that a port in use is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted; the kernel may grant less.
const BACKLOG: i32 = 4096;

/// Why a listener could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {protocol} {address}")]
pub struct ListenError {
    /// What was to be served.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// A non-blocking listener; `None` if this is IPv6's wildcard or loopback on a machine without IPv6.
pub(crate) fn tcp(
    protocol: &'static str,
    address: SocketAddr,
) -> Result<Option<TcpListener>, ListenError> {
    // What `9000` and `localhost:9000` mean besides IPv4; any other address was asked for by name.
    let optional =
        address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback());
    let give_up = Instant::now() + PATIENCE;
    let attempt = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    loop {
        match attempt() {
            Ok(socket) => return Ok(Some(socket.into())),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => {
                std::thread::sleep(PAUSE);
            }
            Err(e) if optional && e.kind() != io::ErrorKind::AddrInUse => {
                tracing::warn!(%address, error = %e, "no IPv6 here: {protocol} is not served on it");
                return Ok(None);
            }
            Err(source) => {
                return Err(ListenError {
                    protocol,
                    address,
                    source,
                });
            }
        }
    }
}
