//! Session descriptions (RFC 8866) and offer/answer rewriting (RFC 3264): parse, rewrite, write.
//!
//! Text in, text out: no clocks, sockets or call state here, and of keys only their text. What the parser does not know it
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
//! - A `a=crypto` with a master key identifier of more than 32 octets is not taken.
//! - An answer whose only codecs were not offered is not shown as its DTMF alone: they are transcoded.

mod base64;
mod codec;
mod crypto;
mod direction;
mod dtls;
mod error;
mod ice;
mod keys;
mod local;
mod media;
mod options;
mod params;
mod parse;
mod protocol;
mod rewrite;
mod sent;
mod text;

pub use codec::{
    Answered, Codec, Listed, OfferedCodecs, Sink, Wish, beside, differ_in_audio, sink, target,
};
pub use crypto::{CryptoAttribute, CryptoError, FecOrder, SessionParams};
pub use direction::Direction;
pub use dtls::{Setup, read_fingerprint, write_fingerprint};
pub use error::{ParseError, RewriteError};
pub use ice::{IceCredentials, IceParams};
pub use keys::{KeyParam, Lifetime};
pub use local::{LocalDtls, LocalIce, LocalSecurity};
pub use media::{MediaDescription, RtcpAddress};
pub use options::{
    AttributeEdits, CodecOptions, Edits, IceOption, Replace, RtcpAttribute, RtcpMuxOptions,
    SdpOptions,
};
pub use params::{DtlsParams, MediaParams};
pub use parse::{Connection, Origin, SessionDescription, parse};
pub use protocol::Protocol;
pub use rewrite::{LocalMedia, LocalRtcp, Section, generated_mid, rewrite};
pub use sent::SentDescription;

#[cfg(test)]
mod tests;
