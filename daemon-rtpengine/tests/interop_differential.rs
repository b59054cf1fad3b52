//! Every request of `differential/*.cases` goes to Debian's rtpengine and to the daemon under test;
//! their replies must be the same but for ports and times.
//!
//! - `DIFF_CASE=text` runs only the cases whose name contains the text.
//! - `DIFF_RAW=1` prints rtpengine's replies as they come.
//! - `VOXPLANE_TEST_DAEMON=/usr/bin/rtpengine` compares rtpengine with itself: tests the test,
//!   no difference is accepted then.

mod differential;
mod support;

use std::fmt::Write as _;
use std::time::Instant;

use differential::accepted::{self, Accepted};
use differential::case::{self, Case};
use differential::diff::{Hunk, hunks};
use differential::run::{Outcome, Runner};
use support::daemon::{Daemon, Program, test_file};
use support::process::TempDir;

/// Both daemons have the same interfaces, so addresses need no names.
const INTERFACES: [&str; 7] = [
    "--interface=127.0.0.1",
    "--interface=pub/127.0.0.2",
    "--interface=priv/127.0.0.3",
    "--interface=six/::1",
    "--interface=multi/127.0.0.4",
    "--interface=multi/127.0.0.5",
    "--interface=multi/::1",
];
const ADDRESSES: [&str; 6] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.0.0.3",
    "127.0.0.4",
    "127.0.0.5",
    "::1",
];

/// Fewer requests would mean that case files went missing.
const MIN_REQUESTS: usize = 6600;

/// Lines shown of one side of a difference; `DIFF_CASE` with `DIFF_RAW` shows the rest.
const MAX_SHOWN: usize = 15;

/// A difference and where it was seen.
struct Finding<'a> {
    case: &'a str,
    step: String,
    hunk: Hunk,
}

#[test]
fn replies_are_those_of_rtpengine() {
    let started = Instant::now();
    let dir = TempDir::new("differential");
    let ours = Program::under_test();
    let same_program = matches!(ours, Program::Rtpengine);
    let reference = Daemon::start(&Program::Rtpengine, "reference", 600, &INTERFACES, &dir);
    let ours = Daemon::start(&ours, "ours", 600, &INTERFACES, &dir);
    let mut reference = Runner::new(&reference, &ADDRESSES);
    let mut ours = Runner::new(&ours, &ADDRESSES);

    let filter = std::env::var("DIFF_CASE").unwrap_or_default();
    let raw = std::env::var_os("DIFF_RAW").is_some();
    let mut cases = case::load(&test_file("differential"));
    cases.retain(|case| case.name.contains(&filter));
    assert!(!cases.is_empty(), "no case is named like {filter:?}");

    let mut findings = Vec::new();
    for case in &cases {
        let _place = Place(&case.name);
        let mut run = |found: &mut Vec<_>| {
            let expected = reference.run(case);
            if raw {
                print_raw(case, &expected);
            }
            *found = compare(case, &expected, &ours.run(case));
            reference.by_number_alone || ours.by_number_alone
        };
        let mut found = Vec::new();
        // Two ports that happened to be one number do not do so again.
        if run(&mut found) && !found.is_empty() {
            run(&mut found);
        }
        findings.extend(found);
    }

    let text = std::fs::read_to_string(test_file("differential/accepted.md"));
    let mut accepted = accepted::parse(&text.expect("accepted.md can be read"));
    if same_program {
        accepted.clear();
    }
    let unwanted: Vec<&Finding<'_>> = findings
        .iter()
        .filter(|f| !accepted.iter().any(|a| a.covers(f.case, &f.hunk)))
        .collect();
    let stale: Vec<&Accepted> = accepted
        .iter()
        .filter(|a| filter.is_empty() && !findings.iter().any(|f| a.covers(f.case, &f.hunk)))
        .collect();
    println!(
        "{} cases, {} requests to each daemon, {} differences, {} of them accepted, {:.1?}",
        cases.len(),
        reference.requests,
        findings.len(),
        findings.len() - unwanted.len(),
        started.elapsed()
    );
    assert!(
        unwanted.is_empty() && stale.is_empty(),
        "{}",
        report(&unwanted, &stale)
    );
    assert!(
        !filter.is_empty() || reference.requests >= MIN_REQUESTS,
        "only {} requests",
        reference.requests
    );
}

/// Says where the test was when it panics, for instance because a daemon has crashed.
struct Place<'a>(&'a str);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was in the case {:?}", self.0);
        }
    }
}

fn compare<'a>(case: &'a Case, expected: &[Outcome], ours: &[Outcome]) -> Vec<Finding<'a>> {
    expected
        .iter()
        .zip(ours)
        .flat_map(|(expected, ours)| {
            hunks(&expected.lines, &ours.lines)
                .into_iter()
                .map(|hunk| Finding {
                    case: &case.name,
                    step: expected.step.clone(),
                    hunk,
                })
        })
        .collect()
}

fn print_raw(case: &Case, outcomes: &[Outcome]) {
    println!("\n=== {}", case.name);
    for outcome in outcomes {
        println!("--- {}", outcome.step);
        if !outcome.raw.is_empty() {
            println!("{}", outcome.raw.replace("\r\n", "\\r\n"));
        }
        for line in &outcome.lines {
            println!("    {line}");
        }
    }
}

fn report(unwanted: &[&Finding<'_>], stale: &[&Accepted]) -> String {
    let mut text = String::new();
    let mut case = "";
    let mut step = "";
    for finding in unwanted {
        if finding.case != case {
            let _ = writeln!(text, "\n### {}", finding.case);
            step = "";
        }
        if finding.step != step {
            let _ = writeln!(text, "@ {}", finding.step);
        }
        case = finding.case;
        step = &finding.step;
        for (sign, lines) in [("-", &finding.hunk.reference), ("+", &finding.hunk.ours)] {
            for line in lines.iter().take(MAX_SHOWN) {
                let _ = writeln!(text, "{sign} {}", line.trim());
            }
            if lines.len() > MAX_SHOWN {
                let _ = writeln!(text, "{sign} … and {} more", lines.len() - MAX_SHOWN);
            }
        }
    }
    let mut cases: Vec<&str> = unwanted.iter().map(|f| f.case).collect();
    cases.dedup();
    let _ = writeln!(
        text,
        "\n{} differences in {} cases (- rtpengine, + ours)",
        unwanted.len(),
        cases.len()
    );
    for accepted in stale {
        let _ = writeln!(
            text,
            "accepted.md, {}: the difference does not occur any more",
            accepted.case
        );
    }
    text
}
