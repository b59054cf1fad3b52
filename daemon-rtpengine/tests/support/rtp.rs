//! One end of a media stream: a UDP socket that sends numbered packets and counts what comes.

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{MaybeUninitSlice, MsgHdrMut, SockRef};

use super::PATIENCE;

/// Bytes of a packet of 20 ms G.711: header and 160 samples.
pub(crate) const PACKET_LEN: usize = 172;

/// A party's socket.
#[derive(Debug)]
pub(crate) struct Endpoint {
    socket: UdpSocket,
    /// The port beside.
    rtcp: UdpSocket,
    ssrc: u32,
    seq: u16,
}

impl Endpoint {
    /// Binds a free even port of `ip` and the one above it (RFC 3550 §11).
    pub(crate) fn bind(ip: IpAddr, ssrc: u32) -> Self {
        let [socket, rtcp] = bind_pair(ip);
        if ip.is_ipv4() {
            let with_tos = SockRef::from(&socket).set_recv_tos_v4(true);
            with_tos.expect("every kernel tells the TOS");
        }
        Self {
            socket,
            rtcp,
            ssrc,
            seq: 0,
        }
    }
    /// Where it is bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }
    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address().port()
    }
    /// Its source.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }
    /// Sends `count` RTP packets of PCMU (RFC 3550 §5.1).
    pub(crate) fn send_rtp(&mut self, to: SocketAddr, count: u16) {
        self.send_rtp_of(to, count, 0);
    }
    /// The same of another payload type.
    pub(crate) fn send_rtp_of(&mut self, to: SocketAddr, count: u16, payload_type: u8) {
        for _ in 0..count {
            let mut packet = vec![0x80, payload_type];
            packet.extend(self.seq.to_be_bytes());
            packet.extend((u32::from(self.seq) * 160).to_be_bytes());
            packet.extend(self.ssrc.to_be_bytes());
            packet.resize(PACKET_LEN, 0xd5);
            self.seq = self.seq.wrapping_add(1);
            self.socket.send_to(&packet, to).expect("loopback takes it");
        }
    }
    /// Sends `count` empty receiver reports (RFC 3550 §6.4.2).
    pub(crate) fn send_rtcp(&mut self, to: SocketAddr, count: u16) {
        for _ in 0..count {
            let mut packet = vec![0x80, 201, 0, 1];
            packet.extend(self.ssrc.to_be_bytes());
            self.socket.send_to(&packet, to).expect("loopback takes it");
        }
    }
    /// Sends bytes as they are.
    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).expect("loopback takes it");
    }
    /// Sends bytes as they are from the port beside.
    pub(crate) fn send_beside(&self, to: SocketAddr, bytes: &[u8]) {
        self.rtcp.send_to(bytes, to).expect("loopback takes it");
    }
    /// Waits for a datagram at the port beside.
    pub(crate) fn receive_beside(&self, patience: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        receive(&self.rtcp, patience)
    }
    /// Waits for `count` datagrams; fewer only after `patience`.
    pub(crate) fn receive(&self, count: usize, patience: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let deadline = Instant::now() + patience;
        let mut got = Vec::new();
        while got.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            got.extend(self.receive_one(left));
        }
        got
    }
    /// What has arrived already. A packet counts as arrived when the daemon has counted it; the wait
    /// only bridges the moment between its counting and its sending.
    pub(crate) fn drain(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::iter::from_fn(|| self.receive_one(Duration::from_millis(50))).collect()
    }
    /// Waits for a datagram, which must be `expected`; the TOS octet that it came with.
    ///
    /// # Panics
    /// When another one or none comes.
    pub(crate) fn receive_tos(&self, expected: &[u8]) -> u8 {
        let socket = SockRef::from(&self.socket);
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout above zero is accepted");
        let mut bytes = [MaybeUninit::new(0); 2048];
        let mut control = [MaybeUninit::new(0_u8); 64];
        let mut buffers = [MaybeUninitSlice::new(&mut bytes)];
        let mut message = MsgHdrMut::new()
            .with_buffers(&mut buffers)
            .with_control(&mut control);
        let len = socket.recvmsg(&mut message, 0).expect("a datagram");
        let control_len = message.control_len();
        // SAFETY: both arrays were initialised above, and the kernel only writes octets.
        let (bytes, control) = unsafe {
            (
                bytes[..len].assume_init_ref(),
                control[..control_len].assume_init_ref(),
            )
        };
        assert_eq!(bytes, expected);
        // struct cmsghdr: the length as a size_t, level and type as ints, then the data (cmsg(3)).
        let (head, data) = control.split_at(size_of::<libc::cmsghdr>());
        let kind = [libc::IPPROTO_IP, libc::IP_TOS]
            .map(i32::to_ne_bytes)
            .concat();
        assert!(head.ends_with(&kind), "not a TOS: {control:?}");
        data[0]
    }
    /// Waits for a datagram.
    pub(crate) fn receive_one(&self, patience: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        receive(&self.socket, patience)
    }
}

/// Binds a free even port of `ip` and the one above it (RFC 3550 §11).
///
/// # Panics
/// When there is none.
pub(crate) fn bind_pair(ip: IpAddr) -> [UdpSocket; 2] {
    let pair = || {
        let socket = UdpSocket::bind((ip, 0)).ok()?;
        let port = socket.local_addr().ok()?.port();
        let rtcp = UdpSocket::bind((ip, port.checked_add(1)?)).ok()?;
        (port % 2 == 0).then_some([socket, rtcp])
    };
    let mut tries = std::iter::repeat_with(pair).take(1000).flatten();
    tries.next().expect("a free pair of ports")
}

fn receive(socket: &UdpSocket, patience: Duration) -> Option<(SocketAddr, Vec<u8>)> {
    socket
        .set_read_timeout(Some(patience))
        .expect("a timeout above zero is accepted");
    let mut buffer = vec![0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).ok()?;
    buffer.truncate(len);
    Some((from, buffer))
}
