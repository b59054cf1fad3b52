//! The experiments: media load, capacity, idle calls, signalling rate, DTLS calls.
//!
//! What the numbers mean:
//!
//! - CPU per packet: run time of all the daemon's threads in the measured phase, divided by the packets
//!   that came from it in that time. Delivery over loopback is charged to whoever sends, on the
//!   generator's side as on the daemon's.
//! - Loss: of the packets sent in the measured phase, those not back a second after the last one.
//! - Latency: from the generator's send to the kernel's receive stamp at the other side.
//! - Added audio delay, where codecs differ: that latency and what the sound lies behind within its packets, found
//!   by comparing what was heard with what the sender's codec would have given. Filters and encoders
//!   of the daemon are in it, those of the generator are not.
//! - DTLS calls per second: offer, answer, a full DTLS 1.2 handshake with the generator as its client, delete;
//!   several at a time.
//! - First decrypted audio: from the answer's arrival at the WebRTC side, through ICE and DTLS, until that
//!   side has opened a packet of the phone's, which sends one each 20 ms from a moment that varies.
//! - Memory per call: growth of resident memory from the idle daemon to the end of the measured phase,
//!   with media flowing.

mod bench;
mod capacity;
mod load;
mod secure;

use std::time::Duration;

pub use bench::{Bench, BenchConfig, Idle, Signalling};
pub use capacity::{Capacity, CapacityEnd, CapacityLimits};
pub use load::{Generator, LoadReport};
pub use secure::{DtlsSetups, FirstAudio};

use crate::calls::CallError;
use crate::load::voice::NoVoice;
use crate::ng::NgError;
use crate::process::ProcessError;
use crate::secure::SecureError;

/// Why an experiment could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The daemon could not be asked.
    #[error("cannot reach the daemon")]
    Ng(#[from] NgError),
    /// The calls could not be set up.
    #[error("cannot set up {count} calls")]
    Calls {
        /// How many were wanted.
        count: usize,
        /// The first failure.
        source: CallError,
    },
    /// The signalling run failed.
    #[error("signalling run failed")]
    Signalling(#[from] CallError),
    /// The daemon or the generator itself could not be looked at.
    #[error("no process figures")]
    Process(#[from] ProcessError),
    /// The generator's own sockets could not be had.
    #[error("no sockets for the generator")]
    Sockets(#[from] std::io::Error),
    /// Nothing to say in a codec.
    #[error(transparent)]
    Voice(#[from] NoVoice),
    /// A call with DTLS-SRTP failed.
    #[error("a call with DTLS-SRTP failed")]
    Secure(#[from] SecureError),
    /// A generator thread panicked.
    #[error("a generator thread died")]
    Worker,
}

/// How a load run goes on in time.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    /// Over which the streams' starts are spread.
    pub rampup: Duration,
    /// Traffic before the measured phase.
    pub warmup: Duration,
    /// The measured phase.
    pub measured: Duration,
}

impl Phases {
    /// A second to start, some to settle, then `seconds` of measuring.
    #[must_use]
    pub const fn measuring(seconds: u64) -> Self {
        Self {
            rampup: Duration::from_secs(1),
            warmup: Duration::from_secs(if seconds < 5 { 1 } else { 3 }),
            measured: Duration::from_secs(seconds),
        }
    }
}
