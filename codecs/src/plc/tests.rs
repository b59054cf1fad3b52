#![expect(
    clippy::cast_possible_truncation,
    reason = "samples are computed in floating point, and clamped or small"
)]

use proptest::prelude::*;

use super::*;

/// A saw of `period` samples, which has all harmonics.
fn saw(period: usize, n: usize) -> i16 {
    i16::try_from(n % period * 12_000 / period).expect("below 12,000") - 6000
}

fn heard(rate: SampleRate, samples: impl Iterator<Item = i16>) -> Concealer {
    let mut concealer = Concealer::new(rate);
    let mut samples: Vec<i16> = samples.collect();
    let before = samples.clone();
    for packet in samples.chunks_mut(160) {
        concealer.heard(packet);
    }
    assert_eq!(samples, before, "the good path changes nothing");
    concealer
}

#[test]
fn periodic_sound_goes_on_in_phase() {
    for hz in [8000, 11_025, 16_000, 44_100, 48_000] {
        let rate = SampleRate::new(hz).expect("not 0");
        for pitch in [90, 125, 180, 330] {
            let period = usize::try_from(hz / pitch).expect("small");
            let mut concealer = heard(rate, (0..9600).map(|n| saw(period, n)));
            let mut gap = vec![0; usize::try_from(hz / 100).expect("small")];
            concealer.conceal(&mut gap);
            let wrong = gap.iter().enumerate().filter(|(n, sample)| {
                (i32::from(**sample) - i32::from(saw(period, 9600 + n))).abs() > 60
            });
            // Where one cycle passes into the next, their ends may differ by a sample.
            assert!(wrong.count() * 50 <= gap.len(), "{pitch} Hz at {hz}");
        }
    }
}

#[test]
fn loudness_falls_from_10_ms_to_silence_at_50() {
    let mut concealer = heard(SampleRate::HZ_8000, (0..1600).map(|n| saw(80, n)));
    let mut gap = [0; 640];
    for packet in gap.chunks_mut(160) {
        concealer.conceal(packet);
    }
    let peak = |ms: usize| gap[8 * ms..][..80].iter().map(|s| s.unsigned_abs()).max();
    assert_eq!(peak(0), Some(6000));
    let half = peak(25).expect("not empty");
    assert!((3000..=3900).contains(&half), "{half} between 25 and 35 ms");
    assert_eq!(gap[400..], [0; 240]);
}

#[test]
fn no_step_is_heard_where_sound_ends_and_where_it_returns() {
    // A sine's steepest step is 6000 · 2π / 73.
    let sine = |n: usize| ((n as f64 * std::f64::consts::TAU / 73.0).sin() * 6000.0) as i16;
    let steepest = 520;
    for packets in 1..6 {
        let mut concealer = heard(SampleRate::HZ_8000, (0..1600).map(sine));
        let mut all = vec![sine(1599)];
        for _ in 0..packets {
            let mut gap = [0; 160];
            concealer.conceal(&mut gap);
            all.extend(gap);
        }
        // What returns has another phase.
        for packet in 0..3 {
            let mut samples: Vec<i16> = (0..80).map(|n| sine(30 + 80 * packet + n)).collect();
            concealer.heard(&mut samples);
            all.extend(samples);
        }
        for (n, pair) in all.windows(2).enumerate() {
            let step = (i32::from(pair[0]) - i32::from(pair[1])).abs();
            assert!(step < 2 * steepest, "{step} at {n} of {packets} packets");
        }
        let rejoined = &all[all.len() - 80..];
        let expected: Vec<i16> = (0..80).map(|n| sine(190 + n)).collect();
        assert_eq!(rejoined, expected, "all real again after 10 ms");
    }
}

#[test]
fn silence_is_concealed_by_silence() {
    let mut concealer = Concealer::new(SampleRate::HZ_8000);
    let mut gap = [1; 160];
    concealer.conceal(&mut gap);
    assert_eq!(gap, [0; 160]);
}

#[test]
fn a_follower_takes_its_leaders_pitch() {
    let mut leader = heard(SampleRate::HZ_8000, (0..1600).map(|n| saw(80, n)));
    let mut follower = heard(SampleRate::HZ_8000, (0..1600).map(|n| saw(110, n)));
    let (mut lead, mut follow) = ([0; 80], [0; 80]);
    leader.conceal(&mut lead);
    follower.conceal_like(&leader, &mut follow);
    let expected: Vec<i16> = (1520..1600).map(|n| saw(110, n)).collect();
    assert_eq!(
        follow[20..60],
        expected[20..60],
        "one period of the leader's"
    );
}

proptest! {
    #[test]
    fn nothing_panics(
        hz in prop_oneof![1_u32..400_000, Just(u32::MAX)],
        calls in prop::collection::vec((any::<bool>(), 0_usize..700, any::<i16>()), 0..30),
    ) {
        let mut concealer = Concealer::new(SampleRate::new(hz).expect("not 0"));
        let mut follower = concealer.clone();
        for (lost, length, sample) in calls {
            let mut samples = vec![sample; length];
            if let Some(first) = samples.first_mut() {
                *first = !sample;
            }
            if lost {
                concealer.conceal(&mut samples);
                follower.conceal_like(&concealer, &mut samples);
            } else {
                concealer.heard(&mut samples);
            }
        }
    }
}
