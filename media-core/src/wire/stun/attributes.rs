//! The attributes that ICE uses, typed (RFC 8489 §14, RFC 8445 §16.1).
//!
//! All accessors look only at what MESSAGE-INTEGRITY covers, or at everything where there is none:
//! "agents MUST ignore all other attributes that follow MESSAGE-INTEGRITY" (RFC 8489 §14.5), or else
//! who cannot sign a message could add USE-CANDIDATE to one.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             type              |     length, bytes, no padding |  every attribute
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0|  family 1, 2  | port ^ cookie's upper 16 bits |  XOR-MAPPED-ADDRESS
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  (§14.2)
//! |  IPv4: address ^ cookie; IPv6: address ^ (cookie ‖ transaction ID)  …
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          reserved, 0                    |class|  number 0–99  |  ERROR-CODE (§14.8)
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  reason phrase, UTF-8  …
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! PRIORITY: 32 bits. ICE-CONTROLLED, ICE-CONTROLLING: 64 bits. USE-CANDIDATE: empty.
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, StunMessage};
use crate::wire::take;

/// Attribute type of USERNAME (RFC 8489 §14.3).
pub const USERNAME: u16 = 0x0006;
/// Attribute type of MESSAGE-INTEGRITY (RFC 8489 §14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Attribute type of ERROR-CODE (RFC 8489 §14.8).
pub const ERROR_CODE: u16 = 0x0009;
/// Attribute type of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attribute type of PRIORITY (RFC 8445 §16.1).
pub const PRIORITY: u16 = 0x0024;
/// Attribute type of USE-CANDIDATE (RFC 8445 §16.1).
pub const USE_CANDIDATE: u16 = 0x0025;
/// Attribute type of ICE-CONTROLLED (RFC 8445 §16.1).
pub const ICE_CONTROLLED: u16 = 0x8029;
/// Attribute type of ICE-CONTROLLING (RFC 8445 §16.1).
pub const ICE_CONTROLLING: u16 = 0x802a;
/// Error code of a role conflict (RFC 8445 §16.2).
pub const ROLE_CONFLICT: u16 = 487;

impl<'a> StunMessage<'a> {
    /// Value of the first attribute of this type in front of MESSAGE-INTEGRITY.
    fn covered(&self, attribute_type: u16) -> Option<&'a [u8]> {
        self.attributes()
            .take_while(|a| a.attribute_type != MESSAGE_INTEGRITY)
            .find(|a| a.attribute_type == attribute_type)
            .map(|a| a.value)
    }

    fn covered_array<const N: usize>(&self, attribute_type: u16) -> Option<[u8; N]> {
        self.covered(attribute_type)?.try_into().ok()
    }

    /// USERNAME cut at its first colon: the receiver's fragment, then the sender's (RFC 8445 §7.2.2).
    /// `None` if there is none or no colon in it.
    #[must_use]
    pub fn username_fragments(&self) -> Option<(&'a [u8], &'a [u8])> {
        let name = self.covered(USERNAME)?;
        let colon = name.iter().position(|b| *b == b':')?;
        let (receiver, rest) = name.split_at_checked(colon)?;
        Some((receiver, rest.get(1..)?))
    }

    /// PRIORITY: what a peer-reflexive candidate learned from this request is worth.
    #[must_use]
    pub fn priority(&self) -> Option<u32> {
        self.covered_array(PRIORITY).map(u32::from_be_bytes)
    }

    /// Whether the controlling agent nominates the pair that this request travelled on.
    #[must_use]
    pub fn use_candidate(&self) -> bool {
        self.covered(USE_CANDIDATE).is_some()
    }

    /// Tie-breaker of a sender that is controlled.
    #[must_use]
    pub fn ice_controlled(&self) -> Option<u64> {
        self.covered_array(ICE_CONTROLLED).map(u64::from_be_bytes)
    }

    /// Tie-breaker of a sender that is controlling.
    #[must_use]
    pub fn ice_controlling(&self) -> Option<u64> {
        self.covered_array(ICE_CONTROLLING).map(u64::from_be_bytes)
    }

    /// Where the responder saw the request come from. `None` too if family and length disagree.
    #[must_use]
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        let mut value = self.covered(XOR_MAPPED_ADDRESS)?;
        let &[_, family, p0, p1] = take(&mut value)?;
        let cookie = MAGIC_COOKIE.to_be_bytes();
        let port = u16::from_be_bytes([p0 ^ cookie[0], p1 ^ cookie[1]]);
        let ip = match family {
            1 => IpAddr::V4(Ipv4Addr::from(xored(value.try_into().ok()?, &cookie))),
            2 => {
                let pad = ipv6_pad(self.transaction_id());
                IpAddr::V6(Ipv6Addr::from(xored(value.try_into().ok()?, &pad)))
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The code of an error response, 300–699.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        let mut value = self.covered(ERROR_CODE)?;
        let &[_, _, class, number] = take(&mut value)?;
        let class = class & 7;
        ((3..7).contains(&class) && number < 100)
            .then(|| u16::from(class) * 100 + u16::from(number))
    }
}

/// The value of XOR-MAPPED-ADDRESS, and how many of its bytes are used.
pub(super) fn xor_mapped_value(
    address: SocketAddr,
    transaction_id: &[u8; 12],
) -> ([u8; 20], usize) {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let [p0, p1] = address.port().to_be_bytes();
    let mut value = [0; 20];
    let (head, ip) = value.split_at_mut(4);
    let (family, len) = match address.ip() {
        IpAddr::V4(v4) => {
            let octets = xored(v4.octets(), &cookie);
            ip.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
            (1, 8)
        }
        IpAddr::V6(v6) => {
            let octets = xored(v6.octets(), &ipv6_pad(transaction_id));
            ip.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
            (2, 20)
        }
    };
    head.copy_from_slice(&[0, family, p0 ^ cookie[0], p1 ^ cookie[1]]);
    (value, len)
}

fn ipv6_pad(transaction_id: &[u8; 12]) -> [u8; 16] {
    let mut pad = [0; 16];
    let bytes = MAGIC_COOKIE
        .to_be_bytes()
        .into_iter()
        .chain(*transaction_id);
    pad.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    pad
}

fn xored<const N: usize>(mut bytes: [u8; N], pad: &[u8; N]) -> [u8; N] {
    bytes.iter_mut().zip(pad).for_each(|(b, p)| *b ^= p);
    bytes
}
