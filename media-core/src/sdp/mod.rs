//! Session descriptions (RFC 8866) and offer/answer rewriting (RFC 3264): parse, rewrite, write.
//!
//! Text in, text out: no clocks, sockets, keys or call state here. What the parser does not know it
//! keeps, in order; both CRLF and LF line ends are read, CRLF is written.

mod codec;
mod direction;
mod error;
mod media;
mod options;
mod params;
mod parse;
mod protocol;
mod rewrite;
mod sent;
mod text;

pub use codec::{Codec, OfferedCodecs};
pub use direction::Direction;
pub use error::{ParseError, RewriteError};
pub use media::{MediaDescription, RtcpAddress};
pub use options::{
    AttributeEdits, CodecOptions, Edits, IceOption, Replace, RtcpAttribute, RtcpMuxOptions,
    SdpOptions,
};
pub use params::MediaParams;
pub use parse::{Connection, Origin, SessionDescription, parse};
pub use protocol::Protocol;
pub use rewrite::{LocalMedia, LocalRtcp, generated_mid, rewrite};
pub use sent::SentDescription;

#[cfg(test)]
mod tests;
