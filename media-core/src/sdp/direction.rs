//! Who sends in a section.

/// Who sends (RFC 8866 §6.7), from the view of the description's author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The author sends.
    SendOnly,
    /// The author receives.
    RecvOnly,
    /// Nobody sends.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// Does the author send?
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    /// Does the author receive?
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
    /// The one of two that rtpengine takes when a description states both.
    pub(super) const fn over(self, other: Option<Self>) -> Self {
        match (self, other) {
            (Direction::RecvOnly, _) | (_, Some(Direction::RecvOnly)) => Direction::RecvOnly,
            (Direction::SendOnly, _) | (_, Some(Direction::SendOnly)) => Direction::SendOnly,
            (Direction::Inactive, _) | (_, Some(Direction::Inactive)) => Direction::Inactive,
            _ => Direction::SendRecv,
        }
    }
    /// Without its receiving half.
    pub(super) const fn held(self) -> Self {
        if self.sends() {
            Direction::SendOnly
        } else {
            Direction::Inactive
        }
    }
}
