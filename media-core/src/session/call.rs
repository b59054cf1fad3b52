//! The call model: what is kept of a call between requests. No behaviour that needs sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::digits::Digits;
use super::ice::IceState;
use super::interfaces::{InterfaceId, PoolId};
use super::placement::Weight;
use super::ports::Bound;
use super::secure::Protection;
use super::secured::Secured;
use super::trigger::Watch;
use crate::engine::{LearnMode, Learning, PayloadClocks, StreamCounters};
use crate::ice::State;
use crate::media::jitter::Hold;
use crate::media::transcode::{EventTypes, Plan};
use crate::sdp::{Codec, Direction, Listed, MediaParams, OfferedCodecs, Protocol, SentDescription};
use crate::srtp::CryptoSuite;
use crate::units::{CallKey, ClockRate, Now, PayloadType, ShardId, SocketId};

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) key: CallKey,
    pub(super) shard: ShardId,
    /// What the shard's placement has noted of it.
    pub(super) weight: Weight,
    pub(super) phase: Phase,
    /// When the first offer came.
    pub(super) created: Now,
    /// When the last offer or answer came, since 1970.
    pub(super) last_signal: Duration,
    /// In order of creation.
    pub(super) parties: Vec<Participant>,
    /// `block media` on the whole call.
    pub(super) blocked: bool,
    /// How its audio is held back.
    pub(super) hold: Hold,
    /// `delay-buffer`, ms; 0: not asked for.
    pub(super) delay_ms: u16,
    /// What is asked for of everybody's digits and audio.
    pub(super) digits: Digits,
    /// The entry in the list of what is to end by itself.
    pub(super) dtmf_due: Option<Instant>,
    /// `DTMF-log-dest`.
    pub(super) dtmf_log: Option<SocketAddr>,
    /// `detect-DTMF`.
    pub(super) detects_dtmf: bool,
    /// Sections are planned with more than their codecs in mind.
    pub(super) planned_digits: bool,
    /// Somebody has answered.
    pub(super) answered: bool,
    /// `delete delay` of the offer.
    pub(super) delete_delay: Option<Duration>,
    /// `TOS` of the offer; the outer `None`: the program's.
    pub(super) tos: Option<Option<u8>>,
}

/// Where a call is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first offer has not gone through yet.
    New,
    /// Offered or answered.
    Alive,
    /// Deleted, media still flows.
    Draining,
    /// Not in the registry any more, or about to leave it.
    Ended,
}

/// One party of a call.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    /// Empty until an answer names it.
    pub(super) tag: Box<str>,
    pub(super) via_branch: Option<Box<str>>,
    pub(super) label: Option<Box<str>>,
    /// Since 1970.
    pub(super) created: Duration,
    /// It came into being as the far side of an offer.
    pub(super) far: bool,
    /// Who gets its media: an index into [`Call::parties`].
    pub(super) peer: Option<usize>,
    /// `block media` on the party.
    pub(super) blocked: bool,
    /// What is asked for of its digits and audio.
    pub(super) digits: Digits,
    /// What it has dialled of what begins and ends the hiding of its digits.
    pub(super) watch: Watch,
    /// Deleted; its sockets are closed by the first request after this instant.
    pub(super) closing: Option<Instant>,
    /// Its sockets are closed. The entry stays, so that indices do.
    pub(super) closed: bool,
    pub(super) interface: Option<InterfaceId>,
    /// The family of the address shown to it.
    pub(super) family_v6: Option<bool>,
    /// What was sent of its descriptions so far.
    pub(super) sent: SentDescription,
    pub(super) medias: Vec<Media>,
}

/// One media section, seen from one party.
#[derive(Clone, Debug)]
pub(super) struct Media {
    /// `audio`, `video`, …
    pub(super) kind: Box<str>,
    pub(super) protocol: Protocol,
    /// The party itself has described the section.
    pub(super) described: bool,
    /// The party came to the section by the other side's offer.
    pub(super) controlling: bool,
    pub(super) rejected: bool,
    /// The party's last offer had the section and the other side did not get to see it
    /// (`sdp-media-remove`): the `m=` line that tells the party so.
    pub(super) unshown: Option<Box<[u8]>>,
    /// From the party's view.
    pub(super) direction: Direction,
    /// `a=mid` (RFC 5888): the party's own, or else the one it was told.
    pub(super) mid: Option<Box<[u8]>>,
    /// The last `a=ptime` that it wrote or was sent.
    pub(super) ptime_ms: Option<u32>,
    /// It was offered packets of the controller's length (`ptime`), not of the other side's.
    pub(super) ptime_forced: bool,
    /// `ptime-reverse` of its last offer.
    pub(super) ptime_reverse_ms: Option<u32>,
    /// What was shown of its last offer.
    pub(super) offered: OfferedCodecs,
    /// The codecs of the two sides by their last answer, and which of the two the party's are.
    pub(super) agreed: Option<(Arc<[Vec<Listed>; 2]>, usize)>,
    /// What becomes of its packets on their way to the other side.
    pub(super) transcode: Option<Arc<Plan>>,
    /// We report on it ourselves, about so often (`generate RTCP`).
    pub(super) rtcp_interval: Option<Duration>,
    /// The codecs of the two sides want so, whatever else does.
    pub(super) recodes: bool,
    /// DTMF events to look at in its packets.
    pub(super) events: Option<Arc<EventTypes>>,
    /// Encodings by payload type, `0 PCMU/8000\n…`, for reports.
    pub(super) encodings: Box<str>,
    pub(super) clocks: Arc<PayloadClocks>,
    pub(super) mux: MuxState,
    pub(super) protection: Protection,
    pub(super) secured: Secured,
    pub(super) ice: IceState,
    /// Its last offer asked that it begins the DTLS handshake (`DTLS-reverse`).
    pub(super) answer_passive: bool,
    /// It asked that packets do not pass untouched.
    pub(super) recrypt: bool,
    /// Packets did not pass untouched at some time, and so never do again: counters of keys would be lost.
    pub(super) touched: bool,
    pub(super) learning: Learning,
    /// The party asked for `asymmetric`.
    pub(super) asymmetric: bool,
    pub(super) pierce_nat: bool,
    /// The party's description came with `unidirectional`.
    pub(super) unidirectional: bool,
    /// Counts changes of the endpoint.
    pub(super) learn_epoch: u32,
    /// Has been set up since, since 1970.
    pub(super) since: Duration,
    pub(super) rtp: Stream,
    pub(super) rtcp: Stream,
    /// Ports ever given to this party for this section, by the other side's endpoint.
    pub(super) bindings: Vec<Binding>,
    /// The one that is in use; `None` while the section is rejected.
    pub(super) active: Option<usize>,
}

/// RTCP on the RTP port (RFC 5761), seen from one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MuxState {
    /// The party's RTP port carries its RTCP too.
    pub(super) on: bool,
    /// Its last offer had `a=rtcp-mux`.
    pub(super) offered: bool,
    /// What to tell it in the answer.
    pub(super) reply: MuxReply,
    /// The far side of its last offer gets one port alone.
    pub(super) far_single: bool,
    /// It has offered, or was offered, muxing, and nobody has answered.
    pub(super) pending: bool,
}

impl MuxState {
    /// What reports say: as rtpengine, muxing is taken for granted while it is on offer.
    pub(super) const fn shown(&self) -> bool {
        self.on || self.pending
    }
}

/// How an offer of rtcp-mux is to be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MuxReply {
    /// As the far side answers.
    #[default]
    Follow,
    /// Accepted, whatever the far side says.
    Accept,
    /// Refused.
    Reject,
}

/// RTP or RTCP of one section.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Where the party said it wants its packets, in the words of its description: port 0 and zero
    /// addresses included.
    pub(super) said: Option<SocketAddr>,
    /// Where packets really go, as the shard found.
    pub(super) learned: Option<SocketAddr>,
    pub(super) confirmed: bool,
    /// What ICE has nominated last.
    pub(super) selected: Option<SelectedPair>,
}

/// The pair that ICE has nominated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SelectedPair {
    /// Our side of it.
    pub(super) socket: SocketId,
    pub(super) remote: SocketAddr,
    /// We have nominated it.
    pub(super) controlling: bool,
    /// Of which ICE session it is.
    pub(super) session: u32,
}

/// A local port, or pair of ports, shown to the party.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The other side's endpoint that the ports were made for; `None`: not known yet.
    pub(super) key: Option<SocketAddr>,
    pub(super) pool: PoolId,
    pub(super) rtp: Local,
    pub(super) rtcp: Option<Local>,
    /// Ports of the same streams at the interface's other addresses, for ICE; in order of preference.
    pub(super) alternates: Vec<Alternate>,
}

/// Further ports of a section's streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alternate {
    pub(super) pool: PoolId,
    pub(super) rtp: Bound,
    pub(super) rtcp: Option<Bound>,
}

/// One local port.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) bound: Bound,
    pub(super) counters: Arc<StreamCounters>,
    /// Digest of the route that the shard has; 0: none yet.
    pub(super) route: u64,
}

impl Call {
    pub(super) fn new(key: CallKey, shard: ShardId, now: Now) -> Self {
        Self {
            key,
            shard,
            weight: Weight::default(),
            phase: Phase::New,
            created: now,
            last_signal: now.unix,
            parties: Vec::with_capacity(2),
            blocked: false,
            hold: Hold::Order,
            delay_ms: 0,
            digits: Digits::default(),
            dtmf_due: None,
            dtmf_log: None,
            detects_dtmf: false,
            planned_digits: false,
            answered: false,
            delete_delay: None,
            tos: None,
        }
    }

    /// Parties that a request can still name.
    pub(super) fn find_tag(&self, tag: &str) -> Option<usize> {
        self.find(|party| party.is_called(tag))
    }
    /// Another party than `not` with this tag: the two sides of a dialogue may share theirs.
    pub(super) fn find_other(&self, tag: &str, not: usize) -> Option<usize> {
        let open = |party: &Participant| !party.closed && party.is_called(tag);
        (0..self.parties.len()).find(|&at| at != not && open(&self.parties[at]))
    }
    pub(super) fn find_branch(&self, via_branch: &str) -> Option<usize> {
        self.find(|party| party.via_branch.as_deref() == Some(via_branch))
    }
    pub(super) fn find_label(&self, label: &str) -> Option<usize> {
        self.find(|party| party.label.as_deref() == Some(label))
    }
    pub(super) fn find(&self, matches: impl Fn(&Participant) -> bool) -> Option<usize> {
        self.parties
            .iter()
            .position(|party| !party.closed && matches(party))
    }

    /// Whose media `party` gets: the one it is in dialogue with first, then the latest.
    pub(super) fn subscriptions(&self, party: usize) -> impl Iterator<Item = usize> {
        let peer = self.parties[party].peer;
        let gives = move |&other: &usize| self.parties[other].peer == Some(party);
        let first = peer.filter(gives);
        let rest = (0..self.parties.len())
            .rev()
            .filter(move |other| Some(*other) != peer);
        first.into_iter().chain(rest.filter(gives))
    }

    /// Two parties are in dialogue from now on: each gets the other's media. Whoever was tied to
    /// one of them before is still heard by it, and hears nothing.
    pub(super) fn tie(&mut self, a: usize, b: usize) {
        self.parties[a].peer = Some(b);
        self.parties[b].peer = Some(a);
        for party in [a, b] {
            self.parties[party].closing = None;
        }
    }

    /// Are there two parties left that still have something to say to each other?
    pub(super) fn has_dialogue(&self) -> bool {
        let open = |party: &Participant| !party.closed && party.closing.is_none();
        self.parties
            .iter()
            .filter(|party| open(party))
            .any(|party| party.peer.is_some_and(|peer| open(&self.parties[peer])))
    }

    /// Is any section on hold, seen from anybody?
    pub(super) fn is_held(&self) -> bool {
        self.parties
            .iter()
            .filter(|party| !party.closed)
            .flat_map(|party| &party.medias)
            .any(|media| media.active.is_some() && media.direction != Direction::SendRecv)
    }

    /// The stream on `socket` really sends to `endpoint`; `selected`: because ICE says so.
    pub(super) fn learn(
        &mut self,
        socket: SocketId,
        endpoint: SocketAddr,
        confirmed: bool,
        selected: Option<SelectedPair>,
    ) {
        for media in self.parties.iter_mut().flat_map(|party| &mut party.medias) {
            let Some(binding) = media.active.and_then(|at| media.bindings.get(at)) else {
                continue;
            };
            let stream = if binding.rtp.bound.socket == socket {
                &mut media.rtp
            } else if binding
                .rtcp
                .as_ref()
                .is_some_and(|rtcp| rtcp.bound.socket == socket)
            {
                &mut media.rtcp
            } else {
                continue;
            };
            stream.learned = Some(endpoint);
            stream.confirmed = confirmed;
            stream.selected = selected.or(stream.selected);
            return;
        }
    }
}

impl Participant {
    pub(super) fn new(tag: &str, via_branch: Option<&str>, far: bool, created: Duration) -> Self {
        Self {
            tag: tag.into(),
            via_branch: via_branch.map(Into::into),
            label: None,
            created,
            far,
            peer: None,
            blocked: false,
            digits: Digits::default(),
            watch: Watch::default(),
            closing: None,
            closed: false,
            interface: None,
            family_v6: None,
            sent: SentDescription::default(),
            medias: Vec::new(),
        }
    }

    /// Has it this tag? The far side of an offer that nobody has answered has none, not an empty one.
    pub(super) fn is_called(&self, tag: &str) -> bool {
        *self.tag == *tag && !(tag.is_empty() && self.far)
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.medias
            .iter()
            .flat_map(|media| &media.bindings)
            .flat_map(Binding::sockets)
    }
}

impl Media {
    /// Nothing is known of the section but that the other side, or the party, named it.
    pub(super) fn new(params: &MediaParams, controlling: bool, since: Duration) -> Self {
        Self {
            controlling,
            kind: String::from_utf8_lossy(&params.media_type).into(),
            protocol: params.protocol.clone(),
            described: false,
            rejected: false,
            unshown: None,
            direction: Direction::SendRecv,
            mid: None,
            ptime_ms: None,
            ptime_forced: false,
            ptime_reverse_ms: None,
            offered: OfferedCodecs::default(),
            agreed: None,
            transcode: None,
            rtcp_interval: None,
            recodes: false,
            events: None,
            encodings: Box::default(),
            clocks: Arc::default(),
            mux: MuxState::default(),
            protection: Protection::default(),
            secured: Secured::default(),
            ice: IceState::default(),
            answer_passive: false,
            recrypt: false,
            touched: false,
            learning: Learning {
                mode: LearnMode::Delayed,
                strict_source: false,
                media_handover: false,
            },
            asymmetric: false,
            pierce_nat: false,
            unidirectional: false,
            learn_epoch: 0,
            since,
            rtp: Stream::default(),
            rtcp: Stream::default(),
            bindings: Vec::new(),
            active: None,
        }
    }

    /// Both sides measure with the clock rates of both: relayed packets carry the same numbers.
    pub(super) fn merge_clocks(&mut self, other: &mut Self, params: &MediaParams) {
        let known = |codec: &Codec| {
            // Events have no running time stamp (RFC 4733 §2.2.1): no jitter to measure.
            let clock = codec.clock_rate.filter(|_| !codec.is_supplemental())?;
            Some((codec.payload_type, clock))
        };
        let is_new = |&(payload_type, clock): &(PayloadType, ClockRate)| {
            self.clocks.clock_rate(payload_type) != Some(clock)
        };
        let mut codecs = params.codecs.iter().filter_map(known).peekable();
        if codecs.by_ref().any(|codec| is_new(&codec)) || !Arc::ptr_eq(&self.clocks, &other.clocks)
        {
            let clocks = PayloadClocks::new(params.codecs.iter().filter_map(known).collect());
            self.clocks = Arc::new(clocks);
            other.clocks = Arc::clone(&self.clocks);
        }
    }

    /// Every local port that the stream ever had.
    pub(super) fn locals(&self, is_rtcp: bool) -> impl Iterator<Item = &Local> {
        self.bindings.iter().filter_map(move |binding| {
            if is_rtcp {
                binding.rtcp.as_ref()
            } else {
                Some(&binding.rtp)
            }
        })
    }

    pub(super) fn binding(&self) -> Option<&Binding> {
        self.bindings.get(self.active?)
    }

    /// Where media goes in and out: where ICE has nominated, or else where the ports are.
    pub(super) fn place(&self, is_rtcp: bool) -> Option<Alternate> {
        let stream = if is_rtcp { &self.rtcp } else { &self.rtp };
        let selected = stream.selected.map(|selected| selected.socket);
        let mut places = self.binding()?.places();
        let own = places.next();
        let at = |place: &Alternate| match is_rtcp {
            false => Some(place.rtp.socket) == selected,
            true => place.rtcp.map(|rtcp| rtcp.socket) == selected && selected.is_some(),
        };
        places.find(at).or(own)
    }

    /// The pair in use, if ICE has found one since it began last.
    pub(super) fn selected(&self, is_rtcp: bool) -> Option<SelectedPair> {
        let stream = if is_rtcp { &self.rtcp } else { &self.rtp };
        let is_up = self.live(is_rtcp)?.ice_state() == Some(State::Nominated);
        stream
            .selected
            .filter(|selected| is_up && selected.session == self.ice.session())
    }

    /// The suite that the handshake has chosen, or else what the party was offered first or has agreed on.
    pub(super) fn suite(&self) -> Option<CryptoSuite> {
        // One association is all there is where RTCP shares the port.
        let chosen = self.live(false).and_then(StreamCounters::dtls_terms);
        chosen
            .map(|terms| terms.suite)
            .or_else(|| self.protection.sdes.shown.first().map(|line| line.suite))
    }

    /// Counters of the port in use: whose agent and whose keys these are. Muxed RTCP has none.
    pub(super) fn live(&self, is_rtcp: bool) -> Option<&StreamCounters> {
        let binding = self.binding()?;
        let local = if is_rtcp {
            binding.rtcp.as_ref()?
        } else {
            &binding.rtp
        };
        Some(&local.counters)
    }
}

impl Stream {
    /// Takes note of where the party wants its packets. `true`: elsewhere than before, so what was
    /// learned is void.
    pub(super) fn signal(&mut self, endpoint: Option<SocketAddr>) -> bool {
        let changed = self.said != endpoint;
        if changed {
            self.said = endpoint;
            self.learned = None;
            self.confirmed = false;
        }
        changed
    }
    /// As [`Stream::signal`], where only ICE may move the endpoint: packets go where they went.
    pub(super) fn note(&mut self, endpoint: Option<SocketAddr>) {
        self.learned = self.endpoint();
        self.said = endpoint;
    }
    /// Where the party wants its packets, if it does.
    pub(super) fn signalled(&self) -> Option<SocketAddr> {
        self.said
            .filter(|said| said.port() != 0 && !said.ip().is_unspecified())
    }
    /// Where packets go, or would go.
    pub(super) fn endpoint(&self) -> Option<SocketAddr> {
        self.learned.or(self.said)
    }
}

impl Binding {
    /// Its places: address, port and socket for RTP, those for RTCP.
    pub(super) fn places(&self) -> impl Iterator<Item = Alternate> {
        let own = Alternate {
            pool: self.pool,
            rtp: self.rtp.bound,
            rtcp: self.rtcp.as_ref().map(|rtcp| rtcp.bound),
        };
        std::iter::once(own).chain(self.alternates.iter().copied())
    }

    fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.places()
            .flat_map(|place| std::iter::once(place.rtp).chain(place.rtcp))
            .map(|bound| bound.socket)
    }
}

impl Local {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound,
            counters: Arc::default(),
            route: 0,
        }
    }
}
