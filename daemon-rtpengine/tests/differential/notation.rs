//! NG values written on one line: `word`, `"quoted"`, `#5`, `[list of words]`, `{key=value …}`.

use std::borrow::Cow;

use daemon_rtpengine::ng::value::Value;

/// Reads one line from left to right.
pub(crate) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { rest: line.trim() }
    }
    /// Whether everything has been read.
    pub(crate) fn at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }
    /// Takes `mark` if it stands here.
    pub(crate) fn take(&mut self, mark: &str) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
    /// A run of characters up to white space or one that has a meaning.
    pub(crate) fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "=[]{}()\"".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
    /// `(key=value …)`; values end at white space or the closing parenthesis.
    pub(crate) fn arguments(&mut self) -> Vec<(String, String)> {
        let mut arguments = Vec::new();
        if !self.take("(") {
            return arguments;
        }
        let (inside, rest) = self.rest.split_once(')').expect("a closing parenthesis");
        self.rest = rest;
        for pair in inside.split_whitespace() {
            let (key, value) = pair.split_once('=').expect("key=value");
            arguments.push((key.to_owned(), value.replace(',', " ")));
        }
        arguments
    }
    /// A value.
    pub(crate) fn value(&mut self) -> Value<'static> {
        if self.take("#") {
            let word = self.word();
            return Value::Int(
                word.parse()
                    .unwrap_or_else(|_| panic!("not a number: {word}")),
            );
        }
        if self.take("\"") {
            return Value::Bytes(Cow::Owned(self.quoted()));
        }
        if self.take("[") {
            let mut items = Vec::new();
            while !self.at_end() && !self.take("]") {
                items.push(self.value());
            }
            return Value::List(items);
        }
        if self.take("{") {
            let mut pairs = Vec::new();
            while !self.at_end() && !self.take("}") {
                pairs.push(self.pair());
            }
            return Value::Dict(pairs);
        }
        let mut word = String::new();
        // A plain word may hold `=`, as in `sdp-attr` values, where no key is expected.
        loop {
            word.push_str(self.word());
            if !self.take("=") {
                break;
            }
            word.push('=');
        }
        assert!(
            !word.is_empty(),
            "a value is missing before {:?}",
            self.rest
        );
        Value::string(word)
    }
    /// `key=value`; `_` in the key stands for a blank.
    pub(crate) fn pair(&mut self) -> (Cow<'static, [u8]>, Value<'static>) {
        let key = if self.take("\"") {
            String::from_utf8(self.quoted()).expect("keys are text")
        } else {
            self.word().replace('_', " ")
        };
        assert!(
            self.take("="),
            "{key} lacks its value before {:?}",
            self.rest
        );
        (Cow::Owned(key.into_bytes()), self.value())
    }
    fn quoted(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return bytes;
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('r') => bytes.push(b'\r'),
                    Some('n') => bytes.push(b'\n'),
                    Some('0') => bytes.push(0),
                    Some('f') => bytes.push(0xff),
                    Some(c) => bytes.extend(c.to_string().as_bytes()),
                    None => break,
                },
                c => bytes.extend(c.to_string().as_bytes()),
            }
        }
        panic!("a quote is not closed: {:?}", self.rest);
    }
}
