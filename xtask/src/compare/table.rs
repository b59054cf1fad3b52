//! The table of results: medians, spreads, ratios.

use std::fmt::Write as _;

/// Which way a ratio should go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Better {
    Lower,
    Higher,
}

/// One measured value and what is asked of it.
#[derive(Clone, Debug)]
pub(super) struct Value {
    row: String,
    unit: &'static str,
    value: f64,
    target: Option<(Better, f64)>,
    limit: Option<f64>,
}

impl Value {
    pub(super) fn new(row: String, unit: &'static str, value: f64) -> Self {
        Self {
            row,
            unit,
            value,
            target: None,
            limit: None,
        }
    }
    /// The ratio ours/theirs must not be over (or under) this.
    pub(super) fn target(mut self, better: Better, ratio: f64) -> Self {
        self.target = Some((better, ratio));
        self
    }
    /// Ours must not be over this, whatever theirs is.
    pub(super) fn limit(mut self, most: f64) -> Self {
        self.limit = Some(most);
        self
    }
}

/// Values of both daemons by row, in the order in which rows came up.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    about: Value,
    values: [Vec<f64>; 2],
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `side` 0 is ours.
    pub(super) fn add(&mut self, side: usize, value: Value) {
        let number = value.value;
        let at = match self.rows.iter().position(|row| row.about.row == value.row) {
            Some(at) => at,
            None => {
                self.rows.push(Row {
                    about: value,
                    values: [Vec::new(), Vec::new()],
                });
                self.rows.len() - 1
            }
        };
        self.rows[at].values[side].push(number);
    }

    pub(super) fn text(&self) -> String {
        let mut out = format!(
            "{:<54} {:>26} {:>26} {:>8}  target\n",
            "", "ours", "rtpengine", "ratio"
        );
        for row in &self.rows {
            let [ours, theirs] = row.shown();
            let name = row.name();
            let _ = writeln!(
                out,
                "{name:<54} {ours:>26} {theirs:>26} {:>8}  {}",
                row.ratio_text(),
                row.asked()
            );
        }
        out
    }

    pub(super) fn markdown(&self) -> String {
        let mut out =
            String::from("| | ours | rtpengine | ratio | target |\n|---|---:|---:|---:|---|\n");
        for row in &self.rows {
            let [ours, theirs] = row.shown();
            let _ = writeln!(
                out,
                "| {} | {ours} | {theirs} | {} | {} |",
                row.name(),
                row.ratio_text(),
                row.asked()
            );
        }
        out.trim_end().to_owned()
    }

    /// Rows whose target or limit is missed, each with its figures.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| row.is_missed());
        missed
            .map(|row| format!("{} {} ({})", row.name(), row.ratio_text(), row.asked()))
            .collect()
    }
}

impl Row {
    fn name(&self) -> String {
        match self.about.unit {
            "" => self.about.row.clone(),
            unit => format!("{} [{unit}]", self.about.row),
        }
    }

    fn shown(&self) -> [String; 2] {
        [0, 1].map(|side| show(&self.values[side]))
    }

    fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (median(&self.values[0])?, median(&self.values[1])?);
        (theirs != 0.0).then(|| ours / theirs)
    }

    fn ratio_text(&self) -> String {
        self.ratio()
            .map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"))
    }

    fn asked(&self) -> String {
        let ratio = self.about.target.map(|(better, ratio)| match better {
            Better::Lower => format!("ratio ≤ {ratio}"),
            Better::Higher => format!("ratio ≥ {ratio}"),
        });
        let limit = self.about.limit.map(|most| format!("ours ≤ {most}"));
        ratio
            .into_iter()
            .chain(limit)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn is_missed(&self) -> bool {
        let ratio_missed = match (self.about.target, self.ratio()) {
            (Some((Better::Lower, most)), Some(ratio)) => ratio > most,
            (Some((Better::Higher, least)), Some(ratio)) => ratio < least,
            _ => false,
        };
        let over = self
            .about
            .limit
            .zip(median(&self.values[0]))
            .is_some_and(|(most, ours)| ours > most);
        ratio_missed || over
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// `median [least..most]`.
fn show(values: &[f64]) -> String {
    let number = |n: f64| match n.abs() {
        a if a >= 100.0 || n.fract() == 0.0 => format!("{n:.0}"),
        a if a >= 10.0 => format!("{n:.1}"),
        _ => format!("{n:.2}"),
    };
    let Some(middle) = median(values) else {
        return "–".into();
    };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least.total_cmp(&most).is_eq() {
        return number(middle);
    }
    format!("{} [{}..{}]", number(middle), number(least), number(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ours: &[f64], theirs: &[f64]) -> Table {
        let mut table = Table::default();
        for (side, values) in [ours, theirs].into_iter().enumerate() {
            for value in values {
                let value = Value::new("row".into(), "µs", *value)
                    .target(Better::Lower, 0.5)
                    .limit(10.0);
                table.add(side, value);
            }
        }
        table
    }

    #[test]
    fn medians_spreads_and_ratios_are_shown() {
        let markdown = table(&[3.0, 1.0, 2.0], &[8.0, 4.5]).markdown();
        let row = markdown.lines().last().unwrap();
        assert_eq!(
            row,
            "| row [µs] | 2 [1..3] | 6.25 [4.50..8] | 0.32 | ratio ≤ 0.5, ours ≤ 10 |"
        );
    }

    #[test]
    fn a_missed_ratio_or_limit_is_named() {
        assert!(table(&[1.0], &[4.0]).missed().is_empty());
        assert_eq!(table(&[3.0], &[4.0]).missed().len(), 1);
        assert_eq!(table(&[11.0], &[400.0]).missed().len(), 1);
        assert!(table(&[1.0], &[0.0]).missed().is_empty());
    }
}
