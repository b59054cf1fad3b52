//! The association: one peer, one handshake, its result.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::srtp::CryptoSuite;
use crate::wire::dtls::ClientHello;

use super::certificate::Certificate;
use super::failure::{DtlsFailure, alert};
use super::fingerprint::{self, Fingerprint, Verdict};
use super::hello::{HelloBuffer, wants_1_3};
use super::inbox::Message;
use super::keys::{KeyingMaterial, SUITES, profile_of};
use super::stack::{Dtls, Established, Output};
use super::v12::Dtls12;
use super::v13::{self, Dtls13};

/// Longest datagram that we send, bytes, unless configured otherwise: what fits through any tunnel.
pub const DEFAULT_MTU: usize = 1200;
/// Longer datagrams are not read: they do not fit into a packet slot either.
pub(super) const MAX_DATAGRAM_LEN: usize = 2048;
/// No MTU is smaller (RFC 791: every host takes 576 with headers).
const MIN_MTU: usize = 256;

/// Who begins (RFC 4145 §4, RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `a=setup:active`: the DTLS client.
    Active,
    /// `a=setup:passive`: the DTLS server.
    Passive,
}

impl Role {
    /// The peer's.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
        }
    }

    /// Its word in `a=setup`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// What an active side says first; see the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ClientOffer {
    /// DTLS 1.2, all certificates, all suites: any peer.
    #[default]
    Compatible,
    /// DTLS 1.3 and 1.2, ECDSA only, no `SHA1_32`: browsers. Where the suites leave out one that goes
    /// with it, or the MTU is below 1200, it is [`ClientOffer::Compatible`] after all.
    Modern,
}

/// What was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsVersion {
    /// RFC 6347.
    V1_2,
    /// RFC 9147.
    V1_3,
}

impl DtlsVersion {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// What an association is made of.
#[derive(Clone, Debug)]
pub struct AssociationConfig {
    /// Who begins.
    pub role: Role,
    /// Ours.
    pub certificate: Certificate,
    /// Of the peer's certificate. Empty: not known yet, see [`Association::set_remote_fingerprints`].
    pub remote_fingerprints: Vec<Fingerprint>,
    /// What we offer or accept, favourite first; suites that are not in [`SUITES`] do not count.
    pub suites: Vec<CryptoSuite>,
    /// Longest datagram to send, bytes; at least 256.
    pub mtu: usize,
    /// Passive: make the client show that it receives at its address before we answer at length, by
    /// HelloVerifyRequest or HelloRetryRequest. Costs a round trip; of no use where ICE has checked the
    /// address.
    pub verify_address: bool,
    /// Active: what to say first.
    pub client_offer: ClientOffer,
    /// No later version is agreed on, in neither role; with [`DtlsVersion::V1_2`] every offer is
    /// [`ClientOffer::Compatible`].
    pub max_version: DtlsVersion,
    /// When to send a flight again for the first time; doubles with each attempt.
    pub retransmit_after: Duration,
    /// How long the handshake may take, from the first datagram.
    pub timeout: Duration,
}

impl AssociationConfig {
    /// The defaults: all suites, both versions, [`DEFAULT_MTU`], address verified, 300 ms to the first
    /// repetition, 30 s for all.
    #[must_use]
    pub fn new(role: Role, certificate: Certificate) -> Self {
        Self {
            role,
            certificate,
            remote_fingerprints: Vec::new(),
            suites: SUITES.to_vec(),
            mtu: DEFAULT_MTU,
            verify_address: true,
            client_offer: ClientOffer::default(),
            max_version: DtlsVersion::V1_3,
            retransmit_after: Duration::from_millis(300),
            timeout: Duration::from_secs(30),
        }
    }
}

/// What an association tells. After `Failed` or `Closed` it is over: drop it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DtlsEvent {
    /// The peer is who its fingerprint says, and these are the keys.
    Connected {
        /// The protection profile, as a suite.
        suite: CryptoSuite,
        /// Keys and salts of both directions.
        keys: KeyingMaterial,
    },
    /// There are no keys, or those that there were are void.
    Failed(DtlsFailure),
    /// The peer said `close_notify` after the handshake.
    Closed,
}

enum Stage {
    /// Passive, before the choice of a stack.
    Hello(HelloBuffer),
    Running(Box<dyn Dtls>),
    Over,
}

/// One side of a DTLS-SRTP association.
///
/// After every `handle_…`, drain [`Association::poll_transmit`] and [`Association::poll_event`], then ask
/// [`Association::poll_timeout`]. `now` never goes backwards. Owned by one thread at a time; may move
/// between threads.
pub struct Association {
    config: AssociationConfig,
    stage: Stage,
    /// An alert of a stack that is gone.
    out: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    /// When the handshake is to be given up. `None`: it has not begun, or is done.
    deadline: Option<Instant>,
    /// The handshake is done, the peer's fingerprint not known yet.
    unchecked: Option<KeyingMaterial>,
    peer_certificate: Option<Vec<u8>>,
    version: Option<DtlsVersion>,
    /// The modern hello is out, and we may still fall back.
    may_fall_back: bool,
}

impl Association {
    /// Begins an association; an active one has its first datagram ready.
    ///
    /// # Errors
    /// - [`DtlsFailure::NoCommonProfile`]: none of the configured suites goes with DTLS.
    /// - [`DtlsFailure::Internal`]: no random bytes.
    pub fn new(mut config: AssociationConfig, now: Instant) -> Result<Self, DtlsFailure> {
        config.suites.retain(|suite| profile_of(*suite).is_some());
        if config.suites.is_empty() {
            return Err(DtlsFailure::NoCommonProfile);
        }
        config.mtu = config.mtu.max(MIN_MTU);
        let may_fall_back = config.role == Role::Active
            && config.client_offer == ClientOffer::Modern
            && config.max_version == DtlsVersion::V1_3
            && config.mtu >= v13::MIN_MTU
            && v13::SUITES.iter().all(|s| config.suites.contains(s));
        let stage = match config.role {
            Role::Passive => Stage::Hello(HelloBuffer::default()),
            Role::Active if may_fall_back => Stage::Running(Box::new(Dtls13::new(&config, now)?)),
            Role::Active => Stage::Running(Box::new(Dtls12::client(&config, now)?)),
        };
        let deadline = (config.role == Role::Active).then(|| now + config.timeout);
        Ok(Self {
            config,
            stage,
            out: VecDeque::new(),
            events: VecDeque::new(),
            deadline,
            unchecked: None,
            peer_certificate: None,
            version: None,
            may_fall_back,
        })
    }

    /// Takes a datagram from the peer. What is not DTLS, or not genuine, changes nothing.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if datagram.len() > MAX_DATAGRAM_LEN {
            return;
        }
        match &mut self.stage {
            Stage::Over => {}
            Stage::Running(stack) => {
                let result = stack.handle_datagram(now, datagram);
                self.after(now, result);
            }
            Stage::Hello(buffer) => {
                let message = buffer.push(datagram);
                if buffer.is_waiting() {
                    self.deadline.get_or_insert(now + self.config.timeout);
                }
                if let Some(message) = message {
                    self.choose(now, &message);
                }
            }
        }
    }

    /// Sends again what got no answer, and gives up when the time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_late = self.deadline.is_some_and(|at| at <= now);
        match &mut self.stage {
            // Half a hello, of whomever: the peer may still come.
            Stage::Hello(buffer) if is_late => {
                *buffer = HelloBuffer::default();
                self.deadline = None;
            }
            Stage::Running(_) if is_late => self.fail(now, DtlsFailure::Timeout),
            Stage::Running(stack) => {
                let result = stack.handle_timeout(now);
                self.after(now, result);
            }
            Stage::Hello(_) | Stage::Over => {}
        }
    }

    /// When to call [`Association::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stack = match &self.stage {
            Stage::Running(stack) => stack.poll_timeout(),
            Stage::Hello(_) | Stage::Over => None,
        };
        self.deadline.into_iter().chain(stack).min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let left = self.out.pop_front();
        match &mut self.stage {
            Stage::Running(stack) => left.or_else(|| stack.poll_transmit()),
            Stage::Hello(_) | Stage::Over => left,
        }
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// Says what the peer's certificate must be, as soon as its description tells; before, during or
    /// after the handshake. Keys are given out only then, and are void if it is another. An empty list says nothing.
    pub fn set_remote_fingerprints(&mut self, now: Instant, fingerprints: Vec<Fingerprint>) {
        self.config.remote_fingerprints = fingerprints;
        if self.peer_certificate.is_some() && !self.config.remote_fingerprints.is_empty() {
            self.check(now);
        }
    }

    /// Says `close_notify` and ends. No event follows.
    pub fn close(&mut self, now: Instant) {
        self.end(now, alert::CLOSE_NOTIFY);
    }

    /// Our role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.config.role
    }
    /// The version, once the handshake is done.
    #[must_use]
    pub fn version(&self) -> Option<DtlsVersion> {
        self.version
    }
    /// The peer's certificate in DER, once the handshake is done, whether it is the right one or not.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer_certificate.as_deref()
    }
    /// Failed or closed: nothing will happen any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The ClientHello is whole: lets the stack that suits it have it.
    fn choose(&mut self, now: Instant, message: &Message) {
        let Stage::Hello(buffer) = &mut self.stage else {
            return;
        };
        let datagrams = std::mem::take(buffer).into_datagrams();
        // A malformed hello has cost nothing but its buffer; the next may be better.
        let Ok(hello) = ClientHello::parse(&message.body) else {
            self.deadline = None;
            return;
        };
        let stack: Result<Box<dyn Dtls>, DtlsFailure> = if wants_1_3(&hello, &self.config) {
            Dtls13::new(&self.config, now).map(|stack| Box::new(stack) as _)
        } else {
            Dtls12::server(&self.config, message.seq).map(|stack| Box::new(stack) as _)
        };
        match stack {
            Ok(stack) => self.stage = Stage::Running(stack),
            Err(failure) => return self.fail(now, failure),
        }
        for datagram in datagrams {
            self.handle_datagram(now, &datagram);
        }
    }

    /// Takes what a stack has to tell.
    fn after(&mut self, now: Instant, result: Result<(), DtlsFailure>) {
        while let Stage::Running(stack) = &mut self.stage {
            match stack.poll_output() {
                Some(Output::Established(established)) => self.established(now, established),
                Some(Output::Closed) => {
                    // Whoever closes before we could check it was never there.
                    let event = match self.unchecked.take() {
                        Some(_) => DtlsEvent::Failed(DtlsFailure::Alert(alert::CLOSE_NOTIFY)),
                        None => DtlsEvent::Closed,
                    };
                    self.events.push_back(event);
                    self.end(now, alert::CLOSE_NOTIFY);
                }
                None => break,
            }
        }
        if let Err(failure) = result {
            self.fail(now, failure);
        }
    }

    fn established(&mut self, now: Instant, established: Established) {
        self.deadline = None;
        self.may_fall_back = false;
        self.version = Some(established.version);
        if established.peer_certificate.is_empty() {
            return self.fail(now, DtlsFailure::NoPeerCertificate);
        }
        self.peer_certificate = Some(established.peer_certificate);
        let Some(keys) = established.srtp else {
            return self.fail(now, DtlsFailure::NoSrtpKeys);
        };
        if !self.config.suites.contains(&keys.suite()) {
            return self.fail(now, DtlsFailure::NoCommonProfile);
        }
        self.unchecked = Some(keys);
        if !self.config.remote_fingerprints.is_empty() {
            self.check(now);
        }
    }

    /// Compares the peer's certificate with what its description said.
    fn check(&mut self, now: Instant) {
        let certificate = self.peer_certificate.as_deref().unwrap_or_default();
        match fingerprint::judge(&self.config.remote_fingerprints, certificate) {
            Verdict::Matches => {
                if let Some(keys) = self.unchecked.take() {
                    let suite = keys.suite();
                    self.events.push_back(DtlsEvent::Connected { suite, keys });
                }
            }
            Verdict::Mismatch => self.fail(now, DtlsFailure::FingerprintMismatch),
            Verdict::Unsupported => self.fail(now, DtlsFailure::UnsupportedHash),
        }
    }

    fn fail(&mut self, now: Instant, failure: DtlsFailure) {
        if self.is_over() {
            return;
        }
        if std::mem::take(&mut self.may_fall_back)
            && matches!(failure, DtlsFailure::Alert(_))
            && let Ok(stack) = Dtls12::client(&self.config, now)
        {
            self.stage = Stage::Running(Box::new(stack));
            return;
        }
        let alert = match failure {
            DtlsFailure::FingerprintMismatch | DtlsFailure::UnsupportedHash => {
                alert::BAD_CERTIFICATE
            }
            DtlsFailure::NoSrtpKeys | DtlsFailure::NoCommonProfile => alert::HANDSHAKE_FAILURE,
            _ => alert::CLOSE_NOTIFY,
        };
        self.end(now, alert);
        self.events.push_back(DtlsEvent::Failed(failure));
    }

    /// Lets the stack say its last and drops it, with all keys in it.
    fn end(&mut self, now: Instant, alert: u8) {
        self.deadline = None;
        self.unchecked = None;
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if let Stage::Running(mut stack) = stage {
            stack.close(now, alert);
            self.out
                .extend(std::iter::from_fn(|| stack.poll_transmit()));
        }
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("role", &self.config.role)
            .field("version", &self.version)
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}
