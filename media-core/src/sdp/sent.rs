//! What later descriptions of a party have to agree with.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::parse::Origin;

/// What one party's descriptions have looked like so far: the parts of `o=` and `s=` that `replace`
/// keeps the same, and the version it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentDescription {
    username: Option<Box<[u8]>>,
    /// The whole line.
    session_name: Option<Box<[u8]>>,
    version: Option<u64>,
    /// Of the last text whose version we counted.
    digest: Option<u64>,
}

impl SentDescription {
    /// The user name of the party's first description. The version counts from that one too.
    pub(super) fn first_username(&mut self, origin: &Origin<'_>) -> &[u8] {
        if self.version.is_none() {
            let version = std::str::from_utf8(origin.version).ok();
            self.version = version.and_then(|v| v.parse().ok()).filter(|&v| v != 0);
        }
        self.username.get_or_insert_with(|| origin.username.into())
    }

    /// The `s=` line of the party's first description.
    pub(super) fn first_session_name(&mut self, line: &[u8]) -> &[u8] {
        self.session_name.get_or_insert_with(|| line.into())
    }

    /// The version of `text`, which itself has none: one up if it differs from the last one, or if
    /// `forced`. Without a number to count from it starts anywhere.
    pub(super) fn count_version(&mut self, text: &[u8], forced: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let digest = hasher.finish();
        let changed = self.digest.is_some_and(|last| last != digest);
        let last = self.version.unwrap_or(digest >> 1);
        let version = if changed || forced {
            last.wrapping_add(1)
        } else {
            last
        };
        self.version = Some(version);
        self.digest = Some(digest);
        version
    }
}
