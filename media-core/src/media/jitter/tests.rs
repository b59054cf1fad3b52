use proptest::prelude::*;

use super::*;

const FRAME_US: u64 = 20_000;

fn push(buffer: &mut JitterBuffer<u16>, n: u16, at_us: u64) -> Result<(), Refused> {
    buffer.push(
        SeqNo::new(n),
        RtpTimestamp::new(u32::from(n) * 160),
        ClockRate::new(8000),
        at_us,
        n,
    )
}

fn drain(buffer: &mut JitterBuffer<u16>, at_us: u64) -> Vec<(u16, u16)> {
    std::iter::from_fn(|| buffer.pop(at_us))
        .map(|released| (released.item, released.missing))
        .collect()
}

#[test]
fn packets_in_order_leave_at_once() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    for n in 65_500..=u16::MAX {
        assert_eq!(push(&mut buffer, n, 0), Ok(()));
        assert_eq!(drain(&mut buffer, 0), [(n, 0)]);
    }
    assert_eq!(push(&mut buffer, 0, 0), Ok(()), "the number wraps");
    assert_eq!(drain(&mut buffer, 0), [(0, 0)]);
}

#[test]
fn overtaken_packet_is_waited_for() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    push(&mut buffer, 10, 0).unwrap();
    drain(&mut buffer, 0);
    push(&mut buffer, 12, FRAME_US).unwrap();
    assert_eq!(drain(&mut buffer, FRAME_US), []);
    push(&mut buffer, 11, FRAME_US + 5).unwrap();
    assert_eq!(drain(&mut buffer, FRAME_US + 5), [(11, 0), (12, 0)]);
}

#[test]
fn missing_packet_is_given_up_when_enough_have_passed_it_or_time_has() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    push(&mut buffer, 10, 0).unwrap();
    drain(&mut buffer, 0);
    push(&mut buffer, 12, 1).unwrap();
    push(&mut buffer, 13, 2).unwrap();
    push(&mut buffer, 14, 3).unwrap();
    assert_eq!(drain(&mut buffer, 3), []);
    push(&mut buffer, 15, 4).unwrap();
    let left = drain(&mut buffer, 4);
    assert_eq!(left, [(12, 1), (13, 0), (14, 0), (15, 0)]);
    assert_eq!(push(&mut buffer, 11, 5), Err(Refused::Late));

    push(&mut buffer, 18, 10).unwrap();
    let due = buffer.due_us().unwrap();
    assert_eq!(drain(&mut buffer, due - 1), []);
    assert_eq!(drain(&mut buffer, due), [(18, 2)]);
}

#[test]
fn stream_that_only_loses_is_soon_not_kept_waiting() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    for n in 0..1000_u16 {
        let _ = push(&mut buffer, n, u64::from(n) * FRAME_US);
        drain(&mut buffer, u64::from(n) * FRAME_US);
    }
    push(&mut buffer, 1001, 0).unwrap();
    assert_eq!(drain(&mut buffer, 0), [(1001, 1)]);
    // Once something is seen to come late, the next gap is waited for again.
    assert_eq!(push(&mut buffer, 1000, 0), Err(Refused::Late));
    push(&mut buffer, 1003, 0).unwrap();
    assert_eq!(drain(&mut buffer, 0), []);
}

#[test]
fn packets_that_overtake_each_other_are_not_lost() {
    // Each is up to 80 ms late, whatever the others are: netem's `delay 40ms 40ms`.
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut arrivals: Vec<(u64, u16)> = (0..300_u16)
            .map(|n| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // What overtakes the very first is taken for the first.
                let late_us = if n == 0 { 0 } else { (random >> 33) % 80_000 };
                (u64::from(n) * FRAME_US + late_us, n)
            })
            .collect();
        arrivals.sort_unstable();
        let mut buffer = JitterBuffer::new(Hold::Order);
        let mut left = 0;
        for (at_us, n) in arrivals {
            let _ = push(&mut buffer, n, at_us);
            left += drain(&mut buffer, at_us).len();
        }
        left += drain(&mut buffer, u64::MAX).len();
        assert_eq!(left, 300, "seed {seed}");
    }
}

#[test]
fn duplicates_are_refused() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    push(&mut buffer, 1, 0).unwrap();
    drain(&mut buffer, 0);
    push(&mut buffer, 3, 0).unwrap();
    assert_eq!(push(&mut buffer, 3, 0), Err(Refused::Duplicate));
    assert_eq!(push(&mut buffer, 1, 0), Err(Refused::Late));
}

#[test]
fn numbers_far_away_begin_anew() {
    let mut buffer = JitterBuffer::new(Hold::Order);
    push(&mut buffer, 1000, 0).unwrap();
    drain(&mut buffer, 0);
    push(&mut buffer, 5, 0).unwrap();
    assert_eq!(drain(&mut buffer, 0), [(5, 0)]);
    push(&mut buffer, 40_000, 0).unwrap();
    assert_eq!(drain(&mut buffer, 0), [(40_000, 0)]);
}

#[test]
fn fixed_delay_spaces_packets_evenly() {
    let hold = Hold::Delay {
        min_ms: 60,
        max_ms: 60,
    };
    let mut buffer = JitterBuffer::new(hold);
    let mut left = Vec::new();
    // Each third packet is 30 ms late.
    for ms in 0..2000_u64 {
        let at_us = ms * 1000;
        for n in 0..80_u16 {
            let jitter = if n % 3 == 1 { 30_000 } else { 0 };
            if u64::from(n) * FRAME_US + jitter == at_us {
                push(&mut buffer, n, at_us).unwrap();
            }
        }
        left.extend(drain(&mut buffer, at_us).into_iter().map(|(n, _)| (n, ms)));
    }
    assert_eq!(left.len(), 80);
    for (n, ms) in left {
        assert_eq!(ms, u64::from(n) * 20 + 60, "packet {n}");
    }
}

#[test]
fn adaptive_delay_grows_with_jitter_and_shrinks_again() {
    let hold = Hold::Delay {
        min_ms: 0,
        max_ms: 300,
    };
    let mut buffer = JitterBuffer::new(hold);
    let mut run = |from: u16, to: u16, jitter_us: u64| {
        for n in from..to {
            let late = if n % 5 == 0 { jitter_us } else { 0 };
            let at_us = u64::from(n) * FRAME_US + late;
            let _ = push(&mut buffer, n, at_us);
            drain(&mut buffer, at_us);
        }
        buffer.delay_ms()
    };
    assert!(run(0, 200, 0) <= 1);
    assert!((50..60).contains(&run(200, 600, 50_000)));
    assert!(run(600, 1200, 0) <= 1);
}

#[test]
fn an_hour_of_clock_drift_does_not_add_delay() {
    for ppm in [-200_i64, 200] {
        let hold = Hold::Delay {
            min_ms: 40,
            max_ms: 40,
        };
        let mut buffer = JitterBuffer::new(hold);
        let mut delays = Vec::new();
        for n in 0..180_000_u64 {
            let wire = u16::try_from(n % 65_536).unwrap();
            let nominal = i64::try_from(n * FRAME_US).unwrap();
            let at_us = u64::try_from(nominal + nominal * ppm / 1_000_000).unwrap();
            buffer
                .push(
                    SeqNo::new(wire),
                    RtpTimestamp::new(u32::try_from(n * 160).unwrap()),
                    ClockRate::new(8000),
                    at_us,
                    wire,
                )
                .unwrap();
            let due = buffer.due_us().unwrap();
            while buffer.pop(at_us).is_some() {}
            delays.push(due.saturating_sub(at_us) / 1000);
            assert!(buffer.len() <= 4, "{ppm} ppm, packet {n}");
        }
        let last = *delays.last().unwrap();
        assert!(last <= 41, "{ppm} ppm: {last} ms");
    }
}

proptest! {
    #[test]
    fn whatever_comes_leaves_once_and_in_order(
        steps in prop::collection::vec((0_u16..40, 0_u64..60_000), 1..300),
        fixed: bool,
    ) {
        let hold = if fixed { Hold::Delay { min_ms: 20, max_ms: 80 } } else { Hold::Order };
        let mut buffer = JitterBuffer::new(hold);
        let (mut base, mut at_us, mut last) = (0_u16, 0, None::<u16>);
        let mut taken = 0;
        let mut left = 0;
        for (ahead, wait) in steps {
            at_us += wait;
            base = base.wrapping_add(1);
            taken += usize::from(push(&mut buffer, base.wrapping_add(ahead), at_us).is_ok());
            for (n, _) in drain(&mut buffer, at_us) {
                if let Some(last) = last {
                    prop_assert!(SeqNo::new(n).distance_from(SeqNo::new(last)) > 0);
                }
                last = Some(n);
                left += 1;
            }
        }
        left += drain(&mut buffer, u64::MAX - 1).len();
        prop_assert_eq!(taken, left);
    }
}
