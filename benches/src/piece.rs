//! One packet's work at a time, for benches that time it and for those that count its instructions.

use std::sync::Arc;

use codecs::registry::by_name;
use media_core::buf::{PacketBuf, Slab};
use media_core::media::transcode::{CodecUse, Outlet, Plan, Rule, Scratch, Transcoder};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtp::{FIXED_HEADER_LEN, RtpHeader};

use crate::load::Media;
use crate::load::voice::{NoVoice, Voice};

/// Pairs that calls are made of: from, to, and what to call it.
pub const PAIRS: [(Media, Media, &str); 8] = [
    (Media::PCMA, Media::PCMU, "PCMA to PCMU"),
    (Media::PCMU, Media::PCMA, "PCMU to PCMA"),
    (Media::G722, Media::PCMU, "G722 to PCMU"),
    (Media::PCMU, Media::G722, "PCMU to G722"),
    (Media::OPUS, Media::PCMU, "opus to PCMU"),
    (Media::PCMU, Media::OPUS, "PCMU to opus"),
    (Media::OPUS, Media::G722, "opus to G722"),
    (Media::G722, Media::OPUS, "G722 to opus"),
];

/// A stream that is transcoded: a voice's packets, one after another.
pub struct Piece {
    voice: Voice,
    transcoder: Transcoder,
    slab: Slab,
    scratch: Scratch,
    number: u16,
}

impl Piece {
    /// A stream that has not begun.
    ///
    /// # Errors
    /// [`NoVoice`] if one of them is none of [`Voice`]'s codecs, or Opus, and this was built without.
    pub fn new(from: &Media, to: &Media) -> Result<Self, NoVoice> {
        let voice = Voice::new(from)?;
        let mut plan = Plan::new(vec![(number(from), Rule::Decode(codec(from)?))]);
        plan.target = Some(codec(to)?);
        Ok(Self {
            voice,
            transcoder: Transcoder::new(Arc::new(plan)),
            slab: Slab::new(8),
            scratch: Scratch::default(),
            number: 0,
        })
    }

    /// Sends the next packet through; returns the bytes that come out, headers included.
    pub fn packet(&mut self) -> usize {
        let header = RtpHeader::new(
            number(self.voice.media()),
            SeqNo::new(self.number),
            RtpTimestamp::new(u32::from(self.number) * self.voice.media().ticks()),
            Ssrc::new(1),
        );
        let payload = self.voice.payload(self.number.into());
        self.number = self.number.wrapping_add(1);
        let Some(mut packet) = self.slab.allocate() else {
            return 0;
        };
        let (head, body) = packet.spare_mut().split_at_mut(FIXED_HEADER_LEN);
        head.copy_from_slice(&header.to_bytes());
        body[..payload.len()].copy_from_slice(payload);
        packet.set_len(FIXED_HEADER_LEN + payload.len());
        let mut bytes = 0;
        if self.transcoder.push(&header, packet, 0).is_ok() {
            let mut send = |packet: PacketBuf| bytes += packet.len();
            let mut outlet = Outlet::new(&self.slab, &mut send);
            while self.transcoder.work(0, &mut self.scratch, &mut outlet) {}
        }
        bytes
    }
}

fn number(media: &Media) -> PayloadType {
    PayloadType::new(media.payload_type).unwrap_or(const { PayloadType::new(0).expect("valid") })
}

fn codec(media: &Media) -> Result<CodecUse, NoVoice> {
    let none = NoVoice {
        rtpmap: media.rtpmap,
    };
    let channels = if media.rtpmap.ends_with("/2") { 2 } else { 1 };
    let codec = by_name(media.name(), media.clock_rate_hz, channels).ok_or(none)?;
    Ok(CodecUse {
        codec,
        payload_type: number(media),
        fmtp: media.fmtp.into(),
        ptime_ms: media.ptime_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_gives_one() {
        for (from, to, name) in PAIRS {
            let mut piece = Piece::new(&from, &to).unwrap();
            for _ in 0..200 {
                let bytes = piece.packet();
                assert!((20..=172).contains(&bytes), "{name}: {bytes}");
            }
        }
    }
}
