//! Handshake messages of DTLS 1.2 (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5).

use crate::dtls::keys::{profile_of, suite_of};
use crate::srtp::CryptoSuite;
use crate::wire::dtls::{
    ClientHello, DTLS_1_0, DTLS_1_2, EXT_USE_SRTP, Extensions, numbers, take_bytes, take_u16,
    take_vec8, take_vec16, take_vec24,
};

use super::suite::{GROUPS, SCHEMES, SUITES};

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const SERVER_HELLO_DONE: u8 = 14;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
pub(super) const FINISHED: u8 = 20;

const EXT_SUPPORTED_GROUPS: u16 = 10;
const EXT_EC_POINT_FORMATS: u16 = 11;
const EXT_SIGNATURE_ALGORITHMS: u16 = 13;
const EXT_EXTENDED_MASTER_SECRET: u16 = 23;
const EXT_RENEGOTIATION_INFO: u16 = 0xff01;
/// Stands for an empty renegotiation_info (RFC 5746 §3.3).
const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// ECParameters: a named curve.
const NAMED_CURVE: u8 = 3;
/// Certificate types: RSA and ECDSA keys that sign.
const SIGNING_KEYS: [u8; 2] = [1, 64];

/// Writes what has lengths in front.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn numbers(&mut self, values: impl IntoIterator<Item = u16>) -> &mut Self {
        for value in values {
            self.u16(value);
        }
        self
    }
    /// What `write` writes, behind its length in `len_bytes` bytes.
    fn vec(&mut self, len_bytes: usize, write: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        write(&mut inner);
        let len = u32::try_from(inner.0.len())
            .expect("invariant: messages are short")
            .to_be_bytes();
        let (zeros, len) = len.split_at(len.len() - len_bytes);
        debug_assert!(zeros.iter().all(|byte| *byte == 0));
        self.bytes(len).bytes(&inner.0)
    }
    fn extension(&mut self, extension_type: u16, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.u16(extension_type).vec(2, write)
    }
    fn use_srtp(&mut self, profiles: impl IntoIterator<Item = u16>) -> &mut Self {
        self.extension(EXT_USE_SRTP, |e| {
            e.vec(2, |list| {
                list.numbers(profiles);
            });
            e.u8(0); // no MKI
        })
    }
    /// Uncompressed points only, as we and everybody use.
    fn point_formats(&mut self) -> &mut Self {
        self.extension(EXT_EC_POINT_FORMATS, |e| {
            e.bytes(&[1, 0]);
        })
    }
    /// Empty: this is the first handshake (RFC 5746 §3.4).
    fn renegotiation_info(&mut self) -> &mut Self {
        self.extension(EXT_RENEGOTIATION_INFO, |e| {
            e.u8(0);
        })
    }
}

pub(super) fn client_hello(random: &[u8; 32], cookie: &[u8], srtp: &[CryptoSuite]) -> Vec<u8> {
    let mut out = Writer::default();
    out.u16(DTLS_1_2).bytes(random).u8(0);
    out.vec(1, |w| {
        w.bytes(cookie);
    });
    out.vec(2, |w| {
        w.numbers(SUITES.iter().map(|suite| suite.id));
    });
    out.bytes(&[1, 0]); // no compression
    out.vec(2, |extensions| {
        extensions.extension(EXT_SUPPORTED_GROUPS, |e| {
            e.vec(2, |list| {
                list.numbers(GROUPS.iter().map(|group| group.id));
            });
        });
        extensions.point_formats();
        extensions.extension(EXT_SIGNATURE_ALGORITHMS, |e| {
            e.vec(2, |list| {
                list.numbers(SCHEMES);
            });
        });
        extensions.use_srtp(srtp.iter().filter_map(|suite| profile_of(*suite)));
        extensions.extension(EXT_EXTENDED_MASTER_SECRET, |_| ());
        extensions.renegotiation_info();
    });
    out.0
}

/// The cookie of a HelloVerifyRequest.
pub(super) fn parse_hello_verify_request(mut body: &[u8]) -> Option<&[u8]> {
    let _version = take_u16(&mut body)?;
    let cookie = take_vec8(&mut body)?;
    body.is_empty().then_some(cookie)
}

pub(super) fn hello_verify_request(cookie: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    // Any version but the one that will be negotiated may stand here; OpenSSL puts 1.0 as well.
    out.u16(DTLS_1_0).vec(1, |w| {
        w.bytes(cookie);
    });
    out.0
}

/// What a server chose.
#[derive(Debug)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) random: [u8; 32],
    pub(super) suite: u16,
    pub(super) compression: u8,
    pub(super) extended_master_secret: bool,
    /// The one profile, if it answered use_srtp.
    pub(super) srtp_profile: Option<Option<CryptoSuite>>,
    /// It wants SRTP packets to say which key is theirs, unasked (RFC 5764 §4.1.3).
    pub(super) has_mki: bool,
    /// It goes on from another handshake (RFC 5746 §3.4).
    pub(super) is_renegotiation: bool,
}

pub(super) fn parse_server_hello(mut body: &[u8]) -> Option<ServerHello> {
    let rest = &mut body;
    let version = take_u16(rest)?;
    let random = take_bytes(rest, 32)?.try_into().ok()?;
    let _session = take_vec8(rest)?;
    let suite = take_u16(rest)?;
    let &[compression] = take_bytes(rest, 1)? else {
        return None;
    };
    let extensions = if rest.is_empty() {
        &[]
    } else {
        take_vec16(rest)?
    };
    if !rest.is_empty() {
        return None;
    }
    let find = |wanted| {
        Extensions::new(extensions)
            .find(|(found, _)| *found == wanted)
            .map(|(_, body)| body)
    };
    let (srtp_profile, has_mki) = match find(EXT_USE_SRTP) {
        None => (None, false),
        Some(mut body) => {
            let mut chosen = numbers(take_vec16(&mut body)?);
            let profile = chosen.next()?;
            // Exactly one (RFC 5764 §4.1.1).
            let profile = suite_of(profile).filter(|_| chosen.next().is_none());
            (Some(profile), !take_vec8(&mut body)?.is_empty())
        }
    };
    Some(ServerHello {
        version,
        random,
        suite,
        compression,
        extended_master_secret: find(EXT_EXTENDED_MASTER_SECRET).is_some(),
        srtp_profile,
        has_mki,
        is_renegotiation: is_renegotiation(find(EXT_RENEGOTIATION_INFO)),
    })
}

/// Of the body of renegotiation_info, if there is one.
fn is_renegotiation(info: Option<&[u8]>) -> bool {
    info.is_some_and(|info| info != [0])
}

/// What a server found in a ClientHello beyond its plain fields.
pub(super) struct ClientOffers<'a> {
    hello: &'a ClientHello<'a>,
}

impl<'a> ClientOffers<'a> {
    pub(super) fn new(hello: &'a ClientHello<'a>) -> Self {
        Self { hello }
    }
    /// Groups; a client that does not say takes P-256 (RFC 8422 §4).
    pub(super) fn takes_group(&self, group: u16) -> bool {
        self.lists(EXT_SUPPORTED_GROUPS, group)
            .unwrap_or(group == 23)
    }
    /// Signature schemes; a client that does not say is taken to know ours.
    pub(super) fn takes_scheme(&self, scheme: u16) -> bool {
        self.lists(EXT_SIGNATURE_ALGORITHMS, scheme).unwrap_or(true)
    }
    pub(super) fn extended_master_secret(&self) -> bool {
        self.hello.extension(EXT_EXTENDED_MASTER_SECRET).is_some()
    }
    /// It goes on from another handshake (RFC 5746 §3.6).
    pub(super) fn is_renegotiation(&self) -> bool {
        is_renegotiation(self.hello.extension(EXT_RENEGOTIATION_INFO))
    }
    fn renegotiation_info(&self) -> bool {
        self.hello.extension(EXT_RENEGOTIATION_INFO).is_some()
            || self.hello.cipher_suites().any(|s| s == RENEGOTIATION_SCSV)
    }
    fn point_formats(&self) -> bool {
        self.hello.extension(EXT_EC_POINT_FORMATS).is_some()
    }
    fn lists(&self, extension_type: u16, wanted: u16) -> Option<bool> {
        let mut body = self.hello.extension(extension_type)?;
        let list = take_vec16(&mut body).unwrap_or_default();
        Some(numbers(list).any(|number| number == wanted))
    }
}

pub(super) fn server_hello(
    random: &[u8; 32],
    suite: u16,
    srtp: CryptoSuite,
    offers: &ClientOffers<'_>,
) -> Vec<u8> {
    let mut out = Writer::default();
    out.u16(DTLS_1_2).bytes(random).u8(0).u16(suite).u8(0);
    out.vec(2, |extensions| {
        if offers.renegotiation_info() {
            extensions.renegotiation_info();
        }
        if offers.point_formats() {
            extensions.point_formats();
        }
        if offers.extended_master_secret() {
            extensions.extension(EXT_EXTENDED_MASTER_SECRET, |_| ());
        }
        extensions.use_srtp(profile_of(srtp));
    });
    out.0
}

/// A Certificate message with our one certificate.
pub(super) fn certificate(der: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.vec(3, |list| {
        list.vec(3, |w| {
            w.bytes(der);
        });
    });
    out.0
}

/// The first certificate of a chain; inside `None`: the chain is empty.
pub(super) fn parse_certificate(mut body: &[u8]) -> Option<Option<&[u8]>> {
    let mut list = take_vec24(&mut body)?;
    if !body.is_empty() {
        return None;
    }
    if list.is_empty() {
        return Some(None);
    }
    let first = take_vec24(&mut list)?;
    while !list.is_empty() {
        take_vec24(&mut list)?;
    }
    Some(Some(first))
}

/// The part of a ServerKeyExchange that is signed, behind the randoms.
pub(super) fn key_exchange_params(group: u16, point: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.u8(NAMED_CURVE).u16(group).vec(1, |w| {
        w.bytes(point);
    });
    out.0
}

/// A ServerKeyExchange or, without params, a CertificateVerify.
pub(super) fn signed(params: &[u8], scheme: u16, signature: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(params).u16(scheme).vec(2, |w| {
        w.bytes(signature);
    });
    out.0
}

/// Scheme and signature.
pub(super) fn parse_signed(mut body: &[u8]) -> Option<(u16, &[u8])> {
    let scheme = take_u16(&mut body)?;
    let signature = take_vec16(&mut body)?;
    body.is_empty().then_some((scheme, signature))
}

/// A server's share of the key exchange.
#[derive(Debug)]
pub(super) struct ServerKeyExchange<'a> {
    pub(super) group: u16,
    pub(super) point: &'a [u8],
    /// What the signature covers, behind the randoms.
    pub(super) params: &'a [u8],
    pub(super) scheme: u16,
    pub(super) signature: &'a [u8],
}

pub(super) fn parse_server_key_exchange(body: &[u8]) -> Option<ServerKeyExchange<'_>> {
    let mut rest = body;
    if take_bytes(&mut rest, 1)? != [NAMED_CURVE] {
        return None;
    }
    let group = take_u16(&mut rest)?;
    let point = take_vec8(&mut rest)?;
    let params = body.get(..body.len() - rest.len())?;
    let (scheme, signature) = parse_signed(rest)?;
    Some(ServerKeyExchange {
        group,
        point,
        params,
        scheme,
        signature,
    })
}

pub(super) fn certificate_request() -> Vec<u8> {
    let mut out = Writer::default();
    out.vec(1, |w| {
        w.bytes(&SIGNING_KEYS);
    });
    out.vec(2, |w| {
        w.numbers(SCHEMES);
    });
    out.u16(0); // any issuer
    out.0
}

pub(super) fn client_key_exchange(point: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.vec(1, |w| {
        w.bytes(point);
    });
    out.0
}

pub(super) fn parse_client_key_exchange(mut body: &[u8]) -> Option<&[u8]> {
    let point = take_vec8(&mut body)?;
    body.is_empty().then_some(point)
}
