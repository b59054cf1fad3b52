//! DTLS 1.2 (RFC 6347, RFC 5246), as much of it as DTLS-SRTP needs, for the peers that have no 1.3.
//!
//! Both roles, full handshakes with certificates on both sides, ECDHE with AES-GCM, signatures by ECDSA
//! and RSA, extended master secret where the peer has it. Refuses the rest of the protocol: older
//! versions, CBC, RSA key transport, compression, resumption, renegotiation, and application data.
//! [Why it is ours](../../../../docs/decisions/009-dtls-stacks.md).
//!
//! ```text
//! active (client)                                   passive (server)
//! ServerHello        ── ClientHello ──────────────▶ ClientHello
//!                    ◀──────── HelloVerifyRequest ──  (where the address is to be verified)
//!                    ── ClientHello with cookie ──▶
//!                    ◀── ServerHello, Certificate,
//! ServerCertificate      ServerKeyExchange,
//! ServerKeyExchange      CertificateRequest,
//! ServerHelloDone        ServerHelloDone ─────────  ClientCertificate
//!                    ── Certificate,                ClientKeyExchange
//!                       ClientKeyExchange,          CertificateVerify
//!                       CertificateVerify,
//! ServerFinished        [CCS] Finished ───────────▶ ClientFinished
//! Established        ◀────────── [CCS] Finished ──  Established
//! ```
//! The names at the sides are [`State`]s: what each waits for. ChangeCipherSpec is sent but not waited
//! for: the epoch of a record says all that it could say.

mod client;
mod flight;
mod message;
mod record;
mod server;
mod suite;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::tls_prf::Secret;
use aws_lc_rs::{agreement, digest, rand};

use crate::srtp::CryptoSuite;
use crate::wire::dtls::{ALERT, HANDSHAKE, HandshakeFragments, Record, Records};

use super::failure::alert;
use super::inbox::{Inbox, Kept, Message};
use super::keys::{EXPORTER_LABEL, KeyingMaterial, material_len};
use super::stack::{Dtls, Established, Output};
use super::{AssociationConfig, Certificate, DtlsFailure, DtlsVersion, Role};
use flight::Flight;
use record::{Cipher, EPOCH, ReplayWindow, SALT_LEN};
use suite::{Group, Suite};

/// Protected records that came before their key, and how long each may be. A Finished message, the only
/// one that matters so early, takes 61 bytes.
const MAX_EARLY: usize = 4;
const MAX_EARLY_LEN: usize = 128;
/// How long the peer may go on as if nothing were wrong, before a plain alert is believed: anybody could have
/// sent it, but after its own the peer is silent.
const DOUBT: Duration = Duration::from_secs(2);
/// How often a server sends a flight again unasked. Whoever forged the hello's address asks for no more, and a
/// client that is there repeats itself.
const MAX_UNASKED: u32 = 3;
const COOKIE_LEN: usize = 20;
const VERIFY_DATA_LEN: usize = 12;
const MASTER_SECRET_LEN: usize = 48;

/// What we wait for; see the picture above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ServerHello,
    ServerCertificate,
    ServerKeyExchange,
    ServerHelloDone,
    ServerFinished,
    ClientHello,
    ClientCertificate,
    ClientKeyExchange,
    CertificateVerify,
    ClientFinished,
    Established,
    Ended,
}

/// The handshake cannot go on: what we say about it, and what we tell the peer.
#[derive(Clone, Copy, Debug)]
struct Fatal {
    failure: DtlsFailure,
    alert: u8,
}

const fn fatal(failure: DtlsFailure, alert: u8) -> Fatal {
    Fatal { failure, alert }
}
const MALFORMED: Fatal = fatal(DtlsFailure::Protocol, alert::DECODE_ERROR);
const ILLEGAL: Fatal = fatal(DtlsFailure::Protocol, alert::ILLEGAL_PARAMETER);
const UNEXPECTED: Fatal = fatal(DtlsFailure::Protocol, alert::UNEXPECTED_MESSAGE);
/// The peer goes on from a handshake that we know nothing of (RFC 5746 §3.4, §3.6).
const RENEGOTIATION: Fatal = fatal(DtlsFailure::Protocol, alert::HANDSHAKE_FAILURE);
const INTERNAL: Fatal = fatal(DtlsFailure::Internal, alert::INTERNAL_ERROR);
const BAD_SIGNATURE: Fatal = fatal(DtlsFailure::BadSignature, alert::DECRYPT_ERROR);

/// One side of a DTLS 1.2 association.
pub(super) struct Dtls12 {
    role: Role,
    certificate: Certificate,
    srtp_suites: Vec<CryptoSuite>,
    state: State,
    inbox: Inbox,
    next_message: u16,
    flight: Flight,
    /// All messages so far, for the hashes over them (RFC 5246 §7.4.9).
    transcript: Vec<u8>,
    client_random: [u8; 32],
    server_random: [u8; 32],
    /// Server: what the client must show; `None`: nothing.
    cookie: Option<[u8; COOKIE_LEN]>,
    suite: &'static Suite,
    srtp: Option<CryptoSuite>,
    extended_master_secret: bool,
    exchange: Option<(&'static Group, agreement::PrivateKey)>,
    /// Client: the server's share, and whether it wants our certificate.
    server_point: Vec<u8>,
    certificate_wanted: bool,
    peer_certificate: Vec<u8>,
    master_secret: Option<Secret>,
    read: Option<Cipher>,
    replay: ReplayWindow,
    early: Vec<Vec<u8>>,
    peer_repeats: bool,
    /// A plain alert, and when to believe it.
    refused: Option<(u8, Instant)>,
    outputs: VecDeque<Output>,
}

impl Dtls12 {
    /// A client, whose ClientHello is ready to be sent.
    pub(super) fn client(config: &AssociationConfig, now: Instant) -> Result<Self, DtlsFailure> {
        let mut client = Self::new(config, Role::Active, 0)?;
        client.say_hello(now, &[]);
        Ok(client)
    }

    /// A server that waits for a ClientHello with this message number.
    pub(super) fn server(
        config: &AssociationConfig,
        first_message: u16,
    ) -> Result<Self, DtlsFailure> {
        Self::new(config, Role::Passive, first_message)
    }

    fn new(
        config: &AssociationConfig,
        role: Role,
        first_message: u16,
    ) -> Result<Self, DtlsFailure> {
        let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
        let own_random = match role {
            Role::Active => &mut client_random,
            Role::Passive => &mut server_random,
        };
        rand::fill(own_random).map_err(|_| DtlsFailure::Internal)?;
        let mut cookie = None;
        if role == Role::Passive && config.verify_address {
            let mut random = [0; COOKIE_LEN];
            rand::fill(&mut random).map_err(|_| DtlsFailure::Internal)?;
            cookie = Some(random);
        }
        let (state, max_unasked) = match role {
            Role::Active => (State::ServerHello, u32::MAX),
            Role::Passive => (State::ClientHello, MAX_UNASKED),
        };
        Ok(Self {
            role,
            certificate: config.certificate.clone(),
            srtp_suites: config.suites.clone(),
            state,
            inbox: Inbox::new(first_message),
            next_message: first_message,
            flight: Flight::new(config.mtu, config.retransmit_after, max_unasked),
            transcript: Vec::new(),
            client_random,
            server_random,
            cookie,
            suite: &suite::SUITES[0],
            srtp: None,
            extended_master_secret: false,
            exchange: None,
            server_point: Vec::new(),
            certificate_wanted: false,
            peer_certificate: Vec::new(),
            master_secret: None,
            read: None,
            replay: ReplayWindow::default(),
            early: Vec::new(),
            peer_repeats: false,
            refused: None,
            outputs: VecDeque::new(),
        })
    }

    /// Adds a message to the flight and to the transcript.
    fn say(&mut self, epoch: u16, kind: u8, body: Vec<u8>) {
        let seq = self.next_message;
        self.next_message = seq.wrapping_add(1);
        let message = Message { kind, seq, body };
        self.remember(&message);
        self.flight.message(epoch, kind, seq, message.body);
    }

    fn remember(&mut self, message: &Message) {
        self.transcript.extend_from_slice(&message.header());
        self.transcript.extend_from_slice(&message.body);
    }

    fn transcript_hash(&self) -> digest::Digest {
        digest::digest(self.suite.hash, &self.transcript)
    }

    fn on_record(&mut self, now: Instant, record: &Record<'_>) -> Result<(), Fatal> {
        match record.epoch {
            0 => self.on_content(now, 0, record.content_type, record.fragment),
            EPOCH => self.on_protected(now, record),
            _ => Ok(()),
        }
    }

    fn on_protected(&mut self, now: Instant, record: &Record<'_>) -> Result<(), Fatal> {
        let Some(cipher) = &self.read else {
            if record.fragment.len() <= MAX_EARLY_LEN && self.early.len() < MAX_EARLY {
                self.early.push(rebuilt(record));
            }
            return Ok(());
        };
        if !self.replay.is_new(record.sequence) {
            return Ok(());
        }
        let Some(plain) = cipher.open(record) else {
            return Ok(());
        };
        self.replay.mark(record.sequence);
        self.on_content(now, EPOCH, record.content_type, &plain)
    }

    fn on_content(
        &mut self,
        now: Instant,
        epoch: u16,
        content_type: u8,
        content: &[u8],
    ) -> Result<(), Fatal> {
        match content_type {
            HANDSHAKE => self.on_fragments(now, epoch, content),
            ALERT => self.on_alert(now, epoch, content),
            // ChangeCipherSpec says nothing that the epoch does not; application data has no taker.
            _ => Ok(()),
        }
    }

    fn on_fragments(&mut self, now: Instant, epoch: u16, content: &[u8]) -> Result<(), Fatal> {
        // Whoever waits for Finished waits for nothing plain; all that it says is that the peer repeats itself.
        let is_late = epoch == 0
            && matches!(
                self.state,
                State::ServerFinished | State::ClientFinished | State::Established
            );
        for fragment in HandshakeFragments::new(content) {
            // Only Finished is protected, and always: whatever else is forged or of no use.
            if (fragment.message_type == message::FINISHED) != (epoch == EPOCH) {
                continue;
            }
            let is_old = if is_late {
                self.inbox.is_old(fragment.message_seq)
            } else {
                self.inbox.push(&fragment) == Kept::Old
            };
            self.peer_repeats |= is_old;
        }
        while let Some(message) = self.inbox.pop() {
            self.refused = None;
            match self.role {
                Role::Active => self.on_server_message(now, &message)?,
                Role::Passive => self.on_client_message(now, &message)?,
            }
        }
        Ok(())
    }

    fn on_alert(&mut self, now: Instant, epoch: u16, content: &[u8]) -> Result<(), Fatal> {
        let &[level, description] = content else {
            return Ok(());
        };
        let is_done = self.state == State::Established;
        match (level, description) {
            (2, _) | (_, alert::CLOSE_NOTIFY) if epoch == 0 => {
                if !is_done {
                    self.refused.get_or_insert((description, now + DOUBT));
                }
                Ok(())
            }
            (_, alert::CLOSE_NOTIFY) if is_done => {
                self.close_with(alert::CLOSE_NOTIFY);
                self.outputs.push_back(Output::Closed);
                Ok(())
            }
            (2, _) | (_, alert::CLOSE_NOTIFY) => Err(self.refused_by(description)),
            _ => Ok(()),
        }
    }

    /// Ends without a word: answering an alert with one helps nobody.
    fn refused_by(&mut self, description: u8) -> Fatal {
        self.state = State::Ended;
        self.flight.begin();
        fatal(DtlsFailure::Alert(description), description)
    }

    /// Computes all keys; the transcript ends in the ClientKeyExchange.
    fn derive_keys(&mut self, peer_point: &[u8]) -> Result<(), Fatal> {
        let (group, own) = self.exchange.take().ok_or(INTERNAL)?;
        let peer = agreement::UnparsedPublicKey::new(group.algorithm, peer_point);
        let session_hash = self.transcript_hash();
        let randoms = [self.client_random.as_slice(), &self.server_random];
        let (label, seed): (&[u8], &[&[u8]]) = if self.extended_master_secret {
            // RFC 7627 §4
            (b"extended master secret", &[session_hash.as_ref()])
        } else {
            (b"master secret", &randoms)
        };
        let suite = self.suite;
        let master = agreement::agree(&own, peer, ILLEGAL, |premaster| {
            suite
                .prf(premaster, label, seed, MASTER_SECRET_LEN)
                .ok_or(INTERNAL)
        })?;
        // RFC 5246 §6.3
        let key_len = suite.aead.key_len();
        let block = suite
            .prf(
                master.as_ref(),
                b"key expansion",
                &[&self.server_random, &self.client_random],
                2 * (key_len + SALT_LEN),
            )
            .ok_or(INTERNAL)?;
        let (keys, salts) = block.as_ref().split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_salt, server_salt) = salts.split_at(SALT_LEN);
        let cipher = |key, salt: &[u8]| {
            let salt = salt.try_into().ok()?;
            Cipher::new(suite.aead, key, salt)
        };
        let client = cipher(client_key, client_salt).ok_or(INTERNAL)?;
        let server = cipher(server_key, server_salt).ok_or(INTERNAL)?;
        let (write, read) = match self.role {
            Role::Active => (client, server),
            Role::Passive => (server, client),
        };
        self.flight.set_cipher(write);
        self.read = Some(read);
        self.master_secret = Some(master);
        Ok(())
    }

    /// Takes the protected records that came before their key.
    fn read_early(&mut self, now: Instant) -> Result<(), Fatal> {
        for datagram in std::mem::take(&mut self.early) {
            for record in Records::new(&datagram) {
                self.on_record(now, &record)?;
            }
        }
        Ok(())
    }

    /// What the Finished message of a side holds (RFC 5246 §7.4.9).
    fn verify_data(&self, of: Role) -> Result<Secret, Fatal> {
        let label: &[u8] = match of {
            Role::Active => b"client finished",
            Role::Passive => b"server finished",
        };
        let master = self.master_secret.as_ref().ok_or(INTERNAL)?;
        let hash = self.transcript_hash();
        self.suite
            .prf(master.as_ref(), label, &[hash.as_ref()], VERIFY_DATA_LEN)
            .ok_or(INTERNAL)
    }

    fn say_finished(&mut self) -> Result<(), Fatal> {
        let verify_data = self.verify_data(self.role)?;
        self.flight.change_cipher_spec();
        self.say(EPOCH, message::FINISHED, verify_data.as_ref().to_vec());
        Ok(())
    }

    fn check_finished(&mut self, message: &Message) -> Result<(), Fatal> {
        let expected = self.verify_data(self.role.opposite())?;
        verify_slices_are_equal(expected.as_ref(), &message.body).map_err(|_| BAD_SIGNATURE)?;
        self.remember(message);
        Ok(())
    }

    /// Both sides are done: exports the keys (RFC 5705 §4, RFC 5764 §4.2) and forgets the rest.
    fn establish(&mut self) -> Result<(), Fatal> {
        let srtp = self.srtp.ok_or(INTERNAL)?;
        let master = self.master_secret.take().ok_or(INTERNAL)?;
        let exported = self
            .suite
            .prf(
                master.as_ref(),
                EXPORTER_LABEL,
                &[&self.client_random, &self.server_random],
                material_len(srtp),
            )
            .ok_or(INTERNAL)?;
        let material = KeyingMaterial::new(srtp, self.role, exported.as_ref()).ok_or(INTERNAL)?;
        self.state = State::Established;
        self.refused = None;
        self.transcript = Vec::new();
        self.outputs.push_back(Output::Established(Established {
            version: DtlsVersion::V1_2,
            peer_certificate: std::mem::take(&mut self.peer_certificate),
            srtp: Some(material),
        }));
        Ok(())
    }

    fn close_with(&mut self, alert: u8) {
        self.state = State::Ended;
        self.flight.end(alert);
    }

    fn fail(&mut self, fatal: Fatal) -> DtlsFailure {
        if !matches!(fatal.failure, DtlsFailure::Alert(_)) {
            self.close_with(fatal.alert);
        }
        fatal.failure
    }
}

/// A record's bytes, once more.
fn rebuilt(record: &Record<'_>) -> Vec<u8> {
    let number = (u64::from(record.epoch) << 48 | record.sequence).to_be_bytes();
    let len = u16::try_from(record.fragment.len())
        .unwrap_or_default()
        .to_be_bytes();
    [
        &[record.content_type],
        &record.version.to_be_bytes()[..],
        &number,
        &len,
        record.fragment,
    ]
    .concat()
}

impl Dtls for Dtls12 {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailure> {
        for record in Records::new(datagram) {
            if self.state == State::Ended {
                break;
            }
            self.on_record(now, &record).map_err(|f| self.fail(f))?;
        }
        if std::mem::take(&mut self.peer_repeats) && self.state != State::Ended {
            self.flight.repeat(now);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        if let Some((description, at)) = self.refused
            && at <= now
        {
            self.refused = None;
            return Err(self.refused_by(description).failure);
        }
        self.flight.handle_timeout(now);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let refused = self.refused.map(|(_, at)| at);
        self.flight.timer().into_iter().chain(refused).min()
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.flight.pop()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn close(&mut self, _now: Instant, alert: u8) {
        if self.state != State::Ended {
            self.close_with(alert);
        }
    }
}
