//! A phone's two halves: sentences into packets, and packets into what is heard. Both daemons have the same
//! phones: our codecs, Opus by libopus.
//!
//! The phone waits for each packet as long as it takes, places it by its time stamp, and conceals what is missing
//! in between: no other is kinder to a daemon that delays packets. How many a less patient phone would have
//! missed is counted.

use std::time::Duration;

use anyhow::{Context, Result};
use codecs::registry::{self, Codec, Settings};
use codecs::{Pcm, SampleRate};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};

use crate::network::Condition;
use crate::speech::{Sentence, resampled};

/// A packet's length, ms.
pub(crate) const PTIME_MS: u64 = 20;
/// Least delay of a packet that a less patient phone does not wait for: behind the quickest.
const LATE: Duration = Duration::from_millis(100);
/// Where its numbers begin: both wrap within a sentence.
const FIRST_SEQ: u16 = 65_500;
const FIRST_TIMESTAMP: u32 = u32::MAX - 30_000;

/// What a phone speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// As tables name it, and as `transcode` does.
    pub(crate) name: &'static str,
    /// Value of `a=rtpmap` behind the payload type.
    pub(crate) rtpmap: &'static str,
    /// Payload type in its own offers.
    pub(crate) payload_type: u8,
    /// Value of `a=fmtp` behind the payload type.
    pub(crate) fmtp: &'static str,
    /// Whether it carries more than 4 kHz.
    pub(crate) is_wide: bool,
    channels: u8,
    clock_rate_hz: u32,
}

pub(crate) const PCMA: Voice = narrow("PCMA", "PCMA/8000", 8);
pub(crate) const PCMU: Voice = narrow("PCMU", "PCMU/8000", 0);
pub(crate) const G722: Voice = Voice {
    is_wide: true,
    ..narrow("G722", "G722/8000", 9)
};
pub(crate) const OPUS: Voice = Voice {
    // As Chromium offers it.
    fmtp: "minptime=10;useinbandfec=1",
    is_wide: true,
    channels: 2,
    clock_rate_hz: 48_000,
    ..narrow("opus", "opus/48000/2", 111)
};

const fn narrow(name: &'static str, rtpmap: &'static str, payload_type: u8) -> Voice {
    Voice {
        name,
        rtpmap,
        payload_type,
        fmtp: "",
        is_wide: false,
        channels: 1,
        clock_rate_hz: 8000,
    }
}

impl Voice {
    fn codec(&self) -> Result<&'static Codec> {
        registry::by_name(self.name, self.clock_rate_hz, self.channels).context("not built in")
    }

    /// The packets of a sentence.
    pub(crate) fn speak(
        &self,
        sentence: &Sentence,
        payload_type: u8,
        condition: Condition,
    ) -> Result<Vec<Vec<u8>>> {
        let settings = Settings {
            fmtp: self.fmtp,
            ..Settings::default()
        };
        let mut encoder = self.codec()?.encoder(&settings)?;
        // What a browser learns from RTCP.
        encoder.expect_loss(condition.loss_percent());
        let format = encoder.format();
        let samples = sentence.at(format.sample_rate)?;
        let payload_type = PayloadType::new(payload_type).context("payload type over 127")?;
        let frame = format.sample_rate.get() as usize / 50;
        let (mut seq, mut timestamp) = (FIRST_SEQ, FIRST_TIMESTAMP);
        let mut packets = Vec::new();
        for samples in samples.chunks_exact(frame) {
            let mut payload = [0; 1400];
            let len = encoder.encode(Pcm { format, samples }, &mut payload)?;
            let header = RtpHeader::new(
                payload_type,
                SeqNo::new(seq),
                RtpTimestamp::new(timestamp),
                Ssrc::new(0x5eed),
            );
            let marked = header.with_marker(packets.is_empty());
            packets.push(RtpBuilder::new(marked, &payload[..len]).to_vec()?);
            seq = seq.wrapping_add(1);
            timestamp = timestamp.wrapping_add(self.clock_rate_hz / 50);
        }
        Ok(packets)
    }

    /// What is heard of packets, at `rate`.
    pub(crate) fn hear(
        &self,
        arrivals: &[(Duration, Vec<u8>)],
        payload_type: u8,
        rate: SampleRate,
    ) -> Result<Heard> {
        let frames = self.in_order(arrivals, payload_type);
        let settings = Settings {
            fmtp: self.fmtp,
            sample_rate: Some(rate),
            channels: Some(1),
            ..Settings::default()
        };
        let mut decoder = self.codec()?.decoder(&settings)?;
        let decoded_rate = decoder.format().sample_rate;
        let per_tick = f64::from(decoded_rate.get()) / f64::from(self.clock_rate_hz);
        let mut heard = Heard {
            samples: Vec::new(),
            packets: frames.in_order.len(),
            late: frames.late,
        };
        let mut out = [0; 11_520];
        let begin = frames.in_order.first().map_or(0, |frame| frame.0);
        for (at, payload) in &frames.in_order {
            let place = ((at - begin) as f64 * per_tick).round() as usize;
            if place + 1 < heard.samples.len() {
                continue;
            }
            while heard.samples.len() < place {
                let gap = place - heard.samples.len();
                let step = gap.min(decoded_rate.get() as usize / 50);
                let next = (gap == step).then_some(*payload);
                decoder.conceal(next, &mut out[..step]);
                heard.samples.extend_from_slice(&out[..step]);
            }
            let n = decoder.decode(payload, &mut out)?;
            heard.samples.extend_from_slice(&out[..n]);
        }
        heard.samples = resampled(&heard.samples, decoded_rate, rate)?;
        Ok(heard)
    }

    fn in_order<'a>(&self, arrivals: &'a [(Duration, Vec<u8>)], payload_type: u8) -> Frames<'a> {
        let mut frames: Vec<(i64, f64, &[u8])> = Vec::new();
        let mut last: Option<(u32, i64)> = None;
        for (at, packet) in arrivals {
            let Ok(rtp) = RtpPacket::parse(packet) else {
                continue;
            };
            if rtp.payload_type().get() != payload_type {
                continue;
            }
            let timestamp = rtp.timestamp().get();
            let place = last.map_or(0, |(last, place)| {
                place + i64::from(timestamp.wrapping_sub(last).cast_signed())
            });
            last = Some((timestamp, place));
            let transit = at.as_secs_f64() - place as f64 / f64::from(self.clock_rate_hz);
            frames.push((place, transit, rtp.payload()));
        }
        let least = frames.iter().map(|f| f.1).fold(f64::INFINITY, f64::min);
        let is_late = |frame: &&(i64, f64, &[u8])| frame.1 > least + LATE.as_secs_f64();
        let late = frames.iter().filter(is_late).count();
        frames.sort_by_key(|frame| frame.0);
        Frames {
            in_order: frames.into_iter().map(|f| (f.0, f.2)).collect(),
            late,
        }
    }
}

struct Frames<'a> {
    /// Place in ticks and payload.
    in_order: Vec<(i64, &'a [u8])>,
    late: usize,
}

/// What a phone has heard.
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    /// Packets that came.
    pub(crate) packets: usize,
    /// Those of them that a less patient phone would have missed.
    pub(crate) late: usize,
}
