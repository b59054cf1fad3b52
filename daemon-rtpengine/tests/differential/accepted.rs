//! Reads `accepted.md`: the differences that are wanted, each with its reason.
//!
//! ```text
//! ### name of a case, or its start with a `*` behind
//! - line of rtpengine
//! + line of ours
//! Reason: why ours is better
//! ```
//! A line may end in `*` too, and `…` as the last line of one side stands for any more of them.
//! `any difference` instead of lines covers all that these cases show.

use super::diff::Hunk;

/// One wanted difference.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) case: String,
    /// `None`: any.
    pub(crate) hunk: Option<Hunk>,
}

impl Accepted {
    /// Whether this is about such a difference in that case. Indentation does not count.
    pub(crate) fn covers(&self, case: &str, hunk: &Hunk) -> bool {
        matches(&self.case, case)
            && self.hunk.as_ref().is_none_or(|wanted| {
                all_match(&wanted.reference, &hunk.reference) && all_match(&wanted.ours, &hunk.ours)
            })
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

fn all_match(patterns: &[String], lines: &[String]) -> bool {
    let (patterns, open) = match patterns.split_last() {
        Some((last, rest)) if last.trim() == "…" => (rest, true),
        _ => (patterns, false),
    };
    (lines.len() == patterns.len() || (open && lines.len() > patterns.len()))
        && patterns
            .iter()
            .zip(lines)
            .all(|(pattern, line)| matches(pattern.trim(), line.trim()))
}

/// # Panics
/// When an entry has no difference or no reason.
pub(crate) fn parse(text: &str) -> Vec<Accepted> {
    text.split("\n### ")
        .skip(1)
        .map(|entry| {
            let mut lines = entry.lines();
            let case = lines.next().unwrap_or_default().trim().to_owned();
            let mut hunk = Hunk::default();
            let mut any = false;
            let mut reason = "";
            for line in lines {
                if let Some(line) = line.strip_prefix("- ") {
                    hunk.reference.push(line.to_owned());
                } else if let Some(line) = line.strip_prefix("+ ") {
                    hunk.ours.push(line.to_owned());
                } else if let Some(why) = line.strip_prefix("Reason:") {
                    reason = why.trim();
                } else if line.trim() == "any difference" {
                    any = true;
                }
            }
            assert!(
                any == (hunk == Hunk::default()),
                "{case}: either lines or `any difference`"
            );
            assert!(!reason.is_empty(), "{case}: no reason is given");
            Accepted {
                case,
                hunk: (!any).then_some(hunk),
            }
        })
        .collect()
}

#[test]
fn entry_covers_its_case_and_lines_only() {
    let hunk = |reference: &[&str], ours: &[&str]| Hunk {
        reference: reference.iter().map(|&l| l.to_owned()).collect(),
        ours: ours.iter().map(|&l| l.to_owned()).collect(),
    };
    let text = "\n### media: *\n+ reception:\n+ …\nReason: more\n\
                ### calls: x\n- port: *\n+ port: 0\nReason: why\n\
                ### sdp: *\nany difference\nReason: unknown there\n";
    let [open, exact, any] = parse(text).try_into().expect("three entries");
    assert!(open.covers("media: a", &hunk(&[], &["  reception:", "1", "2"])));
    assert!(!open.covers("calls: a", &hunk(&[], &["reception:", "1"])));
    assert!(!open.covers("media: a", &hunk(&["x"], &["reception:", "1"])));
    assert!(exact.covers("calls: x", &hunk(&["port: 5"], &["port: 0"])));
    assert!(!exact.covers("calls: xy", &hunk(&["port: 5"], &["port: 0"])));
    assert!(!exact.covers("calls: x", &hunk(&["port: 5", "y"], &["port: 0"])));
    assert!(any.covers("sdp: y", &hunk(&["1"], &[])));
}
