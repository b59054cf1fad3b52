//! Which ports a party is shown: those of before, or new ones.

use std::net::SocketAddr;

use super::SessionError;
use super::call::{Alternate, Binding, Local, Media};
use super::interfaces::PoolId;
use super::ports::Bound;
use super::registry::Lease;
use super::signal::{Place, Signal};
use crate::ice::Agent;

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
        // One address among a binding's is enough: with ICE, they are all the party's to choose from.
        let serves = |binding: &Binding| {
            let mut places = binding.places();
            places.any(|at| self.interfaces.serves(at.pool, place.wanted))
        };
        let fits = |at: &usize| {
            let binding = &media.bindings[*at];
            (binding.rtcp.is_some() || !pair) && (!place.strict || serves(binding))
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

    /// Binds ports at the interface's other addresses, where the section's party is to be shown candidates at
    /// all of them. Addresses that have no port left are left out.
    pub(super) fn bind_alternates(&mut self, media: &mut Media, place: Place) {
        let Some(binding) = media.active.and_then(|at| media.bindings.get_mut(at)) else {
            return;
        };
        let known = |binding: &Binding, pool| binding.places().any(|place| place.pool == pool);
        for pool in self.interfaces.beside(binding.pool) {
            if binding.alternates.len() + 1 == Agent::MAX_LOCAL {
                break;
            }
            if known(binding, pool) {
                continue;
            }
            if let Some((rtp, rtcp)) = self.bind_at(pool, place, binding.rtcp.is_some()) {
                binding.alternates.push(Alternate { pool, rtp, rtcp });
            }
        }
    }

    fn bind_at(
        &mut self,
        pool: PoolId,
        place: Place,
        pair: bool,
    ) -> Option<(Bound, Option<Bound>)> {
        let ports = self.interfaces.ports(pool);
        let (rtp, rtcp) = ports
            .bind(self.plane, place.shard, place.options, pair)
            .ok()?;
        for bound in std::iter::once(rtp).chain(rtcp) {
            let port = bound.port;
            self.registry.lease(bound.socket, Lease { pool, port });
            self.fresh.push(bound.socket);
        }
        Some((rtp, rtcp))
    }

    fn allocate(&mut self, place: Place, pair: bool) -> Result<Binding, SessionError> {
        for pool in self.interfaces.candidates(place.wanted) {
            if let Some((rtp, rtcp)) = self.bind_at(pool, place, pair) {
                return Ok(Binding {
                    key: None,
                    pool,
                    rtp: Local::new(rtp),
                    rtcp: rtcp.map(Local::new),
                    alternates: Vec::new(),
                });
            }
        }
        Err(SessionError::OutOfPorts)
    }
}
