//! What a browser and a plain phone must hear of each other, and what the browser must say about it.

use crate::support::phone::Phone;
use crate::support::poll;
use crate::support::tone::{Recording, Tone};

use super::Stats;
use super::chromium::Chromium;

/// What the browser's microphone gives.
pub(super) const BROWSER_TONE: Tone = Tone {
    frequency_hz: 600.0,
    amplitude: 0.3,
};
/// What the plain phone plays.
pub(super) const PHONE_TONE: Tone = Tone {
    frequency_hz: 1000.0,
    amplitude: 0.25,
};
/// How far a level may be off.
const TOLERANCE_DB: f64 = 3.0;
/// How far below what was sent everything else stays.
pub(super) const SILENCE_DB: f64 = -30.0;

/// Waits until the browser hears the phone, the phone the browser, and nobody himself.
pub(super) fn expect_audio_both_ways(browser: &mut Chromium, phone: &Phone) {
    let mut last = String::new();
    let heard = poll(|| {
        let recording = browser.record();
        last = verdict(&recording, PHONE_TONE, BROWSER_TONE);
        last.is_empty().then_some(())
    });
    assert!(heard.is_some(), "the browser: {last}");
    expect_phone_hears_browser(phone);
}

/// Waits until the phone hears the browser.
pub(super) fn expect_phone_hears_browser(phone: &Phone) {
    let recording = phone.record();
    let recording = recording.unwrap_or_else(|| {
        let (heard, complaints) = (phone.heard(), phone.complaints());
        panic!("the phone heard no second without a gap: {heard} packets, {complaints:?}")
    });
    let last = verdict(&recording, BROWSER_TONE, PHONE_TONE);
    assert_eq!(last, "", "the phone");
}

/// What is wrong with a recording that should hold `expected` at its level, and nothing of `unwanted`.
/// Empty if nothing is.
fn verdict(recording: &Recording, expected: Tone, unwanted: Tone) -> String {
    let level = expected.gain_db(recording);
    let other = unwanted.gain_db(recording);
    if level.abs() <= TOLERANCE_DB && other < SILENCE_DB {
        return String::new();
    }
    let (wanted, unwanted) = (expected.frequency_hz, unwanted.frequency_hz);
    format!("{wanted} Hz at {level:.1} dB of what was sent, {unwanted} Hz at {other:.1} dB")
}

/// Waits until the browser's statistics are those of a good call with this codec, and no packet was lost
/// in either direction; logs what DTLS agreed on.
pub(super) fn expect_stats(browser: &mut Chromium, phone: &Phone, codec: &str) -> Stats {
    let mut last = Vec::new();
    let stats = poll(|| {
        let stats = browser.stats();
        last = stats.complaints(codec);
        last.is_empty().then_some(stats)
    });
    let stats = stats.unwrap_or_else(|| panic!("the browser's statistics: {last:?}"));
    let complaints = phone.complaints();
    assert!(complaints.is_empty(), "the phone: {complaints:?}");
    assert!(
        stats.packets_received() <= u64::from(phone.sent()),
        "more packets came than were sent"
    );
    println!("{}", stats.security());
    stats
}
