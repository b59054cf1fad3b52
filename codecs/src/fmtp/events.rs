//! The events that a receiver of `telephone-event` understands.

use std::fmt;

use super::number;

/// Set of event codes 0–255, written `0-15,66,70` (RFC 4733 §2.4.1).
///
/// ```
/// use codecs::fmtp::EventSet;
/// let events = EventSet::parse("66, 0-15");
/// assert!(events.contains(11) && !events.contains(16));
/// assert_eq!(events.to_string(), "0-15,66");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventSet {
    /// Bit `n % 64` of word `n / 64` is event `n`.
    words: [u64; 4],
}

impl EventSet {
    /// No event.
    pub const NONE: EventSet = EventSet { words: [0; 4] };
    /// 0–15: the digits, `*`, `#` and A–D. What is meant where there is no list.
    pub const DTMF: EventSet = EventSet {
        words: [0xffff, 0, 0, 0],
    };

    /// Reads a list as it stands in `a=fmtp`, with or without the media type's `events=` before it.
    /// Items that are neither a code nor a range are left out, as are codes over 255; a text without one
    /// valid item counts as [`EventSet::DTMF`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let list = match text.split_once('=') {
            Some((name, list)) if name.trim().eq_ignore_ascii_case("events") => list,
            _ => text,
        };
        let mut events = Self::NONE;
        for item in list.split([',', ';']) {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            if let (Some(first), Some(last)) = (code(first), code(last)) {
                for event in first..=last {
                    events.insert(event);
                }
            }
        }
        if events == Self::NONE {
            Self::DTMF
        } else {
            events
        }
    }

    /// Adds one.
    pub fn insert(&mut self, event: u8) {
        self.words[usize::from(event / 64)] |= 1 << (event % 64);
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, event: u8) -> bool {
        self.words[usize::from(event / 64)] >> (event % 64) & 1 == 1
    }

    /// Those in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255).filter(move |event| self.contains(*event))
    }

    /// Those in both sets: what may be sent to a receiver.
    #[must_use]
    pub fn intersection(mut self, other: Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(other.words) {
            *word &= other;
        }
        self
    }
}

fn code(text: &str) -> Option<u8> {
    let text = text.trim();
    (!text.is_empty())
        .then(|| number(text).and_then(|code| u8::try_from(code).ok()))
        .flatten()
}

/// The shortest list, ascending.
impl fmt::Display for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = events.next() {
            let mut last = first;
            while let Some(next) = events.next_if(|next| *next == last.saturating_add(1)) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_read_and_written_shortest() {
        for (text, written) in [
            ("0-15", "0-15"),
            ("0-15,66,70", "0-15,66,70"),
            ("events=0-3", "0-3"),
            ("70, 0-9 ,10-15,66", "0-15,66,70"),
            ("255,254", "254-255"),
            ("16-16", "16"),
            ("0-256,7", "7"),
            ("9-3,1", "1"),
            ("", "0-15"),
            ("x", "0-15"),
            ("-", "0-15"),
            ("0-1-2", "0-15"),
        ] {
            assert_eq!(EventSet::parse(text).to_string(), written, "{text}");
        }
    }

    #[test]
    fn common_events_are_those_of_both() {
        let ours = EventSet::parse("0-15,66");
        let theirs = EventSet::parse("11-70");
        assert_eq!(ours.intersection(theirs).to_string(), "11-15,66");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(words in any::<[u64; 4]>()) {
            let events = EventSet { words };
            prop_assume!(events != EventSet::NONE);
            prop_assert_eq!(EventSet::parse(&events.to_string()), events);
        }
    }
}
