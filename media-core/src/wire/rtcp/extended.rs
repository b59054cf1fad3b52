//! Extended reports (RFC 3611 §2, §3): the frame; what the blocks hold is left to others.

use super::Raw;
use crate::units::Ssrc;
use crate::wire::{take, take_u32};

/// An extended report: a source and blocks of various types.
///
/// ```text
/// | V P reserved | PT=207 | length          |
/// |                  SSRC                   |
/// | block type | type-specific | words      |  × any
/// | block contents                          |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.content;
        let ssrc = Ssrc::new(take_u32(&mut rest)?);
        let report = Self { ssrc, blocks: rest };
        let mut blocks = report.blocks();
        while blocks.next().is_some() {}
        blocks.rest.is_empty().then_some(report)
    }

    /// The report blocks in their order, known types or not.
    #[must_use]
    pub const fn blocks(&self) -> ReportBlocks<'a> {
        ReportBlocks { rest: self.blocks }
    }
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XrBlock<'a> {
    /// Block type, for example 7 for VoIP metrics (RFC 3611 §4.7).
    pub block_type: u8,
    /// A byte whose use depends on the type.
    pub type_specific: u8,
    /// The block's contents, whole 32-bit words.
    pub data: &'a [u8],
}

/// Iterator over the blocks of an [`ExtendedReport`].
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ReportBlocks<'a> {
    type Item = XrBlock<'a>;
    fn next(&mut self) -> Option<XrBlock<'a>> {
        let mut rest = self.rest;
        let &[block_type, type_specific, l0, l1] = take(&mut rest)?;
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (data, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(XrBlock {
            block_type,
            type_specific,
            data,
        })
    }
}
