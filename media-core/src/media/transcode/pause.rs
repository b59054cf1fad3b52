//! Pauses, in which a sender says once what its silence sounds like (RFC 3389), or stops sending after a packet
//! without sound (Opus, RFC 7587 §3.1.3).
//!
//! ```text
//! sender   ─audio─┤ noise    ·    ·    ·    ·   ├─audio─
//! receiver ─audio─┤ CN                          ├M─audio─   if it takes comfort noise,
//! receiver ─audio─┤noise├noise├noise├noise├noise├M─audio─   else: made when it is due, at its time stamps
//! ```
//!
//! A stretch of noise is due when audio in its place would have come a little while ago. What comes later still
//! loses its beginning; the time line never moves. A sender that falls silent without a word is no matter of
//! this: its pause stays one.

use codecs::comfort_noise::{NoiseAnalyzer, NoiseGenerator, NoiseParameters};

use super::{CONCEAL_MS, Outlet, Scratch, Transcoder, after};
use crate::buf::PacketBuf;
use crate::units::{PayloadType, RtpTimestamp};
use crate::wire::rtp::{FIXED_HEADER_LEN, RtpHeader, RtpPacket};

/// How long audio may be late in a pause before noise takes its place, µs.
const PATIENCE_US: i64 = 20_000;
/// Longest time that noise is made for without a word from the sender, µs: rtpengine's `max-dtx`.
const LONGEST_US: u64 = 30_000_000;
/// Noise that is made at a time, ms.
const STRETCH_MS: u32 = 20;
/// Least time between two descriptions of noise that we make, ms.
const REPEAT_MS: u32 = 200;
/// Reflection coefficients in them.
const ORDER: usize = 8;

/// A pause that is filled, or told the receiver.
#[derive(Debug)]
pub(super) struct Pause {
    kind: Kind,
    /// A packet that told of the pause last: its time stamp and when it came.
    told: RtpTimestamp,
    told_us: u64,
}

#[derive(Debug)]
enum Kind {
    /// Filled with noise as the sender described it.
    Described(NoiseGenerator),
    /// Filled by the sender's codec, which knows how.
    Decoded,
    /// The receiver was told.
    Told,
}

impl Pause {
    /// After a packet without sound, which has been decoded.
    pub(super) const fn decoded(told: RtpTimestamp, told_us: u64) -> Self {
        Self {
            kind: Kind::Decoded,
            told,
            told_us,
        }
    }
}

impl Transcoder {
    /// When the next stretch of noise is due; `None`: nothing is to be filled.
    pub(super) fn noise_due_us(&self) -> Option<u64> {
        let pause = self.pause.as_ref()?;
        if matches!(pause.kind, Kind::Told) {
            return None;
        }
        let ticks = self.expected?.get().wrapping_sub(pause.told.get());
        let hz = i64::from(self.numbering.as_ref()?.sender_clock());
        let since_us = i64::from(ticks.cast_signed()) * 1_000_000 / hz + PATIENCE_US;
        let due_us = pause.told_us.saturating_add_signed(since_us);
        (due_us <= pause.told_us + LONGEST_US).then_some(due_us)
    }

    /// Makes a stretch of noise if one is due; `false` if not.
    pub(super) fn fill_pause(
        &mut self,
        at_us: u64,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        if self.noise_due_us().is_none_or(|due| due > at_us) {
            return false;
        }
        let clock = self.numbering.as_ref().map_or(8000, |n| n.sender_clock());
        if !self.fill(clock * STRETCH_MS / 1000, scratch, outlet) {
            self.pause = None;
        }
        true
    }

    /// `ticks` of noise; `false` if there is nothing to make it with.
    fn fill(&mut self, ticks: u32, scratch: &mut Scratch, outlet: &mut Outlet<'_>) -> bool {
        let (Some(pause), Some(source), Some(sink), Some(numbering), Some(expected)) = (
            &mut self.pause,
            self.sources.first_mut(),
            &mut self.sink,
            &mut self.numbering,
            &mut self.expected,
        ) else {
            return false;
        };
        let mut left = ticks;
        while left > 0 {
            let (lasts, samples) = match &mut pause.kind {
                Kind::Described(noise) => source.noise(noise, left, scratch),
                Kind::Decoded | Kind::Told => source.conceal(left, &[], scratch),
            };
            if self.plan.silenced {
                samples.fill(0);
            }
            sink.write(samples, numbering, outlet);
            *expected = after(*expected, lasts);
            left -= lasts.min(left);
        }
        true
    }

    /// Comfort noise has come: goes on as such, or is made.
    pub(super) fn comfort_noise(
        &mut self,
        header: RtpHeader,
        packet: PacketBuf,
        outlet: &mut Outlet<'_>,
    ) {
        let timestamp = header.timestamp();
        if let Some(to) = self.plan.comfort_noise {
            self.flush(timestamp, outlet);
            self.forward(header, packet, to, outlet);
            self.tell(timestamp);
            return;
        }
        let payload = RtpPacket::parse(packet.as_slice()).map_or(&[][..], |rtp| rtp.payload());
        // Without a level it is silence.
        let parameters = NoiseParameters::parse(payload).unwrap_or(NoiseParameters::white(127));
        let (Some(sink), Some(numbering)) = (&mut self.sink, &mut self.numbering) else {
            // Before any audio there is nothing to go on from.
            return;
        };
        let most = numbering.sender_clock() / 1000 * CONCEAL_MS;
        let gap = self
            .expected
            .map(|expected| timestamp.get().wrapping_sub(expected.get()));
        let told_us = self.now_us;
        match &mut self.pause {
            Some(Pause {
                kind: Kind::Described(noise),
                told,
                told_us: before_us,
            }) if gap.is_some_and(|gap| gap.cast_signed().unsigned_abs() <= most) => {
                noise.set(parameters);
                (*told, *before_us) = (timestamp, told_us);
                return;
            }
            _ => {}
        }
        if gap.is_none_or(|gap| gap.cast_signed().unsigned_abs() > most) {
            let start = numbering.map(timestamp);
            sink.jump(start, numbering, outlet);
            numbering.mark();
            self.expected = Some(timestamp);
        }
        let seed = u64::from(timestamp.get());
        self.pause = Some(Pause {
            kind: Kind::Described(NoiseGenerator::new(parameters, seed)),
            told: timestamp,
            told_us,
        });
    }

    /// A packet without sound for a receiver that takes comfort noise as `to`: it is told in place of the packet's
    /// sound, which is in `samples`, but not more often than it cares for.
    pub(super) fn describe_pause(
        &mut self,
        timestamp: RtpTimestamp,
        samples: &[i16],
        to: PayloadType,
        outlet: &mut Outlet<'_>,
    ) {
        let clock = self.numbering.as_ref().map_or(8000, |n| n.sender_clock());
        if let Some(Pause {
            kind: Kind::Told,
            told,
            ..
        }) = &self.pause
            && timestamp.get().wrapping_sub(told.get()) < clock / 1000 * REPEAT_MS
        {
            return;
        }
        self.flush(timestamp, outlet);
        let mut analyzer = NoiseAnalyzer::new(ORDER);
        analyzer.hear(samples);
        let parameters = match self.plan.silenced {
            true => NoiseParameters::white(127),
            false => analyzer.parameters(),
        };
        let Some(numbering) = &mut self.numbering else {
            return;
        };
        let Some(mut packet) = outlet.slab.allocate() else {
            outlet.failed += 1;
            return;
        };
        let at = numbering.map(timestamp);
        let header = numbering.header(to, at, false);
        let (head, payload) = packet.spare_mut().split_at_mut(FIXED_HEADER_LEN);
        head.copy_from_slice(&header.to_bytes());
        let length = parameters.emit(&mut payload[..1 + ORDER]);
        packet.set_len(FIXED_HEADER_LEN + length);
        (outlet.send)(packet);
        self.tell(timestamp);
    }

    /// Audio of `ticks` goes on at `timestamp`: fills what is missing up to it, and returns the ticks from there on
    /// that have been filled already.
    pub(super) fn end_pause(
        &mut self,
        timestamp: RtpTimestamp,
        ticks: u32,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) -> u32 {
        let Some(numbering) = &self.numbering else {
            return 0;
        };
        let most = numbering.sender_clock() / 1000 * CONCEAL_MS;
        let ahead = self.expected.map_or(0, |expected| {
            timestamp.get().wrapping_sub(expected.get()).cast_signed()
        });
        if (1..=most.cast_signed()).contains(&ahead) {
            self.fill(ahead.unsigned_abs(), scratch, outlet);
        }
        let filled = match ahead {
            ..0 if ahead.unsigned_abs() <= most => ahead.unsigned_abs(),
            _ => 0,
        };
        match &mut self.pause {
            // The next packet, too, is late.
            Some(pause) if filled > ticks => pause.kind = Kind::Told,
            _ => self.pause = None,
        }
        filled
    }

    /// What has been begun leaves before something else does, which is of `timestamp`.
    fn flush(&mut self, timestamp: RtpTimestamp, outlet: &mut Outlet<'_>) {
        if let (Some(sink), Some(numbering)) = (&mut self.sink, &mut self.numbering) {
            let at = numbering.map(timestamp);
            sink.jump(at, numbering, outlet);
        }
    }

    /// The receiver knows of the pause: whatever audio comes next begins a talkspurt.
    fn tell(&mut self, timestamp: RtpTimestamp) {
        self.expected = None;
        self.pause = Some(Pause {
            kind: Kind::Told,
            told: timestamp,
            told_us: self.now_us,
        });
    }
}
