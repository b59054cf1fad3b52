//! What the generator asks of the machine: cores, priorities, limits, socket buffers and a network
//! namespace of its own.
#![expect(unsafe_code, reason = "these are system calls that std does not offer")]

use std::fs;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// Cores this process may use, in ascending order.
///
/// # Errors
/// Whatever `sched_getaffinity` says.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: a cpu_set_t is an array of integers, for which all zeroes is a value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the kernel writes at most the given size into `set`, which is that large.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    let highest = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    Ok((0..highest)
        // SAFETY: `cpu` is below CPU_SETSIZE, the number of bits in the set.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect())
}

/// Keeps the calling thread, and what it starts, on these cores. Async-signal-safe.
///
/// # Errors
/// Whatever `sched_setaffinity` says: `EINVAL` when no such core is allowed.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a cpu_set_t is an array of integers, for which all zeroes is a value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    for &cpu in cpus {
        // SAFETY: CPU_SET indexes the set's array with bounds checks; too high a core panics.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the kernel reads the given size from `set`, which is that large.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
}

/// Raises the limit of open files to what is allowed, since a daemon takes four sockets for a call, and
/// returns it. Children inherit it.
///
/// # Errors
/// Whatever `getrlimit` or `setrlimit` says.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the kernel writes one rlimit to the pointer, which has room for one.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    // SAFETY: getrlimit succeeded, so it has filled the struct.
    let mut limit = unsafe { limit.assume_init() };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one rlimit from a live reference.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// Sleeps until one of the sockets can be read or the time is over; says of each whether it can.
///
/// # Errors
/// Whatever `ppoll` says.
pub fn wait_readable(sockets: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let mut waiting: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let timeout = libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let count = libc::nfds_t::try_from(waiting.len()).unwrap_or(0);
    // SAFETY: `waiting` holds at least `count` entries, which the kernel reads and writes; the timeout is
    // read; a null signal mask changes nothing.
    let result =
        unsafe { libc::ppoll(waiting.as_mut_ptr(), count, &raw const timeout, ptr::null()) };
    match check(result) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        // Interrupted: nothing is marked, and the caller looks at its clock.
        _ => Ok(waiting.iter().map(|entry| entry.revents != 0).collect()),
    }
}

/// Lets the calling thread's sleeps end within a microsecond of when they should (50 by default).
pub fn sharpen_timers() {
    let slack_ns: libc::c_ulong = 1_000;
    // SAFETY: PR_SET_TIMERSLACK takes an integer and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack_ns) };
}

/// Puts a process before others that compete for its cores: nice −10, and its session's autogroup at
/// −20, because autogroups make nice values count only inside a session. Needs root; without, or without
/// autogroups, it does what it can.
pub fn prefer(pid: u32) {
    // SAFETY: setpriority takes three integers and touches no memory of ours.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, pid, -10) };
    let _ = fs::write(format!("/proc/{pid}/autogroup"), "-20");
}

/// Puts this process before others, like [`prefer`], until dropped. Its autogroup is that of the shell
/// it was started from, which must not stay preferred.
#[derive(Debug)]
pub struct Preference {
    autogroup: String,
}

impl Preference {
    /// Begins.
    #[must_use]
    pub fn begin() -> Self {
        // "/autogroup-7 nice 0"; empty where the kernel has none.
        let before = fs::read_to_string(AUTOGROUP).unwrap_or_default();
        let nice = before.split_whitespace().next_back().unwrap_or_default();
        prefer(std::process::id());
        Self {
            autogroup: nice.to_owned(),
        }
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: setpriority takes three integers and touches no memory of ours.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
        let _ = fs::write(AUTOGROUP, &self.autogroup);
    }
}

const AUTOGROUP: &str = "/proc/self/autogroup";

/// Makes room for bursts in a socket, beyond the system's limit when the process may.
///
/// # Errors
/// When not even the ordinary request is taken.
pub fn enlarge_buffers(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    for (force, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        set_option(socket, force, bytes).or_else(|_| set_option(socket, plain, bytes))?;
    }
    Ok(())
}

/// Has the kernel stamp every datagram with the time it arrived (`SCM_TIMESTAMPNS`).
///
/// # Errors
/// Whatever `setsockopt` says.
pub fn stamp_arrivals(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SO_TIMESTAMPNS, 1)
}

fn set_option(socket: &impl AsFd, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the kernel reads four bytes from `value`, which lives across the call; `socket` keeps the
    // descriptor open.
    check(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            4,
        )
    })
}

/// Moves the calling thread, and all it starts from now on, into a new network namespace with only a
/// loopback device, where no firewall, connection tracking or other traffic takes part. Call it before
/// opening sockets or starting threads. Needs root.
///
/// # Errors
/// `EPERM` without the privilege; the caller may go on in the namespace it was in.
pub fn isolate_network() -> io::Result<()> {
    // SAFETY: unshare takes flags and touches no memory of ours.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: ifreq is plain integers and bytes, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives across the call; the name ends in a zero.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) })
}

/// Why this kernel refuses io_uring, or `None` if a ring can be made.
#[must_use]
pub fn io_uring_refusal() -> Option<io::Error> {
    let mut params = [0_u64; 15];
    // SAFETY: io_uring_setup reads and writes one io_uring_params, 120 zeroed bytes here; the
    // descriptor it returns is closed below and nowhere else known.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) };
    match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: `fd` came from the call above and has no other owner.
            unsafe { libc::close(fd) };
            None
        }
        _ => Some(io::Error::last_os_error()),
    }
}

/// Whether the process runs as root.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn the_socket_that_can_be_read_is_named() {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let fds = [sockets[0].as_fd(), sockets[1].as_fd()];
        let ready = |timeout| wait_readable(&fds, timeout).unwrap();
        assert_eq!(ready(Duration::ZERO), [false, false]);
        let to = sockets[1].local_addr().unwrap();
        sockets[0].send_to(b"x", to).unwrap();
        assert_eq!(ready(Duration::from_secs(10)), [false, true]);
    }

    #[test]
    fn a_pinned_thread_sees_only_its_core() {
        std::thread::spawn(|| {
            let last = *allowed_cpus().unwrap().last().unwrap();
            pin(&[last]).unwrap();
            assert_eq!(allowed_cpus().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_limit_of_open_files_can_be_raised_to_the_hard_one() {
        let limit = raise_open_files().unwrap();
        assert_eq!(raise_open_files().unwrap(), limit);
        assert!(limit > 0);
    }
}
