//! No allocation per frame of voice, whatever is sent, once each format was seen. One test in a process of its
//! own, so that the counting allocator sees nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic, and any instant will do to start from"
)]

#[path = "common/counting.rs"]
mod counting;

use std::time::{Duration, Instant};

use codecs::SampleRate;
use counting::allocations;
use media_core::voice::{
    AudioFormat, EnergyVad, FRAME, FrameClock, Intake, LawDetector, Playout, PlayoutConfig, Uplink,
    VadConfig, wav,
};

#[test]
fn a_frame_of_voice_allocates_nothing() {
    let start = Instant::now();
    let mut now = start;
    let mut clock = FrameClock::start(now);
    let mut uplink = Uplink::new(now, SampleRate::HZ_16000);
    let mut vad = EnergyVad::new(VadConfig::default());
    let mut law = LawDetector::default();
    let mut intake = Intake::new(SampleRate::HZ_8000);
    let mut playout = Playout::new(PlayoutConfig::new(SampleRate::HZ_8000));
    let formats = [24_000, 44_100, 16_000].map(|hz| AudioFormat {
        channels: if hz == 44_100 { 2 } else { 1 },
        ..AudioFormat::linear(hz)
    });
    let sound: Vec<u8> = (0..8192_u32).map(|n| (n * 37 % 251) as u8).collect();
    let (mut frame, mut heard, mut spoken) = ([0; 160], 0, 0);
    let mut run = |frames: usize| {
        for n in 0..frames {
            now += FRAME;
            let caller = &sound[..320 + n % 3];
            let format = AudioFormat {
                encoding: law.judge(caller),
                ..AudioFormat::linear(8000)
            };
            let mut listen = |samples: &[i16]| {
                heard += samples.len();
                vad.process(samples);
            };
            if n % 100 < 90 {
                uplink
                    .push(now, format, caller, |frame| listen(frame.samples))
                    .unwrap();
            }
            uplink.tick(now, |frame| listen(frame.samples));
            // Stalls, floods and barge-ins too.
            let format = formats[n / 50 % 3];
            let chunk = if n % 200 == 150 { 8191 } else { 1000 + n % 2 };
            if n % 100 < 80 {
                let push = |samples: &[i16]| playout.push(now, samples);
                intake
                    .push(format, wav::strip(&sound[..chunk]), push)
                    .unwrap();
            }
            if n % 333 == 0 {
                playout.flush(Some(Duration::from_millis(100)));
            }
            for _ in 0..clock.due(now) {
                playout.pull(now, &mut frame);
                spoken += frame.iter().filter(|s| **s != 0).count();
            }
        }
    };
    run(200);
    let made = allocations(|| run(5000));
    assert_eq!(made, 0, "{made} allocations in 5000 frames");
    assert!(
        heard > 320 * 5000 && spoken > 160 * 2000,
        "{heard} {spoken}"
    );
    // The counter counts.
    let one = allocations(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(one, 1);
}
