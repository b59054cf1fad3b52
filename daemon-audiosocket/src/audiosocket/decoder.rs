//! Messages out of a stream of bytes.

use super::{
    CallId, FrameError, HEADER, KIND_DTMF, KIND_ERROR, KIND_HANGUP, KIND_UUID, Message,
    audio_rate_hz,
};

/// Cuts a stream of bytes, however it comes, into messages.
///
/// ```
/// use daemon_audiosocket::audiosocket::{Decoder, Message};
/// let mut decoder = Decoder::default();
/// decoder.push(b"\x03\x00");
/// assert_eq!(decoder.next_message(), Ok(None));
/// decoder.push(b"\x01#\x00");
/// assert_eq!(decoder.next_message(), Ok(Some(Message::Dtmf('#'))));
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes in front that are done with.
    done: usize,
    broken: Option<FrameError>,
}

/// Capacity that is kept when the buffer is empty: some frames of wideband audio.
const KEPT: usize = 4096;

impl Decoder {
    /// Takes the next bytes. Holds what it was given until it is read: read all messages before the next push, and
    /// it holds at most one message and what was pushed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.done);
        self.done = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message; `None` if more bytes are needed.
    ///
    /// # Errors
    /// See [`FrameError`]; it is final. A message is judged by its header, before its payload has come.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        match parse(&self.buffer[self.done..]) {
            Ok(None) => Ok(None),
            Ok(Some((message, len))) => {
                self.done += len;
                Ok(Some(message))
            }
            Err(error) => {
                self.broken = Some(error);
                Err(error)
            }
        }
    }

    /// Bytes held that are not yet a message.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.done
    }
}

/// The first message of `bytes` and its length.
fn parse(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, FrameError> {
    let Some((&[kind, high, low], behind)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    if kind == KIND_HANGUP {
        return Ok(Some((Message::Hangup, HEADER)));
    }
    let len = u16::from_be_bytes([high, low]);
    let right = match kind {
        KIND_UUID => len == 16,
        KIND_DTMF => len == 1,
        KIND_ERROR => len <= 1,
        _ if audio_rate_hz(kind).is_some() => true,
        _ => return Err(FrameError::UnknownKind { kind }),
    };
    if !right {
        return Err(FrameError::BadLength { kind, len });
    }
    let Some(payload) = behind.get(..usize::from(len)) else {
        return Ok(None);
    };
    let message = match (kind, payload) {
        (KIND_UUID, payload) => match payload.first_chunk() {
            Some(bytes) => Message::Uuid(CallId::new(*bytes)),
            None => return Err(FrameError::BadLength { kind, len }),
        },
        (KIND_DTMF, payload) => match payload {
            [byte @ (b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd')] => {
                Message::Dtmf(char::from(*byte).to_ascii_uppercase())
            }
            other => {
                let byte = other.first().copied().unwrap_or(0);
                return Err(FrameError::BadDigit { byte });
            }
        },
        (KIND_ERROR, payload) => Message::Error(payload.first().copied().unwrap_or(0)),
        _ => Message::Audio {
            rate_hz: audio_rate_hz(kind).unwrap_or(0),
            payload,
        },
    };
    Ok(Some((message, HEADER + payload.len())))
}
