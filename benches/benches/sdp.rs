//! What it costs to read a session description and to write it anew for the other side.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media_core::sdp::{
    Codec, LocalMedia, LocalRtcp, LocalSecurity, OfferedCodecs, Replace, SdpOptions, Section,
    SentDescription, parse, rewrite,
};

/// A telephone's.
const PLAIN: &[u8] = include_bytes!("../../fuzz/corpus/sdp/plain-offer");
/// A browser's, audio only, 1.1 kB.
const WEBRTC: &[u8] = include_bytes!("webrtc-offer.sdp");

fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("sdp parse");
    for (name, text) in [("plain", PLAIN), ("webrtc", WEBRTC)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| parse(black_box(text)).is_ok()));
    }
    group.finish();
}

/// With what a call works out for each section, as parsing alone does not.
fn rewriting(c: &mut Criterion) {
    let options = SdpOptions {
        replace: Replace {
            origin: true,
            session_connection: true,
            ..Replace::default()
        },
        ..SdpOptions::default()
    };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut group = c.benchmark_group("sdp rewrite");
    for (name, text) in [("plain", PLAIN), ("webrtc", WEBRTC)] {
        let description = parse(text).expect("the sample is a description");
        let mut sent = SentDescription::default();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let sections = black_box(&description).params();
                let codecs: Vec<Vec<Codec>> = sections
                    .iter()
                    .map(|section| {
                        let audio = &*section.media_type == b"audio";
                        OfferedCodecs::new(&section.codecs, &options.codec, audio).shown()
                    })
                    .collect();
                let media: Vec<_> = sections
                    .iter()
                    .zip(&codecs)
                    .map(|(section, codecs)| {
                        Section::Shown(LocalMedia {
                            address,
                            port: 30_000,
                            rtcp: LocalRtcp {
                                port: 30_001,
                                mux: section.rtcp_mux,
                            },
                            protocol: &section.protocol,
                            codecs,
                            ptime_ms: section.ptime_ms,
                            mid: section.mid.as_deref(),
                            security: LocalSecurity::default(),
                        })
                    })
                    .collect();
                rewrite(
                    &description,
                    &options,
                    address,
                    &media,
                    "0123456789ab",
                    &mut sent,
                )
                .expect("one entry for each section")
                .len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parsing, rewriting);
criterion_main!(benches);
