//! Speech is not taken for digits: espeak-ng reads the digits' own names and a text, in several voices.

use std::process::Command;

use codecs::SampleRate;
use codecs::resample::Resampler;
use codecs::tone::{DtmfDetector, DtmfEvent, level_dbov};

const TEXT: &str = "Please enter your account number, followed by the hash key. One, two, three, four, five, \
    six, seven, eight, nine, zero. The quick brown fox jumps over the lazy dog. You are moving through the \
    menu: for sales press one, for service press two. We owe you a yellow lily, Ian. Who knew Louie was here? \
    Oh, ah, ee, oo, and mama. Our allowance for the oily wheel is eleven thousand and eleven euros. \
    Wir rufen Sie zurück, sobald eine Leitung frei wird. Une minute, nous vous écoutons.";

/// Voices of different pitch and sex; `espeak-ng` has them all built in.
const VOICES: [&str; 6] = ["en-gb+m1", "en-us+f2", "en+f4", "en+m7", "de+f1", "fr+m3"];

/// 16-bit mono, and its sample rate, of a WAV with a plain header.
fn wav(bytes: &[u8]) -> (SampleRate, Vec<i16>) {
    assert_eq!((&bytes[..4], &bytes[36..40]), (&b"RIFF"[..], &b"data"[..]));
    let rate = u32::from_le_bytes([24, 25, 26, 27].map(|n| bytes[n]));
    let samples = bytes[44..]
        .as_chunks()
        .0
        .iter()
        .map(|s| i16::from_le_bytes(*s));
    (
        SampleRate::new(rate).expect("a rate that is not 0"),
        samples.collect(),
    )
}

#[test]
fn speech_is_not_taken_for_digits() {
    let mut seconds = 0;
    for voice in VOICES {
        for pitch in ["20", "50", "80"] {
            let output = Command::new("espeak-ng")
                .args(["-v", voice, "-p", pitch, "--stdout", TEXT])
                .output()
                .expect("espeak-ng runs: install the Debian package espeak-ng");
            assert!(output.status.success(), "{output:?}");
            let (rate, speech) = wav(&output.stdout);
            let mut resampler = Resampler::new(rate, SampleRate::HZ_8000).unwrap();
            let mut samples = vec![0; resampler.output_len(speech.len())];
            resampler.process(&speech, &mut samples).unwrap();
            assert!(level_dbov(&samples) > -30.0, "{voice} speaks");
            seconds += samples.len() / 8000;
            let mut detector = DtmfDetector::new(SampleRate::HZ_8000).unwrap();
            let mut events: Vec<DtmfEvent> = Vec::new();
            detector.process(&samples, |e| events.push(e));
            assert_eq!(events, [], "{voice}, pitch {pitch}");
        }
    }
    println!("{seconds} s of speech");
    assert!(seconds > 300, "only {seconds} s");
}
