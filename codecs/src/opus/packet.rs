//! The outside of an Opus packet: how many frames of which length (RFC 6716 §3). Looks at nothing
//! within a frame.
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! | config  |s| c |   c = 0: one frame, 1: two of one size, 2: two, 3: as the next byte says
//! +-+-+-+-+-+-+-+-+
//! |v|p|     M     |   v: sizes differ, p: padding, M: frames
//! +-+-+-+-+-+-+-+-+
//! ```

use std::time::Duration;

use crate::SampleRate;

/// What the head of a packet says of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    frames: u8,
    frame_us: u32,
    stereo: bool,
    mode: OpusMode,
}

/// How a frame is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpusMode {
    /// Linear prediction, up to 8 kHz of bandwidth; the only one that may hold a copy of the frame before
    /// (with [`OpusMode::Hybrid`]).
    Silk,
    /// Linear prediction below 8 kHz, transform above.
    Hybrid,
    /// Transform.
    Celt,
}

/// Longest packet, µs (RFC 6716 \[R5\]).
const MAX_PACKET_US: u32 = 120_000;
/// Longest frame, bytes (RFC 6716 \[R2\]).
const MAX_FRAME_BYTES: usize = 1275;

impl OpusPacket {
    /// Reads the head of `payload` and checks that the sizes in it fit the payload. `None` unless all
    /// of RFC 6716 §3.4 holds.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&toc, body) = payload.split_first()?;
        let config = toc >> 3;
        let (mode, frame_us) = match config {
            0..12 => (OpusMode::Silk, [10_000, 20_000, 40_000, 60_000]),
            12..16 => (OpusMode::Hybrid, [10_000, 20_000, 10_000, 20_000]),
            _ => (OpusMode::Celt, [2500, 5000, 10_000, 20_000]),
        };
        let frame_us = frame_us[usize::from(config & 3)];
        let frames = match toc & 3 {
            0 => (body.len() <= MAX_FRAME_BYTES).then_some(1),
            1 => equal_frames(2, body.len()),
            2 => sized_frames(2, body),
            _ => counted_frames(body),
        }?;
        (u32::from(frames) * frame_us <= MAX_PACKET_US).then_some(Self {
            frames,
            frame_us,
            stereo: toc & 4 != 0,
            mode,
        })
    }

    /// Frames in it, 1–48.
    #[must_use]
    pub const fn frames(self) -> u8 {
        self.frames
    }
    /// Whether two channels are coded. A decoder gives one or two of either.
    #[must_use]
    pub const fn is_stereo(self) -> bool {
        self.stereo
    }
    /// How its frames are coded.
    #[must_use]
    pub const fn mode(self) -> OpusMode {
        self.mode
    }
    /// Its length, 2.5–120 ms.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.frame_us) * u64::from(self.frames))
    }
    /// Samples per channel at `rate`, rounded down; exact at 8, 12, 16, 24 and 48 kHz.
    #[must_use]
    pub fn samples(self, rate: SampleRate) -> usize {
        let us = u64::from(self.frame_us) * u64::from(self.frames);
        usize::try_from(us * u64::from(rate.get()) / 1_000_000).unwrap_or(usize::MAX)
    }
}

/// `frames` frames that share `len` bytes.
fn equal_frames(frames: u8, len: usize) -> Option<u8> {
    let each = len / usize::from(frames);
    (len.is_multiple_of(usize::from(frames)) && each <= MAX_FRAME_BYTES).then_some(frames)
}

/// `frames` frames; all but the last have their sizes in front.
fn sized_frames(frames: u8, mut body: &[u8]) -> Option<u8> {
    let mut sized = 0;
    for _ in 1..frames {
        let (size, rest) = frame_size(body)?;
        sized += size;
        body = rest;
    }
    let last = body.len().checked_sub(sized)?;
    (last <= MAX_FRAME_BYTES).then_some(frames)
}

/// One size and what is behind it: 0–251 in a byte, more in two (RFC 6716 §3.2.1).
fn frame_size(body: &[u8]) -> Option<(usize, &[u8])> {
    match *body {
        [first @ 0..=251, ref rest @ ..] => Some((usize::from(first), rest)),
        [first, second, ref rest @ ..] => {
            Some((usize::from(second) * 4 + usize::from(first), rest))
        }
        _ => None,
    }
}

/// Code 3: count, padding, sizes (RFC 6716 §3.2.5). Each round of the loop takes a byte.
fn counted_frames(body: &[u8]) -> Option<u8> {
    let (&head, mut body) = body.split_first()?;
    let frames = head & 0x3f;
    let mut padding = 0;
    if head & 0x40 != 0 {
        loop {
            let (&more, rest) = body.split_first()?;
            body = rest;
            // 255 means 254 and another byte of length.
            padding += usize::from(more.min(254));
            if more != 255 {
                break;
            }
        }
    }
    let len = body.len().checked_sub(padding)?;
    match frames {
        0 => None,
        _ if head & 0x80 == 0 => equal_frames(frames, len),
        _ => sized_frames(frames, &body[..len]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_those_of_rfc6716_table_2() {
        for (config, us) in [
            (0, 10_000),
            (3, 60_000),
            (13, 20_000),
            (16, 2500),
            (31, 20_000),
        ] {
            let packet = OpusPacket::parse(&[config << 3, 0]).expect("one frame");
            assert_eq!(packet.duration(), Duration::from_micros(us), "{config}");
        }
        let two_and_a_half = OpusPacket::parse(&[16 << 3]).expect("an empty frame");
        assert_eq!(two_and_a_half.samples(SampleRate::HZ_8000), 20);
        assert_eq!(two_and_a_half.samples(SampleRate::HZ_12000), 30);
        assert_eq!(two_and_a_half.mode(), OpusMode::Celt);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let rubbish: [&[u8]; 8] = [
            &[],
            // Two equal frames of an odd length; a size without its byte, and beyond the end.
            &[1, 0],
            &[2],
            &[2, 5, 0],
            // No frames; more than 120 ms; padding beyond the end, and without end.
            &[3, 0],
            &[3, 13],
            &[3, 0x41, 9, 0],
            &[3, 0x41, 255, 255],
        ];
        for payload in rubbish {
            assert_eq!(OpusPacket::parse(payload), None, "{payload:?}");
        }
        assert_eq!(OpusPacket::parse(&[0; 1277]), None);
        assert!(OpusPacket::parse(&[0; 1276]).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn libopus_finds_the_same_frames(
            head in any::<[u8; 4]>(),
            len in 0_usize..700,
            sizes in prop::collection::vec(0_u8..8, 0..60),
        ) {
            let mut payload = [&head[..], &sizes].concat();
            payload.resize(payload.len().max(len), 0);
            let theirs = ::opus::packet::parse(&payload).ok().map(|p| p.frames.len());
            let ours = OpusPacket::parse(&payload);
            prop_assert_eq!(ours.map(|p| usize::from(p.frames)), theirs);
            if let Some(packet) = ours {
                let samples = ::opus::packet::get_nb_samples(&payload, 48_000).ok();
                prop_assert_eq!(Some(packet.samples(SampleRate::HZ_48000)), samples);
            }
        }
    }
}
