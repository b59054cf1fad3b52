//! Byte views of packets and what writes them. No state, no clock, no allocation.
//!
//! A view is made by a `parse` that checks everything its accessors rely on, and says by a small
//! `Copy` error what was wrong. Nothing here panics on any input, and nothing decides what to do
//! with a packet.
//!
//! | module | what | source |
//! |---|---|---|
//! | [`demux`] | which protocol a datagram belongs to | RFC 7983, RFC 5761 §4 |
//! | [`dtls`] | DTLS records, handshake fragments, ClientHello | RFC 6347, RFC 9147 |
//! | [`rtp`] | RTP packets | RFC 3550 §5.1 |
//! | [`rtcp`] | compound RTCP packets | RFC 3550 §6, RFC 4585, RFC 3611 |
//! | [`stun`] | STUN messages | RFC 8489 |
//! | [`ext`] | RTP header extension elements | RFC 8285 |
//! | [`telephone_event`] | DTMF payloads | RFC 4733 |
#![deny(clippy::indexing_slicing)]

pub mod demux;
pub mod dtls;
pub mod ext;
pub mod rtcp;
pub mod rtp;
pub mod stun;
pub mod telephone_event;

/// Why a packet could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The buffer is shorter than the packet.
    #[error("packet of {needed} bytes does not fit into {available}")]
    BufferTooSmall {
        /// Length of the packet in bytes.
        needed: usize,
        /// Length of the buffer in bytes.
        available: usize,
    },
    /// More elements than the count field can tell.
    #[error("{count} elements, but the field holds at most {max}")]
    TooMany {
        /// How many were given.
        count: usize,
        /// How many fit.
        max: usize,
    },
    /// Variable-length content is longer than its length field can tell.
    #[error("content of {len} bytes, but the field holds at most {max}")]
    TooLong {
        /// Length given, bytes.
        len: usize,
        /// Length that fits, bytes.
        max: usize,
    },
    /// Content must fill whole 32-bit words and does not.
    #[error("content of {0} bytes does not fill 32-bit words")]
    Unaligned(usize),
}

/// Cuts the front `N` bytes off as an array.
pub(crate) fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(head)
}

/// Cuts the front 32 bits off, in network order.
pub(crate) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(|b| u32::from_be_bytes(*b))
}

/// Appends to a buffer whose length was checked before; what does not fit is not written.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    /// Writes into the first `needed` bytes of `out`.
    pub(crate) fn new(out: &'a mut [u8], needed: usize) -> Result<Self, EmitError> {
        let available = out.len();
        match out.get_mut(..needed) {
            Some(rest) => Ok(Self { rest, written: 0 }),
            None => Err(EmitError::BufferTooSmall { needed, available }),
        }
    }

    /// Appends `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.rest);
        match rest.split_at_mut_checked(bytes.len()) {
            Some((head, tail)) => {
                head.copy_from_slice(bytes);
                self.rest = tail;
                self.written += bytes.len();
            }
            None => debug_assert!(false, "invariant: the caller computed the packet's length"),
        }
    }

    /// Appends `count` zero bytes.
    pub(crate) fn zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.put(&[0]);
        }
    }

    /// Appends 16 bits in network order.
    pub(crate) fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Appends 32 bits in network order.
    pub(crate) fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> usize {
        self.written
    }
}
