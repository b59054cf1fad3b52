//! Gives names to the random values of a description: keys, fingerprints, ICE's credentials and
//! foundations. Equal values have equal names, so that a key that is passed on, or kept, or changed,
//! stands out; what the dialogue itself sent stays as it is.

use std::collections::HashSet;

/// The names given out in one dialogue with one daemon.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Kind and value.
    sent: HashSet<(&'static str, String)>,
    own: Vec<(&'static str, String)>,
}

/// Where a random value stands in a line.
struct Place<'a> {
    kind: &'static str,
    before: &'a str,
    value: &'a str,
    after: &'a str,
}

/// Lines with one value, by how they begin.
const LINES: [(&str, &str); 4] = [
    ("a=ice-ufrag:", "ufrag"),
    ("a=ice-pwd:", "pwd"),
    ("a=candidate:", "foundation"),
    ("a=fingerprint:", "fingerprint"),
];

fn place(line: &str) -> Option<Place<'_>> {
    if line.starts_with("a=crypto:") {
        let start = line.find("inline:")? + "inline:".len();
        let (before, rest) = line.split_at(start);
        let end = rest.find(['|', ' ', ';']).unwrap_or(rest.len());
        let (value, after) = rest.split_at(end);
        let kind = "key";
        return Some(Place {
            kind,
            before,
            value,
            after,
        });
    }
    let &(start, kind) = LINES.iter().find(|(start, _)| line.starts_with(start))?;
    let mut at = start.len();
    if kind == "fingerprint" {
        at += line[at..].find(' ')? + 1;
    }
    let (before, rest) = line.split_at(at);
    let (value, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    Some(Place {
        kind,
        before,
        value,
        after,
    })
}

/// Padding does not make another key.
fn bare(value: &str) -> String {
    value.trim_end_matches('=').to_owned()
}

impl Secrets {
    /// Takes note of the values that the dialogue itself sends: only others are the daemon's.
    pub(crate) fn note_sent(&mut self, sdp: &str) {
        for place in sdp.lines().filter_map(place) {
            let value = (place.kind, bare(place.value));
            if !self.own.contains(&value) {
                self.sent.insert(value);
            }
        }
    }

    /// The line with the daemon's random value replaced by its name and length.
    pub(crate) fn named(&mut self, line: &str) -> String {
        let Some(place) = place(line) else {
            return line.to_owned();
        };
        let Some(length) = length(&place) else {
            return line.to_owned();
        };
        let value = (place.kind, bare(place.value));
        if self.sent.contains(&value) {
            return line.to_owned();
        }
        let known = self.own.iter().position(|known| *known == value);
        let at = known.unwrap_or_else(|| {
            self.own.push(value);
            self.own.len() - 1
        });
        let of_kind = |(kind, _): &&(&str, String)| *kind == place.kind;
        let number = self.own[..=at].iter().filter(of_kind).count();
        let Place {
            kind,
            before,
            after,
            ..
        } = place;
        format!("{before}<{kind} {number}, {length}>{after}")
    }
}

/// `None`: the value is not written as it should be, and is better seen.
fn length(place: &Place<'_>) -> Option<String> {
    let value = place.value;
    if place.kind == "fingerprint" {
        let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        let octet = |octet: &str| octet.len() == 2 && octet.bytes().all(upper);
        return value
            .split(':')
            .all(octet)
            .then(|| format!("{} octets", value.split(':').count()));
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let padding = value.len() - bare(value).len();
    let padded = match padding {
        0 => String::new(),
        n => format!(", {n} of them `=`"),
    };
    (!value.is_empty() && value.bytes().all(known))
        .then(|| format!("{} characters{padded}", value.len()))
}

#[test]
fn equal_values_have_equal_names_and_sent_ones_stay() {
    let mut secrets = Secrets::default();
    secrets.note_sent("a=crypto:1 X inline:mine\r\na=ice-ufrag:abcd\r\n");
    let mut named = |line: &str| secrets.named(line);
    assert_eq!(named("a=ice-ufrag:abcd"), "a=ice-ufrag:abcd");
    assert_eq!(
        named("a=crypto:1 X inline:mine|1:4"),
        "a=crypto:1 X inline:mine|1:4"
    );
    assert_eq!(
        named("a=crypto:2 X inline:abc+ KDR=1"),
        "a=crypto:2 X inline:<key 1, 4 characters> KDR=1"
    );
    assert_eq!(
        named("a=crypto:3 X inline:others"),
        "a=crypto:3 X inline:<key 2, 6 characters>"
    );
    assert_eq!(
        named("a=crypto:4 X inline:abc+=="),
        "a=crypto:4 X inline:<key 1, 6 characters, 2 of them `=`>"
    );
    assert_eq!(
        named("a=fingerprint:sha-1 0A:FF"),
        "a=fingerprint:sha-1 <fingerprint 1, 2 octets>"
    );
    assert_eq!(
        named("a=fingerprint:sha-1 0a:ff"),
        "a=fingerprint:sha-1 0a:ff"
    );
    assert_eq!(
        named("a=candidate:Xy 1 UDP 5"),
        "a=candidate:<foundation 1, 2 characters> 1 UDP 5"
    );
    secrets.note_sent("a=crypto:1 X inline:others\r\n");
    assert_eq!(
        secrets.named("a=crypto:3 X inline:others"),
        "a=crypto:3 X inline:<key 2, 6 characters>"
    );
}
