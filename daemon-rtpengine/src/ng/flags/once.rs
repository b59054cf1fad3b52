//! Logs each odd word once, however often it comes.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Words remembered; beyond that nothing new is logged, so nobody fills memory or logs.
const MAX_SEEN: usize = 1024;

static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// A word that no table knows.
pub(super) fn unknown(kind: &'static str, name: &str) {
    if first_time(name) {
        tracing::info!(name, "unknown {kind} is ignored (logged once)");
    }
}

/// A word that is known and changes nothing.
pub(super) fn inert(name: &str, why: &'static str) {
    if !why.is_empty() && first_time(name) {
        tracing::info!(name, "has no effect: {why} (logged once)");
    }
}

fn first_time(name: &str) -> bool {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.get_or_insert_default();
    if seen.contains(name) || seen.len() >= MAX_SEEN {
        return false;
    }
    seen.insert(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_new_once() {
        assert!(first_time("a word of this test alone"));
        assert!(!first_time("a word of this test alone"));
    }
}
