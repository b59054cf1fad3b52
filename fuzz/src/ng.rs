//! Targets of the control protocol.

use daemon_rtpengine::listen::framer::Framer;
use daemon_rtpengine::ng::document::{Encoding, split_cookie};
use daemon_rtpengine::ng::flags::{Flags, rtpp};
use daemon_rtpengine::ng::json;
use daemon_rtpengine::ng::request::{Command, Request};

/// JSON: a document read and written again reads the same.
pub fn ng_json(data: &[u8]) {
    let Ok(value) = json::decode(data) else {
        return;
    };
    let mut written = Vec::new();
    json::encode(&value, &mut written);
    let again = json::decode(&written).expect("what was written reads");
    assert_eq!(again, value);
}

/// A whole datagram, up to its typed request. An error is fine, and is in the request's encoding.
pub fn ng_request(data: &[u8]) {
    let Some((cookie, document)) = split_cookie(data) else {
        return;
    };
    assert!(cookie.len() + document.len() < data.len());
    let (encoding, tree) = Encoding::decode(document);
    assert_eq!(encoding == Encoding::Json, document.first() == Some(&b'{'));
    if let Ok(tree) = tree
        && let Ok(command) = Command::of(&tree)
    {
        let _ = Request::read(command, &tree);
    }
}

/// A byte stream gives the same requests whole and byte by byte, and each is a part of it.
pub fn ng_framer(data: &[u8]) {
    let frames = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.datagram),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    };
    let whole = frames(&mut std::iter::once(data));
    assert_eq!(whole, frames(&mut data.chunks(1)));
    assert!(whole.0.iter().map(Vec::len).sum::<usize>() <= data.len());
}

/// The `rtpp-flags` string: any text is understood somehow, and reading it is not multiplied.
pub fn rtpp_flags(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(rtpp::parse(&text).len() <= text.len());
    Flags::default().apply_rtpp(&text);
}
