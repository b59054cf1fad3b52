//! Sends sentences through two daemons that change their codec, over networks that lose and delay packets, and
//! writes what is heard at the other end. `cargo xtask quality` makes the sentences, runs this and has PESQ
//! judge.
//!
//! ```text
//! quality SENTENCES OUT DAEMON...
//! ```
//! writes WAV files into OUT and a line of tab-separated fields for each to standard output: number of the
//! daemon, condition, codec spoken, codec heard, sample rate, reference file, file, packets received, packets
//! that came more than 100 ms later than the quickest.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds of sound fit every integer"
)]

mod calls;
mod network;
mod phone;
mod speech;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use benches::daemon::{Daemon, DaemonConfig};
use benches::host;
use codecs::SampleRate;

use calls::{Received, Wish};
use network::Condition;
use phone::{G722, OPUS, PCMA, PCMU, Voice};
use speech::Sentence;

/// Who calls whom; both directions are judged.
const PAIRS: [[Voice; 2]; 5] = [
    [PCMA, PCMU],
    [G722, PCMU],
    [G722, PCMA],
    [OPUS, PCMU],
    [OPUS, G722],
];
const CONDITIONS: [Condition; 4] = [
    Condition::Clean,
    Condition::Loss(3),
    Condition::Loss(10),
    Condition::Jitter(40),
];
/// Calls at a time: no more than a core transcodes with ease.
const AT_ONCE: usize = 40;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sentences, out, daemons @ ..] = &arguments[..] else {
        anyhow::bail!("quality SENTENCES OUT DAEMON...");
    };
    ensure!(!daemons.is_empty(), "no daemon");
    let sentences = Sentence::all(Path::new(sentences))?;
    let out = PathBuf::from(out);
    host::raise_open_files()?;
    if let Err(error) = host::isolate_network() {
        eprintln!("no network namespace of our own ({error}); in the one there is");
    }
    for sentence in &sentences {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
            speech::write(&reference(&out, sentence, rate), &sentence.at(rate)?, rate)?;
        }
    }
    let mut wishes = Vec::new();
    for sentence in &sentences {
        for condition in CONDITIONS {
            for voices in PAIRS {
                wishes.push(Wish {
                    voices,
                    sentence,
                    condition,
                    seed: wishes.len() as u64,
                });
            }
        }
    }
    for (batch, wishes) in wishes.chunks(AT_ONCE).enumerate() {
        for (n, program) in daemons.iter().enumerate() {
            eprintln!("batch {batch}, {} calls: {program}", wishes.len());
            let daemon = Daemon::start(&DaemonConfig::new(program))?;
            let received = calls::make(&daemon, wishes)?;
            for (wish, received) in wishes.iter().zip(&received) {
                for side in [0, 1] {
                    render(&out, n, wish, side, &received[side])?;
                }
            }
        }
    }
    Ok(())
}

/// Writes what a side has heard.
fn render(
    out: &Path,
    daemon: usize,
    wish: &Wish<'_>,
    side: usize,
    received: &Received,
) -> Result<()> {
    let (spoken, heard) = (wish.voices[1 - side], wish.voices[side]);
    let rate = match spoken.is_wide && heard.is_wide {
        true => SampleRate::HZ_16000,
        false => SampleRate::HZ_8000,
    };
    let condition = wish.condition.name();
    let name = format!(
        "{daemon}-{}-{}-{}-{}.wav",
        condition.replace([' ', '%'], ""),
        spoken.name,
        heard.name,
        wish.sentence.name
    );
    let path = out.join(&name);
    let result = heard
        .hear(&received.arrivals, received.payload_type, rate)
        .with_context(|| name.clone())?;
    ensure!(result.packets > 0, "{name}: nothing was heard");
    speech::write(&path, &result.samples, rate)?;
    println!(
        "{daemon}\t{condition}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        spoken.name,
        heard.name,
        rate.get(),
        reference(out, wish.sentence, rate).display(),
        path.display(),
        result.packets,
        result.late,
    );
    Ok(())
}

fn reference(out: &Path, sentence: &Sentence, rate: SampleRate) -> PathBuf {
    out.join(format!("reference-{}-{}.wav", sentence.name, rate.get()))
}
