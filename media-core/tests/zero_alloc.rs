//! No allocation per relayed packet, on either driver. One test in a process of its own, so that the
//! counting allocator sees the shard's thread and this one alone.
#![allow(unsafe_code, reason = "a counting allocator wraps the system's")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{call, rtp, start};
use media_core::driver::IoChoice;
use media_core::units::ShardId;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_relayed_packet_allocates_nothing() {
    for io in [IoChoice::Uring, IoChoice::Epoll] {
        let Some(driver) = start(io, 1, Duration::from_millis(1)) else {
            continue;
        };
        let calls: Vec<_> = (0..4)
            .map(|n| call(&*driver.plane(), ShardId::new(0), n, [false; 2]))
            .collect();
        let packets: Vec<_> = (0..1000).map(|seq| rtp(seq, &[0; 160])).collect();
        let mut got = [0; 2048];
        let mut exchange = |range: std::ops::Range<usize>| {
            for packet in &packets[range] {
                for call in &calls {
                    for side in 0..2 {
                        call.peers[side].send_to(packet, call.local[side]).unwrap();
                    }
                }
                for call in &calls {
                    for side in 0..2 {
                        let n = call.peers[side]
                            .recv(&mut got)
                            .unwrap_or_else(|e| panic!("{io:?}: {e}; {:?}", call.counters));
                        assert_eq!(n, packet.len());
                    }
                }
            }
        };
        // First packets learn endpoints and take up the sources: that may allocate, once.
        exchange(0..50);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        exchange(50..1000);
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(
            made, 0,
            "{made} allocations in 7600 relayed packets on {io:?}"
        );
    }
}
