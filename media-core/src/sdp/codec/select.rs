//! Which codecs are left by lists that hide them.

use super::Codec;
use crate::sdp::options::CodecOptions;
use crate::units::{ClockRate, PayloadType};

/// What lists have left.
pub(super) struct Selection {
    pub(super) shown: Vec<Codec>,
    hidden: Vec<Codec>,
    /// Clock rates of what was hidden.
    pub(super) touched: Touched,
    /// In front of what a codec goes that comes back or is new: what went with codecs at first, or what
    /// stood behind that. `None`: behind all.
    cursor: Option<usize>,
}

/// Clock rates whose codecs are not those that were described: what goes with them has to be looked
/// after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Every one: something that goes with codecs has come or gone itself.
    all: bool,
    clocks: Vec<ClockRate>,
}

impl Touched {
    pub(super) fn by(&mut self, codec: &Codec) {
        self.all |= codec.is_supplemental();
        self.clocks.extend(codec.clock_rate);
    }
    pub(super) fn extend(&mut self, other: &Self) {
        self.all |= other.all;
        self.clocks.extend_from_slice(&other.clocks);
    }
    pub(super) fn contains(&self, clock: Option<ClockRate>) -> bool {
        self.all || clock.is_some_and(|clock| self.clocks.contains(&clock))
    }
}

/// Takes out of `codecs` what `hide` names, but for `except`; then `offer` brings back what it names.
pub(super) fn select(codecs: &[Codec], hide: &[&[String]], options: &CodecOptions) -> Selection {
    let named = |list: &[String], codec: &Codec| list.iter().any(|word| codec.matches(word));
    let hide_all = hide.iter().any(|list| names_all(list));
    let is_kept = |codec: &&Codec| {
        let hidden = hide.iter().any(|list| named(list, codec));
        !hidden && (!hide_all || named(&options.except, codec))
    };
    let (shown, hidden): (Vec<&Codec>, Vec<&Codec>) = codecs.iter().partition(is_kept);
    let before = codecs.iter().take_while(|codec| !codec.is_supplemental());
    let cursor = before.filter(is_kept).count();
    let kept = codecs.iter().filter(is_kept).count();
    let mut selection = Selection {
        cursor: Some(cursor).filter(|&cursor| cursor < kept),
        shown: shown.into_iter().cloned().collect(),
        hidden: hidden.into_iter().cloned().collect(),
        touched: Touched::default(),
    };
    for codec in &selection.hidden {
        selection.touched.by(codec);
    }
    for word in &options.offer {
        selection.bring_back(|codec| codec.matches(word));
    }
    selection
}

/// `all` or `full`?
pub(super) fn names_all(list: &[String]) -> bool {
    list.iter().any(|word| word == "all" || word == "full")
}

impl Selection {
    /// Hidden codecs are shown again. `false`: there was none like this.
    pub(super) fn bring_back(&mut self, is_meant: impl Fn(&Codec) -> bool) -> bool {
        let meant = |codec: &&Codec| is_meant(codec) && !self.shown.contains(codec);
        let meant: Vec<Codec> = self.hidden.iter().filter(meant).cloned().collect();
        let any = !meant.is_empty();
        for codec in meant {
            self.insert(codec);
        }
        any
    }

    /// The codec in front of which others are put.
    pub(super) fn anchor(&self) -> Option<PayloadType> {
        let codec = self.shown.get(self.cursor?)?;
        Some(codec.payload_type)
    }

    /// Shows a codec that was not there.
    pub(super) fn insert(&mut self, codec: Codec) {
        let at = self.cursor.unwrap_or(self.shown.len());
        match &mut self.cursor {
            Some(cursor) => *cursor += 1,
            None => self.cursor = Some(at).filter(|_| codec.is_supplemental()),
        }
        self.shown.insert(at, codec);
    }

    /// Everything is shown if nothing would be.
    pub(super) fn put_back_if_empty(&mut self, codecs: &[Codec]) -> bool {
        let empty = self.shown.is_empty();
        if empty {
            self.shown = codecs.to_vec();
        }
        empty
    }
}
