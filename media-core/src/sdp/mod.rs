//! Session descriptions (RFC 8866) and offer/answer rewriting (RFC 3264): parse, rewrite, write.
//!
//! Text in, text out: no clocks, sockets, keys or call state here. What the parser does not know it
//! keeps, in order, octets that are not UTF-8 included; CRLF and LF line ends are read, CRLF is
//! written.
//!
//! The text is meant to be the one that rtpengine 10.5 writes, oddities included, with these
//! exceptions:
//!
//! - A last line without its end, and a `c=` behind attributes that are dropped, do no harm here.
//! - A payload type listed twice is shown once; there is a limit on sections.
//! - A section that asks for several ports is shown one.
//! - `sdp-attr`, `sdp-media-remove`, `origin-full` and `force-increment-sdp-ver`, unknown to 10.5, do
//!   what later releases do.
//! - ICE and DTLS attributes are always taken out, and nothing is transcoded: an answer with codecs
//!   that were not offered is shown as it is.

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
pub use rewrite::{LocalMedia, LocalRtcp, Section, generated_mid, rewrite};
pub use sent::SentDescription;

#[cfg(test)]
mod tests;
