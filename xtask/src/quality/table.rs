//! The table of scores, and the bounds that they are held to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// By how much ours may be worse where the network does nothing.
const TOLERANCE: f64 = 0.05;
/// The network that does nothing, as the example names it.
const CLEAN: &str = "none";
/// What PESQ gives to what is beyond judging.
const WORST: f64 = 1.0;

/// One line of the example's listing.
pub(super) struct Heard {
    daemon: usize,
    condition: String,
    codecs: [String; 2],
    /// Sample rate, reference file and file, tab-separated.
    pub(super) files: String,
    packets: f64,
    late: f64,
}

impl Heard {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [
            daemon,
            condition,
            spoken,
            heard,
            rate,
            reference,
            file,
            packets,
            late,
        ] = fields[..]
        else {
            return None;
        };
        Some(Self {
            daemon: daemon.parse().ok().filter(|daemon| *daemon < 2)?,
            condition: condition.into(),
            codecs: [spoken.into(), heard.into()],
            files: [rate, reference, file].join("\t"),
            packets: packets.parse().ok()?,
            late: late.parse().ok()?,
        })
    }
}

/// Scores of both daemons: ours first.
#[derive(Default)]
pub(super) struct Table {
    /// In the order in which they came up.
    conditions: Vec<String>,
    pairs: Vec<[String; 2]>,
    /// By place of condition and pair.
    scores: BTreeMap<(usize, usize), [Vec<f64>; 2]>,
    /// Packets, and how many of them were late, by condition.
    packets: BTreeMap<usize, [[f64; 2]; 2]>,
}

impl Table {
    pub(super) fn add(&mut self, heard: &Heard, score: f64) {
        let condition = place(&mut self.conditions, &heard.condition);
        let pair = place(&mut self.pairs, &heard.codecs);
        let score = if score.is_nan() { WORST } else { score };
        self.scores.entry((condition, pair)).or_default()[heard.daemon].push(score);
        let packets = &mut self.packets.entry(condition).or_default()[heard.daemon];
        packets[0] += heard.packets;
        packets[1] += heard.late;
    }

    /// `ours / theirs` by codecs and condition.
    pub(super) fn markdown(&self) -> String {
        let mut out = "| spoken → heard |".to_owned();
        for condition in &self.conditions {
            let name = if condition == CLEAN {
                "no loss"
            } else {
                condition
            };
            let _ = write!(out, " {name} |");
        }
        let _ = write!(out, "\n|---|{}", "---:|".repeat(self.conditions.len()));
        for (pair, [spoken, heard]) in self.pairs.iter().enumerate() {
            let _ = write!(out, "\n| {spoken} → {heard} |");
            for condition in 0..self.conditions.len() {
                match self.means(condition, pair) {
                    Some([ours, theirs]) => {
                        let _ = write!(out, " {ours:.2} / {theirs:.2} |");
                    }
                    None => out.push_str(" – |"),
                }
            }
        }
        out.push_str("\n| packets over 100 ms late |");
        for condition in 0..self.conditions.len() {
            let packets = self.packets.get(&condition).copied().unwrap_or_default();
            let [ours, theirs] = packets.map(|[all, late]| 100.0 * late / all.max(1.0));
            let _ = write!(out, " {ours:.1} % / {theirs:.1} % |");
        }
        out
    }

    /// Where ours is not as good as it must be. With `on_the_whole` loss and jitter are judged by the mean over
    /// all codecs: single ones need more than a few sentences.
    pub(super) fn missed(&self, on_the_whole: bool) -> Vec<String> {
        let mut missed = Vec::new();
        for (at, condition) in self.conditions.iter().enumerate() {
            let means: Vec<(String, [f64; 2])> = (0..self.pairs.len())
                .filter_map(|pair| Some((self.pairs[pair].join(" → "), self.means(at, pair)?)))
                .collect();
            if condition != CLEAN && on_the_whole {
                let all = [0, 1].map(|side| means.iter().map(|(_, m)| m[side]).sum::<f64>());
                if all[0] <= all[1] {
                    missed.push(format!(
                        "{condition}: {:.2} in all, not {:.2}",
                        all[0], all[1]
                    ));
                }
                continue;
            }
            for (pair, [ours, theirs]) in means {
                let is_missed = match condition == CLEAN {
                    true => ours < theirs - TOLERANCE,
                    false => ours <= theirs,
                };
                if is_missed {
                    missed.push(format!("{condition}, {pair}: {ours:.3} / {theirs:.3}"));
                }
            }
        }
        missed
    }

    fn means(&self, condition: usize, pair: usize) -> Option<[f64; 2]> {
        let [ours, theirs] = self.scores.get(&(condition, pair))?;
        Some([mean(ours)?, mean(theirs)?])
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

/// Where it stands, at the end if it is new.
fn place<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) -> usize {
    all.iter()
        .position(|other| other == one)
        .unwrap_or_else(|| {
            all.push(one.clone());
            all.len() - 1
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(scores: &[(usize, &str, &str, f64)]) -> Table {
        let mut table = Table::default();
        for (daemon, condition, heard, score) in scores {
            let line = format!("{daemon}\t{condition}\tPCMA\t{heard}\t8000\ta\tb\t100\t5");
            table.add(&Heard::parse(&line).unwrap(), *score);
        }
        table
    }

    #[test]
    fn means_are_shown_by_codecs_and_network() {
        let scores = [
            (0, "none", "PCMU", 4.0),
            (0, "none", "PCMU", 3.0),
            (1, "none", "PCMU", 3.25),
            (0, "3 % loss", "PCMU", f64::NAN),
            (1, "3 % loss", "PCMU", 2.0),
        ];
        let markdown = table(&scores).markdown();
        let lines: Vec<&str> = markdown.lines().collect();
        assert_eq!(lines[0], "| spoken → heard | no loss | 3 % loss |");
        assert_eq!(lines[2], "| PCMA → PCMU | 3.50 / 3.25 | 1.00 / 2.00 |");
        assert!(lines[3].ends_with("| 5.0 % / 5.0 % | 5.0 % / 5.0 % |"));
    }

    #[test]
    fn a_little_worse_will_do_without_loss_but_not_with_it() {
        let table = table(&[
            (0, "none", "PCMU", 3.96),
            (1, "none", "PCMU", 4.0),
            (0, "none", "G722", 3.94),
            (1, "none", "G722", 4.0),
            (0, "10 % loss", "PCMU", 3.0),
            (1, "10 % loss", "PCMU", 3.0),
            (0, "10 % loss", "G722", 2.0),
            (1, "10 % loss", "G722", 1.9),
        ]);
        let missed = table.missed(false);
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(missed[0].starts_with("none, PCMA → G722"), "{missed:?}");
        assert!(
            missed[1].starts_with("10 % loss, PCMA → PCMU"),
            "{missed:?}"
        );
        assert_eq!(table.missed(true).len(), 1);
    }

    #[test]
    fn other_lines_are_refused() {
        assert!(Heard::parse("2\tnone\ta\tb\t8000\tr\tf\t1\t1").is_none());
        assert!(Heard::parse("0\tnone").is_none());
    }
}
