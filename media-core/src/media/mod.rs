//! What is done to media beyond forwarding it: today, measuring its reception.

pub mod stats;
