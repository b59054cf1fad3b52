//! Opus, 20 ms per round: what an encoder costs at each rate and complexity, what a decoder costs, and the same
//! by `opus-rs`. (`audiopus` brings another libopus with the same symbols and cannot be linked beside ours.)

use std::f32::consts::TAU;
use std::hint::black_box;

use codecs::registry::{Codec, Settings, by_name};
use codecs::{Encoder, Pcm, SampleRate};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const RATES_HZ: [u32; 3] = [8000, 16_000, 48_000];
const BITRATE_BPS: u32 = 24_000;

fn codec() -> &'static Codec {
    by_name("opus", 48_000, 2).expect("it is there")
}

fn settings(hz: u32, complexity: Option<u8>) -> Settings<'static> {
    Settings {
        sample_rate: SampleRate::new(hz),
        bitrate_bps: Some(BITRATE_BPS),
        complexity,
        ..Settings::default()
    }
}

/// Two seconds of harmonics of a gliding pitch, in syllables with hiss between them, in frames of 20 ms. Without
/// the hiss libopus takes it for music, and codes it another way.
fn voice(hz: u32) -> Vec<Vec<i16>> {
    let mut phase = 0.0_f32;
    let mut noise = 1_u32;
    let samples: Vec<i16> = (0..2 * hz)
        .map(|n| {
            let t = n as f32 / hz as f32;
            phase = (phase + TAU * (130.0 + 30.0 * (TAU * 0.9 * t).sin()) / hz as f32) % TAU;
            let sum: f32 = (1..=24).map(|k| (k as f32 * phase).sin() / k as f32).sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (noise >> 16) as f32 / 65_536.0 - 0.5;
            let swell = (TAU * 4.0 * t).sin();
            let value = 8000.0 * swell.max(0.0) * sum + 4000.0 * (-swell).max(0.1) * hiss;
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            let sample = value as i16;
            sample
        })
        .collect();
    let frame = hz as usize / 50;
    samples.chunks_exact(frame).map(<[i16]>::to_vec).collect()
}

fn packets(encoder: &mut dyn Encoder, frames: &[Vec<i16>]) -> Vec<Vec<u8>> {
    let format = encoder.format();
    let mut payload = [0; 1500];
    frames
        .iter()
        .map(|samples| {
            let pcm = Pcm { format, samples };
            let written = encoder.encode(pcm, &mut payload).expect("a packet");
            payload[..written].to_vec()
        })
        .collect()
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("opus/encode");
    for hz in RATES_HZ {
        let frames = voice(hz);
        for complexity in [0, 3, 5, 6, 7, 8, 9, 10] {
            let id = BenchmarkId::new(format!("{hz}"), complexity);
            let mut encoder = codec()
                .encoder(&settings(hz, Some(complexity)))
                .expect("memory");
            let format = encoder.format();
            let mut payload = [0; 1500];
            let mut frames = frames.iter().cycle();
            group.bench_function(id, |b| {
                b.iter(|| {
                    let samples = frames.next().expect("endless");
                    encoder.encode(black_box(Pcm { format, samples }), &mut payload)
                });
            });
        }
        let mut theirs =
            opus_rs::OpusEncoder::new(hz as i32, 1, opus_rs::Application::Voip).expect("memory");
        theirs.bitrate_bps = BITRATE_BPS as i32;
        theirs.complexity = 5;
        let mut payload = [0; 1500];
        let mut frames = frames.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("opus-rs {hz}"), 5), |b| {
            b.iter(|| {
                let samples = frames.next().expect("endless");
                theirs.encode_i16(black_box(samples), samples.len(), &mut payload)
            });
        });
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("opus/decode");
    for hz in RATES_HZ {
        let mut encoder = codec().encoder(&settings(hz, None)).expect("memory");
        let packets = packets(encoder.as_mut(), &voice(hz));
        let mut decoder = codec().decoder(&settings(hz, None)).expect("memory");
        let mut samples = [0; 960];
        let mut received = packets.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(hz), |b| {
            b.iter(|| decoder.decode(black_box(received.next().expect("endless")), &mut samples));
        });
        group.bench_function(BenchmarkId::new("conceal", hz), |b| {
            b.iter(|| decoder.conceal(None, black_box(&mut samples[..hz as usize / 50])));
        });
        let mut theirs = opus_rs::OpusDecoder::new(hz as i32, 1).expect("memory");
        let mut samples = [0.0; 960];
        let mut received = packets.iter().cycle();
        group.bench_function(BenchmarkId::new("opus-rs", hz), |b| {
            b.iter(|| {
                let packet = black_box(received.next().expect("endless"));
                theirs.decode(packet, hz as usize / 50, &mut samples)
            });
        });
    }
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
