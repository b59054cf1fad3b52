//! From what has been agreed on to what the engine takes: keys, handshakes and agents.

use std::net::SocketAddr;
use std::sync::Arc;

use super::call::Media;
use super::security::{DtlsRole, DtlsSettings, Ice, IceSettings, SdesKeys, Security};
use crate::dtls;
use crate::engine::{self, IceRoute, SrtpKeys};
use crate::ice::{Candidate, Component, Credentials, Mode, Role};
use crate::sdp::CryptoAttribute;
use crate::srtp::SrtpParams;

/// What the engine was told of a section's protection and ICE.
#[derive(Clone, Debug, Default)]
pub(super) struct Secured {
    told: (Security, Ice),
    /// Counts changes of `told`.
    pub(super) version: u32,
    protection: engine::Protection,
}

impl Media {
    /// Notes what has been agreed on since the last time.
    pub(super) fn note_security(&mut self) {
        // While a restart is on offer, media goes on under what was agreed on before.
        let ice = match self.ice.awaits_answer() {
            true => self.secured.told.1.clone(),
            false => self.ice(),
        };
        let agreed = (self.security(), ice);
        if agreed == self.secured.told {
            return;
        }
        if agreed.0 != self.secured.told.0 {
            self.secured.protection = match &agreed.0 {
                Security::Plain => engine::Protection::None,
                Security::PassThrough => engine::Protection::PassThrough,
                Security::Pending | Security::Refused(_) => engine::Protection::Closed,
                Security::Sdes(keys) => srtp(keys),
                Security::Dtls(settings) => self.handshake(settings),
            };
        }
        self.secured.told = agreed;
        self.secured.version = self.secured.version.wrapping_add(1);
    }

    pub(super) fn engine_protection(&self) -> engine::Protection {
        self.secured.protection.clone()
    }

    /// Does an agent of ours find the way to the party?
    pub(super) const fn has_agent(&self) -> bool {
        matches!(self.secured.told.1, Ice::Agent(_))
    }

    /// The agent of one of the section's sockets.
    pub(super) fn engine_ice(
        &self,
        local: SocketAddr,
        is_rtcp: bool,
        tie_breaker: u64,
    ) -> Option<Arc<IceRoute>> {
        let Ice::Agent(settings) = &self.secured.told.1 else {
            return None;
        };
        route(settings, local, is_rtcp, tie_breaker).map(Arc::new)
    }

    fn handshake(&self, settings: &DtlsSettings) -> engine::Protection {
        let Some(certificate) = self.protection.dtls.certificate.clone() else {
            return engine::Protection::Closed;
        };
        engine::Protection::Dtls(Arc::new(engine::Handshake {
            association: settings.association,
            role: match settings.role {
                DtlsRole::Client => Some(dtls::Role::Active),
                DtlsRole::Server => Some(dtls::Role::Passive),
                DtlsRole::Undecided => None,
            },
            certificate,
            fingerprints: settings.fingerprints.clone(),
        }))
    }
}

fn srtp(keys: &SdesKeys) -> engine::Protection {
    engine::Protection::Srtp(Arc::new(SrtpKeys {
        send: params(&keys.send),
        receive: params(&keys.receive),
    }))
}

fn params(line: &CryptoAttribute) -> SrtpParams {
    SrtpParams {
        mki: line.key.mki,
        unencrypted_srtp: line.session.unencrypted_srtp,
        unencrypted_srtcp: line.session.unencrypted_srtcp,
        unauthenticated_srtp: line.session.unauthenticated_srtp,
        ..SrtpParams::new(line.key.key.clone())
    }
}

fn route(
    settings: &IceSettings,
    local: SocketAddr,
    is_rtcp: bool,
    tie_breaker: u64,
) -> Option<IceRoute> {
    let credentials =
        |ufrag: &str, pwd: &str| Credentials::new(ufrag.as_bytes(), pwd.as_bytes()).ok();
    let component = if is_rtcp {
        Component::RTCP
    } else {
        Component::RTP
    };
    let own = |said: &&Candidate| said.component == component;
    let candidates = settings.candidates.iter().filter(own).cloned();
    let role = if settings.controlling || settings.remote_lite {
        Role::Controlling
    } else {
        Role::Controlled
    };
    Some(IceRoute {
        session: settings.session,
        component,
        mode: if settings.lite {
            Mode::Lite
        } else {
            Mode::Full(role)
        },
        credentials: credentials(&settings.local.ufrag, &settings.local.pwd)?,
        tie_breaker,
        local,
        candidates: candidates.collect(),
        remote: settings
            .remote
            .as_ref()
            .and_then(|remote| credentials(&remote.ufrag, &remote.pwd)),
        end_of_candidates: settings.end_of_candidates && !settings.trickle,
    })
}
