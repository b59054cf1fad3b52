//! `/metrics`: Prometheus' text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::call::Summary;
use crate::call::end::EndReason;
use crate::calls::Calls;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, milliseconds.
const BOUNDS_MS: [u16; 14] = [
    1, 2, 5, 10, 20, 40, 60, 100, 200, 500, 1000, 2000, 5000, 10_000,
];

/// How long something took, by buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more, for what is above them all.
    buckets: [Counter; BOUNDS_MS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let bound = |ms: &u16| took <= Duration::from_millis(u64::from(*ms));
        let bucket = BOUNDS_MS.iter().position(bound).unwrap_or(BOUNDS_MS.len());
        self.buckets[bucket].add(1);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.add(us);
    }

    fn write(&self, name: &str, help: &str, text: &mut String) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        for (bucket, ms) in self.buckets.iter().zip(BOUNDS_MS) {
            total += bucket.value();
            let le = f64::from(ms) / 1000.0;
            let _ = writeln!(text, "{name}_bucket{{le=\"{le}\"}} {total}");
        }
        total += self.buckets[BOUNDS_MS.len()].value();
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}");
        let sum = Duration::from_micros(self.sum_us.value()).as_secs_f64();
        let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {total}");
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    calls: Counter,
    refused: [Counter; EndReason::ALL.len()],
    ended: [Counter; EndReason::ALL.len()],
    pub(crate) frames_from_callers: Counter,
    pub(crate) frames_to_callers: Counter,
    pub(crate) reconnects: Counter,
    pub(crate) bot_failures: Counter,
    pub(crate) bots_refused: Counter,
    pub(crate) bot_frames_early: Counter,
    pub(crate) functions: Counter,
    pub(crate) functions_failed: Counter,
    underruns: Counter,
    overruns: Counter,
    flushes: Counter,
    frames_not_sent: Counter,
    messages_not_sent: Counter,
    bad_frames: Counter,
    pub(crate) first_frame: Histogram,
    pub(crate) first_audio: Histogram,
    pub(crate) turn_latency: Histogram,
    pub(crate) clock_error: Histogram,
    pub(crate) mouth_to_bot: Histogram,
    pub(crate) bot_to_mouth: Histogram,
    pub(crate) barge_in: Histogram,
    pub(crate) function_time: Histogram,
}

impl Metrics {
    pub(crate) fn begun(&self) {
        self.calls.add(1);
    }

    pub(crate) fn refused(&self, reason: EndReason) {
        self.refused[reason as usize].add(1);
    }

    pub(crate) fn ended(&self, reason: EndReason, summary: &Summary) {
        self.ended[reason as usize].add(1);
        self.underruns.add(summary.playout.underruns);
        self.overruns.add(summary.playout.overruns);
        self.flushes.add(summary.playout.flushes);
        self.frames_not_sent.add(summary.frames_not_sent);
        self.messages_not_sent.add(summary.messages_not_sent);
        self.bad_frames.add(summary.bad_frames);
    }
}

/// The whole page.
pub(crate) fn page(metrics: &Metrics, calls: &Calls) -> String {
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    };
    let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    one(
        "voxplane_audiosocket_calls",
        "gauge",
        "Calls",
        size(calls.len()),
    );
    one(
        "voxplane_audiosocket_pending",
        "gauge",
        "Connections that have not said which call they are",
        size(calls.pending()),
    );
    for (name, help, counter) in [
        ("calls_total", "Calls begun", &metrics.calls),
        (
            "frames_from_callers_total",
            "Audio messages received from callers",
            &metrics.frames_from_callers,
        ),
        (
            "frames_to_callers_total",
            "Frames of 20 ms sent to callers",
            &metrics.frames_to_callers,
        ),
        (
            "frames_not_sent_total",
            "Frames left out for callers that took none, of ended calls",
            &metrics.frames_not_sent,
        ),
        (
            "messages_not_sent_total",
            "Messages left out for bots that read none, of ended calls",
            &metrics.messages_not_sent,
        ),
        (
            "underruns_total",
            "Pauses in bots' talk for want of samples, of ended calls",
            &metrics.underruns,
        ),
        (
            "overruns_total",
            "Times that talk was left out as too much came, of ended calls",
            &metrics.overruns,
        ),
        (
            "flushes_total",
            "Times that bots were interrupted, of ended calls",
            &metrics.flushes,
        ),
        (
            "bad_frames_total",
            "Frames of bots not understood, of ended calls",
            &metrics.bad_frames,
        ),
        (
            "reconnects_total",
            "Bots that came back",
            &metrics.reconnects,
        ),
        (
            "bot_failures_total",
            "Bots lost, and failed attempts to reach them",
            &metrics.bot_failures,
        ),
        (
            "bots_refused_total",
            "Bots that dialled for a call that has one, or none",
            &metrics.bots_refused,
        ),
        (
            "bot_frames_early_total",
            "Frames of bots whose call had not come yet",
            &metrics.bot_frames_early,
        ),
        (
            "functions_total",
            "Functions that bots called",
            &metrics.functions,
        ),
        (
            "functions_failed_total",
            "Functions without a result",
            &metrics.functions_failed,
        ),
    ] {
        one(
            &format!("voxplane_audiosocket_{name}"),
            "counter",
            help,
            counter.value(),
        );
    }
    for (name, help, counters) in [
        ("ended_total", "Calls ended, by reason", &metrics.ended),
        (
            "refused_total",
            "Callers refused, by reason",
            &metrics.refused,
        ),
    ] {
        let name = format!("voxplane_audiosocket_{name}");
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (reason, counter) in EndReason::ALL.iter().zip(counters) {
            let _ = writeln!(
                text,
                "{name}{{reason=\"{}\"}} {}",
                reason.name(),
                counter.value()
            );
        }
    }
    for (name, help, histogram) in [
        (
            "first_frame_seconds",
            "From a caller's connection to our first frame",
            &metrics.first_frame,
        ),
        (
            "first_audio_seconds",
            "From a caller's connection to the bot's first audio",
            &metrics.first_audio,
        ),
        (
            "turn_latency_seconds",
            "From the end of the caller's speech to the bot's audio",
            &metrics.turn_latency,
        ),
        (
            "clock_error_seconds",
            "Lateness of frames to callers",
            &metrics.clock_error,
        ),
        (
            "mouth_to_bot_seconds",
            "From the first sample of a frame of the caller's to its leaving for the bot",
            &metrics.mouth_to_bot,
        ),
        (
            "bot_to_mouth_seconds",
            "From a message of the bot's to its first sample's leaving for the caller",
            &metrics.bot_to_mouth,
        ),
        (
            "barge_in_seconds",
            "From an interruption to the first silent frame to the caller",
            &metrics.barge_in,
        ),
        (
            "function_seconds",
            "From a function call to its result",
            &metrics.function_time,
        ),
    ] {
        histogram.write(&format!("voxplane_audiosocket_{name}"), help, &mut text);
    }
    text
}
