//! The rtpengine-compatible daemon as a library, so that tests, benches and fuzzers reach its parts.
//!
//! A request goes `listen` → [`service`] → `media_core::session`; [`ng`] knows how it is written,
//! [`config`] what the daemon was told, [`ops`] what it tells.

pub mod config;
mod daemon;
mod limits;
pub mod listen;
pub mod ng;
pub mod ops;
pub mod service;
mod sys;

pub use daemon::{Addresses, Daemon, DaemonError};
pub use sys::tune_allocator;
