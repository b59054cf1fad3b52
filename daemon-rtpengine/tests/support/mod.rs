//! What the tests that run real programs share: ports, processes, an NG client, sockets.
//!
//! Each test binary compiles this for itself and uses a part of it.
#![allow(
    dead_code,
    reason = "every test binary includes the whole module and uses only a part"
)]

pub(crate) mod baresip;
pub(crate) mod call;
pub(crate) mod daemon;
pub(crate) mod digits;
pub(crate) mod limits;
pub(crate) mod line;
pub(crate) mod network;
pub(crate) mod ng;
pub(crate) mod phone;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod query;
pub(crate) mod rtp;
pub(crate) mod scene;
pub(crate) mod sdp;
pub(crate) mod secure;
pub(crate) mod sip;
pub(crate) mod speech;
pub(crate) mod tap;
pub(crate) mod tcp;
pub(crate) mod tone;

use std::time::{Duration, Instant};

/// How long a test waits for something that happens at once on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `condition` until it gives a value.
///
/// # Panics
/// After [`PATIENCE`], naming `what`.
pub(crate) fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    poll(condition).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Asks `condition` until it gives a value or [`PATIENCE`] is over.
pub(crate) fn poll<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        // Gives the processor to the programs waited for; correctness does not depend on it.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
