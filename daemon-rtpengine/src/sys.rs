//! The few system calls that the standard library lacks: local addresses, and UDP that knows which of
//! our addresses a datagram was sent to, so that the reply leaves from there.
#![expect(unsafe_code, reason = "system calls")]

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::SockAddr;

/// Sets glibc's allocator up for what the daemon does: requests on a few threads make small things that the
/// media threads free. With an arena per thread each one grows and shrinks by a page at a time, a system
/// call every few requests (docs/decisions/006-allocator.md). Call before any thread is started.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain numbers; a value that glibc does not take changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
        libc::mallopt(libc::M_MXFAST, 0);
    }
}

/// Nice value of threads that serve requests.
const CONTROL_NICE: i32 = 5;

/// Puts the calling thread behind the media threads when the CPU is short: a storm of requests must cost
/// requests, not audio, and the media threads also close what requests leave behind.
pub(crate) fn yield_to_media() {
    // SAFETY: no pointers. 0 means the calling thread on Linux; a refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, CONTROL_NICE) };
}

/// Every address of this machine with the name of its interface, in the kernel's order.
///
/// # Errors
/// What `getifaddrs` said.
pub(crate) fn interface_addresses() -> io::Result<Vec<(String, IpAddr)>> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a valid place for the list's address.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut at = head;
    while !at.is_null() {
        // SAFETY: `at` is an element of the list, which lives until `freeifaddrs`.
        let entry = unsafe { &*at };
        at = entry.ifa_next;
        // SAFETY: `ifa_addr` is null or an address of the family that it names.
        let Some(address) = (unsafe { ip_of(entry.ifa_addr) }) else {
            continue;
        };
        // SAFETY: the kernel's names end with a zero octet.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) };
        found.push((name.to_string_lossy().into_owned(), address));
    }
    // SAFETY: the list that `getifaddrs` made, once, with no reference left into it.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// # Safety
/// `address` is null or points to a socket address as long as its family demands.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: every socket address starts with its family; the caller vouches for the rest.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: of family AF_INET, says the line above.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of family AF_INET6, says the line above.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The control data of one datagram: which of our addresses it was sent to.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct PacketInfo {
    bytes: [u8; PacketInfo::ROOM],
    len: usize,
}

impl PacketInfo {
    const ROOM: usize = 64;

    /// Tells the kernel to deliver packet info with each datagram.
    ///
    /// # Errors
    /// What `setsockopt` said.
    pub(crate) fn enable(socket: &UdpSocket) -> io::Result<()> {
        let (level, name) = match socket.local_addr()? {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        let on: libc::c_int = 1;
        const LEN: libc::socklen_t = 4;
        const { assert!(LEN as usize == size_of::<libc::c_int>()) };
        // SAFETY: `on` outlives the call and has the length told.
        let result = unsafe {
            libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), LEN)
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Receives one datagram with its sender and its packet info.
///
/// # Errors
/// What `recvmsg` said.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, PacketInfo)> {
    let mut info = PacketInfo {
        bytes: [0; PacketInfo::ROOM],
        len: 0,
    };
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: a header of zeros and null pointers is valid.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = info.bytes.as_mut_ptr().cast();
    header.msg_controllen = info.bytes.len();
    // SAFETY: `try_init` lends room for any socket address, and `recvmsg` writes one into it.
    let (received, peer) = unsafe {
        SockAddr::try_init(|storage, len| {
            header.msg_name = storage.cast();
            header.msg_namelen = *len;
            // SAFETY: every pointer in `header` is to memory of the length beside it that outlives
            // the call.
            let received = libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0);
            *len = header.msg_namelen;
            usize::try_from(received).map_err(|_| io::Error::last_os_error())
        })?
    };
    info.len = header.msg_controllen.min(PacketInfo::ROOM);
    let peer = peer
        .as_socket()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((received, peer, info))
}

/// Sends a datagram from the address that `info`'s datagram was sent to.
///
/// # Errors
/// What `sendmsg` said.
pub(crate) fn send(
    socket: &UdpSocket,
    datagram: &[u8],
    peer: SocketAddr,
    info: &PacketInfo,
) -> io::Result<usize> {
    let peer = SockAddr::from(peer);
    let mut info = *info;
    let mut part = libc::iovec {
        iov_base: datagram.as_ptr().cast_mut().cast(),
        iov_len: datagram.len(),
    };
    // SAFETY: a header of zeros and null pointers is valid.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = peer.as_ptr().cast_mut().cast();
    header.msg_namelen = peer.len();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = info.bytes.as_mut_ptr().cast();
    header.msg_controllen = info.len;
    from_hit_address(&header);
    // SAFETY: every pointer in `header` is to memory of the length beside it that outlives the call;
    // `sendmsg` only reads, so the casts to `mut` do no harm.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Turns received packet info into what sending wants: the route decides on the interface, the
/// source is the address that was hit (which the kernel reports in `ipi_addr`).
fn from_hit_address(header: &libc::msghdr) {
    // SAFETY: `header` describes control data that the kernel wrote and nobody changed since.
    let control = unsafe { libc::CMSG_FIRSTHDR(&raw const *header) };
    if control.is_null() {
        return;
    }
    // SAFETY: not null, so a whole control header is there; its data follows, as long as its level
    // and type demand, because the kernel wrote it.
    unsafe {
        let data = libc::CMSG_DATA(control);
        match ((*control).cmsg_level, (*control).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let data = data.cast::<libc::in_pktinfo>();
                let mut info = data.read_unaligned();
                info.ipi_ifindex = 0;
                info.ipi_spec_dst = info.ipi_addr;
                data.write_unaligned(info);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let data = data.cast::<libc::in6_pktinfo>();
                let mut info = data.read_unaligned();
                // A link-local address needs its interface; any other one is better routed.
                let link_local = info.ipi6_addr.s6_addr[..2] == [0xfe, 0x80];
                if !link_local {
                    info.ipi6_ifindex = 0;
                }
                data.write_unaligned(info);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed() {
        let all = interface_addresses().unwrap();
        assert!(all.contains(&("lo".into(), Ipv4Addr::LOCALHOST.into())));
    }

    #[test]
    fn reply_leaves_from_the_address_that_was_hit() {
        let server = UdpSocket::bind("0.0.0.0:0").unwrap();
        PacketInfo::enable(&server).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let hit = SocketAddr::from(([127, 0, 0, 77], port));
        client.send_to(b"x", hit).unwrap();
        let mut buffer = [0; 16];
        let (len, peer, info) = receive(&server, &mut buffer).unwrap();
        assert_eq!((len, peer), (1, client.local_addr().unwrap()));
        send(&server, b"y", peer, &info).unwrap();
        assert_eq!(client.recv_from(&mut buffer).unwrap(), (1, hit));
    }
}
