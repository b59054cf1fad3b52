//! Why a handshake or an association ended.

/// Why there are no keys, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The peer's certificate is not the one that its description announced (RFC 8122 §6.2).
    #[error("the peer's certificate does not match its fingerprint")]
    FingerprintMismatch,
    /// All fingerprints that the peer announced use hash functions that we do not have.
    #[error("no fingerprint uses a hash function that we have")]
    UnsupportedHash,
    /// Both sides want SRTP, but share no protection profile.
    #[error("no SRTP protection profile in common")]
    NoCommonProfile,
    /// The peer does not do SRTP here: the handshake would end, or has ended, without keys for it.
    #[error("the peer negotiates no SRTP keys")]
    NoSrtpKeys,
    /// The peer has no certificate, so its fingerprint cannot be checked.
    #[error("the peer sent no certificate")]
    NoPeerCertificate,
    /// The peer's certificate has no key that we can check signatures with: RSA of 2048 bits or more,
    /// or ECDSA on P-256 or P-384.
    #[error("the peer's certificate has an unsupported key")]
    UnsupportedCertificate,
    /// The handshake took too long.
    #[error("the handshake did not end in time")]
    Timeout,
    /// The peer ended it with this alert (RFC 5246 §7.2).
    #[error("the peer sent alert {0}")]
    Alert(u8),
    /// The peer speaks neither DTLS 1.2 nor 1.3.
    #[error("no version of DTLS in common")]
    NoCommonVersion,
    /// No cipher suite or no group in common.
    #[error("no cipher suite in common")]
    NoCommonCipher,
    /// The peer does not have the key of its certificate, or somebody changed messages on their way.
    #[error("a signature or the Finished message is wrong")]
    BadSignature,
    /// The peer breaks the protocol.
    #[error("the peer broke the protocol")]
    Protocol,
    /// Our cryptographic library refused to work.
    #[error("the cryptographic library failed")]
    Internal,
}

/// Alert descriptions that we send (RFC 5246 §7.2).
pub(super) mod alert {
    pub(crate) const CLOSE_NOTIFY: u8 = 0;
    pub(crate) const UNEXPECTED_MESSAGE: u8 = 10;
    pub(crate) const HANDSHAKE_FAILURE: u8 = 40;
    pub(crate) const BAD_CERTIFICATE: u8 = 42;
    pub(crate) const UNSUPPORTED_CERTIFICATE: u8 = 43;
    pub(crate) const ILLEGAL_PARAMETER: u8 = 47;
    pub(crate) const DECODE_ERROR: u8 = 50;
    pub(crate) const DECRYPT_ERROR: u8 = 51;
    pub(crate) const PROTOCOL_VERSION: u8 = 70;
    pub(crate) const INSUFFICIENT_SECURITY: u8 = 71;
    pub(crate) const INTERNAL_ERROR: u8 = 80;
}
