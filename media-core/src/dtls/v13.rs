//! DTLS 1.3 (RFC 9147) by `dimpl`, which as a client speaks 1.2 as well where the server wants to.
//!
//! What it does not have decides who gets it: no RSA, no SHA1_32, profiles in a fixed order, and it
//! sends no alert when it gives up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dimpl::{
    CertificateError, Config, CryptoError, DtlsCertificate, Error, ProtocolVersion, SecurityError,
    SrtpProfile, UnexpectedMessageError,
};

use crate::srtp::CryptoSuite;
use crate::wire::dtls::{ALERT, RECORD_HEADER_LEN, Records, take_bytes, take_vec16};

use super::association::MAX_DATAGRAM_LEN;
use super::keys::KeyingMaterial;
use super::stack::{Dtls, Established, Output};
use super::{AssociationConfig, DtlsFailure, DtlsVersion, Role};

/// The suites that it negotiates.
pub(super) const SUITES: [CryptoSuite; 3] = [
    CryptoSuite::AeadAes256Gcm,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::AesCm128HmacSha1_80,
];

/// With smaller datagrams its flights take several, and `dimpl` 0.9 gets stuck where some of them are lost
/// (measured: 12 of 60 handshakes at 25 % loss and 400 bytes, none of 300 at 1200).
pub(super) const MIN_MTU: usize = 1200;

/// More than fit into the time that a handshake has.
const RETRIES: usize = 12;
/// Least time between two looks at its clock. Where a message is missing, `dimpl` 0.9 wants to be called at
/// once, each time, and each time sends an acknowledgement.
const TICK: Duration = Duration::from_millis(20);
/// A timer that is further off is none.
const NEVER: Duration = Duration::from_secs(86_400);
const FATAL: u8 = 2;
/// The first three bits of a unified header.
const UNIFIED: u8 = 0x20;
/// Datagrams that `dimpl` holds while a message is not whole.
const MAX_QUEUED: usize = 30;
/// As long as the longest certificate that fits into them: `dimpl` 0.9 panics where the peer's does not
/// fit into the buffer it is given.
const BUFFER_LEN: usize = MAX_QUEUED * MAX_DATAGRAM_LEN;

/// `dimpl`'s configurations, for all associations of one certificate: each takes a millisecond to make,
/// most of it for a test of all algorithms.
#[derive(Default)]
pub(super) struct Settings(Mutex<Vec<(Key, Arc<Config>)>>);

/// What configurations differ in.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    mtu: usize,
    verify_address: bool,
    retransmit_after: Duration,
    timeout: Duration,
}

/// How many a certificate keeps; a program has one or two.
const MAX_SETTINGS: usize = 4;

impl Settings {
    /// The configuration that goes with an association's.
    fn of(&self, config: &AssociationConfig) -> Result<Arc<Config>, DtlsFailure> {
        let key = Key {
            mtu: config.mtu,
            verify_address: config.verify_address,
            retransmit_after: config.retransmit_after,
            timeout: config.timeout,
        };
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = made.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(known));
        }
        let new = Config::builder()
            .mtu(config.mtu)
            .max_queue_rx(MAX_QUEUED)
            .use_server_cookie(config.verify_address)
            .flight_start_rto(config.retransmit_after)
            .flight_retries(RETRIES)
            .handshake_timeout(config.timeout)
            .build()
            .map_err(|_| DtlsFailure::Internal)?;
        let new = Arc::new(new);
        made.truncate(MAX_SETTINGS - 1);
        made.insert(0, (key, Arc::clone(&new)));
        Ok(new)
    }
}

/// One side of an association that `dimpl` handles.
pub(super) struct Dtls13 {
    inner: dimpl::Dtls,
    role: Role,
    out: VecDeque<Vec<u8>>,
    outputs: VecDeque<Output>,
    timer: Option<Instant>,
    last_tick: Option<Instant>,
    peer_certificate: Vec<u8>,
    srtp: Option<KeyingMaterial>,
    is_connected: bool,
    is_reported: bool,
    /// It gave an error and must not be touched again.
    is_over: bool,
}

impl Dtls13 {
    /// A client, whose ClientHello for 1.3 and 1.2 is ready to be sent; or a server of 1.3.
    pub(super) fn new(config: &AssociationConfig, now: Instant) -> Result<Self, DtlsFailure> {
        let settings = config.certificate.settings().of(config)?;
        let certificate = DtlsCertificate {
            certificate: config.certificate.der().to_vec(),
            private_key: config.certificate.pkcs8().to_vec(),
        };
        let inner = match config.role {
            Role::Active => {
                let mut client = dimpl::Dtls::new_auto(settings, certificate, now);
                client.set_active(true);
                client
            }
            Role::Passive => dimpl::Dtls::new_13(settings, certificate, now),
        };
        let mut this = Self {
            inner,
            role: config.role,
            out: VecDeque::new(),
            outputs: VecDeque::new(),
            timer: None,
            last_tick: None,
            peer_certificate: Vec::new(),
            srtp: None,
            is_connected: false,
            is_reported: false,
            is_over: false,
        };
        this.handle_timeout(now)?;
        Ok(this)
    }

    fn after(&mut self, now: Instant, result: Result<(), Error>) -> Result<(), DtlsFailure> {
        match result {
            Ok(()) => {
                self.drain(now);
                Ok(())
            }
            Err(error) => {
                self.is_over = true;
                Err(failure(&error))
            }
        }
    }

    fn drain(&mut self, now: Instant) {
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            match self.inner.poll_output(&mut buffer) {
                dimpl::Output::Packet(packet) => self.out.push_back(packet.to_vec()),
                dimpl::Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                dimpl::Output::PeerCert(der) => self.peer_certificate = der.to_vec(),
                dimpl::Output::KeyingMaterial(exported, profile) => {
                    self.srtp = suite(profile)
                        .and_then(|suite| KeyingMaterial::new(suite, self.role, &exported));
                }
                dimpl::Output::Connected => self.is_connected = true,
                dimpl::Output::CloseNotify => self.outputs.push_back(Output::Closed),
                dimpl::Output::Timeout(at) => {
                    let next_tick = self.last_tick.map_or(now, |last| last + TICK);
                    let is_near = at.saturating_duration_since(now) < NEVER;
                    self.timer = is_near.then(|| at.max(next_tick));
                    break;
                }
                _ => {}
            }
        }
        if self.is_connected && !self.is_reported {
            self.is_reported = true;
            let version = match self.inner.protocol_version() {
                Some(ProtocolVersion::DTLS1_2) => DtlsVersion::V1_2,
                _ => DtlsVersion::V1_3,
            };
            // Before a Closed that may have come with it.
            self.outputs.push_front(Output::Established(Established {
                version,
                peer_certificate: std::mem::take(&mut self.peer_certificate),
                srtp: self.srtp.take(),
            }));
        }
    }

    /// The alert of a server that does not take the hello. `dimpl` has no eye for it while the version is
    /// open, nor in 1.2 before there are keys.
    fn refusal(&self, datagram: &[u8]) -> Option<u8> {
        let is_1_3 = self.inner.protocol_version() == Some(ProtocolVersion::DTLS1_3);
        if self.role == Role::Passive || self.is_connected || is_1_3 {
            return None;
        }
        let record = Records::new(datagram).next()?;
        match record.fragment {
            &[FATAL, description] if record.content_type == ALERT && record.epoch == 0 => {
                Some(description)
            }
            _ => None,
        }
    }
}

impl Dtls for Dtls13 {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailure> {
        if let Some(description) = self.refusal(datagram) {
            return Err(DtlsFailure::Alert(description));
        }
        if !is_sound(datagram) {
            return Ok(());
        }
        // It wants to be polled after each of the two.
        self.handle_timeout(now)?;
        let result = match self.inner.handle_packet(datagram) {
            // Junk instead of the server's first answer: nothing has changed.
            Err(Error::UnexpectedMessage(
                UnexpectedMessageError::UnrecognizedAutoServerResponse,
            )) => Ok(()),
            result => result,
        };
        self.after(now, result)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        let is_early = |last| now.saturating_duration_since(last) < TICK;
        if self.last_tick.is_some_and(is_early) {
            return Ok(());
        }
        self.last_tick = Some(now);
        let result = self.inner.handle_timeout(now);
        self.after(now, result)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timer
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn close(&mut self, now: Instant, _alert: u8) {
        if !self.is_over && self.inner.close().is_ok() {
            self.drain(now);
        }
    }
}

/// Whether a datagram is records to its end, with plain or with unified headers (RFC 9147 §4).
///
/// Where the last record is cut, `dimpl` 0.9 drops the others but remembers their numbers, and then takes
/// the genuine datagram for a replay.
fn is_sound(mut datagram: &[u8]) -> bool {
    while let Some(first) = datagram.first() {
        if skip_record(&mut datagram, *first).is_none() {
            return false;
        }
    }
    true
}

fn skip_record(rest: &mut &[u8], first: u8) -> Option<()> {
    if first & 0xe0 != UNIFIED {
        take_bytes(rest, RECORD_HEADER_LEN - 2)?;
        return take_vec16(rest).map(|_| ());
    }
    // 001CSLEE: connection ID, long sequence number, length, epoch.
    if first & 0x10 != 0 {
        return None; // we never agree on a connection ID
    }
    take_bytes(rest, if first & 0x08 == 0 { 2 } else { 3 })?;
    if first & 0x04 == 0 {
        *rest = &[];
    } else {
        take_vec16(rest)?;
    }
    Some(())
}

fn suite(profile: SrtpProfile) -> Option<CryptoSuite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(CryptoSuite::AesCm128HmacSha1_80),
        SrtpProfile::AEAD_AES_128_GCM => Some(CryptoSuite::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(CryptoSuite::AeadAes256Gcm),
        _ => None,
    }
}

/// Our word for one of `dimpl`'s many.
fn failure(error: &Error) -> DtlsFailure {
    match error {
        Error::Timeout(_) => DtlsFailure::Timeout,
        Error::SecurityError(error) => match error {
            SecurityError::FatalAlert { description } => DtlsFailure::Alert(*description),
            SecurityError::NoMutuallyAcceptableCipherSuite
            | SecurityError::NoCommonCipherSuite
            | SecurityError::NoCommonKeyExchangeGroup => DtlsFailure::NoCommonCipher,
            SecurityError::UnsupportedServerVersion(_)
            | SecurityError::UnsupportedClientVersion(_)
            | SecurityError::ServerDidNotNegotiateDtls13 => DtlsFailure::NoCommonVersion,
            SecurityError::ServerFinishedVerificationFailed
            | SecurityError::ClientFinishedVerificationFailed => DtlsFailure::BadSignature,
            _ => DtlsFailure::Protocol,
        },
        Error::CryptoError(error) => match error {
            CryptoError::SignatureVerificationFailed { .. } => DtlsFailure::BadSignature,
            CryptoError::UnsupportedPublicKeyAlgorithm
            | CryptoError::UnsupportedEcCurve
            | CryptoError::CertificateParseFailed => DtlsFailure::UnsupportedCertificate,
            _ => DtlsFailure::Protocol,
        },
        Error::CertificateError(error) => match error {
            CertificateError::NoServerCertificateReceived
            | CertificateError::NoClientCertificateReceived
            | CertificateError::NoClientCertificateForVerification
            | CertificateError::NoServerCertificateForVerification => {
                DtlsFailure::NoPeerCertificate
            }
            _ => DtlsFailure::UnsupportedCertificate,
        },
        _ => DtlsFailure::Protocol,
    }
}
