//! ICE in descriptions (RFC 8839): credentials, candidates and options, as text says them.

use std::io::Write;
use std::net::IpAddr;

use super::text;

/// A user name fragment and its password (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`.
    pub ufrag: Box<str>,
    /// `a=ice-pwd`. Not shown by `Debug`.
    pub pwd: Box<str>,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag)
    }
}

/// What a section says about ICE, with what it inherits from the session level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceParams {
    /// `a=ice-ufrag`: without one there is no ICE.
    pub ufrag: Option<Box<str>>,
    /// `a=ice-pwd`.
    pub pwd: Option<Box<str>>,
    /// `a=ice-lite` of the session.
    pub lite: bool,
    /// `trickle` among the section's own `a=ice-options` (RFC 8840 §4.1.1).
    pub trickle: bool,
    /// `a=candidate`, those that can be read; at most [`IceCandidate::MAX_LINES`].
    pub candidates: Vec<IceCandidate>,
    /// `a=end-of-candidates` (RFC 8840 §4.2).
    pub end_of_candidates: bool,
    /// `a=remote-candidates` (RFC 8839 §5.2): component, address and port.
    pub remote_candidates: Vec<RemoteCandidate>,
}

impl IceParams {
    /// Both halves, if there are both.
    #[must_use]
    pub fn credentials(&self) -> Option<IceCredentials> {
        Some(IceCredentials {
            ufrag: self.ufrag.clone()?,
            pwd: self.pwd.clone()?,
        })
    }
}

/// One component of `a=remote-candidates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// 1: RTP, 2: RTCP.
    pub component: u16,
    /// Literal, or a name.
    pub address: Box<str>,
    /// Port.
    pub port: u16,
}

/// `a=candidate` (RFC 8839 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCandidate {
    /// Candidates of one kind and base share it.
    pub foundation: Box<str>,
    /// 1: RTP, 2: RTCP.
    pub component: u16,
    /// `UDP`, `tcp`, … as written.
    pub transport: Box<str>,
    /// Priority (RFC 8445 §5.1.2).
    pub priority: u32,
    /// Literal, or a name (mDNS).
    pub address: Box<str>,
    /// Port.
    pub port: u16,
    /// `typ`.
    pub kind: CandidateKind,
    /// `raddr` and `rport`.
    pub related: Option<(Box<str>, u16)>,
    /// What follows, in pairs of name and value.
    pub extensions: Vec<(Box<str>, Box<str>)>,
}

/// Where a candidate comes from (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of the host.
    Host,
    /// As a server saw it.
    ServerReflexive,
    /// As the peer saw it.
    PeerReflexive,
    /// An address of a relay.
    Relay,
}

impl CandidateKind {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        [
            Self::Host,
            Self::ServerReflexive,
            Self::PeerReflexive,
            Self::Relay,
        ]
        .into_iter()
        .find(|kind| kind.name().as_bytes() == name)
    }
}

impl IceCandidate {
    /// Most of one section that are read.
    pub const MAX_LINES: usize = 64;
    /// Most extensions of one candidate that are kept.
    const MAX_EXTENSIONS: usize = 16;

    /// Reads what follows `a=candidate:`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut words = text::words(value).map(|word| std::str::from_utf8(word).ok());
        let mut next = || words.next().flatten();
        let foundation = next()?.into();
        let component = next()?.parse().ok()?;
        let transport = next()?.into();
        let priority = next()?.parse().ok()?;
        let address = next()?.into();
        let port = next()?.parse().ok()?;
        if next()? != "typ" {
            return None;
        }
        let kind = CandidateKind::from_name(next()?.as_bytes())?;
        let mut extensions: Vec<(Box<str>, Box<str>)> = Vec::new();
        while let (Some(name), Some(value)) = (next(), next()) {
            if extensions.len() < Self::MAX_EXTENSIONS {
                extensions.push((name.into(), value.into()));
            }
        }
        // Both or none, and in front of all others (RFC 8839 §5.1).
        let related = match extensions.get(..2) {
            Some([(raddr, address), (rport, port)])
                if &**raddr == "raddr" && &**rport == "rport" =>
            {
                port.parse().ok().map(|port| (address.clone(), port))
            }
            _ => None,
        };
        if related.is_some() {
            extensions.drain(..2);
        }
        Some(Self {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            kind,
            related,
            extensions,
        })
    }

    /// Appends what follows `a=candidate:`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind.name()
        );
        if let Some((address, port)) = &self.related {
            let _ = write!(out, " raddr {address} rport {port}");
        }
        for (name, value) in &self.extensions {
            let _ = write!(out, " {name} {value}");
        }
    }

    /// Its address, where it is one that packets can be sent to over UDP.
    #[must_use]
    pub fn udp_address(&self) -> Option<IpAddr> {
        let address = self.address.parse().ok();
        address.filter(|_| self.transport.eq_ignore_ascii_case("udp"))
    }
}

/// Reads what follows `a=remote-candidates:`; what cannot be read ends the list.
pub(super) fn remote_candidates(value: &[u8]) -> Vec<RemoteCandidate> {
    let mut words = text::words(value).map_while(|word| std::str::from_utf8(word).ok());
    let mut all = Vec::new();
    while let (Some(component), Some(address), Some(port)) =
        (words.next(), words.next(), words.next())
    {
        let (Ok(component), Ok(port)) = (component.parse(), port.parse()) else {
            break;
        };
        let address = address.into();
        all.push(RemoteCandidate {
            component,
            address,
            port,
        });
        if all.len() == IceCandidate::MAX_LINES {
            break;
        }
    }
    all
}

/// Appends what follows `a=remote-candidates:`.
pub(super) fn write_remote_candidates(all: &[RemoteCandidate], out: &mut Vec<u8>) {
    for (n, one) in all.iter().enumerate() {
        let blank = if n == 0 { "" } else { " " };
        let (component, address, port) = (one.component, &one.address, one.port);
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{blank}{component} {address} {port}");
    }
}

/// Is `trickle` among these options?
pub(super) fn has_trickle(value: &[u8]) -> bool {
    text::words(value).any(|word| word == b"trickle")
}

/// A token that may stand in a line: what is not UTF-8 or longer than RFC 8839 §5.4 has it is none.
pub(super) fn token(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    (!text.is_empty() && text.len() <= 256).then(|| text.into())
}
