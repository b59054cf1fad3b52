//! Goodbye packets (RFC 3550 §6.6).

use super::{GOODBYE, Raw, begin};
use crate::units::Ssrc;
use crate::wire::EmitError;

/// Sources that leave, and perhaps why.
///
/// ```text
/// | V P SC | PT=203 | length |
/// |    SSRC/CSRC × SC        |
/// | length | reason (UTF-8)… |   optional
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bye<'a> {
    sources: &'a [u8],
    reason: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let (sources, rest) = raw.content.split_at_checked(usize::from(raw.count) * 4)?;
        let reason = match rest.split_first() {
            Some((&len, text)) => text.get(..usize::from(len))?,
            None => &[],
        };
        Some(Self { sources, reason })
    }

    /// Who leaves, at most 31; nobody makes a legal if useless packet.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        let (words, _) = self.sources.as_chunks::<4>();
        words.iter().map(|b| Ssrc::new(u32::from_be_bytes(*b)))
    }
    /// The reason, meant to be UTF-8, at most 255 bytes; empty if none was given.
    #[must_use]
    pub const fn reason(&self) -> &'a [u8] {
        self.reason
    }
}

/// Writes a goodbye to the front of `out` and returns its length. An empty reason is left out.
///
/// # Errors
/// - [`EmitError::TooMany`]: more than 31 sources.
/// - [`EmitError::TooLong`]: a reason of more than 255 bytes.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than the packet.
pub fn emit_bye(out: &mut [u8], sources: &[Ssrc], reason: &[u8]) -> Result<usize, EmitError> {
    let reason_len = u8::try_from(reason.len()).map_err(|_| EmitError::TooLong {
        len: reason.len(),
        max: 255,
    })?;
    let reason_field = if reason.is_empty() {
        0
    } else {
        1 + reason.len()
    };
    let content_len = sources.len() * 4 + reason_field;
    let mut writer = begin(out, GOODBYE, sources.len(), content_len)?;
    for source in sources {
        writer.put_u32(source.get());
    }
    if !reason.is_empty() {
        writer.put(&[reason_len]);
        writer.put(reason);
        writer.zeros(content_len.next_multiple_of(4) - content_len);
    }
    Ok(writer.written())
}
