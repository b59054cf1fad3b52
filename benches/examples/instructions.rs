//! `instructions`: names what can be counted. `instructions <name> <packets>`: does that often what it names, and
//! nothing else twice. `cargo xtask bench --instructions` runs it under valgrind with two numbers of packets; the
//! difference is what the packets cost.

use std::error::Error;
use std::hint::black_box;

use benches::load::voice::{packets, speech};
use benches::piece::{PAIRS, Piece};
use codecs::registry::{CODECS, Settings};
use codecs::resample::Resampler;
use codecs::{Pcm, SampleRate};

/// Something that is done to 20 ms of sound at a time.
type Work = Box<dyn FnMut() -> usize>;
/// Makes it.
type Make<'a> = &'a dyn Fn() -> Result<Work, Box<dyn Error>>;

/// Rates between which calls are resampled, Hz.
const RATES: [(u32, u32); 6] = [
    (8000, 16_000),
    (16_000, 8000),
    (8000, 48_000),
    (48_000, 8000),
    (16_000, 48_000),
    (48_000, 16_000),
];
/// Rates that something is encoded for, Hz; none: the codec's own.
const FAR: [Option<u32>; 3] = [Some(8000), Some(16_000), None];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(count)) = (arguments.next(), arguments.next()) else {
        works(&mut |name, _| println!("{name}"));
        return Ok(());
    };
    let count: usize = count.parse()?;
    let mut found = None;
    works(&mut |each, make| {
        if each == name {
            found = Some(make());
        }
    });
    let mut work = found.ok_or("no such name")??;
    for _ in 0..count {
        black_box(work());
    }
    Ok(())
}

/// Calls `each` with every name and a way to make what it names.
fn works(each: &mut dyn FnMut(&str, Make<'_>)) {
    for (from, to, name) in PAIRS {
        each(&format!("transcode {name}"), &|| {
            let mut piece = Piece::new(&from, &to)?;
            Ok(Box::new(move || piece.packet()))
        });
    }
    for (from, to) in RATES {
        each(&format!("resample {from} to {to}"), &|| resample(from, to));
    }
    for codec in CODECS.iter().filter(|codec| codec.name != "L16") {
        for far in FAR {
            let settings = || Settings {
                sample_rate: far.and_then(SampleRate::new),
                ..Settings::default()
            };
            let Ok(encoder) = codec.encoder(&settings()) else {
                continue;
            };
            let hz = encoder.format().sample_rate.get();
            if far.is_some_and(|far| far != hz) || (far.is_none() && hz == 8000) {
                continue;
            }
            each(&format!("encode {} {hz}", codec.name), &|| {
                let mut encoder = codec.encoder(&settings())?;
                let format = encoder.format();
                let speech = speech(format);
                let mut turn = 0..;
                let mut payload = vec![0; 1500];
                Ok(Box::new(move || {
                    let at = turn.next().unwrap_or(0) % 150;
                    let samples = packets(&speech, format).nth(at).unwrap_or_default();
                    encoder
                        .encode(Pcm { format, samples }, &mut payload)
                        .unwrap_or(0)
                }))
            });
            each(&format!("decode {} {hz}", codec.name), &|| {
                let mut encoder = codec.encoder(&settings())?;
                let mut decoder = codec.decoder(&settings())?;
                let format = encoder.format();
                let speech = speech(format);
                let mut payload = vec![0; 1500];
                let mut payloads = Vec::new();
                for samples in packets(&speech, format) {
                    let len = encoder.encode(Pcm { format, samples }, &mut payload)?;
                    payloads.push(payload[..len].to_vec());
                }
                let mut turn = 0..;
                let mut samples = vec![0; 960];
                Ok(Box::new(move || {
                    let at = turn.next().unwrap_or(0) % payloads.len();
                    decoder.decode(&payloads[at], &mut samples).unwrap_or(0)
                }))
            });
        }
    }
}

fn resample(from: u32, to: u32) -> Result<Work, Box<dyn Error>> {
    let rate = |hz| SampleRate::new(hz).ok_or("a rate of 0");
    let mut resampler = Resampler::new(rate(from)?, rate(to)?)?;
    let input: Vec<i16> = (0..from / 50)
        .map(|n| i16::from(n.wrapping_mul(2_654_435_761).to_le_bytes()[3]) * 64)
        .collect();
    let mut out = vec![0; resampler.output_len(input.len())];
    Ok(Box::new(move || {
        resampler.process(&input, &mut out).unwrap_or(0)
    }))
}
