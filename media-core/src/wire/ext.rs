//! RTP header extension elements (RFC 8285 §4). Refuses extensions of other profiles.
//!
//! ```text
//! one-byte form, profile 0xBEDE       two-byte form, profile 0x1000–0x100F
//!  0 1 2 3 4 5 6 7                     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-+-+-+-+------              +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+------
//! |  ID   | len−1 | data               |      ID       |      len      | data
//! +-+-+-+-+-+-+-+-+------              +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+------
//! ```
//!
//! A zero byte where an element would begin is padding.

use super::rtp::Extension;
use super::{EmitError, Writer};

/// Profile of the one-byte form: identifiers 1–14, 1–16 bytes each.
pub const ONE_BYTE_PROFILE: u16 = 0xbede;
/// Profile of the two-byte form, its four lowest bits the application's: identifiers 1–255, up to
/// 255 bytes each.
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Why an extension has no elements to iterate over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtError {
    /// Neither of RFC 8285's profiles.
    #[error("header extension profile {0:#06x} is not RFC 8285's")]
    UnknownProfile(u16),
    /// An element runs past the end of the extension.
    #[error("header extension element {0} runs past the end")]
    TruncatedElement(u8),
}

/// One header extension element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Local identifier, given its meaning by `a=extmap`.
    pub id: u8,
    /// Its data.
    pub data: &'a [u8],
}

/// Iterator over the elements of an extension, all of them checked.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Elements<'a> {
    /// Checks the elements.
    ///
    /// # Errors
    /// - [`ExtError::UnknownProfile`]: not an extension of RFC 8285.
    /// - [`ExtError::TruncatedElement`]: a length contradicts the extension's.
    pub fn parse(extension: Extension<'a>) -> Result<Self, ExtError> {
        let two_byte = match extension.profile {
            ONE_BYTE_PROFILE => false,
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => true,
            profile => return Err(ExtError::UnknownProfile(profile)),
        };
        let elements = Self {
            rest: extension.data,
            two_byte,
        };
        let mut walk = elements.clone();
        while walk.step()?.is_some() {}
        Ok(elements)
    }

    /// The next element; `None` at the end.
    fn step(&mut self) -> Result<Option<Element<'a>>, ExtError> {
        let start = self.rest.iter().position(|b| *b != 0);
        let mut rest = start.and_then(|at| self.rest.get(at..)).unwrap_or_default();
        self.rest = &[];
        let Some((&first, after)) = rest.split_first() else {
            return Ok(None);
        };
        let (id, len) = if self.two_byte {
            let (&len, after) = after
                .split_first()
                .ok_or(ExtError::TruncatedElement(first))?;
            rest = after;
            (first, usize::from(len))
        } else {
            // RFC 8285 §4.2: identifier 15, or 0 with a length, ends the extension.
            if matches!(first >> 4, 0 | 15) {
                return Ok(None);
            }
            rest = after;
            (first >> 4, usize::from(first & 15) + 1)
        };
        let (data, rest) = rest
            .split_at_checked(len)
            .ok_or(ExtError::TruncatedElement(id))?;
        self.rest = rest;
        Ok(Some(Element { id, data }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Element<'a>> {
        self.step().ok().flatten()
    }
}

/// Writes elements in the shortest form that holds them all, padded to whole words, to the front of
/// `out`, and returns them as an extension.
///
/// # Errors
/// - [`EmitError::TooLong`]: an element of more than 255 bytes, or one with the identifier 0, which
///   can have no data.
/// - [`EmitError::BufferTooSmall`]: `out` is shorter than the extension.
pub fn emit<'o>(out: &'o mut [u8], elements: &[Element<'_>]) -> Result<Extension<'o>, EmitError> {
    for Element { id, data } in elements {
        let max = if *id == 0 { 0 } else { 255 };
        let len = data.len();
        if len > max || *id == 0 {
            return Err(EmitError::TooLong { len, max });
        }
    }
    let two_byte = elements
        .iter()
        .any(|e| e.id > 14 || !(1..=16).contains(&e.data.len()));
    let header_len = if two_byte { 2 } else { 1 };
    let content: usize = elements.iter().map(|e| header_len + e.data.len()).sum();
    let padded = content.next_multiple_of(4);

    let mut writer = Writer::new(out, padded)?;
    for Element { id, data } in elements {
        let len = u8::try_from(data.len()).expect("invariant: checked above");
        if two_byte {
            writer.put(&[*id, len]);
        } else {
            writer.put(&[id << 4 | (len - 1)]);
        }
        writer.put(data);
    }
    writer.zeros(padded - content);
    Ok(Extension {
        profile: if two_byte {
            TWO_BYTE_PROFILE
        } else {
            ONE_BYTE_PROFILE
        },
        data: out.get(..padded).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements(profile: u16, data: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, ExtError> {
        let elements = Elements::parse(Extension { profile, data })?;
        Ok(elements.map(|e| (e.id, e.data.to_vec())).collect())
    }

    #[test]
    fn one_byte_form_is_read_with_padding_between() {
        let data = [0x10, 0xaa, 0x00, 0x00, 0x21, 0xbb, 0xcc, 0x00];
        assert_eq!(
            elements(ONE_BYTE_PROFILE, &data),
            Ok(vec![(1, vec![0xaa]), (2, vec![0xbb, 0xcc])])
        );
    }

    #[test]
    fn two_byte_form_may_have_empty_elements() {
        let data = [1, 0, 15, 1, 0xaa, 0, 0, 0];
        assert_eq!(
            elements(0x100f, &data),
            Ok(vec![(1, vec![]), (15, vec![0xaa])])
        );
    }

    #[test]
    fn reserved_identifiers_end_the_one_byte_form() {
        let after_15 = [0x10, 0xaa, 0xf0, 0xbb, 0x10, 0xcc, 0x00, 0x00];
        assert_eq!(
            elements(ONE_BYTE_PROFILE, &after_15),
            Ok(vec![(1, vec![0xaa])])
        );
        let zero_with_length = [0x10, 0xaa, 0x01, 0xbb, 0x10, 0xcc, 0x00, 0x00];
        assert_eq!(
            elements(ONE_BYTE_PROFILE, &zero_with_length),
            Ok(vec![(1, vec![0xaa])])
        );
    }

    #[test]
    fn defects_have_distinct_errors() {
        assert_eq!(elements(0x1234, &[]), Err(ExtError::UnknownProfile(0x1234)));
        assert_eq!(
            elements(ONE_BYTE_PROFILE, &[0x33, 0, 0, 0]),
            Err(ExtError::TruncatedElement(3))
        );
        assert_eq!(
            elements(TWO_BYTE_PROFILE, &[0, 0, 0, 9]),
            Err(ExtError::TruncatedElement(9))
        );
        assert_eq!(
            emit(&mut [0; 8], &[Element { id: 0, data: &[] }]),
            Err(EmitError::TooLong { len: 0, max: 0 })
        );
    }

    proptest! {
        #[test]
        fn emitted_elements_parse_back(
            given in prop::collection::vec((1_u8..=20, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
        ) {
            let given: Vec<_> = given.iter().map(|(id, data)| Element { id: *id, data }).collect();
            let mut out = [0xee; 400];
            let extension = emit(&mut out, &given).expect("fits");
            prop_assert!(extension.data.len().is_multiple_of(4));
            let parsed = Elements::parse(extension).expect("what is emitted is valid");
            prop_assert!(parsed.eq(given.iter().copied()));
        }

        #[test]
        fn any_bytes_end(two_byte: bool, data in prop::collection::vec(any::<u8>(), 0..64)) {
            let profile = if two_byte { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
            if let Ok(parsed) = Elements::parse(Extension { profile, data: &data }) {
                let len: usize = parsed.map(|e| 1 + usize::from(two_byte) + e.data.len()).sum();
                prop_assert!(len <= data.len());
            }
        }
    }
}
