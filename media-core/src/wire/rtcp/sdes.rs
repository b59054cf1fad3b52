//! Source descriptions (RFC 3550 §6.5).

use super::{Raw, SOURCE_DESCRIPTION, begin};
use crate::units::Ssrc;
use crate::wire::{EmitError, take, take_u32};

/// Descriptions of sources, a chunk each.
///
/// ```text
/// | V P SC | PT=202 | length |
/// |         SSRC/CSRC        |  × SC
/// | item | length | text…    |  items, then 1–4 zero bytes up to a whole word
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdes<'a> {
    count: u8,
    chunks: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let sdes = Self {
            count: raw.count,
            chunks: raw.content,
        };
        (sdes.chunks().count() == usize::from(raw.count)).then_some(sdes)
    }

    /// The chunks in their order, at most 31.
    #[must_use]
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks {
            left: self.count,
            rest: self.chunks,
        }
    }
}

/// Iterator over the chunks of an [`Sdes`].
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = SdesChunk<'a>;
    fn next(&mut self) -> Option<SdesChunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut rest = self.rest;
        let ssrc = Ssrc::new(take_u32(&mut rest)?);
        let mut items = SdesItems { rest };
        while items.next().is_some() {}
        // Where the items stopped there must be the terminating zero; padding fills its word.
        let items_len = rest.len() - items.rest.len();
        if items.rest.first() != Some(&0) {
            return None;
        }
        let (items, after) = rest.split_at_checked((items_len + 1).next_multiple_of(4))?;
        self.rest = after;
        Some(SdesChunk { ssrc, items })
    }
}

/// The description of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source described.
    pub ssrc: Ssrc,
    items: &'a [u8],
}

impl<'a> SdesChunk<'a> {
    /// The items in their order.
    #[must_use]
    pub const fn items(&self) -> SdesItems<'a> {
        SdesItems { rest: self.items }
    }
}

/// One item of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// Item type, 1–255, for example [`SdesItem::CNAME`].
    pub item_type: u8,
    /// The text, meant to be UTF-8, at most 255 bytes.
    pub text: &'a [u8],
}

impl SdesItem<'_> {
    /// Canonical end-point name, the one mandatory item (RFC 3550 §6.5.1).
    pub const CNAME: u8 = 1;
}

/// Iterator over the items of an [`SdesChunk`].
#[derive(Clone, Debug)]
pub struct SdesItems<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;
    fn next(&mut self) -> Option<SdesItem<'a>> {
        let mut rest = self.rest;
        let &[item_type, len] = take(&mut rest)?;
        if item_type == 0 {
            return None;
        }
        let (text, rest) = rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some(SdesItem { item_type, text })
    }
}

/// Writes a description of one source by its canonical name, which every compound packet needs
/// (RFC 3550 §6.1), to the front of `out` and returns its length.
///
/// # Errors
/// - [`EmitError::TooLong`]: a name of more than 255 bytes.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than the packet.
pub fn emit_cname(out: &mut [u8], ssrc: Ssrc, cname: &[u8]) -> Result<usize, EmitError> {
    let name_len = u8::try_from(cname.len()).map_err(|_| EmitError::TooLong {
        len: cname.len(),
        max: 255,
    })?;
    // SSRC, item type and length, name, terminating zero.
    let content_len = 4 + 2 + cname.len() + 1;
    let mut writer = begin(out, SOURCE_DESCRIPTION, 1, content_len)?;
    writer.put_u32(ssrc.get());
    writer.put(&[SdesItem::CNAME, name_len]);
    writer.put(cname);
    writer.zeros(1 + content_len.next_multiple_of(4) - content_len);
    Ok(writer.written())
}
