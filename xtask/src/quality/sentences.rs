//! What is spoken: sentences in pairs, as ITU-T P.862.3 §7.2 wants them. The English ones are the Harvard
//! sentences (IEEE 1969).

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Voice of espeak-ng and text.
const SENTENCES: [(&str, &str); 12] = [
    (
        "en-gb",
        "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    ),
    (
        "en-us+f3",
        "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    ),
    (
        "de",
        "Die Sonne scheint am Morgen durch das Fenster. Der Zug nach Hamburg hat wieder Verspätung.",
    ),
    (
        "en-gb+f2",
        "Rice is often served in round bowls. The juice of lemons makes fine punch.",
    ),
    (
        "fr",
        "Le train pour Lyon partira à midi. Il fait beau ce matin sur la place.",
    ),
    (
        "en-us",
        "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.",
    ),
    (
        "es+f4",
        "El tren sale de la estación por la mañana. Mañana no habrá clase en la escuela.",
    ),
    (
        "en-gb-scotland",
        "Four hours of steady work faced us. A large size in stockings is hard to sell.",
    ),
    (
        "de+f2",
        "Im Herbst fallen die Blätter von den Bäumen. Das Konzert beginnt heute um acht Uhr.",
    ),
    (
        "it",
        "Il treno per Roma parte alle nove. La finestra della cucina è aperta.",
    ),
    (
        "en-us+m3",
        "The boy was there when the sun rose. A rod is used to catch pink salmon.",
    ),
    (
        "en-gb+f4",
        "The source of the huge river is the clear spring. Kick the ball straight and follow through.",
    ),
];

/// Writes the first sentences into an empty directory, as WAV files; returns how many.
pub(super) fn speak(directory: &Path, most: usize) -> Result<usize> {
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory)?;
    let chosen = SENTENCES.iter().take(most);
    for (n, (voice, text)) in chosen.clone().enumerate() {
        let mut espeak = Command::new("espeak-ng");
        espeak
            .args(["-s", "155", "-v", voice, "-w"])
            .arg(directory.join(format!("{n:02}.wav")))
            .arg(text);
        shell::read(&mut espeak)?;
    }
    Ok(chosen.count())
}
