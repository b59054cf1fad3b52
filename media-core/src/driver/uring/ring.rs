//! One io_uring: set-up, user data, submission, waiting.

use std::io;
use std::time::{Duration, Instant};

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, squeue};

use crate::driver::pace::Pace;
use crate::driver::sys::{self, GENERATION_MASK};
use crate::units::{ShardId, SocketId};

/// How long a shard with nothing to do sleeps at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const SQ_ENTRIES: u32 = 4096;
const CQ_ENTRIES: u32 = 16384;
/// Completions to wait for: more than a tick brings, so that the tick ends the wait. From Linux 6.13 on
/// also the most that the kernel receives before it lets us send: under overload, turns of thousands would
/// find nothing in the cache any more by the time they send, and use up the slots.
const WANT_BATCH: usize = 128;

/// What a completion belongs to; travels in the user data's top byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Op {
    Receive = 1,
    Send = 2,
    Wake = 3,
    Cancel = 4,
    Close = 5,
    /// A send that may fail.
    Check = 6,
}

impl Op {
    const ALL: [Op; 6] = [
        Op::Receive,
        Op::Send,
        Op::Wake,
        Op::Cancel,
        Op::Close,
        Op::Check,
    ];

    /// `op ‖ generation (24 bits) ‖ index (32 bits)`.
    pub(super) fn user_data(self, socket: SocketId) -> u64 {
        let generation = u64::from(socket.generation() & GENERATION_MASK);
        u64::from(self as u8) << 56 | generation << 32 | u64::from(socket.index())
    }
}

/// The reverse of [`Op::user_data`].
pub(super) fn decode(shard: ShardId, user_data: u64) -> Option<(Op, SocketId)> {
    let [op, g2, g1, g0, i3, i2, i1, i0] = user_data.to_be_bytes();
    let op = Op::ALL.into_iter().find(|o| *o as u8 == op)?;
    let generation = u32::from_be_bytes([0, g2, g1, g0]);
    Some((
        op,
        SocketId::new(shard, u32::from_be_bytes([i3, i2, i1, i0]), generation),
    ))
}

/// One completion, copied out of the queue.
#[derive(Clone, Copy)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

pub(super) struct Ring {
    pub(super) uring: IoUring,
    pub(super) pace: Pace,
    min_wait: bool,
}

impl Ring {
    /// Must run on the thread that will use the ring.
    pub(super) fn new(tick: Duration) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(CQ_ENTRIES);
        // Kernels before 6.6 do not know it; nothing else depends on it.
        let uring = builder
            .clone()
            .setup_no_sqarray()
            .build(SQ_ENTRIES)
            .or_else(|_| builder.build(SQ_ENTRIES))?;
        let min_wait = uring.params().is_feature_min_timeout();
        let ring = Self {
            uring,
            pace: Pace::new(tick, Instant::now()),
            min_wait,
        };
        // Saves a look-up per enter; older kernels go without.
        let _ = ring.uring.submitter().register_ring_fd();
        Ok(ring)
    }

    pub(super) fn has_min_wait(&self) -> bool {
        self.min_wait
    }

    /// Queues a request; submits first if the queue is full.
    pub(super) fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: every entry built in this driver names buffers that stay where they are until the
        // request completes: slots in flight, the shard's message header, its wake counter.
        if unsafe { self.uring.submission().push(entry) }.is_ok() {
            return Ok(());
        }
        self.uring.submit()?;
        // SAFETY: as above.
        unsafe { self.uring.submission().push(entry) }
            .map_err(|_| io::Error::from_raw_os_error(libc::EBUSY))
    }

    /// Whether there is no room for another entry before a submit.
    pub(super) fn is_full(&mut self) -> bool {
        self.uring.submission().is_full()
    }

    /// Whether the kernel has taken every entry.
    pub(super) fn all_submitted(&mut self) -> bool {
        self.uring.submission().is_empty()
    }

    pub(super) fn submit(&mut self) -> io::Result<()> {
        self.uring.submit().map(|_| ()).or_else(harmless)
    }

    /// Waits: for the tick's end if anything has arrived by then, else for the first arrival, but not
    /// beyond `until`. `busy`: the turn before had traffic. Everything queued has been submitted before:
    /// the kernel would count the tick from the end of the submission, and packets sent take time.
    pub(super) fn wait(&mut self, busy: bool, until: Option<Instant>) -> io::Result<()> {
        let now = Instant::now();
        // Without an end to the whole wait, the kernel ends it with the minimum wait: an idle shard
        // would wake at every tick.
        let wait = until.map_or(LONGEST_WAIT, |at| at.saturating_duration_since(now));
        let timeout = Timespec::from(wait);
        let mut args = SubmitArgs::new().timespec(&timeout);
        let mut want = 1;
        if !self.pace.is_off() {
            let gather = self.pace.gather(now);
            if self.min_wait {
                want = WANT_BATCH;
                // At least one: zero means that there is no minimum, and all of `want` is waited for.
                args = args.min_wait_usec(u32::try_from(gather.as_micros()).unwrap_or(0).max(1));
            } else if busy {
                // Linux 6.1 to 6.11: nap to the tick, then take what there is.
                if !gather.is_zero() {
                    sys::sleep(gather);
                }
                return self
                    .uring
                    .submitter()
                    .submit_and_wait(0)
                    .map(|_| ())
                    .or_else(harmless);
            }
        }
        self.uring
            .submitter()
            .submit_with_args(want, &args)
            .map(|_| ())
            .or_else(harmless)
    }

    /// Takes what has arrived, without a wait.
    pub(super) fn look(&mut self) -> io::Result<()> {
        self.uring
            .submitter()
            .submit_and_wait(0)
            .map(|_| ())
            .or_else(harmless)
    }

    /// Copies completions out, at most as many as `into` holds; returns how many.
    pub(super) fn reap(&mut self, into: &mut [Completion]) -> usize {
        let mut n = 0;
        let mut queue = self.uring.completion();
        while n < into.len() {
            let Some(entry) = queue.next() else { break };
            into[n] = Completion {
                user_data: entry.user_data(),
                result: entry.result(),
                flags: entry.flags(),
            };
            n += 1;
        }
        n
    }
}

/// The wait ended by time, by a signal, or because completions must be reaped first.
fn harmless(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_names_op_and_socket() {
        let shard = ShardId::new(3);
        for op in Op::ALL {
            let socket = SocketId::new(shard, 0xdead_beef, 0x00ab_cdef);
            assert_eq!(decode(shard, op.user_data(socket)), Some((op, socket)));
        }
        assert_eq!(decode(shard, 0), None);
    }
}
