//! Session descriptions (RFC 8866) and offer/answer rewriting (RFC 3264): parse, rewrite, write.
//!
//! Text in, text out: no clocks, sockets, keys or call state here. What the parser does not know it
//! keeps, in order; both CRLF and LF line ends are read, CRLF is written.

mod codec;
mod error;
mod media;
mod options;
mod parse;
mod rewrite;
mod text;

pub use codec::{Codec, OfferedCodecs};
pub use error::{ParseError, RewriteError};
pub use media::{Direction, MediaDescription, MediaParams, Protocol, RtcpAddress};
pub use options::{
    AttributeEdits, CodecOptions, Edits, IceOption, Replace, RtcpAttribute, RtcpMuxOptions,
    SdpOptions,
};
pub use parse::{Connection, Origin, SessionDescription, parse};
pub use rewrite::{LocalMedia, LocalRtcp, SentDescription, rewrite};

#[cfg(test)]
mod tests;
