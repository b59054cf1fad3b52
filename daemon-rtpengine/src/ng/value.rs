//! The one tree that both encodings share.

use std::borrow::Cow;

/// A decoded document. Dictionaries keep the order and the duplicates of the wire: real clients send
/// keys unsorted and twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Integer; JSON booleans arrive as 0 and 1.
    Int(i64),
    /// Byte string, not necessarily UTF-8.
    Bytes(Cow<'a, [u8]>),
    /// List.
    List(Vec<Value<'a>>),
    /// Dictionary as ordered pairs.
    Dict(Vec<(Cow<'a, [u8]>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// An empty dictionary.
    #[must_use]
    pub const fn dict() -> Self {
        Value::Dict(Vec::new())
    }
    /// An empty dictionary with room for that many pairs.
    #[must_use]
    pub fn dict_of(pairs: usize) -> Self {
        Value::Dict(Vec::with_capacity(pairs))
    }
    /// A string that is borrowed.
    #[must_use]
    pub const fn str(text: &'a str) -> Self {
        Value::Bytes(Cow::Borrowed(text.as_bytes()))
    }
    /// A string that is owned.
    #[must_use]
    pub fn string(text: impl Into<String>) -> Self {
        Value::Bytes(Cow::Owned(text.into().into_bytes()))
    }
    /// Appends a pair; does nothing unless `self` is a dictionary.
    pub fn push(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) -> &mut Self {
        if let Value::Dict(pairs) = self {
            let key = match key.into() {
                Cow::Borrowed(k) => Cow::Borrowed(k.as_bytes()),
                Cow::Owned(k) => Cow::Owned(k.into_bytes()),
            };
            pairs.push((key, value));
        }
        self
    }
    /// The value of the first pair with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Dict(pairs) => pairs
                .iter()
                .find(|(k, _)| k.as_ref() == key.as_bytes())
                .map(|(_, v)| v),
            _ => None,
        }
    }
    /// The bytes of a string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }
    /// A string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|b| std::str::from_utf8(b).ok())
    }
    /// An integer, also one written as a decimal string.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Bytes(_) => self.as_str()?.trim().parse().ok(),
            _ => None,
        }
    }
    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}
