//! Offer and answer of protection and ICE: what each description changes, and what the other side is
//! shown.

use super::call::{Media, SelectedPair};
use super::dtls::Dtls;
use super::ice::{self, CandidatePlace, IceWishes};
use super::sdes::Sdes;
use super::security::{Security, SecurityFault};
use super::signal::{Role, Signal};
use super::{DtlsOption, IceLite, TransportProtocol};
use crate::ice::{Candidate, Component, RemoteCandidates};
use crate::sdp::{
    CryptoAttribute, IceCredentials, IceOption, LocalDtls, LocalIce, LocalSecurity, MediaParams,
    Protocol,
};

/// Protection of one section, seen from one party.
#[derive(Clone, Debug, Default)]
pub(super) struct Protection {
    pub(super) sdes: Sdes,
    pub(super) dtls: Dtls,
    /// The party has offered, or was offered, keys or a certificate.
    wanted: bool,
    /// It was offered them over a profile without SRTP: it may do without (RFC 8643).
    opportunistic: bool,
    /// An offer has been answered.
    settled: bool,
    /// What holds now; while an offer is open, what held before.
    pub(super) agreed: Security,
}

/// What a section shows of ours; [`LocalSecurity`] borrows from it.
#[derive(Debug, Default)]
pub(super) struct ShownSecurity {
    crypto: Vec<CryptoAttribute>,
    padded: bool,
    dtls: Option<LocalDtls>,
    ice: Option<ShownIce>,
    passthrough: bool,
}

#[derive(Debug)]
struct ShownIce {
    credentials: Option<IceCredentials>,
    candidates: Vec<Candidate>,
    remote_candidates: Option<RemoteCandidates>,
    trickle: bool,
    lite: bool,
}

impl ShownSecurity {
    pub(super) fn local(&self) -> LocalSecurity<'_> {
        LocalSecurity {
            crypto: &self.crypto,
            padded: self.padded,
            dtls: self.dtls,
            ice: self.ice.as_ref().map(|ice| LocalIce {
                credentials: ice.credentials.as_ref(),
                candidates: &ice.candidates,
                remote_candidates: ice.remote_candidates.as_ref(),
                trickle: ice.trickle,
                lite: ice.lite,
            }),
            passthrough: self.passthrough,
        }
    }
}

impl Protection {
    /// What both descriptions together amount to.
    fn settle(&mut self, protocol: &Protocol) {
        self.dtls.agree();
        self.settled = true;
        self.agreed = if self.dtls.on && self.dtls.allowed {
            Security::Dtls(Box::new(self.dtls.settings(true)))
        } else if let Some(keys) = self.sdes.keys() {
            Security::Sdes(Box::new(keys))
        } else if !self.sdes.heard.is_empty() && self.wanted {
            Security::Refused(SecurityFault::NoMatchingKey)
        } else if (self.wanted && !self.opportunistic) || protocol.is_secure() {
            Security::Refused(SecurityFault::NoKeys)
        } else {
            Security::Plain
        };
    }

    /// As far as an offer alone goes; what has been agreed on before holds until the answer. `said`:
    /// the party made the offer.
    fn expect(&mut self, protocol: &Protocol, said: bool) {
        if self.settled {
            return;
        }
        self.agreed = if !self.wanted && !protocol.is_secure() {
            Security::Plain
        } else if self.dtls.on && !said {
            Security::Dtls(Box::new(self.dtls.settings(false)))
        } else {
            Security::Pending
        };
    }

    fn forget(&mut self) {
        self.sdes.on = false;
        self.dtls.clear();
        self.wanted = false;
    }
}

/// Of a stream, by their numbers.
const COMPONENTS: [Component; 2] = [Component::RTP, Component::RTCP];

/// What a controlling agent says that it has chosen (RFC 8839 §4.4.1.2.2).
fn remote_candidates(selected: &[SelectedPair]) -> Option<RemoteCandidates> {
    if !selected.iter().all(|one| one.controlling) {
        return None;
    }
    let remotes = selected.iter().map(|one| one.remote);
    let all: Vec<_> = COMPONENTS.into_iter().zip(remotes).collect();
    Some(RemoteCandidates::new(&all))
}

impl Signal<'_> {
    /// What the speaker says.
    /// `true`: it restarts ICE.
    pub(super) fn hear_security(&self, said: &mut Media, params: &MediaParams) -> bool {
        let restarted = said.ice.hear(params, self.role, self.ice_wishes());
        if params.rejected {
            return restarted;
        }
        let own = &mut said.protection;
        let offers = self.role == Role::Offer;
        if !params.protocol.carries_rtp() {
            own.forget();
            return restarted;
        }
        let offered = own.dtls.on;
        let certificate = own.dtls.hear(&params.dtls);
        own.dtls.allowed = offers || offered;
        let chosen = offers || !(certificate && offered);
        let keys = own.sdes.hear(&params.crypto, chosen, &self.options.sdes);
        if offers {
            own.sdes.on &= keys || certificate || params.protocol.is_secure();
            own.wanted = own.sdes.on || certificate;
            own.opportunistic = own.wanted && !params.protocol.is_secure();
        }
        restarted
    }

    /// What the listener of an offer is to be offered.
    pub(super) fn offer_security(&self, said: &mut Media, told: &mut Media, params: &MediaParams) {
        let options = self.options;
        let has_ice = params.ice.ufrag.is_some() && !params.rejected;
        let wishes = self.ice_wishes();
        told.ice
            .offer(&mut said.ice, has_ice, told.described, wishes);
        told.controlling &= wishes.lite != Some(true) && !told.ice.passthrough;
        let fresh = options.sdp.codec.may_transcode() || said.transcode.is_some();
        for media in [&mut *said, &mut *told] {
            media.protection.sdes.fresh |= fresh;
        }
        let own = &mut told.protection;
        let passes = options.transport_protocol.is_none()
            && told.protocol == params.protocol
            && (!params.crypto.is_empty() || said.protection.dtls.on);
        let plain = told.protocol.carries_rtp() && !told.protocol.is_secure();
        own.opportunistic = plain && (options.osrtp_offer || passes);
        if own.opportunistic || told.protocol.is_secure() {
            let known = own.wanted;
            own.wanted = true;
            let no_dtls = options.dtls == Some(DtlsOption::Off) || self.certificate.is_none();
            own.dtls.on = (own.dtls.on || !known) && !no_dtls;
            own.dtls.offer(options.dtls_fingerprint);
            // A party that has keys keeps them, whatever `off` says.
            if own.sdes.on && known || !known && !options.sdes.off {
                let passed = &said.protection.sdes.heard;
                own.sdes
                    .offer(passed, &options.sdes, &*self.identity.entropy);
            } else {
                own.sdes.on = false;
            }
        } else {
            own.forget();
        }
        own.expect(&told.protocol, false);
        said.protection.expect(&said.protocol, true);
    }

    /// What the offerer is answered. `offered`: the protocol that it had offered.
    pub(super) fn answer_security(&self, said: &mut Media, told: &mut Media, offered: &Protocol) {
        let options = self.options;
        let wishes = self.ice_wishes();
        told.ice.answer(&mut said.ice, wishes);
        said.controlling |= told.ice.passthrough && wishes.option == IceOption::Default;
        if told.ice.passthrough {
            told.protection.forget();
            said.protection.forget();
            return;
        }
        let theirs = &said.protection;
        let own = &mut told.protection;
        let bare = theirs.sdes.heard.is_empty() && !theirs.dtls.on;
        let unsecured = match options.transport_protocol {
            Some(TransportProtocol::Accept) => bare && *offered != told.protocol,
            Some(_) => true,
            None => bare && theirs.opportunistic,
        };
        let passive = self.config.dtls_passive || options.dtls == Some(DtlsOption::Passive);
        own.dtls.answer(passive || told.answer_passive);
        if unsecured && !told.protocol.is_secure() {
            own.forget();
        } else {
            let has_keys = !own.sdes.heard.is_empty();
            let rather_keys = options.dtls == Some(DtlsOption::Off) || options.sdes.prefer;
            let no_dtls = self.certificate.is_none() || (rather_keys && has_keys);
            own.dtls.on &= !no_dtls;
            if own.dtls.on {
                own.sdes.on = false;
            } else if has_keys {
                let key = theirs.sdes.heard.first();
                own.sdes.answer(key, &options.sdes, &*self.identity.entropy);
            }
        }
        for media in [said, told] {
            media.protection.settle(&media.protocol);
        }
    }

    /// What the listener is shown. `components`: 1, or 2 with RTCP on a port of its own; `beside`: the
    /// speaker's candidates.
    pub(super) fn shown_security(
        &self,
        told: &mut Media,
        components: usize,
        beside: &[Candidate],
    ) -> ShownSecurity {
        let own = &mut told.protection;
        let mut shown = ShownSecurity {
            padded: self.options.sdes.pad,
            passthrough: told.ice.passthrough,
            ..ShownSecurity::default()
        };
        if !told.ice.passthrough {
            if own.sdes.on {
                shown.crypto = own.sdes.written(&self.options.sdes);
            }
            if own.dtls.on {
                shown.dtls = own.dtls.shown(self.certificate.as_ref());
            }
        }
        if told.ice.on {
            let passes = told.ice.passthrough;
            let selected: Vec<SelectedPair> = [false, true][..components]
                .iter()
                .map_while(|is_rtcp| told.selected(*is_rtcp).filter(|_| !passes))
                .collect();
            // Until every component has its pair, all candidates count (RFC 8839 §4.4.1.2.2).
            let selected = Some(selected).filter(|all| all.len() == components);
            let candidates = self.own_candidates(told, components, selected.as_deref(), beside);
            let offered = selected.filter(|_| self.role == Role::Offer);
            let remote_candidates = offered.and_then(|all| remote_candidates(&all));
            let credentials = told.ice.credentials(&*self.identity.entropy).clone();
            shown.ice = Some(ShownIce {
                credentials: Some(credentials).filter(|_| !passes),
                candidates,
                remote_candidates,
                trickle: told.ice.trickle && !passes,
                lite: told.ice.lite,
            });
        }
        shown
    }

    /// At all our addresses, or only what has been selected; the first component's first.
    fn own_candidates(
        &self,
        told: &Media,
        components: usize,
        selected: Option<&[SelectedPair]>,
        beside: &[Candidate],
    ) -> Vec<Candidate> {
        let Some(binding) = told.binding() else {
            return Vec::new();
        };
        let relay = self.options.sdp.ice == IceOption::ForceRelay;
        let places = (0..components).flat_map(|at| {
            let only = selected.and_then(|all| all.get(at)).map(|one| one.socket);
            binding.places().zip(0..).filter_map(move |(place, order)| {
                let bound = if at == 0 { place.rtp } else { place.rtcp? };
                let is_shown = only.is_none_or(|only| only == bound.socket);
                let (first, interfaces) = (binding.pool, self.interfaces);
                is_shown.then(|| CandidatePlace {
                    foundation: self.identity.foundation(place.pool, first, interfaces),
                    address: match relay {
                        // `media address` is where media is to come, not what relays it: as rtpengine.
                        true => interfaces.advertised(place.pool),
                        false => self.shown_address(place.pool),
                    },
                    port: bound.port,
                    component: COMPONENTS[at],
                    order,
                })
            })
        });
        let passes = told.ice.passthrough;
        ice::candidates(places, relay, passes.then_some(beside))
    }

    fn ice_wishes(&self) -> IceWishes {
        let forward = self.role == Role::Offer;
        IceWishes {
            option: self.options.sdp.ice,
            reject: self.options.reject_ice,
            trickle: self.options.trickle_ice,
            lite: self.options.ice_lite.map(|lite| match lite {
                IceLite::Off => false,
                IceLite::Both => true,
                IceLite::Forward => forward,
                IceLite::Backward => !forward,
            }),
        }
    }
}
