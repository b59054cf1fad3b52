//! Secured media at the generator's end: SDES, DTLS-SRTP and ICE, built of `media_core`'s sans-IO parts.
//!
//! | module | one job |
//! |---|---|
//! | [`sdes`] | keys in SDP |
//! | [`peer`] | one WebRTC-like party: ICE, DTLS, SRTP. Sans-IO |
//! | [`webrtc`] | one call from such a party to a phone with plain RTP, and how long each step takes |
//! | [`setups`] | as many DTLS calls as a daemon sets up |

pub mod peer;
pub mod sdes;
pub mod setups;
pub(crate) mod srtp;
pub mod webrtc;

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media_core::dtls::{Certificate, CertificateError};
use media_core::units::Now;

pub use srtp::StreamKeys;

use crate::calls::CallError;
use crate::ng::NgError;
use peer::{PeerError, Progress};

/// Why a call of a WebRTC-like party came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecureError {
    /// The daemon could not be asked.
    #[error("cannot reach the daemon")]
    Ng(#[from] NgError),
    /// A request failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A socket could not be had or used.
    #[error("socket of the client")]
    Socket(#[from] io::Error),
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// ICE or DTLS failed.
    #[error("{source} ({progress})")]
    Peer {
        /// What failed.
        source: PeerError,
        /// What had been done by then.
        progress: Progress,
    },
    /// No audio, or only one way, in the time allowed.
    #[error(
        "after {after:?} the client has {} and the phone {} ({progress})",
        heard(*client),
        heard(*phone)
    )]
    NoAudio {
        /// The time allowed.
        after: Duration,
        /// The client heard the phone.
        client: bool,
        /// The phone heard the client.
        phone: bool,
        /// What had been done by then.
        progress: Progress,
    },
    /// What came is not what was sent.
    #[error("audio came damaged")]
    Damaged,
}

const fn heard(yes: bool) -> &'static str {
    if yes { "audio" } else { "no audio" }
}

/// A certificate that is good from now on.
fn certificate() -> Result<Certificate, CertificateError> {
    Certificate::generate(Now {
        monotonic: Instant::now(),
        unix: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    })
}
