//! G.722 per packet of 20 ms: ours at 16 kHz and on its lower band alone at 8 kHz, audio-codec's beside it in
//! both forms; and what concealment costs a good packet and a lost one.
#![expect(
    clippy::cast_possible_truncation,
    reason = "samples are computed in floating point, and clamped or small"
)]

use std::f64::consts::TAU;
use std::hint::black_box;

use audio_codec::g722 as other;
use audio_codec::{Decoder as _, Encoder as _};
use codecs::g722::{G722Decoder, G722Encoder, Mode};
use codecs::plc::Concealer;
use codecs::{Decoder as _, Encoder as _, Pcm, SampleRate};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Packets that a bench goes round.
const PACKETS: usize = 100;

/// A voice's harmonics, at `rate` Hz, louder and quieter.
fn voice(rate: u32) -> Vec<i16> {
    let count = PACKETS * usize::try_from(rate / 50).expect("small");
    let sample = |n: usize| {
        let t = n as f64 / f64::from(rate);
        let harmonic = |h: u32| {
            let h = f64::from(h);
            (h * 130.0 * t * TAU + h).sin() / (1.0 + (h - 5.0).powi(2) / 4.0)
        };
        let sum: f64 = (1..30).map(harmonic).sum();
        (sum * 4000.0 * (t * 9.0).sin()) as i16
    };
    (0..count).map(sample).collect()
}

fn g722(c: &mut Criterion) {
    let mut group = c.benchmark_group("g722, 20 ms");
    group.throughput(Throughput::Elements(1));
    for (name, rate, mut encoder, mut decoder, eight_k) in [
        (
            "16 kHz",
            16_000,
            G722Encoder::new(),
            G722Decoder::new(Mode::Kbps64),
            false,
        ),
        (
            "8 kHz",
            8000,
            G722Encoder::narrowband(),
            G722Decoder::narrowband(Mode::Kbps64),
            true,
        ),
    ] {
        let format = encoder.format();
        let voice = voice(rate);
        let samples = voice.len() / PACKETS;
        let mut payloads = vec![[0; 160]; PACKETS];
        for (samples, payload) in voice.chunks(samples).zip(&mut payloads) {
            encoder
                .encode(Pcm { format, samples }, payload)
                .expect("the right format");
        }
        let mut their_encoder =
            other::G722Encoder::with_options(other::Bitrate::Mode1_64000, eight_k, false);
        let mut their_decoder =
            other::G722Decoder::with_options(other::Bitrate::Mode1_64000, false, eight_k);
        let mut packets = voice.chunks(samples).cycle();
        let mut payloads = payloads.iter().cycle();
        let mut payload = [0; 160];
        let mut pcm = [0; 320];
        group.bench_function(format!("encode, {name}"), |b| {
            b.iter(|| {
                let samples = black_box(packets.next().expect("endless"));
                encoder.encode(Pcm { format, samples }, black_box(&mut payload))
            });
        });
        group.bench_function(format!("encode, {name}, audio-codec"), |b| {
            b.iter(|| {
                let samples = black_box(packets.next().expect("endless"));
                their_encoder
                    .encode_into(samples, black_box(&mut payload))
                    .is_ok()
            });
        });
        group.bench_function(format!("decode, {name}"), |b| {
            b.iter(|| {
                let payload = black_box(payloads.next().expect("endless"));
                decoder.decode(payload, black_box(&mut pcm))
            });
        });
        group.bench_function(format!("decode, {name}, audio-codec"), |b| {
            b.iter(|| {
                let payload = black_box(payloads.next().expect("endless"));
                their_decoder
                    .decode_into(payload, black_box(&mut pcm))
                    .is_ok()
            });
        });
    }
    group.finish();
}

fn concealment(c: &mut Criterion) {
    let mut group = c.benchmark_group("concealment, 20 ms at 8 kHz");
    group.throughput(Throughput::Elements(1));
    let mut voice = voice(8000);
    let mut concealer = Concealer::new(SampleRate::HZ_8000);
    let mut at = 0;
    let mut next = |concealer: &mut Concealer| {
        at = (at + 1) % PACKETS;
        concealer.heard(black_box(&mut voice[at * 160..][..160]));
    };
    group.bench_function("good packet", |b| b.iter(|| next(&mut concealer)));
    group.bench_function("good packet and a lost one", |b| {
        let mut gap = [0; 160];
        b.iter(|| {
            next(&mut concealer);
            concealer.conceal(black_box(&mut gap));
        });
    });
    group.finish();
}

criterion_group!(benches, g722, concealment);
criterion_main!(benches);
