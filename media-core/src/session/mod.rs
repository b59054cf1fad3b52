//! Calls, participants, media and streams: turns offers and answers into engine commands.
//!
//! Knows addresses and tags, never packets. Sockets come through [`crate::engine::MediaPlane`].

mod error;
mod options;

pub use error::SessionError;
pub use options::{DeleteOptions, Options, SecureProfile, Selector, TransportProtocol};
