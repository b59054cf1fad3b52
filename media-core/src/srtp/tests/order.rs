//! Replays, reordering, rollover, late joins and several sources.

use media_core::testing::Rng;

use super::*;
use crate::units::ExtSeqNo;

const SUITES: [CryptoSuite; 3] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::F8_128HmacSha1_32,
];

/// Protected packets of consecutive sequence numbers from `first` on.
fn stream(protector: &mut Protector, first: u16, count: u16) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| protect(protector, &rtp(first.wrapping_add(n))).unwrap())
        .collect()
}

#[test]
fn replayed_packet_is_refused() {
    for suite in CryptoSuite::ALL {
        let (mut protector, mut unprotector) = pair(&params(suite));
        for protected in stream(&mut protector, 65_530, 12) {
            assert!(unprotect(&mut unprotector, &protected).is_ok());
            let again = unprotect(&mut unprotector, &protected);
            assert_eq!(again, Err(UnprotectError::Replayed));
        }
        let protected = protect_rtcp(&mut protector, &rtcp()).unwrap();
        assert!(unprotect_rtcp(&mut unprotector, &protected).is_ok());
        let again = unprotect_rtcp(&mut unprotector, &protected);
        assert_eq!(again, Err(UnprotectError::Replayed));
    }
}

#[test]
fn reordered_across_a_wrap() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        let packets = stream(&mut protector, 65_520, 32);
        let mut rng = Rng::new(7);
        let mut order: Vec<_> = (1..32).collect();
        for n in (1..order.len()).rev() {
            let with = usize::try_from(rng.below(n as u64 + 1)).unwrap();
            order.swap(n, with);
        }
        order.insert(0, 0);
        for n in order {
            let mut packet = packet(&packets[n]);
            let index = unprotector.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(index.get(), 65_520 + n as u64);
            let seq = index.sequence_number().get();
            assert_eq!(packet.as_slice(), rtp(seq));
        }
        assert_eq!(unprotector.roc(Ssrc::new(SSRC)), Some(Roc::new(1)));
    }
}

#[test]
fn late_packet_is_accepted_within_the_window_and_refused_behind_it() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        let packets = stream(&mut protector, 65_500, 100);
        assert!(unprotect(&mut unprotector, &packets[0]).is_ok());
        assert!(unprotect(&mut unprotector, &packets[99]).is_ok());
        assert!(unprotect(&mut unprotector, &packets[36]).is_ok());
        let late = unprotect(&mut unprotector, &packets[35]);
        assert_eq!(late, Err(UnprotectError::TooOld));
    }
}

#[test]
fn rollovers_are_followed_with_a_packet_in_twenty_lost() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        let mut rng = Rng::new(1);
        let mut lost = 0;
        for n in 0_u64..3 * 65_536 {
            let seq = ExtSeqNo::new(n).sequence_number().get();
            // Most of the way a packet in a hundred is enough; near the wraps, all are sent.
            if (500..65_000).contains(&seq) && !n.is_multiple_of(100) {
                continue;
            }
            let mut sent = packet(&rtp(seq));
            protector.protect_rtp(&mut sent).unwrap();
            if rng.chance(0.05) {
                lost += 1;
                continue;
            }
            assert_eq!(unprotector.unprotect_rtp(&mut sent), Ok(ExtSeqNo::new(n)));
        }
        assert!(lost > 50);
        assert_eq!(unprotector.roc(Ssrc::new(SSRC)), Some(Roc::new(2)));
    }
}

#[test]
fn first_packet_may_come_after_the_first_wrap() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        let packets = stream(&mut protector, 65_534, 4);
        // The two before the wrap were lost.
        assert!(unprotect(&mut unprotector, &packets[2]).is_ok());
        assert_eq!(unprotector.roc(Ssrc::new(SSRC)), Some(Roc::new(1)));
        assert!(unprotect(&mut unprotector, &packets[3]).is_ok());
        // And then they come after all.
        assert!(unprotect(&mut unprotector, &packets[0]).is_ok());
    }
}

#[test]
fn nothing_precedes_the_first_rollover() {
    let (mut protector, mut unprotector) = pair(&params(SUITES[0]));
    let packets = stream(&mut protector, 0, 1);
    assert!(unprotect(&mut unprotector, &packets[0]).is_ok());
    let mut stranger = Protector::new(&params(SUITES[0]));
    let earlier = protect(&mut stranger, &rtp(65_535)).unwrap();
    let refused = unprotect(&mut unprotector, &earlier);
    assert_eq!(refused, Err(UnprotectError::TooOld));
}

#[test]
fn late_join_takes_the_counter_that_it_is_told() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        assert!(protector.seed_roc(Ssrc::new(SSRC), Roc::new(5)));
        let packets = stream(&mut protector, 65_535, 3);
        assert_eq!(protector.roc(Ssrc::new(SSRC)), Some(Roc::new(6)));
        let refused = unprotect(&mut unprotector, &packets[0]);
        assert_eq!(refused, Err(UnprotectError::BadTag));
        assert!(unprotector.seed_roc(Ssrc::new(SSRC), Roc::new(5)));
        for protected in &packets {
            assert!(unprotect(&mut unprotector, protected).is_ok());
        }
        assert!(!unprotector.seed_roc(Ssrc::new(SSRC), Roc::new(5)));
    }
}

#[test]
fn counter_ends_with_the_key() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        for seeded in [
            protector.seed_roc(Ssrc::new(SSRC), Roc::new(u32::MAX)),
            unprotector.seed_roc(Ssrc::new(SSRC), Roc::new(u32::MAX)),
        ] {
            assert!(seeded);
        }
        let last = protect(&mut protector, &rtp(65_535)).unwrap();
        assert!(unprotect(&mut unprotector, &last).is_ok());
        let next = protect(&mut protector, &rtp(0));
        assert_eq!(next, Err(ProtectError::KeyExpired));
        let next = unprotect(&mut unprotector, &[&rtp(0)[..], &[0; 16]].concat());
        assert_eq!(next, Err(UnprotectError::KeyExpired));
        // A first packet in the lower half has no next counter to be tried under.
        let mut unprotector = Unprotector::new(&params(suite));
        assert!(unprotector.seed_roc(Ssrc::new(SSRC), Roc::new(u32::MAX)));
        let junk = unprotect(&mut unprotector, &[&rtp(0)[..], &[0; 16]].concat());
        assert_eq!(junk, Err(UnprotectError::BadTag));
    }
}

#[test]
fn srtcp_index_ends_with_the_key() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        assert!(protector.seed_rtcp_index(Ssrc::new(SSRC), (1 << 31) - 2));
        for _ in 0..2 {
            let protected = protect_rtcp(&mut protector, &rtcp()).unwrap();
            assert_eq!(unprotect_rtcp(&mut unprotector, &protected), Ok(rtcp()));
        }
        let next = protect_rtcp(&mut protector, &rtcp());
        assert_eq!(next, Err(ProtectError::KeyExpired));
        assert!(!protector.seed_rtcp_index(Ssrc::new(SSRC), 0));
    }
}

#[test]
fn index_is_never_used_twice() {
    for suite in SUITES {
        let mut protector = Protector::new(&params(suite));
        stream(&mut protector, 100, 70);
        let again = protect(&mut protector, &rtp(169));
        assert_eq!(again, Err(ProtectError::Replayed));
        let late = protect(&mut protector, &rtp(105));
        assert_eq!(late, Err(ProtectError::TooOld));
        // Skipped numbers may come late.
        stream(&mut protector, 175, 1);
        stream(&mut protector, 172, 2);
    }
}

#[test]
fn sources_have_their_own_counters_and_windows() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        for n in 0..200_u16 {
            for ssrc in 0..8_u16 {
                let seq = 65_400_u16.wrapping_add(n + ssrc * 20);
                let plain = rtp_of(ssrc.into(), seq);
                let protected = protect(&mut protector, &plain).unwrap();
                assert_eq!(unprotect(&mut unprotector, &protected), Ok(plain));
            }
        }
    }
}

#[test]
fn unauthentic_sources_take_no_place() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(&params(suite));
        let first = protect(&mut protector, &rtp(1)).unwrap();
        assert!(unprotect(&mut unprotector, &first).is_ok());
        for ssrc in 0..100 {
            let forged = [&rtp_of(ssrc, 1)[..], &[0; 16]].concat();
            let refused = unprotect(&mut unprotector, &forged);
            assert_eq!(refused, Err(UnprotectError::BadTag));
        }
        let again = unprotect(&mut unprotector, &first);
        assert_eq!(again, Err(UnprotectError::Replayed));
    }
}

#[test]
fn another_mki_is_refused() {
    for suite in CryptoSuite::ALL {
        let with = |mki| SrtpParams {
            mki: Mki::new(mki),
            ..params(suite)
        };
        let mut protector = Protector::new(&with(&[1, 2, 3, 4]));
        let protected = protect(&mut protector, &rtp(1)).unwrap();
        let protected_rtcp = protect_rtcp(&mut protector, &rtcp()).unwrap();
        let mut unprotector = Unprotector::new(&with(&[1, 2, 3, 5]));
        let refused = unprotect(&mut unprotector, &protected);
        assert_eq!(refused, Err(UnprotectError::UnknownMki));
        let refused = unprotect_rtcp(&mut unprotector, &protected_rtcp);
        assert_eq!(refused, Err(UnprotectError::UnknownMki));
        // The MKI itself is not authenticated, only looked up: none expected, none cut off.
        let mut unprotector = Unprotector::new(&params(suite));
        assert!(unprotect(&mut unprotector, &protected).is_err());
        assert!(unprotect_rtcp(&mut unprotector, &protected_rtcp).is_err());
    }
}

#[test]
fn without_authentication_nothing_is_a_replay() {
    let params = SrtpParams {
        unauthenticated_srtp: true,
        ..params(CryptoSuite::AesCm128HmacSha1_80)
    };
    let (mut protector, mut unprotector) = pair(&params);
    let packets = stream(&mut protector, 65_500, 200);
    for protected in &packets {
        assert!(unprotect(&mut unprotector, protected).is_ok());
    }
    assert_eq!(unprotector.roc(Ssrc::new(SSRC)), Some(Roc::new(1)));
    let mut again = packet(&packets[1]);
    let index = unprotector.unprotect_rtp(&mut again).unwrap();
    assert_eq!(index.get(), 65_501);
    assert_eq!(again.as_slice(), rtp(65_501));
    // SRTCP is authenticated all the same.
    let mut forged = protect_rtcp(&mut protector, &rtcp()).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let refused = unprotect_rtcp(&mut unprotector, &forged);
    assert_eq!(refused, Err(UnprotectError::BadTag));
}
