//! A party with SRTP, by keys in SDP or by DTLS, on a socket of its own; made of `media_core`'s sans-IO parts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media_core::buf::{PacketBuf, Slab};
use media_core::dtls::{
    Association, AssociationConfig, Certificate, ClientOffer, DtlsEvent, Fingerprint, HashFunction,
    KeyingMaterial, Role,
};
use media_core::sdp::CryptoAttribute;
use media_core::srtp::{
    CryptoSuite, MasterKey, Protector, SrtpParams, UnprotectError, Unprotector,
};
use media_core::units::Now;

use super::PATIENCE;
use super::call::sdp;
use super::rtp::Endpoint;

/// A party's socket on the loopback.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint::bind(Ipv4Addr::LOCALHOST.into(), 0)
}

/// An RTP packet of PCMU: 160 times the low octet of its sequence number.
pub(crate) fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(172, seq.to_be_bytes()[1]);
    packet
}

/// A description with one audio stream at this port of 127.0.0.1, of this profile, with more lines.
pub(crate) fn secured(port: u16, profile: &str, lines: &[String]) -> String {
    let mut text = sdp(port).replace("RTP/AVP", profile);
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text
}

/// What an `a=<name>:` line of a description says, if there is only one.
pub(crate) fn attribute<'a>(description: &'a str, name: &str) -> Option<&'a str> {
    let prefix = format!("a={name}:");
    let mut all = description
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix));
    match (all.next(), all.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// `a=crypto` with the tag 1 (RFC 4568 §9.1).
pub(crate) fn crypto_line(key: &MasterKey) -> String {
    let mut line = b"a=crypto:".to_vec();
    CryptoAttribute::new(1, key.clone()).write(true, &mut line);
    String::from_utf8(line).expect("base64 is text")
}

/// The key of the first `a=crypto` line.
///
/// # Panics
/// When there is none that can be read.
pub(crate) fn first_key(description: &str) -> MasterKey {
    let line = description
        .lines()
        .find_map(|line| line.strip_prefix("a=crypto:"))
        .unwrap_or_else(|| panic!("no key in {description}"));
    let line = CryptoAttribute::parse(line.as_bytes()).expect("a key line");
    line.key.key
}

/// Both directions of SRTP at a party.
pub(crate) struct Srtp {
    protector: Protector,
    unprotector: Unprotector,
    slot: PacketBuf,
}

impl Srtp {
    /// `own` protects what the party sends, `daemon` what it gets.
    pub(crate) fn new(own: &MasterKey, daemon: &MasterKey) -> Self {
        Self {
            protector: Protector::new(&SrtpParams::new(own.clone())),
            unprotector: Unprotector::new(&SrtpParams::new(daemon.clone())),
            slot: Slab::new(1).allocate().expect("the slab is new"),
        }
    }

    /// The SRTP packet of an RTP packet.
    pub(crate) fn protect(&mut self, plain: &[u8]) -> Vec<u8> {
        assert!(self.slot.fill(plain));
        self.protector
            .protect_rtp(&mut self.slot)
            .expect("a short RTP packet");
        self.slot.as_slice().to_vec()
    }

    /// The RTP packet in an SRTP packet.
    pub(crate) fn unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        assert!(self.slot.fill(packet));
        self.unprotector.unprotect_rtp(&mut self.slot)?;
        Ok(self.slot.as_slice().to_vec())
    }
}

/// A certificate that is good from now on.
pub(crate) fn certificate() -> Certificate {
    let now = Now {
        monotonic: Instant::now(),
        unix: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    };
    Certificate::generate(now).expect("random bytes")
}

/// `a=setup` and `a=fingerprint` of a party with this certificate.
pub(crate) fn dtls_lines(certificate: &Certificate) -> Vec<String> {
    let hash = HashFunction::Sha256;
    let fingerprint = certificate.fingerprint(hash).expect("a known hash");
    vec![
        "a=setup:actpass".to_owned(),
        format!("a=fingerprint:{} {fingerprint}", hash.name()),
    ]
}

/// DTLS of a party that has the daemon's description.
pub(crate) struct Handshake {
    association: Association,
    to: SocketAddr,
}

impl Handshake {
    /// Begins. The role follows from the daemon's `a=setup`.
    pub(crate) fn new(
        own: &Certificate,
        offer: ClientOffer,
        description: &str,
        to: SocketAddr,
    ) -> Self {
        let role = match attribute(description, "setup") {
            Some("active") => Role::Passive,
            Some("passive") => Role::Active,
            other => panic!("setup {other:?} in {description}"),
        };
        let said = attribute(description, "fingerprint").and_then(|line| line.split_once(' '));
        let (hash, value) = said.unwrap_or_else(|| panic!("no fingerprint in {description}"));
        let fingerprint = Fingerprint::parse(hash.as_bytes(), value.as_bytes());
        let config = AssociationConfig {
            remote_fingerprints: vec![fingerprint.expect("a fingerprint")],
            verify_address: false,
            client_offer: offer,
            ..AssociationConfig::new(role, own.clone())
        };
        Self {
            association: Association::new(config, Instant::now()).expect("it begins"),
            to,
        }
    }

    /// What there is to send first; the rest is not sent.
    pub(crate) fn first_datagram(&mut self) -> Vec<u8> {
        self.association.poll_transmit().expect("it begins")
    }

    /// Sends what there is to send now.
    pub(crate) fn flush(&mut self, socket: &Endpoint) {
        while let Some(datagram) = self.association.poll_transmit() {
            socket.send(self.to, &datagram);
        }
    }

    /// Shakes hands until something comes of it.
    ///
    /// # Panics
    /// When nothing does.
    pub(crate) fn run(&mut self, socket: &Endpoint) -> DtlsEvent {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.flush(socket);
            for (_, datagram) in socket.receive(1, Duration::from_millis(20)) {
                self.association.handle_datagram(Instant::now(), &datagram);
            }
            let now = Instant::now();
            if self.association.poll_timeout().is_some_and(|at| at <= now) {
                self.association.handle_timeout(now);
            }
            if let Some(event) = self.association.poll_event() {
                self.flush(socket);
                return event;
            }
        }
        panic!("the handshake does not end");
    }
}

/// A party's own key and the daemon's, from a handshake.
pub(crate) fn keys_of(keys: &KeyingMaterial) -> [MasterKey; 2] {
    let suite: CryptoSuite = keys.suite();
    let key = |key: &[u8], salt: &[u8]| {
        MasterKey::new(suite, &[key, salt].concat()).expect("as long as its suite wants it")
    };
    [
        key(keys.local_key(), keys.local_salt()),
        key(keys.remote_key(), keys.remote_salt()),
    ]
}

/// How a key might be written: in base64, in hexadecimal, as a list of numbers. Without the last octets, which
/// depend on what follows.
pub(crate) fn spellings(key: &MasterKey) -> Vec<String> {
    let octets = key.key_and_salt();
    let base64 = crypto_line(key);
    let base64 = base64.rsplit_once("inline:").map_or("", |(_, key)| key);
    let hex = |separator: &str| {
        let digits: Vec<String> = octets[..12].iter().map(|b| format!("{b:02x}")).collect();
        digits.join(separator)
    };
    let numbers: Vec<String> = octets[..12].iter().map(u8::to_string).collect();
    vec![
        base64[..16].to_owned(),
        hex(""),
        hex(":"),
        hex(" "),
        numbers.join(", "),
    ]
}
