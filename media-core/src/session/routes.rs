//! From the call model to the engine: each socket's whole route, restated where it changed.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Alternate, Call, Local, Media};
use super::interfaces::Interfaces;
use crate::engine::{self, Command, Component, LearnMode, Learning, Route, SinkAction};
use crate::media::transcode::{EventTypes, Plan};
use crate::units::SocketId;

/// Where one section's packets go.
#[derive(Clone, Copy, Default)]
struct Sinks {
    rtp: Option<SocketId>,
    rtcp: Option<SocketId>,
}

/// What of a party's packets gets through as it is.
#[derive(Clone, Copy, Hash)]
struct Passes {
    untouched: bool,
    feedback: bool,
}

/// Appends every route that differs from what the shard was told before.
pub(super) fn restate(
    call: &mut Call,
    interfaces: &Interfaces,
    hasher: &RandomState,
    commands: &mut Vec<Command>,
) {
    let tie_breaker = hasher.hash_one(call.key);
    for party in 0..call.parties.len() {
        // The shard knows nothing of a closed party's sockets any more.
        if call.parties[party].closed {
            continue;
        }
        for index in 0..call.parties[party].medias.len() {
            let sinks = sinks(call, party, index);
            let blocked = call.blocked || call.parties[party].blocked;
            let key = call.key;
            call.parties[party].medias[index].note_security();
            let passes = passes(call, party, index);
            let media = &mut call.parties[party].medias[index];
            let mut bindings = std::mem::take(&mut media.bindings);
            let locals = bindings.iter_mut().flat_map(|binding| {
                let address = interfaces.ports(binding.pool).address();
                let rtcp = binding.rtcp.as_mut().map(|local| (local, true));
                let alternates = &binding.alternates;
                let rtp = binding.rtp.bound.socket;
                std::iter::once((&mut binding.rtp, false))
                    .chain(rtcp)
                    .map(move |(local, is_rtcp)| (local, is_rtcp, rtp, address, alternates))
            });
            for (local, is_rtcp, rtp, address, alternates) in locals {
                let count = alternates.len();
                let restated = || Restated::new(media, is_rtcp, blocked, passes, sinks, count);
                let digest = hasher.hash_one(restated()).max(1);
                if local.route == digest {
                    continue;
                }
                local.route = digest;
                let address = SocketAddr::new(address, local.bound.port);
                let mut route = restated().route(key, local, media, is_rtcp);
                route.media = is_rtcp.then_some(rtp);
                route.ice = media.engine_ice(address, is_rtcp, tie_breaker);
                route.alternates = engine_alternates(alternates, is_rtcp, interfaces);
                commands.push(Command::Route {
                    socket: local.bound.socket,
                    route: Box::new(route),
                });
            }
            media.bindings = bindings;
        }
    }
}

/// A stream's further sockets.
fn engine_alternates(
    alternates: &[Alternate],
    is_rtcp: bool,
    interfaces: &Interfaces,
) -> Box<[engine::Alternate]> {
    let bound = |place: &Alternate| if is_rtcp { place.rtcp } else { Some(place.rtp) };
    let all = alternates.iter().filter_map(|place| {
        let bound = bound(place)?;
        Some(engine::Alternate {
            socket: bound.socket,
            address: SocketAddr::new(interfaces.ports(place.pool).address(), bound.port),
        })
    });
    all.collect()
}

/// The sockets towards whoever gets this party's media.
fn sinks(call: &Call, party: usize, index: usize) -> Sinks {
    let from = &call.parties[party];
    let to = from
        .peer
        .map(|peer| &call.parties[peer])
        .filter(|to| !to.closed);
    let media = to.and_then(|to| to.medias.get(index));
    let binding = media.and_then(Media::binding);
    let (Some(media), Some(binding), Some(_)) = (media, binding, from.medias[index].active) else {
        return Sinks::default();
    };
    let rtp = binding.rtp.bound.socket;
    Sinks {
        rtp: Some(rtp),
        rtcp: if media.mux.on {
            Some(rtp)
        } else {
            binding.rtcp.as_ref().map(|rtcp| rtcp.bound.socket)
        },
    }
}

/// What of a party's packets reaches whoever gets them.
fn passes(call: &Call, party: usize, index: usize) -> Passes {
    let from = &call.parties[party];
    let media = &from.medias[index];
    let to = from
        .peer
        .and_then(|peer| call.parties[peer].medias.get(index));
    Passes {
        untouched: to.is_some_and(|to| media.passes_untouched(to)),
        // Not to somebody whose profile has none (RFC 4585).
        feedback: !media.protocol.has_feedback() || to.is_none_or(|to| to.protocol.has_feedback()),
    }
}

/// What may change in a route; compared by its digest.
#[derive(Hash)]
struct Restated {
    component: u8,
    endpoint: Option<SocketAddr>,
    learning: (u8, bool, bool, u32),
    blocked: bool,
    passes: Passes,
    security: u32,
    pierce_nat: bool,
    rtp_sink: Option<SocketId>,
    rtcp_sink: Option<SocketId>,
    clocks: usize,
    /// The shard keeps the plan that it has, so that no other can stand in its place.
    transcode: usize,
    rtcp_interval: Option<Duration>,
    /// The same.
    events: usize,
    /// They only ever become more.
    alternates: usize,
}

impl Restated {
    fn new(
        media: &Media,
        is_rtcp: bool,
        blocked: bool,
        passes: Passes,
        sinks: Sinks,
        alternates: usize,
    ) -> Self {
        let stream = if is_rtcp { &media.rtcp } else { &media.rtp };
        let learning = learning(media);
        Self {
            component: component(media, is_rtcp) as u8,
            // With RTCP muxed nothing leaves through the second port, a handshake of its own least of all.
            endpoint: stream
                .signalled()
                .filter(|_| !(media.has_agent() || is_rtcp && media.mux.on)),
            learning: (
                learning.mode as u8,
                learning.strict_source,
                learning.media_handover,
                media.learn_epoch,
            ),
            blocked,
            passes,
            security: media.secured.version,
            pierce_nat: media.pierce_nat && stream.signalled().is_some(),
            // What is not RTP goes straight across on the second port, too.
            rtp_sink: match component(media, is_rtcp) {
                Component::Opaque if is_rtcp => sinks.rtcp,
                _ => sinks.rtp.filter(|_| !is_rtcp),
            },
            rtcp_sink: sinks.rtcp,
            clocks: Arc::as_ptr(&media.clocks) as usize,
            transcode: transcode(media, is_rtcp).map_or(0, |plan| Arc::as_ptr(plan) as usize),
            rtcp_interval: media.rtcp_interval.filter(|_| reports(media, is_rtcp)),
            events: events(media, is_rtcp).map_or(0, |types| Arc::as_ptr(types) as usize),
            alternates,
        }
    }

    /// All but ICE and what it has to do with other sockets.
    fn route(
        self,
        call: crate::units::CallKey,
        local: &Local,
        media: &Media,
        is_rtcp: bool,
    ) -> Route {
        let sink = |socket: Option<SocketId>| {
            engine::Sinks::from(socket.map(|socket| SinkAction { socket }))
        };
        Route {
            call,
            component: component(media, is_rtcp),
            endpoint: self.endpoint,
            learning: learning(media),
            learn_epoch: media.learn_epoch,
            blocked: self.blocked,
            pierce_nat: self.pierce_nat,
            rtp_sinks: sink(self.rtp_sink),
            rtcp_sinks: sink(self.rtcp_sink),
            protection: media.engine_protection(),
            untouched: self.passes.untouched,
            drops_feedback: !self.passes.feedback,
            transcode: transcode(media, is_rtcp).cloned(),
            events: events(media, is_rtcp).cloned(),
            ice: None,
            alternates: Box::default(),
            media: None,
            rtcp_interval: self.rtcp_interval,
            clocks: Arc::clone(&media.clocks),
            counters: Arc::clone(&local.counters),
        }
    }
}

/// What becomes of the party's RTP; keys that only the parties have leave nothing to do.
fn transcode(media: &Media, is_rtcp: bool) -> Option<&Arc<Plan>> {
    let plan = media.transcode.as_ref();
    plan.filter(|_| !is_rtcp && !media.ice.passthrough)
}

/// Do we report on the party's RTP ourselves, if asked to? Not under keys that only the parties have.
fn reports(media: &Media, is_rtcp: bool) -> bool {
    !is_rtcp && media.protocol.carries_rtp() && !media.ice.passthrough
}

/// What is listened to in the party's RTP.
fn events(media: &Media, is_rtcp: bool) -> Option<&Arc<EventTypes>> {
    let events = media.events.as_ref();
    events.filter(|_| !is_rtcp && !media.ice.passthrough)
}

/// Of a party that has not described the section nothing is learned: whoever finds the port first
/// would be sent the other side's media.
fn learning(media: &Media) -> Learning {
    let mut learning = media.learning;
    if !media.described || media.has_agent() {
        learning.mode = LearnMode::Off;
    }
    learning
}

fn component(media: &Media, is_rtcp: bool) -> Component {
    match () {
        () if !media.protocol.carries_rtp() => Component::Opaque,
        () if is_rtcp => Component::Rtcp,
        () if media.mux.on => Component::RtpAndRtcp,
        () => Component::Rtp,
    }
}
