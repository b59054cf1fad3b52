//! Counters with one writer, the shard, and any number of readers. Relaxed atomics: each value is
//! true by itself, two values read together may be a packet apart.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::paths;
use super::{DtlsState, DtlsTerms, QualityCounters};
use crate::ice::State;
use crate::media::quality::Sample;
use crate::units::Ssrc;

/// Why a packet went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DropReason {
    /// No route has been set for the socket (or the socket is closing).
    NoRoute,
    /// The route has nobody to give the packet to.
    NoSink,
    /// The sink's endpoint is not known yet.
    NoEndpoint,
    /// Not RTP, RTCP or anything else the component may carry.
    Malformed,
    /// From another source than the confirmed one, with strict source on.
    WrongSource,
    /// Media is blocked by command.
    Blocked,
    /// Longer than a slot holds.
    TooLong,
    /// No free slot for a copy, or the kernel's send queue is full.
    NoBuffer,
    /// The kernel refused to send.
    SendFailed,
    /// STUN or DTLS where no agent listens.
    NotMedia,
    /// There are no SRTP keys (yet) for the stream that it came from or was to go to.
    NoKeys,
    /// SRTP, SRTCP or STUN whose authentication failed.
    NotAuthentic,
    /// SRTP or SRTCP that was seen before, or is too old to tell (RFC 3711 §3.3.2).
    Replayed,
    /// An SRTP key has come to the end of its life (RFC 3711 §9.2).
    KeyExpired,
    /// RTCP of feedback alone (RFC 4585), to a party whose profile has none.
    Feedback,
    /// For transcoding, but its place had been given up or taken already.
    Late,
    /// For transcoding, but of a payload type that was not agreed on.
    NotNegotiated,
    /// For transcoding, but not what its payload type says, or no room for the result.
    Undecodable,
}

impl DropReason {
    /// Number of reasons.
    pub const COUNT: usize = DropReason::Undecodable as usize + 1;
    /// All reasons, in the order of their numbers.
    pub const ALL: [DropReason; DropReason::COUNT] = [
        DropReason::NoRoute,
        DropReason::NoSink,
        DropReason::NoEndpoint,
        DropReason::Malformed,
        DropReason::WrongSource,
        DropReason::Blocked,
        DropReason::TooLong,
        DropReason::NoBuffer,
        DropReason::SendFailed,
        DropReason::NotMedia,
        DropReason::NoKeys,
        DropReason::NotAuthentic,
        DropReason::Replayed,
        DropReason::KeyExpired,
        DropReason::Feedback,
        DropReason::Late,
        DropReason::NotNegotiated,
        DropReason::Undecodable,
    ];

    /// Stable name for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::NoRoute => "no_route",
            DropReason::NoSink => "no_sink",
            DropReason::NoEndpoint => "no_endpoint",
            DropReason::Malformed => "malformed",
            DropReason::WrongSource => "wrong_source",
            DropReason::Blocked => "blocked",
            DropReason::TooLong => "too_long",
            DropReason::NoBuffer => "no_buffer",
            DropReason::SendFailed => "send_failed",
            DropReason::NotMedia => "not_media",
            DropReason::NoKeys => "no_keys",
            DropReason::NotAuthentic => "not_authentic",
            DropReason::Replayed => "replayed",
            DropReason::KeyExpired => "key_expired",
            DropReason::Feedback => "feedback",
            DropReason::Late => "late",
            DropReason::NotNegotiated => "not_negotiated",
            DropReason::Undecodable => "undecodable",
        }
    }
}

/// A value that one thread writes and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    /// Single-writer add: a load and a store, no locked instruction.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// What one stream has received and sent.
#[derive(Debug, Default)]
pub struct StreamCounters {
    /// Packets received and accepted on this socket.
    pub packets: Counter,
    /// Their octets, RTP header included.
    pub octets: Counter,
    /// RTCP packets among them.
    pub rtcp_packets: Counter,
    /// Packets sent from this socket towards its endpoint.
    pub packets_sent: Counter,
    /// Their octets.
    pub octets_sent: Counter,
    /// Microseconds from the engine's epoch to the last accepted packet; 0: never one.
    pub last_packet_us: Counter,
    /// Packets that came from another source than the one sent to.
    pub other_source: Counter,
    /// Packets that were dropped, by [`DropReason`].
    pub dropped: [Counter; DropReason::COUNT],
    /// Packets that were taken for transcoding.
    pub transcoded: Counter,
    /// Stretches of audio invented for lost packets, each about as long as one.
    pub concealed: Counter,
    /// Microseconds from the engine's epoch to the first of the SRTP packets that failed authentication
    /// since the last one that passed; 0: the last one passed.
    pub unauthentic_since_us: Counter,
    /// Where ICE stands, see [`StreamCounters::ice_state`].
    pub(super) ice: Counter,
    /// Where DTLS stands, see [`StreamCounters::dtls_state`].
    pub(super) dtls: Counter,
    /// What it has agreed on, see [`StreamCounters::dtls_terms`].
    pub(super) dtls_terms: Counter,
    /// What this party's own RTCP says.
    pub reports: ReportCounters,
    /// Which of `ssrcs` the last RTP packet was from.
    pub latest_source: Counter,
    /// How well the party receives by its own reports; where it makes none, how well it is received.
    pub quality: [QualityCounters; StreamCounters::SSRCS],
    /// Which of `quality` was written last.
    latest_quality: Counter,
    /// The most recent RTP sources; a new one is written over the stalest.
    pub ssrcs: [SsrcCounters; StreamCounters::SSRCS],
}

impl StreamCounters {
    /// Sources remembered per stream; a change beyond that reuses the stalest slot.
    pub const SSRCS: usize = 2;

    /// Where the stream's ICE agent stands; `None`: it has none.
    #[must_use]
    pub fn ice_state(&self) -> Option<State> {
        paths::state_of(self.ice.get())
    }
    pub(crate) fn set_ice(&self, state: State) {
        self.ice.set(paths::state_code(state));
    }
    /// Where its DTLS handshake stands.
    #[must_use]
    pub fn dtls_state(&self) -> DtlsState {
        DtlsState::from_code(self.dtls.get())
    }
    /// What the handshake has agreed on; `None`: there are no keys by DTLS.
    #[must_use]
    pub fn dtls_terms(&self) -> Option<DtlsTerms> {
        DtlsTerms::from_code(self.dtls_terms.get())
    }
    /// Where the handshake stands, and what it has agreed on, if it gave keys.
    pub(crate) fn set_dtls(&self, state: DtlsState, terms: Option<DtlsTerms>) {
        self.dtls_terms.set(DtlsTerms::code(terms));
        self.dtls.set(state.code());
    }
    /// Sum over all reasons.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(Counter::get).sum()
    }
    /// Rates a party's reception, `reported` by itself or measured on what it sends. What was measured is
    /// of no account once it reports.
    pub(crate) fn add_quality(&self, ssrc: Ssrc, sample: Sample, lost: u64, reported: bool) {
        let known = |place: &QualityCounters| place.ssrc() == Some(ssrc);
        let free = |place: &QualityCounters| place.ssrc().is_none();
        let stalest = (self.latest_quality.get() + 1) % Self::SSRCS as u64;
        let at = self.quality.iter().position(known);
        let at = at.or_else(|| self.quality.iter().position(free));
        let at = at.unwrap_or(usize::try_from(stalest).unwrap_or(0));
        self.latest_quality.set(at as u64);
        self.quality[at].add(ssrc, sample, lost, reported);
    }
    /// The source of the last RTP packet; `None` before the first.
    #[must_use]
    pub fn latest_source(&self) -> Option<&SsrcCounters> {
        let at = usize::try_from(self.latest_source.get()).ok()?;
        self.ssrcs.get(at).filter(|slot| slot.packets.get() > 0)
    }
    /// Packets dropped for this reason.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].get()
    }
}

/// What a party reports by RTCP of what it sends and receives (RFC 3550 §6.4): its last word.
#[derive(Debug, Default)]
pub struct ReportCounters {
    /// Bit 32 and the SSRC of the RTCP packet's sender; 0: never one.
    pub(super) sender: Counter,
    /// Bit 32 and the SSRC that the last report block is about; 0: never one.
    pub(super) about: Counter,
    /// Sender reports seen.
    pub sender_reports: Counter,
    /// Packets that the party says it has sent, by its last sender report.
    pub packets_sent: Counter,
    /// Payload octets that it says it has sent.
    pub octets_sent: Counter,
    /// Report blocks seen.
    pub blocks: Counter,
    /// Share of packets lost on the way to the party since its report before, × 256.
    pub fraction_lost: Counter,
    /// Packets lost on the way to it since the start; 0 where duplicates made it negative.
    pub lost: Counter,
    /// Interarrival jitter at the party, in ticks of the media's clock.
    pub jitter_ticks: Counter,
}

impl ReportCounters {
    const SEEN: u64 = 1 << 32;

    pub(super) fn set_sender(&self, ssrc: Ssrc) {
        self.sender.set(Self::SEEN | u64::from(ssrc.get()));
    }
    pub(super) fn set_about(&self, ssrc: Ssrc) {
        self.about.set(Self::SEEN | u64::from(ssrc.get()));
    }
    /// Who sent the last RTCP packet; `None` before the first.
    #[must_use]
    pub fn sender(&self) -> Option<Ssrc> {
        Self::seen(&self.sender)
    }
    /// Whom the last report block was about; `None` before the first.
    #[must_use]
    pub fn about(&self) -> Option<Ssrc> {
        Self::seen(&self.about)
    }
    fn seen(ssrc: &Counter) -> Option<Ssrc> {
        let ssrc = ssrc.get().checked_sub(Self::SEEN)?;
        u32::try_from(ssrc).ok().map(Ssrc::new)
    }
}

/// Reception statistics of one SSRC, measured from its packets (RFC 3550 §A.3, §A.8).
#[derive(Debug, Default)]
pub struct SsrcCounters {
    ssrc: AtomicU32,
    /// RTP packets received; 0: the slot is empty.
    pub packets: Counter,
    /// Their payload and header octets.
    pub octets: Counter,
    /// Packets expected (highest sequence number − first + 1) less received; late packets lower it.
    pub lost: Counter,
    /// Packets that arrived after a later one.
    pub reordered: Counter,
    /// Packets with a sequence number seen before.
    pub duplicates: Counter,
    /// Interarrival jitter in microseconds.
    pub jitter_us: Counter,
    /// Highest extended sequence number.
    pub highest_seq: Counter,
    /// RTP time stamp of the last packet.
    pub last_timestamp: Counter,
    /// Payload type of the last packet.
    pub payload_type: Counter,
}

impl SsrcCounters {
    /// Whose statistics these are, once `packets` is not 0.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc::new(self.ssrc.load(Ordering::Relaxed))
    }
    /// Gives the slot to another source: all zero again.
    pub(super) fn restart(&self, ssrc: Ssrc) {
        for counter in [
            &self.packets,
            &self.octets,
            &self.lost,
            &self.reordered,
            &self.duplicates,
            &self.jitter_us,
            &self.highest_seq,
            &self.last_timestamp,
            &self.payload_type,
        ] {
            counter.set(0);
        }
        self.ssrc.store(ssrc.get(), Ordering::Relaxed);
    }
}

/// What one shard has done since it started.
#[derive(Debug, Default)]
pub struct ShardCounters {
    /// Datagrams received.
    pub packets: Counter,
    /// Their octets.
    pub octets: Counter,
    /// Datagrams sent.
    pub packets_sent: Counter,
    /// Octets sent.
    pub octets_sent: Counter,
    /// Datagrams dropped, by [`DropReason`].
    pub dropped: [Counter; DropReason::COUNT],
    /// Calls ended because handling one of their packets panicked.
    pub panics: Counter,
    /// Receive buffers found exhausted; the kernel kept the packets.
    pub buffer_shortages: Counter,
    /// Wake-ups of the shard's thread.
    pub wakeups: Counter,
    /// Packets that went through a transcoder.
    pub transcoded: Counter,
    /// Estimated cost of the transcoding that waited at the end of the last share, microseconds.
    pub transcode_backlog_us: Counter,
    /// How long transcoding has been too slow for what comes, microseconds; 0: it keeps up.
    pub transcode_behind_us: Counter,
    /// Streams in the shard's table.
    pub streams: Counter,
    /// CPU time of the shard's thread, nanoseconds, sampled about once a second.
    pub cpu_ns: Counter,
    /// Part of the time between the last two samples that the thread ran, thousandths. An idle shard takes no
    /// samples.
    pub cpu_permille: Counter,
    /// When the last sample was taken, microseconds since the engine's epoch.
    pub cpu_sampled_us: Counter,
}
