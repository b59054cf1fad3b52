use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const CLOCK: Option<ClockRate> = Some(ClockRate::HZ_8000);

/// Counts packets of 20 ms that arrive exactly on time.
fn feed(stats: &mut ReceptionStats, seqs: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
    seqs.into_iter()
        .map(|n| {
            let timestamp = RtpTimestamp::new(u32::from(n) * 160);
            stats.on_packet(SeqNo::new(n), timestamp, u64::from(n) * 20_000, CLOCK, 172)
        })
        .collect()
}

fn fed(seqs: impl IntoIterator<Item = u16>) -> ReceptionStats {
    let mut stats = ReceptionStats::new();
    feed(&mut stats, seqs);
    stats
}

#[test]
fn nothing_received_is_all_zero() {
    let stats = ReceptionStats::new();
    assert_eq!(stats.expected(), 0);
    assert_eq!(stats.lost(), 0);
    assert_eq!(stats.cumulative_lost(), 0);
    assert_eq!(stats.highest_seq(), None);
    assert_eq!(stats.jitter_us(), 0);
}

#[test]
fn sequence_number_wrap_extends_the_highest() {
    let stats = fed([65534, 65535, 0, 1]);
    assert_eq!(stats.highest_seq(), Some(ExtSeqNo::new(65536 + 1)));
    assert_eq!((stats.expected(), stats.lost()), (4, 0));
    assert_eq!(stats.restarts(), 0);
}

#[test]
fn gaps_are_lost_until_they_are_filled() {
    let mut stats = fed([10, 11, 15]);
    assert_eq!((stats.expected(), stats.lost()), (6, 3));
    assert_eq!(feed(&mut stats, [13]), [Arrival::Reordered]);
    assert_eq!((stats.expected(), stats.lost()), (6, 2));
    assert_eq!(stats.reordered(), 1);
    assert_eq!(stats.octets(), 4 * 172);
}

#[test]
fn packet_before_the_first_one_belongs_to_the_sequence() {
    let stats = fed([0, 65535, 1]);
    assert_eq!((stats.expected(), stats.lost()), (3, 0));
    assert_eq!(stats.highest_seq(), Some(ExtSeqNo::new(1)));
}

#[test]
fn duplicates_do_not_hide_loss() {
    let mut stats = fed([1, 2, 4]);
    assert_eq!(feed(&mut stats, [4, 2]), [Arrival::Duplicate; 2]);
    assert_eq!(
        (stats.lost(), stats.duplicates(), stats.packets()),
        (1, 2, 5)
    );
    // RFC 3550 §A.3 lets them: expected 4, received 5.
    assert_eq!(stats.cumulative_lost(), -1);
}

#[test]
fn dropout_of_up_to_the_limit_is_loss() {
    let stats = fed([0, MAX_DROPOUT - 1]);
    assert_eq!(stats.lost(), u64::from(MAX_DROPOUT) - 2);
    let mut stats = fed([0]);
    assert_eq!(feed(&mut stats, [MAX_DROPOUT]), [Arrival::Stray]);
    assert_eq!((stats.lost(), stats.restarts()), (0, 0));
}

#[test]
fn two_consecutive_packets_elsewhere_are_a_restart() {
    let mut stats = fed([100, 102]);
    assert_eq!(
        feed(&mut stats, [40_000, 40_001, 40_002]),
        [Arrival::Stray, Arrival::Restarted, Arrival::Newest]
    );
    assert_eq!((stats.expected(), stats.lost()), (3 + 3, 1));
    assert_eq!((stats.restarts(), stats.strays()), (1, 0));
    assert_eq!(stats.highest_seq(), Some(ExtSeqNo::new(40_002)));
    // The first packet of the new sequence is remembered.
    assert_eq!(feed(&mut stats, [40_000]), [Arrival::Duplicate]);
}

#[test]
fn restart_needs_two_packets_each_time() {
    let mut stats = fed([100, 40_000, 40_001]);
    feed(&mut stats, (1..=6).map(|n| 40_001 + n * 2000));
    assert_eq!(stats.restarts(), 1);
    assert_eq!(feed(&mut stats, [40_001]), [Arrival::Stray]);
}

#[test]
fn restart_with_another_timestamp_is_not_jitter() {
    let mut stats = fed(0..50);
    for (n, seq) in (50..60).zip(40_000_u16..) {
        let timestamp = RtpTimestamp::new(n * 160 + 4000);
        stats.on_packet(
            SeqNo::new(seq),
            timestamp,
            u64::from(n) * 20_000,
            CLOCK,
            172,
        );
    }
    assert_eq!((stats.restarts(), stats.jitter_ticks()), (1, 0));
}

#[test]
fn restart_a_little_behind_is_noticed_too() {
    let mut stats = fed(1000..1010);
    let behind = 1009 - MAX_MISORDER - 1;
    assert_eq!(
        feed(&mut stats, [behind, behind + 1]),
        [Arrival::Stray, Arrival::Restarted]
    );
    assert_eq!(feed(&mut stats, [behind + 2]), [Arrival::Newest]);
    assert_eq!(stats.lost(), 0);
}

#[test]
fn stray_packets_change_neither_loss_nor_jitter() {
    let mut stats = fed(0..50);
    let stray = RtpTimestamp::new(0xdead_beef);
    for seq in [30_000, 20_000, 50_000] {
        assert_eq!(
            stats.on_packet(SeqNo::new(seq), stray, 49 * 20_000, CLOCK, 172),
            Arrival::Stray
        );
    }
    feed(&mut stats, 50..60);
    assert_eq!(
        (stats.lost(), stats.strays(), stats.jitter_ticks()),
        (0, 3, 0)
    );
    assert_eq!(stats.packets(), 63);
}

#[test]
fn new_time_base_is_not_jitter() {
    let mut stats = fed(0..50);
    for n in 50..60_u16 {
        let timestamp = RtpTimestamp::new(u32::from(n) * 160 + 0x4000_0000);
        stats.on_packet(SeqNo::new(n), timestamp, u64::from(n) * 20_000, CLOCK, 172);
    }
    assert_eq!(stats.jitter_ticks(), 0);
}

#[test]
fn packets_without_clock_leave_jitter_alone() {
    let mut stats = fed(0..10);
    for n in 10..20_u16 {
        let event_start = RtpTimestamp::new(1600);
        stats.on_packet(SeqNo::new(n), event_start, u64::from(n) * 20_000, None, 16);
    }
    feed(&mut stats, 20..30);
    assert_eq!(stats.jitter_ticks(), 0);
    assert_eq!(stats.lost(), 0);
}

#[test]
fn another_clock_keeps_the_jitter_in_time() {
    let mut stats = ReceptionStats::new();
    for n in 0..200_u16 {
        let late_us = u64::from(n % 2) * 5000;
        let timestamp = RtpTimestamp::new(u32::from(n) * 160);
        stats.on_packet(
            SeqNo::new(n),
            timestamp,
            u64::from(n) * 20_000 + late_us,
            CLOCK,
            172,
        );
    }
    let before = stats.jitter_us();
    assert!(
        (4900..=5000).contains(&before),
        "alternating by 5 ms: {before}"
    );
    let wide = ClockRate::new(48_000);
    stats.on_packet(SeqNo::new(200), RtpTimestamp::new(7), 4_000_000, wide, 172);
    assert!(stats.jitter_us().abs_diff(before) <= 20);
    assert!(stats.jitter_ticks().abs_diff(240) <= 6);
}

#[test]
fn extreme_clock_and_arrivals_do_not_overflow() {
    let mut stats = ReceptionStats::new();
    let fastest = ClockRate::new(u32::MAX);
    let slowest = ClockRate::new(1);
    for n in 0..1000_u16 {
        let timestamp = RtpTimestamp::new(if n % 2 == 0 { 0 } else { u32::MAX >> 6 });
        let arrival_us = if n % 3 == 0 { u64::MAX } else { u64::from(n) };
        let clock = if n % 97 == 0 { slowest } else { fastest };
        stats.on_packet(SeqNo::new(n), timestamp, arrival_us, clock, u64::from(n));
    }
    assert_eq!(stats.packets(), 1000);
}

/// RFC 3550 §A.8 in floating point, from all packets that arrived.
fn reference_jitter_us(arrivals: &[(u64, u32)], hz: f64) -> f64 {
    let transit = |&(arrival_us, timestamp): &(u64, u32)| {
        #[expect(clippy::cast_precision_loss, reason = "test times are below 2⁵³ µs")]
        let arrival = arrival_us as f64;
        arrival * hz / 1e6 - f64::from(timestamp)
    };
    let mut jitter = 0.0;
    for pair in arrivals.windows(2) {
        let d = (transit(&pair[1]) - transit(&pair[0])).abs();
        jitter += (d - jitter) / 16.0;
    }
    jitter * 1e6 / hz
}

proptest! {
    #[test]
    fn jitter_agrees_with_the_reference(
        delays_us in prop::collection::vec(0_u64..60_000, 2..400),
        hz in prop::sample::select(vec![8000_u32, 16_000, 48_000, 90_000]),
        start: u32,
        epoch_us in 0_u64..1 << 50,
    ) {
        let mut stats = ReceptionStats::new();
        let mut arrivals = Vec::new();
        let mut arrival_us = 0;
        for (n, delay_us) in (0_u16..).zip(&delays_us) {
            arrival_us = arrival_us.max(u64::from(n) * 20_000 + delay_us);
            let sent = u32::from(n) * (hz / 50);
            arrivals.push((arrival_us, sent));
            let timestamp = RtpTimestamp::new(start.wrapping_add(sent));
            stats.on_packet(SeqNo::new(n), timestamp, epoch_us + arrival_us, ClockRate::new(hz), 172);
        }
        let expected = reference_jitter_us(&arrivals, f64::from(hz));
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
        let measured = stats.jitter_us() as f64;
        // Whole ticks and A.8's rounding: within a tick.
        prop_assert!((measured - expected).abs() <= 1e6 / f64::from(hz) + 1.0, "{measured} {expected}");
    }

    #[test]
    fn counts_agree_with_an_oracle(
        first: u16,
        packets in prop::collection::vec((0_u8..20, 0_i64..90, 0_u8..3), 1..600),
    ) {
        // Each packet: what happens to it, how many places it is late, copies beyond the first.
        let mut sent = Vec::new();
        for (n, (fate, late, copies)) in (0_i64..).zip(&packets) {
            let late = if fate % 4 == 0 { *late } else { 0 };
            let copies = match *fate { 7 => 0, 8 => 1 + *copies, _ => 1 };
            sent.extend(std::iter::repeat_n((n + late, n), usize::from(copies)));
        }
        sent.sort_by_key(|(at, _)| *at);

        let mut stats = ReceptionStats::new();
        let mut seen = HashSet::new();
        let (mut reordered, mut duplicates) = (0, 0);
        let mut highest = i64::MIN;
        for (_, n) in &sent {
            let seq = first.wrapping_add(u16::try_from(*n).expect("below 600"));
            let expected = if !seen.insert(*n) {
                duplicates += 1;
                Arrival::Duplicate
            } else if *n < highest {
                reordered += 1;
                Arrival::Reordered
            } else {
                Arrival::Newest
            };
            highest = highest.max(*n);
            let arrival = stats.on_packet(SeqNo::new(seq), RtpTimestamp::new(0), 0, CLOCK, 100);
            prop_assert_eq!(arrival, expected);
        }
        let lowest = seen.iter().min().copied().unwrap_or(0);
        let expected = if seen.is_empty() { 0 } else { (highest - lowest + 1).cast_unsigned() };
        prop_assert_eq!(stats.packets(), sent.len() as u64);
        prop_assert_eq!(stats.octets(), 100 * sent.len() as u64);
        prop_assert_eq!(stats.expected(), expected);
        prop_assert_eq!(stats.lost(), expected - seen.len() as u64);
        prop_assert_eq!(stats.reordered(), reordered);
        prop_assert_eq!(stats.duplicates(), duplicates);
        prop_assert_eq!((stats.strays(), stats.restarts()), (0, 0));
    }

    #[test]
    fn any_sequence_keeps_the_counts_consistent(seqs in prop::collection::vec(any::<u16>(), 0..400)) {
        let mut stats = ReceptionStats::new();
        for seq in &seqs {
            stats.on_packet(SeqNo::new(*seq), RtpTimestamp::new(0), 0, CLOCK, 1);
        }
        prop_assert_eq!(
            stats.expected() - stats.lost() + stats.duplicates() + stats.strays(),
            seqs.len() as u64
        );
    }
}
