//! Our certificate: ECDSA on P-256, signed by itself, for fingerprints only (RFC 8827 §6.5).
//!
//! Nobody checks its names or dates; an endpoint is who the fingerprint in its SDP says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::units::Now;

use super::der;
use super::fingerprint::{Fingerprint, HashFunction};
use super::v13;

/// How long a certificate is good for. Renewing it costs nothing but a new fingerprint in the next SDP.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// A peer's clock may be behind ours.
const BACKDATED: Duration = Duration::from_secs(86_400);

/// The system gave no random bytes, or refused to make or use a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a certificate: the cryptographic library refused")]
pub struct CertificateError;

impl From<Unspecified> for CertificateError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// A certificate with its private key, shared by all associations that a clone is given to.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    der: Vec<u8>,
    pkcs8: Zeroizing<Vec<u8>>,
    key: EcdsaKeyPair,
    not_after: Duration,
    settings: v13::Settings,
}

impl Certificate {
    /// Makes a key and a certificate for it, valid from a day before `now` for
    /// [`CERTIFICATE_LIFETIME`] from then on.
    ///
    /// # Errors
    /// The system's random source or the cryptographic library failed.
    pub fn generate(now: Now) -> Result<Self, CertificateError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
            .map_err(|_| CertificateError)?;
        let mut serial = [0; 8];
        rand::fill(&mut serial)?;
        let not_after = now.unix + CERTIFICATE_LIFETIME;
        let to_sign = der::to_be_signed(
            serial,
            now.unix.saturating_sub(BACKDATED),
            not_after,
            key.public_key().as_ref(),
        );
        let signature = key.sign(&random, &to_sign)?;
        let inner = Inner {
            der: der::certificate(&to_sign, signature.as_ref()),
            pkcs8,
            key,
            not_after,
            settings: v13::Settings::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The certificate itself, X.509 in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.inner.der
    }
    /// When it ends, since 1970-01-01 UTC. New associations should get a new one before; running ones
    /// are not affected.
    #[must_use]
    pub fn not_after(&self) -> Duration {
        self.inner.not_after
    }
    /// Its fingerprint for an SDP; `None` for [`HashFunction::Unsupported`].
    #[must_use]
    pub fn fingerprint(&self, hash: HashFunction) -> Option<Fingerprint> {
        Fingerprint::of(hash, self.der())
    }

    /// What the associations of 1.3 share.
    pub(super) fn settings(&self) -> &v13::Settings {
        &self.inner.settings
    }
    /// The private key, PKCS#8 in DER.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.inner.pkcs8
    }
    /// Signs with ECDSA on P-256 and SHA-256; the signature is in DER.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let signature = self.inner.key.sign(&SystemRandom::new(), message)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint(HashFunction::Sha256))
            .field("not_after", &self.inner.not_after)
            .finish_non_exhaustive()
    }
}
