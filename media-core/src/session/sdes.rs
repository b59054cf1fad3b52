//! Keys in descriptions (RFC 4568): which lines a party is shown, and which it has chosen.
//!
//! As rtpengine does: what one side offers the other is offered too, same tag and same key, so that
//! packets can pass untouched; behind it come the suites that it did not offer, with keys of ours.

use super::SdesOptions;
use super::entropy::Entropy;
use super::security::SdesKeys;
use crate::sdp::{CryptoAttribute, Lifetime};
use crate::srtp::{CryptoSuite, MasterKey};

/// Keys of one section, seen from one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sdes {
    /// Keys are in use, or on offer.
    pub(super) on: bool,
    /// What the party's last description had, without suites that are not allowed.
    pub(super) heard: Vec<CryptoAttribute>,
    /// What it was shown; once one was chosen that alone. The first is ours to send with.
    pub(super) shown: Vec<CryptoAttribute>,
    /// No key is passed from one side to the other: what is encoded anew under the key, source and
    /// sequence number that it came with would tell both payloads to whoever has both packets.
    pub(super) fresh: bool,
}

impl Sdes {
    /// The party has described itself. `chosen`: its first line says which it takes. `false`: there is
    /// no line that can be read.
    pub(super) fn hear(
        &mut self,
        lines: &[CryptoAttribute],
        chosen: bool,
        options: &SdesOptions,
    ) -> bool {
        let allowed = lines.iter().filter(|line| options.allows(line.suite));
        self.heard = allowed.cloned().collect();
        if lines.is_empty() {
            return false;
        }
        self.on = true;
        if let Some(chosen) = self.heard.first().filter(|_| chosen) {
            self.shown
                .retain(|line| line.tag == chosen.tag && line.suite == chosen.suite);
        }
        true
    }

    /// Offers the party what `passed` (the other side's lines) says, and the rest.
    pub(super) fn offer(
        &mut self,
        passed: &[CryptoAttribute],
        options: &SdesOptions,
        entropy: &dyn Entropy,
    ) {
        let mut before = std::mem::take(&mut self.shown);
        let passed = match self.fresh {
            true => {
                before.retain(|line| passed.iter().all(|other| other.key.key != line.key.key));
                &[]
            }
            false => passed,
        };
        let mut lines = before.clone();
        if !passed.is_empty() {
            lines = passed
                .iter()
                .map(|line| options.edited(shareable(line)))
                .collect();
        }
        lines.retain(|line| options.allows(line.suite));
        let last = lines.iter().map(|line| line.tag).max().unwrap_or(0);
        let mut tag = last.saturating_add(1);
        let is_new = |suite, lines: &[CryptoAttribute]| {
            options.allows(suite) && lines.iter().all(|line| line.suite != suite)
        };
        for mut line in before {
            if is_new(line.suite, &lines) {
                line.tag = line.tag.max(tag);
                tag = line.tag.saturating_add(1);
                lines.push(line);
            }
        }
        if !options.no_new || passed.is_empty() {
            let mut suites = CryptoSuite::ALL;
            suites.sort_by_key(|suite| options.rank(*suite));
            for suite in suites {
                if is_new(suite, &lines) {
                    let line = CryptoAttribute::new(tag, fresh_key(suite, entropy));
                    lines.push(options.edited(line));
                    tag = tag.saturating_add(1);
                }
            }
        }
        options.sort(&mut lines);
        self.on = !lines.is_empty();
        self.shown = lines;
    }

    /// Answers the party's offer, if it had lines: with the key that `other` (the other side's answer)
    /// has, if it is for a suite offered here.
    pub(super) fn answer(
        &mut self,
        other: Option<&CryptoAttribute>,
        options: &SdesOptions,
        entropy: &dyn Entropy,
    ) {
        let mut heard: Vec<&CryptoAttribute> = self.heard.iter().collect();
        if !options.offerer_preference {
            heard.sort_by_key(|line| options.rank(line.suite));
        }
        let is_others = |line: &CryptoAttribute| other.is_some_and(|o| o.key.key == line.key.key);
        let fresh = self.fresh;
        let kept = self
            .shown
            .first()
            .filter(|ours| !(fresh && is_others(ours)));
        let kept = kept.filter(|ours| heard.iter().any(|line| line.suite == ours.suite));
        if options.keep && kept.is_some() {
            return;
        }
        let passed = other.filter(|_| !fresh).and_then(|other| {
            let same = heard.iter().find(|line| line.suite == other.suite)?;
            Some((*same, Some(other)))
        });
        let own = || {
            let known = kept.and_then(|ours| heard.iter().find(|line| line.suite == ours.suite));
            let chosen = known.filter(|_| options.order.is_empty()).or(heard.first());
            chosen.map(|line| (*line, None))
        };
        let Some((offered, other)) = passed.or_else(own) else {
            self.shown.clear();
            return;
        };
        if kept.is_some_and(|ours| ours.suite == offered.suite && ours.tag == offered.tag) {
            return;
        }
        let mut line = match other {
            Some(other) => shareable(other),
            None => CryptoAttribute {
                session: offered.session.only_protection(),
                ..CryptoAttribute::new(0, fresh_key(offered.suite, entropy))
            },
        };
        line.tag = offered.tag;
        self.shown = vec![line];
    }

    /// The lines as they are written.
    pub(super) fn written(&self, options: &SdesOptions) -> Vec<CryptoAttribute> {
        let mut lines = self.shown.clone();
        for line in &mut lines {
            line.key.lifetime = options.lifetime.then_some(Lifetime::PowerOfTwo(31));
        }
        lines
    }

    /// What both descriptions together amount to: whoever chose, tag and suite are the same.
    pub(super) fn keys(&self) -> Option<SdesKeys> {
        let send = self.shown.first().filter(|_| self.on)?;
        let same = |line: &&CryptoAttribute| line.suite == send.suite && line.tag == send.tag;
        let receive = self.heard.iter().find(same)?;
        Some(SdesKeys {
            send: send.clone(),
            receive: receive.clone(),
        })
    }
}

/// The line as another party may be told of it: with one key, and without what is about the sender
/// alone.
fn shareable(line: &CryptoAttribute) -> CryptoAttribute {
    let mut line = line.clone();
    line.key.lifetime = None;
    line.more_keys = Vec::new();
    line.session = line.session.only_protection();
    line
}

fn fresh_key(suite: CryptoSuite, entropy: &dyn Entropy) -> MasterKey {
    let mut octets = zeroize::Zeroizing::new([0; 46]);
    let len = suite.key_len() + suite.salt_len();
    let octets = octets.get_mut(..len).unwrap_or_default();
    entropy.fill(octets);
    MasterKey::new(suite, octets).expect("invariant: as many octets as the suite takes")
}
