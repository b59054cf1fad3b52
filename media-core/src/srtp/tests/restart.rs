//! Plain senders that count anew under the same SSRC.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// The number under which a packet with this one leaves, as the receiver sees it.
fn sent_as(
    protector: &mut Protector,
    unprotector: &mut Unprotector,
    seq: u16,
) -> Result<u64, ProtectError> {
    let plain = rtp(seq);
    let protected = protect(protector, &plain)?;
    let mut packet = packet(&protected);
    let index = unprotector.unprotect_rtp(&mut packet).unwrap();
    let number = index.sequence_number().get().to_be_bytes();
    // Nothing but the number has changed.
    assert_eq!(packet.as_slice()[2..4], number);
    assert_eq!(packet.as_slice()[4..], plain[4..]);
    Ok(index.get())
}

#[test]
fn a_sender_that_counts_anew_goes_on_behind_its_last() {
    for suite in CryptoSuite::ALL {
        for start in [0_u16, 1000, 32_767, 33_000, 65_535] {
            let (mut protector, mut unprotector) = pair(&params(suite));
            let mut sent = |seq| sent_as(&mut protector, &mut unprotector, seq);
            let mut expected = 40_000;
            for seq in 40_000..40_200 {
                assert_eq!(sent(seq), Ok(expected));
                expected += 1;
            }
            // To start at a number that seems to be ahead is no harm: a gap, perhaps with a rollover.
            let ahead = start.wrapping_sub(40_199_u16);
            if ahead < 0x8000 {
                expected += u64::from(ahead) - 1;
            }
            for n in 0..200_u16 {
                assert_eq!(sent(start.wrapping_add(n)), Ok(expected), "{start} + {n}");
                expected += 1;
            }
        }
    }
}

#[test]
fn packets_that_cross_each_other_after_a_restart_keep_their_places() {
    let (mut protector, mut unprotector) = pair(&params(CryptoSuite::AeadAes128Gcm));
    let mut sent = |seq| sent_as(&mut protector, &mut unprotector, seq);
    for seq in 5000..5100 {
        assert!(sent(seq).is_ok());
    }
    for (seq, index) in [(10, 5100), (12, 5102), (11, 5101), (14, 5104), (13, 5103)] {
        assert_eq!(sent(seq), Ok(index));
    }
    assert_eq!(sent(12), Err(ProtectError::Replayed));
    // And once more.
    for (seq, index) in [(20_000, 25_090), (20_001, 25_091), (3, 25_092), (4, 25_093)] {
        assert_eq!(sent(seq), Ok(index));
    }
}

#[test]
fn a_late_packet_is_no_restart_but_two_in_a_row_are() {
    let (mut protector, mut unprotector) = pair(&params(CryptoSuite::AeadAes128Gcm));
    let mut sent = |seq| sent_as(&mut protector, &mut unprotector, seq);
    for seq in (500..700).filter(|seq| seq % 100 != 0) {
        assert!(sent(seq).is_ok());
    }
    for late in [600, 600, 500] {
        assert_eq!(sent(late), Err(ProtectError::TooOld));
    }
    assert_eq!(sent(700), Ok(700));
    // It has gone on meanwhile, so this one is alone again.
    assert_eq!(sent(501), Err(ProtectError::TooOld));
    assert_eq!(sent(502), Ok(701));
    assert_eq!(sent(503), Ok(702));
}

#[test]
fn a_restart_behind_the_last_index_is_the_end_of_the_key() {
    let (mut protector, _) = pair(&params(CryptoSuite::AeadAes128Gcm));
    assert!(protector.seed_roc(Ssrc::new(SSRC), Roc::new(u32::MAX)));
    protect(&mut protector, &rtp(65_535)).unwrap();
    let next = protect(&mut protector, &rtp(40_000));
    assert_eq!(next, Err(ProtectError::KeyExpired));
}

#[test]
fn more_sources_than_places_use_no_index_twice() {
    let (mut protector, mut unprotector) = pair(&params(CryptoSuite::AeadAes128Gcm));
    let mut seen = BTreeSet::new();
    for round in 0..3_u16 {
        for ssrc in 0..40 {
            // Each time from the same number on.
            for seq in 0..3 {
                let protected = protect(&mut protector, &rtp_of(ssrc, seq));
                if let Ok(protected) = &protected {
                    assert!(seen.insert(protected[2..12].to_vec()));
                }
                assert_eq!(protected.is_ok(), round == 0);
            }
            let mut report = rtcp();
            report[4..8].copy_from_slice(&ssrc.to_be_bytes());
            let protected = protect_rtcp(&mut protector, &report).unwrap();
            assert_eq!(
                protected[protected.len() - 4..],
                [0x80, 0, 0, round.to_be_bytes()[1]]
            );
            assert_eq!(unprotect_rtcp(&mut unprotector, &protected), Ok(report));
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    /// So many packets in a row.
    Send(u8),
    /// Some are lost on the way to us.
    Skip(u16),
    /// One that is late, or comes again.
    Late(u8),
    /// The sender counts anew.
    Restart(u16),
}

fn moves() -> impl Strategy<Value = Vec<(u32, Move)>> {
    let one = prop_oneof![
        4 => (1..100_u8).prop_map(Move::Send),
        2 => (0..2000_u16).prop_map(Move::Skip),
        2 => any::<u8>().prop_map(Move::Late),
        2 => any::<u16>().prop_map(Move::Restart),
    ];
    prop::collection::vec((0..12_u32, one), 1..60)
}

proptest! {
    /// Whatever senders do: no index is used twice, and the receiver takes all that is sent.
    #[test]
    fn no_index_is_ever_used_twice(moves in moves()) {
        let (mut protector, mut unprotector) = pair(&params(CryptoSuite::AeadAes128Gcm));
        let mut next = BTreeMap::new();
        let mut used = BTreeSet::new();
        let mut send = |ssrc: u32, seq: u16| {
            let Ok(protected) = protect(&mut protector, &rtp_of(ssrc, seq)) else {
                return Ok(false);
            };
            let mut packet = packet(&protected);
            let index = unprotector.unprotect_rtp(&mut packet);
            prop_assert!(index.is_ok(), "{index:?}");
            prop_assert!(used.insert((ssrc, index.unwrap())));
            Ok(true)
        };
        for (ssrc, step) in moves {
            let seq = next.entry(ssrc).or_insert(0x4000_u16);
            match step {
                Move::Skip(by) => *seq = seq.wrapping_add(by),
                Move::Late(by) => {
                    send(ssrc, seq.wrapping_sub(u16::from(by)))?;
                }
                Move::Restart(at) => *seq = at,
                Move::Send(count) => {
                    let mut lost = 0;
                    for _ in 0..count {
                        let is_sent = send(ssrc, *seq)?;
                        // What was used within the window is a duplicate, not a restart.
                        lost += u8::from(!is_sent);
                        *seq = seq.wrapping_add(1);
                    }
                    prop_assert!(lost <= 65, "{lost} of {count} packets");
                }
            }
        }
    }
}
