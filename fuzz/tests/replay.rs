//! Replays the seeds of every target, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_seed_keeps_its_targets_promises() {
    for (name, target) in fuzz::TARGETS {
        let directory = corpus().join(name);
        let mut seeds = 0;
        for entry in fs::read_dir(&directory).unwrap_or_else(|e| panic!("{name}: {e}")) {
            let path = entry.expect("a readable corpus").path();
            // Names the seed in the output of a test that fails.
            println!("{}", path.display());
            target(&fs::read(&path).expect("a readable seed"));
            seeds += 1;
        }
        assert!(seeds > 0, "no seeds in {}", directory.display());
    }
}

#[test]
fn every_corpus_has_a_target() {
    let directories: BTreeSet<String> = fs::read_dir(corpus())
        .expect("a corpus")
        .map(|e| {
            e.expect("a readable corpus")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(n, _)| (*n).to_owned()).collect();
    assert_eq!(directories, targets);
}

#[test]
fn targets_are_found_by_name() {
    assert!(fuzz::target("bencode").is_some());
    assert!(fuzz::target("no such target").is_none());
}
