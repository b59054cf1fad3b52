//! An offer or an answer changes a call: its parties' media, their ports, and the text that the
//! other side gets. `speaker` sent the description, `listener` gets the rewritten one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::call::{Binding, Call, Local, Media, Participant};
use super::interfaces::{InterfaceId, Interfaces, PoolId};
use super::mux;
use super::registry::{Lease, Registry};
use super::{Options, SessionConfig, SessionError, TransportProtocol, Warning};
use crate::engine::{LearnMode, Learning};
use crate::engine::{MediaPlane, SocketOptions};
use crate::sdp::{
    Codec, Direction, LocalMedia, LocalRtcp, MediaDescription, MediaParams, OfferedCodecs,
    Protocol, Section, SessionDescription, generated_mid, rewrite,
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
    Shown(Shown),
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
}

/// What new sockets of one party are bound with.
#[derive(Clone, Copy)]
struct Place {
    shard: ShardId,
    interface: InterfaceId,
    v6: bool,
    /// Ports elsewhere will not do.
    strict: bool,
    options: SocketOptions,
}

impl Signal<'_> {
    /// Ports that one section of one party may collect by changing its mind; then it keeps the last.
    const MAX_BINDINGS: usize = 16;

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
        let said_v6 = description.media().first().map(|m| m.address().is_ipv6());
        let own_v6 = self.source().map(|source| source.is_ipv6()).or(said_v6);
        // The listener first, as with ports: round robin deals in this order.
        self.place(told, 1, self.options.address_family_v6);
        self.place(said, 0, own_v6);
        told.family_v6 = told.family_v6.or(said_v6);
        if let Some(TransportProtocol::Secure(profile)) = self.options.transport_protocol {
            self.warnings.push(Warning::NoSrtp(profile));
        }

        let mut planned = Vec::with_capacity(description.media().len());
        let mut index = 0;
        for (section, params) in description.media().iter().zip(description.params()) {
            index += told.unshown_from(index, &mut planned);
            for party in [&mut *said, &mut *told] {
                if party.medias.len() <= index {
                    // Most calls have one section for ever: room for one, not for four.
                    party.medias.reserve_exact(1);
                    party.medias.push(Media::new(&params, self.unix));
                }
            }
            let place = |party: &Participant, strict| Place {
                shard,
                interface: party.interface.unwrap_or_default(),
                v6: party.family_v6.unwrap_or(false),
                // What the speaker was told before holds until it is told something else.
                strict,
                options: SocketOptions { tos },
            };
            let places = [place(said, false), place(told, true)];
            let medias = [&mut said.medias[index], &mut told.medias[index]];
            index += 1;
            if self.is_left_out(medias[0], section) {
                for media in medias {
                    media.active = None;
                }
                planned.push(Planned::LeftOut);
            } else {
                let shown = self.section(medias, places, index, &params)?;
                planned.push(Planned::Shown(shown));
            }
        }
        told.unshown_from(index, &mut planned);
        let address = planned.iter().find_map(|section| match section {
            Planned::Shown(shown) => Some(shown.address),
            _ => None,
        });
        let address = address.unwrap_or_else(|| {
            let interface = told.interface.unwrap_or_default();
            let pool = self
                .interfaces
                .first(interface, told.family_v6.unwrap_or(false));
            self.shown_address(pool)
        });
        let sections: Vec<Section<'_>> = planned.iter().map(Planned::section).collect();
        rewrite(
            description,
            &self.options.sdp,
            address,
            &sections,
            self.loop_id,
            &mut told.sent,
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

    /// Interface and address family towards a party; `side` is its place in `direction`.
    fn place(&mut self, party: &mut Participant, side: usize, family: Option<bool>) {
        let options = self.options;
        let own = [&options.from_interface, &options.to_interface][side];
        let mut family = family;
        if let Some(name) = own.as_ref().or(options.direction[side].as_ref()) {
            if let Some(chosen) = self.interfaces.choose(name, party.interface) {
                party.interface = Some(chosen.interface);
                family = family.or(chosen.family_v6);
            } else {
                party.interface = None;
                let warning = Warning::UnknownInterface(name.clone());
                self.warnings.push(warning);
            }
        }
        party.family_v6 = family.or(party.family_v6);
    }

    /// One section: `[speaker's, listener's]`, the call's `number`th from 1.
    fn section(
        &mut self,
        [said, told]: [&mut Media; 2],
        [said_place, told_place]: [Place; 2],
        number: usize,
        params: &MediaParams,
    ) -> Result<Shown, SessionError> {
        // A side that was given a protocol of its own keeps it.
        let bridged = told.protocol != said.protocol;
        self.hear(said, params);
        told.direction = reversed(params.direction);
        let (announced, pairs, codecs, mid, dead);
        match self.role {
            Role::Offer => {
                let options = self.options.sdp.rtcp_mux;
                announced = mux::hear_offer(&mut said.mux, told.mux.on, params.rtcp_mux, options);
                pairs = [!said.mux.on, !announced.same_port];
                said.offered = OfferedCodecs::new(&params.codecs, &self.options.sdp.codec);
                codecs = said.offered.shown().to_vec();
                // What the listener knows the section by stays, whoever thought of it.
                told.mid = match &params.mid {
                    Some(mid) => Some(mid.clone()),
                    None if told.mid.is_none() && self.options.sdp.generate_mid => {
                        Some(generated_mid(number))
                    }
                    None => told.mid.take(),
                };
                said.ptime_ms = params.ptime_ms;
                said.ptime_reverse_ms = self.options.sdp.ptime_reverse_ms;
                mid = told.mid.clone();
                told.kind.clone_from(&said.kind);
                self.tell_protocol(told, &params.protocol, bridged);
                dead = params.rejected;
            }
            Role::Answer => {
                self.answer_protocol(told, &params.protocol);
                announced = mux::hear_answer(&mut told.mux, &mut said.mux, params.rtcp_mux);
                pairs = [!said.mux.on && !told.mux.far_single, !told.mux.on];
                codecs = told.offered.answer(&params.codecs, &self.options.sdp.codec);
                mid = told.mid.clone();
                dead = params.rejected || told.rejected;
            }
        }
        said.merge_clocks(told, params);
        let mut shown = Shown {
            address: self.shown_address(self.interfaces.first(told_place.interface, told_place.v6)),
            port: 0,
            rtcp: LocalRtcp {
                port: 0,
                mux: announced.mux,
            },
            protocol: told.protocol.clone(),
            codecs,
            ptime_ms: self.ptime(told, params.ptime_ms),
            mid,
        };
        if dead {
            said.active = None;
            told.active = None;
            return Ok(shown);
        }
        let [said_pair, told_pair] = pairs.map(|pair| pair && params.protocol.carries_rtp());
        // The listener's ports first, as rtpengine does: users know them as the lower ones.
        self.bind(told, told_place, said.rtp.signalled, told_pair)?;
        self.bind(said, said_place, told.rtp.signalled, said_pair)?;
        if let Some(binding) = told.binding() {
            shown.address = self.shown_address(binding.pool);
            shown.port = binding.rtp.bound.port;
            let rtcp = binding.rtcp.as_ref().filter(|_| !announced.same_port);
            shown.rtcp.port = rtcp.unwrap_or(&binding.rtp).bound.port;
        }
        Ok(shown)
    }

    /// Where the speaker's signalling came from, if that is to be believed rather than its words.
    fn source(&self) -> Option<IpAddr> {
        let options = self.options;
        let trusted = options.trust_address.unwrap_or(self.config.trust_address);
        options.received_from.filter(|_| !trusted)
    }

    /// What the speaker said about itself.
    fn hear(&self, media: &mut Media, params: &MediaParams) {
        let options = self.options;
        let source = self.source();
        let seen = |address: SocketAddr| match source {
            Some(ip) => SocketAddr::new(ip, address.port()),
            None => address,
        };
        media.described = true;
        media.kind = String::from_utf8_lossy(&params.media_type).into();
        media.protocol = params.protocol.clone();
        media.rejected = params.rejected;
        media.direction = params.direction;
        let rtp = params.rtp.map(seen);
        // A side that muxes may yet have to fall back to two ports.
        let changed = media.rtp.signal(rtp) | media.rtcp.signal(params.rtcp.map(seen));
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
        media.pierce_nat = options.pierce_nat;
        media.encodings = encodings(&params.codecs);
        if let Some(mid) = &params.mid {
            media.mid = Some(mid.clone());
        }
    }

    fn tell_protocol(&self, told: &mut Media, offered: &Protocol, bridged: bool) {
        told.protocol = match self.options.transport_protocol {
            Some(TransportProtocol::RtpAvp) if offered.carries_rtp() => Protocol::RtpAvp,
            Some(TransportProtocol::RtpAvpf) if offered.carries_rtp() => Protocol::RtpAvpf,
            _ if bridged && offered.carries_rtp() && told.protocol.carries_rtp() => return,
            _ => offered.clone(),
        };
    }

    /// The offerer is answered in the protocol that it offered, unless the controller says otherwise.
    fn answer_protocol(&self, told: &mut Media, answered: &Protocol) {
        let asked = match self.options.transport_protocol {
            Some(TransportProtocol::RtpAvp) => &Protocol::RtpAvp,
            Some(TransportProtocol::RtpAvpf) => &Protocol::RtpAvpf,
            Some(TransportProtocol::Accept) => answered,
            Some(TransportProtocol::Secure(_)) | None => return,
        };
        if answered.carries_rtp() && told.protocol.carries_rtp() {
            told.protocol.clone_from(asked);
        }
    }

    /// `told`'s own wish, made with its offer, goes before what was said to it.
    fn ptime(&self, told: &Media, said: Option<u32>) -> Option<u32> {
        match self.role {
            Role::Offer => self.options.sdp.ptime_ms.or(said),
            Role::Answer => told.ptime_reverse_ms.or(said).or(told.ptime_ms),
        }
    }

    fn shown_address(&self, pool: PoolId) -> IpAddr {
        self.options
            .media_address
            .unwrap_or_else(|| self.interfaces.advertised(pool))
    }

    /// Chooses the ports shown to `media`'s party, made for the other side's endpoint `key`; binds
    /// new ones if none of its earlier ones will do.
    fn bind(
        &mut self,
        media: &mut Media,
        place: Place,
        key: Option<SocketAddr>,
        pair: bool,
    ) -> Result<(), SessionError> {
        let latching = self
            .options
            .port_latching
            .unwrap_or(self.config.port_latching)
            || media.bindings.len() >= Self::MAX_BINDINGS;
        let fits = |at: &usize| {
            let binding = &media.bindings[*at];
            (binding.rtcp.is_some() || !pair)
                && (!place.strict
                    || self
                        .interfaces
                        .serves(binding.pool, place.interface, place.v6))
        };
        let find = |wanted: Option<SocketAddr>| {
            let all = media.bindings.iter().enumerate().rev();
            let mut same = all.filter(|(_, binding)| binding.key == wanted);
            same.find(|(at, _)| fits(at)).map(|(at, _)| at)
        };
        let active = media.active.filter(fits);
        let found = match key {
            Some(_) => find(key)
                .or_else(|| find(None))
                .or(active.filter(|_| latching)),
            None => active.or_else(|| (0..media.bindings.len()).rev().find(fits)),
        };
        let at = if let Some(at) = found {
            at
        } else {
            let binding = self.allocate(place, pair)?;
            media.bindings.reserve_exact(1);
            media.bindings.push(binding);
            media.bindings.len() - 1
        };
        let binding = &mut media.bindings[at];
        binding.key = key.or(binding.key);
        media.active = Some(at);
        Ok(())
    }

    fn allocate(&mut self, place: Place, pair: bool) -> Result<Binding, SessionError> {
        for pool in self.interfaces.candidates(place.interface, place.v6) {
            let ports = self.interfaces.ports(pool);
            let Ok((rtp, rtcp)) = ports.bind(self.plane, place.shard, place.options, pair) else {
                continue;
            };
            for bound in std::iter::once(rtp).chain(rtcp) {
                let port = bound.port;
                self.registry.lease(bound.socket, Lease { pool, port });
                self.fresh.push(bound.socket);
            }
            return Ok(Binding {
                key: None,
                pool,
                rtp: Local::new(rtp),
                rtcp: rtcp.map(Local::new),
            });
        }
        Err(SessionError::OutOfPorts)
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
