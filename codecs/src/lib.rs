//! Telephony audio codecs: samples in, payload bytes out, and back. Knows nothing of packets.
//!
//! [`registry`] lists the codecs that are implemented, and makes an [`Encoder`] or a [`Decoder`] of
//! a name; the codecs' modules can also be called directly. [`fmtp`] reads their parameters.
#![deny(unsafe_code)]

pub mod comfort_noise;
pub mod fmtp;
pub mod g711;
pub mod g722;
pub mod l16;
#[cfg(feature = "opus")]
pub mod opus;
mod pcm;
pub mod plc;
pub mod registry;
pub mod resample;
pub mod tone;

pub use pcm::{Pcm, PcmFormat, SampleRate};

/// Turns samples into payload bytes. State, if any, belongs to one stream.
pub trait Encoder: Send {
    /// What samples it takes.
    fn format(&self) -> PcmFormat;

    /// Encodes `pcm`, one packet's worth, into the front of `out` and returns the bytes written; 0 when
    /// nothing needs to be sent for these samples (discontinuous transmission).
    ///
    /// # Errors
    /// - [`CodecError::WrongFormat`]: `pcm` has another format than [`Encoder::format`].
    /// - [`CodecError::BadLength`]: the codec cannot code this many samples in one packet.
    /// - [`CodecError::BufferTooSmall`]: `out` is too short; nothing was encoded.
    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError>;

    /// Says how many of 100 packets the receiver loses, so that a codec that can spends bits on
    /// redundancy. Values over 100 count as 100; codecs without redundancy ignore it.
    fn expect_loss(&mut self, percent: u8) {
        let _ = percent;
    }
}

/// Turns payload bytes into samples. State, if any, belongs to one stream.
pub trait Decoder: Send {
    /// What samples it gives.
    fn format(&self) -> PcmFormat;

    /// Samples per channel that [`Decoder::decode`] would give for `payload`; 0 if it is not valid.
    fn samples_in(&self, payload: &[u8]) -> usize;

    /// Whether `payload` is one without sound, after which the sender may send nothing until there is some
    /// (discontinuous transmission); [`Decoder::conceal`] then gives what the pause sounds like.
    fn is_pause(&self, payload: &[u8]) -> bool {
        let _ = payload;
        false
    }

    /// Decodes `payload` into the front of `out` and returns the samples written, all channels
    /// counted.
    ///
    /// # Errors
    /// - [`CodecError::BufferTooSmall`]: `out` is too short; nothing was decoded.
    /// - [`CodecError::BadPayload`]: not a payload of this codec; state is as if it had been lost.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Fills `out` with a stand-in for a lost packet of that length. `next` is the payload of the packet
    /// right behind the gap if it has come already: codecs with forward error correction use its copy of
    /// the lost one. Called again for each further lost packet; it fades out.
    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]);

    /// Whether the first of the next samples are blended with a stand-in, so that they are not only the payload's.
    /// Of interest where payloads can do without being decoded.
    fn is_blending(&self) -> bool {
        false
    }
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
    /// The codec has no packets of that length.
    #[error("{samples} samples per channel do not make a packet")]
    BadLength {
        /// Samples per channel that were given.
        samples: usize,
    },
    /// The payload is not one of this codec.
    #[error("payload of {len} bytes is not valid")]
    BadPayload {
        /// Its length, bytes.
        len: usize,
    },
    /// The codec's library refuses the settings, has no memory, or finds itself broken.
    #[error("codec library fails with {code}")]
    Library {
        /// The library's error code.
        code: i32,
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
