//! The smaller ICE attributes: `a=remote-candidates`, `a=ice-options` (RFC 8839 §5.2, §5.6).
//! `a=end-of-candidates` and `a=ice-lite` have no value.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Component;
use super::candidate::number;

/// `a=remote-candidates`: what the controlling agent took for the peer's side of each component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteCandidates(Vec<(Component, SocketAddr)>);

impl RemoteCandidates {
    /// The most components that are read.
    pub const MAX: usize = 8;

    /// Of these components, in this order; those beyond [`RemoteCandidates::MAX`] are left out.
    #[must_use]
    pub fn new(components: &[(Component, SocketAddr)]) -> Self {
        Self(components.iter().copied().take(Self::MAX).collect())
    }

    /// Reads the value. `None` if it is not triples of component, address and port, or too many.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut words = text.split_ascii_whitespace();
        let mut components = Vec::new();
        while let Some(component) = words.next() {
            let component = Component::new(number(component)?)?;
            let ip: IpAddr = words.next()?.parse().ok()?;
            let port = number(words.next()?)?;
            if components.len() == Self::MAX {
                return None;
            }
            components.push((component, SocketAddr::new(ip, port)));
        }
        (!components.is_empty()).then_some(Self(components))
    }

    /// What was taken for this component.
    #[must_use]
    pub fn component(&self, component: Component) -> Option<SocketAddr> {
        let found = self.0.iter().find(|(c, _)| *c == component)?;
        Some(found.1)
    }
}

/// The attribute's value.
impl fmt::Display for RemoteCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (component, address)) in self.0.iter().enumerate() {
            let blank = if n == 0 { "" } else { " " };
            let (component, ip, port) = (component.get(), address.ip(), address.port());
            write!(f, "{blank}{component} {ip} {port}")?;
        }
        Ok(())
    }
}

/// Whether the value of `a=ice-options` lists this option, for example `trickle` (RFC 8840 §4.1.3).
#[must_use]
pub fn has_option(ice_options: &[u8], option: &str) -> bool {
    ice_options
        .split(u8::is_ascii_whitespace)
        .any(|o| o == option.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_candidates_read_back() {
        let addresses = ["192.0.2.1:4000", "[2001:db8::1]:4001"].map(|a| a.parse().expect("fine"));
        let both = [
            (Component::RTP, addresses[0]),
            (Component::RTCP, addresses[1]),
        ];
        let written = RemoteCandidates::new(&both);
        assert_eq!(written.to_string(), "1 192.0.2.1 4000 2 2001:db8::1 4001");
        let read = RemoteCandidates::parse(written.to_string().as_bytes()).expect("ours");
        assert_eq!(read, written);
        assert_eq!(read.component(Component::RTCP), Some(addresses[1]));
        assert_eq!(read.component(Component::new(7).expect("in range")), None);
    }

    #[test]
    fn half_a_triple_is_refused() {
        for value in [
            "",
            "1",
            "1 192.0.2.1",
            "1 name 5",
            "0 1.1.1.1 5",
            "1 1.1.1.1 70000",
        ] {
            assert_eq!(RemoteCandidates::parse(value.as_bytes()), None, "{value}");
        }
        let nine = "1 1.1.1.1 5 ".repeat(9);
        assert_eq!(RemoteCandidates::parse(nine.as_bytes()), None);
    }

    #[test]
    fn options_are_whole_words() {
        assert!(has_option(b"ice2 trickle", "trickle"));
        assert!(has_option(b"trickle", "trickle"));
        assert!(!has_option(b"trickles renomination", "trickle"));
        assert!(!has_option(b"", "trickle"));
    }
}
