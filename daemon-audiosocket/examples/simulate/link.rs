//! What a caller and its bot know of each other, and what is measured between them.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::figures::Times;

/// Amplitude from which samples are loud.
pub(crate) const LOUD: u16 = 1000;

/// What is measured, over all calls.
#[derive(Default)]
pub(crate) struct Measured {
    /// Times are taken only while this holds.
    pub(crate) on: AtomicBool,
    /// From the caller's connection to the first frame.
    pub(crate) first_frame: Times,
    /// Of frames, from their place in a grid of 20 ms that fits the call best.
    pub(crate) clock_error: Times,
    /// From a sound's leaving the caller to its coming to the bot.
    pub(crate) uplink: Times,
    /// The other way.
    pub(crate) downlink: Times,
    /// From the bot's word to the last that is heard of it.
    pub(crate) barge_in: Times,
    pub(crate) frames: AtomicU64,
    /// Calls that did not last.
    pub(crate) lost: AtomicU64,
}

/// Something that was sent and is waited for.
#[derive(Default)]
pub(crate) struct Mark(Mutex<Option<Instant>>);

impl Mark {
    pub(crate) fn set(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    pub(crate) fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A call.
pub(crate) struct Link {
    pub(crate) number: usize,
    pub(crate) measured: Arc<Measured>,
    /// A sound is on its way.
    pub(crate) up: Mark,
    pub(crate) down: Mark,
    pub(crate) interrupted: Mark,
    /// The bot talks without a pause, and interrupts itself.
    pub(crate) barge_in: AtomicBool,
}

impl Link {
    pub(crate) fn new(number: usize, measured: Arc<Measured>) -> Self {
        Self {
            number,
            measured,
            up: Mark::default(),
            down: Mark::default(),
            interrupted: Mark::default(),
            barge_in: AtomicBool::new(false),
        }
    }
}

/// A square wave of 500 Hz.
pub(crate) fn tone(rate: usize, samples: usize, amplitude: i16) -> Vec<i16> {
    let half = rate / 1000;
    let sample = |n: usize| {
        if (n / half).is_multiple_of(2) {
            amplitude
        } else {
            -amplitude
        }
    };
    (0..samples).map(sample).collect()
}

pub(crate) fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > LOUD)
}
