//! `Frame` of pipecat's `frames.proto` (proto3, package `pipecat`): one binary WebSocket message each.
//!
//! ```text
//! message Frame { oneof frame {
//!   TextFrame text = 1;            { uint64 id = 1; string name = 2; string text = 3; }
//!   AudioRawFrame audio = 2;       { uint64 id = 1; string name = 2; bytes audio = 3; uint32 sample_rate = 4;
//!                                    uint32 num_channels = 5; optional uint64 pts = 6; }
//!   TranscriptionFrame transcription = 3;  { id, name, text = 3; string user_id = 4; string timestamp = 5; }
//!   MessageFrame message = 4;      { string data = 1; }
//!   InterruptionFrame interruption = 5;    { id, name }
//! } }
//! ```

use super::wire::{
    Fields, Value, bytes_len, number_len, put_bytes, put_header, put_number, put_varint, varint_len,
};

/// A frame. What it holds is borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Text.
    Text {
        /// What it says.
        text: &'a str,
    },
    /// Sound.
    Audio(Audio<'a>),
    /// What somebody said.
    Transcription {
        /// What they said.
        text: &'a str,
        /// Who.
        user_id: &'a str,
        /// When, as their bot writes it.
        timestamp: &'a str,
    },
    /// JSON, RTVI most likely.
    Message {
        /// The document.
        data: &'a str,
    },
    /// Stop talking: the caller does. Pipecat sends it from 1.3.0 on.
    Interruption,
    /// A frame without content, or with one that is not known here.
    Unknown,
}

/// Sound: signed 16 bits, little-endian, channels interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Audio<'a> {
    /// The samples; perhaps behind a WAV header.
    pub audio: &'a [u8],
    /// As the sender says, Hz. Not checked.
    pub sample_rate_hz: u32,
    /// As the sender says. Not checked.
    pub channels: u32,
    /// When it is to be heard, nanoseconds.
    pub pts_ns: Option<u64>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It ends in the middle.
    #[error("truncated")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("varint of more than 64 bits")]
    LongVarint,
    /// A field number of 0, above 2²⁹, or a wire type that does not exist.
    #[error("bad tag")]
    BadTag,
    /// A string that is not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
}

/// Reads a frame. Fields that are not known are passed over; of one that comes twice the last counts.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let mut frame = Frame::Unknown;
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        let Value::Bytes(body) = value else {
            continue;
        };
        frame = match number {
            1 => {
                let [text, ..] = strings(body, [3, 0, 0])?;
                Frame::Text { text }
            }
            2 => Frame::Audio(audio(body)?),
            3 => {
                let [text, user_id, timestamp] = strings(body, [3, 4, 5])?;
                Frame::Transcription {
                    text,
                    user_id,
                    timestamp,
                }
            }
            4 => {
                let [data, ..] = strings(body, [1, 0, 0])?;
                Frame::Message { data }
            }
            5 => {
                strings(body, [0; 3])?;
                Frame::Interruption
            }
            _ => continue,
        };
    }
    Ok(frame)
}

/// Appends a frame. The ids and names of pipecat's frames are its own affair; ours have none.
pub fn encode(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match *frame {
        Frame::Text { text } => {
            put_header(1, bytes_len(text.as_bytes()), out);
            put_bytes(3, text.as_bytes(), out);
        }
        Frame::Audio(audio) => encode_audio(&audio, out),
        Frame::Transcription {
            text,
            user_id,
            timestamp,
        } => {
            let parts = [text, user_id, timestamp].map(str::as_bytes);
            put_header(3, parts.iter().map(|part| bytes_len(part)).sum(), out);
            for (field, part) in (3..).zip(parts) {
                put_bytes(field, part, out);
            }
        }
        Frame::Message { data } => {
            put_header(4, bytes_len(data.as_bytes()), out);
            put_bytes(1, data.as_bytes(), out);
        }
        Frame::Interruption => put_header(5, 0, out),
        Frame::Unknown => {}
    }
}

fn encode_audio(audio: &Audio<'_>, out: &mut Vec<u8>) {
    let [rate, channels] = [audio.sample_rate_hz, audio.channels].map(u64::from);
    // Present, it is written even if it is 0.
    let pts = audio.pts_ns.map_or(0, |pts| 1 + varint_len(pts));
    let len = bytes_len(audio.audio) + number_len(rate) + number_len(channels) + pts;
    out.reserve(len + 6);
    put_header(2, len, out);
    put_bytes(3, audio.audio, out);
    put_number(4, rate, out);
    put_number(5, channels, out);
    if let Some(pts) = audio.pts_ns {
        out.push(6 << 3);
        put_varint(pts, out);
    }
}

fn audio(bytes: &[u8]) -> Result<Audio<'_>, DecodeError> {
    let mut audio = Audio::default();
    let mut fields = Fields(bytes);
    // Protobuf cuts numbers down to the field's 32 bits.
    let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(name)) => drop(utf8(name)?),
            (3, Value::Bytes(bytes)) => audio.audio = bytes,
            (4, Value::Varint(hz)) => audio.sample_rate_hz = low(hz),
            (5, Value::Varint(channels)) => audio.channels = low(channels),
            (6, Value::Varint(pts)) => audio.pts_ns = Some(pts),
            _ => {}
        }
    }
    Ok(audio)
}

/// The strings of these three fields; those of field 0 stay empty.
fn strings(bytes: &[u8], wanted: [u32; 3]) -> Result<[&str; 3], DecodeError> {
    let mut strings = [""; 3];
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        let place = wanted.iter().position(|w| *w == number);
        if let (Some(place), Value::Bytes(bytes)) = (place, value) {
            strings[place] = utf8(bytes)?;
        }
    }
    Ok(strings)
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(frame, &mut out);
        out
    }

    /// With the ids and names that pipecat gives its frames.
    #[test]
    fn frames_of_pipecat_are_read() {
        let audio = b"\x12\x1d\x08\x2a\x12\x0dAudioRawFrame\x1a\x04\x01\x02\x03\x04\x20\xc0\xbb\x01\x28\x01";
        let expected = Audio {
            audio: &[1, 2, 3, 4],
            sample_rate_hz: 24_000,
            channels: 1,
            pts_ns: None,
        };
        assert_eq!(decode(audio), Ok(Frame::Audio(expected)));
        let interruption = b"\x2a\x15\x08\x07\x12\x11InterruptionFrame";
        assert_eq!(decode(interruption), Ok(Frame::Interruption));
        assert_eq!(decode(b"\x2a\0"), Ok(Frame::Interruption));
        assert_eq!(
            decode(b"\x22\x04\x0a\x02{}"),
            Ok(Frame::Message { data: "{}" })
        );
        assert_eq!(
            decode(b"\x0a\x04\x1a\x02hi"),
            Ok(Frame::Text { text: "hi" })
        );
        assert_eq!(decode(b""), Ok(Frame::Unknown));
    }

    #[test]
    fn audio_is_written_as_proto3_wants_it() {
        let frame = Frame::Audio(Audio {
            audio: &[1, 2],
            sample_rate_hz: 16_000,
            channels: 1,
            pts_ns: Some(0),
        });
        assert_eq!(
            encoded(&frame),
            b"\x12\x0b\x1a\x02\x01\x02\x20\x80\x7d\x28\x01\x30\0"
        );
    }

    #[test]
    fn unknown_fields_are_passed_over_and_the_last_counts() {
        assert_eq!(
            decode(b"\x3a\x01x\x0d\0\0\0\0\x22\0\x49\0\0\0\0\0\0\0\0\x2a\0\x30\x05"),
            Ok(Frame::Interruption)
        );
        let twice = b"\x12\x0d\x20\x01\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";
        let Ok(Frame::Audio(audio)) = decode(twice) else {
            panic!("{:?}", decode(twice));
        };
        assert_eq!(audio.sample_rate_hz, 0, "cut down to 32 bits");
    }

    #[test]
    fn rubbish_is_named() {
        for (bytes, error) in [
            (&b"\x12"[..], DecodeError::Truncated),
            (b"\x12\x05\x1a", DecodeError::Truncated),
            (b"\x12\x02\x1a\x05", DecodeError::Truncated),
            (
                b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                DecodeError::Truncated,
            ),
            (
                b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                DecodeError::LongVarint,
            ),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
                DecodeError::LongVarint,
            ),
            (b"\x00\x00", DecodeError::BadTag),
            (b"\x0b\x0c", DecodeError::BadTag),
            (b"\x0f", DecodeError::BadTag),
            (b"\x22\x03\x0a\x01\xff", DecodeError::NotUtf8),
        ] {
            assert_eq!(decode(bytes), Err(error), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads(
            audio: Vec<u8>, sample_rate_hz: u32, channels: u32, pts_ns: Option<u64>, text: String, user_id: String,
        ) {
            let data = text.as_str();
            for frame in [
                Frame::Audio(Audio { audio: &audio, sample_rate_hz, channels, pts_ns }),
                Frame::Text { text: data },
                Frame::Message { data },
                Frame::Transcription { text: data, user_id: &user_id, timestamp: data },
                Frame::Interruption,
            ] {
                let written = encoded(&frame);
                prop_assert_eq!(decode(&written), Ok(frame));
            }
        }

        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            if let Ok(frame) = decode(&bytes) {
                let written = encoded(&frame);
                prop_assert_eq!(decode(&written), Ok(frame));
            }
        }
    }
}
