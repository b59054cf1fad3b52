//! The encoding half: samples in, packets of the far ptime out.

use codecs::{Encoder, Pcm, PcmFormat};

use super::numbering::Numbering;
use super::source::mix;
use super::{CodecUse, Outlet, Scratch};
use crate::units::{PayloadType, RtpTimestamp};
use crate::wire::rtp::{FIXED_HEADER_LEN, RtpHeader};

/// Most bytes of a payload, so that a packet with all that may be around it passes Ethernet.
const PAYLOAD_BYTES: u32 = 1400;

/// Collects samples until a packet is full.
pub(super) struct Sink {
    encoder: Box<dyn Encoder>,
    format: PcmFormat,
    payload_type: PayloadType,
    /// One packet's samples, all channels; the first `filled` are there.
    frame: Box<[i16]>,
    filled: usize,
    /// Our time of the first of them.
    start: RtpTimestamp,
    /// Ticks of a packet.
    ticks: u32,
    /// The encoder said that nothing needs to be sent: the next packet that is begins a talkspurt.
    paused: bool,
}

impl Sink {
    pub(super) fn new(codec: &CodecUse, encoder: Box<dyn Encoder>, start: RtpTimestamp) -> Self {
        let format = encoder.format();
        let ptime_ms = codec.codec.ptime_within(codec.ptime_ms, PAYLOAD_BYTES);
        let frame = codec.codec.packets.samples(ptime_ms, format.sample_rate);
        Self {
            encoder,
            format,
            payload_type: codec.payload_type,
            frame: vec![0; frame.max(1) * usize::from(format.channels.max(1))].into(),
            filled: 0,
            start,
            ticks: codec.codec.ticks(frame, format.sample_rate),
            paused: false,
        }
    }

    pub(super) fn format(&self) -> PcmFormat {
        self.format
    }

    /// Packets of 100 that the receiver loses.
    pub(super) fn expect_loss(&mut self, percent: u8) {
        self.encoder.expect_loss(percent);
    }

    /// Our time of the next sample.
    pub(super) fn position(&self) -> RtpTimestamp {
        let frame = u64::try_from(self.frame.len()).unwrap_or(1);
        let filled = u64::try_from(self.filled).unwrap_or(0);
        let ticks = filled * u64::from(self.ticks) / frame;
        let ticks = u32::try_from(ticks).unwrap_or(0);
        RtpTimestamp::new(self.start.get().wrapping_add(ticks))
    }

    /// Sends what is left of the packet begun, padded, and goes on at `start`.
    pub(super) fn jump(
        &mut self,
        start: RtpTimestamp,
        numbering: &mut Numbering,
        outlet: &mut Outlet<'_>,
    ) {
        if self.filled > 0 {
            let filled = self.filled;
            self.frame[filled..].fill(0);
            self.send(None, numbering, outlet);
        }
        self.start = start;
        self.filled = 0;
    }

    /// Drops what was begun.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }

    /// Would so many samples be a packet?
    pub(super) fn takes_whole(&self, samples: usize) -> bool {
        self.filled == 0 && samples == self.frame.len()
    }

    /// Ticks of a packet.
    pub(super) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Reads what the next packet will need.
    #[inline]
    pub(super) fn warm(&self) -> usize {
        self.filled
    }

    /// The header of a packet that holds already what its samples would have been encoded as;
    /// [`Sink::takes_whole`] them.
    pub(super) fn pass(&mut self, numbering: &mut Numbering) -> RtpHeader {
        let timestamp = self.advance();
        self.header(timestamp, numbering)
    }

    /// Adds samples of [`Sink::format`], and sends each packet that gets full.
    pub(super) fn write(
        &mut self,
        mut samples: &[i16],
        numbering: &mut Numbering,
        outlet: &mut Outlet<'_>,
    ) {
        while !samples.is_empty() {
            if self.filled == 0
                && let Some((whole, later)) = samples.split_at_checked(self.frame.len())
            {
                // Nothing begun, and a packet's worth there: no need to keep it.
                self.send(Some(whole), numbering, outlet);
                samples = later;
                continue;
            }
            let room = self.frame.len() - self.filled;
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.frame[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            samples = later;
            if self.filled == self.frame.len() {
                self.send(None, numbering, outlet);
            }
        }
    }

    /// As [`Sink::write`], of the first `n` decoded samples, which are of one channel.
    pub(super) fn write_mono(
        &mut self,
        scratch: &mut Scratch,
        n: usize,
        numbering: &mut Numbering,
        outlet: &mut Outlet<'_>,
    ) {
        let n = mix(&mut scratch.decoded[..], n, 1, self.format.channels);
        self.write(&scratch.decoded[..n], numbering, outlet);
    }

    /// Lets so many samples pass without audio: something else is sent in their place.
    pub(super) fn skip(
        &mut self,
        samples: usize,
        numbering: &mut Numbering,
        outlet: &mut Outlet<'_>,
    ) {
        let frame = u64::try_from(self.frame.len()).unwrap_or(1);
        let ticks = u64::try_from(samples).unwrap_or(0) * u64::from(self.ticks) / frame;
        let position = self.position();
        let ticks = u32::try_from(ticks).unwrap_or(0);
        self.jump(
            RtpTimestamp::new(position.get().wrapping_add(ticks)),
            numbering,
            outlet,
        );
        self.paused = true;
    }

    /// Goes on to the next packet; returns the time of this one.
    fn advance(&mut self) -> RtpTimestamp {
        let timestamp = self.start;
        self.start = RtpTimestamp::new(timestamp.get().wrapping_add(self.ticks));
        self.filled = 0;
        timestamp
    }

    fn header(&mut self, timestamp: RtpTimestamp, numbering: &mut Numbering) -> RtpHeader {
        let marker = std::mem::take(&mut self.paused) | numbering.take_mark();
        numbering.header(self.payload_type, timestamp, marker)
    }

    /// Sends a packet of these samples, or of those that were collected.
    fn send(
        &mut self,
        samples: Option<&[i16]>,
        numbering: &mut Numbering,
        outlet: &mut Outlet<'_>,
    ) {
        let timestamp = self.advance();
        let Some(mut packet) = outlet.packet() else {
            outlet.failed += 1;
            return;
        };
        let pcm = Pcm {
            format: self.format,
            samples: samples.unwrap_or(&self.frame),
        };
        let (head, payload) = packet.spare_mut().split_at_mut(FIXED_HEADER_LEN);
        match self.encoder.encode(pcm, payload) {
            Ok(0) => self.paused = true,
            Ok(len) => {
                let header = self.header(timestamp, numbering);
                head.copy_from_slice(&header.to_bytes());
                packet.set_len(FIXED_HEADER_LEN + len);
                (outlet.send)(packet);
            }
            Err(_) => outlet.failed += 1,
        }
    }
}
