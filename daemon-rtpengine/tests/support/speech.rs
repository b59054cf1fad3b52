//! Sentences: spoken by espeak-ng, and recognised again in what was heard.
//!
//! Codecs keep the shape of no wave, but of the spectrum: two recordings are compared by the power in bands
//! of a telephone's sound over time, in dB, without what a band has on average. The correlation of that
//! is 1 for the same sound, whatever its level and colour. The same sentence behind G.711 and Opus has 0.98
//! or more, another one of the same voice about 0.2.

use std::f64::consts::TAU;
use std::process::Command;

use codecs::SampleRate;
use codecs::resample::Resampler;

use super::baresip::read_wav;
use super::tone::Recording;

/// The rate at which sentences are compared, that of the telephone.
pub(crate) const PHONE_RATE_HZ: u32 = 8000;
/// Samples of a spectrum, 32 ms, and from one to the next, 10 ms.
const WINDOW: usize = 256;
const HOP: usize = 80;
/// Borders of the bands, Hz: closer where a voice has more to say.
const BORDERS_HZ: [u32; 15] = [
    200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150,
];
const BANDS: usize = BORDERS_HZ.len() - 1;
/// What is so far below the loudest counts as silence, dB.
const RANGE_DB: f64 = 45.0;

/// How much of a sentence was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Likeness {
    /// Up to 1.
    pub(crate) correlation: f64,
    /// Where in what was heard it begins.
    pub(crate) at_s: f64,
    /// How much louder it was heard.
    pub(crate) gain_db: f64,
}

/// A sentence of espeak-ng's, with half a second of silence in front.
///
/// # Panics
/// When the program is missing, naming the package.
pub(crate) fn spoken(text: &str) -> Recording {
    let output = Command::new("espeak-ng")
        .args(["-v", "en-gb", "-s", "150", "--stdout", text])
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run espeak-ng: {error}; it is in the Debian package espeak-ng")
        });
    assert!(output.status.success(), "{output:?}");
    let voice = read_wav(&output.stdout);
    let silence = vec![0.0; voice.samples.len() / 8];
    Recording {
        samples: [silence, voice.samples].concat(),
        ..voice
    }
}

/// The same at another rate.
pub(crate) fn at_rate(recording: &Recording, rate_hz: u32) -> Recording {
    let from = (8000..=48_000).find(|rate| f64::from(*rate) == recording.sample_rate_hz);
    let rate = |hz| SampleRate::new(hz).expect("a rate above 0");
    let resampler = Resampler::new(rate(from.expect("a rate of sound")), rate(rate_hz));
    let mut resampler = resampler.expect("rates of sound");
    let samples = recording.samples_16();
    let mut out = vec![0; resampler.output_len(samples.len())];
    let count = resampler.process(&samples, &mut out).expect("room enough");
    let samples = out[..count].iter().map(|s| f64::from(*s) / 32_768.0);
    Recording {
        sample_rate_hz: rate_hz.into(),
        samples: samples.collect(),
    }
}

/// Where in `heard` a sentence is, and how much like itself.
pub(crate) fn find(sentence: &Recording, heard: &Recording) -> Likeness {
    let [wanted, mut all] = [sentence, heard].map(|r| spectra(&at_rate(r, PHONE_RATE_HZ)));
    // Another sentence may be longer than what was heard.
    all.resize(all.len().max(wanted.len()), [0.0; BANDS]);
    let shape = shape(&wanted);
    let places = 0..=all.len() - wanted.len();
    let found = places.map(|at| {
        let window = &all[at..at + wanted.len()];
        (at, correlation(&shape, &self::shape(window)))
    });
    let (at, correlation) = found
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("there is one place at least");
    let power = |spectra: &[[f64; BANDS]]| spectra.iter().flatten().sum::<f64>();
    let gain = power(&all[at..at + wanted.len()]) / power(&wanted);
    let hop_s = 1.0 / 100.0;
    Likeness {
        correlation,
        at_s: hop_s * f64::from(u32::try_from(at).expect("a short recording")),
        gain_db: 10.0 * gain.log10(),
    }
}

/// Power per band, window by window.
fn spectra(recording: &Recording) -> Vec<[f64; BANDS]> {
    let line_hz = f64::from(PHONE_RATE_HZ) / 256.0;
    let unit: Vec<(f64, f64)> = (0..256_u32)
        .map(|n| (TAU * f64::from(n) / 256.0).sin_cos())
        .collect();
    // Hann's.
    let weights: Vec<f64> = unit.iter().map(|(_, cos)| 0.5 - 0.5 * cos).collect();
    let lines: Vec<(usize, usize)> = (1..128_u32)
        .filter_map(|line| {
            let hz = f64::from(line) * line_hz;
            let above = BORDERS_HZ.iter().filter(|border| f64::from(**border) <= hz);
            let band = above.count().checked_sub(1).filter(|band| *band < BANDS)?;
            Some((usize::try_from(line).ok()?, band))
        })
        .collect();
    let windows = recording.samples.windows(WINDOW).step_by(HOP);
    windows
        .map(|window| {
            let weighted: Vec<f64> = window.iter().zip(&weights).map(|(s, w)| s * w).collect();
            let mut bands = [0.0; BANDS];
            for (line, band) in &lines {
                let (mut sin, mut cos) = (0.0, 0.0);
                for (n, sample) in weighted.iter().enumerate() {
                    let (s, c) = unit[n * line % WINDOW];
                    sin += sample * s;
                    cos += sample * c;
                }
                bands[*band] += sin * sin + cos * cos;
            }
            bands
        })
        .collect()
}

/// Powers in dB, silence cut off, without each band's mean.
fn shape(spectra: &[[f64; BANDS]]) -> Vec<[f64; BANDS]> {
    let loudest = spectra.iter().flatten().copied().fold(1e-12, f64::max);
    let count = f64::from(u32::try_from(spectra.len()).expect("a short recording"));
    let db = |power: f64| (10.0 * (power / loudest).max(1e-12).log10()).max(-RANGE_DB);
    let mut shape: Vec<[f64; BANDS]> = spectra.iter().map(|bands| bands.map(db)).collect();
    for band in 0..BANDS {
        let mean = shape.iter().map(|bands| bands[band]).sum::<f64>() / count;
        for bands in &mut shape {
            bands[band] -= mean;
        }
    }
    shape
}

/// Of two shapes of the same length.
fn correlation(a: &[[f64; BANDS]], b: &[[f64; BANDS]]) -> f64 {
    let product = |a: &[[f64; BANDS]], b: &[[f64; BANDS]]| {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.map(|(a, b)| a * b).sum::<f64>()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1e-12)
}
