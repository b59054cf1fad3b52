//! Gives names to what differs between two runs of one dialogue: ports, above all. The first port
//! seen is P1, the next new one P2, … so that a port that stays, and one that changes, stand out.

use std::ops::RangeInclusive;

use super::secrets::Secrets;

/// The names given out in one dialogue with one daemon.
#[derive(Debug)]
pub(crate) struct Names {
    range: RangeInclusive<u16>,
    own_addresses: Vec<String>,
    ports: Vec<(String, u16)>,
    sockets: Vec<(String, u16)>,
    instance: Option<String>,
    /// Whether a port was told by its number alone, behind an address that is not the daemon's. Now
    /// and then a daemon takes the same number at two of its addresses, and the name is a wrong one.
    pub(crate) by_number_alone: bool,
    /// Keys and the like.
    pub(crate) secrets: Secrets,
}

impl Names {
    /// For a daemon that takes its media ports from `range` on `own_addresses`.
    pub(crate) fn new(range: RangeInclusive<u16>, own_addresses: &[&str]) -> Self {
        Self {
            range,
            own_addresses: own_addresses.iter().map(|&a| a.to_owned()).collect(),
            ports: Vec::new(),
            sockets: Vec::new(),
            instance: None,
            by_number_alone: false,
            secrets: Secrets::default(),
        }
    }

    /// Makes the port of one of the test's sockets known.
    pub(crate) fn add_socket(&mut self, name: &str, port: u16) {
        self.sockets.push((name.to_owned(), port));
    }

    /// The name of a port, or the number if it is neither the daemon's nor a socket's.
    ///
    /// `base` is the RTP port beside it: the next port after that one is called `P1+1`.
    pub(crate) fn port(&mut self, address: &str, port: u16, base: Option<u16>) -> String {
        if let Some((name, _)) = self.sockets.iter().find(|s| s.1 == port) {
            return format!("<{name}>");
        }
        if let Some((name, _)) = self.sockets.iter().find(|s| s.1 + 1 == port) {
            return format!("<{name}>+1");
        }
        if !self.range.contains(&port) {
            return port.to_string();
        }
        match base {
            Some(base) if base + 1 == port => {
                let odd = if base % 2 == 1 {
                    " after an odd port"
                } else {
                    ""
                };
                format!("{}+1{odd}", self.number(address, base))
            }
            _ => self.number(address, port),
        }
    }

    fn number(&mut self, address: &str, port: u16) -> String {
        // Behind an address that is not the daemon's (`0.0.0.0`, `media address`) the port decides.
        let foreign = |address: &str| !self.own_addresses.iter().any(|own| own == address);
        self.by_number_alone |= foreign(address);
        let known = self
            .ports
            .iter()
            .rposition(|(a, p)| *p == port && (a == address || foreign(a) || foreign(address)));
        let at = known.unwrap_or_else(|| {
            self.ports.push((address.to_owned(), port));
            self.ports.len() - 1
        });
        format!("P{}", at + 1)
    }

    /// The name of a loop-protection mark: the daemon's own, or as it is.
    pub(crate) fn instance(&mut self, mark: &str) -> String {
        let well_formed = mark.len() == 12 && mark.bytes().all(|b| b.is_ascii_hexdigit());
        // A dialogue brings foreign marks with all digits zero.
        if !well_formed || mark.starts_with("000000") {
            return mark.to_owned();
        }
        let own = self.instance.get_or_insert_with(|| mark.to_owned());
        if own == mark {
            "<own mark>"
        } else {
            "<another mark>"
        }
        .to_owned()
    }
}
