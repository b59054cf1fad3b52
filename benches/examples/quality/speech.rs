//! Sentences: read from WAV files, at the rates that phones work at, all equally loud.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use codecs::SampleRate;
use codecs::resample::Resampler;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// Level that ITU-T P.830 has speech measured at, dB below overload.
const LEVEL_DBOV: f64 = -26.0;
/// Silence around a sentence, ms: before it media begins to flow, after it the last packets arrive.
const SILENCE_MS: usize = 500;

/// A sentence.
pub(crate) struct Sentence {
    /// Name of its file, without directory and extension.
    pub(crate) name: String,
    samples: Vec<i16>,
    rate: SampleRate,
}

impl Sentence {
    /// Reads all of a directory, by name.
    pub(crate) fn all(directory: &Path) -> Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
            .with_context(|| format!("no sentences in {}", directory.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "wav"));
        paths.sort();
        ensure!(!paths.is_empty(), "no sentences in {}", directory.display());
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let mut reader =
            WavReader::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let spec = reader.spec();
        ensure!(
            spec.sample_format == SampleFormat::Int && spec.channels == 1,
            "{} is not mono",
            path.display()
        );
        let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
        let name = path.file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            samples: levelled(&samples),
            rate: SampleRate::new(spec.sample_rate).context("a rate of 0")?,
        })
    }

    /// At another rate, with silence around.
    pub(crate) fn at(&self, rate: SampleRate) -> Result<Vec<i16>> {
        let silence = vec![0; SILENCE_MS * self.rate.get() as usize / 1000];
        let padded = [&silence, &self.samples[..], &silence].concat();
        resampled(&padded, self.rate, rate)
    }
}

/// At another rate.
pub(crate) fn resampled(samples: &[i16], from: SampleRate, to: SampleRate) -> Result<Vec<i16>> {
    let mut resampler = Resampler::new(from, to)?;
    let mut out = vec![0; resampler.output_len(samples.len())];
    resampler.process(samples, &mut out)?;
    Ok(out)
}

/// Writes samples for who judges them.
pub(crate) fn write(path: &Path, samples: &[i16], rate: SampleRate) -> Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate.get(),
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut writer = WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()?;
    Ok(())
}

/// As loud as it is to be, pauses within it not counted.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to integer saturates, which is wanted"
)]
fn levelled(samples: &[i16]) -> Vec<i16> {
    let power = |block: &[i16]| {
        let sum: f64 = block.iter().map(|s| f64::from(*s).powi(2)).sum();
        sum / block.len().max(1) as f64
    };
    let blocks: Vec<f64> = samples.chunks(200).map(power).collect();
    let loudest = blocks.iter().copied().fold(0.0, f64::max);
    let spoken: Vec<f64> = blocks
        .into_iter()
        .filter(|p| *p > loudest / 1000.0)
        .collect();
    let mean = spoken.iter().sum::<f64>() / spoken.len().max(1) as f64;
    let wanted = 32_768.0 * 10_f64.powf(LEVEL_DBOV / 20.0);
    let gain = wanted / mean.sqrt().max(1.0);
    let louder = |sample: &i16| (f64::from(*sample) * gain).round() as i16;
    samples.iter().map(louder).collect()
}
