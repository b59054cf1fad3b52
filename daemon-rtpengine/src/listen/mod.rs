//! Listeners: UDP on plain threads, TCP and HTTP on one small runtime.

mod bind;
pub mod framer;
pub(crate) mod http;
pub(crate) mod tcp;
pub(crate) mod udp;

pub use bind::ListenError;
pub(crate) use bind::tcp as bind_tcp;
