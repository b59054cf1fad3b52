//! No allocation per packet, relayed, protected or transcoded, on either driver. One test in a process of its own, so that the
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

use common::{Relayed, call, call_with, protected_call, rtp, start};
use counting::allocations;
use media_core::buf::Slab;
use media_core::driver::{Driver, IoChoice};
use media_core::engine::{Protection, SrtpKeys};
use media_core::media::transcode::{CodecUse, Plan, Rule};
use media_core::srtp::{CryptoSuite, MasterKey, Protector, SrtpParams};
use media_core::units::{PayloadType, ShardId};

const SUITES: [CryptoSuite; 3] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::Aes256CmHmacSha1_32,
    CryptoSuite::AeadAes256Gcm,
];

/// What the sides of a call send.
type Packets = [Vec<Vec<u8>>; 2];

/// Calls without protection, calls between SRTP and RTP, and calls between PCMU and PCMA.
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
    let transcoded = (100..104).map(|n| {
        let call = call_with(&*plane, shard, n, [false; 2], |side, route| {
            let [from, to] = [("PCMU", 0), ("PCMA", 8)];
            let (from, to) = if side == 0 { (from, to) } else { (to, from) };
            route.transcode = Some(Arc::new(plan(from, to)));
        });
        let mut alaw = plain.clone();
        alaw.iter_mut().for_each(|packet| packet[1] = 8);
        (call, [plain.clone(), alaw])
    });
    unprotected.chain(protected).chain(transcoded).collect()
}

fn plan(from: (&str, u8), to: (&str, u8)) -> Plan {
    let [from, to] = [from, to].map(|(name, number)| CodecUse {
        codec: codecs::registry::by_name(name, 8000, 1).unwrap(),
        payload_type: PayloadType::new(number).unwrap(),
        fmtp: "".into(),
        ptime_ms: 20,
    });
    let mut plan = Plan::new(vec![(from.payload_type, Rule::Decode(from))]);
    plan.target = Some(to);
    plan
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
            "{made} allocations in 20900 relayed packets on {io:?}"
        );
    }
}
