//! An offer or an answer changes a call: its parties' media, their ports, and the text that the
//! other side gets. `speaker` sent the description, `listener` gets the rewritten one.

use std::net::IpAddr;
use std::time::Duration;

use super::call::{Call, Media, Participant};
use super::identity::Identity;
use super::interfaces::{Interfaces, PoolId, Wanted};
use super::mux;
use super::registry::Registry;
use super::secure::ShownSecurity;
use super::transcode::plan_early;
use super::{Options, SessionConfig, SessionError, TransportProtocol, Warning};
use crate::dtls::Certificate;
use crate::engine::{LearnMode, Learning};
use crate::engine::{MediaPlane, SocketOptions};
use crate::sdp::{
    Codec, Direction, LocalMedia, LocalRtcp, MediaDescription, MediaParams, Protocol, Section,
    SessionDescription, generated_mid, rewrite,
};
use crate::units::{ShardId, SocketId};

/// Which of the two descriptions it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Offer,
    Answer,
}

/// What carrying out a description needs besides the call.
pub(super) struct Signal<'a> {
    pub(super) config: &'a SessionConfig,
    pub(super) plane: &'a dyn MediaPlane,
    pub(super) interfaces: &'a Interfaces,
    pub(super) registry: &'a Registry,
    pub(super) identity: &'a Identity,
    /// For a party that was told of none yet.
    pub(super) certificate: Option<Certificate>,
    pub(super) loop_id: &'a str,
    pub(super) options: &'a Options,
    pub(super) role: Role,
    /// Since 1970.
    pub(super) unix: Duration,
    /// Sockets bound so far, to be closed if the request fails.
    pub(super) fresh: Vec<SocketId>,
    pub(super) warnings: Vec<Warning>,
}

/// One section of the description to be written; [`Section`] borrows from it.
enum Planned {
    Shown(Box<Shown>),
    LeftOut,
    /// The listener's own section, which the speaker does not know.
    Unknown(Box<[u8]>),
}

/// What we put into a section; [`LocalMedia`] borrows from it.
struct Shown {
    address: IpAddr,
    port: u16,
    rtcp: LocalRtcp,
    protocol: Protocol,
    codecs: Vec<Codec>,
    ptime_ms: Option<u32>,
    mid: Option<Box<[u8]>>,
    security: ShownSecurity,
}

/// What new sockets of one party are bound with.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) shard: ShardId,
    pub(super) wanted: Wanted,
    /// Ports elsewhere will not do.
    pub(super) strict: bool,
    pub(super) options: SocketOptions,
}

impl Signal<'_> {
    /// Carries the description out; the text for the listener comes out.
    pub(super) fn describe(
        &mut self,
        call: &mut Call,
        speaker: usize,
        listener: usize,
        description: &SessionDescription<'_>,
    ) -> Result<Vec<u8>, SessionError> {
        let tos = *call.tos.get_or_insert(self.config.tos);
        let tos = self.options.tos.unwrap_or(tos);
        call.tos = Some(tos);
        call.delete_delay = self.options.delete_delay.or(call.delete_delay);
        let shard = call.shard;
        let Ok([said, told]) = call.parties.get_disjoint_mut([speaker, listener]) else {
            return Err(SessionError::InvalidDialogue);
        };
        if let Some(label) = &self.options.label {
            said.label = Some(label.as_str().into());
        }
        let said_v6 = description
            .media()
            .first()
            .is_some_and(|m| m.address().is_ipv6());
        let mut place = |party: &mut Participant, side| Place {
            shard,
            wanted: self.place(party, side, said_v6),
            // What the speaker was told before holds until it is told something else.
            strict: side == 1,
            options: SocketOptions { tos },
        };
        // The listener first, as with ports: round robin deals in this order.
        let told_place = place(told, 1);
        let places = [place(said, 0), told_place];

        let mut planned = Vec::with_capacity(description.media().len());
        let mut index = 0;
        for (section, params) in description.media().iter().zip(description.params()) {
            index += told.unshown_from(index, &mut planned);
            for party in [&mut *said, &mut *told] {
                if party.medias.len() <= index {
                    // Most calls have one section for ever: room for one, not for four.
                    party.medias.reserve_exact(1);
                    let media = Media::new(&params, party.far, self.unix);
                    party.medias.push(media);
                }
            }
            let medias = [&mut said.medias[index], &mut told.medias[index]];
            index += 1;
            if self.is_left_out(medias[0], section) {
                for media in medias {
                    media.active = None;
                }
                planned.push(Planned::LeftOut);
            } else {
                let shown = self.section(medias, places, index, &params)?;
                planned.push(Planned::Shown(Box::new(shown)));
            }
        }
        told.unshown_from(index, &mut planned);
        let address = planned.iter().find_map(|section| match section {
            Planned::Shown(shown) => Some(shown.address),
            _ => None,
        });
        let address =
            address.unwrap_or_else(|| self.shown_address(self.interfaces.first(places[1].wanted)));
        let sections: Vec<Section<'_>> = planned.iter().map(Planned::section).collect();
        rewrite(
            description,
            &self.options.sdp,
            address,
            &sections,
            self.loop_id,
            &mut said.sent,
        )
        .map_err(|_| SessionError::SdpRewrite)
    }

    /// Does the listener not get to see this section of the speaker's? An answer is about what was
    /// offered, so only an offer decides.
    fn is_left_out(&self, said: &mut Media, section: &MediaDescription<'_>) -> bool {
        if self.role == Role::Offer {
            let removed = self.options.sdp.removes(section);
            said.unshown = removed.then(|| section.rejection());
        }
        said.unshown.is_some()
    }

    /// Interface and address family towards a party; `side` is its place in `direction`. Both are
    /// kept for the call. The family is that of the party's last description, or before there is
    /// one that of the first it gets, until `address family` says otherwise.
    fn place(&mut self, party: &mut Participant, side: usize, said_v6: bool) -> Wanted {
        let options = self.options;
        let asked = options.address_family_v6.filter(|_| side == 1);
        let known = party.family_v6.filter(|_| side == 1);
        let family = asked.or(known).unwrap_or(said_v6);
        party.family_v6 = Some(family);
        let mut wanted = Wanted {
            interface: party.interface.unwrap_or_default(),
            named: false,
            v6: family,
        };
        let own = [&options.from_interface, &options.to_interface][side];
        if let Some(name) = own.as_ref().or(options.direction[side].as_ref()) {
            let chosen = self.interfaces.choose(name, party.interface);
            party.interface = chosen.map(|chosen| chosen.interface);
            wanted.interface = party.interface.unwrap_or_default();
            match chosen.map(|chosen| chosen.family_v6) {
                Some(Some(v6)) => wanted.v6 = asked.unwrap_or(v6),
                Some(None) => wanted.named = true,
                None => {
                    let warning = Warning::UnknownInterface(name.clone());
                    self.warnings.push(warning);
                }
            }
        }
        wanted
    }

    /// One section: `[speaker's, listener's]`, the call's `number`th from 1.
    fn section(
        &mut self,
        [said, told]: [&mut Media; 2],
        [said_place, told_place]: [Place; 2],
        number: usize,
        params: &MediaParams,
    ) -> Result<Shown, SessionError> {
        // A side that was given a protocol of its own keeps it while the other keeps its own.
        let bridged = told.protocol != said.protocol && params.protocol == said.protocol;
        let shown_protocol = said.protocol.clone();
        said.controlling &= said.described || self.role == Role::Answer;
        let restarted = self.hear_security(said, params);
        self.hear(said, params);
        if restarted {
            (said.controlling, told.controlling) = (false, true);
        }
        told.direction = reversed(params.direction);
        let (announced, pairs, dead);
        let mut codecs = Vec::new();
        match self.role {
            Role::Offer => {
                let options = self.options.sdp.rtcp_mux;
                announced = mux::hear_offer(&mut said.mux, told.mux.on, params.rtcp_mux, options);
                pairs = [!said.mux.on, !announced.same_port];
                (said.mux.pending, told.mux.pending) = (params.rtcp_mux, announced.mux);
                codecs = self.offer_codecs(said, told, params);
                // What the listener knows the section by stays, whoever thought of it.
                if params.mid.is_some() {
                    told.mid.clone_from(&params.mid);
                } else if told.mid.is_none() {
                    let generate = self.options.sdp.generate_mid;
                    let own = said.mid.clone();
                    told.mid = own.or_else(|| generate.then(|| generated_mid(number)));
                }
                said.ptime_reverse_ms = self.options.sdp.ptime_reverse_ms;
                told.kind.clone_from(&said.kind);
                if !told.described {
                    told.encodings.clone_from(&said.encodings);
                }
                self.tell_protocol(told, &params.protocol, bridged);
                dead = params.rejected || said.offered.is_emptied();
                said.answer_passive = self.options.dtls_reverse_passive;
                if !dead {
                    self.offer_security(said, told, params);
                }
            }
            Role::Answer => {
                let offered = told.protocol.clone();
                self.answer_protocol(told, &params.protocol, &shown_protocol);
                announced = mux::hear_answer(&mut told.mux, &mut said.mux, params.rtcp_mux);
                pairs = [!said.mux.on && !told.mux.far_single, !told.mux.on];
                (said.mux.pending, told.mux.pending) = (false, false);
                dead = params.rejected || told.rejected;
                if !dead {
                    self.answer_security(said, told, &offered);
                }
            }
        }
        if let Some(generates) = self.options.generate_rtcp {
            let interval = generates.then_some(self.config.rtcp_interval);
            (said.rtcp_interval, told.rtcp_interval) = (interval, interval);
        }
        said.merge_clocks(told, params);
        let ptime_ms = self.ptime(said, told, params.ptime_ms);
        match self.role {
            Role::Offer => plan_early(said, told),
            Role::Answer => codecs = self.answer_codecs(said, told, params),
        }
        let mut shown = Shown {
            address: self.shown_address(self.interfaces.first(told_place.wanted)),
            port: 0,
            rtcp: LocalRtcp {
                port: 0,
                mux: announced.mux,
            },
            protocol: told.protocol.clone(),
            codecs,
            ptime_ms,
            mid: told.mid.clone(),
            security: ShownSecurity::default(),
        };
        if dead {
            said.active = None;
            told.active = None;
            return Ok(shown);
        }
        let [said_pair, told_pair] = pairs;
        // The listener's ports first, as rtpengine does: users know them as the lower ones.
        self.bind(told, told_place, said, told_pair)?;
        self.bind(said, said_place, told, said_pair)?;
        if told.ice.on {
            self.bind_alternates(told, told_place);
        }
        if !told.ice.on || told.ice.passthrough {
            (told.rtp.selected, told.rtcp.selected) = (None, None);
        }
        if let Some(place) = told.place(false) {
            shown.address = self.shown_address(place.pool);
            shown.port = place.rtp.port;
            let rtcp = told.place(true).and_then(|place| place.rtcp);
            let rtcp = rtcp.filter(|_| !announced.same_port);
            shown.rtcp.port = rtcp.map_or(shown.port, |rtcp| rtcp.port);
            let has_second = rtcp.is_some() && told.protocol.carries_rtp();
            let components = if has_second { 2 } else { 1 };
            let beside = &params.ice.candidates;
            shown.security = self.shown_security(told, components, beside);
        }
        Ok(shown)
    }

    /// What the speaker said about itself.
    fn hear(&self, media: &mut Media, params: &MediaParams) {
        let options = self.options;
        media.described = true;
        media.kind = String::from_utf8_lossy(&params.media_type).into();
        media.protocol = params.protocol.clone();
        media.rejected = params.rejected;
        media.direction = params.direction;
        // A side that muxes may yet have to fall back to two ports.
        let changed = if media.ice.settled {
            media.rtp.note(Some(params.rtp));
            media.rtcp.note(params.rtcp);
            false
        } else {
            media.rtp.signal(Some(params.rtp)) | media.rtcp.signal(params.rtcp)
        };
        media.learn_epoch = media.learn_epoch.wrapping_add(u32::from(changed));
        media.learning = Learning {
            mode: if options.asymmetric {
                LearnMode::Off
            } else {
                options
                    .endpoint_learning
                    .unwrap_or(self.config.endpoint_learning)
            },
            strict_source: options.strict_source,
            media_handover: options.media_handover,
        };
        media.asymmetric = options.asymmetric;
        media.recrypt = options.recrypt;
        media.pierce_nat = options.pierce_nat;
        media.unidirectional = options.unidirectional;
        media.encodings = encodings(&params.codecs);
        if params.mid.is_some() {
            media.mid.clone_from(&params.mid);
        }
    }

    fn tell_protocol(&self, told: &mut Media, offered: &Protocol, bridged: bool) {
        let asked = self.options.transport_protocol;
        told.protocol = match asked.and_then(TransportProtocol::protocol) {
            Some(asked) if offered.carries_rtp() => asked,
            _ if bridged && offered.carries_rtp() && told.protocol.carries_rtp() => return,
            _ => offered.clone(),
        };
    }

    /// The offerer is answered in the protocol that it offered, unless the controller says otherwise.
    /// `shown`: the one that was offered to the answerer.
    fn answer_protocol(&self, told: &mut Media, answered: &Protocol, shown: &Protocol) {
        let asked = match self.options.transport_protocol {
            // The answerer's choice counts if it is one.
            Some(TransportProtocol::Accept) if answered != shown => answered.clone(),
            Some(other) => match other.protocol() {
                Some(asked) => asked,
                None => return,
            },
            None => return,
        };
        if answered.carries_rtp() && told.protocol.carries_rtp() {
            told.protocol = asked;
        }
    }

    /// What is asked for goes before what is said, and that before what was said last. `told`'s wish
    /// came with its offer; in an answer none can be made.
    fn ptime(&self, said: &mut Media, told: &mut Media, written: Option<u32>) -> Option<u32> {
        let asked = match self.role {
            Role::Offer => self.options.sdp.ptime_ms,
            Role::Answer => told.ptime_reverse_ms,
        };
        // Who was offered what the controller wanted has no say.
        let forced = self.role == Role::Answer && said.ptime_forced;
        let written = written.filter(|_| !forced);
        said.ptime_ms = written.or(said.ptime_ms);
        told.ptime_forced = self.role == Role::Offer && asked.is_some();
        let fall_back = said.ptime_ms.filter(|_| !forced);
        told.ptime_ms = asked.or(written).or(told.ptime_ms).or(fall_back);
        told.ptime_ms
    }

    pub(super) fn shown_address(&self, pool: PoolId) -> IpAddr {
        self.options
            .media_address
            .unwrap_or_else(|| self.interfaces.advertised(pool))
    }
}

impl Planned {
    fn section(&self) -> Section<'_> {
        match self {
            Planned::Shown(shown) => Section::Shown(shown.local()),
            Planned::LeftOut => Section::LeftOut,
            Planned::Unknown(line) => Section::Rejected(line),
        }
    }
}

impl Participant {
    /// Plans the sections from `index` on that the speaker was never shown: it cannot accept them.
    /// RFC 3264 §6 wants each to be answered in its place.
    fn unshown_from(&self, index: usize, planned: &mut Vec<Planned>) -> usize {
        let rest = self.medias.get(index..).unwrap_or_default();
        let before = planned.len();
        let unshown = rest.iter().map_while(|media| media.unshown.clone());
        planned.extend(unshown.map(Planned::Unknown));
        planned.len() - before
    }
}

impl Shown {
    fn local(&self) -> LocalMedia<'_> {
        LocalMedia {
            address: self.address,
            port: self.port,
            rtcp: self.rtcp,
            protocol: &self.protocol,
            codecs: &self.codecs,
            ptime_ms: self.ptime_ms,
            mid: self.mid.as_deref(),
            security: self.security.local(),
        }
    }
}

/// The same direction, seen from the other side.
const fn reversed(direction: Direction) -> Direction {
    match direction {
        Direction::SendOnly => Direction::RecvOnly,
        Direction::RecvOnly => Direction::SendOnly,
        same => same,
    }
}

/// `0 PCMU/8000`, one per line.
fn encodings(codecs: &[Codec]) -> Box<str> {
    use std::fmt::Write;
    let mut text = String::with_capacity(codecs.len() * 20);
    for codec in codecs {
        let name = String::from_utf8_lossy(&codec.name);
        let clock = codec.clock_rate.map_or(0, crate::units::ClockRate::get);
        // Writing to a String cannot fail.
        let _ = write!(text, "{} {name}/{clock}", codec.payload_type.get());
        if codec.channels > 1 {
            let _ = write!(text, "/{}", codec.channels);
        }
        text.push('\n');
    }
    text.into()
}
