//! Session descriptions (RFC 8866) and offer/answer rewriting (RFC 3264): parse, rewrite, write.
//!
//! Text in, text out: no clocks, sockets, keys or call state here. What the parser does not know it
//! keeps, in order; both CRLF and LF line ends are read, CRLF is written.

mod options;

pub use options::{
    AttributeEdits, CodecOptions, Edits, IceOption, Replace, RtcpAttribute, RtcpMuxOptions,
    SdpOptions,
};
