//! The figures that the module promises, measured in the output samples.

use std::f64::consts::TAU;

use proptest::prelude::*;
use rubato::audioadapter_buffers::direct::InterleavedSlice;

use super::*;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn resampler(from: u32, to: u32) -> Resampler {
    Resampler::new(rate(from), rate(to)).unwrap()
}

/// Every ordered pair of different telephony rates.
fn pairs() -> impl Iterator<Item = (u32, u32)> {
    RATES_HZ
        .into_iter()
        .flat_map(|a| RATES_HZ.into_iter().map(move |b| (a, b)))
        .filter(|(a, b)| a != b)
}

fn sine(hz: u32, rate: u32, amplitude: f64, samples: u32) -> Vec<i16> {
    (0..samples)
        .map(|n| {
            let turns = u64::from(n) * u64::from(hz) % u64::from(rate);
            let turns = f64::from(u32::try_from(turns).unwrap()) / f64::from(rate);
            round(amplitude * (TAU * turns).sin())
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to a sample")]
fn round(x: f64) -> i16 {
    x.round() as i16
}

/// Amplitude of `hz` in a whole number of its periods.
fn amplitude(samples: &[i16], hz: u32, rate: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    let (step_re, step_im) = {
        let w = TAU * f64::from(hz) / f64::from(rate);
        (w.cos(), w.sin())
    };
    let (mut c, mut s) = (1.0, 0.0);
    for x in samples {
        re += c * f64::from(*x);
        im += s * f64::from(*x);
        (c, s) = (c * step_re - s * step_im, s * step_re + c * step_im);
    }
    2.0 * re.hypot(im) / f64::from(u32::try_from(samples.len()).unwrap())
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// A second of output after a second to settle.
fn converted(resampler: &mut Resampler, input: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut out = vec![0; resampler.output_len(input.len())];
    let n = resampler.process(input, &mut out).unwrap();
    assert_eq!(n, out.len());
    let skip = usize::try_from(to / 4).unwrap();
    assert!(out.len() >= skip + usize::try_from(to).unwrap(), "{from}");
    out[skip..][..usize::try_from(to).unwrap()].to_vec()
}

/// Where a frequency shows after sampling at `rate`.
fn folded(hz: u32, rate: u32) -> u32 {
    let hz = hz % rate;
    hz.min(rate - hz)
}

/// Worst deviation of the gain from 0 dB below `edge`, worst image or alias, both in dB.
fn measure(from: u32, to: u32, edge: u32, stop: u32) -> (f64, f64) {
    const LOUD: f64 = 30_000.0;
    let mut resampler = resampler(from, to);
    let (mut ripple, mut spurious) = (0.0_f64, -200.0_f64);
    // Odd numbers that share no factor with the rates keep the rounding noise white. Close to the
    // edges they come in steps of 20 Hz.
    let coarse = (0..).map(|n| 101 + 251 * n).take_while(|f| *f < from / 2);
    let fine = (0..30)
        .map(|n| edge - 301 + 21 * n)
        .filter(|f| *f < from / 2);
    let beyond = (0..30).map(|n| stop + 1 + 21 * n).filter(|f| *f < from / 2);
    for hz in coarse.chain(fine).chain(beyond).chain([edge - 1, edge]) {
        let input = sine(hz, from, LOUD, from + from / 2);
        resampler.reset();
        let out = converted(&mut resampler, &input, from, to);
        let gain = |f| db((amplitude(&out, f, to) / LOUD).max(1e-9));
        if hz <= edge {
            ripple = ripple.max(gain(hz).abs());
        }
        let mut images: Vec<u32> = (1..=to.div_ceil(from) + 1)
            .flat_map(|k| [k * from - hz, k * from + hz])
            .filter(|f| from > to || *f < to / 2)
            .map(|f| folded(f, to))
            .filter(|f| *f != folded(hz, to))
            .collect();
        if hz > stop {
            images.push(folded(hz, to));
        }
        images.sort_unstable();
        images.dedup();
        for image in images {
            spurious = spurious.max(gain(image));
        }
    }
    (ripple, spurious)
}

/// Where the passband ends that is promised.
fn edge(from: u32, to: u32) -> u32 {
    match from.min(to) {
        8000 => 3400,
        low => low * 7 / 16,
    }
}

#[test]
fn passband_is_flat_and_images_and_aliases_are_90_db_down() {
    for (from, to) in pairs() {
        let (ripple, spurious) = measure(from, to, edge(from, to), from.min(to) / 2);
        println!("{from} → {to}: ripple {ripple:.3} dB, spurious {spurious:.1} dB");
        assert!(ripple <= 0.2, "{from} → {to}: {ripple} dB");
        assert!(spurious <= -90.0, "{from} → {to}: {spurious} dB");
    }
}

#[test]
fn odd_ratios_are_as_clean_up_to_0_425_of_the_lower_rate() {
    for (from, to) in [
        (44_100, 8000),
        (8000, 44_100),
        (44_100, 48_000),
        (11_025, 16_000),
    ] {
        let low = from.min(to);
        let (ripple, spurious) = measure(from, to, low * 17 / 40, low / 2);
        println!("{from} → {to}: ripple {ripple:.3} dB, spurious {spurious:.1} dB");
        assert!(ripple <= 0.2, "{from} → {to}: {ripple} dB");
        assert!(spurious <= -90.0, "{from} → {to}: {spurious} dB");
    }
}

/// Delay in ms by the phase of two low tones: the first fixes it to a tenth, the second tells full turns.
fn measured_delay_ms(from: u32, to: u32) -> f64 {
    let phase = |hz: u32| {
        let input = sine(hz, from, 20_000.0, from + from / 2);
        let mut resampler = resampler(from, to);
        let out = converted(&mut resampler, &input, from, to);
        // The cut is at a whole number of periods of 4 Hz multiples.
        let (mut re, mut im) = (0.0, 0.0);
        for (n, x) in (0_u32..).zip(&out) {
            let turns = f64::from(hz) * f64::from(n) / f64::from(to);
            re += f64::from(*x) * (TAU * turns).cos();
            im += f64::from(*x) * (TAU * turns).sin();
        }
        // sin(w(t − d)): im/re of its correlation are cos(wd), −sin(wd).
        (-re).atan2(im) / TAU
    };
    let coarse = phase(40).rem_euclid(1.0) / 40.0;
    let turns = phase(1000);
    let fine = (turns + (coarse * 1000.0 - turns).round()) / 1000.0;
    1000.0 * fine
}

#[test]
fn delay_is_as_stated_and_at_most_3_ms() {
    for (from, to) in pairs() {
        let stated = resampler(from, to).delay().as_secs_f64() * 1000.0;
        let measured = measured_delay_ms(from, to);
        assert!(
            (measured - stated).abs() < 0.01,
            "{from} → {to}: {measured}, not {stated} ms"
        );
        assert!(stated <= 3.0, "{from} → {to}: {stated} ms");
    }
    for (from, to) in [(44_100, 8000), (8000, 44_100), (44_100, 48_000)] {
        let stated = resampler(from, to).delay().as_secs_f64() * 1000.0;
        let measured = measured_delay_ms(from, to);
        assert!(
            (measured - stated).abs() < 0.01,
            "{from} → {to}: {measured}, not {stated} ms"
        );
        assert!(stated <= 8.0, "{from} → {to}: {stated} ms");
    }
}

#[test]
fn frames_in_give_as_many_frames_out() {
    for (from, to) in pairs().chain([(44_100, 8000), (8000, 44_100), (22_050, 48_000)]) {
        let input = vec![500; usize::try_from(from / 50).unwrap()];
        let mut resampler = resampler(from, to);
        let mut out = vec![0; usize::try_from(to / 50).unwrap()];
        for _ in 0..1500 {
            assert_eq!(
                resampler.process(&input, &mut out),
                Ok(out.len()),
                "{from} → {to}"
            );
        }
        assert!(out.iter().all(|s| (490..=510).contains(s)), "{from} → {to}");
    }
}

#[test]
fn silence_stays_silence() {
    for (from, to) in pairs().chain([(44_100, 8000), (8000, 11_025)]) {
        let mut resampler = resampler(from, to);
        let mut out = vec![1; resampler.output_len(5000)];
        resampler.process(&[0; 5000], &mut out).unwrap();
        assert!(out.iter().all(|s| *s == 0), "{from} → {to}");
    }
}

#[test]
fn full_scale_is_clipped_and_never_wraps() {
    for (from, to) in pairs().chain([(44_100, 8000), (8000, 44_100)]) {
        let mut resampler = resampler(from, to);
        // A square wave of 250 Hz: the filter overshoots at its edges.
        let half = usize::try_from(from / 500).unwrap();
        let input: Vec<i16> = (0..20 * half)
            .map(|n| {
                if n / half % 2 == 0 {
                    i16::MAX
                } else {
                    i16::MIN
                }
            })
            .collect();
        let mut out = vec![0; resampler.output_len(input.len())];
        resampler.process(&input, &mut out).unwrap();
        let tail = &out[out.len() / 2..];
        assert!(
            tail.contains(&i16::MAX) && tail.contains(&i16::MIN),
            "{from} → {to}"
        );
        // Ten changes of sign, no more: a wrapped peak would add two.
        let changes = tail.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count();
        assert!((9..=11).contains(&changes), "{from} → {to}: {changes}");
    }
}

#[test]
fn equal_rates_copy_without_delay() {
    let mut same = resampler(8000, 8000);
    assert_eq!(same.delay(), Duration::ZERO);
    let mut out = [0; 3];
    assert_eq!(same.process(&[1, -2, 3], &mut out), Ok(3));
    assert_eq!(out, [1, -2, 3]);
}

#[test]
fn short_output_is_refused_and_changes_nothing() {
    let input = sine(440, 8000, 9000.0, 160);
    for (from, to) in [(8000, 16_000), (8000, 44_100)] {
        let (mut one, mut other) = (resampler(from, to), resampler(from, to));
        let needed = one.output_len(160);
        let mut out = vec![0; needed];
        assert_eq!(
            one.process(&input, &mut out[1..]),
            Err(CodecError::BufferTooSmall {
                needed,
                available: needed - 1
            })
        );
        one.process(&input, &mut out).unwrap();
        let mut expected = vec![0; needed];
        other.process(&input, &mut expected).unwrap();
        assert_eq!(out, expected);
    }
}

#[test]
fn rates_beyond_the_bounds_are_refused() {
    for (from, to) in [(1, 8000), (8000, u32::MAX), (192_001, 48_000), (3999, 8000)] {
        let refused = Resampler::new(rate(from), rate(to)).err();
        assert_eq!(
            refused,
            Some(ResampleError {
                from_hz: from,
                to_hz: to
            })
        );
    }
    for (from, to) in [(4000, 192_000), (192_000, 4000), (4001, 191_999)] {
        let mut extreme = resampler(from, to);
        let mut out = vec![0; extreme.output_len(10_000)];
        assert!(extreme.process(&[7; 10_000], &mut out).is_ok());
    }
}

/// rubato's longest filter: what both should agree on is speech-band content.
#[test]
fn speech_band_is_what_rubato_makes_of_it() {
    use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, WindowFunction};
    let mix: Vec<i16> = (0..8000)
        .map(|n| {
            let t = f64::from(n) / 8000.0;
            let parts = [
                (313.0, 6000.0),
                (1277.0, 5000.0),
                (2141.0, 4000.0),
                (3083.0, 3000.0),
            ];
            round(parts.iter().map(|(f, a)| a * (TAU * f * t).sin()).sum())
        })
        .collect();
    for to in [16_000, 48_000] {
        let mut ours = resampler(8000, to);
        let mut out = vec![0; ours.output_len(mix.len())];
        ours.process(&mix, &mut out).unwrap();
        // Its outputs are one stored phase late: many phases make that small.
        let parameters = SincInterpolationParameters::new(256, WindowFunction::BlackmanHarris2)
            .oversampling_factor(2048);
        let ratio = f64::from(to) / 8000.0;
        let mut theirs =
            Async::new_sinc(ratio, 1.0, &parameters, 8000, 1, FixedAsync::Input).unwrap();
        let input: Vec<f32> = mix.iter().map(|s| f32::from(*s)).collect();
        let input = InterleavedSlice::new(&input, 1, 8000).unwrap();
        let reference = theirs.process_all(&input, 8000, None).unwrap().take_data();
        let delay = ours.delay().as_secs_f64() * f64::from(to);
        assert!(
            delay.fract() < 1e-4 || delay.fract() > 0.9999,
            "whole samples at the common rate"
        );
        // What it calls its first sample is the second.
        let delay = usize::from(round(delay).unsigned_abs()) + 1;
        let (mut error, mut power) = (0.0, 0.0);
        for (a, b) in out[delay..].iter().zip(&reference).skip(2000).take(8000) {
            error += (f64::from(*a) - f64::from(*b)).powi(2);
            power += f64::from(*b).powi(2);
        }
        // Our ripple of 0.12 dB is a deviation of −37 dB.
        let db = 10.0 * (error / power).log10();
        assert!(db < -36.0, "8000 → {to}: {db} dB");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn output_does_not_depend_on_how_the_input_is_cut(
        pair in 0..34_usize,
        seed in any::<u32>(),
        cuts in prop::collection::vec(0..700_usize, 1..20),
    ) {
        let odd = [(44_100, 8000), (8000, 44_100), (16_000, 11_025), (48_000, 47_999)];
        let (from, to) = pairs().chain(odd).nth(pair).unwrap();
        let total: usize = cuts.iter().sum();
        let mut state = seed;
        let input: Vec<i16> = (0..total)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [_, _, low, high] = state.to_le_bytes();
                i16::from_le_bytes([low, high])
            })
            .collect();
        let mut whole = resampler(from, to);
        let mut expected = vec![0; whole.output_len(total)];
        whole.process(&input, &mut expected).unwrap();
        let mut cut = resampler(from, to);
        let mut out = Vec::new();
        let mut rest = &input[..];
        for len in cuts {
            let (head, tail) = rest.split_at(len);
            let mut piece = vec![0; cut.output_len(len)];
            cut.process(head, &mut piece).unwrap();
            out.extend(piece);
            rest = tail;
        }
        prop_assert_eq!(out, expected);
    }
}
