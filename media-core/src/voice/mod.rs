//! Voice between a telephone and a program that talks: the clock, the buffers and the conversions that a
//! bridge needs, without sockets. Linear samples, mono, in frames of 20 ms; time is an argument.
//!
//! ```text
//! caller ─bytes─▶ Uplink (Intake, frames with pts, silence in gaps) ─▶ bot      EnergyVad listens
//! caller ◀─frame─ FrameClock says when ◀─ Playout ◀─samples─ Intake ◀─bytes─ bot
//! ```
//!
//! * [`FrameClock`]: absolute deadlines; after a stall as many frames as are owed, never more.
//! * [`Intake`]: bytes of any rate, law and number of channels, cut anywhere, to mono samples of one rate.
//! * [`Playout`]: what the bot says, until it is due: fills up, bridges stalls, drops the oldest, stops at once.
//! * [`Uplink`]: what the caller says, as an unbroken run of frames with time stamps.
//! * [`LawDetector`]: tells µ-law that is labelled as linear.
//! * [`EnergyVad`]: whether the caller speaks, for bots that do not say so.
//! * [`wav::strip`]: takes off the header that some bots put in front of every chunk.
//!
//! After the first seconds nothing here allocates: buffers have their full size from the start, converters
//! are made when a format is first seen, at most [`Intake::MAX_FORMATS`] of them. It knows no protocol.

mod clock;
mod intake;
mod law;
mod playout;
mod uplink;
mod vad;
pub mod wav;

use std::time::Duration;

use codecs::SampleRate;

pub use clock::FrameClock;
pub use intake::{AudioFormat, Encoding, Intake, IntakeError};
pub use law::LawDetector;
pub use playout::{Flushed, Playout, PlayoutConfig, PlayoutCounters, Pulled};
pub use uplink::{Uplink, UplinkCounters, UplinkFrame};
pub use vad::{EnergyVad, VadConfig, VadEvent};

/// Length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// Samples that `duration` takes at `rate`, rounded down.
#[must_use]
pub fn samples_in(duration: Duration, rate: SampleRate) -> usize {
    let samples = duration.as_nanos() * u128::from(rate.get()) / 1_000_000_000;
    usize::try_from(samples).unwrap_or(usize::MAX)
}

/// How long `samples` sound at `rate`, rounded down to a nanosecond.
#[must_use]
pub fn duration_of(samples: u64, rate: SampleRate) -> Duration {
    let nanos = u128::from(samples) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// `sample × part / whole`, for a part between 0 and the whole.
fn scaled(sample: i16, part: usize, whole: usize) -> i16 {
    let [part, whole] = [part, whole].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    // No part is larger than its whole, so that the product is no larger than the sample.
    i16::try_from(i64::from(sample) * part / whole.max(1)).unwrap_or(sample)
}
