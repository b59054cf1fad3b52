//! Feedback packets (RFC 4585 §6.1).

use super::Raw;
use crate::units::Ssrc;
use crate::wire::take_u32;

/// Feedback from a receiver to a sender; whether it is the transport's or the payload's is the
/// packet type's to say.
///
/// ```text
/// | V P FMT | PT=205/206 | length     |
/// |      SSRC of packet sender        |
/// |      SSRC of media source         |
/// |  feedback control information     |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// FMT, the kind of feedback within its packet type, 0–31.
    pub format: u8,
    /// Who gives feedback.
    pub sender: Ssrc,
    /// Whose media it is about; 0 where the format says it is unused.
    pub media_source: Ssrc,
    /// FCI, its layout fixed by packet type and format.
    pub control_information: &'a [u8],
}

impl<'a> Feedback<'a> {
    pub(super) fn parse(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.content;
        Some(Self {
            format: raw.count,
            sender: Ssrc::new(take_u32(&mut rest)?),
            media_source: Ssrc::new(take_u32(&mut rest)?),
            control_information: rest,
        })
    }
}
