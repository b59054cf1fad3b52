//! Application-defined packets (RFC 3550 §6.7).

use super::Raw;
use crate::units::Ssrc;
use crate::wire::{take, take_u32};

/// An application-defined packet.
///
/// ```text
/// | V P subtype | PT=204 | length |
/// |           SSRC/CSRC           |
/// |         name (ASCII)          |
/// |   application-dependent data  |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// Distinguishes packets of one name, 0–31.
    pub subtype: u8,
    /// Who sent it.
    pub ssrc: Ssrc,
    /// Four ASCII characters chosen by the application.
    pub name: [u8; 4],
    /// The application's own.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.content;
        Some(Self {
            subtype: raw.count,
            ssrc: Ssrc::new(take_u32(&mut rest)?),
            name: *take(&mut rest)?,
            data: rest,
        })
    }
}
