//! Turns a WAV file into another rate, by way of a codec if one is named: so sounds a call over it.
//!
//! ```text
//! cargo run -p codecs --example convert -- in.wav out.wav --rate 16000
//! cargo run -p codecs --example convert -- in.wav out.wav --rate 8000 --codec opus --fmtp maxaveragebitrate=8000
//! ```
use std::error::Error;

use codecs::registry::{CODECS, Codec, Settings};
use codecs::resample::Resampler;
use codecs::{Pcm, SampleRate};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name| arguments.iter().skip_while(move |a| *a != name).nth(1);
    let [from, to, ..] = &arguments[..] else {
        return Err("convert IN.wav OUT.wav [--rate HZ] [--codec NAME] [--fmtp TEXT]".into());
    };
    let (mut samples, mut rate) = read(from)?;
    let wanted = match option("--rate") {
        Some(hz) => SampleRate::new(hz.parse()?).ok_or("a rate of 0")?,
        None => rate,
    };
    if let Some(name) = option("--codec") {
        let settings = Settings {
            fmtp: option("--fmtp").map_or("", String::as_str),
            sample_rate: Some(wanted),
            channels: Some(1),
            ..Settings::default()
        };
        let fits = |c: &&Codec| c.name.eq_ignore_ascii_case(name) && c.format.channels == 1;
        let off = |c: &&Codec| c.format.sample_rate.get().abs_diff(wanted.get());
        let codec = CODECS.iter().filter(fits).min_by_key(off);
        (samples, rate) = call(codec.ok_or("no such codec")?, &settings, &samples, rate)?;
    }
    write(to, &resampled(&samples, rate, wanted)?, wanted)
}

/// What the receiver of `samples` hears, and at which rate.
fn call(
    codec: &Codec,
    settings: &Settings<'_>,
    samples: &[i16],
    rate: SampleRate,
) -> Result<(Vec<i16>, SampleRate), Box<dyn Error>> {
    let (mut encoder, mut decoder) = (codec.encoder(settings)?, codec.decoder(settings)?);
    let (format, rate_heard) = (encoder.format(), decoder.format().sample_rate);
    let per_packet = |rate| codec.packets.samples(codec.default_ptime_ms, rate);
    let mut payload = vec![0; 4 * per_packet(format.sample_rate)];
    let mut out = vec![0; per_packet(rate_heard)];
    let (mut heard, mut sent) = (Vec::new(), 0);
    let samples = resampled(samples, rate, format.sample_rate)?;
    for samples in samples.chunks_exact(per_packet(format.sample_rate)) {
        match encoder.encode(Pcm { format, samples }, &mut payload)? {
            0 => decoder.conceal(None, &mut out),
            len => {
                decoder.decode(&payload[..len], &mut out)?;
                sent += len;
            }
        }
        heard.extend_from_slice(&out);
    }
    println!("{} at {format}: {sent} bytes", codec.name);
    Ok((heard, rate_heard))
}

fn resampled(pcm: &[i16], from: SampleRate, to: SampleRate) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut resampler = Resampler::new(from, to)?;
    let mut out = vec![0; resampler.output_len(pcm.len())];
    resampler.process(pcm, &mut out)?;
    Ok(out)
}

/// The first channel and its rate.
fn read(path: &str) -> Result<(Vec<i16>, SampleRate), Box<dyn Error>> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    let samples = reader.samples::<i16>().step_by(spec.channels.into());
    let rate = SampleRate::new(spec.sample_rate).ok_or("a rate of 0")?;
    Ok((samples.collect::<Result<_, _>>()?, rate))
}

fn write(path: &str, samples: &[i16], rate: SampleRate) -> Result<(), Box<dyn Error>> {
    let mut writer = WavWriter::create(
        path,
        WavSpec {
            channels: 1,
            sample_rate: rate.get(),
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        },
    )?;
    samples.iter().try_for_each(|s| writer.write_sample(*s))?;
    Ok(writer.finalize()?)
}
