//! DTLS-SRTP (RFC 5763, RFC 5764): handshakes that end in SRTP keys, sans-IO.
//!
//! An [`Association`] takes datagrams and the time, and gives datagrams and events. It decides nothing
//! about sockets, addresses or SDP, and carries no data: once there are keys, all that it still does is
//! to repeat its last flight for a peer that missed it, and to tell of `close_notify`.
//!
//! # Who speaks what
//!
//! | | version | certificates | SRTP profiles |
//! |---|---|---|---|
//! | passive, client offers 1.3 | 1.3 (`dimpl`) | ECDSA | GCM, `SHA1_80` |
//! | passive, client offers 1.2 only, or 1.3 with none of those profiles, or 1.2 is our latest | 1.2 (own) | ECDSA, RSA | all four |
//! | active, [`ClientOffer::Compatible`] | 1.2 (own) | ECDSA, RSA | all four |
//! | active, [`ClientOffer::Modern`] | 1.3 or 1.2 (`dimpl`), else as above | ECDSA | GCM, `SHA1_80` |
//!
//! A passive side holds the fragments of the ClientHello, a few kilobytes at most, until it can choose.
//! An active side must choose before it knows the peer. Every peer that does WebRTC or SIP today has 1.2,
//! so the compatible hello always works; the modern one is for peers that are known to be browsers. A
//! server that cannot take it says so by an alert, and we try again with the other, but not every server
//! survives its own alert. [`AssociationConfig::max_version`] keeps 1.3 out of both roles, for a peer whose
//! 1.3 does not get on with ours.
//!
//! # Against floods
//!
//! Make an association only for a datagram that [`is_client_hello`](crate::wire::dtls::is_client_hello)
//! accepts, and give it datagrams from one address only: before there are keys, it cannot tell two peers
//! apart. With [`AssociationConfig::verify_address`] a client must answer from its address before we
//! compute a signature or send a certificate. What one association holds is bounded: messages of 16 KiB,
//! twice that in pieces, 8 KiB of an unfinished ClientHello.

mod association;
mod certificate;
mod der;
mod failure;
mod fingerprint;
mod hello;
mod inbox;
mod keys;
mod stack;
mod v12;
mod v13;

pub use association::{
    Association, AssociationConfig, ClientOffer, DEFAULT_MTU, DtlsEvent, DtlsVersion, Role,
};
pub use certificate::{CERTIFICATE_LIFETIME, Certificate, CertificateError};
pub use failure::DtlsFailure;
pub use fingerprint::{Fingerprint, FingerprintError, HashFunction};
pub use keys::{KeyingMaterial, SUITES};
