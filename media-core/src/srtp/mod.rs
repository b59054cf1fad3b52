//! SRTP and SRTCP in place (RFC 3711, RFC 6188, RFC 7714).
//!
//! A [`Protector`] holds one sending direction's keys and sources, an [`Unprotector`] one receiving
//! direction's. Both work inside a [`PacketBuf`](crate::buf::PacketBuf) and allocate nothing per packet.
//!
//! ```text
//!         | header | payload            |                       SRTP
//! CM, F8  | header | payload, encrypted | MKI | tag |
//! AEAD    | header | payload, encrypted | tag | MKI |
//!
//!         | 8 bytes | more RTCP            |                    SRTCP
//! CM, F8  | 8 bytes | more RTCP, encrypted | E, index | MKI | tag |
//! AEAD    | 8 bytes | more RTCP, encrypted | tag | E, index | MKI |
//! ```
//!
//! * A packet that fails changes nothing in a context, so a stranger's packets cannot disturb a stream.
//! * Sequence numbers are extended as RFC 3711 §3.3.1 says; each source has replay windows of
//!   [`WINDOW`] packets for SRTP and SRTCP, on the sending side too: protecting two payloads under one
//!   index would give away their difference, and under GCM the authentication key.
//! * A context has room for [`SOURCES`] sources. A source takes its place once a packet of it was
//!   authentic; where none is free the stalest source gives up its place. It is still remembered, among
//!   [`OTHERS`] more at most: one that is received may then be forgotten, its replay window with it; one
//!   that is sent never is, and nobody new may send.
//! * A source that is sent may begin to count anew: its numbers are then shifted, so that the receiver sees
//!   it go on.
//! * Keys are derived once: there is no key derivation rate. Several master keys per context (more than
//!   one MKI), encrypted header extensions (RFC 6904) and Cryptex (RFC 9335) are not offered.
//!
//! Which suite to use and whose key is whose is not decided here.

mod cipher;
mod error;
mod gcm;
mod hmac;
mod index;
mod kdf;
mod key;
mod layer;
mod params;
mod protect;
mod sources;
mod suite;
mod unprotect;

pub use error::{ProtectError, UnprotectError};
pub use index::WINDOW;
pub use key::{DtlsKeys, KeyLengthError, MasterKey};
pub use params::{Mki, SrtpParams};
pub use protect::Protector;
pub use sources::{OTHERS, SOURCES};
pub use suite::CryptoSuite;
pub use unprotect::Unprotector;

/// Bytes that every RTCP packet has in front of what SRTCP encrypts: header and SSRC (RFC 3711 §3.4).
const RTCP_PREFIX_LEN: usize = 8;

/// The SSRC of an RTCP packet that has its first 8 bytes; `None` if it has not, or its version is not 2.
fn rtcp_ssrc(packet: &[u8]) -> Option<crate::units::Ssrc> {
    let &[flags, _, _, _, a, b, c, d, ..] = packet else {
        return None;
    };
    (flags >> 6 == 2).then(|| crate::units::Ssrc::new(u32::from_be_bytes([a, b, c, d])))
}

#[cfg(test)]
mod tests;
