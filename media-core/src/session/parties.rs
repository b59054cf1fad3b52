//! Who is meant: from tags, branches and selectors to the parties of a call, as rtpengine finds
//! them. Tags that nobody has yet make new parties.

use std::time::Duration;

use super::call::{Call, Participant};
use super::snapshot::Shown;
use super::{DeleteRequest, Flows, QueryRequest, Selector, SessionError};

/// More parties than any forking needs; the controller is confused beyond that.
const MAX_PARTIES: usize = 64;

/// `(speaker, listener)` of an offer.
pub(super) fn of_offer(
    call: &mut Call,
    from_tag: &str,
    to_tag: Option<&str>,
    via_branch: Option<&str>,
    unix: Duration,
) -> Result<(usize, usize), SessionError> {
    let to_tag = to_tag.filter(|tag| !tag.is_empty());
    let speaker = match call.find_tag(from_tag) {
        Some(speaker) => speaker,
        None => join(call, Participant::new(from_tag, None, false, unix))?,
    };
    let known = match (to_tag, via_branch) {
        (Some(to_tag), _) => call.find_other(to_tag, speaker),
        (None, Some(via_branch)) => call.find_branch(via_branch),
        (None, None) => open_peer(call, speaker),
    };
    let listener = match known.filter(|known| *known != speaker) {
        Some(listener) => listener,
        None => join(
            call,
            Participant::new(to_tag.unwrap_or(""), via_branch, true, unix),
        )?,
    };
    Ok((speaker, listener))
}

/// `(speaker, listener)` of an answer: the answerer and the offerer.
pub(super) fn of_answer(
    call: &mut Call,
    from_tag: &str,
    to_tag: &str,
    via_branch: Option<&str>,
    unix: Duration,
) -> Result<(usize, usize), SessionError> {
    let offerer = match call.find_tag(from_tag) {
        Some(offerer) => offerer,
        None => join(call, Participant::new(from_tag, None, false, unix))?,
    };
    let untagged = |at: &usize| call.parties[*at].far && call.parties[*at].tag.is_empty();
    let answerer = call
        .find_other(to_tag, offerer)
        .or_else(|| call.find_branch(via_branch?))
        .or_else(|| open_peer(call, offerer).filter(untagged))
        .filter(|answerer| *answerer != offerer);
    let answerer = match answerer {
        Some(answerer) => answerer,
        None => join(call, Participant::new(to_tag, None, true, unix))?,
    };
    // The first answer names the party; another one of the same branch renames it.
    if *call.parties[answerer].tag != *to_tag {
        call.parties[answerer].tag = to_tag.into();
    }
    Ok((answerer, offerer))
}

fn join(call: &mut Call, party: Participant) -> Result<usize, SessionError> {
    if call.parties.len() >= MAX_PARTIES {
        return Err(SessionError::InvalidDialogue);
    }
    call.parties.push(party);
    Ok(call.parties.len() - 1)
}

fn open_peer(call: &Call, party: usize) -> Option<usize> {
    let peer = call.parties[party].peer?;
    (!call.parties[peer].closed).then_some(peer)
}

/// What a delete means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The call, without a report.
    Call,
    /// `party` goes, and with it the call if nobody is left in dialogue; the report is about
    /// `shown`.
    Party { party: usize, shown: Shown },
}

/// `None`: nothing matches.
///
/// The to-tag counts whenever it is given (10.5 looks at it without the flag `to-tag` too), unless
/// nobody has answered yet.
pub(super) fn of_delete(call: &Call, request: &DeleteRequest<'_>) -> Option<Target> {
    let Some(from_tag) = request.from_tag else {
        return Some(Target::Call);
    };
    let from = call.find_tag(from_tag)?;
    let target = |party, shown| Target::Party { party, shown };
    if let Some(to_tag) = request.to_tag.filter(|tag| !tag.is_empty()) {
        if let Some(party) = call.find_tag(to_tag) {
            return Some(target(party, Shown::Around(party)));
        }
        let peer = open_peer(call, from)?;
        let unanswered = call.parties[peer].tag.is_empty();
        return unanswered.then(|| target(from, Shown::Nobody));
    }
    let branch = request
        .via_branch
        .and_then(|branch| call.find_branch(branch));
    Some(match branch {
        Some(party) => target(party, Shown::Around(from)),
        None => target(from, Shown::Around(from)),
    })
}

/// Which parties a query shows.
pub(super) fn of_query(call: &Call, request: &QueryRequest<'_>) -> Shown {
    let tag = request.to_tag.or(request.from_tag);
    match tag.filter(|tag| !tag.is_empty()) {
        None => Shown::All,
        Some(tag) => call.find_tag(tag).map_or(Shown::Nobody, Shown::Around),
    }
}

/// Whom a command on media means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// The call as such, apart from its parties.
    Call,
    /// Call and parties.
    Everything,
    Party(usize),
    /// None of the flows that there are.
    Nobody,
}

impl Selected {
    /// Is this party meant, on its own account?
    pub(super) fn has_party(self, at: usize) -> bool {
        matches!(self, Selected::Everything) || self == Selected::Party(at)
    }
}

/// `all` among the flags goes first, then the label, the address, the tag. A flow to somebody who does not
/// get the party's media is none; a receiver whom nobody knows does not count, as in 10.5.
pub(super) fn of_selector(call: &Call, selector: &Selector) -> Result<Selected, SessionError> {
    if selector.all {
        return Ok(Selected::Everything);
    }
    let none = selector.flows == Some(Flows::ExceptOfferAnswer);
    let Some(party) = of_party(call, selector)? else {
        return Ok(match selector.flows {
            _ if none => Selected::Nobody,
            Some(Flows::All) => Selected::Everything,
            _ => Selected::Call,
        });
    };
    let to_tag = selector.to_tag.as_deref().filter(|tag| !tag.is_empty());
    let to = to_tag.and_then(|tag| call.find_tag(tag));
    let to = to.or_else(|| call.find_label(selector.to_label.as_deref()?));
    let to = to.filter(|to| *to != party);
    let elsewhere = to.is_some() && to != call.parties[party].peer;
    Ok(if none || elsewhere {
        Selected::Nobody
    } else {
        Selected::Party(party)
    })
}

fn of_party(call: &Call, selector: &Selector) -> Result<Option<usize>, SessionError> {
    if let Some(label) = &selector.label {
        let party = call.find_label(label).ok_or(SessionError::NoSuchLabel)?;
        return Ok(Some(party));
    }
    if let Some(address) = selector.address {
        let at = |party: &Participant| {
            let mut endpoints = party.medias.iter().filter_map(|media| media.rtp.said);
            endpoints.any(|endpoint| endpoint.ip() == address)
        };
        let party = call.find(at).ok_or(SessionError::NoSuchAddress)?;
        return Ok(Some(party));
    }
    if let Some(from_tag) = &selector.from_tag {
        let party = call.find_tag(from_tag).ok_or(SessionError::NoSuchTag)?;
        return Ok(Some(party));
    }
    Ok(None)
}
