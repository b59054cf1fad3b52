//! Makes a [`CallReport`] of a call.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::call::{Call, Media, Participant};
use super::interfaces::Interfaces;
use super::security::Security;
use super::verdict::{self, Evidence};
use super::{
    CallReport, MediaReport, QualityReport, RtcpReport, SsrcReport, StreamReport, StreamTotals,
    SubscriptionReport, TagReport,
};
use crate::engine;
use crate::engine::{
    DropReason, DtlsState, LearnMode, QualityCounters, SsrcCounters, StreamCounters,
};
use crate::media::quality::Sample;
use crate::srtp::CryptoSuite;
use crate::units::{Now, Ssrc};

/// What a report needs besides the call.
#[derive(Clone, Copy)]
pub(super) struct Snapshot<'a> {
    pub(super) interfaces: &'a Interfaces,
    pub(super) now: Now,
    /// What [`StreamCounters::last_packet_us`] counts from.
    pub(super) epoch: Instant,
}

/// Which parties a report shows. Totals are of the whole call in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    /// The party, then those whose media it gets.
    Around(usize),
    Nobody,
}

impl Snapshot<'_> {
    pub(super) fn report(&self, call: &Call, shown: Shown) -> CallReport {
        let parties: Vec<usize> = match shown {
            Shown::All => (0..call.parties.len()).collect(),
            Shown::Around(party) => std::iter::once(party)
                .chain(call.subscriptions(party))
                .collect(),
            Shown::Nobody => Vec::new(),
        };
        let [rtp, rtcp] = totals(call);
        CallReport {
            created: call.created.unix,
            last_signal: call.last_signal,
            qualities: call
                .parties
                .iter()
                .flat_map(|party| &party.medias)
                .flat_map(|media| self.qualities(media))
                .collect(),
            tags: parties
                .into_iter()
                .map(|party| self.tag(call, party))
                .collect(),
            rtp,
            rtcp,
        }
    }

    /// What was heard of how sources of the section receive, or are received.
    fn qualities(&self, media: &Media) -> impl Iterator<Item = QualityReport> {
        let histories = media
            .locals(false)
            .flat_map(|local| &local.counters.quality);
        histories
            .filter_map(QualityCounters::report)
            .map(|history| self.quality(history))
    }

    fn quality(&self, history: engine::QualityReport) -> QualityReport {
        let dated = |sample: Sample| {
            let at = self.epoch + Duration::from_secs(sample.at_s.into());
            let at_s = self.now.unix_at(at).as_secs();
            Sample {
                at_s: u32::try_from(at_s).unwrap_or(u32::MAX),
                ..sample
            }
        };
        let all = &history.progression;
        let [first, last] = [all.first(), all.last()].map(|s| s.map_or(0, |s| s.at_s));
        // A tenth of the time, so that there are about ten of them however long the call was.
        let interval_s = last.saturating_sub(first) / 10;
        let mut next_s = 0;
        let mut progression = Vec::with_capacity(11);
        for &sample in all {
            if sample.at_s >= next_s {
                next_s = sample.at_s.saturating_add(interval_s);
                progression.push(dated(sample));
            }
        }
        QualityReport {
            ssrc: history.ssrc,
            lost: history.lost,
            samples: history.samples,
            average: history.average,
            lowest: dated(history.lowest),
            highest: dated(history.highest),
            interval: Duration::from_secs(interval_s.into()),
            progression,
        }
    }

    fn tag(&self, call: &Call, at: usize) -> TagReport {
        let party = &call.parties[at];
        let tie = |other: usize| SubscriptionReport {
            tag: call.parties[other].tag.to_string(),
            kind: "offer/answer",
        };
        let blocked = call.blocked || party.blocked;
        TagReport {
            key: if party.tag.is_empty() {
                // The party's number within the call, as rtpengine has it.
                format!("<untagged {at}>")
            } else {
                party.tag.to_string()
            },
            tag: party.tag.to_string(),
            label: party.label.as_deref().map(ToOwned::to_owned),
            via_branch: party.via_branch.as_deref().map(ToOwned::to_owned),
            created: party.created,
            subscriptions: call.subscriptions(at).map(tie).collect(),
            subscribers: party.peer.into_iter().map(tie).collect(),
            medias: party
                .medias
                .iter()
                .zip(1..)
                .map(|(media, index)| self.media(media, index, blocked))
                .collect(),
            blocked,
        }
    }

    fn media(&self, media: &Media, index: u32, blocked: bool) -> MediaReport {
        let (security, ice) = (&media.protection, &media.ice);
        let flags = [
            (media.described, "initialized"),
            (media.asymmetric, "asymmetric"),
            (media.direction.receives(), "send"),
            (media.direction.sends(), "recv"),
            (media.mux.shown(), "rtcp-mux"),
            (security.dtls.on, "DTLS-SRTP"),
            (security.dtls.active, "DTLS role active"),
            (security.dtls.passive, "DTLS role passive"),
            (security.sdes.on, "SDES"),
            (ice.passthrough, "passthrough"),
            (ice.on, "ICE"),
            (ice.trickle, "trickle ICE"),
            (media.controlling, "ICE controlling"),
            (media.unidirectional, "unidirectional"),
            (media.recodes, "transcoding"),
        ];
        MediaReport {
            index,
            kind: media.kind.to_string(),
            protocol: String::from_utf8_lossy(media.protocol.name()).into_owned(),
            codec: codec(media),
            streams: [false, true]
                .map(|is_rtcp| self.stream(media, is_rtcp, blocked))
                .into(),
            flags: set(&flags),
        }
    }

    fn stream(&self, media: &Media, is_rtcp: bool, blocked: bool) -> StreamReport {
        let stream = if is_rtcp { &media.rtcp } else { &media.rtp };
        let sum = |count: fn(&StreamCounters) -> u64| -> u64 {
            media
                .locals(is_rtcp)
                .map(|local| count(&local.counters))
                .sum()
        };
        let last = media
            .locals(is_rtcp)
            .map(|local| local.counters.last_packet_us.get());
        let last = last.max().filter(|us| *us != 0);
        let last = last.map(|us| self.epoch + Duration::from_micros(us));
        let security = media.security();
        let live = media.live(is_rtcp);
        let local = media.place(is_rtcp).map(|place| {
            let port = match place.rtcp {
                Some(rtcp) if is_rtcp => rtcp.port,
                None if is_rtcp => 0,
                _ => place.rtp.port,
            };
            SocketAddr::new(self.interfaces.ports(place.pool).address(), port)
        });
        // Nothing is sent to an `a=rtcp` that repeats the RTP port but by the RTP stream.
        let shares_endpoint = is_rtcp && media.mux.shown() && stream.said == media.rtp.said;
        // There is nothing to find out for a party that is not to be learned of.
        let settled = media.learning.mode == LearnMode::Off && media.described && last.is_some();
        let flags = [
            (!is_rtcp, "RTP"),
            (is_rtcp || media.mux.shown(), "RTCP"),
            (is_rtcp && media.mux.shown(), "fallback RTCP"),
            (media.described, "filled"),
            (stream.confirmed || settled, "confirmed"),
            (
                live.is_some_and(|live| live.dtls_state() == DtlsState::Connected),
                "DTLS fingerprint verified",
            ),
            (media.learning.strict_source, "strict source address"),
            (media.learning.media_handover, "media handover"),
            (media.ice.on, "ICE"),
        ];
        StreamReport {
            local,
            endpoint: stream.endpoint().filter(|_| !shares_endpoint),
            advertised_endpoint: stream.said.filter(|_| !shares_endpoint),
            crypto_suite: media.suite().map(CryptoSuite::name),
            dtls: live.and_then(StreamCounters::dtls_terms),
            last_packet: last.map_or(media.since, |at| self.now.unix_at(at)),
            flags: set(&flags),
            ssrc: latest(media, is_rtcp),
            sources: sources(media, is_rtcp).collect(),
            reported: reported(media, is_rtcp),
            received: received(media, is_rtcp),
            sent: StreamTotals {
                packets: sum(|c| c.packets_sent.get()),
                octets: sum(|c| c.octets_sent.get()),
                errors: 0,
            },
            verdict: verdict::judge(Evidence {
                is_rtcp,
                rejected: media.active.is_none(),
                blocked,
                sends: media.direction.sends(),
                receives: media.direction.receives(),
                has_endpoint: stream.learned.or(stream.signalled()).is_some(),
                packets: sum(|c| c.packets.get()),
                rtcp_packets: sum(|c| c.rtcp_packets.get()),
                packets_sent: sum(|c| c.packets_sent.get()),
                wrong_source: sum(|c| c.dropped_for(DropReason::WrongSource)),
                not_media: sum(|c| c.dropped_for(DropReason::Malformed))
                    + sum(|c| c.dropped_for(DropReason::NotMedia)),
                silent_for: last.map(|at| self.now.monotonic.saturating_duration_since(at)),
                refused: match security {
                    Security::Refused(fault) => Some(fault),
                    _ => None,
                },
                keys_pending: security == Security::Pending,
                ice: live.and_then(StreamCounters::ice_state),
                dtls: live.map_or(DtlsState::Off, StreamCounters::dtls_state),
                unauthentic_for: live.and_then(|live| self.since(live.unauthentic_since_us.get())),
                replayed: sum(|c| c.dropped_for(DropReason::Replayed)),
            }),
        }
    }

    /// How long ago that was; `us`: of the engine's clock, 0: never.
    fn since(&self, us: u64) -> Option<Duration> {
        let at = self.epoch + Duration::from_micros(Some(us).filter(|us| *us != 0)?);
        Some(self.now.monotonic.saturating_duration_since(at))
    }
}

/// `totals.RTP` and `totals.RTCP`.
pub(super) fn totals(call: &Call) -> [StreamTotals; 2] {
    let mut totals = [StreamTotals::default(); 2];
    for media in call.parties.iter().flat_map(|party| &party.medias) {
        for (total, is_rtcp) in totals.iter_mut().zip([false, true]) {
            total.add(received(media, is_rtcp));
        }
    }
    totals
}

/// Parties that sent any RTP.
pub(super) fn senders(call: &Call) -> usize {
    let sent = |media: &Media| {
        media
            .locals(false)
            .any(|local| local.counters.packets.get() > 0)
    };
    let any = |party: &&Participant| party.medias.iter().any(sent);
    call.parties.iter().filter(any).count()
}

fn received(media: &Media, is_rtcp: bool) -> StreamTotals {
    let mut total = StreamTotals::default();
    for local in media.locals(is_rtcp) {
        total.add(StreamTotals {
            packets: local.counters.packets.get(),
            octets: local.counters.octets.get(),
            errors: errors(&local.counters),
        });
    }
    total
}

fn set(flags: &[(bool, &'static str)]) -> Vec<&'static str> {
    let set = flags.iter().filter(|(set, _)| *set);
    set.map(|(_, name)| *name).collect()
}

/// Packets dropped for a fault; not those that signalling or a command left without a destination.
fn errors(counters: &StreamCounters) -> u64 {
    let meant = [
        DropReason::Blocked,
        DropReason::NoEndpoint,
        DropReason::NoRoute,
        DropReason::NoSink,
    ];
    let meant: u64 = meant
        .into_iter()
        .map(|reason| counters.dropped_for(reason))
        .sum();
    counters.dropped_total().saturating_sub(meant)
}

/// Counters of the port that was used last.
fn latest_used(media: &Media, is_rtcp: bool) -> Option<&StreamCounters> {
    let used = media.locals(is_rtcp).map(|local| &*local.counters);
    used.max_by_key(|counters| counters.last_packet_us.get())
}

/// The source heard last.
fn latest(media: &Media, is_rtcp: bool) -> Option<Ssrc> {
    let counters = latest_used(media, is_rtcp)?;
    if is_rtcp {
        counters.reports.sender()
    } else {
        counters.latest_source().map(SsrcCounters::ssrc)
    }
}

/// What the party's own RTCP says; muxed RTCP comes on the RTP stream.
fn reported(media: &Media, is_rtcp: bool) -> Option<RtcpReport> {
    let counters = &latest_used(media, is_rtcp)?.reports;
    let sender = counters.sender()?;
    Some(RtcpReport {
        sender,
        packets_sent: counters.packets_sent.get(),
        octets_sent: counters.octets_sent.get(),
        about: counters.about(),
        lost: counters.lost.get(),
        fraction_lost: u8::try_from(counters.fraction_lost.get()).unwrap_or(u8::MAX),
        jitter_ticks: counters.jitter_ticks.get(),
    })
}

/// The encoding that the source heard last uses.
fn codec(media: &Media) -> Option<String> {
    let source = latest_used(media, false)?.latest_source()?;
    let number = source.payload_type.get().to_string();
    let mut lines = media
        .encodings
        .lines()
        .filter_map(|line| line.split_once(' '));
    lines
        .find(|(payload_type, _)| *payload_type == number)
        .map(|(_, encoding)| encoding.to_owned())
}

/// Sources heard on a stream.
fn sources(media: &Media, is_rtcp: bool) -> impl Iterator<Item = SsrcReport> {
    let slots = media
        .locals(is_rtcp)
        .flat_map(|local| &local.counters.ssrcs);
    let used = slots.filter(|slot| slot.packets.get() > 0);
    used.map(|slot| SsrcReport {
        ssrc: slot.ssrc(),
        packets: slot.packets.get(),
        octets: slot.octets.get(),
        lost: slot.lost.get(),
        reordered: slot.reordered.get(),
        duplicates: slot.duplicates.get(),
        jitter: Duration::from_micros(slot.jitter_us.get()),
    })
}
