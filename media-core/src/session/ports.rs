//! The ports of one local address: who has which, and the order in which they are given out.
//!
//! RTP takes an even port and RTCP the odd one above it (RFC 3550 §11); a stream that muxes both
//! takes one port of either kind. The search goes round the range in random steps, so that a port
//! just given back rests for as long as possible and the next one cannot be foretold exactly. A port
//! goes back only when the kernel has let go of its socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::BindError;
use crate::engine::Command;
use crate::engine::MediaPlane;
use crate::engine::SocketOptions;
use crate::units::{ShardId, SocketId};

/// All ports of one local address.
#[derive(Debug)]
pub(super) struct PortPool {
    address: IpAddr,
    min: u16,
    max: u16,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// One bit per port, counted from the pool's lowest even port; set: given out.
    taken: Box<[u64]>,
    used: u32,
    /// Offset where the next search begins, before its random step.
    next: u32,
    random: u64,
}

/// A bound socket and its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) socket: SocketId,
    pub(super) port: u16,
}

/// No port could be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl PortPool {
    /// Largest random step, in pairs of ports.
    const STEP_PAIRS: u64 = 8;

    /// `seed` makes the order differ from run to run.
    pub(super) fn new(address: IpAddr, min: u16, max: u16, seed: u64) -> Self {
        let base = u32::from(min) & !1;
        let bits = (u32::from(max).max(base) - base + 1) as usize;
        let mut taken = vec![0u64; bits.div_ceil(64)].into_boxed_slice();
        // Bits that are no port of ours are taken for ever.
        let outside = |offset: usize| offset >= bits || (offset == 0 && min % 2 == 1);
        for offset in (0..taken.len() * 64).filter(|&offset| outside(offset)) {
            taken[offset / 64] |= 1 << (offset % 64);
        }
        Self {
            address,
            min,
            max,
            state: Mutex::new(State {
                taken,
                used: 0,
                next: 0,
                random: seed | 1,
            }),
        }
    }

    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }
    pub(super) const fn range(&self) -> (u16, u16) {
        (self.min, self.max)
    }
    /// Ports given out, and where the search for the next begins.
    pub(super) fn usage(&self) -> (u32, u16) {
        let state = self.lock();
        (state.used, self.port(state.next).max(self.min))
    }

    /// Binds an RTP socket and, with `pair`, an RTCP socket above it.
    pub(super) fn bind(
        &self,
        plane: &dyn MediaPlane,
        shard: ShardId,
        options: SocketOptions,
        pair: bool,
    ) -> Result<(Bound, Option<Bound>), Exhausted> {
        // Each try either succeeds or finds a port that the kernel refuses; those go back only
        // after the search, so it ends.
        let mut refused = Vec::new();
        let found = loop {
            let Some(offset) = self.lock().take(pair) else {
                break Err(Exhausted);
            };
            match self.bind_at(plane, shard, options, offset, pair) {
                Ok(bound) => break Ok(bound),
                Err(error) => {
                    refused.push(offset);
                    if !matches!(error, BindError::InUse(_)) {
                        break Err(Exhausted);
                    }
                }
            }
        };
        if !refused.is_empty() {
            let mut state = self.lock();
            for offset in refused {
                state.release(offset);
                if pair {
                    state.release(offset + 1);
                }
            }
        }
        found
    }

    fn bind_at(
        &self,
        plane: &dyn MediaPlane,
        shard: ShardId,
        options: SocketOptions,
        offset: u32,
        pair: bool,
    ) -> Result<(Bound, Option<Bound>), BindError> {
        let bind = |offset| {
            let port = self.port(offset);
            let socket = plane.bind(shard, SocketAddr::new(self.address, port), options)?;
            Ok(Bound { socket, port })
        };
        if !pair {
            return Ok((bind(offset)?, None));
        }
        // The higher one first: it is the likelier to be refused, as other programs that share the
        // range tend to take single ports.
        let rtcp = bind(offset + 1)?;
        match bind(offset) {
            Ok(rtp) => Ok((rtp, Some(rtcp))),
            Err(error) => {
                let sockets = vec![rtcp.socket];
                plane.commands(shard, vec![Command::CloseSockets { sockets }]);
                Err(error)
            }
        }
    }

    /// Takes back a port that [`PortPool::bind`] gave out.
    pub(super) fn release(&self, port: u16) {
        let base = u32::from(self.min) & !1;
        if let Some(offset) = u32::from(port).checked_sub(base) {
            self.lock().release(offset);
        }
    }

    fn port(&self, offset: u32) -> u16 {
        let port = (u32::from(self.min) & !1) + offset;
        u16::try_from(port).unwrap_or(self.max)
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Marks a free port, or a free even-odd pair, as given out.
    fn take(&mut self, pair: bool) -> Option<u32> {
        let words = self.taken.len();
        let total = words * 64;
        let step = 2 * (1 + self.step());
        let start = (self.next as usize + step) % total;
        // From `start` to the end of its word, the other words round, and `start`'s word again.
        for turn in 0..=words {
            let index = (start / 64 + turn) % words;
            let free = free_places(self.taken[index], pair);
            let free = if turn == 0 {
                free & (u64::MAX << (start % 64))
            } else {
                free
            };
            if free != 0 {
                let bit = free.trailing_zeros();
                self.taken[index] |= if pair { 0b11 } else { 0b1 } << bit;
                self.used += if pair { 2 } else { 1 };
                let offset = u32::try_from(index).unwrap_or(0) * 64 + bit;
                self.next = (offset + if pair { 2 } else { 1 }) & !1;
                return Some(offset);
            }
        }
        None
    }

    fn release(&mut self, offset: u32) {
        let place = 1u64 << (offset % 64);
        if let Some(word) = self.taken.get_mut(offset as usize / 64)
            && *word & place != 0
        {
            *word &= !place;
            self.used -= 1;
        }
    }

    /// xorshift64: cheap, and good enough to spread ports.
    fn step(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % PortPool::STEP_PAIRS).unwrap_or(0)
    }
}

/// A set bit where a port is free; for pairs, at even places whose odd neighbour is free too.
const fn free_places(taken: u64, pair: bool) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let free = !taken;
    if pair {
        free & (free >> 1) & EVEN
    } else {
        free
    }
}
