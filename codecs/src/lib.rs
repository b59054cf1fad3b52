//! Telephony audio codecs: samples in, payload bytes out, and back. Knows nothing of packets.
//!
//! [`registry`] lists the codecs that are implemented, and makes an [`Encoder`] or a [`Decoder`] of
//! a name; [`g711`] can also be called directly.
#![deny(unsafe_code)]

pub mod g711;
mod pcm;
pub mod registry;

pub use pcm::{Pcm, PcmFormat, SampleRate};

/// Turns samples into payload bytes. State, if any, belongs to one stream.
pub trait Encoder: Send {
    /// What samples it takes.
    fn format(&self) -> PcmFormat;

    /// Encodes `pcm` into the front of `out` and returns the bytes written.
    ///
    /// # Errors
    /// - [`CodecError::WrongFormat`]: `pcm` has another format than [`Encoder::format`].
    /// - [`CodecError::BufferTooSmall`]: `out` is too short; nothing was encoded.
    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError>;
}

/// Turns payload bytes into samples. State, if any, belongs to one stream.
pub trait Decoder: Send {
    /// What samples it gives.
    fn format(&self) -> PcmFormat;

    /// Decodes `payload` into the front of `out` and returns the samples written, all channels
    /// counted.
    ///
    /// # Errors
    /// [`CodecError::BufferTooSmall`]: `out` is too short; nothing was decoded.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;
}

/// Why a codec refused its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The samples have another rate or other channels than the codec.
    #[error("codec takes {expected}, not {given}")]
    WrongFormat {
        /// What the codec takes.
        expected: PcmFormat,
        /// What it was given.
        given: PcmFormat,
    },
    /// The output does not fit.
    #[error("output of {needed} does not fit into {available}")]
    BufferTooSmall {
        /// Bytes or samples that would have been written.
        needed: usize,
        /// Bytes or samples that there was room for.
        available: usize,
    },
}
