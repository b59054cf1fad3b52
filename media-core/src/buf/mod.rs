//! Packet slots and their single owner. No syscalls.
//!
//! A [`Slab`] is one page-aligned piece of memory, cut into slots of [`SLOT`] bytes:
//!
//! ```text
//! 0            16                 44                                   1984       2048
//! | recvmsg    | source address, | payload, at most PAYLOAD_MAX bytes | tailroom |
//! | header     | then destination|                                    |          |
//! |<------- HEADROOM ----------->|<------- PAYLOAD_MAX (1940) ------->| TAILROOM |
//! ```
//!
//! A slot is in exactly one state: *free*, *kernel* (published for receiving), *core* (a live
//! [`PacketBuf`]) or *in flight* (named by a send). Transfers are by value and checked against the
//! slot's state, so a completion that names a slot it does not own yields nothing instead of a second
//! owner. A dropped [`PacketBuf`] frees its slot.
#![expect(
    unsafe_code,
    reason = "slots are handed out as slices of one shared allocation"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

/// Bytes per slot.
pub const SLOT: usize = 2048;
/// Bytes in front of the payload: io_uring's recvmsg header (16) and a socket address (28).
pub const HEADROOM: usize = 44;
/// Where in the slot the socket address stands.
pub const ADDRESS_AT: usize = 16;
/// Bytes behind the largest payload, for an SRTP or SRTCP trailer.
pub const TAILROOM: usize = 64;
/// Largest payload received; longer datagrams are dropped as too long.
pub const PAYLOAD_MAX: usize = SLOT - HEADROOM - TAILROOM;

const PAGE: usize = 4096;
const _: () = assert!(HEADROOM + PAYLOAD_MAX + TAILROOM == SLOT && PAGE.is_multiple_of(SLOT));

/// Where a slot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Kernel,
    Core,
    InFlight,
}

/// The slots of one shard. Cloning shares them; the thread that made them keeps them.
#[derive(Clone)]
pub struct Slab(Rc<Shared>);

struct Shared {
    memory: NonNull<u8>,
    layout: Layout,
    states: Box<[Cell<State>]>,
    free: RefCell<Vec<u16>>,
}

impl Slab {
    /// Allocates `slots` slots, zeroed; pages are first touched when used.
    ///
    /// # Panics
    /// If `slots` is 0 or the allocation fails: both are start-up mistakes.
    #[must_use]
    pub fn new(slots: u16) -> Self {
        assert!(slots > 0, "a slab needs at least one slot");
        let layout = Layout::from_size_align(usize::from(slots) * SLOT, PAGE)
            .expect("invariant: at most 65535 slots of 2048 bytes");
        // SAFETY: the layout's size is not zero, checked above.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(layout)
        };
        Self(Rc::new(Shared {
            memory,
            layout,
            states: (0..slots).map(|_| Cell::new(State::Free)).collect(),
            free: RefCell::new((0..slots).rev().collect()),
        }))
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.0.states.len()
    }

    /// Number of free slots.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.0.free.borrow().len()
    }

    /// Takes a free slot as an empty packet; `None` if there is none.
    #[must_use]
    pub fn allocate(&self) -> Option<PacketBuf> {
        let slot = self.0.free.borrow_mut().pop()?;
        self.0.states[usize::from(slot)].set(State::Core);
        Some(PacketBuf {
            slab: Rc::clone(&self.0),
            slot,
            len: 0,
        })
    }

    /// Takes a free slot and copies the packet into it; `None` if there is none.
    #[must_use]
    pub fn copy(&self, packet: &PacketBuf) -> Option<PacketBuf> {
        let mut copy = self.allocate()?;
        copy.len = packet.len;
        copy.as_mut_slice().copy_from_slice(packet.as_slice());
        Some(copy)
    }

    /// Takes a free slot for the kernel to receive into: free → kernel.
    #[must_use]
    pub fn publish(&self) -> Option<u16> {
        let slot = self.0.free.borrow_mut().pop()?;
        self.0.states[usize::from(slot)].set(State::Kernel);
        Some(slot)
    }

    /// Takes over a slot that the kernel has filled with `len` payload bytes: kernel → core.
    ///
    /// `None` if the slot is not the kernel's, or `len` is over [`PAYLOAD_MAX`].
    #[must_use]
    pub fn adopt(&self, slot: u16, len: usize) -> Option<PacketBuf> {
        let state = self.0.states.get(usize::from(slot))?;
        if state.get() != State::Kernel {
            return None;
        }
        state.set(State::Core);
        let mut packet = PacketBuf {
            slab: Rc::clone(&self.0),
            slot,
            len: 0,
        };
        // Too long: dropping `packet` frees the slot.
        packet.len = u16::try_from(len).ok().filter(|_| len <= PAYLOAD_MAX)?;
        Some(packet)
    }

    /// Frees a slot whose send has completed: in flight → free. Ignored in any other state.
    pub fn complete(&self, slot: u16) {
        if let Some(state) = self.0.states.get(usize::from(slot))
            && state.get() == State::InFlight
        {
            state.set(State::Free);
            self.0.free.borrow_mut().push(slot);
        }
    }

    /// Start of a slot in memory; the slot's owner says who may look.
    #[must_use]
    pub fn address(&self, slot: u16) -> *mut u8 {
        assert!(
            usize::from(slot) < self.slots(),
            "slot {slot} is outside the slab"
        );
        self.0.address(slot)
    }
}

impl Shared {
    fn address(&self, slot: u16) -> *mut u8 {
        // SAFETY: every slot number in circulation is below `slots`, so the offset stays inside the
        // allocation.
        unsafe { self.memory.as_ptr().add(usize::from(slot) * SLOT) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: allocated in `Slab::new` with this layout; every `PacketBuf` holds the `Rc`, so
        // none is left. The driver unregisters its buffer ring before it drops the slab.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slab({} of {} free)", self.free_slots(), self.slots())
    }
}

/// A packet: sole owner of one slot. Not `Send`; the shard that received it sends it.
pub struct PacketBuf {
    slab: Rc<Shared>,
    slot: u16,
    len: u16,
}

impl PacketBuf {
    /// Payload bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the slot is in state core, so this handle is its only user; the payload area is
        // inside the slot because `len <= PAYLOAD_MAX + TAILROOM`.
        unsafe {
            std::slice::from_raw_parts(
                self.slab.address(self.slot).add(HEADROOM),
                usize::from(self.len),
            )
        }
    }

    /// Payload bytes, to change in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_slice`, and `&mut self` makes it the only borrow.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.slab.address(self.slot).add(HEADROOM),
                usize::from(self.len),
            )
        }
    }

    /// Payload length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Replaces the payload; `false` and unchanged if `bytes` is longer than [`PAYLOAD_MAX`].
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let Some(len) = u16::try_from(bytes.len())
            .ok()
            .filter(|_| bytes.len() <= PAYLOAD_MAX)
        else {
            return false;
        };
        self.len = len;
        self.as_mut_slice().copy_from_slice(bytes);
        true
    }

    /// Gives the slot to a send: core → in flight. [`Slab::complete`] returns it.
    #[must_use]
    pub fn into_flight(self) -> u16 {
        let slot = self.slot;
        self.slab.states[usize::from(slot)].set(State::InFlight);
        self.forget();
        slot
    }

    /// What stands in front of the payload: the kernel's receive header and the socket address.
    #[must_use]
    pub fn head(&self) -> &[u8; HEADROOM] {
        // SAFETY: the slot starts with HEADROOM bytes of its own, and is in state core.
        unsafe { &*self.slab.address(self.slot).cast() }
    }

    /// As [`PacketBuf::head`], to write a destination at [`ADDRESS_AT`].
    pub fn head_mut(&mut self) -> &mut [u8; HEADROOM] {
        // SAFETY: as for `head`, and `&mut self` makes it the only borrow.
        unsafe { &mut *self.slab.address(self.slot).cast() }
    }

    /// The whole payload area, to receive into; [`PacketBuf::set_len`] says how much is used.
    pub fn spare_mut(&mut self) -> &mut [u8; PAYLOAD_MAX] {
        // SAFETY: the payload area lies inside the slot, which was zeroed when it was allocated.
        unsafe { &mut *self.slab.address(self.slot).add(HEADROOM).cast() }
    }

    /// Sets the payload's length; what lies within is whatever was written there last.
    ///
    /// # Panics
    /// If `len` is over [`PAYLOAD_MAX`].
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= PAYLOAD_MAX, "{len} bytes do not fit a slot");
        self.len = u16::try_from(len).expect("invariant: PAYLOAD_MAX fits 16 bits");
    }

    /// Lengthens the payload by `by` bytes at its end, into the tailroom where the payload area is full;
    /// the new bytes are whatever was written there last. `false` and unchanged if there is no room.
    pub fn grow(&mut self, by: usize) -> bool {
        match self.len().checked_add(by).map(u16::try_from) {
            Some(Ok(len)) if usize::from(len) <= PAYLOAD_MAX + TAILROOM => {
                self.len = len;
                true
            }
            _ => false,
        }
    }

    /// Shortens the payload to its first `len` bytes; unchanged if it is not longer.
    pub fn truncate(&mut self, len: usize) {
        if let Ok(len) = u16::try_from(len) {
            self.len = self.len.min(len);
        }
    }

    /// Ends the handle without freeing its slot, whose state has moved on.
    fn forget(self) {
        let mut this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is never used again, so its one `Rc` is dropped exactly once.
        unsafe { std::ptr::drop_in_place(&raw mut this.slab) }
    }
}

impl Drop for PacketBuf {
    fn drop(&mut self) {
        self.slab.states[usize::from(self.slot)].set(State::Free);
        self.slab.free.borrow_mut().push(self.slot);
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketBuf(slot {}, {} bytes)", self.slot, self.len)
    }
}

#[cfg(test)]
mod tests;
