//! An offer's codecs: what the other side is shown of them, and what is added.

use super::list::{Listed, Sink, differ_in_audio, sink};
use super::select::{Selection, Touched, names_all, select};
use super::word::Word;
use super::{Codec, supplemental};
use crate::sdp::options::CodecOptions;
use crate::units::PayloadType;

/// One section's codecs between offer and answer: kept by the call with the section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedCodecs {
    /// What the other side was shown of the offer.
    pub(super) shown: Vec<Listed>,
    /// The offerer's own; empty: what the other side was shown.
    pub(super) own: Vec<Listed>,
    /// Where the two sides may not have the same, but for what was added.
    pub(super) touched: Touched,
    /// `allow-no-codec-media`, and nothing was left.
    emptied: bool,
}

/// Codecs that others transcode and nobody here: relayed, whatever is done to those beside them.
const RELAYED: [&[u8]; 4] = [b"G729", b"G723", b"GSM", b"speex"];

impl OfferedCodecs {
    /// Decides what to show of an offer (RFC 3264 §5) by the words of `codec`.
    ///
    /// `offer` and `except` mean something only for a codec that another list would take away.
    /// Taking all away is taken for a mistake: everything is shown then. A supplemental codec comes and
    /// goes with the codecs of its clock rate. What cannot be decoded is not shown beside what is
    /// transcoded. Only `is_audio` can be transcoded.
    #[must_use]
    pub fn new(offered: &[Codec], options: &CodecOptions, is_audio: bool) -> Self {
        let strip = select(offered, &[&options.strip], options);
        let hide: [&[String]; 3] = [&options.strip, &options.mask, &options.consume];
        let mut shown = select(offered, &hide, options);
        if !is_audio {
            return Self::relayed(offered, shown, options);
        }
        let own = own(offered, strip, options);
        let mut added = Vec::new();
        let mut changed = Touched::default();
        let full = hide
            .iter()
            .any(|list| list.iter().any(|word| word == "full"));
        for entry in &options.transcode {
            let word = Word::parse(entry);
            let is_meant = |codec: &Codec| word.is_satisfied_by(codec);
            if shown.shown.iter().any(is_meant) || (!full && shown.bring_back(is_meant)) {
                continue;
            }
            let is_free = |number, codec: &Codec| {
                let mut taken = offered.iter().chain(&shown.shown);
                taken.all(|other| is_free_beside(number, codec, other))
            };
            if let Some(codec) = word.codec(is_free) {
                changed.by(&codec);
                added.push((codec.payload_type, word.wish()));
                shown.insert(codec);
            }
        }
        let empty = shown.put_back_if_empty(offered);
        let anchor = shown.anchor();
        let mut touched = shown.touched;
        let mut shown: Vec<Listed> = shown.shown.into_iter().map(Listed::new).collect();
        for listed in &mut shown {
            let number = listed.codec.payload_type;
            if let Some((_, wish)) = added.iter().find(|(added, _)| *added == number) {
                listed.added = true;
                listed.wish.clone_from(wish);
            }
        }
        set(&mut shown, options);
        if !empty {
            changed.extend(&touched);
        }
        let follow = |shown: &mut Vec<Listed>, changed: &Touched| {
            supplemental::follow(shown, changed, anchor, |list, number, codec| {
                let listed = list.iter().map(|listed| &listed.codec);
                let mut taken = offered.iter().chain(listed);
                taken.all(|other| is_free_beside(number, codec, other))
            });
        };
        follow(&mut shown, &changed);
        hide_undecodable(&mut shown, &own, &mut changed);
        follow(&mut shown, &changed);
        for accepted in own.iter().filter(|listed| listed.accepted) {
            touched.by(&accepted.codec);
        }
        let own = if own == shown { Vec::new() } else { own };
        Self {
            shown,
            own,
            touched,
            emptied: empty && options.allow_no_codec_media,
        }
    }

    fn relayed(offered: &[Codec], mut selection: Selection, options: &CodecOptions) -> Self {
        let empty = selection.put_back_if_empty(offered);
        let mut shown: Vec<Listed> = selection.shown.into_iter().map(Listed::new).collect();
        if !empty {
            supplemental::follow(&mut shown, &selection.touched, None, |_, _, _| false);
        }
        Self {
            shown,
            own: Vec::new(),
            touched: selection.touched,
            emptied: empty && options.allow_no_codec_media,
        }
    }

    /// What the other side is shown of the offer.
    #[must_use]
    pub fn shown(&self) -> Vec<Codec> {
        self.shown
            .iter()
            .map(|listed| listed.codec.clone())
            .collect()
    }

    /// The list of whoever gets the offer, until it answers.
    #[must_use]
    pub fn listener(&self) -> &[Listed] {
        &self.shown
    }

    /// The offerer's list, until there is an answer.
    #[must_use]
    pub fn offerer(&self) -> &[Listed] {
        if self.own.is_empty() {
            &self.shown
        } else {
            &self.own
        }
    }

    /// Nothing was left to show, and the controller wants the section rejected then
    /// (`allow-no-codec-media`).
    #[must_use]
    pub const fn is_emptied(&self) -> bool {
        self.emptied
    }

    /// What the other side has answered before comes first, in its order (`reuse-codecs`).
    pub fn prefer(&mut self, numbers: &[PayloadType]) {
        self.own = self.offerer().to_vec();
        let rank = |listed: &Listed| {
            let number = listed.codec.payload_type;
            let place = numbers.iter().position(|&other| other == number);
            place.unwrap_or(numbers.len())
        };
        self.shown.sort_by_key(rank);
    }

    /// The other side is shown what it was shown `before` and has answered, whatever is offered now
    /// (`static-codecs`).
    pub fn keep(&mut self, before: &Self, numbers: &[PayloadType]) {
        let kept: Vec<Listed> = before
            .shown
            .iter()
            .filter(|listed| numbers.contains(&listed.codec.payload_type))
            .cloned()
            .collect();
        if kept.is_empty() {
            return;
        }
        self.own = self.offerer().to_vec();
        for listed in self.shown.iter().chain(&kept) {
            self.touched.by(&listed.codec);
        }
        self.shown = kept;
    }
}

/// The offerer's list: `accept`, `consume` and `always-transcode` are about what it gets.
fn own(offered: &[Codec], mut strip: Selection, options: &CodecOptions) -> Vec<Listed> {
    let full = options.strip.iter().any(|word| word == "full");
    // Whoever asks for a codec wants it, if only where the other side sees none of it.
    let wanted = options.consume.iter().chain(&options.transcode);
    for entry in wanted.filter(|_| !full) {
        let word = Word::parse(entry);
        if !strip.shown.iter().any(|codec| word.is_satisfied_by(codec)) {
            strip.bring_back(|codec| word.is_satisfied_by(codec));
        }
    }
    strip.put_back_if_empty(offered);
    let accept = [&options.accept, &options.consume];
    let all = options.always_transcode || accept.iter().any(|list| names_all(list));
    let named = |codec: &Codec| accept.into_iter().flatten().any(|word| codec.matches(word));
    let mut own: Vec<Listed> = strip.shown.into_iter().map(Listed::new).collect();
    for listed in &mut own {
        listed.accepted = all || named(&listed.codec);
    }
    set(&mut own, options);
    own
}

/// Takes out what cannot be decoded if anything has to be.
fn hide_undecodable(shown: &mut Vec<Listed>, own: &[Listed], changed: &mut Touched) {
    let is_transcoded = |listed: &Listed| matches!(sink(&listed.codec, own), Sink::Target(_));
    if !shown.iter().any(is_transcoded) && !differ_in_audio(shown, own) {
        return;
    }
    shown.retain(|Listed { codec, .. }| {
        let mut relayed = RELAYED.iter();
        let stays = codec.is_supplemental()
            || codec.implementation().is_some()
            || relayed.any(|name| name.eq_ignore_ascii_case(&codec.name));
        if !stays {
            changed.by(codec);
        }
        stays
    });
}

/// `set`: parameters of codecs already there.
fn set(list: &mut [Listed], options: &CodecOptions) {
    for entry in &options.set {
        for listed in list.iter_mut().filter(|l| l.codec.matches(entry)) {
            listed.wish = Word::parse(entry).wish();
        }
    }
}

/// May `codec` have this number although `other` is there?
fn is_free_beside(number: PayloadType, codec: &Codec, other: &Codec) -> bool {
    let is_static = number.get() < 96;
    other.payload_type != number || (is_static && other.is_same_encoding(codec))
}
