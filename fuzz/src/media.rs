//! Streams on their way to another codec: any packets, in any order, at any time.

use std::sync::Arc;

use codecs::registry::{CODECS, Codec, by_name};
use codecs::tone::Digit;
use media_core::buf::{PacketBuf, Slab};
use media_core::media::jitter::{Hold, JitterBuffer, Refused};
use media_core::media::transcode::{
    CodecUse, DtmfOptions, Frequencies, Heard, Hiding, Outlet, Plan, Play, Rule, Scratch,
    Transcoder, Unlisted,
};
use media_core::units::{ClockRate, PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};
use media_core::wire::telephone_event::TelephoneEvent;

/// Packets of one input, so that a run stays short.
const MOST: usize = 300;
/// Slots; more packets than a buffer holds.
const SLOTS: u16 = 1024;
/// Packets that one packet's work may send, at least 5 ms each: the longest payload, the longest
/// concealment and the longest stretch of an event.
const BURST: usize = 200;

fn hold(choice: u8) -> Hold {
    match choice % 4 {
        0 | 1 => Hold::Order,
        2 => Hold::Delay {
            min_ms: 40,
            max_ms: 40,
        },
        _ => Hold::Delay {
            min_ms: 0,
            max_ms: 300,
        },
    }
}

/// Jitter buffer: the first byte is how it holds. Then packets: sequence number as a step from the one before,
/// time stamp in steps of 40 ticks, time that passes in ms, what is done.
///
/// Whatever is taken leaves once, in order unless the sender began anew, and no later than the longest delay;
/// `due_us` says when.
pub fn jitter(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let mut buffer = JitterBuffer::new(hold(choice));
    // Sequence numbers that it spans, by how it holds.
    let spans = [64, 64, 64, 256];
    let (mut held, mut span) = (choice, 0_u16);
    let (mut seq, mut timestamp, mut at_us) = (0_u16, 0_u32, 0_u64);
    let (mut taken, mut left, mut dropped) = (0, 0, 0);
    let mut last: Option<u16> = None;
    // The number that leaves next, unless it is lost.
    let mut next: Option<u16> = None;
    for &[step, ticks, wait_ms, action] in rest.as_chunks().0 {
        at_us += u64::from(wait_ms) * 1000;
        // Most steps are small; the ends of the range leap.
        let step = match step {
            0x7f => 1000,
            0x80 => -1000,
            step => i16::from(step.cast_signed()),
        };
        seq = seq.wrapping_add_signed(step);
        timestamp = timestamp.wrapping_add_signed(i32::from(ticks.cast_signed()) * 40);
        match action % 16 {
            14 => {
                held = action >> 4;
                buffer.set_hold(hold(held));
            }
            15 => {
                dropped += buffer.len();
                buffer.reset();
                (last, next) = (None, None);
            }
            _ => {}
        }
        // Once it has become longer it stays so.
        span = span.max(spans[usize::from(held % 4)]);
        let before = buffer.len();
        let expected = *next.get_or_insert(seq);
        let ahead = SeqNo::new(seq).distance_from(SeqNo::new(expected));
        let begins_anew = ahead.unsigned_abs() >= span;
        let pushed = buffer.push(
            SeqNo::new(seq),
            RtpTimestamp::new(timestamp),
            ClockRate::new(8000),
            at_us,
            seq,
        );
        match pushed {
            Ok(()) => {
                taken += 1;
                if begins_anew {
                    dropped += before;
                    (last, next) = (None, Some(seq));
                }
            }
            Err(refused) => {
                assert_eq!(refused == Refused::Late, ahead < 0);
                assert!(!begins_anew && buffer.len() == before);
            }
        }
        if let Some(due) = buffer.due_us() {
            assert!(due <= at_us + 300_000, "held for {} µs", due - at_us);
            if due > 0 && due > at_us {
                assert!(buffer.pop(at_us).is_none());
            }
        }
        assert_eq!(buffer.due_us().is_none(), buffer.is_empty());
        while let Some(released) = buffer.pop(at_us) {
            left += 1;
            if let Some(last) = last {
                let ahead = SeqNo::new(released.item).distance_from(SeqNo::new(last));
                assert_eq!(ahead, i16::try_from(released.missing).expect("few") + 1);
            }
            last = Some(released.item);
            next = Some(released.item.wrapping_add(1));
        }
        assert!(buffer.len() <= span.into());
    }
    while buffer.pop(at_us + 300_000).is_some() {
        left += 1;
    }
    assert_eq!(taken, left + dropped, "packets in and out");
}

fn pt(number: u8) -> PayloadType {
    PayloadType::new(number & 0x7f).expect("seven bits")
}

fn coded(codec: &'static Codec, number: u8, ptime_ms: u32) -> CodecUse {
    CodecUse {
        codec,
        payload_type: pt(number),
        fmtp: "useinbandfec=1;usedtx=1".into(),
        ptime_ms,
    }
}

/// Payload types of every plan here: audio, events, comfort noise, forwarded, dropped, unknown.
const NUMBERS: [u8; 8] = [100, 101, 102, 13, 110, 111, 112, 99];

/// One of a few plans. The two lowest bits say what is encoded, the next two how packets are held, then two
/// for DTMF.
fn plan(choice: u8) -> Plan {
    let eight = ClockRate::HZ_8000;
    let opus = by_name("opus", 48_000, 2).expect("it is built in");
    let [pcmu, pcma, g722] = [&CODECS[0], &CODECS[1], &CODECS[2]];
    let mut plan = Plan::new(vec![
        (pt(NUMBERS[0]), Rule::Decode(coded(pcma, NUMBERS[0], 20))),
        (pt(NUMBERS[1]), Rule::Decode(coded(g722, NUMBERS[1], 20))),
        (pt(NUMBERS[2]), Rule::Decode(coded(opus, NUMBERS[2], 20))),
        (pt(NUMBERS[3]), Rule::ComfortNoise(eight)),
        (pt(NUMBERS[4]), Rule::Events(eight)),
        (pt(NUMBERS[5]), Rule::Forward(pt(0))),
        (pt(NUMBERS[6]), Rule::Drop),
    ]);
    plan.target = match choice % 4 {
        0 => Some(coded(pcmu, 0, 20)),
        1 => Some(coded(g722, 9, 30)),
        2 => Some(coded(opus, 96, 20)),
        _ => None,
    };
    plan.hold = hold(choice >> 2);
    match (choice >> 4) % 4 {
        0 => plan.events = Some((pt(97), ClockRate::new(48_000).expect("not 0"))),
        1 => {
            plan.events = Some((pt(97), eight));
            plan.dtmf = DtmfOptions {
                hiding: Hiding::Random,
                detect: true,
                tones_to_events: true,
                delay_ms: u16::from(choice >> 6) * 300,
                ..DtmfOptions::default()
            };
        }
        2 => {
            plan.comfort_noise = Some(pt(13));
            plan.dtmf.hiding = Hiding::Tone(Frequencies::new(&[700]));
        }
        _ => {
            plan.unlisted = Unlisted::Drop;
            plan.silenced = true;
        }
    }
    plan
}

/// A transcoder, and what is promised of it.
struct Rig {
    slab: Slab,
    transcoder: Transcoder,
    scratch: Scratch,
    at_us: u64,
    source: Option<Ssrc>,
    /// The header sent last, while the sender is the same.
    last: Option<RtpHeader>,
    heard: Vec<Heard>,
}

impl Rig {
    fn new(plan: Plan) -> Self {
        Self {
            slab: Slab::new(SLOTS),
            transcoder: Transcoder::new(Arc::new(plan)),
            scratch: Scratch::default(),
            at_us: 0,
            source: None,
            last: None,
            heard: Vec::new(),
        }
    }

    fn push(&mut self, header: &RtpHeader, payload: &[u8]) {
        if self.source != Some(header.ssrc()) {
            self.source = Some(header.ssrc());
            self.last = None;
        }
        let bytes = RtpBuilder::new(*header, payload).to_vec();
        let mut packet = self.slab.allocate().expect("a buffer holds few packets");
        assert!(packet.fill(&bytes.expect("no extension")));
        let _ = self.transcoder.push(header, packet, self.at_us);
        self.work();
    }

    fn work(&mut self) {
        loop {
            let mut sent: Vec<PacketBuf> = Vec::new();
            let mut send = |packet| sent.push(packet);
            let mut outlet = Outlet::new(&self.slab, &mut send);
            let worked = self
                .transcoder
                .work(self.at_us, &mut self.scratch, &mut outlet);
            self.heard.extend(outlet.heard);
            assert!(sent.len() <= BURST, "{} packets at once", sent.len());
            for packet in &sent {
                self.judge(packet.as_slice());
            }
            if !worked {
                break;
            }
        }
        let due = self.transcoder.due_us();
        assert!(due.is_none_or(|due| due > self.at_us), "{due:?} was due");
    }

    fn judge(&mut self, packet: &[u8]) {
        let header = RtpPacket::parse(packet).expect("RTP").header();
        assert_eq!(Some(header.ssrc()), self.source);
        if let Some(last) = self.last {
            let next = last.sequence_number().get().wrapping_add(1);
            assert_eq!(header.sequence_number().get(), next);
        }
        self.last = Some(header);
    }

    /// Everything that is held leaves, and every slot comes back.
    fn finish(mut self) {
        // Of noise there may be half a minute.
        for _ in 0..4 * SLOTS {
            let Some(due) = self.transcoder.due_us() else {
                break;
            };
            self.at_us = self.at_us.max(due);
            self.work();
        }
        assert_eq!(self.transcoder.due_us(), None);
        drop(self.transcoder);
        assert_eq!(self.slab.free_slots(), self.slab.slots());
    }
}

/// Transcoder: the first byte chooses a plan. Then packets: what it is, sequence number as a step, time stamp in
/// steps of 40 ticks, time that passes in ms, length in steps of 8 bytes, and as much payload.
pub fn transcode(data: &[u8]) {
    let Some((&choice, mut rest)) = data.split_first() else {
        return;
    };
    let mut rig = Rig::new(plan(choice));
    let (mut seq, mut timestamp) = (0_u16, 0_u32);
    for _ in 0..MOST {
        let Some((&[kind, step, ticks, wait_ms, length], behind)) = rest.split_first_chunk() else {
            break;
        };
        let length = (usize::from(length) * 8).min(behind.len()).min(1500);
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        rig.at_us += u64::from(wait_ms) * 1000;
        seq = seq.wrapping_add_signed(i16::from(step.cast_signed()));
        timestamp = match ticks {
            // An end of the range leaps.
            0x80 => timestamp.wrapping_add(1 << 30),
            ticks => timestamp.wrapping_add_signed(i32::from(ticks.cast_signed()) * 40),
        };
        match kind >> 5 {
            6 => rig.transcoder.set_plan(Arc::new(plan(step))),
            7 => {
                let digit = Digit::from_event(step % 16).expect("sixteen keys");
                rig.transcoder.play(Play {
                    digit,
                    duration_ms: u16::from(ticks),
                    pause_ms: u16::from(wait_ms),
                    volume_dbm0: step.cast_signed(),
                });
            }
            _ => {}
        }
        let number = pt(NUMBERS[usize::from(kind % 8)]);
        let ssrc = Ssrc::new(u32::from(kind >> 3 & 1));
        let header = RtpHeader::new(number, SeqNo::new(seq), RtpTimestamp::new(timestamp), ssrc);
        rig.push(&header.with_marker(kind & 0x10 != 0), payload);
    }
    rig.finish();
}

/// DTMF events: the first byte chooses a plan. Then packets, 20 ms apart: step of the sequence number, of the
/// time stamp by 160 ticks, and the payload of an event; audio in place of an event with the R bit.
///
/// No digit is reported more than once per packet, nor one that nobody sent.
pub fn dtmf(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let mut rig = Rig::new(plan(choice));
    let (mut seq, mut timestamp) = (0_u16, 0_u32);
    let mut said = [false; 16];
    let mut packets = 0;
    for record in rest.as_chunks::<6>().0.iter().take(MOST) {
        let [step, ticks, payload @ ..] = record;
        rig.at_us += 20_000;
        seq = seq.wrapping_add_signed(i16::from(step.cast_signed()));
        timestamp = timestamp.wrapping_add_signed(i32::from(ticks.cast_signed()) * 160);
        let is_audio = payload[1] & 0x40 != 0;
        let number = if is_audio { NUMBERS[0] } else { NUMBERS[4] };
        let header = RtpHeader::new(
            pt(number),
            SeqNo::new(seq),
            RtpTimestamp::new(timestamp),
            Ssrc::new(1),
        );
        if is_audio {
            rig.push(&header, &[payload[0]; 160]);
            continue;
        }
        packets += 1;
        let event = TelephoneEvent::parse(payload).expect("four bytes");
        if let Some(said) = said.get_mut(usize::from(event.event)) {
            *said = true;
        }
        let cut = payload.len() - usize::from(payload[1] == 0x1f);
        rig.push(&header, &payload[..cut]);
    }
    // One sound for 20 ms of a level or so is not taken for a digit.
    assert!(rig.heard.len() <= packets);
    for heard in &rig.heard {
        assert!(said[usize::from(heard.digit.event())], "{heard:?}");
        assert!(heard.duration_ms <= 8192, "{heard:?}");
    }
    rig.finish();
}
