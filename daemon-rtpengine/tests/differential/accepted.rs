//! Reads `accepted.md`: the differences that are wanted, each with its reason.
//!
//! ```text
//! ### name of a case, or its start with a `*` behind
//! - line of rtpengine
//! + line of ours
//! Reason: why ours is better
//! ```

use super::diff::Hunk;

/// One wanted difference.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) case: String,
    pub(crate) hunk: Hunk,
}

impl Accepted {
    /// Whether this is about such a difference in that case. Indentation does not count.
    pub(crate) fn covers(&self, case: &str, hunk: &Hunk) -> bool {
        let named = match self.case.strip_suffix('*') {
            Some(start) => case.starts_with(start),
            None => case == self.case,
        };
        let same =
            |a: &[String], b: &[String]| a.iter().map(|l| l.trim()).eq(b.iter().map(|l| l.trim()));
        named && same(&self.hunk.reference, &hunk.reference) && same(&self.hunk.ours, &hunk.ours)
    }
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
            let mut reason = "";
            for line in lines {
                if let Some(line) = line.strip_prefix("- ") {
                    hunk.reference.push(line.to_owned());
                } else if let Some(line) = line.strip_prefix("+ ") {
                    hunk.ours.push(line.to_owned());
                } else if let Some(why) = line.strip_prefix("Reason:") {
                    reason = why.trim();
                }
            }
            assert!(hunk != Hunk::default(), "{case}: no difference is given");
            assert!(!reason.is_empty(), "{case}: no reason is given");
            Accepted { case, hunk }
        })
        .collect()
}
