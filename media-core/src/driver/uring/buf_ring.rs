//! The provided-buffer ring: slots that the kernel may receive into.
//!
//! ```text
//! entry 0            entry 1                     entry n-1
//! | addr len bid | tail | addr len bid | resv | … |
//! ```
//! The tail lives in the reserved field of entry 0; the kernel reads entries up to it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::buf::{SLOT, Slab, TAILROOM};

/// The one buffer group of a shard's ring.
pub(super) const GROUP: u16 = 0;
/// Bytes of a slot that the kernel may fill: the tailroom stays ours.
const RECEIVE_LEN: u32 = {
    assert!(SLOT - TAILROOM < u32::MAX as usize);
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    let len = (SLOT - TAILROOM) as u32;
    len
};
/// Published at start. Few slots in circulation stay in the cache; shortage doubles them.
const FIRST_TARGET: u16 = 512;

pub(super) struct BufRing {
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    mask: u16,
    tail: u16,
    /// Slots that the kernel has now.
    published: u16,
    /// Slots that it should have.
    target: u16,
    capacity: u16,
}

impl BufRing {
    /// Registers a ring of `capacity` (a power of two) entries, empty.
    pub(super) fn register(submitter: &Submitter<'_>, capacity: u16) -> io::Result<Self> {
        let bytes = usize::from(capacity) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(bytes, 4096).map_err(io::Error::other)?;
        // SAFETY: capacity is not zero, so neither is the size.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(layout)
        };
        let ring = Self {
            entries: memory.cast(),
            layout,
            mask: capacity - 1,
            tail: 0,
            published: 0,
            target: FIRST_TARGET.min(capacity),
            capacity,
        };
        // SAFETY: the memory is page-aligned, holds `capacity` entries and outlives the registration:
        // the shard unregisters in `Drop` before this value is dropped.
        unsafe {
            submitter.register_buf_ring_with_flags(memory.as_ptr() as u64, capacity, GROUP, 0)?
        };
        Ok(ring)
    }

    /// The kernel has used one of its slots.
    pub(super) fn taken(&mut self) {
        self.published = self.published.saturating_sub(1);
    }

    /// The kernel ran out of slots: give it twice as many from now on.
    pub(super) fn shortage(&mut self) {
        self.target = self.target.saturating_mul(2).min(self.capacity);
    }

    /// Publishes free slots up to the target.
    pub(super) fn refill(&mut self, slab: &Slab) {
        if self.published >= self.target {
            return;
        }
        while self.published < self.target {
            let Some(slot) = slab.publish() else { break };
            // SAFETY: the masked index is below the capacity, and the kernel does not read an entry
            // before the tail has passed it.
            let entry = unsafe {
                &mut *self
                    .entries
                    .as_ptr()
                    .add(usize::from(self.tail & self.mask))
            };
            entry.set_addr(slab.address(slot) as u64);
            entry.set_len(RECEIVE_LEN);
            entry.set_bid(slot);
            self.tail = self.tail.wrapping_add(1);
            self.published += 1;
        }
        // SAFETY: the tail field of entry 0 is aligned, lives as long as `self`, and is only written
        // here; the kernel reads it. Release: it sees the entries before the tail.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for BufRing {
    fn drop(&mut self) {
        // SAFETY: allocated in `register` with this layout; unregistered by now.
        unsafe { dealloc(self.entries.as_ptr().cast(), self.layout) }
    }
}
