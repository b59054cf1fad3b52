//! Requests: from the decoded tree to one typed value, with rtpengine's checks in rtpengine's order.

use std::borrow::Cow;

use media_core::media::transcode::DtmfOptions;
use media_core::session::{
    AnswerRequest, DeleteOptions, DeleteRequest, DtmfTrigger, OfferRequest, Options, QueryRequest,
    Selector,
};

use super::flags::{self, DtmfFlags, Flags, Played};
use super::value::Value;

/// A request, checked for what its command needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// `ping`.
    Ping,
    /// `offer`.
    Offer(Box<Negotiation<'a>>),
    /// `answer`; has a `to_tag`.
    Answer(Box<Negotiation<'a>>),
    /// `delete`.
    Delete(Box<Delete>),
    /// `query`.
    Query(Query),
    /// `list`, with the most call-ids wanted.
    List(usize),
    /// `statistics`.
    Statistics,
    /// `block media`.
    BlockMedia(Box<Selection>),
    /// `unblock media`.
    UnblockMedia(Box<Selection>),
    /// `block DTMF`, how, and what changes that.
    BlockDtmf(Box<Selection>, DtmfOptions, Option<Box<DtmfTrigger>>),
    /// `unblock DTMF`.
    UnblockDtmf(Box<Selection>),
    /// `silence media`.
    SilenceMedia(Box<Selection>),
    /// `unsilence media`.
    UnsilenceMedia(Box<Selection>),
    /// `play DTMF`, and what.
    PlayDtmf(Box<Selection>, Played),
}

/// `offer` or `answer`.
#[derive(Clone, Debug, PartialEq)]
pub struct Negotiation<'a> {
    /// `call-id`.
    pub call_id: String,
    /// `from-tag`.
    pub from_tag: String,
    /// `to-tag`.
    pub to_tag: Option<String>,
    /// `via-branch`.
    pub via_branch: Option<String>,
    /// `sdp`.
    pub sdp: &'a [u8],
    /// Everything else.
    pub options: Options,
}

/// `delete`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `call-id`.
    pub call_id: String,
    /// `from-tag`.
    pub from_tag: Option<String>,
    /// `to-tag`.
    pub to_tag: Option<String>,
    /// `via-branch`.
    pub via_branch: Option<String>,
    /// Everything else.
    pub options: DeleteOptions,
}

/// `query`.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `call-id`.
    pub call_id: String,
    /// `from-tag`.
    pub from_tag: Option<String>,
    /// `to-tag`.
    pub to_tag: Option<String>,
}

/// A command on selected parties.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// `call-id`.
    pub call_id: String,
    /// Which parties.
    pub selector: Selector,
    /// `address` is none; an error, but only once the call is known to exist.
    pub bad_address: bool,
}

/// A command that is understood, as counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the NG command of its name")]
pub enum Command {
    Ping,
    Offer,
    Answer,
    Delete,
    Query,
    List,
    BlockMedia,
    UnblockMedia,
    Statistics,
    BlockDtmf,
    UnblockDtmf,
    SilenceMedia,
    UnsilenceMedia,
    PlayDtmf,
}

/// Why a tree is no request. Display is the text that NG callers match literally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No `command`, or one that is no string.
    #[error("Dictionary contains no key \"command\"")]
    NoCommand,
    /// A `command` that is not served.
    #[error("Unrecognized command")]
    UnknownCommand,
    /// No `sdp`.
    #[error("No SDP body in message")]
    NoSdp,
    /// No `call-id`.
    #[error("No call-id in message")]
    NoCallId,
    /// No `from-tag`.
    #[error("No from-tag in message")]
    NoFromTag,
    /// No `to-tag`.
    #[error("No to-tag in message")]
    NoToTag,
    /// Negative `limit`.
    #[error("invalid limit, must be >= 0")]
    InvalidLimit,
}

/// Call-ids that `list` gives when it names no `limit`.
const DEFAULT_LIST_LIMIT: usize = 32;

impl Command {
    /// All commands served.
    pub const ALL: [Command; 14] = [
        Command::Ping,
        Command::Offer,
        Command::Answer,
        Command::Delete,
        Command::Query,
        Command::List,
        Command::BlockMedia,
        Command::UnblockMedia,
        Command::Statistics,
        Command::BlockDtmf,
        Command::UnblockDtmf,
        Command::SilenceMedia,
        Command::UnsilenceMedia,
        Command::PlayDtmf,
    ];

    /// As `command` spells it; the case counts, and only spaces separate words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Command::Ping => "ping",
            Command::Offer => "offer",
            Command::Answer => "answer",
            Command::Delete => "delete",
            Command::Query => "query",
            Command::List => "list",
            Command::BlockMedia => "block media",
            Command::UnblockMedia => "unblock media",
            Command::Statistics => "statistics",
            Command::BlockDtmf => "block DTMF",
            Command::UnblockDtmf => "unblock DTMF",
            Command::SilenceMedia => "silence media",
            Command::UnsilenceMedia => "unsilence media",
            Command::PlayDtmf => "play DTMF",
        }
    }

    /// The request's command.
    ///
    /// # Errors
    /// [`RequestError::NoCommand`], [`RequestError::UnknownCommand`].
    pub fn of(tree: &Value<'_>) -> Result<Command, RequestError> {
        let name = tree
            .get("command")
            .and_then(Value::as_bytes)
            .ok_or(RequestError::NoCommand)?;
        Command::ALL
            .into_iter()
            .find(|command| command.name().as_bytes() == name)
            .ok_or(RequestError::UnknownCommand)
    }
}

impl<'a> Request<'a> {
    /// Reads the request of this command out of the tree.
    ///
    /// # Errors
    /// See [`RequestError`]; what is missing is reported in rtpengine's order: description, call-id,
    /// from-tag, to-tag.
    pub fn read(command: Command, tree: &'a Value<'_>) -> Result<Request<'a>, RequestError> {
        Ok(match command {
            Command::Ping => Request::Ping,
            Command::Statistics => Request::Statistics,
            Command::Offer => Request::Offer(Box::new(Negotiation::read(tree, true)?)),
            Command::Answer => {
                let answer = Negotiation::read(tree, false)?;
                if answer.to_tag.is_none() {
                    return Err(RequestError::NoToTag);
                }
                Request::Answer(Box::new(answer))
            }
            Command::Delete => {
                let flags = Flags::of(tree);
                Request::Delete(Box::new(Delete {
                    call_id: flags.call_id.ok_or(RequestError::NoCallId)?,
                    from_tag: flags.from_tag,
                    to_tag: flags.to_tag,
                    via_branch: flags.via_branch,
                    options: flags.delete,
                }))
            }
            Command::Query => {
                let flags = Flags::of(tree);
                Request::Query(Query {
                    call_id: flags.call_id.ok_or(RequestError::NoCallId)?,
                    from_tag: flags.from_tag,
                    to_tag: flags.to_tag,
                })
            }
            Command::List => Request::List(match Flags::of(tree).limit {
                None => DEFAULT_LIST_LIMIT,
                Some(n) => usize::try_from(n).map_err(|_| RequestError::InvalidLimit)?,
            }),
            Command::BlockMedia => Request::BlockMedia(Selection::read(tree)?.0),
            Command::UnblockMedia => Request::UnblockMedia(Selection::read(tree)?.0),
            Command::BlockDtmf => {
                let (selection, dtmf) = Selection::read(tree)?;
                Request::BlockDtmf(selection, dtmf.blocked(), dtmf.trigger().map(Box::new))
            }
            Command::UnblockDtmf => Request::UnblockDtmf(Selection::read(tree)?.0),
            Command::SilenceMedia => Request::SilenceMedia(Selection::read(tree)?.0),
            Command::UnsilenceMedia => Request::UnsilenceMedia(Selection::read(tree)?.0),
            Command::PlayDtmf => {
                let (selection, dtmf) = Selection::read(tree)?;
                Request::PlayDtmf(selection, dtmf.played())
            }
        })
    }
}

impl<'a> Negotiation<'a> {
    fn read(tree: &'a Value<'_>, is_offer: bool) -> Result<Self, RequestError> {
        let sdp = last(tree, "sdp").ok_or(RequestError::NoSdp)?;
        let mut flags = Flags::of(tree);
        if flags.webrtc && is_offer {
            flags::webrtc(&mut flags.options);
        }
        flags.options.dtmf = flags.dtmf.request();
        Ok(Negotiation {
            call_id: flags.call_id.ok_or(RequestError::NoCallId)?,
            from_tag: flags.from_tag.ok_or(RequestError::NoFromTag)?,
            to_tag: flags.to_tag,
            via_branch: flags.via_branch,
            sdp,
            options: flags.options,
        })
    }

    /// As the session layer takes an offer.
    #[must_use]
    pub fn as_offer(&self) -> OfferRequest<'_> {
        OfferRequest {
            call_id: &self.call_id,
            from_tag: &self.from_tag,
            to_tag: self.to_tag.as_deref(),
            via_branch: self.via_branch.as_deref(),
            sdp: self.sdp,
            options: &self.options,
        }
    }

    /// As the session layer takes an answer.
    #[must_use]
    pub fn as_answer(&self) -> AnswerRequest<'_> {
        AnswerRequest {
            call_id: &self.call_id,
            from_tag: &self.from_tag,
            to_tag: self.to_tag.as_deref().unwrap_or_default(),
            via_branch: self.via_branch.as_deref(),
            sdp: self.sdp,
            options: &self.options,
        }
    }
}

impl Delete {
    /// As the session layer takes it.
    #[must_use]
    pub fn as_delete(&self) -> DeleteRequest<'_> {
        DeleteRequest {
            call_id: &self.call_id,
            from_tag: self.from_tag.as_deref(),
            to_tag: self.to_tag.as_deref(),
            via_branch: self.via_branch.as_deref(),
            options: &self.options,
        }
    }
}

impl Query {
    /// As the session layer takes it.
    #[must_use]
    pub fn as_query(&self) -> QueryRequest<'_> {
        QueryRequest {
            call_id: &self.call_id,
            from_tag: self.from_tag.as_deref(),
            to_tag: self.to_tag.as_deref(),
        }
    }
}

impl Selection {
    fn read(tree: &Value<'_>) -> Result<(Box<Self>, DtmfFlags), RequestError> {
        let flags = Flags::of(tree);
        let mut selector = flags.selector;
        selector.from_tag = flags.from_tag;
        selector.to_tag = flags.to_tag;
        // A label goes before an address, and so does `all`.
        let is_needed = selector.label.is_none() && !selector.all;
        let selection = Selection {
            call_id: flags.call_id.ok_or(RequestError::NoCallId)?,
            bad_address: flags.bad_address && is_needed,
            selector,
        };
        Ok((Box::new(selection), flags.dtmf))
    }
}

/// The text of the last pair with this key: what counts for rtpengine too, except for `command`.
fn last<'v>(tree: &'v Value<'_>, key: &str) -> Option<&'v [u8]> {
    match tree {
        Value::Dict(pairs) => pairs
            .iter()
            .rfind(|(k, _)| k.as_ref() == key.as_bytes())
            .and_then(|(_, value)| value.as_bytes()),
        _ => None,
    }
}

/// The call-id of any request, for the log; empty if there is none.
#[must_use]
pub fn call_id<'v>(tree: &'v Value<'_>) -> Cow<'v, str> {
    let id = last(tree, "call-id").or_else(|| last(tree, "call id"));
    String::from_utf8_lossy(id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ng::json;

    fn error_of(text: &str) -> String {
        let tree = json::decode(text.as_bytes()).unwrap();
        Command::of(&tree)
            .and_then(|command| Request::read(command, &tree).map(|_| ()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn commands_are_spelt_exactly() {
        assert_eq!(error_of("{}"), "Dictionary contains no key \"command\"");
        assert_eq!(
            error_of(r#"{"command":3}"#),
            "Dictionary contains no key \"command\""
        );
        for odd in ["Ping", "block-media", "frob", ""] {
            assert_eq!(
                error_of(&format!(r#"{{"command":"{odd}"}}"#)),
                "Unrecognized command"
            );
        }
    }

    #[test]
    fn what_is_missing_is_reported_in_rtpengines_order() {
        for (request, error) in [
            (r#"{"command":"offer"}"#, "No SDP body in message"),
            (
                r#"{"command":"offer","call-id":"c","from-tag":"f"}"#,
                "No SDP body in message",
            ),
            (
                r#"{"command":"offer","sdp":"","from-tag":"f"}"#,
                "No call-id in message",
            ),
            (
                r#"{"command":"offer","sdp":"","call-id":"c"}"#,
                "No from-tag in message",
            ),
            (
                r#"{"command":"answer","sdp":"","call-id":"c","to-tag":"t"}"#,
                "No from-tag in message",
            ),
            (
                r#"{"command":"answer","sdp":"","call-id":"c","from-tag":"f"}"#,
                "No to-tag in message",
            ),
            (r#"{"command":"delete"}"#, "No call-id in message"),
            (r#"{"command":"query"}"#, "No call-id in message"),
            (r#"{"command":"block media"}"#, "No call-id in message"),
            (r#"{"command":"block DTMF"}"#, "No call-id in message"),
            (r#"{"command":"play DTMF"}"#, "No call-id in message"),
            (
                r#"{"command":"list","limit":-1}"#,
                "invalid limit, must be >= 0",
            ),
        ] {
            assert_eq!(error_of(request), error, "{request}");
        }
    }

    #[test]
    fn list_limit_may_be_a_string_or_rubbish() {
        for (limit, expected) in [("2", 2), ("\"2\"", 2), ("0", 0), ("\"abc\"", 32)] {
            let text = format!(r#"{{"command":"list","limit":{limit}}}"#);
            let tree = json::decode(text.as_bytes()).unwrap();
            assert_eq!(
                Request::read(Command::List, &tree),
                Ok(Request::List(expected))
            );
        }
    }

    #[test]
    fn empty_call_id_and_tag_are_names_like_any() {
        let tree =
            json::decode(br#"{"command":"offer","sdp":"x","call-id":"","from-tag":""}"#).unwrap();
        assert!(Request::read(Command::Offer, &tree).is_ok());
    }
}
