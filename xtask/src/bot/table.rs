//! The table: a row per figure, its target, a column per bridge.

use std::fmt::Write as _;

use serde_json::Value;

/// A figure: its name, its place in the simulator's report, its target.
type Row = (&'static str, &'static str, Option<f64>);

/// In the order of the table. A target is the most that ours may be.
const ROWS: [Row; 13] = [
    ("frame clock error p50 [ms]", "/clock_error_ms/p50", None),
    (
        "frame clock error p99 [ms]",
        "/clock_error_ms/p99",
        Some(2.0),
    ),
    ("mouth to bot, added delay p50 [ms]", "/uplink_ms/p50", None),
    (
        "mouth to bot, added delay p99 [ms]",
        "/uplink_ms/p99",
        Some(25.0),
    ),
    ("bot to mouth, delay p50 [ms]", "/downlink_ms/p50", None),
    // The buffer's 80 ms, and 20.
    (
        "bot to mouth, delay p99 [ms]",
        "/downlink_ms/p99",
        Some(100.0),
    ),
    ("barge-in to silence p50 [ms]", "/barge_in_ms/p50", None),
    (
        "barge-in to silence p99 [ms]",
        "/barge_in_ms/p99",
        Some(40.0),
    ),
    (
        "call accepted to first frame p99 [ms]",
        "/first_frame_ms/p99",
        Some(20.0),
    ),
    (
        "frames per call and second",
        "/frames_per_call_and_second",
        None,
    ),
    (
        "CPU per call [% of a core]",
        "/core_percent_per_call",
        Some(0.15),
    ),
    ("memory per call [KiB]", "/kib_per_call", Some(64.0)),
    ("core used [%]", "/cores", None),
];
/// What is a share of one and shown in percent.
const SHARE: &str = "/cores";

/// What was measured of a bridge, in one run or several.
pub(super) struct Column {
    name: String,
    runs: Vec<Value>,
}

impl Column {
    pub(super) fn new(name: String, runs: Vec<Value>) -> Self {
        Self { name, runs }
    }

    /// The median over the runs.
    pub(super) fn value(&self, pointer: &str) -> Option<f64> {
        let values = self
            .runs
            .iter()
            .filter_map(|run| run.pointer(pointer)?.as_f64());
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// The whole table.
pub(super) fn markdown(columns: &[Column]) -> String {
    let mut out = "| |".to_owned();
    for column in columns {
        let calls = column.value("/calls").unwrap_or(0.0);
        let _ = write!(out, " {}, {calls} calls |", column.name);
    }
    let _ = write!(out, " target |\n|---|{}---|", "---:|".repeat(columns.len()));
    for (name, pointer, target) in ROWS {
        let _ = write!(out, "\n| {name} |");
        for column in columns {
            let value = column.value(pointer);
            let value = value.map(|v| if pointer == SHARE { v * 100.0 } else { v });
            let _ = write!(out, " {} |", show(value));
        }
        let _ = match target {
            Some(most) => write!(out, " ours ≤ {most} |"),
            None => write!(out, " |"),
        };
    }
    let _ = write!(out, "\n| calls per core, by the CPU that these took |");
    for column in columns {
        // A core that is full says nothing: it may be doing less than it was asked.
        let percent = column.value("/core_percent_per_call");
        let free = column.value(SHARE).is_some_and(|cores| cores < 0.95);
        let calls = percent.filter(|percent| free && *percent > 0.0);
        let _ = match calls {
            Some(percent) => write!(out, " {:.0} |", 100.0 / percent),
            None => write!(out, " – |"),
        };
    }
    out + " |"
}

/// Targets that this one misses.
pub(super) fn missed(ours: &Column) -> Vec<String> {
    let missed = ROWS.iter().filter_map(|(name, pointer, target)| {
        let value = ours.value(pointer);
        let most = (*target)?;
        let fits = value.is_some_and(|value| value <= most);
        (!fits).then(|| format!("{name}: {}, not {most}", show(value)))
    });
    missed.collect()
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn column(errors: &[f64]) -> Column {
        let run = |error: &f64| {
            json!({"calls": 500, "cores": 0.5, "core_percent_per_call": 0.1,
            "clock_error_ms": {"p99": error}})
        };
        Column::new("ours".into(), errors.iter().map(run).collect())
    }

    #[test]
    fn median_counts_and_what_is_missing_is_a_dash() {
        let text = markdown(&[column(&[1.0, 9.0, 1.5])]);
        assert!(text.contains("| | ours, 500 calls | target |"), "{text}");
        assert!(
            text.contains("| frame clock error p99 [ms] | 1.50 | ours ≤ 2 |"),
            "{text}"
        );
        assert!(
            text.contains("| frame clock error p50 [ms] | – | |"),
            "{text}"
        );
        assert!(text.contains("| core used [%] | 50.0 | |"), "{text}");
        assert!(text.ends_with("took | 1000 | |"), "{text}");
    }

    #[test]
    fn missed_targets_are_named_and_what_was_not_measured_is_missed() {
        let missed = missed(&column(&[3.0]));
        assert!(missed[0].starts_with("frame clock error p99 [ms]: 3.00"));
        assert!(missed.iter().any(|m| m.contains("barge-in")));
        assert!(!missed.iter().any(|m| m.contains("CPU")));
    }
}
