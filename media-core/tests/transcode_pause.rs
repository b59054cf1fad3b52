//! Pauses on their way to another codec, in virtual time: comfort noise (RFC 3389) and discontinuous
//! transmission of Opus, to receivers that take comfort noise and to such that do not.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic"
)]

mod coded;

use std::time::Duration;

use codecs::Pcm;
use codecs::registry::Settings;
use media_core::media::jitter::Hold;
use media_core::media::transcode::{CodecUse, Plan, Rule};
use media_core::testing::Received;
use media_core::units::ClockRate;
use media_core::wire::rtp::RtpPacket;

use coded::{Call, FRAME, PERFECT, Speaker, call, check_unbroken, codec, got, hear, number, plan};

const CN: u8 = 13;
/// −40 dBov, white.
const NOISE: [u8; 1] = [40];

/// `from`, with comfort noise, becomes `to`, which has comfort noise or not.
fn noisy(from: &CodecUse, to: &CodecUse, tells: bool) -> Plan {
    let clock = ClockRate::HZ_8000;
    let mut plan = Plan::new(vec![
        (from.payload_type, Rule::Decode(from.clone())),
        (number(CN), Rule::ComfortNoise(clock)),
    ]);
    plan.target = Some(to.clone());
    plan.comfort_noise = tells.then(|| number(CN));
    plan
}

/// Says what its silence sounds like, and then nothing for so many frames, the first of them that one.
fn fall_silent(call: &mut Call, speaker: &mut Speaker, frames: u32) {
    let noise = speaker.packet_of(number(CN), &NOISE);
    speaker.pause(frames - 1);
    call.play(vec![noise]);
    call.world.run_for(FRAME * (frames - 1));
}

fn level_dbov(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    10.0 * (power / samples.len() as f64 / 32_768.0_f64.powi(2)).log10()
}

/// How much later than its time stamp says each packet came, compared with the first.
fn lateness(received: &[Received], clock_hz: u32) -> Vec<i64> {
    let got = got(received);
    let at = |n: usize| {
        let ticks = got[n].timestamp.wrapping_sub(got[0].timestamp);
        let us = i64::from(ticks) * 1_000_000 / i64::from(clock_hz);
        (received[n].at - received[0].at).as_micros() as i64 - us
    };
    (0..got.len()).map(at).collect()
}

#[test]
fn comfort_noise_goes_on_to_who_takes_it() {
    for (from, to) in [
        (codec("PCMA", 8), codec("PCMU", 0)),
        (codec("G722", 9), codec("PCMA", 8)),
    ] {
        let mut call = call(noisy(&from, &to, true), PERFECT);
        let mut speaker = Speaker::new(&from);
        call.play(speaker.packets(50));
        fall_silent(&mut call, &mut speaker, 100);
        call.play(speaker.packets(50));
        let received = call.finish();
        let got = got(&received);
        assert_eq!(got.len(), 101);
        check_unbroken(&got, 160);
        assert_eq!(got[50].payload_type, CN);
        let rtp = RtpPacket::parse(&received[50].packet).unwrap();
        assert_eq!(rtp.payload(), NOISE);
        let talkspurts: Vec<usize> = (0..101).filter(|n| got[*n].marker).collect();
        assert_eq!(talkspurts, [0, 51]);
        let pause = got[51].timestamp.wrapping_sub(got[50].timestamp);
        assert_eq!(pause, 100 * 160);
    }
}

#[test]
fn comfort_noise_is_made_for_who_does_not_take_it() {
    for (name, hold) in [
        ("PCMU", Hold::Order),
        ("G722", Hold::Order),
        (
            "PCMU",
            Hold::Delay {
                min_ms: 40,
                max_ms: 40,
            },
        ),
    ] {
        let (from, to) = (codec("PCMA", 8), codec(name, 96));
        let mut plan = noisy(&from, &to, false);
        plan.hold = hold;
        let mut call = call(plan, PERFECT);
        let mut speaker = Speaker::new(&from);
        call.play(speaker.packets(50));
        fall_silent(&mut call, &mut speaker, 100);
        call.play(speaker.packets(50));
        let received = call.finish();
        let got = got(&received);
        assert_eq!(got.len(), 200, "{name} {hold:?}");
        check_unbroken(&got, 160);
        for (n, pair) in got.windows(2).enumerate() {
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert_eq!(step, 160, "packet {n}");
        }
        let talkspurts: Vec<usize> = (0..200).filter(|n| got[*n].marker).collect();
        assert_eq!(talkspurts, [0, 150], "{name} {hold:?}");
        for (n, late_us) in lateness(&received, 8000).into_iter().enumerate() {
            let most = if (50..150).contains(&n) { 21_000 } else { 1000 };
            assert!((-1000..=most).contains(&late_us), "{n}: {late_us} µs");
        }
        let (noise, _) = hear(&received[55..145], &to);
        let level = level_dbov(&noise);
        assert!((level + 40.0).abs() < 1.5, "{name}: {level} dBov");
        assert_eq!(call.counters.concealed.get(), 0);
    }
}

#[test]
fn noise_changes_as_the_sender_says_and_ends_after_half_a_minute() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(noisy(&from, &to, false), PERFECT);
    let mut speaker = Speaker::new(&from);
    call.play(speaker.packets(50));
    fall_silent(&mut call, &mut speaker, 500);
    let louder = speaker.packet_of(number(CN), &[30]);
    call.play(vec![louder]);
    call.world.run_for(Duration::from_secs(60));
    let received = call.finish();
    let count = received.len() - 50;
    assert!((1995..=2005).contains(&count), "{count} frames of noise");
    check_unbroken(&got(&received), 160);
    for (frames, expected) in [(100..500, -40.0), (600..2000, -30.0)] {
        let (noise, _) = hear(&received[frames], &to);
        let level = level_dbov(&noise);
        assert!((level - expected).abs() < 1.5, "{level} dBov");
    }
    // Whoever talks again after an hour is heard.
    speaker.pause(180_000);
    call.play(speaker.packets(50));
    let received = call.finish();
    assert_eq!(received.len(), 50);
    assert!(got(&received)[0].marker);
}

#[test]
fn audio_that_comes_late_after_a_pause_loses_its_beginning_and_no_time() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(noisy(&from, &to, false), PERFECT);
    let mut speaker = Speaker::new(&from);
    for _ in 0..10 {
        call.play(speaker.packets(20));
        fall_silent(&mut call, &mut speaker, 20);
        // Three frames late, and then in a burst.
        let late = speaker.packets(5);
        call.world.run_for(FRAME * 3);
        call.world.play(call.parties[0], Duration::ZERO, late);
        call.world.run_for(FRAME * 2);
    }
    let received = call.finish();
    let got = got(&received);
    check_unbroken(&got, 160);
    let span = got[got.len() - 1].timestamp.wrapping_sub(got[0].timestamp) / 160 + 1;
    assert_eq!((span, got.len()), (450, 450));
}

#[test]
fn noise_before_any_audio_and_of_any_kind_does_no_harm() {
    let (from, to) = (codec("PCMA", 8), codec("opus", 96));
    for tells in [false, true] {
        let mut call = call(noisy(&from, &to, tells), PERFECT);
        let mut speaker = Speaker::new(&from);
        let payloads: [&[u8]; 4] = [&[], &[255; 40], &[0, 0, 254], &[127]];
        for _ in 0..2 {
            for payload in payloads {
                let noise = speaker.packet_of(number(CN), payload);
                call.play(vec![noise]);
                speaker.timestamp = speaker.timestamp.wrapping_sub(4000);
            }
            call.play(speaker.packets(50));
        }
        let received = call.finish();
        let audio = got(&received)
            .iter()
            .filter(|g| g.payload_type == 96)
            .count();
        assert!(audio >= 98, "{audio}");
    }
}

/// Sends as a browser does with `usedtx=1`: the first packet without sound, and none of those that follow it.
/// Returns a packet or nothing for each frame.
fn talk_and_pause(opus: &CodecUse, frames: &[(u32, f64)]) -> Vec<Option<Vec<u8>>> {
    let settings = Settings {
        fmtp: "usedtx=1",
        ..Settings::default()
    };
    let mut encoder = opus.codec.encoder(&settings).unwrap();
    let format = encoder.format();
    let mut speaker = Speaker::new(opus);
    let (mut sent, mut toc, mut quiet) = (Vec::new(), 0, false);
    let mut phase = 0_u32;
    for (count, loudness) in frames {
        for _ in 0..*count {
            let samples: Vec<i16> = (0..960)
                .map(|_| {
                    phase += 1;
                    let at = f64::from(phase) * 440.0 / 48_000.0;
                    ((at * std::f64::consts::TAU).sin() * loudness) as i16
                })
                .collect();
            let samples = &samples;
            let mut payload = [0; 1400];
            let len = encoder
                .encode(Pcm { format, samples }, &mut payload)
                .unwrap();
            let begins = len == 0 && !quiet;
            quiet = len == 0;
            sent.push(match len {
                0 if begins => Some(speaker.packet_of(opus.payload_type, &[toc])),
                0 => {
                    speaker.pause(1);
                    None
                }
                _ => {
                    toc = payload[0] & 0xfc;
                    Some(speaker.packet_of(opus.payload_type, &payload[..len]))
                }
            });
        }
    }
    sent
}

fn play(call: &mut Call, frames: Vec<Option<Vec<u8>>>) {
    for packet in frames {
        match packet {
            Some(packet) => call.play(vec![packet]),
            None => call.world.run_for(FRAME),
        }
    }
}

#[test]
fn opus_that_sends_nothing_in_pauses_becomes_an_unbroken_stream() {
    let (from, to) = (codec("opus", 96), codec("PCMU", 0));
    let mut call = call(plan(std::slice::from_ref(&from), &to), PERFECT);
    let frames = talk_and_pause(&from, &[(50, 8000.0), (200, 0.0), (50, 8000.0)]);
    let silent = frames.iter().filter(|frame| frame.is_none()).count();
    assert!(silent > 100, "{silent} frames without a packet");
    play(&mut call, frames);
    let received = call.finish();
    let got = got(&received);
    check_unbroken(&got, 160);
    assert!((300..=301).contains(&got.len()), "{}", got.len());
    for pair in got.windows(2) {
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 160);
    }
    for (n, late_us) in lateness(&received, 8000).into_iter().enumerate() {
        assert!((-1000..=21_000).contains(&late_us), "{n}: {late_us} µs");
    }
    let (heard, _) = hear(&received[100..240], &to);
    assert!(level_dbov(&heard) < -50.0, "{}", level_dbov(&heard));
    let (heard, _) = hear(&received[255..295], &to);
    assert!(level_dbov(&heard) > -20.0, "{}", level_dbov(&heard));
}

#[test]
fn opus_that_sends_nothing_in_pauses_becomes_comfort_noise_where_there_is_some() {
    let (from, to) = (codec("opus", 96), codec("PCMU", 0));
    let mut plan = plan(std::slice::from_ref(&from), &to);
    plan.comfort_noise = Some(number(CN));
    let mut call = call(plan, PERFECT);
    play(
        &mut call,
        talk_and_pause(&from, &[(50, 8000.0), (200, 0.0), (50, 8000.0)]),
    );
    let received = call.finish();
    let got = got(&received);
    check_unbroken(&got, 160);
    let noise = got.iter().filter(|got| got.payload_type == CN).count();
    assert!((1..=12).contains(&noise), "{noise}");
    assert!(got.len() < 180, "{}", got.len());
    let span = got[got.len() - 1].timestamp.wrapping_sub(got[0].timestamp) / 160 + 1;
    assert!((300..=301).contains(&span), "{span}");
    let first = got.iter().position(|got| got.payload_type == CN).unwrap();
    let next = got[first..]
        .iter()
        .find(|got| got.payload_type == 0)
        .unwrap();
    assert!(next.marker);
}

#[test]
fn silence_becomes_a_pause_of_opus_that_is_asked_for_it() {
    let (from, mut to) = (codec("PCMU", 0), codec("opus", 96));
    to.fmtp = "usedtx=1".into();
    let mut call = call(plan(std::slice::from_ref(&from), &to), PERFECT);
    let mut speaker = Speaker::new(&from);
    call.play(speaker.packets(50));
    let silence = (0..200).map(|_| speaker.packet_of(from.payload_type, &[0xff; 160]));
    let silence = silence.collect();
    call.play(silence);
    speaker.spoken = 0.0;
    call.play(speaker.packets(50));
    let received = call.finish();
    let got = got(&received);
    assert!(got.len() < 200, "{}", got.len());
    check_unbroken(&got, 960);
    let span = got[got.len() - 1].timestamp.wrapping_sub(got[0].timestamp) / 960 + 1;
    assert_eq!(span, 300);
    assert!(got.iter().filter(|got| got.marker).count() >= 2);
}
