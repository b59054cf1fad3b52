#![expect(
    clippy::cast_possible_truncation,
    reason = "samples are computed in floating point, and clamped or small"
)]

use proptest::prelude::*;

use super::tables::{CODE_6, MAGNITUDE_6, SCALE};
use super::*;

#[test]
fn magnitudes_are_those_of_a_search_through_the_decision_levels() {
    // Table 14 again, compared as the Recommendation does.
    let levels = [
        0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
        1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
    ];
    for scale in SCALE[64..=352].iter().map(|s| i32::from(*s)) {
        for e in (0..32_768).step_by(7) {
            let searched = levels.iter().rposition(|l| e >= (l * scale) >> 12);
            let ratio = (((e + 1) << 12) - 1) / scale;
            let looked_up = MAGNITUDE_6[usize::try_from(ratio.min(2919)).expect("positive")];
            assert_eq!(Some(usize::from(looked_up)), searched, "{e} at {scale}");
        }
    }
}

#[test]
fn codes_are_all_different_and_never_all_zero() {
    let mut codes: Vec<u8> = CODE_6[..30]
        .iter()
        .chain(&CODE_6[32..62])
        .copied()
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, (4..64).collect::<Vec<u8>>());
    assert_eq!((SCALE[0], SCALE[352]), (8, 16_384));
    assert_eq!(SCALE[64], 32);
}

#[test]
fn silence_is_coded_as_silence() {
    let mut encoder = G722Encoder::new();
    let mut octets = [0; 160];
    let silence = Pcm {
        format: PcmFormat::MONO_16000,
        samples: &[0; 320],
    };
    assert_eq!(encoder.encode(silence, &mut octets), Ok(160));
    let mut decoder = G722Decoder::new(Mode::Kbps64);
    let mut samples = [1; 320];
    assert_eq!(decoder.decode(&octets, &mut samples), Ok(320));
    assert!(samples.iter().all(|s| s.abs() <= 4), "{samples:?}");
}

#[test]
fn wrong_input_is_refused() {
    let mut encoder = G722Encoder::new();
    let mut out = [0; 2];
    let wide = |samples| Pcm {
        format: PcmFormat::MONO_16000,
        samples,
    };
    assert_eq!(
        encoder.encode(Pcm::mono_8000(&[0; 4]), &mut out),
        Err(CodecError::WrongFormat {
            expected: PcmFormat::MONO_16000,
            given: PcmFormat::MONO_8000
        })
    );
    assert_eq!(
        encoder.encode(wide(&[0; 3]), &mut out),
        Err(CodecError::BadLength { samples: 3 })
    );
    assert_eq!(
        encoder.encode(wide(&[0; 6]), &mut out),
        Err(CodecError::BufferTooSmall {
            needed: 3,
            available: 2
        })
    );
    let mut decoder = G722Decoder::new(Mode::Kbps64);
    assert_eq!(
        decoder.decode(&[0; 2], &mut [0; 3]),
        Err(CodecError::BufferTooSmall {
            needed: 4,
            available: 3
        })
    );
}

/// A tone's power in `samples` relative to all their power.
fn share_of_tone(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = n as f64 * hz / rate * std::f64::consts::TAU;
        let sample = f64::from(*sample);
        re += sample * angle.cos();
        im += sample * angle.sin();
        all += sample * sample;
    }
    2.0 * (re * re + im * im) / samples.len() as f64 / all
}

#[test]
fn narrow_and_wide_ends_understand_each_other() {
    let tone = |hz: f64, rate: f64, count: usize| -> Vec<i16> {
        let sample = |n| ((n as f64 * hz / rate * std::f64::consts::TAU).sin() * 8000.0) as i16;
        (0..count).map(sample).collect()
    };
    let loudness = |samples: &[i16]| {
        let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    };
    for hz in [300.0, 1000.0, 3000.0] {
        let mut octets = [0; 1600];
        let pcm = tone(hz, 8000.0, 1600);
        G722Encoder::narrowband()
            .encode(Pcm::mono_8000(&pcm), &mut octets)
            .expect("the right format");
        let mut wide = [0; 3200];
        G722Decoder::new(Mode::Kbps64)
            .decode(&octets, &mut wide)
            .expect("room enough");
        let steady = &wide[800..];
        let share = share_of_tone(steady, hz, 16_000.0);
        assert!(share > 0.98, "{hz} Hz: {share}");
        assert!((loudness(steady) / loudness(&pcm) - 1.0).abs() < 0.03);

        let format = PcmFormat::MONO_16000;
        let samples = &tone(hz, 16_000.0, 3200)[..];
        G722Encoder::new()
            .encode(Pcm { format, samples }, &mut octets)
            .expect("the right format");
        let mut narrow = [0; 1600];
        G722Decoder::narrowband(Mode::Kbps64)
            .decode(&octets, &mut narrow)
            .expect("room enough");
        let steady = &narrow[400..];
        let share = share_of_tone(steady, hz, 8000.0);
        assert!(share > 0.98, "{hz} Hz: {share}");
        assert!((loudness(steady) / loudness(samples) - 1.0).abs() < 0.03);
    }
}

#[test]
fn halves_of_packets_make_the_whole() {
    let octets: Vec<u8> = (0..=255).cycle().take(700).collect();
    let mut whole = [0; 1400];
    G722Decoder::new(Mode::Kbps64)
        .decode(&octets, &mut whole)
        .expect("room enough");
    let mut decoder = G722Decoder::new(Mode::Kbps64);
    let mut parts: Vec<i16> = Vec::new();
    for payload in octets.chunks(33) {
        let mut out = [0; 66];
        let written = decoder.decode(payload, &mut out).expect("room enough");
        parts.extend(&out[..written]);
    }
    assert_eq!(parts, whole);
}

proptest! {
    #[test]
    fn any_payload_decodes(
        payloads in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..400)), 0..6
        ),
        narrow in any::<bool>(),
        mode in prop_oneof![Just(Mode::Kbps64), Just(Mode::Kbps56), Just(Mode::Kbps48)],
    ) {
        let mut decoder = if narrow {
            G722Decoder::narrowband(mode)
        } else {
            G722Decoder::new(mode)
        };
        for (lost, payload) in payloads {
            let mut out = vec![0; decoder.samples_in(&payload)];
            if lost {
                out.push(0);
                decoder.conceal(None, &mut out);
            } else {
                prop_assert_eq!(decoder.decode(&payload, &mut out), Ok(out.len()));
            }
        }
    }

    #[test]
    fn any_samples_encode_to_codes_that_exist(
        samples in prop::collection::vec(any::<i16>(), 0..700),
        narrow in any::<bool>(),
    ) {
        let mut encoder = if narrow {
            G722Encoder::narrowband()
        } else {
            G722Encoder::new()
        };
        let samples = &samples[..samples.len() / 2 * 2];
        let mut out = vec![0; 700];
        let pcm = Pcm { format: encoder.format(), samples };
        let length = encoder.encode(pcm, &mut out).expect("an even number of samples");
        prop_assert_eq!(length, if narrow { samples.len() } else { samples.len() / 2 });
        prop_assert!(out[..length].iter().all(|octet| octet & 63 >= 4));
    }
}
