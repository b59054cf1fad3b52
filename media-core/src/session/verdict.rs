//! "Why is there no audio": one verdict per stream, from its counters and its signalling state.

use std::time::Duration;

use super::security::SecurityFault;
use crate::dtls::DtlsFailure;
use crate::engine::DtlsState;
use crate::ice::{FailReason, State};

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
    /// Keys were asked for and there will be none: nothing passes.
    #[error("SRTP was asked for and cannot be: {0}")]
    SecurityRefused(SecurityFault),
    /// Keys were offered, and there is no answer yet.
    #[error("SRTP keys are not agreed on: no answer yet")]
    NoKeys,
    /// ICE has found no way yet.
    #[error("ICE is checking: no pair is nominated yet")]
    IceChecking,
    /// ICE has found no way in time.
    #[error("ICE failed: {0}")]
    IceFailed(FailReason),
    /// The party has answered no check for long (RFC 7675): nothing may be sent to it.
    #[error("ICE is disconnected: the party answers no checks any more")]
    IceDisconnected,
    /// The handshake has not ended.
    #[error("the DTLS handshake has not ended: no keys yet")]
    DtlsWaiting,
    /// The handshake has ended without keys: nothing passes.
    #[error("DTLS failed: {0}")]
    DtlsFailed(DtlsFailure),
    /// The party has ended the association in order, as it does at a call's end: nothing passes any more.
    #[error("this party has closed the DTLS association: no keys any more")]
    DtlsClosed,
    /// All that comes is protected with other keys than those agreed on, or was changed on its way.
    #[error("SRTP authentication has been failing for {since:?}")]
    SrtpAuthenticationFailing {
        /// Time since the first packet that failed after the last that passed.
        since: Duration,
    },
    /// Most of what comes was seen before, or is too old: the party has begun anew under the same key,
    /// or somebody repeats its packets.
    #[error("SRTP packets come with sequence numbers that were seen before, and are dropped")]
    SrtpReplayed,
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
            Verdict::SecurityRefused(_) => "security_refused",
            Verdict::NoKeys => "no_keys",
            Verdict::IceChecking => "ice_checking",
            Verdict::IceFailed(_) => "ice_failed",
            Verdict::IceDisconnected => "ice_disconnected",
            Verdict::DtlsWaiting => "dtls_waiting",
            Verdict::DtlsFailed(_) => "dtls_failed",
            Verdict::DtlsClosed => "dtls_closed",
            Verdict::SrtpAuthenticationFailing { .. } => "srtp_authentication_failing",
            Verdict::SrtpReplayed => "srtp_replayed",
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
    /// Why there are no keys and will be none.
    pub(super) refused: Option<SecurityFault>,
    /// Keys are to be agreed on by an answer.
    pub(super) keys_pending: bool,
    /// `None`: no agent of ours.
    pub(super) ice: Option<State>,
    pub(super) dtls: DtlsState,
    /// Since the first packet that failed authentication after the last that passed.
    pub(super) unauthentic_for: Option<Duration>,
    /// Dropped as seen before.
    pub(super) replayed: u64,
}

/// A sender is expected to send at least this often, comfort noise included.
const PAUSE: Duration = Duration::from_secs(5);

/// Replays per second of silence from which on they are what the party sends, and not what a network
/// doubles: fewer than the packets of any codec.
const REPLAYS_PER_SECOND: u64 = 10;

/// What an association ends with that had keys (RFC 5246 §7.2.1).
const CLOSE_NOTIFY: DtlsState = DtlsState::Failed(DtlsFailure::Alert(0));

/// What the evidence says, the cause before the symptom.
pub(super) const fn judge(e: Evidence) -> Verdict {
    if e.rejected {
        return Verdict::Rejected;
    }
    if e.blocked {
        return Verdict::Blocked;
    }
    if let Some(broken) = broken(e) {
        return broken;
    }
    let symptom = if e.is_rtcp { rtcp(e) } else { rtp(e) };
    match (symptom, hindered(e)) {
        // What is on its way, or a packet of a stranger, hinders nobody.
        (Verdict::Flowing, _) | (_, None) => symptom,
        (_, Some(cause)) => cause,
    }
}

/// Nothing passes until the party does otherwise, whatever passed before.
const fn broken(e: Evidence) -> Option<Verdict> {
    if let Some(fault) = e.refused {
        return Some(Verdict::SecurityRefused(fault));
    }
    // Without a way there is no handshake, and without keys nothing to authenticate.
    match (e.ice, e.dtls) {
        (Some(State::Failed(reason)), _) => Some(Verdict::IceFailed(reason)),
        (Some(State::Disconnected), _) => Some(Verdict::IceDisconnected),
        (_, CLOSE_NOTIFY) if e.packets > 0 => None,
        (_, DtlsState::Failed(failure)) => Some(Verdict::DtlsFailed(failure)),
        _ => None,
    }
}

/// Why nothing flows, if nothing does.
const fn hindered(e: Evidence) -> Option<Verdict> {
    if e.keys_pending {
        return Some(Verdict::NoKeys);
    }
    match (e.ice, e.dtls) {
        (Some(State::Checking), _) => return Some(Verdict::IceChecking),
        // Before there is an answer nobody can be expected to shake hands.
        (Some(State::New), _) => return None,
        (_, CLOSE_NOTIFY) => return Some(Verdict::DtlsClosed),
        (_, DtlsState::Waiting) if e.has_endpoint => return Some(Verdict::DtlsWaiting),
        _ => {}
    }
    let expected = match e.silent_for {
        Some(silence) => silence.as_secs().saturating_mul(REPLAYS_PER_SECOND),
        None => 0,
    };
    let replays = e.replayed > e.packets || (expected > 0 && e.replayed >= expected);
    match e.unauthentic_for {
        Some(since) => Some(Verdict::SrtpAuthenticationFailing { since }),
        None if replays => Some(Verdict::SrtpReplayed),
        None => None,
    }
}

const fn rtcp(e: Evidence) -> Verdict {
    if e.packets > 0 {
        Verdict::Flowing
    } else {
        Verdict::NoRtcp
    }
}

const fn rtp(e: Evidence) -> Verdict {
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
        refused: None,
        keys_pending: false,
        ice: None,
        dtls: DtlsState::Off,
        unauthentic_for: None,
        replayed: 0,
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

    /// A party behind ICE, DTLS and SRTP with whom all is well.
    const SECURE: Evidence = Evidence {
        ice: Some(State::Nominated),
        dtls: DtlsState::Connected,
        ..GOOD
    };
    const MUTE: Evidence = Evidence {
        packets: 0,
        rtcp_packets: 0,
        silent_for: None,
        ..SECURE
    };

    #[test]
    fn each_cause_in_ice_dtls_and_srtp_has_its_verdict() {
        let since = Duration::from_secs(9);
        let fault = SecurityFault::NoMatchingKey;
        let refused = Evidence {
            refused: Some(fault),
            ..MUTE
        };
        let pending = Evidence {
            keys_pending: true,
            ..MUTE
        };
        let ice = |state| Evidence {
            ice: Some(state),
            dtls: DtlsState::Waiting,
            ..MUTE
        };
        let dtls = |dtls| Evidence { dtls, ..MUTE };
        let unauthentic = Evidence {
            unauthentic_for: Some(since),
            ..MUTE
        };
        let replayed = Evidence {
            replayed: 3,
            ..MUTE
        };
        let begun_anew = Evidence {
            replayed: 90,
            silent_for: Some(since),
            packets: 5000,
            ..SECURE
        };
        let closed = Evidence {
            dtls: CLOSE_NOTIFY,
            silent_for: Some(since),
            ..SECURE
        };
        let mut cases = vec![
            (closed, Verdict::DtlsClosed),
            (SECURE, Verdict::Flowing),
            (MUTE, Verdict::NothingFrom),
            (refused, Verdict::SecurityRefused(fault)),
            (pending, Verdict::NoKeys),
            (ice(State::Checking), Verdict::IceChecking),
            (ice(State::Disconnected), Verdict::IceDisconnected),
            (ice(State::Nominated), Verdict::DtlsWaiting),
            // There is no answer yet: nothing is wrong with the handshake.
            (ice(State::New), Verdict::NothingFrom),
            (unauthentic, Verdict::SrtpAuthenticationFailing { since }),
            (replayed, Verdict::SrtpReplayed),
            (begun_anew, Verdict::SrtpReplayed),
        ];
        for reason in [
            FailReason::NoCandidates,
            FailReason::NoAnswers,
            FailReason::WrongCredentials,
            FailReason::NotNominated,
        ] {
            cases.push((ice(State::Failed(reason)), Verdict::IceFailed(reason)));
        }
        for failure in [
            DtlsFailure::FingerprintMismatch,
            DtlsFailure::Alert(0),
            DtlsFailure::Alert(40),
        ] {
            let failed = dtls(DtlsState::Failed(failure));
            cases.push((failed, Verdict::DtlsFailed(failure)));
        }
        for (evidence, verdict) in cases {
            assert_eq!(judge(evidence), verdict, "{evidence:?}");
            // Of RTCP on its own port, too.
            let rtcp = judge(Evidence {
                is_rtcp: true,
                ..evidence
            });
            let plain = matches!(verdict, Verdict::Flowing | Verdict::NothingFrom);
            let begun = evidence.packets > 0;
            assert!(plain || begun || rtcp == verdict, "{evidence:?}: {rtcp:?}");
        }
    }

    #[test]
    fn the_cause_comes_before_the_symptom() {
        let failed = Evidence {
            ice: Some(State::Failed(FailReason::NoAnswers)),
            dtls: DtlsState::Failed(DtlsFailure::Timeout),
            unauthentic_for: Some(PAUSE),
            replayed: 9,
            wrong_source: 9,
            not_media: 9,
            has_endpoint: false,
            ..MUTE
        };
        let no_answers = Verdict::IceFailed(FailReason::NoAnswers);
        assert_eq!(judge(failed), no_answers);
        let connected = Evidence {
            ice: Some(State::Nominated),
            ..failed
        };
        assert_eq!(judge(connected), Verdict::DtlsFailed(DtlsFailure::Timeout));
        let keyed = Evidence {
            dtls: DtlsState::Connected,
            ..connected
        };
        let failing = Verdict::SrtpAuthenticationFailing { since: PAUSE };
        assert_eq!(judge(keyed), failing);
        // Not where the party's wish is the cause.
        let blocked = Evidence {
            blocked: true,
            ..failed
        };
        assert_eq!(judge(blocked), Verdict::Blocked);
    }

    #[test]
    fn what_hinders_nobody_is_not_reported() {
        for evidence in [
            // A restart, while media goes on.
            Evidence {
                ice: Some(State::Checking),
                ..SECURE
            },
            Evidence {
                dtls: DtlsState::Waiting,
                ..SECURE
            },
            // A browser closes the association, and then its phone hangs up.
            Evidence {
                dtls: CLOSE_NOTIFY,
                ..SECURE
            },
            // A stranger's packet, and one that the network doubled.
            Evidence {
                unauthentic_for: Some(Duration::from_millis(3)),
                replayed: 1,
                ..SECURE
            },
        ] {
            assert_eq!(judge(evidence), Verdict::Flowing, "{evidence:?}");
        }
        let since = PAUSE;
        let stopped = Evidence {
            silent_for: Some(since),
            replayed: 1,
            ..SECURE
        };
        assert_eq!(judge(stopped), Verdict::Stopped { since });
    }

    #[test]
    fn sentences_say_the_reason() {
        let mismatch = Verdict::DtlsFailed(DtlsFailure::FingerprintMismatch);
        assert_eq!(
            (mismatch.name(), mismatch.to_string().as_str()),
            (
                "dtls_failed",
                "DTLS failed: the peer's certificate does not match its fingerprint"
            )
        );
        let credentials = Verdict::IceFailed(FailReason::WrongCredentials);
        assert_eq!(
            (credentials.name(), credentials.to_string().as_str()),
            (
                "ice_failed",
                "ICE failed: the peer's messages have another password or name another user"
            )
        );
    }
}
