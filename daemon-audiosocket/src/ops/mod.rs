//! What the daemon tells of itself.

pub(crate) mod metrics;
