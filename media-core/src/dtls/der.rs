//! The little of X.509 (RFC 5280) that fingerprints leave us: writing our certificate, and finding the
//! public key in a peer's.
//!
//! Reading skips over names, dates and extensions without a look: old devices put strange things there,
//! and nothing hangs on them.

use std::time::Duration;

use crate::wire::dtls::take_bytes;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Context tag 0, constructed: the version.
const VERSION: u8 = 0xa0;

/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The subject says no more than browsers' do.
const NAME: &[u8] = b"voxplane";

/// Kinds of keys that a peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
}

/// A public key: kind, and RSAPublicKey in DER or an uncompressed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    pub(super) kind: KeyKind,
    pub(super) bytes: &'a [u8],
}

/// The public key of a certificate; `None` if it is of another kind or the certificate is no X.509.
pub(super) fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    let mut rest = certificate;
    let mut certificate = take(&mut rest, SEQUENCE)?;
    let mut signed = take(&mut certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        take(&mut signed, VERSION)?;
    }
    take(&mut signed, INTEGER)?; // serial number
    for _ in 0..4 {
        take(&mut signed, SEQUENCE)?; // signature algorithm, issuer, validity, subject
    }
    let mut key = take(&mut signed, SEQUENCE)?;
    let mut algorithm = take(&mut key, SEQUENCE)?;
    let kind = match take(&mut algorithm, OID)? {
        RSA_ENCRYPTION => KeyKind::Rsa,
        EC_PUBLIC_KEY => match take(&mut algorithm, OID)? {
            P256 => KeyKind::P256,
            P384 => KeyKind::P384,
            _ => return None,
        },
        _ => return None,
    };
    // The first byte of a bit string counts unused bits.
    let bytes = take(&mut key, BIT_STRING)?.strip_prefix(&[0])?;
    Some(PublicKey { kind, bytes })
}

/// Cuts off an element with this tag and returns its content.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let &[found, short] = take_bytes(rest, 2)? else {
        return None;
    };
    let len = match short {
        0..=0x7f => usize::from(short),
        0x81..=0x83 => take_bytes(rest, usize::from(short & 0x7f))?
            .iter()
            .fold(0, |len, byte| len << 8 | usize::from(*byte)),
        _ => return None,
    };
    let content = take_bytes(rest, len)?;
    (found == tag).then_some(content)
}

/// What the signature of our certificate covers. `public_key` is an uncompressed point on P-256.
pub(super) fn to_be_signed(
    serial: [u8; 8],
    not_before: Duration,
    not_after: Duration,
    public_key: &[u8],
) -> Vec<u8> {
    // A leading byte of its own keeps the number positive and its length fixed.
    let serial = [[1].as_slice(), &serial].concat();
    let attribute = element(
        SEQUENCE,
        &[element(OID, &[COMMON_NAME]), element(UTF8_STRING, &[NAME])],
    );
    let name = element(SEQUENCE, &[element(SET, &[attribute])]);
    let validity = element(SEQUENCE, &[time(not_before), time(not_after)]);
    let curve = element(
        SEQUENCE,
        &[element(OID, &[EC_PUBLIC_KEY]), element(OID, &[P256])],
    );
    let key = element(
        SEQUENCE,
        &[curve, element(BIT_STRING, &[[0].as_slice(), public_key])],
    );
    element(
        SEQUENCE,
        &[
            element(VERSION, &[element(INTEGER, &[[2_u8]])]),
            element(INTEGER, &[serial]),
            signature_algorithm(),
            name.clone(),
            validity,
            name,
            key,
        ],
    )
}

/// The certificate of what was signed.
pub(super) fn certificate(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
    let algorithm = signature_algorithm();
    let signature = element(BIT_STRING, &[[0].as_slice(), signature]);
    element(SEQUENCE, &[to_be_signed, &algorithm, &signature])
}

fn signature_algorithm() -> Vec<u8> {
    element(SEQUENCE, &[element(OID, &[ECDSA_WITH_SHA256])])
}

/// An element of these parts.
fn element<P: AsRef<[u8]>>(tag: u8, parts: &[P]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.as_ref().len()).sum::<usize>();
    let [high, low] = u16::try_from(len)
        .expect("invariant: our certificates are short")
        .to_be_bytes();
    let mut out = Vec::with_capacity(len + 4);
    match (high, low) {
        (0, 0..=0x7f) => out.extend([tag, low]),
        (0, _) => out.extend([tag, 0x81, low]),
        _ => out.extend([tag, 0x82, high, low]),
    }
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

/// A point in time, in the form that RFC 5280 §4.1.2.5 asks for in its year.
fn time(unix: Duration) -> Vec<u8> {
    let (days, seconds) = (unix.as_secs() / 86_400, unix.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    if year < 2050 {
        element(UTC_TIME, &[format!("{:02}{rest}", year % 100)])
    } else {
        element(GENERALIZED_TIME, &[format!("{year:04}{rest}")])
    }
}

/// Year, month and day of a day since 1970-01-01, by Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "700101000000Z"),
            (951_782_399, "000228235959Z"),
            (951_782_400, "000229000000Z"),
            (1_798_761_599, "261231235959Z"),
            (2_524_607_999, "491231235959Z"),
            (2_524_608_000, "20500101000000Z"),
            (4_107_542_400, "21000301000000Z"),
        ] {
            let element = time(Duration::from_secs(unix));
            assert_eq!(&element[2..], text.as_bytes());
        }
    }

    #[test]
    fn our_key_is_found_in_our_certificate() {
        let point = [4; 65];
        let day = Duration::from_secs(86_400);
        let signed = to_be_signed([0xff; 8], Duration::ZERO, day, &point);
        let whole = certificate(&signed, &[7; 71]);
        let key = PublicKey {
            kind: KeyKind::P256,
            bytes: &point,
        };
        assert_eq!(public_key(&whole), Some(key));
        for end in 0..whole.len() {
            assert!(public_key(&whole[..end]).is_none(), "cut at {end}");
        }
    }
}
