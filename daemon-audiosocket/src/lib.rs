//! The bridge between Asterisk's AudioSocket and Pipecat bots as a library, so that tests, examples and fuzzers
//! reach its parts.
//!
//! A call goes `listen` → `call` (one task: caller, clock, bot) with [`calls`] as the table of all. [`audiosocket`]
//! and [`pipecat`] know how the two sides write, [`config`] what the daemon was told. Clock, buffers and
//! conversions are `media_core::voice`.

pub mod audiosocket;
pub mod call;
pub mod calls;
pub mod config;
mod daemon;
mod listen;
pub mod ops;
pub mod pipecat;
mod tls;
mod webhook;

pub use daemon::{Addresses, Daemon, DaemonError};
pub use listen::ListenError;
pub use tls::TlsError;
