//! `unprotect(protect(p)) == p`, and what stands on the wire between.

use proptest::prelude::*;

use super::*;
use crate::buf::{PAYLOAD_MAX, TAILROOM};
use crate::wire::rtp::Extension;

fn any_params() -> impl Strategy<Value = SrtpParams> {
    let mki = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=Mki::MAX_LEN));
    let suite = proptest::sample::select(CryptoSuite::ALL.to_vec());
    (suite, mki, any::<[bool; 3]>()).prop_map(|(suite, mki, flags)| SrtpParams {
        key: MasterKey::generate(suite),
        mki: mki.map(|bytes| Mki::new(&bytes).unwrap()),
        unencrypted_srtp: flags[0],
        unencrypted_srtcp: flags[1],
        unauthenticated_srtp: flags[2],
    })
}

fn any_rtp() -> impl Strategy<Value = Vec<u8>> {
    let csrcs = proptest::collection::vec(any::<u32>().prop_map(Ssrc::new), 0..16);
    let words = proptest::option::of((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..20)));
    let payload = proptest::collection::vec(any::<u8>(), 0..1400);
    let numbers = (any::<u16>(), any::<u32>(), any::<u32>());
    (csrcs, words, payload, numbers, any::<u8>(), any::<bool>()).prop_map(
        |(csrcs, words, payload, (seq, timestamp, ssrc), padding, marker)| {
            let header = RtpHeader::new(
                PayloadType::new(96).unwrap(),
                SeqNo::new(seq),
                RtpTimestamp::new(timestamp),
                Ssrc::new(ssrc),
            );
            let data = words.as_ref().map_or(vec![], |(_, data)| data.repeat(4));
            let mut builder = RtpBuilder::new(header.with_marker(marker), &payload)
                .csrcs(&csrcs)
                .padding(padding);
            if let Some((profile, _)) = words {
                builder = builder.extension(Extension {
                    profile,
                    data: &data,
                });
            }
            builder.to_vec().unwrap()
        },
    )
}

proptest! {
    #[test]
    fn rtp_comes_back(params in any_params(), plain in any_rtp()) {
        let (mut protector, mut unprotector) = pair(&params);
        let protected = protect(&mut protector, &plain).unwrap();
        let suite = params.suite();
        let tag_len = if params.unauthenticated_srtp && !suite.is_aead() { 0 } else { suite.tag_len() };
        let mki_len = params.mki.map_or(0, |mki| mki.as_bytes().len());
        prop_assert_eq!(protected.len(), plain.len() + tag_len + mki_len);
        prop_assert_eq!(&protected[..12], &plain[..12]);
        let mut packet = packet(&protected);
        let index = unprotector.unprotect_rtp(&mut packet).unwrap();
        prop_assert_eq!(packet.as_slice(), plain);
        prop_assert_eq!(index.sequence_number(), RtpHeader::parse(&protected).unwrap().sequence_number());
    }

    #[test]
    fn rtcp_comes_back(params in any_params(), ssrc: u32, rest in proptest::collection::vec(any::<u8>(), 0..1400)) {
        let (mut protector, mut unprotector) = pair(&params);
        let plain = [&[0x80, 201, 0, 1], &ssrc.to_be_bytes()[..], &rest].concat();
        for index in 0_u32..3 {
            let protected = protect_rtcp(&mut protector, &plain).unwrap();
            let mki_len = params.mki.map_or(0, |mki| mki.as_bytes().len());
            prop_assert_eq!(protected.len(), plain.len() + 4 + params.suite().rtcp_tag_len() + mki_len);
            prop_assert_eq!(protector.next_rtcp_index(Ssrc::new(ssrc)), Some(index + 1));
            prop_assert_eq!(unprotect_rtcp(&mut unprotector, &protected), Ok(plain.clone()));
        }
    }
}

#[test]
fn payload_is_hidden_unless_the_suite_or_the_parameters_say_otherwise() {
    for suite in CryptoSuite::ALL {
        let null = matches!(
            suite,
            CryptoSuite::NullHmacSha1_80 | CryptoSuite::NullHmacSha1_32
        );
        for clear in [false, true] {
            let params = SrtpParams {
                unencrypted_srtp: clear,
                unencrypted_srtcp: clear,
                ..params(suite)
            };
            let (mut protector, _) = pair(&params);
            let (plain, plain_rtcp) = (rtp(1), rtcp());
            let protected = protect(&mut protector, &plain).unwrap();
            assert_eq!(protected.starts_with(&plain), clear || null, "{suite:?}");
            let protected = protect_rtcp(&mut protector, &plain_rtcp).unwrap();
            assert_eq!(
                protected.starts_with(&plain_rtcp),
                clear || null,
                "{suite:?}"
            );
        }
    }
}

#[test]
fn whether_srtcp_is_encrypted_is_said_by_the_packet() {
    for suite in CryptoSuite::ALL {
        let clear = SrtpParams {
            unencrypted_srtcp: true,
            ..params(suite)
        };
        for (from, to) in [(params(suite), clear.clone()), (clear, params(suite))] {
            let (mut protector, mut unprotector) = (Protector::new(&from), Unprotector::new(&to));
            let protected = protect_rtcp(&mut protector, &rtcp()).unwrap();
            assert_eq!(unprotect_rtcp(&mut unprotector, &protected), Ok(rtcp()));
        }
    }
}

#[test]
fn largest_packet_has_room_for_every_trailer() {
    let mki = Mki::new(&[7; Mki::MAX_LEN]);
    for suite in CryptoSuite::ALL {
        let params = SrtpParams {
            mki,
            ..params(suite)
        };
        let (mut protector, mut unprotector) = pair(&params);
        let mut plain = rtp(1);
        plain.resize(PAYLOAD_MAX, 1);
        let mut protected = packet(&plain);
        protector.protect_rtp(&mut protected).unwrap();
        unprotector.unprotect_rtp(&mut protected).unwrap();
        assert_eq!(protected.as_slice(), plain);
        let mut plain = rtcp();
        plain.resize(PAYLOAD_MAX, 1);
        let mut protected = packet(&plain);
        protector.protect_rtcp(&mut protected).unwrap();
        unprotector.unprotect_rtcp(&mut protected).unwrap();
        assert_eq!(protected.as_slice(), plain);
    }
}

#[test]
fn packet_without_room_stays_as_it_is() {
    let mut protector = Protector::new(&params(CryptoSuite::AesCm128HmacSha1_80));
    let mut full = packet(&rtp(1));
    assert!(full.grow(PAYLOAD_MAX + TAILROOM - full.len() - 9));
    let before = full.as_slice().to_vec();
    assert_eq!(protector.protect_rtp(&mut full), Err(ProtectError::NoRoom));
    assert_eq!(full.as_slice(), before);
    let mut full = packet(&rtcp());
    assert!(full.grow(PAYLOAD_MAX + TAILROOM - full.len() - 13));
    assert_eq!(protector.protect_rtcp(&mut full), Err(ProtectError::NoRoom));
    assert_eq!(protector.sources, Default::default());
}
