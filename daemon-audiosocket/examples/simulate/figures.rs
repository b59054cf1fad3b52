//! Quantiles.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

/// Times taken.
#[derive(Default)]
pub(crate) struct Times(Mutex<Vec<u32>>);

impl Times {
    pub(crate) fn add(&self, time: Duration) {
        let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if let Ok(mut times) = self.0.lock() {
            times.push(us);
        }
    }

    /// How many, and quantiles in milliseconds.
    pub(crate) fn summary(&self) -> Value {
        let mut times = match self.0.lock() {
            Ok(times) => times.clone(),
            Err(_) => Vec::new(),
        };
        times.sort_unstable();
        let at = |percent: usize| {
            let us = times.get((times.len().max(1) - 1) * percent / 100);
            us.map(|us| f64::from(*us) / 1000.0)
        };
        json!({"count": times.len(), "p50": at(50), "p99": at(99), "max": at(100)})
    }
}
