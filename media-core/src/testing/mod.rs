//! What tests, fuzz targets and load generators build traffic with: a seeded random source, lossy
//! links and a whole [`World`] in virtual time, and packets. No sockets, no threads, no sleeping; the
//! same seed gives the same run.

use std::time::Instant;

mod link;
pub mod packets;
mod rng;
mod world;

pub use link::{Link, LinkConfig, LinkCounts};
pub use rng::Rng;
pub use world::{PeerId, Received, World};

/// An origin for virtual time. The one place where tests read a clock: an [`Instant`] cannot be made
/// of nothing, and only differences from it count.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the origin's value is never looked at"
)]
pub fn start() -> Instant {
    Instant::now()
}
