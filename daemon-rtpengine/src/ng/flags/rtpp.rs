//! The `rtpp-flags` string: options as a controller's script spells them, for the daemon to parse.
//!
//! Words separated by spaces; `key=value`; lists `key=[a b]`, nested as in
//! `codec=[transcode=[PCMA] accept=[AMR]]`. In the words of lists `--` stands for `=` and `..` for a
//! space. Any text is understood somehow: nothing is an error.

use std::borrow::Cow;

use crate::ng::value::Value;

/// One word of the string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A flag.
    Word(&'a str),
    /// A key with a string, or with a list whose nested pairs are dictionaries of one entry.
    Pair(&'a str, Value<'a>),
}

/// Brackets deeper than this are taken for text.
const MAX_DEPTH: u8 = 8;

/// Parses the string, in time linear to its length.
#[must_use]
pub fn parse(text: &str) -> Vec<Item<'_>> {
    let mut reader = Reader { text, at: 0 };
    let mut items = Vec::new();
    while let Some(item) = reader.item(0) {
        items.push(item);
    }
    items
}

/// Undoes `--` and `..`.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains("--") || text.contains("..") {
        Cow::Owned(text.replace("--", "=").replace("..", " "))
    } else {
        Cow::Borrowed(text)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next item; `None` at the end of the list or of the text.
    fn item(&mut self, depth: u8) -> Option<Item<'a>> {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        let start = self.at;
        let mut equals = None;
        while let Some(byte) = self.peek() {
            match byte {
                b if b.is_ascii_whitespace() => break,
                b']' if depth > 0 => break,
                b'=' if equals.is_none() && self.at > start => {
                    equals = Some(self.at);
                    if depth < MAX_DEPTH && self.text.as_bytes().get(self.at + 1) == Some(&b'[') {
                        let key = &self.text[start..self.at];
                        self.at += 2;
                        return Some(Item::Pair(key, self.list(depth + 1)));
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start {
            return None;
        }
        Some(match equals {
            Some(at) => Item::Pair(
                &self.text[start..at],
                Value::str(&self.text[at + 1..self.at]),
            ),
            None => Item::Word(&self.text[start..self.at]),
        })
    }

    fn list(&mut self, depth: u8) -> Value<'a> {
        let mut items = Vec::new();
        while let Some(item) = self.item(depth) {
            items.push(match item {
                Item::Word(word) => match unescape(word) {
                    Cow::Borrowed(word) => Value::str(word),
                    Cow::Owned(word) => Value::string(word),
                },
                Item::Pair(key, value) => Value::Dict(vec![(Cow::Borrowed(key.as_bytes()), value)]),
            });
        }
        if self.peek() == Some(b']') {
            self.at += 1;
        }
        Value::List(items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_pairs_and_lists() {
        assert_eq!(
            parse("  trust-address ICE=remove replace=[origin username]x"),
            [
                Item::Word("trust-address"),
                Item::Pair("ICE", Value::str("remove")),
                Item::Pair(
                    "replace",
                    Value::List(vec![Value::str("origin"), Value::str("username")])
                ),
                Item::Word("x"),
            ]
        );
    }

    #[test]
    fn lists_nest() {
        let Some(Item::Pair("codec", Value::List(inner))) =
            parse("codec=[transcode=[PCMA] accept=[AMR]]").pop()
        else {
            panic!("a list under `codec`")
        };
        assert_eq!(
            inner[0].get("transcode").and_then(Value::as_list),
            Some(&[Value::str("PCMA")][..])
        );
        assert_eq!(
            inner[1].get("accept").and_then(Value::as_list),
            Some(&[Value::str("AMR")][..])
        );
    }

    #[test]
    fn brackets_need_not_match() {
        assert_eq!(
            parse("a] =b c=[d e"),
            [
                Item::Word("a]"),
                Item::Word("=b"),
                Item::Pair("c", Value::List(vec![Value::str("d"), Value::str("e")])),
            ]
        );
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("opus/48000//x--1;y--2"), "opus/48000//x=1;y=2");
        assert_eq!(unescape("fmtp:101..0-15"), "fmtp:101 0-15");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-c=\\[\\] .ü-]{0,200}") {
            prop_assert!(parse(&text).len() <= text.len());
        }

        #[test]
        fn words_come_back(words in prop::collection::vec("[a-zA-Z0-9/;:-]{1,12}", 0..12)) {
            let text = words.join(" ");
            let parsed: Vec<_> = parse(&text).into_iter().map(|item| match item {
                Item::Word(word) => word.to_owned(),
                Item::Pair(..) => String::new(),
            }).collect();
            prop_assert_eq!(parsed, words);
        }
    }
}
