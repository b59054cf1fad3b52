//! Listeners: UDP on plain threads, TCP and HTTP on one small runtime.

pub mod framer;
pub(crate) mod http;
pub(crate) mod tcp;
pub(crate) mod udp;

pub use daemon_base::bind::ListenError;
pub(crate) use daemon_base::bind::tcp as bind_tcp;
