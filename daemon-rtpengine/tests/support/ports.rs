//! Blocks of free ports, kept apart between tests that run at the same time.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use super::wait_for;

/// Where blocks are looked for: below the range from which the kernel picks ephemeral ports.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// Consecutive UDP ports that nobody used when the block was taken.
#[derive(Debug)]
pub(crate) struct PortBlock {
    first: u16,
    len: u16,
    /// Held so that other tests pass over the block; UDP has a port space of its own.
    _claims: Vec<TcpListener>,
}

/// Blocks start and end at multiples of this, and each such unit is claimed by one listener.
const UNIT: u16 = 50;

impl PortBlock {
    /// Takes `len` ports, rounded up to a multiple of 50.
    ///
    /// # Panics
    /// When no such block becomes free in good time.
    pub(crate) fn take(len: u16) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let units = len.div_ceil(UNIT);
        let count = (LAST - FIRST + 1) / UNIT;
        // Processes start their search at different places.
        let process = u16::try_from(std::process::id() % u32::from(count)).unwrap_or(0);
        let start = process.wrapping_add(NEXT.fetch_add(units, Ordering::Relaxed)) % count;
        wait_for(&format!("{len} ports between {FIRST} and {LAST}"), || {
            (0..count)
                .map(|step| (start + step) % count)
                .filter(|unit| unit + units <= count)
                .find_map(|unit| Self::claim(FIRST + unit * UNIT, units))
        })
    }

    fn claim(first: u16, units: u16) -> Option<Self> {
        let claims = (0..units)
            .map(|unit| TcpListener::bind((Ipv4Addr::LOCALHOST, first + unit * UNIT)).ok())
            .collect::<Option<Vec<_>>>()?;
        let len = units * UNIT;
        let free = (first..first + len).all(|port| {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
                && UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
        });
        free.then_some(Self {
            first,
            len,
            _claims: claims,
        })
    }

    /// The first port.
    pub(crate) const fn first(&self) -> u16 {
        self.first
    }
    /// The last port.
    pub(crate) const fn last(&self) -> u16 {
        self.first + (self.len - 1)
    }
    /// Whether `port` is one of these.
    pub(crate) const fn contains(&self, port: u16) -> bool {
        port >= self.first && port <= self.last()
    }
}
