//! One party that does what a browser does with its media transport: ICE, then DTLS, then SRTP, all on
//! one socket. Sans-IO, as its parts are.
//!
//! ```text
//! datagram ─▶ Peer::handle_datagram ─▶ STUN: ice::Agent   DTLS: dtls::Association   RTP: its bytes
//!             Peer::poll_transmit  ◀─ checks, answers   ◀─ flights, once there is a way to the peer
//! ```

use std::fmt;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use media_core::dtls::{
    Association, AssociationConfig, Certificate, DtlsEvent, DtlsFailure, Fingerprint, HashFunction,
    KeyingMaterial, Role,
};
use media_core::ice::{
    self, Agent, AgentConfig, Candidate, Component, Credentials, Event, FailReason, Mode, Timing,
};
use media_core::srtp::MasterKey;
use media_core::wire::demux::{PacketKind, classify};

use super::StreamKeys;
use super::srtp::{Contexts, Slot};
use crate::load::Media;
use crate::sdp::{self, SdpError};

/// Room that [`Peer::poll_transmit`] wants, in bytes.
pub const DATAGRAM_BYTES: usize = 2048;
/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What an offer says of DTLS roles (`a=setup`, RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The answerer chooses, as browsers let it.
    ActPass,
    /// We begin.
    Active,
    /// The answerer begins.
    Passive,
}

impl Setup {
    const fn name(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// What a party offers.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its socket.
    pub local: SocketAddrV4,
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether it does ICE, as a full and controlling agent with this one host candidate.
    pub ice: bool,
    /// DTLS roles.
    pub setup: Setup,
}

/// Why there is no media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The system gave no random bytes, or the socket's address cannot be a candidate.
    #[error("no ICE agent for this socket")]
    NoAgent,
    /// No candidate pair was nominated.
    #[error("ICE failed: {0:?}")]
    Ice(FailReason),
    /// The handshake failed.
    #[error("DTLS failed: {0}")]
    Dtls(#[from] DtlsFailure),
    /// The daemon said `close_notify`.
    #[error("the daemon closed the DTLS association")]
    Closed,
}

/// What a party has done since it was described the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// ICE is part of it.
    pub wants_ice: bool,
    /// Until a pair was nominated.
    pub ice: Option<Duration>,
    /// Until there were SRTP keys.
    pub dtls: Option<Duration>,
    /// SRTP packets that came before their keys.
    pub early: u64,
    /// SRTP packets that were refused.
    pub refused: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.wants_ice, self.ice) {
            (true, Some(after)) => write!(f, "ICE done after {after:.1?}, ")?,
            (true, None) => write!(f, "ICE not done, ")?,
            (false, _) => {}
        }
        match self.dtls {
            Some(after) => write!(f, "DTLS done after {after:.1?}")?,
            None => write!(f, "DTLS not done")?,
        }
        write!(
            f,
            ", {} packets early, {} refused",
            self.early, self.refused
        )
    }
}

/// The party.
///
/// After [`Peer::describe`] call [`Peer::handle_timeout`], which begins; after each `handle_…` send what
/// [`Peer::poll_transmit`] has and ask [`Peer::poll_timeout`].
pub struct Peer {
    config: PeerConfig,
    agent: Option<Agent>,
    /// Of the association, until it begins.
    dtls: Option<AssociationConfig>,
    association: Option<Association>,
    remote: Option<SocketAddr>,
    contexts: Option<Contexts>,
    slot: Slot,
    described: Option<Instant>,
    progress: Progress,
}

impl Peer {
    /// A party that has not been described the other side.
    ///
    /// # Errors
    /// [`PeerError::NoAgent`].
    pub fn new(config: PeerConfig) -> Result<Self, PeerError> {
        let agent = if config.ice {
            let mut agent = Agent::new(AgentConfig {
                component: Component::RTP,
                mode: Mode::Full(ice::Role::Controlling),
                credentials: Credentials::random().map_err(|_| PeerError::NoAgent)?,
                // Roles never conflict here: the daemon knows that the offerer controls.
                tie_breaker: 1,
                timing: Timing::default(),
            });
            let local = SocketAddr::V4(config.local);
            agent
                .add_local(local, u16::MAX)
                .map_err(|_| PeerError::NoAgent)?;
            Some(agent)
        } else {
            None
        };
        Ok(Self {
            progress: Progress {
                wants_ice: config.ice,
                ..Progress::default()
            },
            config,
            agent,
            dtls: None,
            association: None,
            remote: None,
            contexts: None,
            slot: Slot::new(),
            described: None,
        })
    }

    /// The attributes of its offer, without `a=`.
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        let mut lines = vec![
            "rtcp-mux".to_owned(),
            format!("setup:{}", self.config.setup.name()),
        ];
        let hash = HashFunction::Sha256;
        if let Some(fingerprint) = self.config.certificate.fingerprint(hash) {
            lines.push(format!("fingerprint:{} {fingerprint}", hash.name()));
        }
        if let Some(agent) = &self.agent {
            let credentials = agent.credentials();
            let priority = ice::priority(&ice::CandidateType::Host, u16::MAX, Component::RTP);
            let (ip, port) = (self.config.local.ip(), self.config.local.port());
            lines.extend([
                format!("ice-ufrag:{}", credentials.ufrag()),
                format!("ice-pwd:{}", credentials.pwd()),
                format!("candidate:1 1 udp {priority} {ip} {port} typ host"),
            ]);
        }
        lines
    }

    /// Takes the answer to its offer.
    ///
    /// # Errors
    /// [`SdpError`]: the answer lacks what it must have.
    pub fn describe(&mut self, now: Instant, answer: &str, media: &Media) -> Result<(), SdpError> {
        let last = |name| sdp::attributes(answer, name).last();
        let role = match last("setup") {
            Some("active") => Role::Passive,
            Some("passive") => Role::Active,
            _ => return Err(SdpError::Attribute("setup")),
        };
        let mut dtls = AssociationConfig::new(role, self.config.certificate.clone());
        // ICE has checked the address; without it, nobody floods us.
        dtls.verify_address = false;
        dtls.timeout = HANDSHAKE_LIMIT;
        dtls.remote_fingerprints = sdp::attributes(answer, "fingerprint")
            .filter_map(|line| {
                let (hash, value) = line.split_once(' ')?;
                Fingerprint::parse(hash.as_bytes(), value.as_bytes()).ok()
            })
            .collect();
        if dtls.remote_fingerprints.is_empty() {
            return Err(SdpError::Attribute("fingerprint"));
        }
        self.dtls = Some(dtls);
        self.described = Some(now);
        let endpoint = sdp::endpoint(answer, media)?;
        let Some(agent) = &mut self.agent else {
            self.remote = Some(endpoint.into());
            return Ok(());
        };
        let user = last("ice-ufrag").ok_or(SdpError::Attribute("ice-ufrag"))?;
        let password = last("ice-pwd").ok_or(SdpError::Attribute("ice-pwd"))?;
        let credentials = Credentials::new(user.as_bytes(), password.as_bytes())
            .map_err(|_| SdpError::Attribute("ice-pwd"))?;
        agent.set_remote_credentials(now, credentials);
        for line in sdp::attributes(answer, "candidate") {
            if let Ok(candidate) = Candidate::parse(line.as_bytes()) {
                agent.add_remote_candidate(now, &candidate);
            }
        }
        Ok(())
    }

    /// Takes a datagram that came to its socket; returns the RTP packet in it, if it is SRTP and
    /// genuine.
    ///
    /// # Errors
    /// [`PeerError`]: there will be no media.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<&[u8]>, PeerError> {
        match classify(datagram) {
            PacketKind::Stun => {
                let local = SocketAddr::V4(self.config.local);
                if let Some(agent) = &mut self.agent {
                    agent.handle_stun(now, local, from, datagram);
                }
                self.advance(now)?;
            }
            PacketKind::Dtls => {
                self.begin(now)?;
                if let Some(association) = &mut self.association {
                    association.handle_datagram(now, datagram);
                }
                self.advance(now)?;
            }
            PacketKind::Rtp => {
                let Some(contexts) = &mut self.contexts else {
                    self.progress.early += 1;
                    return Ok(None);
                };
                match contexts.unprotect(&mut self.slot, datagram) {
                    Ok(packet) => return Ok(Some(packet)),
                    Err(_) => self.progress.refused += 1,
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// Does what is due, the beginning included.
    ///
    /// # Errors
    /// [`PeerError`]: there will be no media.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
        if let Some(association) = &mut self.association
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
        }
        self.advance(now)
    }

    /// When to call [`Peer::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ice = self.agent.as_ref().and_then(Agent::poll_timeout);
        let dtls = self
            .association
            .as_ref()
            .and_then(Association::poll_timeout);
        ice.into_iter().chain(dtls).min()
    }

    /// The next datagram to send, written to the front of `out`: where to, how long.
    pub fn poll_transmit(&mut self, out: &mut [u8; DATAGRAM_BYTES]) -> Option<(SocketAddr, usize)> {
        if let Some(transmit) = self.agent.as_mut().and_then(|a| a.poll_transmit(out)) {
            return Some((transmit.pair.remote, transmit.len));
        }
        let remote = self.remote?;
        let datagram = self.association.as_mut()?.poll_transmit()?;
        out.get_mut(..datagram.len())?.copy_from_slice(&datagram);
        Some((remote, datagram.len()))
    }

    /// Lets `fill` write an RTP packet and protects it into `out`: where to, how long. `None` without
    /// keys.
    pub fn protect(
        &mut self,
        out: &mut [u8; DATAGRAM_BYTES],
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<(SocketAddr, usize)> {
        let contexts = self.contexts.as_mut()?;
        Some((self.remote?, contexts.protect(&mut self.slot, out, fill)))
    }

    /// What it has done.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Starts DTLS, if it can and has not.
    fn begin(&mut self, now: Instant) -> Result<(), PeerError> {
        let may =
            |dtls: &mut AssociationConfig| dtls.role == Role::Passive || self.remote.is_some();
        if let Some(dtls) = self.dtls.take_if(may) {
            self.association = Some(Association::new(dtls, now)?);
        }
        Ok(())
    }

    fn advance(&mut self, now: Instant) -> Result<(), PeerError> {
        let since = self.described.map(|at| now.saturating_duration_since(at));
        while let Some(event) = self.agent.as_mut().and_then(Agent::poll_event) {
            match event {
                Event::Nominated(pair) => {
                    self.remote = Some(pair.remote);
                    self.progress.ice = self.progress.ice.or(since);
                }
                Event::Failed(reason) => return Err(PeerError::Ice(reason)),
                _ => {}
            }
        }
        self.begin(now)?;
        while let Some(event) = self.association.as_mut().and_then(Association::poll_event) {
            match event {
                DtlsEvent::Connected { keys, .. } => {
                    let keys = stream_keys(&keys).ok_or(DtlsFailure::NoSrtpKeys)?;
                    self.contexts = Some(Contexts::new(&keys));
                    self.progress.dtls = self.progress.dtls.or(since);
                }
                DtlsEvent::Failed(failure) => return Err(failure.into()),
                DtlsEvent::Closed => return Err(PeerError::Closed),
                _ => {}
            }
        }
        Ok(())
    }
}

/// `None` if the keys are not as long as their suite's.
fn stream_keys(keys: &KeyingMaterial) -> Option<StreamKeys> {
    let suite = keys.suite();
    let key = |key: &[u8], salt: &[u8]| MasterKey::new(suite, &[key, salt].concat()).ok();
    Some(StreamKeys {
        own: key(keys.local_key(), keys.local_salt())?,
        daemon: key(keys.remote_key(), keys.remote_salt())?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::certificate;
    use super::*;

    /// A party with the socket 127.0.0.1:`port`, and its offer.
    fn peer(port: u16, ice: bool) -> (Peer, String) {
        let config = PeerConfig {
            local: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            certificate: certificate().unwrap(),
            ice,
            setup: Setup::ActPass,
        };
        let local = config.local;
        let peer = Peer::new(config).unwrap();
        let attributes = peer.attributes();
        let offer = sdp::write(local, &Media::PCMU, "UDP/TLS/RTP/SAVPF", &attributes);
        (peer, offer)
    }

    #[test]
    fn two_of_them_hear_each_other_without_ice() {
        let now = Instant::now();
        let (mut active, offer) = peer(4000, false);
        let (mut passive, answer) = peer(4002, false);
        let answer = answer.replace("actpass", "passive");
        let offer = offer.replace("actpass", "active");
        active.describe(now, &answer, &Media::PCMU).unwrap();
        passive.describe(now, &offer, &Media::PCMU).unwrap();
        active.handle_timeout(now).unwrap();
        let mut out = [0; DATAGRAM_BYTES];
        let mut sides = [active, passive];
        let mut quiet = 0;
        let mut from = 0;
        while quiet < 2 {
            quiet += 1;
            while let Some((_, len)) = sides[from].poll_transmit(&mut out) {
                let address = SocketAddr::V4(sides[from].config.local);
                let audio = sides[1 - from].handle_datagram(now, address, &out[..len]);
                assert_eq!(audio, Ok(None));
                quiet = 0;
            }
            from = 1 - from;
        }
        // A payload long enough not to look the same by chance once it is encrypted.
        let mut packet = [0xaa; 12 + 32];
        packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        for from in [0, 1] {
            let sent = sides[from].protect(&mut out, |to| {
                to[..packet.len()].copy_from_slice(&packet);
                packet.len()
            });
            let (to, len) = sent.expect("keys");
            assert_eq!(to, SocketAddr::V4(sides[1 - from].config.local));
            assert_ne!(out[..packet.len()], packet);
            let heard = sides[1 - from].handle_datagram(now, to, &out[..len]);
            assert_eq!(heard, Ok(Some(&packet[..])));
        }
    }

    #[test]
    fn an_answer_without_what_is_needed_is_refused() {
        let (_, answer) = peer(4002, true);
        let answer = answer.replace("actpass", "active");
        for name in ["setup", "fingerprint", "ice-ufrag", "ice-pwd"] {
            let (mut peer, _) = peer(4000, true);
            let broken = answer.replace(&format!("a={name}:"), "a=x:");
            let refused = peer.describe(Instant::now(), &broken, &Media::PCMU);
            assert_eq!(refused, Err(SdpError::Attribute(name)));
        }
        let (mut peer, _) = peer(4000, true);
        assert_eq!(peer.describe(Instant::now(), &answer, &Media::PCMU), Ok(()));
    }
}
