//! Why a request on a call was refused.

use super::Limit;

/// Display is the text that NG callers match literally; do not change a letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// `offer`, `answer` or `query` on a call that is not there.
    #[error("Unknown call-id")]
    UnknownCall,
    /// Selection commands spell it with a capital ID.
    #[error("Unknown call-ID")]
    UnknownCallSelection,
    /// The description does not parse.
    #[error("Failed to parse SDP")]
    SdpParse,
    /// There is no `c=` anywhere, or it is not to be trusted and nothing else is known.
    #[error("Incomplete SDP specification")]
    SdpIncomplete,
    /// Tags that do not belong together.
    #[error("Invalid dialogue association")]
    InvalidDialogue,
    /// For instance no media section.
    #[error("Error rewriting SDP")]
    SdpRewrite,
    /// The interface's pool is exhausted; the call is destroyed.
    #[error("Ran out of ports")]
    OutOfPorts,
    /// A limit refuses a new call. The daemon words it according to what the client supports.
    #[error("{0}")]
    Limit(Limit),
    /// `delete` found nothing and `fatal` was set.
    #[error("Call-ID not found or tags didn't match")]
    NotFound,
    /// Selection by label failed.
    #[error("No monologue matching the given label")]
    NoSuchLabel,
    /// Selection by address failed.
    #[error("Failed to match address to any tag")]
    NoSuchAddress,
    /// Selection by tag failed.
    #[error("From-tag given, but no such tag exists")]
    NoSuchTag,
    /// Nothing selects.
    #[error("No participant party specified")]
    NoParticipant,
    /// `play DTMF` with something that is none of the sixteen keys.
    #[error("Out of range 'code' specified")]
    NoDigit,
    /// `play DTMF` for a party without audio.
    #[error("Monologue has no media capable of DTMF injection")]
    NoInjection,
    /// `play DTMF` for a party of which nothing has come yet.
    #[error("No SSRC context present for DTMF injection")]
    NoSsrc,
    /// `play DTMF` where the receiver has no codec of ours.
    #[error("There is no sink media capable of DTMF playback")]
    NoPlaybackSink,
}
