//! System calls that both drivers need, each behind a safe function.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::buf::{ADDRESS_AT, HEADROOM};

/// Bits of a socket's generation that travel in completion user data.
pub(super) const GENERATION_MASK: u32 = 0x00ff_ffff;

/// Longest socket address, that of IPv6.
pub(super) const ADDRESS_LEN: usize = HEADROOM - ADDRESS_AT;
const _: () = assert!(ADDRESS_LEN == size_of::<libc::sockaddr_in6>());
/// The same in the kernel's type.
pub(super) const ADDRESS_SOCKLEN: libc::socklen_t = 28;
const _: () = assert!(ADDRESS_SOCKLEN as usize == ADDRESS_LEN);

/// A non-blocking UDP socket bound to exactly `local`.
pub(super) fn bind_udp(local: SocketAddr, tos: Option<u8>) -> io::Result<OwnedFd> {
    let domain = Domain::for_address(local);
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    match tos {
        Some(tos) if domain == Domain::IPV6 => socket.set_tclass_v6(u32::from(tos))?,
        Some(tos) => socket.set_tos_v4(u32::from(tos))?,
        None => {}
    }
    socket.bind(&local.into())?;
    Ok(socket.into())
}

/// Reads a socket address as the kernel wrote it; `None` for a family that is not IP.
pub(super) fn decode_address(raw: &[u8; ADDRESS_LEN]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    match i32::from(u16::from_ne_bytes([raw[0], raw[1]])) {
        libc::AF_INET => {
            let ip = Ipv4Addr::new(raw[4], raw[5], raw[6], raw[7]);
            Some(SocketAddr::new(IpAddr::V4(ip), port))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = raw[8..24].try_into().ok()?;
            let scope = u32::from_ne_bytes(raw[24..28].try_into().ok()?);
            Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(octets),
                port,
                0,
                scope,
            )))
        }
        _ => None,
    }
}

/// Writes a socket address as the kernel reads it; returns its length.
pub(super) fn encode_address(address: SocketAddr, raw: &mut [u8; ADDRESS_LEN]) -> u32 {
    raw.fill(0);
    raw[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            raw[..2].copy_from_slice(&family(libc::AF_INET));
            raw[4..8].copy_from_slice(&v4.ip().octets());
            16
        }
        SocketAddr::V6(v6) => {
            raw[..2].copy_from_slice(&family(libc::AF_INET6));
            raw[8..24].copy_from_slice(&v6.ip().octets());
            raw[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            28
        }
    }
}

fn family(family: i32) -> [u8; 2] {
    u16::try_from(family).unwrap_or(0).to_ne_bytes()
}

/// An eventfd that a shard sleeps on.
#[derive(Debug)]
pub(super) struct WakeFd(OwnedFd);

impl WakeFd {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn wake(&self) {
        let one = 1u64;
        // SAFETY: writes eight bytes of a live local. It fails only when the counter is full, and
        // then the shard is being woken anyway.
        unsafe {
            libc::write(
                self.0.as_raw_fd(),
                (&raw const one).cast(),
                size_of::<u64>(),
            )
        };
    }

    /// Takes the wake-ups off the descriptor.
    pub(super) fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: reads at most eight bytes into a live local of that size.
        unsafe {
            libc::read(
                self.0.as_raw_fd(),
                (&raw mut count).cast(),
                size_of::<u64>(),
            )
        };
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// CPU time of the calling thread. `/proc/stat` is wrong by a factor for threads that sleep by ticks.
pub(super) fn thread_cpu_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is to a timespec that lives for the call.
    let failed =
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) } != 0;
    // SAFETY: zeroed is a valid timespec, and the call only ever writes valid ones.
    let time = unsafe { time.assume_init() };
    if failed {
        return 0;
    }
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Sleeps for `d`, about exactly.
pub(super) fn sleep(d: Duration) {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(d.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: d.subsec_nanos().into(),
    };
    // SAFETY: reads a live timespec and writes none.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// Lets timers of this thread fire when they are due instead of up to 50 µs later.
pub(super) fn precise_timers() {
    // SAFETY: no pointers; a refusal changes nothing.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000) };
}

/// Lets the calling thread yield to media threads, which run at the process's own priority.
pub(super) fn yield_to_media() {
    /// As of the threads that serve requests.
    const NICE: libc::c_int = 5;
    // SAFETY: no pointers. 0 means the calling thread on Linux; a refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// CPUs that this process may run on.
pub(super) fn allowed_cpus() -> Vec<usize> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the set lives for the call and its true size is given.
    let failed =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) } != 0;
    // SAFETY: zeroed is a valid (empty) set.
    let set = unsafe { set.assume_init() };
    if failed {
        return vec![0];
    }
    let size = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: `cpu` is below CPU_SETSIZE, the number of bits in the set.
    (0..size)
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect()
}

/// Binds the calling thread to one CPU; a refusal changes nothing.
pub(super) fn pin_to(cpu: usize) {
    // SAFETY: an all-zero set is empty; `cpu` came from `allowed_cpus`, so it is below CPU_SETSIZE.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Raises the limit of open descriptors to the hard limit; returns the limit in force.
#[must_use]
pub fn raise_nofile() -> u64 {
    // SAFETY: both calls get a live rlimit; a failure leaves the limit as it was.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 0;
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_form() {
        for text in ["127.0.0.1:5060", "[2001:db8::7%3]:40000", "[::1]:1"] {
            let address: SocketAddr = text.replace("%3", "").parse().unwrap();
            let mut raw = [0; ADDRESS_LEN];
            encode_address(address, &mut raw);
            assert_eq!(decode_address(&raw), Some(address));
        }
        assert_eq!(decode_address(&[0; ADDRESS_LEN]), None);
    }
}
