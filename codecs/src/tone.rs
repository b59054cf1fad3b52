//! Tones of telephony: made, found, and told from silence. Streaming: no allocation after the start, any
//! sample rate, any cut of the samples.
//!
//! Levels are in dBm0, as in telephone-event's volume (RFC 4733 §2.3.4): the power of everything that sounds
//! together, relative to the reference point of G.711, whose largest sine is +3.14 dBm0. Knows nothing of
//! events on the wire.

mod detect;
mod digit;
mod generate;
mod silence;
#[cfg(test)]
mod tests;

pub use detect::{DtmfDetector, DtmfEvent};
pub use digit::Digit;
pub use generate::{Generator, Pulse, Tone, ToneError};
pub use silence::{SilenceDetector, level_dbov};

/// dBm0 of the largest sine that 16 bits hold: full scale of A-law (G.711 §4).
#[expect(clippy::approx_constant, reason = "decibels, and no part of a circle")]
const FULL_SCALE_SINE_DBM0: f64 = 3.14;

/// Mean square of samples that have a power of `dbm0`.
fn mean_square(dbm0: f64) -> f64 {
    let full = 32_767.0 * 32_767.0 / 2.0;
    full * 10_f64.powf((dbm0 - FULL_SCALE_SINE_DBM0) / 10.0)
}
