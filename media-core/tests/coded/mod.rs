//! Calls between a party that speaks a codec and one that gets another, in virtual time.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "test support; each test binary uses a part of it"
)]

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use codecs::registry::{self, Codec, Settings};
use codecs::{Encoder, Pcm, PcmFormat};
use media_core::engine::{Command, DropReason, StreamCounters};
use media_core::media::transcode::{CodecUse, Plan, Rule, Unlisted};
use media_core::testing::{LinkConfig, PeerId, Received, World};
use media_core::units::{CallKey, PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};

pub const CALL: CallKey = CallKey::new(1);
pub const FRAME: Duration = Duration::from_millis(20);
pub const LOUDNESS: f64 = 16_000.0;
pub const PERFECT: LinkConfig = LinkConfig {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    reorder_hold: Duration::ZERO,
    delay: Duration::from_millis(30),
    jitter: Duration::ZERO,
};

pub fn number(number: u8) -> PayloadType {
    PayloadType::new(number).unwrap()
}

pub fn coded(codec: &'static Codec, payload_type: u8) -> CodecUse {
    CodecUse {
        codec,
        payload_type: number(payload_type),
        fmtp: "".into(),
        ptime_ms: 20,
    }
}

pub fn codec(name: &str, payload_type: u8) -> CodecUse {
    let (clock, channels) = match name {
        "opus" => (48_000, 2),
        _ => (8000, 1),
    };
    coded(
        registry::by_name(name, clock, channels).unwrap(),
        payload_type,
    )
}

/// All of `from` is decoded and becomes `to`; nothing else passes.
pub fn plan(from: &[CodecUse], to: &CodecUse) -> Plan {
    let rules = from
        .iter()
        .map(|from| (from.payload_type, Rule::Decode(from.clone())));
    let mut plan = Plan::new(rules.collect());
    plan.target = Some(to.clone());
    plan.unlisted = Unlisted::Drop;
    plan
}

/// Sends 20 ms of 440 Hz at a time, in whatever codec, under numbers that a test may bend.
pub struct Speaker {
    pub codec: CodecUse,
    pub encoder: Box<dyn Encoder>,
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
    /// Seconds of the tone that have been spoken.
    pub spoken: f64,
}

impl Speaker {
    pub fn new(codec: &CodecUse) -> Self {
        Self {
            encoder: codec.codec.encoder(&Settings::default()).unwrap(),
            codec: codec.clone(),
            ssrc: 7,
            seq: 65_500,
            timestamp: u32::MAX - 10_000,
            spoken: 0.0,
        }
    }

    /// Goes on in another codec.
    pub fn speak(&mut self, codec: &CodecUse) {
        self.encoder = codec.codec.encoder(&Settings::default()).unwrap();
        self.codec = codec.clone();
    }

    pub fn ticks(&self) -> u32 {
        self.codec.codec.clock_rate_hz / 50
    }

    /// Time passes without a word, and no number is used up.
    pub fn pause(&mut self, frames: u32) {
        self.timestamp = self.timestamp.wrapping_add(frames * self.ticks());
    }

    pub fn packet(&mut self) -> Vec<u8> {
        let format = self.encoder.format();
        let rate = f64::from(format.sample_rate.get());
        let wave: Vec<i16> = (0..format.sample_rate.get() / 50)
            .flat_map(|k| {
                let at = self.spoken + f64::from(k) / rate;
                let sample = ((at * 440.0 * TAU).sin() * LOUDNESS) as i16;
                std::iter::repeat_n(sample, usize::from(format.channels))
            })
            .collect();
        self.spoken += 0.02;
        let mut payload = [0; 1500];
        let samples = &wave;
        let len = self
            .encoder
            .encode(Pcm { format, samples }, &mut payload)
            .unwrap();
        self.packet_of(self.codec.payload_type, &payload[..len])
    }

    /// A packet of any payload in the next one's place.
    pub fn packet_of(&mut self, payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader::new(
            payload_type,
            SeqNo::new(self.seq),
            RtpTimestamp::new(self.timestamp),
            Ssrc::new(self.ssrc),
        );
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.ticks());
        RtpBuilder::new(header, payload).to_vec().unwrap()
    }

    pub fn packets(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.packet()).collect()
    }
}

pub struct Call {
    pub world: World,
    pub parties: [PeerId; 2],
    pub counters: Arc<StreamCounters>,
}

/// Party 0's stream is treated as `plan` says on its way to party 1.
pub fn call(plan: Plan, uplink: LinkConfig) -> Call {
    let mut world = World::new(11);
    let parties = [world.peer(uplink, PERFECT), world.peer(PERFECT, PERFECT)];
    let counters = Arc::default();
    let mut call = Call {
        world,
        parties,
        counters,
    };
    call.follow(plan);
    call
}

impl Call {
    /// What the session does when the parties agree anew.
    pub fn follow(&mut self, plan: Plan) {
        let [a, b] = self.parties;
        let mut route = self.world.route(CALL, a, &[b]);
        route.transcode = Some(Arc::new(plan));
        route.counters = Arc::clone(&self.counters);
        let back = self.world.route(CALL, b, &[a]);
        for (peer, route) in [(a, route), (b, back)] {
            let socket = self.world.socket(peer);
            self.world.command(Command::Route {
                socket,
                route: Box::new(route),
            });
        }
    }

    /// Party 0 sends a packet per frame, and the last one arrives.
    pub fn play(&mut self, packets: Vec<Vec<u8>>) {
        let frames = u32::try_from(packets.len()).unwrap();
        self.world.play(self.parties[0], FRAME, packets);
        self.world.run_for(FRAME * frames);
    }

    /// Everything on its way arrives; returns it.
    pub fn finish(&mut self) -> Vec<Received> {
        self.world.run_for(Duration::from_secs(3));
        assert_eq!(self.world.slots_in_use(), 0);
        self.world.received(self.parties[1])
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped_for(reason)
    }
}

/// A packet that came, as far as tests look at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Got {
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub marker: bool,
}

pub fn got(received: &[Received]) -> Vec<Got> {
    let got = |received: &Received| {
        let rtp = RtpPacket::parse(&received.packet).unwrap();
        Got {
            payload_type: rtp.payload_type().get(),
            seq: rtp.sequence_number().get(),
            timestamp: rtp.timestamp().get(),
            ssrc: rtp.ssrc().get(),
            marker: rtp.header().marker(),
        }
    };
    received.iter().map(got).collect()
}

/// Checks that numbers go up by one, that nothing changes its sender, and that time goes on by `ticks` from
/// packet to packet except in front of a marker, where it may leap but not go back.
pub fn check_unbroken(got: &[Got], ticks: u32) {
    assert!(got[0].marker, "{:?}", got[0]);
    for pair in got.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.seq, before.seq.wrapping_add(1), "{pair:?}");
        assert_eq!(after.ssrc, before.ssrc, "{pair:?}");
        let step = after.timestamp.wrapping_sub(before.timestamp);
        if after.marker {
            assert!(step < 1 << 31, "{pair:?}");
        } else {
            assert_eq!(step, ticks, "{pair:?}");
        }
    }
}

/// What a receiver hears of it, mono.
pub fn hear(received: &[Received], codec: &CodecUse) -> (Vec<i16>, PcmFormat) {
    let mut decoder = codec.codec.decoder(&Settings::default()).unwrap();
    let channels = usize::from(decoder.format().channels);
    let mut heard = Vec::new();
    for received in received {
        let rtp = RtpPacket::parse(&received.packet).unwrap();
        let mut samples = [0; 11_520];
        let n = decoder.decode(rtp.payload(), &mut samples).unwrap();
        heard.extend(samples[..n].chunks(channels).map(|channels| channels[0]));
    }
    (heard, decoder.format())
}

/// The part of the power that is at 440 Hz, and the whole in dB of what was spoken.
pub fn purity(samples: &[i16], rate: u32) -> (f64, f64) {
    let n = samples.len() as f64;
    let (mut sin, mut cos, mut all) = (0.0, 0.0, 0.0);
    for (k, sample) in samples.iter().enumerate() {
        let (s, c) = (k as f64 * 440.0 * TAU / f64::from(rate)).sin_cos();
        let sample = f64::from(*sample);
        sin += sample * s;
        cos += sample * c;
        all += sample * sample;
    }
    let at_440 = 2.0 * (sin * sin + cos * cos) / n;
    let level_db = 10.0 * (all / n / (LOUDNESS * LOUDNESS / 2.0)).log10();
    (at_440 / all, level_db)
}
