//! What it costs to read and write the control protocol's most common document.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use daemon_rtpengine::ng::bencode;

/// An offer as Kamailio sends it for a call between phones, 1.1 kB.
const OFFER: &[u8] = include_bytes!("../../fuzz/corpus/bencode/kamailio-offer");

fn offer(c: &mut Criterion) {
    let (value, used) = bencode::decode(OFFER).expect("the sample is a document");
    assert_eq!(used, OFFER.len(), "the sample is one document");
    let mut group = c.benchmark_group("bencode");
    group.throughput(Throughput::Bytes(OFFER.len() as u64));
    group.bench_function("decode offer", |b| {
        b.iter(|| bencode::decode(black_box(OFFER)).is_ok());
    });
    let mut out = Vec::with_capacity(2 * OFFER.len());
    group.bench_function("encode offer", |b| {
        b.iter(|| {
            out.clear();
            bencode::encode(black_box(&value), &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, offer);
criterion_main!(benches);
