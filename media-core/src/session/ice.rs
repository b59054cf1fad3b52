//! ICE in descriptions (RFC 8839): whose it is, with which credentials, and our candidates.

use std::net::IpAddr;

use super::entropy::{self, Entropy};
use super::security::{Ice, IceSettings};
use super::signal::Role;
use crate::ice::{Candidate, CandidateAddress, CandidateType, Component, Transport};
use crate::sdp::{IceCredentials, IceOption, IceParams, MediaParams};

/// ICE of one section, seen from one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each with its own attribute"
)]
pub(super) struct IceState {
    /// ICE is in use, or on offer.
    pub(super) on: bool,
    /// The other side's ICE passes to this party.
    pub(super) passthrough: bool,
    /// Whoever describes itself here, or is described, may add candidates.
    pub(super) trickle: bool,
    /// We are lite towards the party.
    pub(super) lite: bool,
    /// It has had ICE before, too: checks say where it is, and not its descriptions.
    pub(super) settled: bool,
    /// Our credentials towards it.
    local: Option<IceCredentials>,
    /// What it said.
    remote: IceParams,
    session: u32,
}

/// What one description does to ICE.
#[derive(Clone, Copy, Debug)]
pub(super) struct IceWishes {
    pub(super) option: IceOption,
    /// `reject ICE`.
    pub(super) reject: bool,
    /// `trickle ICE`.
    pub(super) trickle: bool,
    /// `ICE-lite` as it concerns this description.
    pub(super) lite: Option<bool>,
}

impl IceState {
    const UFRAG_LEN: usize = 8;
    const PWD_LEN: usize = 26;

    /// The party has described itself. `true`: it has restarted.
    pub(super) fn hear(&mut self, params: &MediaParams, role: Role, wishes: IceWishes) -> bool {
        if params.rejected {
            return false;
        }
        let ice = &params.ice;
        let has_ice = ice.ufrag.is_some() && !wishes.reject;
        let known = self.remote.ufrag.is_some();
        let same = self.remote.ufrag == ice.ufrag && self.remote.pwd == ice.pwd;
        let changed = known && has_ice && !same;
        let restarted = changed && role == Role::Offer;
        if restarted {
            self.local = None;
        }
        if changed {
            self.session = self.session.wrapping_add(1);
        }
        self.settled = self.on && has_ice && known && !restarted;
        self.on = has_ice;
        self.trickle = has_ice && ice.trickle;
        if has_ice {
            self.remote = ice.clone();
        }
        restarted
    }

    /// Our ports for the party are other ones: whatever was found out about them is void.
    pub(super) fn renew(&mut self) {
        if self.local.take().is_some() {
            self.session = self.session.wrapping_add(1);
        }
    }

    /// The party is offered ICE, or not. `described`: it has said before what it wants.
    pub(super) fn offer(
        &mut self,
        said: &mut Self,
        offered: bool,
        described: bool,
        wishes: IceWishes,
    ) {
        self.on = match wishes.option {
            IceOption::Remove => false,
            IceOption::Force | IceOption::ForceRelay | IceOption::Optional => true,
            IceOption::Default if described => self.on,
            IceOption::Default => self.on || offered,
        };
        // Whoever has trickled may be trickled to.
        self.trickle |= wishes.trickle;
        self.lite = wishes.lite.unwrap_or(self.lite);
        let passes = match wishes.option {
            IceOption::Optional | IceOption::ForceRelay => true,
            IceOption::Default => self.passthrough,
            IceOption::Force | IceOption::Remove => false,
        };
        self.passthrough = passes && said.on;
        said.passthrough = self.passthrough;
    }

    /// The party's offer is answered with ICE, or not.
    pub(super) fn answer(&mut self, said: &mut Self, wishes: IceWishes) {
        match wishes.option {
            IceOption::Remove => self.on = false,
            IceOption::Force => self.on = true,
            IceOption::Optional | IceOption::ForceRelay => {
                self.passthrough |= said.on;
                said.passthrough = self.passthrough;
                self.on = said.on;
            }
            IceOption::Default => {}
        }
        self.lite = wishes.lite.unwrap_or(self.lite);
    }

    /// Our credentials towards the party, made when they are first needed.
    pub(super) fn credentials(&mut self, entropy: &dyn Entropy) -> &IceCredentials {
        self.local.get_or_insert_with(|| IceCredentials {
            ufrag: entropy::alphanumeric(entropy, Self::UFRAG_LEN),
            pwd: entropy::alphanumeric(entropy, Self::PWD_LEN),
        })
    }

    /// Has the party restarted, and was it not told our new credentials yet?
    pub(super) const fn awaits_answer(&self) -> bool {
        self.on && !self.passthrough && self.local.is_none()
    }

    /// Counts restarts.
    pub(super) const fn session(&self) -> u32 {
        self.session
    }

    /// For whoever makes it work.
    pub(super) fn settings(&self, controlling: bool) -> Ice {
        match &self.local {
            _ if !self.on => Ice::Off,
            _ if self.passthrough => Ice::PassThrough,
            None => Ice::Off,
            Some(local) => Ice::Agent(Box::new(IceSettings {
                controlling: controlling && !self.lite,
                lite: self.lite,
                local: local.clone(),
                remote: self.remote.credentials(),
                remote_lite: self.remote.lite,
                trickle: self.trickle,
                candidates: self.remote.candidates.clone(),
                end_of_candidates: self.remote.end_of_candidates,
                session: self.session,
            })),
        }
    }
}

/// Where one of our candidates is.
#[derive(Clone, Copy, Debug)]
pub(super) struct CandidatePlace<'a> {
    pub(super) foundation: &'a str,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) component: Component,
    /// Of our addresses the best has 0, the next one 1.
    pub(super) order: u32,
}

/// Our candidates. As relay (`ICE=force-relay`) they have the lowest preference; beside those of the other
/// side, which pass, a place among those.
pub(super) fn candidates<'a>(
    places: impl Iterator<Item = CandidatePlace<'a>>,
    relay: bool,
    beside: Option<&[Candidate]>,
) -> Vec<Candidate> {
    let typ = if relay {
        CandidateType::Relayed
    } else {
        CandidateType::Host
    };
    let preference = beside
        .and_then(|theirs| preference_beside(theirs, &typ))
        .unwrap_or(if relay { 0 } else { HOST_PREFERENCE << 16 } | LOCAL_PREFERENCE);
    places
        .map(|place| {
            let CandidatePlace {
                component, port, ..
            } = place;
            let address = CandidateAddress::Ip(place.address);
            // Below the lowest local preference, that is the type below's highest: rtpengine writes what is
            // no priority there (RFC 8839 §5.1 ends them at 2³¹ − 1).
            let preference = preference.saturating_sub(place.order);
            Candidate {
                foundation: place.foundation.into(),
                component,
                transport: Transport::Udp,
                priority: (preference << 8) | 256_u32.saturating_sub(component.get().into()),
                port,
                typ: typ.clone(),
                related: relay.then(|| (address.clone(), port)),
                address,
                extensions: Vec::new(),
            }
        })
        .collect()
}

/// RFC 8445 §5.1.2.2.
const HOST_PREFERENCE: u32 = 126;
/// RFC 8445 §5.1.2.1, of a host with one address.
const LOCAL_PREFERENCE: u32 = 65535;

/// Type and local preference beside the lowest of theirs of our kind, as rtpengine works it out: the
/// next local preference, or else the type below with none.
fn preference_beside(theirs: &[Candidate], typ: &CandidateType) -> Option<u32> {
    let same = theirs.iter().filter(|theirs| {
        theirs.typ == *typ && theirs.transport == Transport::Udp && theirs.socket_addr().is_some()
    });
    let lowest = same.map(|theirs| theirs.priority >> 8).min()?;
    let (kind, local) = (lowest >> 16, lowest & 0xffff);
    Some(if local == 0xffff {
        kind.saturating_sub(1) << 16
    } else {
        (kind << 16) | (local + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priorities(theirs: &[&str], relay: bool) -> Vec<u32> {
        let theirs: Vec<_> = theirs
            .iter()
            .map(|line| Candidate::parse(line.as_bytes()).unwrap())
            .collect();
        let place = |component, order| CandidatePlace {
            foundation: "f",
            address: "127.0.0.1".parse().unwrap(),
            port: 5,
            component,
            order,
        };
        let places = [
            place(Component::RTP, 0),
            place(Component::RTP, 1),
            place(Component::RTCP, 0),
        ];
        let ours = candidates(places.into_iter(), relay, Some(&theirs));
        ours.iter().map(|candidate| candidate.priority).collect()
    }

    /// As rtpengine 10.5.3.5 was seen to choose.
    #[test]
    fn preference_stands_beside_the_lowest_of_the_kind() {
        let host = "1 1 UDP 2130706431 127.0.0.9 4000 typ host";
        let srflx = "2 1 UDP 1694498815 127.0.0.8 4000 typ srflx raddr 1.1.1.1 rport 3";
        let tcp = "1 1 tcp 1518280447 127.0.0.9 9 typ host tcptype active";
        let relay = "2 1 UDP 16777215 127.0.0.8 4000 typ relay raddr 1.1.1.1 rport 3";
        for (theirs, is_relay, first, second) in [
            (vec![], false, 2_130_706_431, 2_130_706_175),
            // Our own choice: there is no local preference left.
            (vec![host, tcp], false, 2_097_152_255, 2_097_151_999),
            (vec![srflx], false, 2_130_706_431, 2_130_706_175),
            (vec!["2 1 UDP 100 127.0.0.8 4 typ host"], false, 511, 255),
            (
                vec![
                    "2 1 UDP 2122260223 127.0.0.8 4 typ host",
                    "3 1 UDP 2122194687 127.0.0.8 4 typ host",
                ],
                false,
                2_122_194_943,
                2_122_194_687,
            ),
            (vec![host], true, 16_777_215, 16_776_959),
            (vec![host, relay], true, 255, 255),
        ] {
            assert_eq!(
                priorities(&theirs, is_relay),
                [first, second, first - 1],
                "{theirs:?}"
            );
        }
    }
}
