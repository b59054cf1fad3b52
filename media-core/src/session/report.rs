//! What `query` and `delete` tell about a call: a snapshot, detached from the call.

use std::net::SocketAddr;
use std::time::Duration;

use super::Verdict;
use crate::engine::DtlsTerms;
use crate::media::quality::Sample;
use crate::units::Ssrc;

/// One call at one moment. All times are since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct CallReport {
    /// `created` and `created_us`: when the call began.
    pub created: Duration,
    /// `last signal`: the last offer or answer.
    pub last_signal: Duration,
    /// `SSRC`: how well those who send it receive, or where they do not tell, are received.
    pub qualities: Vec<QualityReport>,
    /// `tags`: the parties, in order of creation.
    pub tags: Vec<TagReport>,
    /// `totals.RTP`.
    pub rtp: StreamTotals,
    /// `totals.RTCP`.
    pub rtcp: StreamTotals,
}

/// How well one source's party receives, over the call. [`Sample::at_s`] is since 1970 here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityReport {
    /// Key in the dictionary.
    pub ssrc: Ssrc,
    /// `cumulative loss`: packets.
    pub lost: u64,
    /// `samples` of `average MOS`: at least 1.
    pub samples: u64,
    /// `average MOS`; of no moment.
    pub average: Sample,
    /// `lowest MOS`.
    pub lowest: Sample,
    /// `highest MOS`.
    pub highest: Sample,
    /// `interval` of `MOS progression`: the least time between its entries.
    pub interval: Duration,
    /// Its `entries`: ten or so, from the first to the last.
    pub progression: Vec<Sample>,
}

/// One party.
#[derive(Clone, Debug, PartialEq)]
pub struct TagReport {
    /// Key in the dictionary: the tag, or `<untagged n>` before there is one.
    pub key: String,
    /// `tag`: empty before there is one.
    pub tag: String,
    /// `label`.
    pub label: Option<String>,
    /// `via-branch`.
    pub via_branch: Option<String>,
    /// `created`.
    pub created: Duration,
    /// `subscriptions`: whose media the party gets.
    pub subscriptions: Vec<SubscriptionReport>,
    /// `subscribers`: who gets the party's media.
    pub subscribers: Vec<SubscriptionReport>,
    /// `medias`.
    pub medias: Vec<MediaReport>,
    /// Its media is blocked by command.
    pub blocked: bool,
}

/// One tie between two parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionReport {
    /// `tag` of the other party, empty before there is one.
    pub tag: String,
    /// `type`: `offer/answer`.
    pub kind: &'static str,
}

/// One media section.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaReport {
    /// `index`, counted from 1.
    pub index: u32,
    /// `type`: `audio`, `video`, …
    pub kind: String,
    /// `protocol`: `RTP/AVP`, …
    pub protocol: String,
    /// `codec`, as `PCMU/8000`, once packets tell it.
    pub codec: Option<String>,
    /// `streams`: RTP, then RTCP.
    pub streams: Vec<StreamReport>,
    /// `flags`, in rtpengine's words.
    pub flags: Vec<&'static str>,
}

/// One local port.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamReport {
    /// `local port`, `local address`, `family`; `None`, and all three keys absent, where there is
    /// no port (the section was rejected, the party is gone). Port 0: RTCP shares the RTP port.
    pub local: Option<SocketAddr>,
    /// `endpoint`: where packets are sent; `None` is an empty dictionary. As the party said it, even
    /// if that is no destination: port 0 of a rejected section, 0.0.0.0 of one on hold.
    pub endpoint: Option<SocketAddr>,
    /// `advertised endpoint`: where signalling said; `None` is an empty dictionary.
    pub advertised_endpoint: Option<SocketAddr>,
    /// `crypto suite` that the party was offered first, or has agreed on (RFC 4568, RFC 5764).
    pub crypto_suite: Option<&'static str>,
    /// What the DTLS handshake on this port has agreed on.
    pub dtls: Option<DtlsTerms>,
    /// `last packet`; when the stream was set up, if there was none.
    pub last_packet: Duration,
    /// `flags`, in rtpengine's words.
    pub flags: Vec<&'static str>,
    /// `SSRC`: the latest source.
    pub ssrc: Option<Ssrc>,
    /// Reception quality by source; of RTP alone.
    pub sources: Vec<SsrcReport>,
    /// What the party's RTCP says, if it sends any; with muxing, on its RTP stream.
    pub reported: Option<RtcpReport>,
    /// `stats`: received on this port.
    pub received: StreamTotals,
    /// Sent from this port.
    pub sent: StreamTotals,
    /// Why there is no media, or that there is.
    pub verdict: Verdict,
}

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// `packets`.
    pub packets: u64,
    /// `bytes`: whole RTP packets, without IP and UDP headers.
    pub octets: u64,
    /// `errors`: packets dropped for a fault, not by signalling or command.
    pub errors: u64,
}

impl StreamTotals {
    /// Sums up, in place.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.errors += other.errors;
    }
}

/// A party's last word by RTCP (RFC 3550 §6.4): what it sent, and how well it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpReport {
    /// Who says so.
    pub sender: Ssrc,
    /// RTP packets that it has sent.
    pub packets_sent: u64,
    /// Payload octets in them.
    pub octets_sent: u64,
    /// Whose packets the rest is about; `None` if it has received none yet.
    pub about: Option<Ssrc>,
    /// Packets lost on the way to it since the start.
    pub lost: u64,
    /// Share lost since its report before, × 256.
    pub fraction_lost: u8,
    /// Interarrival jitter at its end, in ticks of the media's clock.
    pub jitter_ticks: u64,
}

/// Reception quality of one source, measured on its packets.
#[derive(Clone, Debug, PartialEq)]
pub struct SsrcReport {
    /// The source.
    pub ssrc: Ssrc,
    /// Packets received.
    pub packets: u64,
    /// Octets received.
    pub octets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
}
