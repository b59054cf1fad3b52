//! DTMF and silence: what is asked for of a party's packets beyond their codecs, and who is told of digits.
//!
//! A stream that nothing is asked of has no plan and is not looked into. Blocking DTMF takes a plan without
//! a codec where events are all there is to block; whatever is to be heard in a digit's place, or found in
//! the audio, takes one that decodes.

use std::net::SocketAddr;
use std::sync::Arc;

use super::call::{Call, Media, Participant, Phase};
use super::parties::{self, Selected};
use super::transcode::plan_for;
use super::trigger::{Blocking, Watch};
use super::{DialledDigit, DtmfRequest, DtmfTrigger, Selector, SessionError, Sessions};
use crate::engine::{Command, StreamCounters};
use crate::media::jitter::Hold;
use crate::media::transcode::{DtmfOptions, EventTypes, Heard, Hiding, Play};
use crate::sdp::{Listed, target};
use crate::units::{CallKey, Now, SocketId};

/// What is to be done to one party's packets, beyond what its codecs need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) dtmf: DtmfOptions,
    pub(super) silenced: bool,
    /// Digits are played into it.
    plays: bool,
    /// What is dialled may change how digits are hidden: what becomes of one is decided when it begins.
    watched: bool,
    pub(super) hold: Hold,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            dtmf: DtmfOptions::default(),
            silenced: false,
            plays: false,
            watched: false,
            hold: Hold::Order,
        }
    }
}

impl Needs {
    fn of(call: &Call, at: usize) -> Self {
        let party = &call.parties[at];
        let blocking = call.blocking(at);
        let dtmf = blocking.map(|blocking| blocking.options_by(&party.watch));
        let dtmf = dtmf.unwrap_or_default();
        Self {
            dtmf: DtmfOptions {
                detect: call.detects_dtmf,
                ..dtmf
            },
            silenced: party.digits.silenced || call.digits.silenced,
            plays: party.digits.plays,
            watched: blocking.is_some_and(|blocking| blocking.trigger.is_some()),
            hold: call.hold,
        }
    }

    /// Must the audio be decoded and made anew? `dials_in_audio`: its sender has no events.
    pub(super) fn audio(&self, dials_in_audio: bool) -> bool {
        let of_dtmf = match self.dtmf.hiding {
            Hiding::Off => self.dtmf.delay_ms > 0,
            Hiding::Drop => dials_in_audio,
            Hiding::Silence | Hiding::Tone(_) | Hiding::Random | Hiding::Digit(_) => true,
        };
        of_dtmf || self.silenced || self.plays
    }

    /// Are events more than passed on?
    pub(super) fn events(&self) -> bool {
        self.dtmf.hiding != Hiding::Off
            || self.dtmf.delay_ms > 0
            || self.dtmf.detect
            || self.watched
    }

    /// Is anything needed?
    pub(super) fn change(&self) -> bool {
        self.events() || self.silenced || self.plays || self.holds()
    }

    /// Are packets held back?
    pub(super) fn holds(&self) -> bool {
        self.hold != Hold::Order
    }
}

/// What controllers have asked for, of a call or of a party.
#[derive(Clone, Debug, Default)]
pub(super) struct Digits {
    /// `block DTMF`, and `DTMF-delay`.
    pub(super) dtmf: Option<Blocking>,
    /// `silence media`.
    pub(super) silenced: bool,
    /// Digits have been played into what the party sends: it stays ready for more.
    plays: bool,
}

impl Digits {
    fn is_any(&self) -> bool {
        self.dtmf.is_some() || self.silenced || self.plays
    }
}

impl Call {
    /// Is anybody interested in what is dialled?
    fn reports_digits(&self, all: bool) -> bool {
        all || self.dtmf_log.is_some() || self.detects_dtmf
    }

    /// Takes what an offer or an answer asks for, of the party that made it.
    pub(super) fn hear_digits(&mut self, party: usize, request: &DtmfRequest) {
        self.dtmf_log = request.log_dest.or(self.dtmf_log);
        self.detects_dtmf |= request.detect;
        if request.block || request.options.delay_ms > 0 {
            let mut options = request.options;
            if !request.block {
                options.hiding = Hiding::Off;
            }
            self.parties[party].digits.dtmf = Some(Blocking {
                options,
                trigger: None,
            });
        }
    }

    /// Plans every section anew. `reports_all`: digits of all calls are of interest. Costs nothing while
    /// nothing was ever asked for.
    pub(super) fn replan(&mut self, reports_all: bool) {
        let reports = self.reports_digits(reports_all);
        let asked = |digits: &Digits| digits.is_any();
        let any = reports
            || self.blocked
            || self.hold != Hold::Order
            || asked(&self.digits)
            || self.parties.iter().any(|p| asked(&p.digits) || p.blocked);
        if any || self.planned_digits {
            self.planned_digits = any;
            for party in 0..self.parties.len() {
                for index in 0..self.parties[party].medias.len() {
                    self.replan_media(party, index, reports);
                }
            }
        }
    }

    fn replan_media(&mut self, party: usize, index: usize, reports: bool) {
        let from = &self.parties[party];
        let mut needs = Needs::of(self, party);
        let blocked = self.blocked || from.blocked;
        let media = &from.medias[index];
        let peer = from
            .peer
            .and_then(|peer| self.parties[peer].medias.get(index));
        let Some([from, to]) = lists(media, peer) else {
            let media = &mut self.parties[party].medias[index];
            media.set_work(None);
            media.events = None;
            return;
        };
        // Whoever has no events dials by tones.
        let dials_in_audio = !from.iter().any(|listed| listed.codec.is_events());
        needs.dtmf.detect |= needs.watched && dials_in_audio;
        let ptimes = [media.ptime_ms, peer.and_then(|peer| peer.ptime_ms)];
        let plan = plan_for(from, to, ptimes, &needs);
        let types = (reports || blocked).then(|| event_types(from));
        let media = &mut self.parties[party].medias[index];
        media.set_work(plan);
        let types = types.filter(|types| !types.is_empty());
        media.touched |= types.is_some() || media.transcode.is_some();
        if media.events.as_deref() != types.as_ref() {
            media.events = types.map(Arc::new);
        }
    }

    /// Can digits be played into the party's audio? If so, where.
    fn playable(&self, party: usize) -> Result<Vec<SocketId>, SessionError> {
        let from = &self.parties[party];
        let is_audio = |media: &&Media| &*media.kind == "audio" && media.active.is_some();
        if !from.medias.iter().any(|media| is_audio(&media)) {
            return Err(SessionError::NoInjection);
        }
        let mut sockets = Vec::new();
        let mut heard = false;
        for (index, media) in from.medias.iter().enumerate() {
            let Some(binding) = media.binding().filter(|_| is_audio(&media)) else {
                continue;
            };
            if media.live(false).is_none_or(|live| sources(live) == 0) {
                continue;
            }
            heard = true;
            let peer = from
                .peer
                .and_then(|peer| self.parties[peer].medias.get(index));
            let Some([from, to]) = lists(media, peer) else {
                continue;
            };
            let decoded = from.iter().any(|l| l.codec.implementation().is_some());
            if decoded && target(to).is_some() {
                sockets.push(binding.rtp.bound.socket);
            }
        }
        match (heard, sockets.is_empty()) {
            (false, _) => Err(SessionError::NoSsrc),
            (true, true) => Err(SessionError::NoPlaybackSink),
            (true, false) => Ok(sockets),
        }
    }

    /// Whose stream the socket is.
    pub(super) fn party_of(&self, socket: SocketId) -> Option<usize> {
        let is_it = |media: &Media| media.locals(false).any(|l| l.bound.socket == socket);
        let mut parties = self.parties.iter();
        parties.position(|party| party.medias.iter().any(is_it))
    }

    /// Whose stream the socket is, and where its packets come from.
    fn speaker(&self, socket: SocketId) -> Option<(&Participant, Option<SocketAddr>)> {
        self.parties.iter().find_map(|party| {
            let mut medias = party.medias.iter();
            let media =
                medias.find(|media| media.locals(false).any(|l| l.bound.socket == socket))?;
            Some((party, media.rtp.endpoint()))
        })
    }
}

fn sources(counters: &StreamCounters) -> u64 {
    counters
        .ssrcs
        .iter()
        .map(|source| source.packets.get())
        .sum()
}

/// The codecs that the party's packets have, and those of whoever gets them.
fn lists<'a>(media: &'a Media, peer: Option<&'a Media>) -> Option<[&'a [Listed]; 2]> {
    if let Some((lists, own)) = &media.agreed {
        let other = 1 - own;
        return Some([&lists[*own], &lists[other]]);
    }
    // Early media: whoever gets the offer may use all that it is shown.
    let is_live = |media: &Media| !media.rejected && &*media.kind == "audio";
    let peer = peer.filter(|peer| is_live(peer) && !media.rejected)?;
    let lists = [peer.offered.listener(), peer.offered.offerer()];
    Some(lists).filter(|[shown, _]| !shown.is_empty())
}

fn event_types(list: &[Listed]) -> EventTypes {
    let events = list.iter().filter(|listed| listed.codec.is_events());
    EventTypes::new(
        events
            .filter_map(|listed| Some((listed.codec.payload_type, listed.codec.clock_rate?)))
            .collect(),
    )
}

impl Sessions {
    /// Hides the digits that the selected parties dial, until they are unblocked. Without any selection
    /// those of the call as a whole, apart from its parties'.
    ///
    /// # Errors
    /// [`SessionError::UnknownCallSelection`] or the selector's own.
    pub fn block_dtmf(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        options: DtmfOptions,
    ) -> Result<(), SessionError> {
        let trigger = None;
        self.set_blocking(now, call_id, selector, Some(&Blocking { options, trigger }))
    }

    /// As [`Sessions::block_dtmf`], from now on with `options`, and otherwise once a party has dialled `trigger`;
    /// for each party apart. [`DtmfOptions::delay_ms`] does not count: late digits would be heard behind the end of
    /// what hid them. Another `block` or `unblock` puts an end to it.
    ///
    /// Unlike rtpengine 10.5:
    /// - The digits that begin and end it are heard, or hidden, in full. There, the mode changes with the first
    ///   packet of the last digit: the receiver gets no end of the one and the end of the other.
    /// - [`DtmfTrigger::end_digits`] counts without [`DtmfTrigger::end`], too, and the last of them is hidden.
    /// - [`DtmfTrigger::end_hiding`] counts; there, digits always pass behind the end.
    /// - A trigger is found wherever it ends what was dialled: 112 in 1112.
    /// - A further `block` or `unblock` without a trigger forgets the one before.
    ///
    /// # Errors
    /// As there.
    pub fn arm_dtmf(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        options: DtmfOptions,
        trigger: DtmfTrigger,
    ) -> Result<(), SessionError> {
        let options = DtmfOptions {
            delay_ms: 0,
            ..options
        };
        let trigger = Some(Arc::new(trigger));
        self.set_blocking(now, call_id, selector, Some(&Blocking { options, trigger }))
    }

    /// Takes [`Sessions::block_dtmf`] back; call and parties apart, as with [`Sessions::unblock_media`].
    ///
    /// # Errors
    /// As there.
    pub fn unblock_dtmf(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        self.set_blocking(now, call_id, selector, None)
    }

    fn set_blocking(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        blocking: Option<&Blocking>,
    ) -> Result<(), SessionError> {
        self.on_selected(now, call_id, selector, |call, selected| {
            let of_call = matches!(selected, Selected::Call | Selected::Everything);
            if of_call {
                call.digits.dtmf = blocking.cloned();
            }
            for (at, party) in call.parties.iter_mut().enumerate() {
                if selected.has_party(at) {
                    party.digits.dtmf = blocking.cloned();
                    party.watch = Watch::default();
                } else if of_call && party.digits.dtmf.is_none() {
                    party.watch = Watch::default();
                }
            }
            Ok(Vec::new())
        })
    }

    /// Replaces what the selected parties say by silence; DTMF events still pass. What cannot be decoded
    /// is dropped.
    ///
    /// # Errors
    /// [`SessionError::UnknownCallSelection`] or the selector's own.
    pub fn silence_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        self.set_on_selected(now, call_id, selector, |digits| digits.silenced = true)
    }

    /// Takes [`Sessions::silence_media`] back; call and parties apart, as with [`Sessions::unblock_media`].
    ///
    /// # Errors
    /// As there.
    pub fn unsilence_media(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
    ) -> Result<(), SessionError> {
        self.set_on_selected(now, call_id, selector, |digits| digits.silenced = false)
    }

    fn set_on_selected(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        set: impl Fn(&mut Digits),
    ) -> Result<(), SessionError> {
        self.on_selected(now, call_id, selector, |call, selected| {
            if matches!(selected, Selected::Call | Selected::Everything) {
                set(&mut call.digits);
            }
            for (at, party) in call.parties.iter_mut().enumerate() {
                if selected.has_party(at) {
                    set(&mut party.digits);
                }
            }
            Ok(Vec::new())
        })
    }

    /// Plays a digit into what the selected parties send, as if they had dialled it, once those before it
    /// are over: as an event where the receiver takes events, else as a tone. Their own audio is left out
    /// meanwhile, and sets the pace.
    ///
    /// # Errors
    /// [`SessionError::UnknownCallSelection`], [`SessionError::NoParticipant`], the selector's own;
    /// [`SessionError::NoDigit`] if `play` is `None`;
    /// [`SessionError::NoInjection`], [`SessionError::NoSsrc`] and [`SessionError::NoPlaybackSink`] where
    /// nothing can be played. Nothing is played then.
    pub fn play_dtmf(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        play: Option<Play>,
    ) -> Result<(), SessionError> {
        self.on_selected(now, call_id, selector, |call, selected| {
            if matches!(selected, Selected::Call | Selected::Nobody) {
                return Err(SessionError::NoParticipant);
            }
            let play = play.ok_or(SessionError::NoDigit)?;
            let parties: Vec<usize> = (0..call.parties.len())
                .filter(|at| selected.has_party(*at) && !call.parties[*at].closed)
                .collect();
            let mut sockets = Vec::new();
            for party in &parties {
                sockets.extend(call.playable(*party)?);
            }
            for party in parties {
                call.parties[party].digits.plays = true;
            }
            let plays = sockets.into_iter();
            Ok(plays
                .map(|socket| Command::PlayDigit { socket, play })
                .collect())
        })
    }

    /// Finds call and parties, and lets `act` change them; routes that change are restated, and what it
    /// gives is commanded behind them.
    pub(super) fn on_selected(
        &self,
        now: Now,
        call_id: &str,
        selector: &Selector,
        act: impl FnOnce(&mut Call, Selected) -> Result<Vec<Command>, SessionError>,
    ) -> Result<(), SessionError> {
        let entry = self.registry.find(call_id);
        let entry = entry.ok_or(SessionError::UnknownCallSelection)?;
        let mut call = entry.lock();
        if matches!(call.phase, Phase::New | Phase::Ended) {
            return Err(SessionError::UnknownCallSelection);
        }
        self.purge(&mut call, now);
        let selected = parties::of_selector(&call, selector)?;
        if let (Selected::Party(at), Some(label)) = (selected, &selector.set_label) {
            call.parties[at].label = Some(label.as_str().into());
        }
        let after = act(&mut call, selected)?;
        call.replan(self.config.reports_digits);
        self.restate(&mut call, Vec::new());
        self.note_deadline(&mut call);
        if !after.is_empty() {
            self.plane.commands(call.shard, after);
        }
        Ok(())
    }

    /// A digit was dialled: does what was to be done then, and tells the observer.
    pub(super) fn dialled(&self, now: Now, call: CallKey, socket: SocketId, digit: Heard) {
        let Some(entry) = self.registry.find_key(call) else {
            return;
        };
        let mut call = entry.lock();
        if !matches!(call.phase, Phase::New | Phase::Ended) {
            self.watch(&mut call, now, socket, &digit);
        }
        let Some(observer) = &self.observer else {
            return;
        };
        if !call.reports_digits(self.config.reports_digits) {
            return;
        }
        let Some((speaker, source)) = call.speaker(socket) else {
            return;
        };
        let named = call.parties.iter().filter(|party| !party.tag.is_empty());
        let dialled = DialledDigit {
            call_id: entry.call_id.to_string(),
            source_tag: speaker.tag.to_string(),
            source_label: speaker.label.as_deref().map(ToOwned::to_owned),
            tags: named.map(|party| party.tag.to_string()).collect(),
            at: now.unix,
            source: source.map(|source| source.ip()),
            digit,
            log_dest: call.dtmf_log,
        };
        drop(call);
        observer.digit_dialled(&dialled);
    }
}
