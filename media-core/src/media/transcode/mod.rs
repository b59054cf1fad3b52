//! From one codec to another: what arrives is put in order, decoded, resampled, encoded and packed anew.
//!
//! A [`Transcoder`] does this for one stream as its [`Plan`] says. It works in two steps, so that whoever
//! drives it can forward all that needs no codec first: [`Transcoder::push`] takes a packet,
//! [`Transcoder::work`] does one packet's share of the work. No clocks, no sockets, and no allocation but
//! when a payload type is heard for the first time.

mod dialled;
mod direct;
mod dtmf;
mod events;
mod hiding;
mod listener;
mod numbering;
mod pause;
mod plan;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use codecs::registry::Settings;

use self::dtmf::{Dtmf, Instead, Shown};
use self::events::Events;
use self::numbering::Numbering;
use self::pause::Pause;
use self::sink::Sink;
use self::source::Source;
use super::jitter::{JitterBuffer, Refused};
use crate::buf::{PacketBuf, Slab};
use crate::units::{ClockRate, PayloadType, RtpTimestamp, Ssrc};
use crate::wire::rtp::{FIXED_HEADER_LEN, RtpHeader, RtpPacket};
use crate::wire::telephone_event::TelephoneEvent;

pub use codecs::tone::Digit;
pub use hiding::{DtmfOptions, Frequencies, Heard, Hiding, Play};
pub use listener::{EventListener, EventTypes};
pub use plan::{CodecUse, Plan, Rule, Unlisted};

/// Most samples of one payload, all channels counted: Opus's 120 ms of 48,000 Hz in two channels.
pub const MAX_SAMPLES: usize = 11_520;
/// Longest gap that is filled by concealment, ms; what is beyond is a pause.
const CONCEAL_MS: u32 = 240;
/// A time stamp that jumps ahead by more is a new time line, seconds.
const JUMP_S: u32 = 60;
/// Payload types whose decoders are kept when another one is heard.
const SOURCES: usize = 4;

/// Memory that all transcoders of a shard share.
pub struct Scratch {
    decoded: Box<[i16; MAX_SAMPLES]>,
    converted: Box<[i16; MAX_SAMPLES]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            decoded: Box::new([0; MAX_SAMPLES]),
            converted: Box::new([0; MAX_SAMPLES]),
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

/// Where packets come from, where they go, and what is counted on the way.
pub struct Outlet<'a> {
    /// Gives slots for packets.
    pub slab: &'a Slab,
    /// Takes each packet that is to leave.
    pub send: &'a mut dyn FnMut(PacketBuf),
    /// Packets that were not agreed on, and are dropped.
    pub unlisted: u64,
    /// Packets that could not be decoded, encoded or stored.
    pub failed: u64,
    /// Stretches of audio that were invented for lost packets.
    pub concealed: u64,
    /// A digit that was dialled to its end.
    pub heard: Option<Heard>,
    /// A packet that has been decoded: what leaves next may be written into it.
    spare: Option<PacketBuf>,
}

impl<'a> Outlet<'a> {
    /// With nothing counted yet.
    #[must_use]
    pub fn new(slab: &'a Slab, send: &'a mut dyn FnMut(PacketBuf)) -> Self {
        Self {
            slab,
            send,
            unlisted: 0,
            failed: 0,
            concealed: 0,
            heard: None,
            spare: None,
        }
    }

    /// A packet to fill.
    fn packet(&mut self) -> Option<PacketBuf> {
        self.spare.take().or_else(|| self.slab.allocate())
    }
}

/// One stream's transcoder.
pub struct Transcoder {
    plan: Arc<Plan>,
    buffer: JitterBuffer<PacketBuf>,
    /// A packet that is in order, and so need not touch the buffer. It goes before what is held there.
    ready: Option<(RtpHeader, PacketBuf)>,
    numbering: Option<Numbering>,
    sink: Option<Sink>,
    /// The one in use first.
    sources: Vec<Source>,
    events: Events,
    dtmf: Dtmf,
    /// What the receiver gets of the event heard last.
    shown: Shown,
    /// That event goes on.
    event_sounds: bool,
    /// Time stamp of the sender's next audio.
    expected: Option<RtpTimestamp>,
    /// Packets of 100 that the receiver loses.
    loss_percent: u8,
    /// That of the last packet that went on as it was.
    forwarded: Option<RtpTimestamp>,
    /// The sender has said that it will send next to nothing for a while.
    pause: Option<Pause>,
    /// When the work that is being done was begun.
    now_us: u64,
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcoder")
            .field("plan", &self.plan)
            .field(
                "held",
                &(self.buffer.len() + usize::from(self.ready.is_some())),
            )
            .finish_non_exhaustive()
    }
}

impl Transcoder {
    /// With nothing heard yet.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            buffer: JitterBuffer::new(plan.hold),
            ready: None,
            numbering: None,
            sink: None,
            sources: Vec::with_capacity(SOURCES),
            events: Events::default(),
            dtmf: Dtmf::new(plan.dtmf),
            shown: Shown::Nothing,
            event_sounds: false,
            expected: None,
            loss_percent: 0,
            forwarded: None,
            pause: None,
            now_us: 0,
            plan,
        }
    }

    /// Follows another plan from now on; sequence numbers and time stamps go on.
    pub fn set_plan(&mut self, plan: Arc<Plan>) {
        if *self.plan == *plan {
            return;
        }
        self.buffer.set_hold(plan.hold);
        if self.plan.target != plan.target {
            let position = self.sink.take().map(|sink| sink.position());
            if let (Some(numbering), Some(at), Some(expected)) =
                (&mut self.numbering, position, self.expected)
            {
                numbering.tie(expected, at);
                numbering.mark();
            }
            if let (Some(numbering), Some(target)) = (&mut self.numbering, &plan.target)
                && let Some(clock) = target.clock_rate()
            {
                match (self.plan.target.is_some(), self.forwarded) {
                    // What went on as it was has the clock that the receiver is used to.
                    (false, Some(last)) => numbering.begin_clock(clock, last),
                    _ => numbering.set_target_clock(clock),
                }
            }
            self.expected = None;
        }
        self.sources.clear();
        self.pause = None;
        self.dtmf.set_options(plan.dtmf);
        self.plan = plan;
    }

    /// Plays a digit into the stream as soon as those before it are over, in place of its audio: as an
    /// event if the receiver takes events, else as a tone. `false` if too many wait already.
    pub fn play(&mut self, play: Play) -> bool {
        self.dtmf.play(play)
    }

    /// The plan followed.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What a time stamp of the sender's clock is on the time line of what leaves, as of the last packet
    /// that was worked on; `None`: nothing of `ssrc` leaves.
    #[must_use]
    pub fn time_of(&self, ssrc: Ssrc, timestamp: RtpTimestamp) -> Option<RtpTimestamp> {
        let numbering = self.numbering.as_ref()?;
        (numbering.ssrc() == ssrc).then(|| numbering.time_of(timestamp))
    }

    /// Ticks per second of the time stamps that leave.
    #[must_use]
    pub fn clock_rate(&self) -> Option<ClockRate> {
        ClockRate::new(self.numbering.as_ref()?.target_clock())
    }

    /// Says how many of 100 packets the receiver loses: an encoder that can makes up for them.
    pub fn expect_loss(&mut self, percent: u8) {
        if self.loss_percent != percent {
            self.loss_percent = percent;
            if let Some(sink) = &mut self.sink {
                sink.expect_loss(percent);
            }
        }
    }

    /// What [`Transcoder::expect_loss`] was told last.
    #[must_use]
    pub fn expected_loss_percent(&self) -> u8 {
        self.loss_percent
    }

    /// Takes an RTP packet; [`Transcoder::work`] does the rest.
    ///
    /// # Errors
    /// [`Refused`]: too late, or there already.
    pub fn push(
        &mut self,
        header: &RtpHeader,
        packet: PacketBuf,
        at_us: u64,
    ) -> Result<(), Refused> {
        if self.ssrc().is_some_and(|ssrc| ssrc != header.ssrc()) {
            self.change_source();
        }
        if self.numbering.is_none() {
            let clock = self.clock_of(header.payload_type());
            let to = self.plan.target.as_ref().map(CodecUse::clock_rate);
            self.numbering = Some(Numbering::new(header, clock, to.flatten()));
            self.dtmf
                .seed(header.ssrc().get() ^ header.timestamp().get());
        }
        if self.ready.is_none() && self.buffer.pass(header.sequence_number()) {
            self.ready = Some((*header, packet));
            return Ok(());
        }
        self.buffer.push(
            header.sequence_number(),
            header.timestamp(),
            self.clock_of(header.payload_type()),
            at_us,
            packet,
        )
    }

    /// When [`Transcoder::work`] will have something to do, in microseconds; `None`: not before the next
    /// packet.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        if self.ready.is_some() {
            return Some(0);
        }
        match (self.buffer.due_us(), self.noise_due_us()) {
            (Some(packet), Some(noise)) => Some(packet.min(noise)),
            (packet, noise) => packet.or(noise),
        }
    }

    /// Reads what the next packet will need, so that the processor has it by then; returns a number to be thrown
    /// away.
    #[inline]
    #[must_use]
    pub fn warm(&self) -> usize {
        let source = self.sources.first().map_or(0, Source::warm);
        source ^ self.sink.as_ref().map_or(0, Sink::warm) ^ self.buffer.len()
    }

    /// Do packets come faster than they are worked on? Then some work is due before the next one.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.buffer.is_crowded()
    }

    /// Does it hold packets back?
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Does one packet's share of the work; `false` if there was none whose time has come.
    pub fn work(&mut self, at_us: u64, scratch: &mut Scratch, outlet: &mut Outlet<'_>) -> bool {
        self.now_us = at_us;
        let (packet, missing) = match self.ready.take() {
            Some((header, packet)) => match self.pass(header, packet, outlet) {
                Some(packet) => (packet, 0),
                None => return true,
            },
            None => match self.buffer.pop(at_us) {
                Some(released) => (released.item, released.missing),
                None => return self.fill_pause(at_us, scratch, outlet),
            },
        };
        self.handle(packet, missing, scratch, outlet);
        outlet.spare = None;
        true
    }

    fn ssrc(&self) -> Option<Ssrc> {
        self.numbering.as_ref().map(Numbering::ssrc)
    }

    /// Another sender: nothing of the old one's time line holds.
    #[cold]
    fn change_source(&mut self) {
        self.buffer.reset();
        self.ready = None;
        self.numbering = None;
        self.expected = None;
        self.forwarded = None;
        self.pause = None;
        self.events = Events::default();
        self.event_sounds = false;
        if let Some(sink) = &mut self.sink {
            sink.forget();
        }
    }

    fn clock_of(&self, payload_type: PayloadType) -> Option<ClockRate> {
        let as_it_is = self.plan.clock(payload_type);
        match self.plan.rule(payload_type) {
            Some(Rule::Decode(codec) | Rule::Overhear(_, codec)) => codec.clock_rate(),
            Some(Rule::Events(clock) | Rule::ComfortNoise(clock)) => Some(*clock),
            Some(Rule::Forward(_)) => {
                let target = self.plan.target.as_ref();
                as_it_is.or(target.and_then(CodecUse::clock_rate))
            }
            Some(Rule::Drop) | None => as_it_is,
        }
    }

    fn handle(
        &mut self,
        packet: PacketBuf,
        missing: u16,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) {
        let Ok(parsed) = RtpPacket::parse(packet.as_slice()) else {
            outlet.failed += 1;
            return;
        };
        let header = parsed.header();
        let payload_type = header.payload_type();
        let plan = Arc::clone(&self.plan);
        match plan.rule(payload_type) {
            Some(Rule::Forward(to)) => self.forward(header, packet, *to, outlet),
            Some(Rule::Overhear(to, codec)) => {
                self.overhear(codec, parsed.payload(), scratch, outlet);
                self.forward(header, packet, *to, outlet);
            }
            Some(Rule::Decode(codec)) => {
                let end = packet.len() - usize::from(parsed.padding_len());
                let payload = end - parsed.payload().len()..end;
                if !self.transcode(codec, header, (packet, payload), missing, scratch, outlet) {
                    outlet.failed += 1;
                }
            }
            Some(Rule::Events(clock)) => match TelephoneEvent::parse(parsed.payload()) {
                Ok(event) => self.event(header, event, *clock, packet, scratch, outlet),
                Err(_) => outlet.failed += 1,
            },
            Some(Rule::ComfortNoise(_)) => self.comfort_noise(header, packet, outlet),
            Some(Rule::Drop) => outlet.unlisted += 1,
            None => match plan.unlisted {
                Unlisted::Forward => self.forward(header, packet, payload_type, outlet),
                Unlisted::Drop => outlet.unlisted += 1,
            },
        }
    }

    /// The payload goes on as it is, among what is encoded here.
    fn forward(
        &mut self,
        header: RtpHeader,
        mut packet: PacketBuf,
        to: PayloadType,
        outlet: &mut Outlet<'_>,
    ) {
        let Some(numbering) = &mut self.numbering else {
            return;
        };
        let at = numbering.map(header.timestamp());
        self.forwarded = Some(header.timestamp());
        renumber(&mut packet, numbering.header(to, at, header.marker()));
        (outlet.send)(packet);
    }

    /// `false` if the payload cannot be decoded.
    fn transcode(
        &mut self,
        codec: &CodecUse,
        header: RtpHeader,
        (packet, payload): (PacketBuf, Range<usize>),
        missing: u16,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        let timestamp = header.timestamp();
        if !self.is_selected(codec) && !self.select(codec, timestamp) {
            return false;
        }
        let Some(source) = self.sources.first() else {
            return false;
        };
        let payload = packet.as_slice().get(payload).unwrap_or_default();
        let ticks = source.ticks_in(payload);
        if ticks == 0 {
            return false;
        }
        let pauses = source.is_pause(payload);
        if let (true, Some(to)) = (pauses, self.plan.comfort_noise) {
            let Some(samples) = self
                .sources
                .first_mut()
                .and_then(|s| s.decode(payload, scratch))
            else {
                return false;
            };
            self.describe_pause(timestamp, samples, to, outlet);
            return true;
        }
        let (ends, filled) = match self.pause {
            Some(_) => (true, self.end_pause(timestamp, ticks, scratch, outlet)),
            None => (false, 0),
        };
        let (Some(numbering), Some(sink), Some(source)) = (
            &mut self.numbering,
            &mut self.sink,
            self.sources.first_mut(),
        ) else {
            return false;
        };
        if ends && !pauses {
            numbering.mark();
        }
        if self.event_sounds && (matches!(self.shown, Shown::Audio(_)) || self.dtmf.listens()) {
            // The sender's audio goes on during its own event: what the receiver gets of that has its
            // place, and the same digit is not to be found in it once more.
            return true;
        }
        let clock_hz = codec.codec.clock_rate_hz;
        let mut at = match filled {
            0 => self.expected.unwrap_or(timestamp),
            _ => timestamp,
        };
        let gap = timestamp.get().wrapping_sub(at.get()).cast_signed();
        let mut left = match u32::try_from(gap) {
            Ok(gap) if missing > 0 => gap.min(clock_hz / 1000 * CONCEAL_MS),
            _ => 0,
        };
        while left > 0 {
            let (lasts, samples) = source.conceal(left, payload, scratch);
            sink.write(samples, numbering, outlet);
            outlet.concealed += 1;
            at = after(at, lasts);
            left -= lasts;
        }
        if self.expected.is_none() || at != timestamp {
            // Ahead by too much, or behind: the sender has another time line now.
            if timestamp.get().wrapping_sub(at.get()) > clock_hz.saturating_mul(JUMP_S) {
                numbering.tie(timestamp, sink.position());
            }
            let start = numbering.map(timestamp);
            sink.jump(start, numbering, outlet);
            numbering.mark();
        }
        self.expected = Some(after(timestamp, ticks.max(filled)));
        if pauses {
            self.pause = Some(Pause::decoded(timestamp, self.now_us));
        }
        let decoded = source.decode(payload, scratch);
        outlet.spare = Some(packet);
        let valid = decoded.is_some();
        let samples = match decoded {
            Some(samples) => samples,
            None => source.conceal(ticks, &[], scratch).1,
        };
        let samples = match filled {
            0 => samples,
            _ => {
                let length = samples.len() * filled.min(ticks) as usize / ticks as usize;
                &mut samples[length..]
            }
        };
        if self.plan.silenced {
            samples.fill(0);
        }
        if self.dtmf.is_idle() {
            sink.write(samples, numbering, outlet);
            return valid;
        }
        let clock = self.plan.events.map(|events| events.1);
        match self
            .dtmf
            .pass(samples, sink.position(), clock, &mut outlet.heard)
        {
            Instead::Audio | Instead::Samples => sink.write(samples, numbering, outlet),
            Instead::Event {
                event,
                at,
                begins,
                copies,
            } => {
                let length = samples.len();
                sink.skip(length, numbering, outlet);
                if let Some((payload_type, _)) = self.plan.events {
                    for copy in 0..copies {
                        let header = numbering.header(payload_type, at, begins && copy == 0);
                        send_event(header, event, outlet);
                    }
                }
            }
        }
        valid
    }

    /// The shortest way, for what needs no samples: in order, alone in its time, and nothing to be put into it or
    /// found in it. Gives the packet back if it has to go another.
    fn pass(
        &mut self,
        header: RtpHeader,
        mut packet: PacketBuf,
        outlet: &mut Outlet<'_>,
    ) -> Option<PacketBuf> {
        let (Some(numbering), Some(sink), Some(source)) = (
            &mut self.numbering,
            &mut self.sink,
            self.sources.first_mut(),
        ) else {
            return Some(packet);
        };
        if source.payload_type != header.payload_type()
            || self.expected != Some(header.timestamp())
            || self.event_sounds
            || self.pause.is_some()
            || !self.dtmf.is_idle()
        {
            return Some(packet);
        }
        let Some((head, payload)) = packet.as_mut_slice().split_first_chunk_mut() else {
            return Some(packet);
        };
        let whole = is_plain(head) && sink.takes_whole(payload.len());
        let Some(direct) = source.direct(payload.len()).filter(|_| whole) else {
            return Some(packet);
        };
        direct.translate(payload);
        self.expected = Some(after(header.timestamp(), sink.ticks()));
        *head = sink.pass(numbering).to_bytes();
        (outlet.send)(packet);
        None
    }

    fn is_selected(&self, codec: &CodecUse) -> bool {
        self.sink.is_some()
            && self
                .sources
                .first()
                .is_some_and(|source| source.payload_type == codec.payload_type)
    }

    /// Makes the encoder, for what `source` carries; `false` if that fails or nothing is to be encoded.
    #[cold]
    fn open_sink(&mut self, source: Option<&CodecUse>, timestamp: RtpTimestamp) -> bool {
        let (Some(target), Some(numbering)) = (&self.plan.target, &mut self.numbering) else {
            return false;
        };
        let settings = Settings {
            fmtp: &target.fmtp,
            sample_rate: source.map(|source| source.codec.format.sample_rate),
            channels: source.map(|source| source.codec.format.channels),
            ..Settings::default()
        };
        let Ok(encoder) = target.codec.encoder(&settings) else {
            return false;
        };
        let mut sink = Sink::new(target, encoder, numbering.map(timestamp));
        sink.expect_loss(self.loss_percent);
        self.dtmf.set_rate(sink.format().sample_rate);
        self.sink = Some(sink);
        true
    }

    /// Makes the payload type's decoder the first, and a new one if there is none yet; `false` if that
    /// fails or nothing is to be encoded.
    #[cold]
    fn select(&mut self, codec: &CodecUse, timestamp: RtpTimestamp) -> bool {
        if self.sink.is_none() && !self.open_sink(Some(codec), timestamp) {
            return false;
        }
        let (Some(target), Some(numbering), Some(sink)) =
            (&self.plan.target, &mut self.numbering, &mut self.sink)
        else {
            return false;
        };
        let is_it = |source: &Source| source.payload_type == codec.payload_type;
        let at = if let Some(at) = self.sources.iter().position(is_it) {
            at
        } else {
            let settings = Settings {
                fmtp: &codec.fmtp,
                sample_rate: Some(target.codec.format.sample_rate),
                channels: Some(target.codec.format.channels),
                ..Settings::default()
            };
            let source = codec
                .codec
                .decoder(&settings)
                .ok()
                .and_then(|decoder| Source::new(codec, decoder, sink.format()))
                .map(|source| match self.plan.silenced {
                    true => source,
                    false => source.towards(codec, target),
                });
            let Some(source) = source else {
                return false;
            };
            self.sources.truncate(SOURCES - 1);
            self.sources.push(source);
            self.sources.len() - 1
        };
        self.sources.swap(0, at);
        if let Some(clock) = codec.clock_rate()
            && clock.get() != numbering.sender_clock()
        {
            let position = match self.expected {
                Some(_) => sink.position(),
                None => numbering.map(timestamp),
            };
            numbering.set_clock(clock, timestamp, position);
            self.expected = self.expected.map(|_| timestamp);
        }
        true
    }
}

fn send_event(header: RtpHeader, event: TelephoneEvent, outlet: &mut Outlet<'_>) {
    let Some(mut packet) = outlet.slab.allocate() else {
        outlet.failed += 1;
        return;
    };
    packet.set_len(FIXED_HEADER_LEN + 4);
    let (head, payload) = packet.as_mut_slice().split_at_mut(FIXED_HEADER_LEN);
    head.copy_from_slice(&header.to_bytes());
    payload.copy_from_slice(&event.to_bytes());
    (outlet.send)(packet);
}

/// Has it neither padding nor an extension nor contributing sources?
const fn is_plain(head: &[u8; FIXED_HEADER_LEN]) -> bool {
    head[0] == 0x80
}

fn after(at: RtpTimestamp, ticks: u32) -> RtpTimestamp {
    RtpTimestamp::new(at.get().wrapping_add(ticks))
}

/// Writes the parts of the header that a translator changes (RFC 3550 §7.1); contributing sources,
/// extension and padding stay.
fn renumber(packet: &mut PacketBuf, header: RtpHeader) {
    let [_, bytes @ ..] = header.to_bytes();
    if let Some(front) = packet.as_mut_slice().get_mut(1..FIXED_HEADER_LEN) {
        front.copy_from_slice(&bytes);
    }
}
