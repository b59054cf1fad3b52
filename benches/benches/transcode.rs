//! One packet of 20 ms through a transcoder, of each pair of codecs, jitter buffer and all; then the tables
//! that G.711 has alone.

use std::hint::black_box;

use benches::piece::{PAIRS, Piece};
use codecs::g711::{G711Decoder, G711Encoder};
use codecs::{Decoder as _, Encoder as _, Pcm};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn transcode(c: &mut Criterion) {
    let mut group = c.benchmark_group("transcode 20 ms");
    group.throughput(Throughput::Elements(1));
    for (from, to, name) in PAIRS {
        let mut piece = Piece::new(&from, &to).expect("codecs that have voices");
        group.bench_function(name, |b| b.iter(|| black_box(piece.packet())));
    }
    group.finish();
}

fn g711(c: &mut Criterion) {
    let mut group = c.benchmark_group("g711, 20 ms");
    group.throughput(Throughput::Elements(1));
    let payload: Vec<u8> = (0..160_u8).map(|n| n.wrapping_mul(37)).collect();
    let mut samples = [0; 160];
    let mut out = [0; 160];
    for (name, mut decoder, mut encoder) in [
        ("A-law", G711Decoder::a_law(), G711Encoder::a_law()),
        ("µ-law", G711Decoder::mu_law(), G711Encoder::mu_law()),
    ] {
        group.bench_function(format!("decode {name}"), |b| {
            b.iter(|| decoder.decode(black_box(&payload), &mut samples));
        });
        group.bench_function(format!("encode {name}"), |b| {
            b.iter(|| encoder.encode(black_box(Pcm::mono_8000(&samples)), &mut out));
        });
    }
    group.finish();
}

criterion_group!(benches, transcode, g711);
criterion_main!(benches);
