//! An answer's codecs: what the offerer is told, and what each side has then.

use super::list::{Listed, Sink, sink};
use super::select::{Touched, select};
use super::supplemental::of_clock;
use super::{Codec, OfferedCodecs};
use crate::sdp::options::CodecOptions;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the offerer is shown.
    pub shown: Vec<Codec>,
    /// What the offerer has from now on.
    pub offerer: Vec<Listed>,
    /// What the answerer has.
    pub answerer: Vec<Listed>,
}

impl OfferedCodecs {
    /// Decides what the offerer is shown of an answer, unless that rejects the section: of what it has
    /// offered, what the answerer's codecs become. `mask`, `consume`, `accept` and `transcode` work on
    /// offers only.
    ///
    /// Answered payload types that were not shown do not count, unless no codec would be left.
    /// Supplemental codecs of a clock rate at which the sides were not shown the same, then or now, come
    /// last and as they were offered.
    #[must_use]
    pub fn answer(&self, answered: &[Codec], options: &CodecOptions) -> Answered {
        let (answerer, touched) = self.answerer(answered, options);
        let mut answer = Answered {
            shown: Vec::with_capacity(answerer.len()),
            offerer: Vec::with_capacity(answerer.len()),
            answerer: Vec::new(),
        };
        let mut pairs = Vec::with_capacity(answerer.len());
        let mut single = false;
        for listed in &answerer {
            let codec = &listed.codec;
            let supplemental = codec.is_supplemental();
            if supplemental && touched.contains(codec.clock_rate) {
                continue;
            }
            let (text, own) = self.own_of(codec);
            let made = sink(codec, self.offerer()) != Sink::Itself;
            if !own.codec.is_supplemental() {
                pairs.push((codec.clock_rate, own.codec.clock_rate, made));
            }
            if !supplemental {
                if single && options.single_codec {
                    continue;
                }
                single = true;
            }
            answer.push(text, own);
        }
        for (theirs, own, made) in pairs {
            for is_events in [false, true] {
                let Some(wanted) = of_clock(self.offerer(), is_events, own) else {
                    continue;
                };
                let wished = wanted.accepted && made;
                if wished || of_clock(&answerer, is_events, theirs).is_some() {
                    answer.push(wanted.codec.clone(), wanted.clone());
                }
            }
        }
        answer.answerer = answerer;
        answer
    }

    /// What the offerer is shown of an answer that rejects the section.
    #[must_use]
    pub fn refused(&self, answered: &[Codec]) -> Vec<Codec> {
        let mut shown: Vec<Codec> = Vec::with_capacity(answered.len());
        for (text, _) in answered.iter().map(|codec| self.own_of(codec)) {
            if shown.iter().all(|s| s.payload_type != text.payload_type) {
                shown.push(text);
            }
        }
        shown
    }

    /// The answerer's list, and where it is not what was offered.
    fn answerer(&self, answered: &[Codec], options: &CodecOptions) -> (Vec<Listed>, Touched) {
        let mut known: Vec<Codec> = answered
            .iter()
            .filter_map(|codec| self.as_shown(codec, options))
            .collect();
        let has_codec = |codecs: &[Codec]| codecs.iter().any(|codec| !codec.is_supplemental());
        let lost = || has_codec(answered) && !has_codec(&known) && has_codec(&self.shown());
        let own = self.offerer().iter().filter(|listed| listed.accepted);
        let mut accepted = Touched::default();
        own.for_each(|listed| accepted.by(&listed.codec));
        let mut touched = self.touched.clone();
        let mut put_back = known.is_empty() || lost();
        if put_back {
            known = answered.to_vec();
        }
        let mut left = select(&known, &[&options.strip], options);
        touched.extend(&left.touched);
        put_back |= left.put_back_if_empty(&known);
        let list = left.shown.into_iter().map(|codec| {
            let number = codec.payload_type;
            let shown = self.shown.iter().find(|l| l.codec.payload_type == number);
            Listed {
                codec,
                accepted: false,
                added: shown.is_some_and(|shown| shown.added),
                wish: shown.and_then(|shown| shown.wish.clone()),
            }
        });
        let list: Vec<Listed> = list.collect();
        if put_back {
            return (list, accepted);
        }
        for added in list.iter().filter(|listed| listed.added) {
            touched.by(&added.codec);
        }
        (list, touched)
    }

    /// The answered codec, or the shown one if they differ in clock rate or channels alone: answerers
    /// forget to write `/2`. `None`: it was not shown.
    fn as_shown(&self, answered: &Codec, options: &CodecOptions) -> Option<Codec> {
        let number = answered.payload_type;
        let shown = self.shown.iter().map(|listed| &listed.codec);
        let Some(shown) = shown.clone().find(|shown| shown.payload_type == number) else {
            let elsewhere = shown.clone().any(|shown| shown.is_same_encoding(answered));
            let taken = options.allow_asymmetric_codecs && elsewhere;
            return taken.then(|| answered.clone());
        };
        let same_name = shown.name.eq_ignore_ascii_case(&answered.name);
        Some(if same_name && !shown.is_same_encoding(answered) {
            shown.clone()
        } else {
            answered.clone()
        })
    }

    /// What the answerer's codec becomes: as the offerer is told, and as it has said.
    fn own_of(&self, codec: &Codec) -> (Codec, Listed) {
        match sink(codec, self.offerer()) {
            Sink::Same(own) if own.codec.payload_type == codec.payload_type => {
                (codec.clone(), own.clone())
            }
            Sink::Same(own) | Sink::Target(own) => (own.codec.clone(), own.clone()),
            Sink::Itself => (codec.clone(), Listed::new(codec.clone())),
        }
    }
}

impl Answered {
    /// Appends a codec unless its number is there already.
    fn push(&mut self, text: Codec, own: Listed) {
        let mut shown = self.shown.iter();
        if !shown.any(|shown| shown.payload_type == text.payload_type) {
            self.shown.push(text);
            self.offerer.push(own);
        }
    }
}
