//! What callers and bots of the AudioSocket daemon write.

use daemon_audiosocket::audiosocket::{Decoder, FrameError, Message, encode};
use daemon_audiosocket::pipecat::frame::{self, Frame};
use daemon_audiosocket::pipecat::rtvi::{self, FromBot, ToBot};

/// AudioSocket: the length of the pieces, then a stream. It reads the same however it is cut, what is read can be
/// written, and that reads the same again.
pub fn audiosocket(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else {
        return;
    };
    let (whole, end) = read(stream, stream.len());
    assert_eq!(read(stream, usize::from(*cut)), (whole.clone(), end));
    let (again, _) = read(&whole, 1000);
    assert_eq!(whole, again);
}

/// All messages of `stream`, written anew, and why it ends early.
fn read(stream: &[u8], cut: usize) -> (Vec<u8>, Option<FrameError>) {
    let mut decoder = Decoder::default();
    let mut written = Vec::new();
    for piece in stream.chunks(cut.max(1)) {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    if let Message::Audio { payload, .. } = message {
                        assert!(payload.len() <= stream.len());
                    }
                    encode(message, &mut written);
                }
                Ok(None) => break,
                Err(error) => return (written, Some(error)),
            }
        }
    }
    (written, None)
}

/// Protobuf frames: what is read can be written, and reads the same again.
pub fn pipecat_frame(data: &[u8]) {
    let Ok(read) = frame::decode(data) else {
        return;
    };
    if let Frame::Audio(audio) = read {
        assert!(audio.audio.len() <= data.len());
    }
    let mut written = Vec::new();
    frame::encode(&read, &mut written);
    assert_eq!(frame::decode(&written), Ok(read));
}

/// RTVI: any document is judged; a function call can be answered with what it was.
pub fn pipecat_rtvi(data: &[u8]) {
    let Ok(document) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(FromBot::FunctionCall(call)) = rtvi::parse(document) {
        let result = &call.arguments;
        let call = &call;
        let answer = ToBot::FunctionResult { call, result }.document(1);
        assert!(matches!(rtvi::parse(&answer), Ok(FromBot::Other)));
    }
}
