//! DTLS-SRTP in descriptions (RFC 5763, RFC 8842): certificates and who begins.

use super::security::{DtlsRole, DtlsSettings};
use crate::dtls::{Certificate, Fingerprint, HashFunction};
use crate::sdp::{DtlsParams, LocalDtls, Setup};

/// DTLS of one section, seen from one party.
#[derive(Clone, Debug, Default)]
pub(super) struct Dtls {
    /// DTLS is in use, or on offer.
    pub(super) on: bool,
    /// It was offered, by whichever side: otherwise the party's certificate counts for nothing.
    pub(super) allowed: bool,
    /// We may begin.
    pub(super) active: bool,
    /// The party may begin.
    pub(super) passive: bool,
    /// The party's certificates, as it said last.
    fingerprints: Vec<Fingerprint>,
    /// By what function it is told of ours: its own if it spoke first. Once told, it stays.
    hash: Option<HashFunction>,
    /// The role and the certificates of the last association, and how many there were.
    agreed: Option<(DtlsRole, Vec<Fingerprint>)>,
    association: u32,
    /// Ours, that the party was told of. Once told, it stays, whatever becomes of the program's.
    pub(super) certificate: Option<Certificate>,
}

impl Dtls {
    /// The party has described itself. `false`: without DTLS.
    pub(super) fn hear(&mut self, params: &DtlsParams) -> bool {
        let served = self.passive && !self.active;
        (self.active, self.passive) = match params.setup {
            Some(Setup::Active) => (false, true),
            Some(Setup::Passive) => (true, false),
            // Whom we served we go on serving: an association that is there stays (RFC 8842 §5.5).
            Some(Setup::ActPass) => (!served, true),
            Some(Setup::HoldConn) | None => (false, false),
        };
        self.on = !params.fingerprints.is_empty() && (self.active || self.passive);
        if self.hash.is_none() {
            self.hash = params.fingerprints.first().map(Fingerprint::hash);
        }
        self.fingerprints.clone_from(&params.fingerprints);
        self.on
    }

    /// The party is offered either role.
    pub(super) fn offer(&mut self, hash: Option<HashFunction>) {
        self.active = true;
        self.passive = true;
        self.hash
            .get_or_insert(hash.unwrap_or(HashFunction::Sha256));
    }

    /// The party is told which role is left to it.
    pub(super) const fn answer(&mut self, passive: bool) {
        if self.active && self.passive {
            self.active = !passive;
            self.passive = passive;
        }
    }

    /// There is no DTLS with the party any more.
    pub(super) const fn clear(&mut self) {
        self.on = false;
        self.active = false;
        self.passive = false;
    }

    /// What the party is shown; `current`: the certificate of those who were told of none before.
    pub(super) fn shown(&mut self, current: Option<&Certificate>) -> Option<LocalDtls> {
        if self.certificate.is_none() {
            self.certificate = current.cloned();
        }
        Some(LocalDtls {
            setup: self.setup(),
            fingerprint: self.certificate.as_ref()?.fingerprint(self.hash())?,
        })
    }

    /// What stands in `a=setup` to the party.
    pub(super) const fn setup(&self) -> Setup {
        match (self.active, self.passive) {
            (true, true) => Setup::ActPass,
            (true, false) => Setup::Active,
            _ => Setup::Passive,
        }
    }

    pub(super) fn hash(&self) -> HashFunction {
        self.hash.unwrap_or(HashFunction::Sha256)
    }

    /// Counts the association if this is another one (RFC 8842 §4). To be called when both
    /// descriptions are there.
    pub(super) fn agree(&mut self) {
        let now = (self.role(true), self.fingerprints.clone());
        if self.on && self.agreed.as_ref() != Some(&now) {
            // A handshake that began before there was an answer is the first one agreed on.
            let other = u32::from(self.agreed.is_some());
            self.agreed = Some(now);
            self.association = self.association.wrapping_add(other);
        }
    }

    /// `described`: the party has said what it wants.
    pub(super) fn settings(&self, described: bool) -> DtlsSettings {
        DtlsSettings {
            role: self.role(described),
            fingerprints: if described {
                self.fingerprints.clone()
            } else {
                Vec::new()
            },
            association: self.association,
        }
    }

    const fn role(&self, described: bool) -> DtlsRole {
        match (self.active, self.passive) {
            // Whoever answers `actpass` leaves it to us (against RFC 5763 §5).
            (true, true) if !described => DtlsRole::Undecided,
            (true, _) => DtlsRole::Client,
            _ => DtlsRole::Server,
        }
    }
}
