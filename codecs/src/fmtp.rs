//! Format parameters of SDP: `a=fmtp` (RFC 8866 §6.15) as pairs, and the list of events of
//! `telephone-event` (RFC 4733 §2.4.1). Takes whatever text; says nothing of what a codec makes of it.

mod events;

pub use events::EventSet;

/// The parameters of one payload type, `name=value` between semicolons.
///
/// ```
/// use codecs::fmtp::Fmtp;
/// let fmtp = Fmtp::new("minptime=10; UseInbandFEC=1;x");
/// assert_eq!(fmtp.number("minptime"), Some(10));
/// assert!(fmtp.flag("useinbandfec"));
/// assert_eq!(fmtp.iter().last(), Some(("x", "")));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fmtp<'a> {
    text: &'a str,
}

impl<'a> Fmtp<'a> {
    /// Of the text behind the payload type.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The parameters in order, without the space around names and values. One without `=` has an empty
    /// value; what has no name is left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.text.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = name.trim();
            (!name.is_empty()).then_some((name, value.trim()))
        })
    }

    /// The value of the first parameter of that name, compared without case.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Its value as a number; `None` if it is none or does not fit.
    #[must_use]
    pub fn number(self, name: &str) -> Option<u32> {
        self.value(name).and_then(number)
    }

    /// Whether its value is the number 1.
    #[must_use]
    pub fn flag(self, name: &str) -> bool {
        self.number(name) == Some(1)
    }
}

/// Digits as a number; no sign, which `parse` would take.
pub(crate) fn number(value: &str) -> Option<u32> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_without_space() {
        let fmtp = Fmtp::new(" a=1 ;; B = 2=3 ; c ;=9; ");
        let pairs: Vec<_> = fmtp.iter().collect();
        assert_eq!(pairs, [("a", "1"), ("B", "2=3"), ("c", "")]);
    }

    #[test]
    fn names_are_found_without_case_and_the_first_counts() {
        let fmtp = Fmtp::new("StereO=1;stereo=0");
        assert!(fmtp.flag("sTEREO"));
        assert_eq!(fmtp.value("ster"), None);
    }

    #[test]
    fn what_is_no_number_is_absent() {
        for text in [
            "x=",
            "x",
            "x=-1",
            "x=+1",
            "x=1.5",
            "x=4294967296",
            "x=٣",
            "",
        ] {
            assert_eq!(Fmtp::new(text).number("x"), None, "{text}");
            assert!(!Fmtp::new(text).flag("x"), "{text}");
        }
        assert_eq!(Fmtp::new("x=4294967295").number("x"), Some(u32::MAX));
        assert_eq!(Fmtp::new("x=007").number("x"), Some(7));
    }
}
