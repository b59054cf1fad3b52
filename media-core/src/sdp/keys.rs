//! The keys of an `a=crypto` line (RFC 4568 §6.1).

use std::io::Write;

use super::crypto::CryptoError;
use super::{base64, text};
use crate::srtp::{CryptoSuite, MasterKey, Mki};

/// One `inline:` (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParam {
    /// The key.
    pub key: MasterKey,
    /// How many packets it may protect; `None`: as many as the suite allows.
    pub lifetime: Option<Lifetime>,
    /// Its identifier in each packet; `None`: packets have none.
    pub mki: Option<Mki>,
}

/// Packets that one master key may protect (RFC 4568 §6.1), as written; at most 2⁴⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// `2^n`.
    PowerOfTwo(u8),
    /// Decimal.
    Packets(u64),
}

impl KeyParam {
    pub(super) fn parse(param: &[u8], suite: CryptoSuite) -> Result<Self, CryptoError> {
        let inline = param.strip_prefix(b"inline:").ok_or(CryptoError::Key)?;
        let mut fields = inline.split(|&b| b == b'|');
        let octets = base64::decode(fields.next().unwrap_or_default()).ok_or(CryptoError::Key)?;
        let key = MasterKey::new(suite, &octets).map_err(|e| CryptoError::KeyLength(e.got))?;
        let (mut lifetime, mut mki) = (None, None);
        // Devices add fields behind these two; they say nothing to us.
        for field in fields.take(2) {
            if field.contains(&b':') {
                mki = Some(read_mki(field).ok_or(CryptoError::Mki)?);
                break;
            }
            lifetime = Some(Lifetime::parse(field).ok_or(CryptoError::Lifetime)?);
        }
        Ok(Self { key, lifetime, mki })
    }

    pub(super) fn write(&self, padded: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"inline:");
        base64::encode(self.key.key_and_salt(), padded, out);
        if let Some(lifetime) = self.lifetime {
            // Writing to a Vec cannot fail.
            let _ = match lifetime {
                Lifetime::PowerOfTwo(n) => write!(out, "|2^{n}"),
                Lifetime::Packets(n) => write!(out, "|{n}"),
            };
        }
        if let Some(mki) = &self.mki {
            out.push(b'|');
            write_mki(mki, out);
        }
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

/// `value:length`.
fn read_mki(field: &[u8]) -> Option<Mki> {
    let (value, len) = text::split_once(field, b':')?;
    let len = usize::try_from(text::whole(len)?).ok()?;
    if value.is_empty() || len > Mki::MAX_LEN {
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
    Mki::new(&octets)
}

/// Its octets are a number, most significant first.
fn write_mki(mki: &Mki, out: &mut Vec<u8>) {
    let mut octets = mki.as_bytes().to_vec();
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
    let _ = write!(out, ":{}", mki.as_bytes().len());
}
