//! The rtpengine-compatible daemon as a library, so that tests, benches and fuzzers reach its parts.

pub mod listen;
pub mod ng;
