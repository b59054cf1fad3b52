//! No allocation per relayed packet, protected or not, on either driver. One test in a process of its own, so that the
//! counting allocator sees the shard's thread and this one alone.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::sync::Arc;
use std::time::Duration;

use common::{Relayed, call, protected_call, rtp, start};
use counting::allocations;
use media_core::buf::Slab;
use media_core::driver::{Driver, IoChoice};
use media_core::engine::{Protection, SrtpKeys};
use media_core::srtp::{CryptoSuite, MasterKey, Protector, SrtpParams};
use media_core::units::ShardId;

const SUITES: [CryptoSuite; 3] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::Aes256CmHmacSha1_32,
    CryptoSuite::AeadAes256Gcm,
];

/// What the sides of a call send.
type Packets = [Vec<Vec<u8>>; 2];

/// Calls without protection, and calls between SRTP and RTP.
fn calls(driver: &Driver) -> Vec<(Relayed, Packets)> {
    let (plane, shard) = (driver.plane(), ShardId::new(0));
    let plain: Vec<_> = (0..1000).map(|seq| rtp(seq, &[0; 160])).collect();
    let unprotected = (0..4).map(|n| {
        let call = call(&*plane, shard, n, [false; 2]);
        (call, [plain.clone(), plain.clone()])
    });
    let protected = (4..).zip(SUITES).map(|(n, suite)| {
        let keys = SrtpKeys {
            send: SrtpParams::new(MasterKey::generate(suite)),
            receive: SrtpParams::new(MasterKey::generate(suite)),
        };
        let mut protector = Protector::new(&keys.receive);
        let slab = Slab::new(1);
        let sent = plain.iter().map(|plain| {
            let mut packet = slab.allocate().unwrap();
            assert!(packet.fill(plain));
            protector.protect_rtp(&mut packet).unwrap();
            packet.as_slice().to_vec()
        });
        let sent = sent.collect();
        let protections = [Protection::Srtp(Arc::new(keys)), Protection::None];
        let call = protected_call(&*plane, shard, n, [false; 2], protections);
        (call, [sent, plain.clone()])
    });
    unprotected.chain(protected).collect()
}

#[test]
fn a_relayed_packet_allocates_nothing() {
    for io in [IoChoice::Uring, IoChoice::Epoll] {
        let Some(driver) = start(io, 1, Duration::from_millis(1)) else {
            continue;
        };
        let calls = calls(&driver);
        let mut got = [0; 2048];
        let mut exchange = |range: std::ops::Range<usize>| {
            for seq in range {
                for (call, packets) in &calls {
                    for (side, packets) in packets.iter().enumerate() {
                        let to = call.local[side];
                        call.peers[side].send_to(&packets[seq], to).unwrap();
                    }
                }
                for (call, packets) in &calls {
                    for (side, packets) in packets.iter().enumerate() {
                        let n = call.peers[side]
                            .recv(&mut got)
                            .unwrap_or_else(|e| panic!("{io:?}: {e}; {:?}", call.counters));
                        // As long as what this side sends: both are under its own protection.
                        assert_eq!(n, packets[seq].len());
                    }
                }
            }
        };
        // First packets learn endpoints and take up the sources: that may allocate, once.
        exchange(0..50);
        let made = allocations(|| exchange(50..1000));
        assert_eq!(
            made, 0,
            "{made} allocations in 13300 relayed packets on {io:?}"
        );
    }
}
