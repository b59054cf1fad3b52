//! What each RTP packet costs before anyone decides where it goes: its kind, its header, its statistics.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media_core::media::stats::ReceptionStats;
use media_core::units::{ClockRate, RtpTimestamp, SeqNo};
use media_core::wire::demux::{PacketKind, classify};
use media_core::wire::rtp::RtpHeader;

/// 20 ms of PCMA.
const PACKET: &[u8] = include_bytes!("../../fuzz/corpus/rtp/pcma-20ms");

fn wire(c: &mut Criterion) {
    assert_eq!(classify(PACKET), PacketKind::Rtp);
    RtpHeader::parse(PACKET).expect("the sample is RTP");
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(1));
    group.bench_function("classify", |b| b.iter(|| classify(black_box(PACKET))));
    group.bench_function("parse RTP header", |b| {
        b.iter(|| RtpHeader::parse(black_box(PACKET)));
    });
    group.bench_function("reception statistics, in order", |b| {
        let mut stats = ReceptionStats::new();
        let mut n = 0_u16;
        let mut at_us = 0;
        b.iter(|| {
            n = n.wrapping_add(1);
            at_us += 20_000;
            // As from a sender whose clock is ours, give or take a jitter of up to 1 ms.
            let timestamp = RtpTimestamp::new(u32::try_from(at_us / 125 % (1 << 32)).unwrap_or(0));
            let arrival_us = at_us + u64::from(n % 1000);
            let clock = black_box(Some(ClockRate::HZ_8000));
            stats.on_packet(SeqNo::new(n), timestamp, arrival_us, clock, 172)
        });
        assert_eq!(
            stats.lost() + stats.duplicates(),
            0,
            "the source is in order"
        );
    });
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
