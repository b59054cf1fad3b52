//! The keys of an `a=crypto` line (RFC 4568 §6.1).
//!
//! They are overwritten when they are dropped and never shown.

use std::fmt;
use std::io::Write;

use zeroize::Zeroizing;

use super::crypto::CryptoError;
use super::{base64, text};
use crate::srtp::CryptoSuite;

/// One `inline:` (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParam {
    /// The key.
    pub key: InlineKey,
    /// How many packets it may protect; `None`: as many as the suite allows.
    pub lifetime: Option<Lifetime>,
    /// Its identifier in each packet; `None`: packets have none.
    pub mki: Option<Mki>,
}

/// Master key ‖ master salt.
#[derive(Clone, PartialEq, Eq)]
pub struct InlineKey(Zeroizing<Vec<u8>>);

/// Packets that one master key may protect (RFC 4568 §6.1), as written; at most 2⁴⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// `2^n`.
    PowerOfTwo(u8),
    /// Decimal.
    Packets(u64),
}

/// A master key identifier (RFC 3711 §3.1): at most [`Mki::MAX_LEN`] octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    octets: [u8; Self::MAX_LEN],
    len: u8,
}

impl KeyParam {
    pub(super) fn parse(param: &[u8], suite: CryptoSuite) -> Result<Self, CryptoError> {
        let inline = param.strip_prefix(b"inline:").ok_or(CryptoError::Key)?;
        let mut fields = inline.split(|&b| b == b'|');
        let octets = base64::decode(fields.next().unwrap_or_default()).ok_or(CryptoError::Key)?;
        if octets.len() != suite.key_len() + suite.salt_len() {
            return Err(CryptoError::KeyLength(octets.len()));
        }
        let (mut lifetime, mut mki) = (None, None);
        // Devices add fields behind these two; they say nothing to us.
        for field in fields.take(2) {
            if field.contains(&b':') {
                mki = Some(Mki::parse(field).ok_or(CryptoError::Mki)?);
                break;
            }
            lifetime = Some(Lifetime::parse(field).ok_or(CryptoError::Lifetime)?);
        }
        Ok(Self {
            key: InlineKey(octets),
            lifetime,
            mki,
        })
    }

    pub(super) fn write(&self, padded: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"inline:");
        base64::encode(&self.key.0, padded, out);
        if let Some(lifetime) = self.lifetime {
            // Writing to a Vec cannot fail.
            let _ = match lifetime {
                Lifetime::PowerOfTwo(n) => write!(out, "|2^{n}"),
                Lifetime::Packets(n) => write!(out, "|{n}"),
            };
        }
        if let Some(mki) = &self.mki {
            out.push(b'|');
            mki.write(out);
        }
    }
}

impl InlineKey {
    /// The octets of a key and its salt, in this order. Whoever uses them checks the length.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    /// Key ‖ salt.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineKey(…)")
    }
}

impl Lifetime {
    const MAX_POWER: u8 = 48;

    /// The number of packets.
    #[must_use]
    pub const fn packets(self) -> u64 {
        match self {
            Lifetime::PowerOfTwo(n) => 1 << n,
            Lifetime::Packets(n) => n,
        }
    }

    fn parse(field: &[u8]) -> Option<Self> {
        if let Some(power) = field.strip_prefix(b"2^") {
            let power = u8::try_from(text::whole(power)?).ok()?;
            return (power <= Self::MAX_POWER).then_some(Lifetime::PowerOfTwo(power));
        }
        let packets = text::whole(field)?;
        (packets <= 1 << Self::MAX_POWER).then_some(Lifetime::Packets(packets))
    }
}

impl Mki {
    /// Longest that we take: what fits behind a packet, with its tag.
    pub const MAX_LEN: usize = 32;

    /// The identifier as it stands in packets. `None`: empty or too long.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut all = [0; Self::MAX_LEN];
        all.get_mut(..octets.len())?.copy_from_slice(octets);
        let len = u8::try_from(octets.len()).ok().filter(|&len| len > 0)?;
        Some(Self { octets: all, len })
    }

    /// The identifier as it stands in packets: a number, most significant octet first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// `value:length`.
    fn parse(field: &[u8]) -> Option<Self> {
        let (value, len) = text::split_once(field, b':')?;
        let len = usize::try_from(text::whole(len)?).ok()?;
        if value.is_empty() || len > Self::MAX_LEN {
            return None;
        }
        let mut octets = vec![0u8; len];
        for digit in value {
            let mut carry = u32::from(digit.checked_sub(b'0').filter(|&digit| digit < 10)?);
            for octet in octets.iter_mut().rev() {
                let [.., high, low] = (u32::from(*octet) * 10 + carry).to_be_bytes();
                *octet = low;
                carry = u32::from(high);
            }
            if carry > 0 {
                return None;
            }
        }
        Self::new(&octets)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut octets = self.as_bytes().to_vec();
        let mut digits = Vec::new();
        while digits.is_empty() || octets.iter().any(|&octet| octet != 0) {
            let mut rest = 0;
            for octet in &mut octets {
                let value = rest * 256 + u16::from(*octet);
                *octet = u8::try_from(value / 10).unwrap_or(0);
                rest = value % 10;
            }
            digits.push(b'0' + u8::try_from(rest).unwrap_or(0));
        }
        out.extend(digits.iter().rev());
        // Writing to a Vec cannot fail.
        let _ = write!(out, ":{}", self.len);
    }
}

impl fmt::Debug for Mki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mki({:02x?})", self.as_bytes())
    }
}
