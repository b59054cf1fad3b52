//! Binding of listeners, with patience: the process before may still hold the port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Time that a port in use is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Requests come in bursts; the kernel may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;

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

/// A blocking UDP socket; `None` if this is IPv6's wildcard or loopback on a machine without IPv6.
///
/// # Errors
/// [`ListenError`].
pub fn udp(address: SocketAddr, tos: Option<u8>) -> Result<Option<UdpSocket>, ListenError> {
    let socket = bind("UDP", address, Type::DGRAM, |socket| {
        // Granted as far as the kernel's limit goes; less is no reason not to start.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        match tos {
            Some(tos) if address.is_ipv6() => socket.set_tclass_v6(u32::from(tos)),
            Some(tos) => socket.set_tos_v4(u32::from(tos)),
            None => Ok(()),
        }
    })?;
    Ok(socket.map(UdpSocket::from))
}

/// A non-blocking TCP listener; `None` as above.
///
/// # Errors
/// [`ListenError`].
pub fn tcp(
    protocol: &'static str,
    address: SocketAddr,
) -> Result<Option<TcpListener>, ListenError> {
    let socket = bind(protocol, address, Type::STREAM, |socket| {
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)
    })?;
    let Some(socket) = socket else {
        return Ok(None);
    };
    socket.listen(BACKLOG).map_err(|source| ListenError {
        protocol,
        address,
        source,
    })?;
    Ok(Some(socket.into()))
}

fn bind(
    protocol: &'static str,
    address: SocketAddr,
    kind: Type,
    prepare: impl Fn(&Socket) -> io::Result<()>,
) -> Result<Option<Socket>, ListenError> {
    // What `2223` and `localhost:2223` mean besides IPv4; any other address was asked for by name.
    let optional =
        address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback());
    let give_up = Instant::now() + PATIENCE;
    let attempt = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), kind, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        prepare(&socket)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    loop {
        match attempt() {
            Ok(socket) => return Ok(Some(socket)),
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
