//! Reading small things out of octets. Session descriptions are octets, not always UTF-8.

use std::net::IpAddr;

/// Splits at the first `at`; `None` without one.
pub(super) fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let i = text.iter().position(|&b| b == at)?;
    Some((text.get(..i)?, text.get(i + 1..)?))
}

/// Tokens between spaces; runs of spaces count as one.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b' ').filter(|word| !word.is_empty())
}

/// The decimal number that `text` starts with, and the rest. What overflows is not a number.
pub(super) fn leading_u32(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let value = number.iter().try_fold(0u32, |n, &b| {
        n.checked_mul(10)?.checked_add(u32::from(b - b'0'))
    })?;
    (digits > 0).then_some((value, rest))
}

/// As [`leading_u32`], without the rest.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    leading_u32(text).map(|(n, _)| n)
}

/// A decimal number and nothing else.
pub(super) fn whole(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// A literal address, of the family that `IP4` or `IP6` says.
pub(super) fn address(family: &[u8], text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    (family == family_name(address).as_bytes()).then_some(address)
}

/// `IP4` or `IP6`.
pub(super) const fn family_name(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}
