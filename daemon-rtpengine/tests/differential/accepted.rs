//! Reads `accepted.md`: the differences that are wanted, each with its reason.
//!
//! ```text
//! ### name of a case, or its start with a `*` behind
//! - line of rtpengine
//! + line of ours
//! Reason: why ours is better
//! ```
//! A line may end in `*` too, and `…` as the last line of one side stands for any more of them.
//! `any difference` instead of lines covers all that these cases show. Several `###` lines share what
//! follows; an empty line ends a difference, and another may follow. Each of them has to occur in
//! each case.

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
    let mut all = Vec::new();
    let mut entry = Entry::default();
    for line in text.lines() {
        if let Some(case) = line.strip_prefix("### ") {
            if entry.has_body {
                entry.finish(&mut all);
            }
            entry.cases.push(case.trim().to_owned());
        } else if !entry.cases.is_empty() {
            entry.line(line);
        }
    }
    if !entry.cases.is_empty() {
        entry.finish(&mut all);
    }
    all
}

/// What was read of an entry so far.
#[derive(Default)]
struct Entry {
    cases: Vec<String>,
    hunks: Vec<Hunk>,
    /// The next line of a difference begins another one.
    between: bool,
    any: bool,
    reason: bool,
    has_body: bool,
}

impl Entry {
    fn line(&mut self, line: &str) {
        let ours = line.strip_prefix("+ ");
        if let Some(text) = ours.or_else(|| line.strip_prefix("- ")) {
            if self.hunks.is_empty() || self.between {
                self.hunks.push(Hunk::default());
            }
            let hunk = self.hunks.last_mut().expect("one was pushed");
            let side = match ours {
                Some(_) => &mut hunk.ours,
                None => &mut hunk.reference,
            };
            side.push(text.to_owned());
        }
        self.any |= line.trim() == "any difference";
        self.reason |= line
            .strip_prefix("Reason:")
            .is_some_and(|why| !why.trim().is_empty());
        self.between = line.trim().is_empty();
        self.has_body |= !self.between;
    }

    fn finish(&mut self, all: &mut Vec<Accepted>) {
        let Entry {
            cases, hunks, any, ..
        } = &*self;
        assert!(
            *any == hunks.is_empty(),
            "{cases:?}: either lines or `any difference`"
        );
        assert!(self.reason, "{cases:?}: no reason is given");
        for case in cases {
            let any = any.then_some(None);
            let hunks = hunks.iter().cloned().map(Some).chain(any);
            all.extend(hunks.map(|hunk| Accepted {
                case: case.clone(),
                hunk,
            }));
        }
        *self = Entry::default();
    }
}

#[test]
fn entry_covers_its_case_and_lines_only() {
    let hunk = |reference: &[&str], ours: &[&str]| Hunk {
        reference: reference.iter().map(|&l| l.to_owned()).collect(),
        ours: ours.iter().map(|&l| l.to_owned()).collect(),
    };
    let text = "\n### media: *\n+ reception:\n+ …\nReason: more\n\
                ### calls: x\n### calls: z\n- port: *\n+ port: 0\n\n+ more\n\nReason: why\n\
                ### sdp: *\nany difference\nReason: unknown there\n";
    let all: [Accepted; 6] = parse(text).try_into().expect("six differences");
    let [open, exact, second, shared, _, any] = all;
    assert!(second.covers("calls: x", &hunk(&[], &["more"])));
    assert!(shared.covers("calls: z", &hunk(&["port: 5"], &["port: 0"])));
    assert!(open.covers("media: a", &hunk(&[], &["  reception:", "1", "2"])));
    assert!(!open.covers("calls: a", &hunk(&[], &["reception:", "1"])));
    assert!(!open.covers("media: a", &hunk(&["x"], &["reception:", "1"])));
    assert!(exact.covers("calls: x", &hunk(&["port: 5"], &["port: 0"])));
    assert!(!exact.covers("calls: xy", &hunk(&["port: 5"], &["port: 0"])));
    assert!(!exact.covers("calls: x", &hunk(&["port: 5", "y"], &["port: 0"])));
    assert!(any.covers("sdp: y", &hunk(&["1"], &[])));
}
