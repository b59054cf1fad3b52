//! SRTP of one stream: what its own end protects and takes off.
//!
//! The library's contexts work in a slot of its slab, so a datagram is written or copied into one slot
//! per thread and worked on there. Nothing is allocated per packet.

use media_core::buf::{PacketBuf, Slab};
use media_core::srtp::{MasterKey, Protector, SrtpParams, UnprotectError, Unprotector};

/// Keys of a stream that is SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamKeys {
    /// What its own end protects with.
    pub own: MasterKey,
    /// What the daemon protects with towards it.
    pub daemon: MasterKey,
}

/// A thread's slot.
pub(crate) struct Slot(PacketBuf);

impl Slot {
    pub(crate) fn new() -> Self {
        let slab = Slab::new(1);
        // The slot keeps its slab.
        Self(slab.allocate().expect("invariant: the slab is new"))
    }
}

/// Both directions of a stream at its own end.
pub(crate) struct Contexts {
    protector: Protector,
    unprotector: Unprotector,
}

impl Contexts {
    pub(crate) fn new(keys: &StreamKeys) -> Self {
        Self {
            protector: Protector::new(&SrtpParams::new(keys.own.clone())),
            unprotector: Unprotector::new(&SrtpParams::new(keys.daemon.clone())),
        }
    }

    /// Lets `fill` write an RTP packet and return its length, protects it, and copies it to the front of
    /// `buffer`; returns its length there.
    pub(crate) fn protect(
        &mut self,
        slot: &mut Slot,
        buffer: &mut [u8],
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> usize {
        let Slot(packet) = slot;
        let len = fill(packet.spare_mut());
        packet.set_len(len);
        self.protector
            .protect_rtp(packet)
            .expect("invariant: a short RTP packet with the next sequence number");
        buffer[..packet.len()].copy_from_slice(packet.as_slice());
        packet.len()
    }

    /// The RTP packet in an SRTP packet.
    pub(crate) fn unprotect<'a>(
        &mut self,
        slot: &'a mut Slot,
        datagram: &[u8],
    ) -> Result<&'a [u8], UnprotectError> {
        let Slot(packet) = slot;
        if !packet.fill(datagram) {
            return Err(UnprotectError::Malformed);
        }
        self.unprotector.unprotect_rtp(packet)?;
        Ok(packet.as_slice())
    }
}
