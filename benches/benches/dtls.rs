//! What a DTLS handshake costs: both sides of it, on one core.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media_core::dtls::{
    Association, AssociationConfig, Certificate, ClientOffer, DtlsEvent, HashFunction, Role,
};
use media_core::units::Now;

fn config(role: Role, ours: &Certificate, theirs: &Certificate) -> AssociationConfig {
    let mut config = AssociationConfig::new(role, ours.clone());
    config.remote_fingerprints = theirs
        .fingerprint(HashFunction::Sha256)
        .into_iter()
        .collect();
    config
}

/// Runs a handshake without a network; returns how many sides have keys.
fn handshake(mut sides: [Association; 2], now: Instant) -> usize {
    let mut connected = 0;
    let mut is_moving = true;
    while is_moving {
        is_moving = false;
        for from in 0..2 {
            while let Some(datagram) = sides[from].poll_transmit() {
                sides[1 - from].handle_datagram(now, &datagram);
                is_moving = true;
            }
            while let Some(event) = sides[from].poll_event() {
                connected += usize::from(matches!(event, DtlsEvent::Connected { .. }));
            }
        }
    }
    connected
}

fn dtls(c: &mut Criterion) {
    let monotonic = Instant::now();
    let unix = Duration::from_secs(1_800_000_000);
    let now = Now { monotonic, unix };
    let make = || Certificate::generate(now).expect("random bytes");
    let certificates = [make(), make()];
    let mut group = c.benchmark_group("dtls");
    group.throughput(Throughput::Elements(1));
    for (name, offer) in [
        ("1.2", ClientOffer::Compatible),
        ("1.3", ClientOffer::Modern),
    ] {
        for (suffix, verify_address) in [("", false), (", address verified", true)] {
            group.bench_function(format!("handshake, {name}{suffix}"), |b| {
                b.iter(|| {
                    let [first, second] = &certificates;
                    let mut active = config(Role::Active, first, second);
                    active.client_offer = offer;
                    let mut passive = config(Role::Passive, second, first);
                    passive.verify_address = verify_address;
                    let sides = [active, passive]
                        .map(|c| Association::new(c, monotonic).expect("random bytes"));
                    assert_eq!(handshake(sides, monotonic), 2);
                });
            });
        }
    }
    group.bench_function("certificate", |b| b.iter(make));
    group.finish();
}

criterion_group!(benches, dtls);
criterion_main!(benches);
