//! Finds requests in a byte stream (NG over TCP): cookie, space, document, and the next one right
//! behind. No length is sent, so the end is where the document's own nesting ends.
//!
//! Sans-IO, and linear: each byte is looked at once, however small the pieces it comes in.

use std::ops::Range;

use media_core::sdp::SessionDescription;

/// One request in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Cookie, space and document, as they would stand in a datagram.
    pub datagram: Vec<u8>,
}

/// The stream makes no sense (any more) and must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// One request is longer than [`Framer::MAX_FRAME`].
    #[error("request longer than {} bytes", Framer::MAX_FRAME)]
    TooLong,
    /// The document starts with neither `d` nor `{`, or breaks its encoding: where the next one
    /// starts cannot be known.
    #[error("no document where one should start or go on")]
    NotADocument,
}

/// Cuts a byte stream into requests.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out already.
    consumed: usize,
    /// Bytes of `buffer` that the scanner has seen.
    scanned: usize,
    scanner: Scanner,
}

impl Framer {
    /// A request may have so many bytes, cookie included: the longest description that is taken has
    /// room in it, however many of its bytes JSON has to escape.
    pub const MAX_FRAME: usize = 2 * SessionDescription::MAX_LEN;

    /// Appends what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.scanned -= self.consumed;
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole request; `None` until more bytes are there.
    ///
    /// # Errors
    /// See [`FramingError`]; the stream is of no use then. [`Framer::rest`] is what made it so.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FramingError> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.scanned - self.consumed >= Self::MAX_FRAME {
                return Err(FramingError::TooLong);
            }
            self.scanned += 1;
            match self.scanner.step(byte) {
                Step::More => {}
                Step::Skip => self.consumed = self.scanned,
                Step::End => {
                    let range: Range<usize> = self.consumed..self.scanned;
                    self.consumed = self.scanned;
                    self.scanner = Scanner::default();
                    return Ok(Some(Frame {
                        datagram: self.buffer[range].to_vec(),
                    }));
                }
                Step::Broken => return Err(FramingError::NotADocument),
            }
        }
        Ok(None)
    }

    /// What was received and not handed out.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.consumed..]
    }
}

enum Step {
    More,
    /// White space between requests.
    Skip,
    End,
    Broken,
}

#[derive(Debug, Default)]
enum Scanner {
    /// Before a cookie.
    #[default]
    Gap,
    Cookie,
    /// The document's first byte comes next.
    Start,
    Bencode {
        depth: u32,
        state: Bencode,
    },
    Json {
        depth: u32,
        state: Json,
    },
}

#[derive(Debug)]
enum Bencode {
    /// A value, a key or an end comes next.
    Item,
    Integer,
    /// Length digits of a string.
    Length(usize),
    /// Bytes of a string still to come, at least 1.
    Bytes(usize),
}

#[derive(Debug)]
enum Json {
    Outside,
    String,
    Escape,
}

impl Scanner {
    fn step(&mut self, byte: u8) -> Step {
        match self {
            Scanner::Gap if byte.is_ascii_whitespace() => return Step::Skip,
            Scanner::Gap => *self = Scanner::Cookie,
            Scanner::Cookie => {
                if byte == b' ' {
                    *self = Scanner::Start;
                }
            }
            Scanner::Start => {
                *self = match byte {
                    b'd' => Scanner::Bencode {
                        depth: 1,
                        state: Bencode::Item,
                    },
                    b'{' => Scanner::Json {
                        depth: 1,
                        state: Json::Outside,
                    },
                    _ => return Step::Broken,
                };
            }
            Scanner::Bencode { depth, state } => return state.step(byte, depth),
            Scanner::Json { depth, state } => return state.step(byte, depth),
        }
        Step::More
    }
}

impl Bencode {
    fn step(&mut self, byte: u8, depth: &mut u32) -> Step {
        match self {
            Bencode::Item => match byte {
                b'd' | b'l' => *depth += 1,
                b'i' => *self = Bencode::Integer,
                b'0'..=b'9' => *self = Bencode::Length(usize::from(byte - b'0')),
                b'e' => {
                    *depth -= 1;
                    if *depth == 0 {
                        return Step::End;
                    }
                }
                _ => return Step::Broken,
            },
            Bencode::Integer => match byte {
                b'0'..=b'9' | b'-' => {}
                b'e' => *self = Bencode::Item,
                _ => return Step::Broken,
            },
            Bencode::Length(len) => match byte {
                b'0'..=b'9' if *len <= Framer::MAX_FRAME => {
                    *len = *len * 10 + usize::from(byte - b'0');
                }
                b':' if *len == 0 => *self = Bencode::Item,
                b':' => *self = Bencode::Bytes(*len),
                _ => return Step::Broken,
            },
            Bencode::Bytes(1) => *self = Bencode::Item,
            Bencode::Bytes(left) => *left -= 1,
        }
        Step::More
    }
}

impl Json {
    fn step(&mut self, byte: u8, depth: &mut u32) -> Step {
        match self {
            Json::Outside => match byte {
                b'{' | b'[' => *depth += 1,
                b'}' | b']' => {
                    *depth -= 1;
                    if *depth == 0 {
                        return Step::End;
                    }
                }
                b'"' => *self = Json::String,
                _ => {}
            },
            Json::String => match byte {
                b'\\' => *self = Json::Escape,
                b'"' => *self = Json::Outside,
                _ => {}
            },
            Json::Escape => *self = Json::String,
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &[&[u8]] = &[
        b"c1 d7:command4:pinge",
        b"c2 {\"command\":\"p}i\\\"ng\",\"l\":[1,{}]}",
        b"c3 d5:flagsl1:a2:bbe1:ni-12e3:sdp0:1:dd1:xi1eee",
        b"c4 d7:command4:pinge",
    ];

    fn frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut framer = Framer::default();
        let mut out = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                out.push(frame.datagram);
            }
        }
        out
    }

    #[test]
    fn several_requests_in_one_piece() {
        let all = [STREAM[0], b"\n", STREAM[1], STREAM[2], STREAM[3]].concat();
        assert_eq!(frames(&[&all]), STREAM);
    }

    #[test]
    fn request_over_the_cap_is_refused() {
        let mut framer = Framer::default();
        let most = Framer::MAX_FRAME;
        framer.push(format!("c d1:a{}:", most - 1).as_bytes());
        framer.push(&vec![b'x'; most - 30]);
        assert_eq!(framer.next_frame(), Ok(None));
        framer.push(&[b'x'; 30]);
        assert_eq!(framer.next_frame(), Err(FramingError::TooLong));
    }

    #[test]
    fn cookie_without_end_is_refused() {
        let mut framer = Framer::default();
        framer.push(&vec![b'x'; Framer::MAX_FRAME + 1]);
        assert_eq!(framer.next_frame(), Err(FramingError::TooLong));
    }

    #[test]
    fn what_is_no_document_breaks_the_stream() {
        for bad in [&b"c x"[..], b"c dx", b"c i1e", b"c d1x", b"c d3:abcixe"] {
            let mut framer = Framer::default();
            framer.push(bad);
            assert_eq!(
                framer.next_frame(),
                Err(FramingError::NotADocument),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cuts in prop::collection::vec(1usize..12, 1..100)) {
            let good = STREAM.concat();
            let mut rest = &good[..];
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            pieces.push(rest);
            prop_assert_eq!(frames(&pieces), STREAM);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut framer = Framer::default();
            framer.push(b"c d");
            framer.push(&bytes);
            while let Ok(Some(_)) = framer.next_frame() {}
        }
    }
}
