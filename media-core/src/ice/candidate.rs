//! `a=candidate` (RFC 8839 §5.1), read and written.
//!
//! ```text
//! candidate:842163049 1 udp 1677729535 192.0.2.3 45664 typ srflx raddr 10.0.0.1 rport 8998 generation 0
//!           │         │ │   │          │         │     │         │                         └ extensions: name, value
//!           │         │ │   │          │         │     │         └ related address
//!           │         │ │   │          │         │     └ type
//!           │         │ │   priority   address   port
//!           │         │ transport
//!           │         component
//!           foundation
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Which of a stream's two sockets: RTP, or RTCP where it is not multiplexed (RFC 8445 §4). 1–256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component(u16);

impl Component {
    /// RTP, and RTCP with it if multiplexed.
    pub const RTP: Self = Self(1);
    /// RTCP on a socket of its own.
    pub const RTCP: Self = Self(2);

    /// `None` outside 1–256.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            1..=256 => Some(Self(number)),
            _ => None,
        }
    }
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The transport of a candidate. Only UDP is ever used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `UDP`, in whatever case it came.
    Udp,
    /// `TCP` (RFC 6544).
    Tcp,
    /// Another, in its own case.
    Other(String),
}

/// Where a candidate is, or says it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CandidateAddress {
    /// An address.
    Ip(IpAddr),
    /// A name, mDNS mostly (`….local`), or an address with a zone. Never resolved.
    Name(String),
}

/// What kind of candidate (RFC 8445 §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// An address of the host itself.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// A TURN relay's.
    Relayed,
    /// Of a later RFC.
    Other(String),
}

impl CandidateType {
    /// The recommended type preference (RFC 8445 §5.1.2.2); 0 for unknown types.
    #[must_use]
    pub const fn preference(&self) -> u8 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed | Self::Other(_) => 0,
        }
    }
}

/// The priority of a candidate (RFC 8445 §5.1.2.1):
/// type preference ≪ 24 | `local_pref` ≪ 8 | (256 − component).
#[must_use]
pub const fn priority(typ: &CandidateType, local_pref: u16, component: Component) -> u32 {
    ((typ.preference() as u32) << 24) | ((local_pref as u32) << 8) | (256 - component.0 as u32)
}

/// A candidate as signalled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Same for candidates of the same type, base and server; 1–32 characters.
    pub foundation: String,
    /// Which socket of the stream.
    pub component: Component,
    /// Its transport.
    pub transport: Transport,
    /// The higher the better; usually from [`priority`].
    pub priority: u32,
    /// Where it is.
    pub address: CandidateAddress,
    /// Its port; 9 for active TCP.
    pub port: u16,
    /// What kind.
    pub typ: CandidateType,
    /// `raddr` and `rport`: the base of a reflexive candidate, the mapped address of a relayed one.
    pub related: Option<(CandidateAddress, u16)>,
    /// What follows, name and value, in its order: `generation`, `ufrag`, `tcptype`, `network-cost`, …
    pub extensions: Vec<(String, String)>,
}

/// Why a line is not a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// Longer than [`Candidate::MAX_LEN`].
    #[error("candidate of {0} bytes")]
    TooLong(usize),
    /// Holds bytes that are not visible ASCII or blanks.
    #[error("candidate holds the byte {0:#04x}")]
    NotText(u8),
    /// Ends before its type.
    #[error("candidate ends before its type")]
    Incomplete,
    /// The foundation is longer than 32 characters.
    #[error("foundation of {0} characters")]
    LongFoundation(usize),
    /// The component is not a number from 1 to 256.
    #[error("candidate's component is not 1 to 256")]
    BadComponent,
    /// The priority is not a 32-bit number.
    #[error("candidate's priority is not a number of 32 bits")]
    BadPriority,
    /// A port is not a 16-bit number.
    #[error("candidate's port is not a number of 16 bits")]
    BadPort,
    /// `typ` is not where it must be.
    #[error("candidate does not say `typ` after its port")]
    NoType,
    /// More than [`Candidate::MAX_EXTENSIONS`].
    #[error("candidate has more than {} extensions", Candidate::MAX_EXTENSIONS)]
    TooManyExtensions,
}

impl Candidate {
    /// The longest line that is read, bytes.
    pub const MAX_LEN: usize = 1024;
    /// The most extensions that are read.
    pub const MAX_EXTENSIONS: usize = 16;

    /// A host candidate of ours, on UDP, with the priority of RFC 8445.
    #[must_use]
    pub fn host(
        address: SocketAddr,
        component: Component,
        local_pref: u16,
        foundation: &str,
    ) -> Self {
        Self {
            foundation: foundation.to_owned(),
            component,
            transport: Transport::Udp,
            priority: priority(&CandidateType::Host, local_pref, component),
            address: CandidateAddress::Ip(address.ip()),
            port: address.port(),
            typ: CandidateType::Host,
            related: None,
            extensions: Vec::new(),
        }
    }

    /// Reads the value of `a=candidate`, with or without `a=` and `candidate:` in front.
    ///
    /// Blanks may be several, and fields may be in any case where RFC 8839 says so.
    ///
    /// # Errors
    /// The first defect found, see [`CandidateError`].
    pub fn parse(line: &[u8]) -> Result<Self, CandidateError> {
        if line.len() > Self::MAX_LEN {
            return Err(CandidateError::TooLong(line.len()));
        }
        let text = visible(line)?;
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        let mut words = text.split_ascii_whitespace();
        let mut word = || words.next().ok_or(CandidateError::Incomplete);
        let foundation = word()?;
        let component = number(word()?).and_then(Component::new);
        let transport = word()?;
        let priority = number(word()?);
        let address = word()?;
        let port = number(word()?).ok_or(CandidateError::BadPort)?;
        if !word()?.eq_ignore_ascii_case("typ") {
            return Err(CandidateError::NoType);
        }
        let typ = word()?;
        if foundation.len() > 32 {
            return Err(CandidateError::LongFoundation(foundation.len()));
        }
        let mut candidate = Self {
            foundation: foundation.to_owned(),
            component: component.ok_or(CandidateError::BadComponent)?,
            transport: Transport::named(transport),
            priority: priority.ok_or(CandidateError::BadPriority)?,
            address: CandidateAddress::named(address),
            port,
            typ: CandidateType::named(typ),
            related: None,
            extensions: Vec::new(),
        };
        candidate.read_extensions(words)?;
        Ok(candidate)
    }

    fn read_extensions<'a>(
        &mut self,
        mut words: impl Iterator<Item = &'a str>,
    ) -> Result<(), CandidateError> {
        let (mut related_address, mut related_port) = (None, None);
        while let Some(name) = words.next() {
            let value = words.next().unwrap_or_default();
            match name {
                "raddr" => related_address = Some(CandidateAddress::named(value)),
                "rport" => related_port = Some(number(value).ok_or(CandidateError::BadPort)?),
                _ if self.extensions.len() == Self::MAX_EXTENSIONS => {
                    return Err(CandidateError::TooManyExtensions);
                }
                _ => self.extensions.push((name.to_owned(), value.to_owned())),
            }
        }
        self.related = related_address.map(|a| (a, related_port.unwrap_or(0)));
        Ok(())
    }

    /// Where it is, if that is an address and not a name.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            CandidateAddress::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            CandidateAddress::Name(_) => None,
        }
    }

    /// The value of an extension, for example `ufrag`.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        let found = self.extensions.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }
}

/// The value of `a=candidate`: what follows the colon.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            foundation,
            component: Component(component),
            transport,
            priority,
            address,
            port,
            typ,
            related,
            extensions,
        } = self;
        write!(
            f,
            "{foundation} {component} {transport} {priority} {address} {port} typ {typ}"
        )?;
        if let Some((address, port)) = related {
            write!(f, " raddr {address} rport {port}")?;
        }
        for (name, value) in extensions {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}

impl Transport {
    fn named(name: &str) -> Self {
        match name {
            n if n.eq_ignore_ascii_case("udp") => Self::Udp,
            n if n.eq_ignore_ascii_case("tcp") => Self::Tcp,
            n => Self::Other(n.to_owned()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Other(name) => name,
        })
    }
}

impl CandidateAddress {
    fn named(name: &str) -> Self {
        IpAddr::from_str(name).map_or_else(|_| Self::Name(name.to_owned()), Self::Ip)
    }
}

impl fmt::Display for CandidateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl CandidateType {
    fn named(name: &str) -> Self {
        match name {
            "host" => Self::Host,
            "srflx" => Self::ServerReflexive,
            "prflx" => Self::PeerReflexive,
            "relay" => Self::Relayed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for CandidateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
            Self::Other(name) => name,
        })
    }
}

/// The bytes as text, if they are visible ASCII and blanks.
fn visible(bytes: &[u8]) -> Result<&str, CandidateError> {
    let strange = bytes.iter().find(|b| !matches!(b, b'\t' | b' '..=b'~'));
    if let Some(byte) = strange {
        return Err(CandidateError::NotText(*byte));
    }
    Ok(std::str::from_utf8(bytes).expect("invariant: ASCII is UTF-8"))
}

/// Decimal digits and nothing else: `parse` alone would take a sign.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
