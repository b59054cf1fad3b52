//! What an association asks of whatever speaks a version of DTLS for it.

use std::time::Instant;

use super::keys::KeyingMaterial;
use super::{DtlsFailure, DtlsVersion};

/// One side of one DTLS association, without input or output of its own.
///
/// After an error it is over; what is left to send, an alert, is still to be polled.
pub(super) trait Dtls: Send {
    /// Takes a datagram. Junk is no error.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailure>;
    /// Sends again what got no answer.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure>;
    /// When [`Dtls::handle_timeout`] has something to do.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The next datagram to send, at most an MTU long.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;
    /// What has happened.
    fn poll_output(&mut self) -> Option<Output>;
    /// Ends it: `close_notify` or, where a fingerprint is wrong, another alert.
    fn close(&mut self, now: Instant, alert: u8);
}

/// What a stack has to tell.
pub(super) enum Output {
    /// The handshake is done; who the peer is is still to be checked.
    Established(Established),
    /// The peer sent `close_notify`.
    Closed,
}

/// What a handshake ended with.
pub(super) struct Established {
    pub(super) version: DtlsVersion,
    /// DER.
    pub(super) peer_certificate: Vec<u8>,
    /// `None`: no SRTP was negotiated.
    pub(super) srtp: Option<KeyingMaterial>,
}
