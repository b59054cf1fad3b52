//! No allocation per protected or unprotected packet, under any suite. One test in a process of its own,
//! so that the counting allocator sees nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "common/counting.rs"]
mod counting;

use counting::allocations;
use media_core::buf::Slab;
use media_core::srtp::{CryptoSuite, MasterKey, Mki, Protector, SrtpParams, Unprotector};
use media_core::testing::packets::{RtpStream, receiver_report};
use media_core::units::{PayloadType, Ssrc};

#[test]
fn a_protected_packet_allocates_nothing() {
    let ssrc = Ssrc::new(1);
    let slab = Slab::new(1);
    let mut packet = slab.allocate().unwrap();
    let stream: Vec<_> = RtpStream::new(ssrc, PayloadType::new(0).unwrap())
        .take(100)
        .collect();
    let report = receiver_report(ssrc, &[]);
    for suite in CryptoSuite::ALL {
        let params = SrtpParams {
            mki: Mki::new(&[1]),
            ..SrtpParams::new(MasterKey::generate(suite))
        };
        let mut protector = Protector::new(&params);
        let mut unprotector = Unprotector::new(&params);
        let made = allocations(|| {
            for plain in &stream {
                assert!(packet.fill(plain));
                // And twice the sender counts anew.
                if plain[3] >= 50 {
                    packet.as_mut_slice()[2] = 0x80 - (plain[3] - 50) / 25 * 0x20;
                }
                protector.protect_rtp(&mut packet).unwrap();
                unprotector.unprotect_rtp(&mut packet).unwrap();
                assert!(unprotector.unprotect_rtp(&mut packet).is_err());
                assert!(packet.fill(&report));
                protector.protect_rtcp(&mut packet).unwrap();
                unprotector.unprotect_rtcp(&mut packet).unwrap();
            }
        });
        assert_eq!(made, 0, "{made} allocations in 200 packets of {suite:?}");
    }
    // The counter counts.
    let one = allocations(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(one, 1);
}
