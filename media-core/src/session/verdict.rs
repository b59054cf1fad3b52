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

/// What is known of one stream.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent observations"
)]
pub(super) struct Evidence {
    /// It is the RTCP stream of its section.
    pub(super) is_rtcp: bool,
    pub(super) rejected: bool,
    pub(super) blocked: bool,
    /// By signalling, the party sends.
    pub(super) sends: bool,
    /// By signalling, the party receives.
    pub(super) receives: bool,
    pub(super) has_endpoint: bool,
    /// Received, RTCP among them.
    pub(super) packets: u64,
    pub(super) rtcp_packets: u64,
    pub(super) packets_sent: u64,
    /// Dropped for their source.
    pub(super) wrong_source: u64,
    /// Dropped as neither RTP nor RTCP.
    pub(super) not_media: u64,
    /// Since the last packet.
    pub(super) silent_for: Option<Duration>,
}

/// A sender is expected to send at least this often, comfort noise included.
const PAUSE: Duration = Duration::from_secs(5);

/// What the evidence says, the cause before the symptom.
pub(super) const fn judge(e: Evidence) -> Verdict {
    if e.rejected {
        return Verdict::Rejected;
    }
    if e.blocked {
        return Verdict::Blocked;
    }
    if e.is_rtcp {
        return if e.packets > 0 {
            Verdict::Flowing
        } else {
            Verdict::NoRtcp
        };
    }
    if e.packets <= e.rtcp_packets {
        return match () {
            () if e.wrong_source > 0 => Verdict::WrongSource,
            () if e.not_media > 0 => Verdict::NotMedia,
            () if !e.sends => Verdict::Held,
            () if e.rtcp_packets > 0 => Verdict::OnlyRtcp,
            () if e.packets_sent > 0 => Verdict::NothingFrom,
            () if !e.has_endpoint => Verdict::NoEndpoint,
            () => Verdict::NeverAPacket,
        };
    }
    if let Some(since) = e.silent_for
        && since.as_millis() >= PAUSE.as_millis()
    {
        return match () {
            () if !e.sends => Verdict::Held,
            () if e.wrong_source > 0 => Verdict::WrongSource,
            () => Verdict::Stopped { since },
        };
    }
    if e.packets_sent == 0 && e.receives {
        return if e.has_endpoint {
            Verdict::NothingTo
        } else {
            Verdict::NoEndpoint
        };
    }
    Verdict::Flowing
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Evidence = Evidence {
        is_rtcp: false,
        rejected: false,
        blocked: false,
        sends: true,
        receives: true,
        has_endpoint: true,
        packets: 50,
        rtcp_packets: 1,
        packets_sent: 50,
        wrong_source: 0,
        not_media: 0,
        silent_for: Some(Duration::from_millis(20)),
    };
    const SILENT: Evidence = Evidence {
        packets: 0,
        rtcp_packets: 0,
        silent_for: None,
        ..GOOD
    };

    #[test]
    fn each_cause_has_its_verdict() {
        let since = Duration::from_secs(9);
        let cases = [
            (GOOD, Verdict::Flowing),
            (
                Evidence {
                    rejected: true,
                    ..GOOD
                },
                Verdict::Rejected,
            ),
            (
                Evidence {
                    blocked: true,
                    ..GOOD
                },
                Verdict::Blocked,
            ),
            (
                Evidence {
                    is_rtcp: true,
                    ..SILENT
                },
                Verdict::NoRtcp,
            ),
            (SILENT, Verdict::NothingFrom),
            (
                Evidence {
                    packets_sent: 0,
                    ..SILENT
                },
                Verdict::NeverAPacket,
            ),
            (
                Evidence {
                    packets_sent: 0,
                    has_endpoint: false,
                    ..SILENT
                },
                Verdict::NoEndpoint,
            ),
            (
                Evidence {
                    sends: false,
                    ..SILENT
                },
                Verdict::Held,
            ),
            (
                Evidence {
                    packets: 2,
                    rtcp_packets: 2,
                    ..SILENT
                },
                Verdict::OnlyRtcp,
            ),
            (
                Evidence {
                    wrong_source: 3,
                    ..SILENT
                },
                Verdict::WrongSource,
            ),
            (
                Evidence {
                    not_media: 3,
                    ..SILENT
                },
                Verdict::NotMedia,
            ),
            (
                Evidence {
                    packets_sent: 0,
                    ..GOOD
                },
                Verdict::NothingTo,
            ),
            (
                Evidence {
                    packets_sent: 0,
                    receives: false,
                    ..GOOD
                },
                Verdict::Flowing,
            ),
            (
                Evidence {
                    silent_for: Some(since),
                    ..GOOD
                },
                Verdict::Stopped { since },
            ),
            (
                Evidence {
                    silent_for: Some(since),
                    sends: false,
                    ..GOOD
                },
                Verdict::Held,
            ),
        ];
        for (evidence, verdict) in cases {
            assert_eq!(judge(evidence), verdict, "{evidence:?}");
        }
    }
}
