//! Whom the daemon listens to.

mod bind;
pub(crate) mod bots;
pub(crate) mod callers;
pub(crate) mod http;

pub use bind::ListenError;
pub(crate) use bind::tcp as bind_tcp;
