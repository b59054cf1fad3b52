//! What concealment is worth: speech with lost packets, concealed by us, by silence and by the last packet
//! again, each compared with the same decoder's output when nothing is lost.
//!
//! Needs Debian's `espeak-ng` for its sentence.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "samples are computed in floating point, and clamped or small"
)]

use std::f64::consts::TAU;
use std::process::Command;

use codecs::registry::{Codec, Settings, by_name};
use codecs::{Pcm, SampleRate};

/// How a gap is filled.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Filler {
    Nothing,
    Silence,
    LastPacket,
    Ours,
}

/// A vowel of falling and rising pitch with three formants that move, at `rate` Hz.
fn vowel(rate: f64) -> Vec<f64> {
    let mut phase = 0.0_f64;
    let sample = |n: usize| {
        let t = n as f64 / rate;
        phase += (120.0 + 25.0 * (t * 4.0).sin()) / rate;
        let formants = [
            700.0 + 100.0 * (t * 3.0).sin(),
            1200.0 + 200.0 * (t * 2.0).cos(),
            2500.0,
        ];
        (1..28)
            .map(|h| {
                let h = f64::from(h);
                let hz = h * 120.0;
                let weight: f64 = formants
                    .iter()
                    .map(|f| 1.0 / (1.0 + ((hz - f) / 120.0_f64).powi(2)))
                    .sum();
                weight * (h * phase * TAU).sin()
            })
            .sum::<f64>()
            * 2000.0
            * (0.6 + 0.4 * (t * 13.0).sin())
    };
    let count = (8.0 * rate) as usize;
    (0..count).map(sample).collect()
}

/// A sentence spoken by espeak-ng, at `rate` Hz.
fn sentence(rate: f64) -> Vec<f64> {
    let text = "The quick brown fox jumps over the lazy dog, while nine wise owls were \
                wondering why all our yellow lions are lying around in the warm rain.";
    let output = Command::new("espeak-ng")
        .args(["--stdout", "-v", "en", text])
        .output()
        .expect("espeak-ng (Debian: espeak-ng)");
    assert!(output.status.success(), "espeak-ng: {}", output.status);
    let wave = output.stdout;
    let given = f64::from(u32::from_le_bytes(
        wave[24..28].try_into().expect("4 bytes"),
    ));
    let pairs = wave[44..].chunks_exact(2);
    let samples: Vec<f64> = pairs
        .map(|p| f64::from(i16::from_le_bytes([p[0], p[1]])))
        .collect();
    // A windowed sinc of 33 samples, cut off below the lower of both rates' halves.
    let cut = 0.9 * rate.min(given) / given;
    let count = (samples.len() as f64 * rate / given) as usize;
    let at = |n: usize| {
        let centre = n as f64 * given / rate;
        let first = centre as usize;
        (first.saturating_sub(16)..(first + 17).min(samples.len()))
            .map(|i| {
                let x = i as f64 - centre;
                let sinc = if x.abs() < 1e-9 {
                    cut
                } else {
                    (x * cut * TAU / 2.0).sin() / (x * TAU / 2.0)
                };
                samples[i] * sinc * (0.5 + 0.5 * (x / 17.5 * TAU / 2.0).cos())
            })
            .sum::<f64>()
            * 0.5
    };
    (0..count).map(at).collect()
}

/// Encodes all and decodes what is not lost.
fn transmit(
    codec: &Codec,
    settings: &Settings<'_>,
    samples: &[i16],
    lost: &[bool],
    filler: Filler,
) -> Vec<i16> {
    let mut encoder = codec.encoder(settings).expect("no library to fail");
    let mut decoder = codec.decoder(settings).expect("no library to fail");
    let format = encoder.format();
    let packet = usize::try_from(format.sample_rate.get() / 50).expect("small");
    let mut last = vec![0; packet];
    let mut heard = Vec::new();
    for (samples, lost) in samples.chunks_exact(packet).zip(lost) {
        let mut payload = [0; 400];
        let length = encoder
            .encode(Pcm { format, samples }, &mut payload)
            .expect("whole packets");
        let mut out = vec![0; packet];
        match filler {
            Filler::Silence if *lost => {}
            Filler::LastPacket if *lost => out.clone_from(&last),
            Filler::Ours if *lost => decoder.conceal(None, &mut out),
            _ => {
                let written = decoder.decode(&payload[..length], &mut out);
                assert_eq!(written, Ok(packet));
            }
        }
        last.clone_from(&out);
        heard.extend(out);
    }
    heard
}

/// Windows of 32 ms, log spectra of which are compared, and the floor under them.
const WINDOW_MS: usize = 32;
const FLOOR: f64 = 3000.0;

fn log_spectrum(samples: &[i16]) -> Vec<f64> {
    let length = samples.len();
    (1..length / 2)
        .map(|bin| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in samples.iter().enumerate() {
                let hann = 0.5 - 0.5 * (n as f64 / length as f64 * TAU).cos();
                let angle = ((n * bin) % length) as f64 / length as f64 * TAU;
                re += hann * f64::from(*sample) * angle.cos();
                im += hann * f64::from(*sample) * angle.sin();
            }
            10.0 * (re * re + im * im + FLOOR * length as f64).log10()
        })
        .collect()
}

/// Means of the segmental signal to noise ratio over the gaps (dB, higher is better), and of the log-spectral
/// distance over the gaps and the packet after each (dB, lower is better). Windows reach beyond their packet, so
/// steps at either end count.
fn judge(heard: &[i16], intact: &[i16], lost: &[bool], packet: usize) -> (f64, f64) {
    let (mut snr, mut segments) = (0.0, 0.0);
    let (mut distance, mut windows) = (0.0, 0.0);
    let power = |s: &[i16]| s.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    for n in 1..lost.len() {
        let range = n * packet..(n + 1) * packet;
        // Pauses say nothing.
        let loud = power(&intact[range.clone()]) > 200.0_f64.powi(2) * packet as f64;
        if !loud || !lost[n] && !lost[n - 1] {
            continue;
        }
        if lost[n] {
            let segment = packet / 4;
            let pairs = heard[range.clone()]
                .chunks(segment)
                .zip(intact[range].chunks(segment));
            for (heard, intact) in pairs {
                let differences = heard
                    .iter()
                    .zip(intact)
                    .map(|(a, b)| f64::from(*a) - f64::from(*b));
                let error: f64 = differences.map(|d| d.powi(2)).sum();
                let ratio = 10.0 * ((power(intact) + 1.0) / (error + 1.0)).log10();
                snr += ratio.clamp(-10.0, 35.0);
                segments += 1.0;
            }
        }
        let window = packet * WINDOW_MS / 20;
        let start = (n * packet).saturating_sub((window - packet) / 2);
        let range = start..start + window;
        let Some(pair) = heard.get(range.clone()).zip(intact.get(range)) else {
            continue;
        };
        let (a, b) = (log_spectrum(pair.0), log_spectrum(pair.1));
        let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
        distance += (squares / a.len() as f64).sqrt();
        windows += 1.0;
    }
    assert!(segments > 50.0, "too little was lost to judge");
    (snr / segments, distance / windows)
}

/// One packet in ten, a third of them followed by another, the same each time.
fn losses(count: usize) -> Vec<bool> {
    let mut state = 12_345_u32;
    let mut lost = vec![false; count];
    for n in 3..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let odds = if lost[n - 1] { 3 } else { 10 };
        lost[n] = (state >> 8).is_multiple_of(odds);
    }
    lost
}

fn compare(name: &str, sample_rate: Option<SampleRate>, source: fn(f64) -> Vec<f64>) {
    let codec = by_name(name, 8000, 1).expect("it is there");
    let settings = Settings {
        sample_rate,
        ..Settings::default()
    };
    let rate = codec
        .encoder(&settings)
        .expect("no library to fail")
        .format()
        .sample_rate;
    let samples: Vec<i16> = source(f64::from(rate.get()))
        .into_iter()
        .map(|s| s.clamp(-32_768.0, 32_767.0) as i16)
        .collect();
    let packet = usize::try_from(rate.get() / 50).expect("small");
    let lost = losses(samples.len() / packet);
    let intact = transmit(codec, &settings, &samples, &lost, Filler::Nothing);
    let score = |filler| {
        let heard = transmit(codec, &settings, &samples, &lost, filler);
        let (snr, distance) = judge(&heard, &intact, &lost, packet);
        println!(
            "{name} {} Hz {filler:?}: {snr:.2} dB SNR, {distance:.2} dB LSD",
            rate.get()
        );
        (snr, distance)
    };
    let (silence, last, ours) = (
        score(Filler::Silence),
        score(Filler::LastPacket),
        score(Filler::Ours),
    );
    assert!(
        ours.0 > silence.0 + 1.0 && ours.0 > last.0 + 2.0,
        "signal to noise"
    );
    assert!(
        ours.1 < 0.85 * silence.1 && ours.1 < last.1,
        "log-spectral distance"
    );
}

#[test]
fn g711_vowel() {
    compare("PCMU", None, vowel);
}

#[test]
fn g711_sentence() {
    compare("PCMA", None, sentence);
}

#[test]
fn g722_vowel() {
    compare("G722", None, vowel);
}

#[test]
fn g722_sentence() {
    compare("G722", None, sentence);
}

#[test]
fn g722_narrowband_sentence() {
    compare("G722", Some(SampleRate::HZ_8000), sentence);
}
