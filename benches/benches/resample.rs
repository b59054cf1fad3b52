//! 20 ms of mono through the resampler, rubato beside it; then tone detection and generation.
//!
//! rubato gets whole frames as floats, without the conversion from and to 16 bits that ours includes, and
//! a sinc as long as ours.

use std::hint::black_box;
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use codecs::tone::{Digit, DtmfDetector, Generator, SilenceDetector, Tone};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, WindowFunction};

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).expect("rates are positive")
}

fn noise(len: u32) -> Vec<i16> {
    let mut state = 1_u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, _, low, high] = state.to_le_bytes();
            i16::from_le_bytes([low, high]) / 4
        })
        .collect()
}

fn resample(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample 20 ms");
    group.throughput(Throughput::Elements(1));
    for (from, to) in [
        (8000, 16_000),
        (16_000, 8000),
        (8000, 48_000),
        (48_000, 8000),
        (16_000, 48_000),
        (48_000, 16_000),
        (8000, 12_000),
        (24_000, 8000),
        (32_000, 12_000),
        (44_100, 8000),
    ] {
        let mut resampler = Resampler::new(rate(from), rate(to)).expect("rates within bounds");
        let input = noise(from / 50);
        let mut out = vec![0; resampler.output_len(input.len())];
        group.bench_function(format!("{from} to {to}"), |b| {
            b.iter(|| resampler.process(black_box(&input), &mut out));
        });
    }
    for (from, to) in [
        (8000_u32, 16_000_u32),
        (16_000, 8000),
        (8000, 48_000),
        (48_000, 8000),
    ] {
        let frames = usize::try_from(from / 50).expect("a frame is short");
        let taps = usize::try_from(48 * from.max(to) / to).expect("a filter is short");
        let parameters = SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris);
        let ratio = f64::from(to) / f64::from(from);
        let mut theirs =
            Async::<f32>::new_sinc(ratio, 1.0, &parameters, frames, 1, FixedAsync::Input)
                .expect("parameters are valid");
        let input: Vec<f32> = noise(from / 50).into_iter().map(f32::from).collect();
        let mut out = vec![0.0; theirs.output_frames_max()];
        let room = out.len();
        group.bench_function(format!("{from} to {to}, rubato"), |b| {
            b.iter(|| {
                let input = InterleavedSlice::new(black_box(&input), 1, frames).expect("sizes");
                let mut out = InterleavedSlice::new_mut(&mut out, 1, room).expect("sizes");
                theirs.process_into_buffer(&input, &mut out, None)
            });
        });
    }
    group.finish();
}

fn tone(c: &mut Criterion) {
    let mut group = c.benchmark_group("tone 20 ms");
    group.throughput(Throughput::Elements(1));
    let digit = Digit::from_char('5').expect("a key");
    let tone = Tone::dtmf(digit, -10.0, Duration::MAX, Duration::ZERO);
    for hz in [8000, 16_000, 48_000] {
        let mut detector = DtmfDetector::new(rate(hz)).expect("a rate within bounds");
        let mut samples = noise(hz / 50);
        group.bench_function(format!("detect DTMF in noise, {hz}"), |b| {
            b.iter(|| {
                detector.process(black_box(&samples), |e| {
                    black_box(e);
                })
            });
        });
        let mut generator = Generator::new(&tone, rate(hz)).expect("a tone within bounds");
        group.bench_function(format!("generate DTMF, {hz}"), |b| {
            b.iter(|| generator.fill(black_box(&mut samples)));
        });
        group.bench_function(format!("detect DTMF in a digit, {hz}"), |b| {
            b.iter(|| {
                detector.process(black_box(&samples), |e| {
                    black_box(e);
                })
            });
        });
    }
    let mut silence = SilenceDetector::new(rate(8000), -50.0, Duration::from_millis(200));
    let samples = noise(160);
    group.bench_function("detect silence, 8000", |b| {
        b.iter(|| silence.process(black_box(&samples)));
    });
    group.finish();
}

criterion_group!(benches, resample, tone);
criterion_main!(benches);
