//! Requests and their outcomes, as the control protocol hands them over and takes them back.

use super::{CallReport, DeleteOptions, Options};

/// An offer: a new call, or a change to one, by the party that `from_tag` names.
#[derive(Clone, Copy, Debug)]
pub struct OfferRequest<'a> {
    /// `call-id`.
    pub call_id: &'a str,
    /// `from-tag`: who made the offer, whichever side of the dialogue that is.
    pub from_tag: &'a str,
    /// `to-tag`, inside a dialogue.
    pub to_tag: Option<&'a str>,
    /// `via-branch`: one far party per branch.
    pub via_branch: Option<&'a str>,
    /// The description.
    pub sdp: &'a [u8],
    /// Everything else.
    pub options: &'a Options,
}

/// An answer to the last offer of `from_tag`.
#[derive(Clone, Copy, Debug)]
pub struct AnswerRequest<'a> {
    /// `call-id`.
    pub call_id: &'a str,
    /// `from-tag`: who made the offer.
    pub from_tag: &'a str,
    /// `to-tag`: who answers.
    pub to_tag: &'a str,
    /// `via-branch` of the offer that is answered.
    pub via_branch: Option<&'a str>,
    /// The description.
    pub sdp: &'a [u8],
    /// Everything else.
    pub options: &'a Options,
}

/// Ends a call or one of its branches.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRequest<'a> {
    /// `call-id`.
    pub call_id: &'a str,
    /// `from-tag`; without it the whole call goes.
    pub from_tag: Option<&'a str>,
    /// `to-tag`; counts only with [`DeleteOptions::match_to_tag`].
    pub to_tag: Option<&'a str>,
    /// `via-branch`: only this branch.
    pub via_branch: Option<&'a str>,
    /// Everything else.
    pub options: &'a DeleteOptions,
}

/// Asks about a call.
#[derive(Clone, Copy, Debug)]
pub struct QueryRequest<'a> {
    /// `call-id`.
    pub call_id: &'a str,
    /// `from-tag`: only this party (and the ones named beside it).
    pub from_tag: Option<&'a str>,
    /// `to-tag`: only this party.
    pub to_tag: Option<&'a str>,
}

/// A description for the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The text, lines ended by CRLF. Octets that are not UTF-8 stay what they were.
    pub sdp: Vec<u8>,
    /// What was odd about the request; it was carried out nevertheless.
    pub warnings: Vec<Warning>,
}

/// What a delete found.
#[derive(Clone, Debug)]
pub struct DeleteOutcome {
    /// The call's last state; `None` if nothing matched, or if the request named the call alone
    /// (rtpengine's reply is empty in both cases).
    pub report: Option<CallReport>,
    /// Nothing matched.
    pub warning: Option<Warning>,
}

/// Something odd in a request that was carried out all the same. Display is the NG text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// `delete` found nothing.
    #[error("Call-ID not found or tags didn't match")]
    NotFound,
    /// No interface has this name; the default was taken.
    #[error("interface {0:?} not found, using default")]
    UnknownInterface(String),
}
