//! Why a packet was not protected or not accepted.

use super::index::IndexError;

/// Why a packet was not protected. The packet is unchanged unless it says otherwise, the context too, but
/// that it takes note of a packet from behind the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// Not an RTP packet, or not an RTCP packet: a header of version 2 that ends within the packet.
    #[error("not a packet that can be protected")]
    Malformed,
    /// The packet's slot has no room left for index, MKI and tag.
    #[error("no room behind the packet")]
    NoRoom,
    /// A packet with this index was protected already.
    #[error("index was used already")]
    Replayed,
    /// Older than the replay window, so whether its index was used is no longer known.
    #[error("index is older than the replay window")]
    TooOld,
    /// The key has protected all the packets that it may (RFC 3711 §9.2).
    #[error("key has reached the end of its life")]
    KeyExpired,
}

/// Why a packet was not accepted. Its bytes are then unspecified: drop it. The context is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UnprotectError {
    /// Shorter than header, index, MKI and tag together.
    #[error("packet is too short to be protected")]
    TooShort,
    /// No header of version 2 that ends within the packet.
    #[error("packet has no valid header")]
    Malformed,
    /// The MKI is not that of our key.
    #[error("unknown MKI")]
    UnknownMki,
    /// Authentication failed: another key, another rollover counter, or forged.
    #[error("authentication tag does not match")]
    BadTag,
    /// Seen before (RFC 3711 §3.3.2).
    #[error("packet was seen before")]
    Replayed,
    /// Older than the replay window (RFC 3711 §3.3.2), or than the source's first packet.
    #[error("packet is older than the replay window")]
    TooOld,
    /// The key has accepted all the packets that it may (RFC 3711 §9.2).
    #[error("key has reached the end of its life")]
    KeyExpired,
}

impl From<IndexError> for ProtectError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Replayed => Self::Replayed,
            IndexError::TooOld => Self::TooOld,
            IndexError::Exhausted => Self::KeyExpired,
        }
    }
}

impl From<IndexError> for UnprotectError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Replayed => Self::Replayed,
            IndexError::TooOld => Self::TooOld,
            IndexError::Exhausted => Self::KeyExpired,
        }
    }
}
