//! The sixteen keys.

use std::fmt;

/// Frequencies of the rows 123A, 456B, 789C, *0#D, Hz (ITU-T Q.23).
pub(super) const ROWS_HZ: [u16; 4] = [697, 770, 852, 941];
/// Frequencies of the columns 147*, 2580, 369#, ABCD, Hz.
pub(super) const COLUMNS_HZ: [u16; 4] = [1209, 1336, 1477, 1633];

/// By row and column.
const KEYS: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// By event code.
const CHARS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// A DTMF key, as its telephone-event code (RFC 4733 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

impl Digit {
    /// Of event codes 0 to 15.
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// Of `0`–`9`, `*`, `#`, `A`–`D` and `a`–`d`.
    #[must_use]
    pub fn from_char(c: char) -> Option<Self> {
        let c = c.to_ascii_uppercase();
        let event = (0..16).zip(CHARS).find(|(_, known)| *known == c)?.0;
        Some(Self(event))
    }

    /// The telephone-event code, 0 to 15.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// What is printed on the key.
    #[must_use]
    pub fn to_char(self) -> char {
        CHARS[usize::from(self.0)]
    }

    /// The row's and the column's frequency, Hz (ITU-T Q.23).
    #[must_use]
    pub fn frequencies_hz(self) -> [u16; 2] {
        let (row, column) = (0..4)
            .flat_map(|r| (0..4).map(move |c| (r, c)))
            .find(|(r, c)| KEYS[*r][*c] == self.0)
            .expect("invariant: every event code is on the keypad");
        [ROWS_HZ[row], COLUMNS_HZ[column]]
    }

    /// Of a row and a column, each 0 to 3.
    pub(super) fn at(row: usize, column: usize) -> Self {
        Self(KEYS[row][column])
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit({})", self.to_char())
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_char())
    }
}
