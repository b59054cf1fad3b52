//! What Q.24 and the issue ask of detection, on made signals. Real speech: `tests/talk_off.rs`.

use std::f64::consts::TAU;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::SampleRate;

const ALL: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn digits() -> impl Iterator<Item = Digit> {
    ALL.into_iter().filter_map(Digit::from_event)
}

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn play(tone: &Tone, hz: u32) -> Vec<i16> {
    let mut generator = Generator::new(tone, rate(hz)).unwrap();
    let mut all = Vec::new();
    let mut frame = [0; 160];
    loop {
        let n = generator.fill(&mut frame);
        all.extend_from_slice(&frame[..n]);
        if n < frame.len() {
            return all;
        }
    }
}

fn detect(samples: &[i16], hz: u32) -> Vec<DtmfEvent> {
    let mut detector = DtmfDetector::new(rate(hz)).unwrap();
    let mut events = Vec::new();
    detector.process(samples, |e| events.push(e));
    events
}

fn begun(events: &[DtmfEvent]) -> String {
    events
        .iter()
        .filter_map(|e| match e {
            DtmfEvent::Begin { digit, .. } => Some(digit.to_char()),
            DtmfEvent::End { .. } => None,
        })
        .collect()
}

/// Two sines of their own frequencies and levels (dBm0 each) for `on`, silence around.
struct Signal {
    hz: u32,
    frequencies: [f64; 2],
    levels: [f64; 2],
    lead: usize,
    on: usize,
}

impl Signal {
    fn of(digit: Digit) -> Self {
        Self {
            hz: 8000,
            frequencies: digit.frequencies_hz().map(f64::from),
            levels: [-10.0; 2],
            lead: 800,
            on: 320,
        }
    }

    fn samples(&self) -> Vec<i16> {
        let mut samples = vec![0.0; self.lead + self.on + usize::try_from(self.hz / 8).unwrap()];
        for (f, l) in self.frequencies.iter().zip(self.levels) {
            let amplitude = (2.0 * mean_square(l)).sqrt();
            for (n, s) in (0_u32..).zip(&mut samples[self.lead..][..self.on]) {
                *s += amplitude * (TAU * f * f64::from(n) / f64::from(self.hz) + 0.7).sin();
            }
        }
        samples.into_iter().map(to_sample).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to a sample")]
fn to_sample(x: f64) -> i16 {
    x.round() as i16
}

/// Noise of normal distribution, by a sum of twelve uniform ones.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }

    fn add(&mut self, samples: &mut [i16], dbm0: f64) {
        let deviation = mean_square(dbm0).sqrt();
        for s in samples {
            let normal: f64 = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
            *s = to_sample(f64::from(*s) + deviation * normal);
        }
    }
}

fn level_dbm0(samples: &[i16]) -> f64 {
    f64::from(level_dbov(samples)) + 3.01 + FULL_SCALE_SINE_DBM0
}

#[test]
fn digits_have_their_names_events_and_frequencies() {
    let names: String = digits().map(Digit::to_char).collect();
    assert_eq!(names, "0123456789*#ABCD");
    for digit in digits() {
        assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
        assert_eq!(Digit::from_event(digit.event()), Some(digit));
    }
    assert_eq!(Digit::from_char('d').map(Digit::event), Some(15));
    assert_eq!((Digit::from_char('E'), Digit::from_event(16)), (None, None));
    let of = |c| Digit::from_char(c).unwrap().frequencies_hz();
    assert_eq!(
        (of('1'), of('0'), of('#')),
        ([697, 1209], [941, 1336], [941, 1477])
    );
    assert_eq!((of('D'), of('*')), ([941, 1633], [941, 1209]));
}

#[test]
fn generated_level_and_length_are_as_asked() {
    for hz in [8000, 16_000, 44_100, 48_000] {
        for level in [0.0, -8.0, -24.0] {
            let tone = Tone::dtmf(Digit::from_char('5').unwrap(), level, ms(200), ms(100));
            let samples = play(&tone, hz);
            let on = usize::try_from(hz / 5).unwrap();
            assert_eq!(samples.len(), on * 3 / 2);
            let edge = usize::try_from(hz / 500).unwrap();
            let measured = level_dbm0(&samples[edge..on - edge]);
            assert!((measured - level).abs() < 0.1, "{measured}, not {level}");
            assert!(samples[on..].iter().all(|s| *s == 0));
            // Two equal sines below 0 dBm0 fit into the scale.
            assert!(!samples.contains(&i16::MAX) && !samples.contains(&i16::MIN));
        }
    }
}

#[test]
fn endless_sine_keeps_frequency_level_and_phase() {
    let tone = Tone::sine(1000.0, -10.0, Duration::MAX);
    let mut generator = Generator::new(&tone, rate(8000)).unwrap();
    let mut frame = [0; 160];
    for _ in 0..180_000 {
        assert_eq!(generator.fill(&mut frame), 160);
    }
    // An hour: whole periods of eight samples.
    let mut first = Generator::new(&tone, rate(8000)).unwrap();
    let mut expected = [0; 168];
    first.fill(&mut expected);
    let far = frame
        .iter()
        .zip(&expected[8..])
        .any(|(a, b)| (a - b).abs() > 1);
    assert!(!far, "{frame:?}");
}

#[test]
fn cadences_are_those_of_the_countries() {
    let busy = Tone::busy_europe();
    let mut generator = Generator::new(&busy, rate(8000)).unwrap();
    let mut second = [0; 8000];
    for _ in 0..3 {
        assert_eq!(generator.fill(&mut second), 8000);
        assert!((level_dbm0(&second[100..3900]) + 10.0).abs() < 0.1);
        assert!(second[4000..].iter().all(|s| *s == 0));
    }
    let mut generator = Generator::new(&Tone::ringback_uk(), rate(8000)).unwrap();
    let mut period = vec![0; 24_000];
    assert_eq!(generator.fill(&mut period), 24_000);
    let sounds = |from: usize, to: usize| level_dbov(&period[from * 8..to * 8]) > -20.0;
    let parts = [(0, 400), (400, 600), (600, 1000), (1000, 3000)];
    assert_eq!(parts.map(|(a, b)| sounds(a, b)), [true, false, true, false]);
    for tone in [
        Tone::ringback_europe(),
        Tone::ringback_north_america(),
        Tone::busy_north_america(),
    ] {
        assert!(Generator::new(&tone, rate(8000)).is_ok());
    }
}

#[test]
fn impossible_tones_are_refused() {
    let new = |tone: &Tone| Generator::new(tone, rate(8000)).map(|_| ());
    let sine = |hz| Tone::sine(hz, -10.0, ms(10));
    for hz in [4000.0, -1.0, f64::INFINITY] {
        assert_eq!(new(&sine(hz)), Err(ToneError::Frequency { hz }));
    }
    assert!(new(&sine(f64::NAN)).is_err());
    let loud = Tone {
        level_dbm0: 4.0,
        ..sine(440.0)
    };
    assert_eq!(new(&loud), Err(ToneError::Level { dbm0: 4.0 }));
    let empty = Tone::sine(440.0, -10.0, Duration::ZERO);
    assert_eq!(new(&empty), Err(ToneError::Cadence));
    for hz in [7999, 192_001] {
        let refused = DtmfDetector::new(rate(hz)).err();
        assert_eq!(refused, Some(ToneError::SampleRate { hz }));
    }
    let never = Tone {
        repeats: Some(0),
        ..sine(440.0)
    };
    assert_eq!(
        Generator::new(&never, rate(8000))
            .unwrap()
            .fill(&mut [0; 9]),
        0
    );
}

#[test]
fn every_digit_is_found_once_at_its_place_at_every_rate() {
    for hz in [8000, 16_000, 44_100, 48_000] {
        let mut samples = Vec::new();
        let mut places = Vec::new();
        for (n, digit) in (0_usize..).zip(digits()) {
            // Pauses that shift the blocks against the tones.
            samples.extend(vec![0; 37 * n]);
            let begin = u64::try_from(samples.len()).unwrap();
            places.push((digit, begin, begin + u64::from(hz / 25)));
            samples.extend(play(&Tone::dtmf(digit, -10.0, ms(40), ms(40)), hz));
        }
        samples.extend(vec![0; usize::try_from(hz / 10).unwrap()]);
        let events = detect(&samples, hz);
        assert_eq!(events.len(), 32, "{hz} Hz: {events:?}");
        let tolerance = u64::from(hz / 400);
        for (pair, (digit, begin, end)) in events.chunks(2).zip(places) {
            let &[
                DtmfEvent::Begin { digit: b, at: from },
                DtmfEvent::End { digit: e, at: to },
            ] = pair
            else {
                panic!("{hz} Hz, {digit}: {pair:?}");
            };
            assert_eq!((b, e), (digit, digit), "{hz} Hz");
            assert!(
                from.abs_diff(begin) <= tolerance,
                "{hz} Hz, {digit}: {from}, not {begin}"
            );
            assert!(
                to.abs_diff(end) <= tolerance,
                "{hz} Hz, {digit}: {to}, not {end}"
            );
        }
    }
}

#[test]
fn digit_of_40_ms_is_found_wherever_the_blocks_fall() {
    for digit in digits() {
        for lead in 800..840 {
            let samples = Signal {
                lead,
                ..Signal::of(digit)
            }
            .samples();
            assert_eq!(begun(&detect(&samples, 8000)), digit.to_string(), "{lead}");
        }
    }
}

#[test]
fn short_bursts_are_no_digits() {
    for digit in digits() {
        for lead in 800..840 {
            // 22 ms.
            let samples = Signal {
                lead,
                on: 176,
                ..Signal::of(digit)
            }
            .samples();
            assert_eq!(detect(&samples, 8000), [], "{digit} {lead}");
        }
    }
}

#[test]
fn frequencies_within_1_5_percent_are_found_and_off_by_3_5_are_not() {
    for digit in digits() {
        let nominal = Signal::of(digit).frequencies;
        let off = |row: f64, column: f64| {
            let frequencies = [nominal[0] * (1.0 + row), nominal[1] * (1.0 + column)];
            (0..40).step_by(7).map(move |lead| Signal {
                frequencies,
                lead: 800 + lead,
                on: 400,
                ..Signal::of(digit)
            })
        };
        for (row, column) in [
            (0.015, 0.015),
            (-0.015, 0.015),
            (0.015, -0.015),
            (-0.015, -0.015),
        ] {
            for signal in off(row, column) {
                let found = begun(&detect(&signal.samples(), 8000));
                assert_eq!(found, digit.to_string(), "{row} {column}");
            }
        }
        for (row, column) in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035)] {
            for signal in off(row, column) {
                let events = detect(&signal.samples(), 8000);
                assert_eq!(events, [], "{digit} {row} {column}");
            }
        }
    }
}

#[test]
fn twist_of_4_and_minus_8_db_is_found_and_of_12_is_not() {
    for digit in digits() {
        for (twist, found) in [(4.0, true), (-8.0, true), (12.0, false), (-12.0, false)] {
            let levels = [-12.0 - twist / 2.0, -12.0 + twist / 2.0];
            for lead in (800..840).step_by(7) {
                let samples = Signal {
                    levels,
                    lead,
                    ..Signal::of(digit)
                }
                .samples();
                let expected = if found {
                    digit.to_string()
                } else {
                    String::new()
                };
                assert_eq!(begun(&detect(&samples, 8000)), expected, "{twist}");
            }
        }
    }
}

#[test]
fn digits_are_found_from_0_to_minus_36_dbm0_and_not_at_minus_55() {
    for digit in digits() {
        for (level, found) in [(0.0, true), (-20.0, true), (-36.0, true), (-55.0, false)] {
            let levels = [level - 3.01; 2];
            let samples = Signal {
                levels,
                ..Signal::of(digit)
            }
            .samples();
            let expected = if found {
                digit.to_string()
            } else {
                String::new()
            };
            assert_eq!(begun(&detect(&samples, 8000)), expected, "{level}");
        }
    }
}

#[test]
fn noise_15_db_below_the_digit_loses_less_than_one_in_a_thousand() {
    let mut noise = Noise(1);
    let (mut missed, mut wrong, mut sent) = (0, 0, 0);
    for round in 0..200 {
        for digit in digits() {
            // Each tone at the limits of frequency, both with the twist of a bad line.
            let sign = if round % 2 == 0 { 1.015 } else { 0.985 };
            let twist = f64::from(round % 13) - 8.0;
            let nominal = Signal::of(digit);
            let signal = Signal {
                frequencies: nominal.frequencies.map(|f| f * sign),
                levels: [-13.0 - twist / 2.0, -13.0 + twist / 2.0],
                lead: 800 + usize::try_from(round % 40).unwrap(),
                ..nominal
            };
            let mut samples = signal.samples();
            let on = &samples[signal.lead..][..signal.on];
            let level = level_dbm0(on);
            noise.add(&mut samples, level - 15.0);
            let found = begun(&detect(&samples, 8000));
            sent += 1;
            missed += u32::from(found.is_empty());
            wrong += u32::from(!found.is_empty() && found != digit.to_string());
        }
    }
    println!("{missed} missed, {wrong} wrong of {sent}");
    assert!(
        missed * 1000 < sent && wrong == 0,
        "{missed} missed, {wrong} wrong of {sent}"
    );
}

#[test]
fn noise_alone_is_no_digit() {
    let mut samples = vec![0; 8000 * 300];
    Noise(7).add(&mut samples, -15.0);
    assert_eq!(detect(&samples, 8000), []);
}

#[test]
fn interruption_of_10_ms_does_not_split_a_digit_and_a_pause_of_40_does() {
    let digit = Digit::from_char('7').unwrap();
    for (gap, expected) in [(10, "7"), (40, "77")] {
        for lead in (0..40).step_by(3) {
            let mut samples = vec![0; lead];
            samples.extend(play(&Tone::dtmf(digit, -10.0, ms(60), ms(gap)), 8000));
            samples.extend(play(&Tone::dtmf(digit, -10.0, ms(60), ms(100)), 8000));
            assert_eq!(begun(&detect(&samples, 8000)), expected, "{gap} ms, {lead}");
        }
    }
}

#[test]
fn digits_without_a_pause_end_where_the_next_begins() {
    let [a, b] = ['1', '9'].map(|c| Digit::from_char(c).unwrap());
    let mut samples = play(&Tone::dtmf(a, -10.0, ms(100), ms(0)), 8000);
    samples.extend(play(&Tone::dtmf(b, -10.0, ms(100), ms(200)), 8000));
    let events = detect(&samples, 8000);
    let [
        DtmfEvent::Begin { .. },
        DtmfEvent::End { at, .. },
        DtmfEvent::Begin { at: next, .. },
        DtmfEvent::End { .. },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(begun(&events), "19");
    assert!(
        at <= next && at.abs_diff(800) <= 60 && next.abs_diff(800) <= 60,
        "{events:?}"
    );
}

/// Voiced speech as a source of glottal pulses through three resonances, its pitch and vowels wandering.
#[test]
fn synthetic_speech_is_no_digit() {
    let mut noise = Noise(3);
    let mut samples = Vec::new();
    let mut phase = 0.0;
    let mut state = [[0.0_f64; 2]; 3];
    let vowels = [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [570.0, 840.0, 2410.0],
        [440.0, 1020.0, 2240.0],
        [660.0, 1720.0, 2410.0],
    ];
    for n in 0_u32..8000 * 600 {
        let t = f64::from(n) / 8000.0;
        let vowel = vowels[usize::try_from(n / 1300).unwrap() % vowels.len()];
        let pitch = 160.0 + 70.0 * (TAU * 0.31 * t).sin() + 15.0 * (TAU * 5.1 * t).sin();
        phase += pitch / 8000.0;
        let mut x = if phase >= 1.0 {
            1.0
        } else {
            0.02 * (noise.uniform() - 0.5)
        };
        phase = phase.fract();
        for (f, s) in vowel.iter().zip(&mut state) {
            let radius = (-TAU / 2.0 * 70.0 / 8000.0_f64).exp();
            let y = x + 2.0 * radius * (TAU * f / 8000.0).cos() * s[0] - radius * radius * s[1];
            *s = [y, s[0]];
            x = y * (1.0 - radius);
        }
        samples.push(x);
    }
    let peak = samples.iter().fold(0.0, |p: f64, x| p.max(x.abs()));
    let samples: Vec<i16> = samples
        .iter()
        .map(|x| to_sample(x / peak * 30_000.0))
        .collect();
    assert!(level_dbov(&samples) > -30.0, "{}", level_dbov(&samples));
    assert_eq!(detect(&samples, 8000), []);
}

#[test]
fn silence_begins_after_the_hangover_and_ends_at_once() {
    assert!((level_dbov(&[i16::MIN; 160])).abs() < 0.001);
    assert!((level_dbov(&[]) + 127.0).abs() < 0.001 && (level_dbov(&[0; 9]) + 127.0).abs() < 0.001);
    let sine = play(&Tone::sine(1000.0, FULL_SCALE_SINE_DBM0, ms(100)), 8000);
    assert!((level_dbov(&sine[100..500]) + 3.01).abs() < 0.02);
    let mut detector = SilenceDetector::new(rate(8000), -50.0, ms(200));
    let loud = &sine[..160];
    // The 11th frame of 20 ms is beyond 200 ms.
    let states: Vec<bool> = (0..11).map(|_| detector.process(&[50; 160])).collect();
    assert!(states[..10].iter().all(|s| !s) && states[10]);
    assert!(!detector.process(loud) && !detector.is_silent());
    assert!(!detector.process(&[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_tones_nor_events_depend_on_the_cuts(
        event in 0..16_u8,
        hz in prop::sample::select(vec![8000_u32, 11_025, 16_000, 44_100, 48_000]),
        cuts in prop::collection::vec(1..900_usize, 1..40),
        noise in -60.0..-20.0_f64,
    ) {
        let digit = Digit::from_event(event).unwrap();
        let tone = Tone { repeats: Some(3), ..Tone::dtmf(digit, -9.0, ms(70), ms(60)) };
        let mut samples = play(&tone, hz);
        let mut generator = Generator::new(&tone, rate(hz)).unwrap();
        let mut again = vec![0; samples.len() + 900];
        let mut written = 0;
        for cut in cuts.iter().cycle() {
            let end = (written + cut).min(again.len());
            let n = generator.fill(&mut again[written..end]);
            if n == 0 {
                break;
            }
            written += n;
        }
        // How the amplitude is corrected depends on the cuts: by less than a rounding.
        prop_assert_eq!(written, samples.len());
        prop_assert!(samples.iter().zip(&again).all(|(a, b)| (a - b).abs() <= 1));
        Noise(u64::from(event)).add(&mut samples, noise);
        let whole = detect(&samples, hz);
        let mut detector = DtmfDetector::new(rate(hz)).unwrap();
        let mut events = Vec::new();
        let mut rest = &samples[..];
        for cut in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            detector.process(head, |e| events.push(e));
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events, whole);
    }
}
