//! Our G.722 against spandsp's, which passes the ITU's test vectors: the same bits out of the same bits.
//!
//! Needs Debian's `libspandsp-dev` and a C compiler.
#![expect(
    clippy::cast_possible_truncation,
    reason = "samples are computed in floating point or at random, and clamped or small"
)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use codecs::g722::{G722Decoder, G722Encoder, Mode};
use codecs::{Decoder, Encoder, Pcm};

/// The program around spandsp, built once.
fn spandsp() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("spandsp-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spandsp.c");
        let status = Command::new("cc")
            .args(["-O1", "-o"])
            .args([&program, &source])
            .arg("-lspandsp")
            .status()
            .expect("a C compiler (Debian: gcc)");
        assert!(status.success(), "is libspandsp-dev (Debian) installed?");
        program
    })
}

/// What spandsp makes of `input`. The file holds the input because a pipe would need a thread.
fn run(arguments: [&str; 3], input: &[u8]) -> Vec<u8> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("spandsp-{}-{number}", std::process::id()));
    File::create(&path)
        .and_then(|mut f| f.write_all(input))
        .expect("a writable target directory");
    let output = Command::new(spandsp())
        .args(arguments)
        .stdin(File::open(&path).expect("just written"))
        .stderr(Stdio::inherit())
        .output()
        .expect("just built");
    std::fs::remove_file(&path).expect("just written");
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    let pairs = bytes.chunks_exact(2);
    pairs.map(|p| i16::from_ne_bytes([p[0], p[1]])).collect()
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_ne_bytes()).collect()
}

/// A generator of numbers that look random (splitmix64).
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut next = random(seed);
    (0..count).map(|_| next().to_le_bytes()[3]).collect()
}

/// Something with a voice's attacks, pauses, pitch and hiss, at 16 kHz.
fn speech_like(count: usize, peak: f64) -> Vec<i16> {
    let mut next = random(7);
    let mut phase = 0.0_f64;
    let mut samples = Vec::with_capacity(count);
    for n in 0..count {
        let t = n as f64 / 16_000.0;
        phase += (110.0 + 60.0 * (t * 1.7).sin()) / 16_000.0;
        let voiced: f64 = (1..40)
            .map(|h| {
                let h = f64::from(h);
                (h * phase * std::f64::consts::TAU).sin()
                    / (1.0 + (h - 6.0 - 4.0 * t.sin()).powi(2))
            })
            .sum();
        let hiss = next() as f64 / u64::MAX as f64 - 0.5;
        let envelope = (t * 9.0).sin().max(0.0).powi(2);
        let sample =
            peak * (envelope * voiced * 0.5 + 0.2 * (1.0 - envelope) * hiss * (t * 2.0).cos());
        samples.push(sample.clamp(-32_768.0, 32_767.0) as i16);
    }
    samples
}

/// Encodes in packets of odd sizes, as blocks inside must not show.
fn encode(encoder: &mut G722Encoder, samples: &[i16]) -> Vec<u8> {
    let format = encoder.format();
    let mut octets = Vec::new();
    for samples in samples.chunks(346) {
        let mut out = [0; 400];
        let length = encoder
            .encode(Pcm { format, samples }, &mut out)
            .expect("the right format");
        octets.extend(&out[..length]);
    }
    octets
}

fn decode(decoder: &mut G722Decoder, octets: &[u8]) -> Vec<i16> {
    let mut samples = Vec::new();
    for payload in octets.chunks(211) {
        let mut out = [0; 422];
        let length = decoder.decode(payload, &mut out).expect("room enough");
        samples.extend(&out[..length]);
    }
    samples
}

/// Where our samples saturate, as the Recommendation says, spandsp's overflow: those may differ.
#[track_caller]
fn assert_same_samples(ours: &[i16], theirs: &[i16]) -> usize {
    assert_eq!(ours.len(), theirs.len());
    let mut overflows = 0;
    for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if ours != theirs {
            assert!(
                [i16::MIN, i16::MAX].contains(ours),
                "sample {n}: {ours}, not {theirs}"
            );
            overflows += 1;
        }
    }
    overflows
}

#[test]
fn random_octets_decode_to_the_same_samples() {
    let octets = random_bytes(1, 200_000);
    let theirs = samples(&run(["decode", "64000", "wide"], &octets));
    let ours = decode(&mut G722Decoder::new(Mode::Kbps64), &octets);
    let overflows = assert_same_samples(&ours, &theirs);
    assert!(overflows < ours.len() / 10, "{overflows} of {}", ours.len());
}

#[test]
fn narrowband_decodes_to_the_same_samples() {
    let octets = random_bytes(2, 200_000);
    let theirs = samples(&run(["decode", "64000", "narrow"], &octets));
    let ours = decode(&mut G722Decoder::narrowband(Mode::Kbps64), &octets);
    assert_same_samples(&ours, &theirs);
}

#[test]
fn modes_2_and_3_decode_to_the_same_samples() {
    let octets = random_bytes(3, 50_000);
    for (mode, rate, shift) in [(Mode::Kbps56, "56000", 1), (Mode::Kbps48, "48000", 2)] {
        // spandsp wants the bits that are audio at the lower end.
        let shifted: Vec<u8> = octets.iter().map(|o| o >> shift).collect();
        let theirs = samples(&run(["decode", rate, "wide"], &shifted));
        let ours = decode(&mut G722Decoder::new(mode), &octets);
        assert_same_samples(&ours, &theirs);
    }
}

#[test]
fn speech_and_noise_encode_to_the_same_octets() {
    let mut next = random(4);
    let noise: Vec<i16> = (0..100_000)
        .map(|_| (next() % 32_768) as i16 - 16_384)
        .collect();
    for pcm in [
        speech_like(160_000, 3000.0),
        speech_like(160_000, 20_000.0),
        noise,
    ] {
        let theirs = run(["encode", "64000", "wide"], &bytes(&pcm));
        let ours = encode(&mut G722Encoder::new(), &pcm);
        assert!(
            ours == theirs,
            "first difference at {:?}",
            first_difference(&ours, &theirs)
        );
        // And what was encoded comes back.
        let theirs = samples(&run(["decode", "64000", "wide"], &theirs));
        let decoded = decode(&mut G722Decoder::new(Mode::Kbps64), &ours);
        assert_eq!(assert_same_samples(&decoded, &theirs), 0);
    }
}

#[test]
fn narrowband_speech_encodes_to_the_same_octets() {
    let pcm: Vec<i16> = speech_like(160_000, 20_000.0)
        .into_iter()
        .step_by(2)
        .collect();
    let theirs = run(["encode", "64000", "narrow"], &bytes(&pcm));
    let ours = encode(&mut G722Encoder::narrowband(), &pcm);
    assert!(
        ours == theirs,
        "first difference at {:?}",
        first_difference(&ours, &theirs)
    );
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> Option<usize> {
    ours.iter().zip(theirs).position(|(a, b)| a != b)
}
