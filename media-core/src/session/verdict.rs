//! "Why is there no audio": one verdict per stream, from its counters and its signalling state.

use std::time::Duration;

/// What became of one stream. Display is one sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Verdict {
    /// Packets come in and go out.
    #[error("media flows both ways")]
    Flowing,
    /// Nothing in either direction yet.
    #[error("not a single packet came from this party")]
    NeverAPacket,
    /// Packets were dropped because they came from elsewhere than the confirmed source.
    #[error(
        "packets come from another address than the confirmed one and are dropped (strict-source)"
    )]
    WrongSource,
    /// RTCP came, RTP never.
    #[error("only RTCP came from this party, no RTP")]
    OnlyRtcp,
    /// The party gets packets but sends none.
    #[error("one way: this party receives but sends nothing")]
    NothingFrom,
    /// The party sends packets but gets none.
    #[error("one way: this party sends but receives nothing")]
    NothingTo,
    /// It is not known where to send.
    #[error("the party's address is not known: no answer yet, or 0.0.0.0")]
    NoEndpoint,
    /// `block media` is on.
    #[error("media of this party is blocked by command")]
    Blocked,
    /// The section is on hold.
    #[error("the media is on hold")]
    Held,
    /// The section was rejected (port 0).
    #[error("the media section was rejected")]
    Rejected,
    /// Packets came that are not RTP or RTCP.
    #[error("packets came that are neither RTP nor RTCP")]
    NotMedia,
    /// The RTCP stream of the media; silence means nothing there.
    #[error("no RTCP came from this party")]
    NoRtcp,
    /// Packets came, and then no more.
    #[error("packets stopped {since:?} ago")]
    Stopped {
        /// Time since the last packet.
        since: Duration,
    },
}

impl Verdict {
    /// Stable name for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Flowing => "flowing",
            Verdict::NeverAPacket => "never_a_packet",
            Verdict::WrongSource => "wrong_source",
            Verdict::OnlyRtcp => "only_rtcp",
            Verdict::NothingFrom => "nothing_from",
            Verdict::NothingTo => "nothing_to",
            Verdict::NoEndpoint => "no_endpoint",
            Verdict::Blocked => "blocked",
            Verdict::Held => "held",
            Verdict::Rejected => "rejected",
            Verdict::NotMedia => "not_media",
            Verdict::NoRtcp => "no_rtcp",
            Verdict::Stopped { .. } => "stopped",
        }
    }
}
