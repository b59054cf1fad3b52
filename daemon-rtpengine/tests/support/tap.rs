//! A wire between two programs that is listened to: each is told our ports for the other's, and what
//! comes to them goes on as it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;

use super::call::audio_address;
use super::rtp::bind_pair;

/// A datagram that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// 0: of the program that was described first.
    pub(crate) from: usize,
    /// It went between the ports beside.
    pub(crate) beside: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The wire, with nobody at its ends yet.
#[derive(Debug)]
pub(crate) struct Tap {
    sockets: [UdpSocket; 2],
    /// RTP and RTCP address of each program.
    ends: Vec<[SocketAddr; 2]>,
}

/// A wire that carries.
#[derive(Debug)]
pub(crate) struct Running {
    threads: [JoinHandle<Vec<Heard>>; 2],
    addresses: [SocketAddr; 2],
}

impl Tap {
    /// Takes a pair of ports of 127.0.0.1. What comes before [`Tap::run`] waits.
    pub(crate) fn new() -> Self {
        Self {
            sockets: bind_pair(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ends: Vec::new(),
        }
    }

    /// Notes where a program wants its audio; the same description with our ports instead.
    pub(crate) fn through(&mut self, sdp: &str) -> String {
        let rtp = audio_address(sdp);
        let told = sdp.lines().find_map(|line| {
            let value = line.strip_prefix("a=rtcp:")?;
            value.split(' ').next()?.parse().ok()
        });
        let rtcp = told.unwrap_or(rtp.port() + 1);
        self.ends.push([rtp, (rtp.ip(), rtcp).into()]);
        let ours = [0, 1].map(|n| self.address(n).port());
        let of = |port| ours[usize::from(port != rtp.port())];
        let line = |line: &str| {
            if line.starts_with("m=audio ") {
                line.replacen(&rtp.port().to_string(), &of(rtp.port()).to_string(), 1)
            } else if line.starts_with("a=rtcp:") {
                format!("a=rtcp:{}", of(rtcp))
            } else {
                line.to_owned()
            }
        };
        sdp.lines().map(|l| line(l) + "\r\n").collect()
    }

    /// Begins to carry.
    ///
    /// # Panics
    /// Unless both ends are known.
    pub(crate) fn run(self) -> Running {
        let ends: [[SocketAddr; 2]; 2] = self.ends.clone().try_into().expect("two ends");
        let addresses = [0, 1].map(|n| self.address(n));
        let mut which = 0;
        let threads = self.sockets.map(|socket| {
            let beside = which == 1;
            let ends = ends.map(|end| end[which]);
            which += 1;
            std::thread::spawn(move || carry(&socket, ends, beside))
        });
        Running { threads, addresses }
    }

    fn address(&self, which: usize) -> SocketAddr {
        let address = self.sockets[which].local_addr();
        address.expect("a bound socket has an address")
    }
}

impl Running {
    /// Ends it. What it has carried, in order, first between the RTP ports.
    pub(crate) fn end(self) -> Vec<Heard> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket can be bound");
        for address in self.addresses {
            socket.send_to(END, address).expect("loopback takes it");
        }
        let threads = self.threads.into_iter();
        threads
            .flat_map(|thread| thread.join().expect("nothing but datagrams of both ends"))
            .collect()
    }
}

/// No RTP, RTCP, STUN or DTLS begins like this (RFC 7983 §7).
const END: &[u8] = b"end of the wire";

fn carry(socket: &UdpSocket, ends: [SocketAddr; 2], beside: bool) -> Vec<Heard> {
    let mut all = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let (len, source) = socket.recv_from(&mut buffer).expect("a datagram");
        let bytes = &buffer[..len];
        if bytes == END {
            return all;
        }
        let from = ends.iter().position(|end| *end == source);
        let from =
            from.unwrap_or_else(|| panic!("{bytes:02x?} from {source}, which is none of {ends:?}"));
        all.push(Heard {
            from,
            beside,
            bytes: bytes.to_vec(),
        });
        // A port that is gone refuses it: the far end misses the packet and says so.
        let _ = socket.send_to(bytes, ends[1 - from]);
    }
}
