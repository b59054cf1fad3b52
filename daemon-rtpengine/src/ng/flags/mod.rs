//! Options of a request: from NG's many spellings to `media_core`'s types.
//!
//! The one table is `table::WORDS`. A name may be written with hyphens, spaces or underscores and
//! in any case. It can reach us as
//!
//! - a key of the dictionary: `"ICE": "remove"`, `"replace": ["origin"]`, `"codec": {"strip": […]}`;
//! - a word of the `flags` list, if the table lists it as one, or as key and item in one:
//!   `codec-strip-PCMU`, `replace-origin`;
//! - a word of the one string `rtpp-flags` ([`rtpp`]).
//!
//! What the table does not know is logged once and ignored, never refused.

mod dtmf;
mod once;
pub mod rtpp;
mod secure;
mod table;

use std::borrow::Cow;

use media_core::session::{DeleteOptions, Options, Selector};

use super::value::Value;
pub use dtmf::{DtmfFlags, Played};
pub(crate) use secure::webrtc;
pub(crate) use table::learn_mode;
use table::{Key, Word};

/// What a request asks for besides its command and its description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `call-id`.
    pub call_id: Option<String>,
    /// `from-tag`.
    pub from_tag: Option<String>,
    /// `to-tag`.
    pub to_tag: Option<String>,
    /// `via-branch`.
    pub via_branch: Option<String>,
    /// `label`, `address`, `all`; the tag is in `from_tag`.
    pub selector: Selector,
    /// `address` that is none.
    pub bad_address: bool,
    /// The family that `received-from` names in front of its address.
    received_family: Family,
    /// `limit` of `list`.
    pub limit: Option<i64>,
    /// `WebRTC`: what a browser needs. Means nothing in an answer.
    pub webrtc: bool,
    /// What is said about DTMF.
    pub dtmf: DtmfFlags,
    /// Options of offer and answer.
    pub options: Options,
    /// Options of delete.
    pub delete: DeleteOptions,
}

/// What `received-from` has said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Family {
    #[default]
    Any,
    V4,
    V6,
    /// Something else: the address does not count.
    Odd,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Dictionaries around it.
    depth: u8,
    /// In an `rtpp-flags` string, which has texts where a dictionary has lists.
    in_string: bool,
}

const IN_STRING: Place = Place {
    depth: 0,
    in_string: true,
};

/// Names longer than this are not looked up.
const MAX_NAME: usize = 64;
/// Dictionaries deeper than this below a key are not followed.
const MAX_DEPTH: u8 = 4;

impl Flags {
    /// Reads all keys of a request's dictionary but `command` and `sdp`.
    ///
    /// Later keys add to or replace what earlier ones said, so duplicates do no harm.
    #[must_use]
    pub fn of(request: &Value<'_>) -> Flags {
        let mut flags = Flags::default();
        if let Value::Dict(pairs) = request {
            for (key, value) in pairs {
                if !matches!(key.as_ref(), b"command" | b"sdp") {
                    flags.apply_key(key, value, Place::default());
                }
            }
        }
        flags
    }

    /// Reads an `rtpp-flags` string.
    pub fn apply_rtpp(&mut self, text: &str) {
        for item in rtpp::parse(text) {
            match item {
                rtpp::Item::Word(word) => self.apply_word(word.as_bytes()),
                rtpp::Item::Pair(key, value) => self.apply_key(key.as_bytes(), &value, IN_STRING),
            }
        }
    }

    /// One key of the dictionary with its value.
    fn apply_key(&mut self, name: &[u8], value: &Value<'_>, place: Place) {
        let mut buffer = [0; MAX_NAME];
        let Some(name) = normalise(name, &mut buffer) else {
            return;
        };
        match (name, value) {
            ("flags", Value::List(words)) => {
                for word in words {
                    self.apply_word(word.as_bytes().unwrap_or_default());
                }
                return;
            }
            ("flags", Value::Bytes(word)) if place.in_string => return self.apply_word(word),
            ("rtpp-flags", Value::Bytes(text)) if place == Place::default() => {
                return self.apply_rtpp(&String::from_utf8_lossy(text));
            }
            // `codec = {strip = […]}` is `codec-strip = […]`.
            (_, Value::Dict(pairs)) if place.depth < MAX_DEPTH => {
                return self.apply_nested(name, pairs, place);
            }
            _ => {}
        }
        match (table::find(name), value) {
            (Some(word), _) => self.apply_value(word, name, value, place),
            // `codec=[strip=[…] mask-all]`: nested pairs, and words that the key is the prefix of.
            (None, Value::List(items)) if place.depth < MAX_DEPTH => {
                for item in items {
                    match item {
                        Value::Dict(pairs) => self.apply_nested(name, pairs, place),
                        Value::Bytes(rest) => self.apply_word(&joined(name, rest)),
                        Value::Int(_) | Value::List(_) => {}
                    }
                }
            }
            (None, _) => once::unknown("key", name),
        }
    }

    fn apply_nested(&mut self, name: &str, pairs: &[(Cow<'_, [u8]>, Value<'_>)], place: Place) {
        if let Some(word) = table::find(name)
            && let Key::Pairs(apply) = word.key
        {
            for (from, to) in pairs {
                apply(
                    self,
                    &text(from),
                    &to.as_bytes().map(text).unwrap_or_default(),
                );
            }
            return;
        }
        for (key, value) in pairs {
            let inner = Place {
                depth: place.depth + 1,
                ..place
            };
            self.apply_key(&joined(name, key), value, inner);
        }
    }

    /// Types are taken as strictly as rtpengine takes them: what has another type is not there.
    fn apply_value(&mut self, word: &Word, name: &str, value: &Value<'_>, place: Place) {
        match (word.key, value) {
            (Key::None, _) => once::unknown("key", name),
            (Key::Inert(why), _) => once::inert(name, why),
            (Key::Text(apply) | Key::Value(apply), Value::Bytes(bytes)) => {
                apply(self, &text(bytes));
            }
            (Key::Value(apply), Value::Int(n)) => apply(self, &n.to_string()),
            (Key::Numbers(apply), Value::Bytes(bytes)) => {
                for item in text(bytes).split(',') {
                    apply(self, item);
                }
            }
            (Key::Numbers(apply), Value::Int(n)) => apply(self, &n.to_string()),
            (Key::Numbers(apply), Value::List(items)) => {
                for item in items {
                    match item {
                        Value::Int(n) => apply(self, &n.to_string()),
                        item => apply(self, &item.as_bytes().map(text).unwrap_or_default()),
                    }
                }
            }
            // `codec-mask=all` of the one string; a dictionary has a list here.
            (Key::Items(apply), Value::Bytes(bytes)) if place.in_string => {
                apply(self, &text(bytes));
            }
            (Key::Items(apply), Value::List(items)) => {
                for item in items.iter().filter_map(Value::as_bytes) {
                    apply(self, &text(item));
                }
            }
            (Key::Pairs(apply), Value::List(items)) => {
                for item in items {
                    match item {
                        Value::List(pair) => {
                            if let [Value::Bytes(from), Value::Bytes(to)] = pair.as_slice() {
                                apply(self, &text(from), &text(to));
                            }
                        }
                        Value::Dict(pairs) => self.apply_nested(name, pairs, place),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// One word of the `flags` list.
    fn apply_word(&mut self, word: &[u8]) {
        let mut buffer = [0; MAX_NAME];
        let Some(name) = normalise(&word[..word.len().min(MAX_NAME)], &mut buffer) else {
            return;
        };
        if word.len() <= MAX_NAME
            && let Some(found) = table::find(name)
            && let Some(apply) = found.flag
        {
            return apply(self);
        }
        // `codec-strip-PCMU`, `SDES-order:AEAD…`: the longest key that the word starts with.
        for (at, _) in name.rmatch_indices(['-', ':']) {
            let Some(found) = table::find(&name[..at]) else {
                continue;
            };
            match found.key {
                Key::Text(apply) | Key::Value(apply) | Key::Items(apply) | Key::Numbers(apply) => {
                    let item = text(&word[at + 1..]);
                    return apply(self, &rtpp::unescape(&item));
                }
                Key::Pairs(apply) => {
                    let item = text(&word[at + 1..]);
                    if let Some((from, to)) = rtpp::unescape(&item).split_once('>') {
                        return apply(self, from, to);
                    }
                }
                Key::Inert(why) => return once::inert(&name[..at], why),
                Key::None => {}
            }
        }
        if let Some(protocol) = table::transport_protocol(name) {
            self.options.transport_protocol = Some(protocol);
            return;
        }
        once::unknown("flag", name);
    }
}

fn text(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.as_ref())
}

fn joined(name: &str, rest: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"-", rest].concat()
}

/// Lower case, with hyphens for spaces and underscores. `None` for what cannot be a name.
fn normalise<'b>(name: &[u8], buffer: &'b mut [u8; MAX_NAME]) -> Option<&'b str> {
    let out = buffer.get_mut(..name.len())?;
    for (to, from) in out.iter_mut().zip(name) {
        *to = match from {
            b' ' | b'_' => b'-',
            b => b.to_ascii_lowercase(),
        };
    }
    std::str::from_utf8(out)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
