//! The codecs of one party, and what becomes of another party's codecs at it.

use super::Codec;

/// A codec of a party's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The codec, in the party's words if it has said any.
    pub codec: Codec,
    /// The party is to send and get it although the other side has other codecs (`accept`, `consume`,
    /// `always-transcode`).
    pub accepted: bool,
    /// The other side does not have it: the party was told of it by us (`transcode`).
    pub added: bool,
    /// What the controller asks of its encoder.
    pub wish: Option<Box<Wish>>,
}

/// What a controller asks of an encoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Format parameters that apply where the receiver does not say otherwise, separated by semicolons.
    pub fmtp: Box<str>,
    /// Length of packets, ms.
    pub ptime_ms: Option<u32>,
}

/// What one party's codec becomes at another party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink<'a> {
    /// The same; its payload type may be another one.
    Same(&'a Listed),
    /// It is decoded, and encoded as this.
    Target(&'a Listed),
    /// Nothing that can be made of it: it goes on as it is.
    Itself,
}

impl Listed {
    /// A codec that nobody has said anything about.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            accepted: false,
            added: false,
            wish: None,
        }
    }

    fn can_be_made(&self) -> bool {
        self.codec.implementation().is_some()
    }
}

/// What decoded audio becomes at a party with this list: the first codec that it is to accept, or else
/// the first.
#[must_use]
pub fn target(list: &[Listed]) -> Option<&Listed> {
    let mut able = list.iter().filter(|listed| listed.can_be_made());
    forced(list).or_else(|| able.next())
}

fn forced(list: &[Listed]) -> Option<&Listed> {
    list.iter()
        .find(|listed| listed.accepted && listed.can_be_made())
}

/// What `codec` becomes at a party with this list.
#[must_use]
pub fn sink<'a>(codec: &Codec, list: &'a [Listed]) -> Sink<'a> {
    let same = list
        .iter()
        .filter(|listed| listed.codec.is_same_encoding(codec))
        .min_by_key(|listed| listed.codec.payload_type != codec.payload_type);
    let made = target(list);
    if codec.is_supplemental() {
        return match (same, made) {
            (Some(same), _) => Sink::Same(same),
            (None, Some(made)) => Sink::Target(made),
            (None, None) => Sink::Itself,
        };
    }
    if codec.implementation().is_none() {
        let same = same.filter(|same| same.codec.payload_type == codec.payload_type);
        return same.map_or(Sink::Itself, Sink::Same);
    }
    match (same, forced(list)) {
        (Some(same), Some(forced)) if !forced.codec.is_same_encoding(&same.codec) => {
            Sink::Target(forced)
        }
        (Some(same), _) => Sink::Same(same),
        (None, _) => made.map_or(Sink::Itself, Sink::Target),
    }
}

/// The members of `list` that are DTMF, or else those that are comfort noise.
pub(super) fn supplemental(list: &[Listed], is_events: bool) -> impl Iterator<Item = &Listed> {
    list.iter().filter(move |listed| {
        let codec = &listed.codec;
        codec.is_supplemental() && codec.is_events() == is_events
    })
}

/// Is something packets of its own at one side and in the audio of the other, DTMF or comfort noise? The
/// side `to` gets it as packets if the controller wants so, and as audio in any case: audio has to be
/// decoded then, although both sides may have the same codec.
#[must_use]
pub fn differ_in_audio(from: &[Listed], to: &[Listed]) -> bool {
    let clock = target(to).and_then(|made| made.codec.clock_rate);
    let differ = |is_events| {
        let mut theirs = supplemental(to, is_events).peekable();
        let has_own = supplemental(from, is_events).next().is_some();
        match (has_own, theirs.peek().is_some()) {
            (true, false) => true,
            (false, true) => theirs.any(|listed| {
                listed.codec.clock_rate == clock && (listed.accepted || listed.added)
            }),
            _ => false,
        }
    };
    clock.is_some() && (differ(true) || differ(false))
}

/// DTMF (or comfort noise) beside `made` at a party with this list: of its own clock rate, or else any.
#[must_use]
pub fn beside<'a>(list: &'a [Listed], made: &Listed, is_events: bool) -> Option<&'a Codec> {
    let own = |listed: &&Listed| listed.codec.clock_rate == made.codec.clock_rate;
    let found = supplemental(list, is_events).find(own);
    let found = found.or_else(|| supplemental(list, is_events).next());
    found.map(|listed| &listed.codec)
}
