//! Digits of a stream on their way through its transcoder: events that go on as events, or are heard as tones,
//! and tones that are looked for.

use codecs::registry::Settings;
use codecs::{PcmFormat, SampleRate};

use super::dtmf::Shown;
use super::events::{Progress, scale};
use super::sink::Sink;
use super::source::Source;
use super::{
    CONCEAL_MS, CodecUse, JUMP_S, MAX_SAMPLES, Outlet, SOURCES, Scratch, Transcoder, after,
    listener, renumber,
};
use crate::buf::PacketBuf;
use crate::units::{ClockRate, RtpTimestamp};
use crate::wire::rtp::RtpHeader;
use crate::wire::telephone_event::TelephoneEvent;

impl Transcoder {
    /// A packet of an event: what the receiver gets in its place.
    pub(super) fn event(
        &mut self,
        header: RtpHeader,
        event: TelephoneEvent,
        clock: ClockRate,
        packet: PacketBuf,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) {
        self.pause = None;
        let Some(numbering) = &mut self.numbering else {
            return;
        };
        // An event of another clock than the audio's says nothing of where in the audio it belongs.
        let same_clock = numbering.sender_clock() == clock.get();
        let position = self.sink.as_ref().map(Sink::position);
        let progress = self.events.hear(header.timestamp(), &event, || {
            match position.filter(|_| !same_clock) {
                Some(position) => position,
                None => numbering.map(header.timestamp()),
            }
        });
        if progress.late {
            return;
        }
        if progress.begins {
            self.dtmf.event_begins();
            let takes = (self.plan.events.is_some(), self.plan.target.is_some());
            self.shown = self.dtmf.show(event.event, takes.0, takes.1);
        }
        match self.shown {
            Shown::Nothing => {}
            Shown::Event(shown) => self.pass_event(event, shown, progress, clock, packet, outlet),
            Shown::Audio(_) => {
                self.sound(progress.ticks, clock, header.timestamp(), scratch, outlet);
            }
        }
        self.event_sounds = progress.sounds;
        if let Some(heard) = listener::heard(progress.ended, clock) {
            self.dtmf.echo(&heard);
            outlet.heard = Some(heard);
        }
    }

    /// So many more ticks of an event, as a tone in the audio, or as silence.
    fn sound(
        &mut self,
        ticks: u16,
        clock: ClockRate,
        at: RtpTimestamp,
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) {
        if self.sink.is_none() && !self.open_sink(None, at) {
            outlet.failed += 1;
            return;
        }
        if !self.event_sounds {
            self.go_to(at, clock, outlet);
        }
        let (Some(numbering), Some(sink), Shown::Audio(tone)) =
            (&mut self.numbering, &mut self.sink, &mut self.shown)
        else {
            return;
        };
        // One packet may claim eight seconds, and must not make us send them at once.
        let most = clock.get().saturating_mul(CONCEAL_MS) / 1000;
        let ticks = u32::from(ticks).min(most);
        let rate = u64::from(sink.format().sample_rate.get());
        let samples = u64::from(ticks) * rate / u64::from(clock.get());
        let mut left = usize::try_from(samples).unwrap_or(0);
        while left > 0 {
            let n = left.min(MAX_SAMPLES / 2);
            let samples = &mut scratch.decoded[..n];
            let made = tone.as_mut().map_or(0, |tone| tone.fill(samples));
            samples[made..].fill(0);
            self.dtmf.advance(n);
            sink.write_mono(scratch, n, numbering, outlet);
            left -= n;
        }
        // The sender's audio goes on where the event ends.
        let of_audio =
            u64::from(ticks) * u64::from(numbering.sender_clock()) / u64::from(clock.get());
        let of_audio = u32::try_from(of_audio).unwrap_or(0);
        self.expected = self.expected.map(|expected| after(expected, of_audio));
    }

    /// An event begins that is to be heard. Where the audio before it was not encoded here, or paused, the
    /// encoder stands behind.
    fn go_to(&mut self, at: RtpTimestamp, clock: ClockRate, outlet: &mut Outlet<'_>) {
        let (Some(numbering), Some(sink)) = (&mut self.numbering, &mut self.sink) else {
            return;
        };
        if numbering.sender_clock() != clock.get() {
            return;
        }
        let start = numbering.map(at);
        let ahead = start.get().wrapping_sub(sink.position().get());
        if (clock.get() / 50..clock.get() * JUMP_S).contains(&ahead) {
            sink.jump(start, numbering, outlet);
            self.expected = Some(at);
        }
    }

    fn pass_event(
        &mut self,
        event: TelephoneEvent,
        shown: u8,
        progress: Progress,
        clock: ClockRate,
        mut packet: PacketBuf,
        outlet: &mut Outlet<'_>,
    ) {
        let (Some(numbering), Some((payload_type, to_clock))) =
            (&mut self.numbering, self.plan.events)
        else {
            return;
        };
        let rescaled = TelephoneEvent {
            event: shown,
            duration_ticks: scale(event.duration_ticks, clock.get(), to_clock.get()),
            ..event
        };
        let Ok(payload_at) = RtpHeader::parse(packet.as_slice())
            .and_then(|header| header.header_len(packet.as_slice()))
        else {
            return;
        };
        if let Some(payload) = packet.as_mut_slice().get_mut(payload_at..)
            && let Some(payload) = payload.first_chunk_mut()
        {
            *payload = rescaled.to_bytes();
        }
        let header = numbering.header(payload_type, progress.at, progress.begins);
        renumber(&mut packet, header);
        (outlet.send)(packet);
    }

    /// Looks for digits in audio that goes on as it is.
    pub(super) fn overhear(
        &mut self,
        codec: &CodecUse,
        payload: &[u8],
        scratch: &mut Scratch,
        outlet: &mut Outlet<'_>,
    ) {
        let is_it = |source: &Source| source.payload_type == codec.payload_type;
        let known = self.sources.iter().position(is_it);
        let Some(at) = known.or_else(|| self.add_listener(codec)) else {
            return;
        };
        self.sources.swap(0, at);
        let Some(source) = self.sources.first_mut() else {
            return;
        };
        self.dtmf.set_rate(source.target().sample_rate);
        if self.event_sounds {
            return;
        }
        if let Some(samples) = source.decode(payload, scratch) {
            self.dtmf.overhear(samples, &mut outlet.heard);
        }
    }

    /// Makes a decoder for what is only listened to, at the least rate that it can; its place.
    #[cold]
    fn add_listener(&mut self, codec: &CodecUse) -> Option<usize> {
        let settings = Settings {
            fmtp: &codec.fmtp,
            sample_rate: Some(SampleRate::HZ_8000),
            channels: Some(1),
            ..Settings::default()
        };
        let decoder = codec.codec.decoder(&settings).ok()?;
        let format = PcmFormat {
            channels: 1,
            ..decoder.format()
        };
        let source = Source::new(codec, decoder, format)?;
        self.sources.truncate(SOURCES - 1);
        self.sources.push(source);
        Some(self.sources.len() - 1)
    }
}
