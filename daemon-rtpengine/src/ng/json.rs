//! JSON, the other encoding of NG (RFC 8259): the same tree as bencode.
//!
//! Keys keep their order and their duplicates. Booleans become 0 and 1, fractions lose what is
//! behind the point, `null` members are left out: NG knows no such values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::value::Value;

/// The input is not one JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON document at line {line}, column {column}")]
pub struct DecodeError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
}

/// Decodes `input`, which must be one whole document. Strings without escapes are borrowed; nesting
/// is bounded (128 levels).
///
/// # Errors
/// [`DecodeError`] with the place.
pub fn decode(input: &[u8]) -> Result<Value<'_>, DecodeError> {
    match serde_json::from_slice::<Node<'_>>(input) {
        Ok(node) => Ok(node.0.unwrap_or(Value::dict())),
        Err(error) => Err(DecodeError {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// Appends the document to `out`, without white space. Bytes that are not UTF-8 become U+FFFD.
pub fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Bytes(bytes) => encode_string(bytes, out),
        Value::List(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                encode(item, out);
            }
            out.push(b']');
        }
        Value::Dict(pairs) => {
            out.push(b'{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                encode_string(key, out);
                out.push(b':');
                encode(value, out);
            }
            out.push(b'}');
        }
    }
}

fn encode_string(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let text = String::from_utf8_lossy(bytes);
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f | 0x7f => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// A value, or `None` for `null`.
struct Node<'a>(Option<Value<'a>>);

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Int(i64::from(v))))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Int(v)))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::Int(i64::try_from(v).unwrap_or(i64::MAX))))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and the fraction is meant to go"
        )]
        Ok(Some(Value::Int(v as i64)))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Value::str(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::string(v)))
    }
    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Some(Value::string(v)))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(node) = seq.next_element::<Node<'de>>()? {
            items.extend(node.0);
        }
        Ok(Some(Value::List(items)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if let Some(value) = map.next_value::<Node<'de>>()?.0 {
                pairs.push((key.0, value));
            }
        }
        Ok(Some(Value::Dict(pairs)))
    }
}

/// A member's name; borrowed where it has no escapes (plain `Cow` would always copy).
struct Key<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Key)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v.as_bytes()))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        encode(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let text = r#"{"b":1,"a":"x","b":[2,"y",{}]}"#;
        assert_eq!(written(&decode(text.as_bytes()).unwrap()), text);
    }

    #[test]
    fn booleans_count_as_integers_and_null_is_absent() {
        let value = decode(br#"{"t":true,"f":false,"n":null,"d":2.9,"l":[null,1]}"#).unwrap();
        assert_eq!(written(&value), r#"{"t":1,"f":0,"d":2,"l":[1]}"#);
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let Value::Dict(pairs) = decode(br#"{"key":"text"}"#).unwrap() else {
            panic!("a dictionary")
        };
        assert!(matches!(pairs[0].0, Cow::Borrowed(_)));
        assert!(matches!(pairs[0].1, Value::Bytes(Cow::Borrowed(_))));
    }

    #[test]
    fn rubbish_and_trailing_text_are_refused() {
        for bad in [&b"{"[..], b"{} x", b"{\"a\":\xff}", b"", b"{\"a\" 1}"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
        assert!(decode("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            written(&Value::str("a\"\\\r\n\t\u{1}\u{fc}")),
            "\"a\\\"\\\\\\r\\n\\t\\u0001\u{fc}\""
        );
    }

    pub(crate) fn tree() -> impl Strategy<Value = Value<'static>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<String>().prop_map(Value::string),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
                prop::collection::vec((any::<String>(), inner), 0..8).prop_map(|pairs| {
                    Value::Dict(
                        pairs
                            .into_iter()
                            .map(|(k, v)| (Cow::Owned(k.into_bytes()), v))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in tree()) {
            let mut json = Vec::new();
            encode(&value, &mut json);
            prop_assert_eq!(&decode(&json).unwrap(), &value);
            let mut bencode = Vec::new();
            super::super::bencode::encode(&value, &mut bencode);
            let (again, used) = super::super::bencode::decode(&bencode).unwrap();
            prop_assert_eq!(used, bencode.len());
            prop_assert_eq!(&again, &value);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = super::super::bencode::decode(&bytes);
        }
    }
}
