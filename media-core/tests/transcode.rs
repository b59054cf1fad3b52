//! Transcoded calls over bad networks, in virtual time, and over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

mod common;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use codecs::registry::{self, Codec, Settings};
use codecs::{Pcm, PcmFormat};
use media_core::driver::IoChoice;
use media_core::engine::{Command, DropReason, StreamCounters};
use media_core::media::transcode::{CodecUse, Plan, Rule, Unlisted};
use media_core::testing::{LinkConfig, PeerId, World};
use media_core::units::{CallKey, PayloadType, RtpTimestamp, SeqNo, ShardId, Ssrc};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};

const CALL: CallKey = CallKey::new(1);
const FRAME: Duration = Duration::from_millis(20);
const PERFECT: LinkConfig = LinkConfig {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    reorder_hold: Duration::ZERO,
    delay: Duration::from_millis(30),
    jitter: Duration::ZERO,
};

fn codec(name: &str, number: u8) -> CodecUse {
    coded(registry::by_name(name, 8000, 1).unwrap(), number)
}

fn coded(codec: &'static Codec, number: u8) -> CodecUse {
    CodecUse {
        codec,
        payload_type: PayloadType::new(number).unwrap(),
        fmtp: "".into(),
        ptime_ms: 20,
    }
}

fn plan(from: CodecUse, to: CodecUse) -> Arc<Plan> {
    let mut plan = Plan::new(vec![(from.payload_type, Rule::Decode(from))]);
    plan.target = Some(to);
    plan.unlisted = Unlisted::Drop;
    Arc::new(plan)
}

/// Packets of 20 ms of a 440 Hz tone at half of full scale.
fn tone(codec: &CodecUse, first: u16, packets: u16) -> Vec<Vec<u8>> {
    let mut encoder = codec.codec.encoder(&Settings::default()).unwrap();
    let format = encoder.format();
    let rate = format.sample_rate.get();
    let samples = rate as usize / 50;
    let ticks = codec.codec.clock_rate_hz / 50;
    (0..packets)
        .map(|n| {
            let at = |k: usize| f64::from(n) * samples as f64 + k as f64;
            let wave: Vec<i16> = (0..samples)
                .flat_map(|k| {
                    let sample = (at(k) * 440.0 * TAU / f64::from(rate)).sin() * 16_000.0;
                    std::iter::repeat_n(sample as i16, usize::from(format.channels))
                })
                .collect();
            let mut payload = [0; 1500];
            let pcm = Pcm {
                format,
                samples: &wave,
            };
            let len = encoder.encode(pcm, &mut payload).unwrap();
            let header = RtpHeader::new(
                codec.payload_type,
                SeqNo::new(first.wrapping_add(n)),
                RtpTimestamp::new(u32::from(n) * ticks),
                Ssrc::new(7),
            );
            RtpBuilder::new(header, &payload[..len]).to_vec().unwrap()
        })
        .collect()
}

/// Power of 440 Hz and of everything in 8000 Hz samples, per sample.
fn powers(samples: &[i16], rate: u32) -> (f64, f64) {
    let n = samples.len() as f64;
    let (mut sin, mut cos, mut all) = (0.0, 0.0, 0.0);
    for (k, sample) in samples.iter().enumerate() {
        let (s, c) = (k as f64 * 440.0 * TAU / f64::from(rate)).sin_cos();
        let sample = f64::from(*sample);
        sin += sample * s;
        cos += sample * c;
        all += sample * sample;
    }
    (2.0 * (sin * sin + cos * cos) / n / n, all / n)
}

/// What was received, decoded, after checking that numbers go up by one and time never back.
fn hear(packets: &[Vec<u8>], codec: &CodecUse) -> (Vec<i16>, PcmFormat) {
    let mut decoder = codec.codec.decoder(&Settings::default()).unwrap();
    let mut heard = Vec::new();
    let mut before: Option<(u16, u32)> = None;
    for packet in packets {
        let rtp = RtpPacket::parse(packet).unwrap();
        assert_eq!(rtp.payload_type(), codec.payload_type);
        let (seq, timestamp) = (rtp.sequence_number().get(), rtp.timestamp().get());
        if let Some((seq_before, timestamp_before)) = before {
            assert_eq!(seq, seq_before.wrapping_add(1));
            assert!(timestamp.wrapping_sub(timestamp_before) < 1 << 31);
        }
        before = Some((seq, timestamp));
        let mut samples = [0; 11_520];
        let n = decoder.decode(rtp.payload(), &mut samples).unwrap();
        heard.extend_from_slice(&samples[..n]);
    }
    (heard, decoder.format())
}

struct Call {
    world: World,
    parties: [PeerId; 2],
    counters: Arc<StreamCounters>,
}

/// Party 0 sends `from` over `uplink`, party 1 gets `to`.
fn call(from: &CodecUse, to: &CodecUse, uplink: LinkConfig) -> Call {
    let mut world = World::new(7);
    let parties = [world.peer(uplink, PERFECT), world.peer(PERFECT, PERFECT)];
    let mut route = world.route(CALL, parties[0], &[parties[1]]);
    route.transcode = Some(plan(from.clone(), to.clone()));
    let counters = Arc::clone(&route.counters);
    let back = world.route(CALL, parties[1], &[parties[0]]);
    for (peer, route) in parties.into_iter().zip([route, back]) {
        let socket = world.socket(peer);
        world.command(Command::Route {
            socket,
            route: Box::new(route),
        });
    }
    Call {
        world,
        parties,
        counters,
    }
}

fn received(call: &mut Call) -> Vec<Vec<u8>> {
    let received = call.world.received(call.parties[1]);
    received.into_iter().map(|r| r.packet).collect()
}

#[test]
fn every_codec_becomes_every_other_one() {
    for from in registry::CODECS {
        for to in registry::CODECS {
            if from.ptime_within(20, 1400) < 20 {
                // Its 20 ms are no packet of any network.
                continue;
            }
            let (from, to) = (coded(from, 100), coded(to, 101));
            let mut call = call(&from, &to, PERFECT);
            call.world
                .play(call.parties[0], FRAME, tone(&from, 65_520, 40));
            call.world.run_for(Duration::from_secs(1));
            let packets = received(&mut call);
            assert!(packets.len() >= 40, "{from:?} {to:?}");
            let (heard, format) = hear(&packets, &to);
            let rate = format.sample_rate.get();
            let mono: Vec<i16> = heard
                .chunks(usize::from(format.channels))
                .map(|c| c[0])
                .collect();
            let (at_440, all) = powers(&mono[mono.len() / 4..], rate);
            let level_db = 10.0 * (at_440 / (16_000.0_f64.powi(2) / 2.0)).log10();
            assert!(level_db.abs() < 1.0, "{from:?} {to:?}: {level_db} dB");
            let noise_db = 10.0 * ((all - at_440).max(1.0) / all).log10();
            assert!(noise_db < -15.0, "{from:?} {to:?}: noise {noise_db} dB");
            assert_eq!(call.world.slots_in_use(), 0);
        }
    }
}

#[test]
fn a_packet_is_not_held_back_on_a_good_path() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(&from, &to, PERFECT);
    call.world.play(call.parties[0], FRAME, tone(&from, 1, 50));
    call.world.run_for(Duration::from_secs(2));
    for (n, received) in (0_u32..).zip(call.world.received(call.parties[1])) {
        assert_eq!(received.at, FRAME * n + PERFECT.delay * 2);
    }
}

#[test]
fn loss_and_reordering_leave_an_unbroken_stream() {
    for (loss, least_db) in [(0.03, -2.0), (0.1, -3.0), (0.5, -9.0)] {
        let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
        let uplink = LinkConfig {
            loss,
            duplicate: 0.05,
            reorder: 0.05,
            reorder_hold: Duration::from_millis(35),
            ..PERFECT
        };
        let mut call = call(&from, &to, uplink);
        call.world
            .play(call.parties[0], FRAME, tone(&from, 1, 1000));
        call.world.run_for(Duration::from_secs(25));
        let packets = received(&mut call);
        let missing = 1000 - packets.len();
        assert!(missing < 60, "{missing} at {loss}");
        let (heard, _) = hear(&packets, &to);
        let (_, all) = powers(&heard, 8000);
        let level_db = 10.0 * (all / (16_000.0_f64.powi(2) / 2.0)).log10();
        assert!(level_db > least_db, "{level_db} dB at {loss}");
        assert!(call.counters.concealed.get() > 0);
        assert_eq!(call.world.slots_in_use(), 0);
    }
}

#[test]
fn codec_may_change_in_the_middle_of_a_call() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(&from, &to, PERFECT);
    call.world.play(call.parties[0], FRAME, tone(&from, 1, 50));
    call.world.run_for(FRAME * 52);
    let mut route = call.world.route(CALL, call.parties[0], &[call.parties[1]]);
    let mut both = Plan::new(vec![
        (from.payload_type, Rule::Decode(from.clone())),
        (to.payload_type, Rule::Forward(to.payload_type)),
    ]);
    both.target = Some(to.clone());
    route.transcode = Some(Arc::new(both));
    route.counters = Arc::clone(&call.counters);
    let socket = call.world.socket(call.parties[0]);
    call.world.command(Command::Route {
        socket,
        route: Box::new(route),
    });
    let mut rest = tone(&to, 1, 100).split_off(50);
    rest.extend(tone(&from, 1, 150).split_off(100));
    call.world.play(call.parties[0], FRAME, rest);
    call.world.run_for(Duration::from_secs(3));
    let packets = received(&mut call);
    assert_eq!(packets.len(), 150);
    let (heard, _) = hear(&packets, &to);
    let (at_440, all) = powers(&heard, 8000);
    assert!(at_440 / all > 0.99, "no break: {at_440} of {all}");
}

#[test]
fn payloads_of_any_length_and_type_are_counted_and_do_no_harm() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(&from, &to, PERFECT);
    let packet = |number: u8, seq: u16, len: usize| {
        let header = RtpHeader::new(
            PayloadType::new(number).unwrap(),
            SeqNo::new(seq),
            RtpTimestamp::new(u32::from(seq) * 160),
            Ssrc::new(7),
        );
        RtpBuilder::new(header, &vec![0xd5; len]).to_vec().unwrap()
    };
    let packets = [(8, 160), (8, 0), (8, 1500), (77, 160), (8, 160)];
    let packets = (1..)
        .zip(packets)
        .map(|(seq, (number, len))| packet(number, seq, len));
    call.world.play(call.parties[0], FRAME, packets);
    call.world.run_for(Duration::from_secs(2));
    let dropped = |reason| call.counters.dropped_for(reason);
    assert_eq!(dropped(DropReason::NotNegotiated), 1);
    assert_eq!(dropped(DropReason::Undecodable), 1);
    assert!(received(&mut call).len() >= 10);
    assert_eq!(call.world.slots_in_use(), 0);
}

on_both_drivers! {
    fn pcma_becomes_pcmu_and_back(io: IoChoice) {
        let tick = Duration::from_millis(1);
        let Some(driver) = common::start(io, 1, tick) else { return };
        let [pcma, pcmu] = [codec("PCMA", 8), codec("PCMU", 0)];
        let call = common::call_with(&*driver.plane(), ShardId::new(0), 1, [false; 2], |side, route| {
            let (from, to) = if side == 0 { (&pcma, &pcmu) } else { (&pcmu, &pcma) };
            route.transcode = Some(plan(from.clone(), to.clone()));
        });
        for (side, from, to) in [(0, &pcma, &pcmu), (1, &pcmu, &pcma)] {
            let mut got = Vec::new();
            for packet in tone(from, 1, 50) {
                call.send(side, &packet);
                got.push(call.receive(1 - side));
            }
            let (heard, _) = hear(&got, to);
            let (at_440, all) = powers(&heard, 8000);
            assert!(at_440 / all > 0.99, "{at_440} of {all}");
            assert_eq!(call.counters[side].transcoded.get(), 50);
        }
    }

    fn relayed_packets_overtake_transcoding(io: IoChoice) {
        let Some(driver) = common::start(io, 1, Duration::from_millis(1)) else { return };
        let plane = driver.plane();
        let [pcma, pcmu] = [codec("PCMA", 8), codec("PCMU", 0)];
        let heavy = common::call_with(&*plane, ShardId::new(0), 1, [false; 2], |_, route| {
            route.transcode = Some(plan(pcma.clone(), pcmu.clone()));
        });
        let relayed = common::call(&*plane, ShardId::new(0), 2, [false; 2]);
        for (n, packet) in (0_u16..).zip(tone(&pcma, 1, 200)) {
            heavy.send(0, &packet);
            relayed.send(0, &common::rtp(n, b"relayed"));
        }
        for n in 0..200 {
            assert_eq!(relayed.receive(1), common::rtp(n, b"relayed"));
        }
        for _ in 0..200 {
            heavy.receive(1);
        }
    }
}
