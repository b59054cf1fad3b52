//! A stream's keys: what comes is unprotected, what goes is protected, or nothing passes.

use super::{DropReason, Protection, SrtpKeys};
use crate::buf::PacketBuf;
use crate::srtp::{ProtectError, Protector, UnprotectError, Unprotector};
use crate::units::{Roc, Ssrc};

/// Keys in use on one stream.
#[derive(Debug, Default)]
pub(super) struct Guard {
    protection: Protection,
    inbound: Option<Box<Unprotector>>,
    outbound: Option<Box<Protector>>,
    /// There must be keys, and there are none.
    shut: bool,
}

impl Guard {
    pub(super) fn new(protection: Protection) -> Self {
        let mut guard = Self::default();
        guard.update(protection);
        guard
    }

    pub(super) const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Takes restated keys. Those that are the same live on with their rollover counters and windows, as
    /// do those of an association that is the same.
    pub(super) fn update(&mut self, protection: Protection) {
        match (&self.protection, &protection) {
            (Protection::Dtls(before), Protection::Dtls(now))
                if before.association == now.association => {}
            (Protection::Srtp(before), Protection::Srtp(now)) => {
                if before.send != now.send {
                    self.outbound = Some(Box::new(Protector::new(&now.send)));
                }
                if before.receive != now.receive {
                    self.inbound = Some(Box::new(Unprotector::new(&now.receive)));
                }
            }
            (_, Protection::Srtp(now)) => self.install(now),
            (_, protection) => {
                self.inbound = None;
                self.outbound = None;
                self.shut = matches!(protection, Protection::Dtls(_) | Protection::Closed);
            }
        }
        self.protection = protection;
    }

    /// Begins to use keys.
    pub(super) fn install(&mut self, keys: &SrtpKeys) {
        self.outbound = Some(Box::new(Protector::new(&keys.send)));
        self.inbound = Some(Box::new(Unprotector::new(&keys.receive)));
        self.shut = false;
    }

    /// Packets of a source that has passed under these keys without our doing are unprotected from now on;
    /// so often has its sequence number overflowed (RFC 3711 §3.3.1).
    pub(super) fn join_inbound(&mut self, ssrc: Ssrc, roc: Roc) {
        if let Some(keys) = &mut self.inbound {
            // One that has been heard already is known better.
            let _ = keys.seed_roc(ssrc, roc);
        }
    }

    /// The same for what is protected.
    pub(super) fn join_outbound(&mut self, ssrc: Ssrc, roc: Roc) {
        if let Some(keys) = &mut self.outbound {
            let _ = keys.seed_roc(ssrc, roc);
        }
    }

    /// Stops to use keys: nothing passes any more.
    pub(super) fn shut(&mut self) {
        self.inbound = None;
        self.outbound = None;
        self.shut = true;
    }

    /// Are keys in use?
    pub(super) const fn is_keyed(&self) -> bool {
        self.inbound.is_some()
    }

    /// Turns what came into what was meant, in place.
    #[inline]
    pub(super) fn unprotect(
        &mut self,
        packet: &mut PacketBuf,
        rtcp: bool,
    ) -> Result<(), DropReason> {
        match &mut self.inbound {
            None if self.shut => Err(DropReason::NoKeys),
            None => Ok(()),
            Some(keys) if rtcp => keys.unprotect_rtcp(packet).map_err(refused),
            Some(keys) => keys.unprotect_rtp(packet).map(|_| ()).map_err(refused),
        }
    }

    /// Turns what is meant into what goes, in place.
    #[inline]
    pub(super) fn protect(&mut self, packet: &mut PacketBuf, rtcp: bool) -> Result<(), DropReason> {
        match &mut self.outbound {
            None if self.shut => Err(DropReason::NoKeys),
            None => Ok(()),
            Some(keys) if rtcp => keys.protect_rtcp(packet).map_err(unsent),
            Some(keys) => keys.protect_rtp(packet).map_err(unsent),
        }
    }
}

#[cold]
fn refused(error: UnprotectError) -> DropReason {
    match error {
        UnprotectError::Replayed | UnprotectError::TooOld => DropReason::Replayed,
        UnprotectError::BadTag | UnprotectError::UnknownMki => DropReason::NotAuthentic,
        UnprotectError::KeyExpired => DropReason::KeyExpired,
        _ => DropReason::Malformed,
    }
}

#[cold]
fn unsent(error: ProtectError) -> DropReason {
    match error {
        ProtectError::Replayed | ProtectError::TooOld => DropReason::Replayed,
        ProtectError::KeyExpired => DropReason::KeyExpired,
        ProtectError::NoRoom => DropReason::TooLong,
        _ => DropReason::Malformed,
    }
}
