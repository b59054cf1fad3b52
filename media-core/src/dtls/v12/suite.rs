//! The cryptography that we speak: four cipher suites, three groups, signatures to be checked.

use aws_lc_rs::tls_prf::{P_SHA256, P_SHA384, Secret};
use aws_lc_rs::{aead, agreement, digest, signature, tls_prf};

use crate::dtls::der::{KeyKind, PublicKey};

/// A cipher suite (RFC 5289): ECDHE, AES-GCM, and a signature by the server.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) id: u16,
    /// The server signs with RSA, otherwise ECDSA.
    pub(super) is_rsa: bool,
    pub(super) aead: &'static aead::Algorithm,
    pub(super) hash: &'static digest::Algorithm,
    prf: &'static tls_prf::Algorithm,
}

/// All suites, our favourite first. AES-128 leads: the records protect nothing but a Finished message.
pub(super) static SUITES: [Suite; 4] = [
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    sha256(0xc02b, false),
    // TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    sha384(0xc02c, false),
    // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    sha256(0xc02f, true),
    // TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    sha384(0xc030, true),
];

const fn sha256(id: u16, is_rsa: bool) -> Suite {
    Suite {
        id,
        is_rsa,
        aead: &aead::AES_128_GCM,
        hash: &digest::SHA256,
        prf: &P_SHA256,
    }
}

const fn sha384(id: u16, is_rsa: bool) -> Suite {
    Suite {
        id,
        is_rsa,
        aead: &aead::AES_256_GCM,
        hash: &digest::SHA384,
        prf: &P_SHA384,
    }
}

impl Suite {
    /// The suite's pseudo-random function (RFC 5246 §5); `None` only if the library refuses.
    pub(super) fn prf(
        &self,
        secret: &[u8],
        label: &[u8],
        seed: &[&[u8]],
        len: usize,
    ) -> Option<Secret> {
        let secret = Secret::new(self.prf, secret).ok()?;
        secret.derive(label, &seed.concat(), len).ok()
    }
}

/// A group of the key exchange (RFC 8422 §5.1.1).
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: u16,
    pub(super) algorithm: &'static agreement::Algorithm,
}

/// All groups, our favourite first.
pub(super) static GROUPS: [Group; 3] = [
    Group {
        id: 29,
        algorithm: &agreement::X25519,
    },
    Group {
        id: 23,
        algorithm: &agreement::ECDH_P256,
    },
    Group {
        id: 24,
        algorithm: &agreement::ECDH_P384,
    },
];

/// ecdsa_secp256r1_sha256, what we sign with (RFC 8446 §4.2.3).
pub(super) const OUR_SCHEME: u16 = 0x0403;

/// Signature schemes that we check, our favourite first. None with SHA-1.
pub(super) const SCHEMES: [u16; 9] = [
    OUR_SCHEME, 0x0503, 0x0603, // ECDSA
    0x0804, 0x0805, 0x0806, // RSA-PSS
    0x0401, 0x0501, 0x0601, // RSA PKCS #1
];

/// Whether the key's owner signed `message`. RSA keys must have 2048 bits or more.
pub(super) fn verify(key: PublicKey<'_>, scheme: u16, message: &[u8], signed: &[u8]) -> bool {
    use signature as s;
    let algorithm: &'static dyn signature::VerificationAlgorithm = match (key.kind, scheme) {
        (KeyKind::P256, 0x0403) => &s::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, 0x0503) => &s::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, 0x0603) => &s::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, 0x0403) => &s::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, 0x0503) => &s::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, 0x0603) => &s::ECDSA_P384_SHA512_ASN1,
        (KeyKind::Rsa, 0x0401) => &s::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, 0x0501) => &s::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, 0x0601) => &s::RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa, 0x0804) => &s::RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa, 0x0805) => &s::RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa, 0x0806) => &s::RSA_PSS_2048_8192_SHA512,
        _ => return false,
    };
    signature::UnparsedPublicKey::new(algorithm, key.bytes)
        .verify(message, signed)
        .is_ok()
}
