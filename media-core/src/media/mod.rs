//! What is done to media beyond forwarding it: measuring its reception, and changing its codec.

pub mod jitter;
pub mod quality;
pub mod stats;
pub mod transcode;
