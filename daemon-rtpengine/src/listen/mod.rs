//! Listeners.

pub mod framer;
