//! Sentences between the browser and the plain phone.

use serde_json::json;

use crate::support::digits::{Dialled, dialled, expect_keys};
use crate::support::line::Sound;
use crate::support::phone::Phone;
use crate::support::speech::{self, Likeness, PHONE_RATE_HZ};
use crate::support::tone::Recording;
use crate::support::wait_for;

use super::chromium::Chromium;

/// What the browser says, what the phone says, and what nobody does.
const SENTENCES: [&str; 3] = [
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch, he said.",
];
/// A sentence that was said is heard with at least this correlation (see [`speech`]), one that was not with less
/// than that.
const HEARD: f64 = 0.85;
const NOT_HEARD: f64 = 0.5;
/// How far the level may be off.
const TOLERANCE_DB: f64 = 1.0;
/// The same with rtpengine, which loses half of the power on the way into Opus.
const TOLERANCE_OF_RTPENGINE_DB: f64 = 3.5;
/// The sound that may still be on its way when all is said: half a second.
const ON_THE_WAY: u32 = 25;
/// The rate of the browser's microphone.
const BROWSER_RATE_HZ: u32 = 48_000;

/// What was heard must be `said` of the sentences, and none of the others.
fn expect_sentence(
    sentences: &[Recording],
    said: usize,
    heard: &Recording,
    tolerance_db: f64,
    who: &str,
) {
    for (which, sentence) in sentences.iter().enumerate() {
        let Likeness {
            correlation,
            at_s,
            gain_db,
        } = speech::find(sentence, heard);
        println!("{who}: sentence {which} {correlation:.3} at {at_s:.2} s, {gain_db:+.2} dB");
        if which == said {
            assert!(correlation >= HEARD, "{who} does not hear {said}");
            assert!(gain_db.abs() <= tolerance_db, "{who} hears another level");
        } else {
            assert!(correlation < NOT_HEARD, "{who} hears {which} for {said}");
        }
    }
}

/// The browser says a sentence, and the phone must hear that; then the other way.
pub(super) fn expect_sentences_both_ways(browser: &mut Chromium, phone: &Phone, ours: bool) {
    let tolerance_db = if ours {
        TOLERANCE_DB
    } else {
        TOLERANCE_OF_RTPENGINE_DB
    };
    let sentences = SENTENCES.map(speech::spoken);

    let voice = speech::at_rate(&sentences[0], BROWSER_RATE_HZ);
    let from = phone.last_number();
    browser.say(&voice);
    let end = phone.heard() + usize::try_from(ON_THE_WAY).unwrap_or(0);
    wait_for("silence behind what the browser says", || {
        (phone.heard() >= end).then_some(())
    });
    let heard = phone.recording_from(from);
    expect_sentence(&sentences, 0, &heard, tolerance_db, "the phone");

    let voice = speech::at_rate(&sentences[1], PHONE_RATE_HZ);
    browser.begin_recording();
    phone.play(Sound::once(voice.samples_16()));
    wait_for("the end of what the phone says", || {
        phone.has_played().then_some(())
    });
    let end = phone.sent() + ON_THE_WAY;
    wait_for("silence behind it", || (phone.sent() >= end).then_some(()));
    let heard = browser.end_recording();
    expect_sentence(&sentences, 1, &heard, tolerance_db, "the browser");
}

/// The browser dials, and the phone must hear each key once and in order.
pub(super) fn expect_keys_from_browser(browser: &mut Chromium, phone: &Phone, keys: &str) {
    browser.ask("dial", &json!({ "keys": keys }));
    let events = || dialled(&phone.packets(), &phone.coding());
    wait_for("the last key's end", || {
        let ended = events().get(keys.len() - 1).is_some_and(Dialled::has_ended);
        ended.then_some(())
    });
    println!("the browser dials {keys}: {} events", events().len());
    expect_keys(&events(), keys);
}
