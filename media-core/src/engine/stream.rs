//! One socket's stream: its route, what it learned and what it counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::guard::Guard;
use super::handshake::Greeting;
use super::ingress::Kind;
use super::learning::Learner;
use super::paths::Path;
use super::reporting::{Interval, Reporting, Sent};
use super::{
    Alternate, Component, DropReason, PayloadClocks, Protection, Route, SinkAction, Sinks,
    StreamCounters,
};
use crate::buf::PacketBuf;
use crate::media::quality::Sample;
use crate::media::stats::ReceptionStats;
use crate::media::transcode::{EventListener, EventTypes, Plan, Transcoder};
use crate::units::{CallKey, ClockRate, Roc, RtpTimestamp, SocketId, Ssrc};
use crate::wire::rtp::RtpHeader;

/// How often a source's reception is rated where its party's reports do not tell how it receives itself.
const RATE_EVERY_US: u64 = 5_000_000;
/// When the first time is, after its first packet.
const FIRST_RATED_US: u64 = 2_000_000;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) generation: u32,
    pub(super) call: CallKey,
    pub(super) call_index: u32,
    pub(super) component: Component,
    pub(super) learner: Learner,
    /// The socket that packets to the party leave through.
    pub(super) via: SocketId,
    pub(super) alternates: Box<[Alternate]>,
    pub(super) blocked: bool,
    pub(super) guard: Guard,
    pub(super) untouched: bool,
    pub(super) drops_feedback: bool,
    pub(super) path: Option<Box<Path>>,
    pub(super) greeting: Greeting,
    pub(super) rtp_sinks: Sinks,
    pub(super) rtcp_sinks: Sinks,
    /// The RTP stream whose RTCP this is, if another.
    pub(super) media: Option<SocketId>,
    /// How often we report on the stream ourselves.
    pub(super) rtcp_interval: Option<Duration>,
    /// `None` until there is anything to keep.
    pub(super) reporting: Option<Box<Reporting>>,
    /// What the sinks get is counted.
    pub(super) counts_sent: bool,
    /// When the reception is to be rated next.
    rate_at_us: u64,
    pub(super) counters: Arc<StreamCounters>,
    pub(super) last_packet: Option<Instant>,
    pub(super) transcoder: Option<Box<Transcoder>>,
    pub(super) listener: Option<Box<EventListener>>,
    /// Its RTP does not simply go on: it is transcoded, listened to or blocked.
    pub(super) has_more_to_do: bool,
    /// Estimated cost of a packet in it, microseconds, at least 1.
    pub(super) transcode_cost_us: u64,
    /// The transcoder has work, and stands in the queue for it.
    pub(super) queued: bool,
    /// When a timer will look after what it holds back.
    pub(super) armed_us: Option<u64>,
    clocks: Arc<PayloadClocks>,
    sources: [Source; StreamCounters::SSRCS],
    /// Which of `sources` the last packet was from.
    current: usize,
    #[cfg(feature = "testing")]
    pub(super) panic_on_next_packet: bool,
}

/// Reception state of one SSRC.
#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    stats: Option<ReceptionStats>,
    /// Clock rate of `payload_type`, looked up when it changes.
    clock: Option<ClockRate>,
    payload_type: u8,
    intervals: Intervals,
}

/// Since when a source's loss is counted, by whom it is for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Intervals {
    /// For report blocks.
    pub(super) reported: Interval,
    /// For ratings.
    rated: Interval,
}

impl Source {
    const fn empty() -> Self {
        Self {
            ssrc: Ssrc::new(0),
            stats: None,
            clock: None,
            payload_type: u8::MAX,
            intervals: Intervals {
                reported: Interval::NEVER,
                rated: Interval::NEVER,
            },
        }
    }
}

impl Stream {
    pub(super) fn new(now: Instant, socket: SocketId, call_index: u32, route: Route) -> Self {
        let learner = Learner::new(now, &route);
        let mut stream = Self {
            generation: socket.generation(),
            call: route.call,
            call_index,
            component: route.component,
            learner,
            via: socket,
            alternates: route.alternates,
            blocked: route.blocked,
            guard: Guard::new(route.protection),
            untouched: route.untouched,
            drops_feedback: route.drops_feedback,
            path: None,
            greeting: Greeting::default(),
            rtp_sinks: route.rtp_sinks,
            rtcp_sinks: route.rtcp_sinks,
            media: route.media,
            rtcp_interval: route.rtcp_interval,
            reporting: None,
            counts_sent: route.rtcp_interval.is_some() || route.transcode.is_some(),
            rate_at_us: 0,
            counters: route.counters,
            last_packet: None,
            transcode_cost_us: cost_us(route.transcode.as_deref()),
            transcoder: route.transcode.map(|plan| Box::new(Transcoder::new(plan))),
            listener: None,
            has_more_to_do: false,
            queued: false,
            armed_us: None,
            clocks: route.clocks,
            sources: [const { Source::empty() }; StreamCounters::SSRCS],
            current: 0,
            #[cfg(feature = "testing")]
            panic_on_next_packet: false,
        };
        stream.set_events(route.events);
        stream
    }

    /// Takes a restated route; what was learned and counted stays.
    pub(super) fn update(&mut self, now: Instant, route: Route) {
        self.learner.update(now, &route);
        self.component = route.component;
        self.blocked = route.blocked;
        self.guard.update(route.protection);
        if matches!(self.guard.protection(), Protection::None) {
            self.counters.unauthentic_since_us.set(0);
        }
        self.untouched = route.untouched;
        self.drops_feedback = route.drops_feedback;
        self.rtp_sinks = route.rtp_sinks;
        self.rtcp_sinks = route.rtcp_sinks;
        self.media = route.media;
        self.rtcp_interval = route.rtcp_interval;
        self.set_plan(route.transcode);
        self.count_sent();
        self.set_events(route.events);
        if !Arc::ptr_eq(&self.counters, &route.counters) {
            self.counters = route.counters;
            self.sources = [const { Source::empty() }; StreamCounters::SSRCS];
        }
        if self.clocks != route.clocks {
            self.clocks = route.clocks;
            for source in &mut self.sources {
                source.payload_type = u8::MAX;
            }
        }
    }

    /// A stream whose packets were renumbered goes on renumbering them: its receivers would take the
    /// sender's own numbers for another stream, or for old packets.
    fn set_plan(&mut self, plan: Option<Arc<Plan>>) {
        self.transcode_cost_us = cost_us(plan.as_deref());
        match (&mut self.transcoder, plan) {
            (Some(transcoder), plan) => {
                transcoder.set_plan(plan.unwrap_or_else(|| Arc::new(Plan::new(Vec::new()))));
            }
            (none, Some(plan)) => *none = Some(Box::new(Transcoder::new(plan))),
            (None, None) => {}
        }
    }

    /// What the sinks get is counted from now on if anybody will be told; what they got before was what
    /// was received.
    fn count_sent(&mut self) {
        let counts = self.rtcp_interval.is_some() || self.transcoder.is_some();
        if counts && !self.counts_sent {
            let source = &self.sources[self.current];
            let shared = &self.counters.ssrcs[self.current];
            let timestamp = u32::try_from(shared.last_timestamp.get()).unwrap_or(0);
            let at_us = self.counters.last_packet_us.get();
            let sent = source.stats.as_ref().map(|stats| {
                Sent::relayed(source.ssrc, stats, RtpTimestamp::new(timestamp), at_us)
            });
            self.reporting.get_or_insert_default().sent = sent;
        }
        self.counts_sent = counts;
    }

    fn set_events(&mut self, types: Option<Arc<EventTypes>>) {
        match (&mut self.listener, types) {
            (listener, None) => *listener = None,
            (Some(listener), Some(types)) => listener.set_types(types),
            (none, Some(types)) => *none = Some(Box::new(EventListener::new(types))),
        }
        self.has_more_to_do = self.transcoder.is_some()
            || self.listener.is_some()
            || self.blocked
            || self.counts_sent;
    }

    /// The sources that were heard, and how often their sequence numbers have overflowed.
    pub(super) fn rollovers(&self) -> [Option<(Ssrc, Roc)>; StreamCounters::SSRCS] {
        let of = |source: &Source| {
            let highest = source.stats.as_ref()?.highest_seq()?.get() >> 16;
            Some((source.ssrc, Roc::new(u32::try_from(highest).ok()?)))
        };
        std::array::from_fn(|at| of(&self.sources[at]))
    }

    /// An authentic packet came from elsewhere. While ICE looks for the way anew, whoever has signed both
    /// a check and media from there has moved there: what is sent to its old place until a pair is
    /// nominated would be lost.
    #[cold]
    pub(super) fn follow(&mut self, from: SocketAddr, arrived: SocketId) {
        if let Some(path) = &self.path
            && self.guard.is_keyed()
            && path.is_restarting()
            && path.is_checked(from)
        {
            self.learner.nominate(from);
            self.via = arrived;
        }
    }

    /// The ends themselves look for a way (ICE or DTLS between them): answers leave by the socket that the
    /// question came to, as whoever asks expects.
    #[cold]
    pub(super) fn answer_via(&mut self, from: SocketAddr, arrived: SocketId) {
        if self.passes() && self.endpoint() == Some(from) {
            self.via = arrived;
        }
    }

    /// Who gets what arrives.
    #[inline]
    pub(super) fn sinks(&self, rtcp: bool) -> &[SinkAction] {
        let sinks = if rtcp {
            &self.rtcp_sinks
        } else {
            &self.rtp_sinks
        };
        sinks.as_slice()
    }

    /// Is the protection the parties' own business?
    #[inline]
    pub(super) fn passes(&self) -> bool {
        matches!(self.guard.protection(), Protection::PassThrough)
    }

    /// Can we read what arrives?
    pub(super) fn is_readable(&self) -> bool {
        !self.untouched || matches!(self.guard.protection(), Protection::None)
    }

    /// Unprotects what arrived; an error means that it may not pass.
    #[inline]
    pub(super) fn admit(
        &mut self,
        kind: Kind,
        packet: &mut PacketBuf,
        at_us: u64,
    ) -> Result<(), DropReason> {
        let rtcp = match kind {
            _ if self.untouched => return Ok(()),
            Kind::Rtp(_) => false,
            Kind::Rtcp => true,
            Kind::Stun | Kind::Dtls | Kind::Other => return Ok(()),
        };
        if matches!(self.guard.protection(), Protection::None) {
            return Ok(());
        }
        let admitted = self.guard.unprotect(packet, rtcp);
        let since = &self.counters.unauthentic_since_us;
        match admitted {
            Ok(()) if since.get() != 0 => since.set(0),
            Err(DropReason::NotAuthentic) if since.get() == 0 => since.set(at_us.max(1)),
            _ => {}
        }
        admitted
    }

    pub(super) fn endpoint(&self) -> Option<SocketAddr> {
        self.learner.endpoint()
    }

    /// Reads what a packet that arrives will need ([`super::Engine::warm`]).
    #[inline]
    pub(super) fn warm_for_arrival(&self) -> u64 {
        let counters = &self.counters;
        let counted = counters.packets.get() ^ counters.ssrcs[self.current].packets.get();
        let source = self.sources[self.current].payload_type;
        let keyed = matches!(self.guard.protection(), Protection::None);
        let sent = self.reporting.as_ref().map_or(0, |r| r.warm());
        let transcoder = self.transcoder.as_ref().map_or(0, |t| t.warm());
        counted ^ u64::from(source) ^ u64::from(keyed) ^ sent ^ transcoder as u64
    }

    /// Reads what a packet that leaves will need.
    #[inline]
    pub(super) fn warm_for_departure(&self) -> u64 {
        let known = self.endpoint().is_some();
        self.counters.packets_sent.get() ^ u64::from(known)
    }

    pub(super) fn count_drop(&self, reason: DropReason) {
        self.counters.dropped[reason as usize].add(1);
    }

    /// Measures an RTP packet (RFC 3550 §A.3, §A.8). `at_us`: arrival since the engine's epoch.
    #[inline]
    pub(super) fn measure(&mut self, header: &RtpHeader, octets: u64, at_us: u64) {
        let ssrc = header.ssrc();
        if self.sources[self.current].ssrc != ssrc || self.sources[self.current].stats.is_none() {
            self.switch_source(ssrc);
        }
        let source = &mut self.sources[self.current];
        let payload_type = header.payload_type().get();
        if source.payload_type != payload_type {
            source.payload_type = payload_type;
            source.clock = self.clocks.clock_rate(header.payload_type());
        }
        let stats = source.stats.get_or_insert_with(ReceptionStats::new);
        let _ = stats.on_packet(
            header.sequence_number(),
            header.timestamp(),
            at_us,
            source.clock,
            octets,
        );
        let shared = &self.counters.ssrcs[self.current];
        shared.packets.add(1);
        shared.octets.add(octets);
        shared.lost.set(stats.lost());
        shared.reordered.set(stats.reordered());
        shared.duplicates.set(stats.duplicates());
        shared.jitter_us.set(stats.jitter_us());
        shared
            .highest_seq
            .set(stats.highest_seq().map_or(0, |n| n.get()));
        shared
            .last_timestamp
            .set(u64::from(header.timestamp().get()));
        shared.payload_type.set(u64::from(payload_type));
        if at_us >= self.rate_at_us {
            self.rate(at_us);
        }
    }

    /// Rates how the current source is received, unless its party itself reports how it receives.
    #[cold]
    fn rate(&mut self, at_us: u64) {
        let first = self.rate_at_us == 0;
        if first {
            self.counters.quality[0].prepare();
        }
        let after_us = if first { FIRST_RATED_US } else { RATE_EVERY_US };
        self.rate_at_us = at_us.saturating_add(after_us);
        let source = &mut self.sources[self.current];
        let Some(stats) = &source.stats else { return };
        let heard_us = self.reporting.as_ref().map_or(0, |r| r.blocks_at_us);
        if first || heard_us != 0 && at_us < heard_us.saturating_add(3 * RATE_EVERY_US) {
            let _ = source.intervals.rated.end(stats);
            return;
        }
        let sample = Sample::new(
            source.intervals.rated.end(stats),
            u16::try_from(stats.jitter_us() / 1000).unwrap_or(u16::MAX),
            0,
            0,
            u32::try_from(at_us / 1_000_000).unwrap_or(u32::MAX),
        );
        let lost = stats.lost();
        self.counters.add_quality(source.ssrc, sample, lost, false);
    }

    /// The source heard last.
    pub(super) fn latest_source(&self) -> Option<Ssrc> {
        let source = &self.sources[self.current];
        source.stats.is_some().then_some(source.ssrc)
    }

    /// Clock rate of its last packet.
    pub(super) fn latest_clock(&self) -> Option<ClockRate> {
        self.sources[self.current].clock
    }

    /// How a source is received, if it is one that was heard lately.
    pub(super) fn reception(&self, ssrc: Ssrc) -> Option<&ReceptionStats> {
        let mut heard = self.sources.iter().filter(|source| source.ssrc == ssrc);
        heard.find_map(|source| source.stats.as_ref())
    }

    /// The same, and since when its loss is counted.
    pub(super) fn reception_mut(
        &mut self,
        ssrc: Ssrc,
    ) -> Option<(&ReceptionStats, &mut Intervals)> {
        let mut heard = self.sources.iter_mut().filter(|source| source.ssrc == ssrc);
        heard.find_map(|source| Some((source.stats.as_ref()?, &mut source.intervals)))
    }

    /// Finds the slot of a source that is not the current one, or takes the stalest.
    #[cold]
    fn switch_source(&mut self, ssrc: Ssrc) {
        let known = self
            .sources
            .iter()
            .position(|s| s.stats.is_some() && s.ssrc == ssrc);
        let empty = || self.sources.iter().position(|s| s.stats.is_none());
        let place = known
            .or_else(empty)
            .unwrap_or((self.current + 1) % self.sources.len());
        self.current = place;
        self.counters.latest_source.set(place as u64);
        if known.is_none() {
            self.sources[place] = Source {
                ssrc,
                ..Source::empty()
            };
            self.counters.ssrcs[place].restart(ssrc);
        }
    }
}

fn cost_us(plan: Option<&Plan>) -> u64 {
    plan.map_or(1, |plan| u64::from(plan.cost_us()).max(1))
}
