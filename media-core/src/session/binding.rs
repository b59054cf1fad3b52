//! Which ports a party is shown: those of before, or new ones.

use std::net::SocketAddr;

use super::SessionError;
use super::call::{Binding, Local, Media};
use super::registry::Lease;
use super::signal::{Place, Signal};

impl Signal<'_> {
    /// Ports that one section of one party may collect by changing its mind; then it keeps the last.
    const MAX_BINDINGS: usize = 16;

    /// Chooses the ports shown to `media`'s party, made for the `other` side's endpoint; binds
    /// new ones if none of its earlier ones will do.
    pub(super) fn bind(
        &mut self,
        media: &mut Media,
        place: Place,
        other: &Media,
        pair: bool,
    ) -> Result<(), SessionError> {
        let key = other.rtp.signalled();
        // With ICE the endpoint of a description is one of many.
        let latching = self
            .options
            .port_latching
            .unwrap_or(self.config.port_latching || other.ice.on)
            || media.bindings.len() >= Self::MAX_BINDINGS;
        let fits = |at: &usize| {
            let binding = &media.bindings[*at];
            (binding.rtcp.is_some() || !pair)
                && (!place.strict || self.interfaces.serves(binding.pool, place.wanted))
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
        if media.active.is_some_and(|before| before != at) {
            media.ice.renew();
        }
        media.active = Some(at);
        Ok(())
    }

    fn allocate(&mut self, place: Place, pair: bool) -> Result<Binding, SessionError> {
        for pool in self.interfaces.candidates(place.wanted) {
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
