//! What strangers send.

use media_core::testing::Rng;
use proptest::prelude::*;

use super::*;

/// E and index, where a packet of this suite has them.
fn word_at(suite: CryptoSuite, packet: &[u8]) -> usize {
    let behind = if suite.is_aead() {
        0
    } else {
        suite.rtcp_tag_len()
    };
    packet.len() - behind - 4
}

#[test]
fn forged_srtcp_with_e0_is_refused_under_every_suite() {
    for suite in CryptoSuite::ALL {
        let (mut protector, mut unprotector) = pair(&params(suite));
        // A goodbye by someone without the key: in the clear, E 0, some index, zeros for a tag.
        for index in [0_u32, 1, 77, (1 << 31) - 1] {
            let zeros = vec![0; suite.rtcp_tag_len()];
            let index = index.to_be_bytes();
            let trailer = if suite.is_aead() {
                [&zeros[..], &index].concat()
            } else {
                [&index, &zeros[..]].concat()
            };
            let forged = [&rtcp()[..], &trailer].concat();
            let refused = unprotect_rtcp(&mut unprotector, &forged);
            assert_eq!(refused, Err(UnprotectError::BadTag), "{suite:?}");
        }
        // A true packet whose E was cleared, or set.
        let mut changed = protect_rtcp(&mut protector, &rtcp()).unwrap();
        let at = word_at(suite, &changed);
        changed[at] ^= 0x80;
        let refused = unprotect_rtcp(&mut unprotector, &changed);
        assert_eq!(refused, Err(UnprotectError::BadTag), "{suite:?}");
    }
}

#[test]
fn junk_of_up_to_64_bytes_is_refused_without_a_panic() {
    let mut rng = Rng::new(3);
    for suite in CryptoSuite::ALL {
        for mki in [None, Mki::new(&[0]), Mki::new(&[0; Mki::MAX_LEN])] {
            let params = SrtpParams {
                mki,
                ..params(suite)
            };
            let mut unprotector = Unprotector::new(&params);
            for len in 0..=64 {
                let mut inputs = vec![vec![0; len], vec![0xff; len], vec![0x80; len]];
                for n in 0..20 {
                    let mut bytes = vec![0; len];
                    rng.fill(&mut bytes);
                    // Most of random bytes are not of version 2.
                    if let Some(first) = bytes.first_mut().filter(|_| n % 2 == 0) {
                        *first = *first & 0x3f | 0x80;
                    }
                    inputs.push(bytes);
                }
                for bytes in inputs {
                    assert!(unprotect(&mut unprotector, &bytes).is_err());
                    assert!(unprotect_rtcp(&mut unprotector, &bytes).is_err());
                }
            }
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let mut unprotector = Unprotector::new(&params(CryptoSuite::AesCm128HmacSha1_80));
    let mut check = |bytes: &[u8], expected| {
        assert_eq!(unprotect(&mut unprotector, bytes), Err(expected));
    };
    let plain = rtp(1);
    check(&[], UnprotectError::TooShort);
    check(&plain[..11], UnprotectError::TooShort);
    check(&plain[..21], UnprotectError::TooShort);
    check(&plain, UnprotectError::BadTag);
    check(&[0; 100], UnprotectError::Malformed);
    check(&[0x9f; 20], UnprotectError::Malformed);
    let mut check = |bytes: &[u8], expected| {
        assert_eq!(unprotect_rtcp(&mut unprotector, bytes), Err(expected));
    };
    check(&rtcp()[..21], UnprotectError::TooShort);
    check(&[0; 100], UnprotectError::Malformed);
    check(&rtcp(), UnprotectError::BadTag);
}

#[test]
fn what_is_no_packet_is_not_protected() {
    for suite in CryptoSuite::ALL {
        let mut protector = Protector::new(&params(suite));
        let truncated = [0x91; 14];
        for bytes in [&[][..], &[0x80; 11], &[0; 100], &truncated] {
            let refused = protect(&mut protector, bytes);
            assert_eq!(refused, Err(ProtectError::Malformed));
        }
        for bytes in [&[][..], &[0x80; 7], &[0; 100]] {
            let refused = protect_rtcp(&mut protector, bytes);
            assert_eq!(refused, Err(ProtectError::Malformed));
        }
        assert_eq!(protector.sources, Default::default());
    }
}

proptest! {
    /// Whichever bit of a packet is changed, it is refused and nothing changes ([`unprotect`] looks), and
    /// then the true packet is accepted. In every position of a stream: first, middle, after a wrap.
    #[test]
    fn failed_packet_changes_no_state(
        suite in proptest::sample::select(CryptoSuite::ALL.to_vec()),
        before in 0_u16..5,
        first in prop_oneof![Just(0_u16), Just(65_533), any::<u16>()],
        byte: proptest::sample::Index,
        bit in 0_u8..8,
    ) {
        let (mut protector, mut unprotector) = pair(&params(suite));
        for n in 0..before {
            let protected = protect(&mut protector, &rtp(first.wrapping_add(n))).unwrap();
            unprotect(&mut unprotector, &protected).unwrap();
            let protected = protect_rtcp(&mut protector, &rtcp()).unwrap();
            unprotect_rtcp(&mut unprotector, &protected).unwrap();
        }
        let plain = rtp(first.wrapping_add(before));
        let protected = protect(&mut protector, &plain).unwrap();
        let mut changed = protected.clone();
        changed[byte.index(protected.len())] ^= 1_u8 << bit;
        prop_assert!(unprotect(&mut unprotector, &changed).is_err());
        prop_assert_eq!(unprotect(&mut unprotector, &protected), Ok(plain));

        let protected = protect_rtcp(&mut protector, &rtcp()).unwrap();
        let mut changed = protected.clone();
        changed[byte.index(protected.len())] ^= 1_u8 << bit;
        prop_assert!(unprotect_rtcp(&mut unprotector, &changed).is_err());
        prop_assert_eq!(unprotect_rtcp(&mut unprotector, &protected), Ok(rtcp()));
    }

    /// The same for protecting: an error leaves context and packet as they were.
    #[test]
    fn failed_protection_changes_no_state(
        suite in proptest::sample::select(CryptoSuite::ALL.to_vec()),
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut protector = Protector::new(&params(suite));
        for seq in [65_000, 65_100] {
            protect(&mut protector, &rtp(seq)).unwrap();
        }
        for plain in [bytes, rtp(65_100)] {
            let before = protector.sources.clone();
            let mut packet = packet(&plain);
            if protector.protect_rtp(&mut packet).is_err() {
                prop_assert_eq!(&protector.sources, &before);
                prop_assert_eq!(packet.as_slice(), plain);
            }
        }
        // Of one behind the window it takes note: perhaps the sender counts anew.
        let window = protector.sources.rtp(Ssrc::new(SSRC));
        let late = protect(&mut protector, &rtp(65_001));
        prop_assert_eq!(late, Err(ProtectError::TooOld));
        prop_assert_eq!(protector.sources.rtp(Ssrc::new(SSRC)), window);
    }
}
