//! Writes `benches/data/opus.bin`: what the load generator says in Opus, by libopus at 48,000 Hz and 32,000 b/s,
//! as browsers send it. Each packet follows its length in two bytes.

use std::path::Path;

use benches::load::voice::{LOOP_PACKETS, packets, speech};
use codecs::Pcm;
use codecs::registry::{Settings, by_name};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opus = by_name("opus", 48_000, 2).ok_or("built without Opus")?;
    let settings = Settings {
        bitrate_bps: Some(32_000),
        complexity: Some(10),
        ..Settings::default()
    };
    let mut encoder = opus.encoder(&settings)?;
    let format = encoder.format();
    let speech = speech(format);
    let mut file = Vec::new();
    let mut payload = [0; 1500];
    let twice = packets(&speech, format).chain(packets(&speech, format));
    for (number, samples) in twice.enumerate() {
        let len = encoder.encode(Pcm { format, samples }, &mut payload)?;
        // The second round begins in the state that it ends in.
        if number >= LOOP_PACKETS {
            file.extend(u16::try_from(len)?.to_be_bytes());
            file.extend(&payload[..len]);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/opus.bin");
    std::fs::write(&path, &file)?;
    println!(
        "{}: {} bytes, {LOOP_PACKETS} packets",
        path.display(),
        file.len()
    );
    Ok(())
}
