//! The generator's own RTP sockets.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use crate::host;

/// Room for a burst that arrives while the generator sends, in bytes.
const BUFFER_BYTES: usize = 32 << 20;

/// An RTP socket on an even port, with its RTCP neighbour so that nothing bounces.
#[derive(Debug)]
pub struct SocketPair {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    port: u16,
}

impl SocketPair {
    /// Binds the first free pair of ports from `*next` on, and moves `*next` behind it.
    ///
    /// # Errors
    /// `AddrInUse` when no pair is free up to the last port; what the system says about socket options.
    pub fn bind(ip: Ipv4Addr, next: &mut u16) -> io::Result<Self> {
        let first = next.next_multiple_of(2);
        for port in (first..u16::MAX - 1).step_by(2) {
            *next = port + 2;
            let (Ok(rtp), Ok(rtcp)) =
                (UdpSocket::bind((ip, port)), UdpSocket::bind((ip, port + 1)))
            else {
                continue;
            };
            for socket in [&rtp, &rtcp] {
                socket.set_nonblocking(true)?;
                host::enlarge_buffers(socket, BUFFER_BYTES)?;
                host::stamp_arrivals(socket)?;
            }
            return Ok(Self { rtp, rtcp, port });
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("no free pair of UDP ports from {first} on {ip}"),
        ))
    }

    /// The socket on the even port; reading it never waits.
    #[must_use]
    pub(crate) const fn rtp(&self) -> &UdpSocket {
        &self.rtp
    }

    /// The even port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}
