//! G.711 to G.711 code by code: the same, bit by bit, as with samples in between.

use super::*;

/// Sends packets through; with `padded`, each has a byte of padding, which only the way over samples takes off.
fn through(plan: Plan, packets: &[(u16, Vec<u8>)], padded: bool) -> (Vec<Sent>, u64) {
    let mut bench = Bench::new(plan);
    let mut sent = Vec::new();
    let mut timestamp = 0;
    let mut last: Option<u16> = None;
    for (skipped, payload) in packets {
        let len = u32::try_from(payload.len()).unwrap();
        timestamp += u32::from(*skipped) * len;
        let seq = last.map_or(0, |last| last.wrapping_add(1 + skipped));
        last = Some(seq);
        let header = RtpHeader::new(
            pt(8),
            SeqNo::new(seq),
            RtpTimestamp::new(timestamp),
            Ssrc::new(SSRC),
        );
        let mut bytes = [&header.to_bytes()[..], payload].concat();
        if padded {
            bytes[0] |= 0x20;
            bytes.push(1);
        }
        let mut packet = bench.slab.allocate().unwrap();
        assert!(packet.fill(&bytes));
        bench.now_us += 200_000;
        bench
            .transcoder
            .push(&header, packet, bench.now_us)
            .unwrap();
        sent.extend(bench.work());
        bench.now_us += 200_000;
        sent.extend(bench.work());
        timestamp += len;
    }
    assert_eq!((bench.failed, bench.slab.free_slots()), (0, 256));
    (sent, bench.concealed)
}

/// Codes of a voice-like sound, from `at` on.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded")]
fn codes(at: usize, len: usize) -> Vec<u8> {
    let sample = |n: usize| {
        let t = n as f32 / 8000.0;
        let sum: f32 = (1_u8..9)
            .map(|k| (f32::from(k) * 137.0 * std::f32::consts::TAU * t).sin() / f32::from(k))
            .sum();
        let loud = 6000.0 * (t * 11.0).sin() * sum;
        codecs::g711::encode_a_law(loud as i16)
    };
    (at..at + len).map(sample).collect()
}

proptest! {
    /// Whatever is lost, and however long packets are.
    #[test]
    fn codes_that_skip_the_decoder_are_missed_by_nobody(
        gaps in prop::collection::vec((0_u16..40, 1_usize..4), 1..120),
        ptime_ms in prop::sample::select(vec![10_u32, 20, 30]),
    ) {
        let mut at = 0;
        let packets: Vec<(u16, Vec<u8>)> = gaps
            .iter()
            .map(|&(gap, length)| {
                // Mostly 20 ms, mostly nothing lost.
                let len = [160, 160, 80][length - 1];
                let skipped = gap.saturating_sub(34);
                at += usize::from(skipped) * len + len;
                (skipped, codes(at, len))
            })
            .collect();
        let direct = through(plan(ptime_ms), &packets, false);
        let decoded = through(plan(ptime_ms), &packets, true);
        prop_assert_eq!(direct, decoded);
    }
}

#[test]
fn a_gap_is_filled_with_what_went_by_as_codes() {
    let mut packets: Vec<(u16, Vec<u8>)> = (0..10).map(|n| (0, codes(n * 160, 160))).collect();
    packets.push((2, codes(12 * 160, 160)));
    let (sent, concealed) = through(plan(20), &packets, false);
    assert_eq!((sent.len(), concealed), (13, 2));
    let loud = |sent: &Sent| sent.4.iter().any(|code| (*code ^ 0xff) & 0x7f > 0x30);
    assert!(loud(&sent[10]), "not silence");
    let plain = through(plan(20), &packets[..10], false).0;
    assert_eq!(sent[..10], plain);
}

#[test]
fn extensions_and_contributors_do_not_go_through() {
    let mut bench = Bench::new(plan(20));
    let header = RtpHeader::new(pt(8), SeqNo::new(1), RtpTimestamp::new(0), Ssrc::new(SSRC));
    for (seq, flags) in [(1, 0x80), (2, 0x81), (3, 0x80)] {
        let mut bytes = header.to_bytes().to_vec();
        bytes[0] = flags;
        bytes[3] = seq;
        bytes[6..8].copy_from_slice(&(u16::from(seq) * 160).to_be_bytes());
        if flags == 0x81 {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.extend([0xd5; 160]);
        let mut packet = bench.slab.allocate().unwrap();
        packet.fill(&bytes);
        let header = RtpHeader::parse(&bytes).unwrap();
        bench.transcoder.push(&header, packet, 0).unwrap();
        let sent = bench.work();
        assert_eq!((sent.len(), sent[0].4.len()), (1, 160), "{flags:x}");
        assert_eq!(sent[0].4, [0xfe; 160]);
    }
}
