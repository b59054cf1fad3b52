//! AudioSocket, the protocol of Asterisk's `app_audiosocket`, `chan_audiosocket` and `res_audiosocket`.
//!
//! ```text
//!  0        1                 3
//! ┌────────┬────────┬────────┬──────────────────┐
//! │  kind  │ length, BE      │ payload          │
//! └────────┴────────┴────────┴──────────────────┘
//! 0x00        end of the call; the length does not count, there is no payload
//! 0x01        the call's UUID, 16 bytes; the first message of a caller
//! 0x03        a DTMF digit, one ASCII character
//! 0x10 – 0x18 linear samples, little-endian, at 8, 12, 16, 24, 32, 44.1, 48, 96, 192 kHz
//! 0xff        an error, one byte of flags
//! ```
//! There is no version, no authentication and no TLS. Knows no sockets.

mod decoder;
mod id;

pub use decoder::Decoder;
pub use id::{CallId, CallIdError};

/// Bytes of a header.
pub const HEADER: usize = 3;
/// Most bytes of a payload.
pub const MAX_PAYLOAD: usize = 65_535;
/// The message that ends a call. Asterisk wants it before the connection is closed: a bare end of file fails the
/// application of its older releases.
pub const HANGUP: [u8; HEADER] = [0; HEADER];

const KIND_HANGUP: u8 = 0x00;
const KIND_UUID: u8 = 0x01;
const KIND_DTMF: u8 = 0x03;
const KIND_AUDIO: u8 = 0x10;
const KIND_ERROR: u8 = 0xff;

/// Sample rates of the audio kinds, from 0x10 on, Hz.
pub const RATES_HZ: [u32; 9] = [
    8000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
];

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The call is over.
    Hangup,
    /// Which call this is.
    Uuid(CallId),
    /// A digit was pressed: `0`–`9`, `*`, `#`, `A`–`D`.
    Dtmf(char),
    /// Samples, or what their sender takes for them.
    Audio {
        /// As the kind says, Hz.
        rate_hz: u32,
        /// Little-endian; may be empty, or end within a sample.
        payload: &'a [u8],
    },
    /// Flags: 1 the caller hung up, 2 a frame could not be passed on, 4 out of memory; 0 if there are none.
    Error(u8),
}

/// Why a connection does not speak AudioSocket. Nothing behind such a message can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No message of that kind is known.
    #[error("unknown kind {kind:#04x}")]
    UnknownKind {
        /// As received.
        kind: u8,
    },
    /// The kind has another length.
    #[error("{len} bytes in a message of kind {kind:#04x}")]
    BadLength {
        /// As received.
        kind: u8,
        /// As received.
        len: u16,
    },
    /// A key that no telephone has.
    #[error("DTMF digit {byte:#04x}")]
    BadDigit {
        /// As received.
        byte: u8,
    },
}

/// The kind of audio at this rate; `None` if there is none.
#[must_use]
pub fn audio_kind(rate_hz: u32) -> Option<u8> {
    let at = RATES_HZ.iter().position(|hz| *hz == rate_hz)?;
    Some(KIND_AUDIO + u8::try_from(at).ok()?)
}

/// The rate of this kind, Hz; `None` if it is not audio.
#[must_use]
pub fn audio_rate_hz(kind: u8) -> Option<u32> {
    let at = kind.checked_sub(KIND_AUDIO)?;
    RATES_HZ.get(usize::from(at)).copied()
}

/// Appends a message of samples, header and payload in one. Appends nothing for a rate that has no kind, no samples
/// (Asterisk ends a call for that), or more of them than fit.
pub fn encode_audio(rate_hz: u32, samples: &[i16], out: &mut Vec<u8>) {
    let (Some(kind), Ok(len)) = (audio_kind(rate_hz), u16::try_from(samples.len() * 2)) else {
        return;
    };
    if len == 0 {
        return;
    }
    out.push(kind);
    out.extend(len.to_be_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// Appends any message. For callers; a server sends audio and [`HANGUP`] alone. Audio of an unknown rate, or longer
/// than [`MAX_PAYLOAD`], is left out.
pub fn encode(message: Message<'_>, out: &mut Vec<u8>) {
    let mut put = |kind: u8, payload: &[u8]| {
        if let Ok(len) = u16::try_from(payload.len()) {
            out.push(kind);
            out.extend(len.to_be_bytes());
            out.extend(payload);
        }
    };
    match message {
        Message::Hangup => put(KIND_HANGUP, &[]),
        Message::Uuid(id) => put(KIND_UUID, &id.bytes()),
        Message::Dtmf(digit) => {
            if let Ok(byte) = u8::try_from(digit) {
                put(KIND_DTMF, &[byte]);
            }
        }
        Message::Audio { rate_hz, payload } => {
            if let Some(kind) = audio_kind(rate_hz) {
                put(kind, payload);
            }
        }
        Message::Error(flags) => put(KIND_ERROR, &[flags]),
    }
}

#[cfg(test)]
mod tests;
