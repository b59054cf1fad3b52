//! `[NAME/]IP[!ADVERTISED]`: from what people write to addresses.

use std::net::{IpAddr, ToSocketAddrs};

use super::ConfigError;
use crate::sys;

/// One written interface, resolved. A name may stand for several addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Addresses of a logical interface.
    Addresses {
        name: String,
        addresses: Vec<IpAddr>,
        advertised: Option<IpAddr>,
    },
    /// `alias=name`: another word for a logical interface.
    Alias { alias: String, name: String },
}

pub(super) fn resolve(text: &str) -> Result<Written, ConfigError> {
    let error = |reason: String| ConfigError::Unusable {
        option: "interface",
        value: text.to_owned(),
        reason,
    };
    if let Some((alias, name)) = text.split_once('=')
        && !alias.contains('/')
    {
        return Ok(Written::Alias {
            alias: alias.to_owned(),
            name: name.to_owned(),
        });
    }
    let (name, rest) = text.split_once('/').unwrap_or(("default", text));
    let (local, advertised) = match rest.split_once('!') {
        Some((local, advertised)) => (local, Some(advertised)),
        None => (rest, None),
    };
    if name.is_empty() {
        return Err(error("the name is empty".into()));
    }
    let advertised = match advertised.map(|text| (text, bare(text).parse::<IpAddr>())) {
        None => None,
        Some((_, Ok(address))) => Some(address),
        Some((text, Err(_))) => return Err(error(format!("{text:?} is not an address"))),
    };
    let addresses = addresses(bare(local)).map_err(error)?;
    if let Some(advertised) = advertised
        && addresses
            .iter()
            .any(|a| a.is_ipv4() != advertised.is_ipv4())
    {
        return Err(error("both addresses must be of one family".into()));
    }
    Ok(Written::Addresses {
        name: name.to_owned(),
        addresses,
        advertised,
    })
}

/// Without the brackets of `[::1]`.
fn bare(address: &str) -> &str {
    address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address)
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let all = sys::interface_addresses().map_err(|e| format!("cannot list interfaces: {e}"))?;
    let wanted = |name: &str, address: &IpAddr| match text {
        "any" => !address.is_loopback() && !is_link_local(address),
        text => name == text,
    };
    let mut found: Vec<IpAddr> = all
        .iter()
        .filter(|(name, address)| wanted(name, address))
        .map(|(_, address)| *address)
        .collect();
    if found.is_empty() && text != "any" {
        let resolved = (text, 0).to_socket_addrs().map_err(|_| {
            format!("{text:?} is neither an address nor an interface nor a host name")
        })?;
        found = resolved.map(|a| a.ip()).collect();
        found.dedup();
    }
    if found.is_empty() {
        return Err("there is no such address".into());
    }
    Ok(found)
}

/// An IPv6 link-local address means nothing without its zone, which SDP cannot carry.
fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses_of(text: &str) -> (String, Vec<String>, Option<String>) {
        match resolve(text).unwrap() {
            Written::Addresses {
                name,
                addresses,
                advertised,
            } => (
                name,
                addresses.iter().map(ToString::to_string).collect(),
                advertised.map(|a| a.to_string()),
            ),
            Written::Alias { .. } => panic!("{text} is no alias"),
        }
    }

    #[test]
    fn all_parts_are_read() {
        assert_eq!(
            addresses_of("192.0.2.1"),
            ("default".into(), vec!["192.0.2.1".into()], None)
        );
        assert_eq!(
            addresses_of("pub:1/10.0.0.1!192.0.2.4"),
            (
                "pub:1".into(),
                vec!["10.0.0.1".into()],
                Some("192.0.2.4".into())
            )
        );
        assert_eq!(
            addresses_of("v6/[2001:db8::1]").1,
            ["2001:db8::1".to_owned()]
        );
        assert!(addresses_of("lo").1.contains(&"127.0.0.1".to_owned()));
        assert_eq!(
            resolve("a=b").unwrap(),
            Written::Alias {
                alias: "a".into(),
                name: "b".into()
            }
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "/127.0.0.1",
            "127.0.0.1!x",
            "127.0.0.1!::1",
            "no such thing!",
        ] {
            assert!(resolve(bad).is_err(), "{bad}");
        }
    }
}
