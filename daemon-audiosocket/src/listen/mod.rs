//! Whom the daemon listens to.

pub(crate) mod bots;
pub(crate) mod callers;
pub(crate) mod http;

pub use daemon_base::bind::ListenError;
pub(crate) use daemon_base::bind::tcp as bind_tcp;
