//! From a request's bytes to its reply's: cookie cache, decoding, dispatch, counting, encoding.
//!
//! Every transport ends here. What a call does is `media_core::session`'s business.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use media_core::driver::Driver;
use media_core::media::transcode::Play;
use media_core::session::{QueryRequest, SessionError, Sessions, Warning};
use media_core::units::Now;

use crate::ng::cookie::{Begin, Cache, Pending, Reply};
use crate::ng::document::{Encoding, split_cookie};
use crate::ng::reply;
use crate::ng::request::{self, Command, Request, Selection};
use crate::ng::value::Value;
use crate::ops::requests::RequestCounters;
use crate::ops::statistics;
use crate::ops::traffic::Traffic;

/// Serves NG requests.
pub struct Service {
    sessions: Arc<Sessions>,
    cache: Cache,
    requests: Arc<RequestCounters>,
    traffic: Arc<Traffic>,
    started: Instant,
}

/// What became of a datagram.
#[derive(Debug)]
pub enum Handled {
    /// Send this.
    Reply(Reply),
    /// A repetition of a request that another thread is executing: its reply can be waited for.
    Executing(Pending),
    /// There is no cookie, so there is no reply.
    NoCookie,
}

impl Service {
    /// Serves `sessions`, counting in `requests`.
    #[must_use]
    pub fn new(
        sessions: Arc<Sessions>,
        requests: Arc<RequestCounters>,
        traffic: Arc<Traffic>,
        started: Instant,
    ) -> Self {
        Self {
            sessions,
            cache: Cache::new(started),
            requests,
            traffic,
            started,
        }
    }

    /// Handles `cookie SP document`. The reply is built in `scratch`, the caller's to use again.
    pub fn handle_datagram(
        &self,
        peer: SocketAddr,
        datagram: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Handled {
        let Some((cookie, document)) = split_cookie(datagram) else {
            tracing::debug!(%peer, bytes = datagram.len(), "datagram without a cookie");
            return Handled::NoCookie;
        };
        let now = Driver::now();
        let execution = match self.cache.begin(now.monotonic, peer, cookie) {
            Begin::Execute(execution) => execution,
            Begin::Answered(reply) => {
                tracing::debug!(%peer, "repeated request gets the reply it got before");
                return Handled::Reply(reply);
            }
            Begin::Executing(pending) => return Handled::Executing(pending),
        };
        scratch.clear();
        scratch.extend_from_slice(cookie);
        scratch.push(b' ');
        self.execute(now, peer, document, scratch);
        Handled::Reply(execution.finish(scratch))
    }

    /// The reply to `datagram` where the real one does not fit into a datagram. Silence would make
    /// the client ask again and take us for dead.
    #[must_use]
    pub fn too_long(datagram: &[u8]) -> Vec<u8> {
        let (cookie, document) = split_cookie(datagram).unwrap_or_default();
        let mut out = [cookie, b" "].concat();
        let reply = reply::error("Reply is too long for UDP, ask over TCP or HTTP");
        Encoding::of(document).encode(&reply, &mut out);
        out
    }

    /// Handles a bare document; appends the reply's document to `out`.
    pub fn handle_document(
        &self,
        peer: SocketAddr,
        document: &[u8],
        out: &mut Vec<u8>,
    ) -> Encoding {
        self.execute(Driver::now(), peer, document, out)
    }

    fn execute(&self, now: Now, peer: SocketAddr, document: &[u8], out: &mut Vec<u8>) -> Encoding {
        let (encoding, tree) = Encoding::decode(document);
        let reply = match tree {
            Ok(tree) => self.serve(now, peer, &tree),
            Err(error) => {
                self.requests.count_error(peer.ip());
                tracing::debug!(%peer, %error, "request cannot be decoded");
                reply::error(error.to_string())
            }
        };
        encoding.encode(&reply, out);
        encoding
    }

    fn serve(&self, now: Now, peer: SocketAddr, tree: &Value<'_>) -> Value<'static> {
        let command = match Command::of(tree) {
            Ok(command) => command,
            Err(error) => return self.refuse(peer.ip(), tree, "", &error.to_string()),
        };
        let outcome = match Request::read(command, tree) {
            Ok(request) => self.run(now, &request),
            Err(error) => Err(Refusal::Reason(error.to_string())),
        };
        let took = now.monotonic.elapsed();
        self.requests.count(peer.ip(), command, took);
        tracing::debug!(
            %peer, command = command.name(), call_id = %request::call_id(tree), ?took, "served"
        );
        match outcome {
            Ok(reply) => reply,
            Err(Refusal::Reason(reason)) => self.refuse(peer.ip(), tree, command.name(), &reason),
            Err(Refusal::LoadLimit(message)) => {
                tracing::info!(call_id = %request::call_id(tree), message, "new call refused");
                reply::load_limit(message)
            }
        }
    }

    fn refuse(
        &self,
        peer: IpAddr,
        tree: &Value<'_>,
        command: &str,
        reason: &str,
    ) -> Value<'static> {
        self.requests.count_error(peer);
        tracing::info!(call_id = %request::call_id(tree), %peer, command, reason, "request refused");
        reply::error(reason)
    }

    fn run(&self, now: Now, request: &Request<'_>) -> Result<Value<'static>, Refusal> {
        let sessions = &self.sessions;
        Ok(match request {
            Request::Ping => reply::pong(),
            Request::Offer(offer) => {
                let supports = offer.options.supports_load_limit;
                let done = sessions
                    .offer(now, &offer.as_offer())
                    .map_err(|error| Refusal::of(&error, supports))?;
                tell(&offer.call_id, &done.warnings);
                reply::sdp(done.sdp)
            }
            Request::Answer(answer) => {
                let supports = answer.options.supports_load_limit;
                let done = sessions
                    .answer(now, &answer.as_answer())
                    .map_err(|error| Refusal::of(&error, supports))?;
                tell(&answer.call_id, &done.warnings);
                reply::sdp(done.sdp)
            }
            Request::Delete(delete) => reply::deleted(sessions.delete(now, &delete.as_delete())?),
            Request::Query(query) => reply::query(sessions.query(now, &query.as_query())?),
            Request::List(limit) => reply::list(sessions.list(*limit)),
            Request::Statistics => statistics::reply(
                &sessions.statistics(now),
                &self.requests.snapshot(),
                self.traffic.rates(now.monotonic),
                now.monotonic.duration_since(self.started),
            ),
            Request::BlockMedia(selection) => {
                self.check_address(now, selection)?;
                sessions.block_media(now, &selection.call_id, &selection.selector)?;
                reply::ok()
            }
            Request::UnblockMedia(selection) => {
                self.check_address(now, selection)?;
                sessions.unblock_media(now, &selection.call_id, &selection.selector)?;
                reply::ok()
            }
            Request::BlockDtmf(selection, options, trigger) => {
                self.check_address(now, selection)?;
                let (call_id, selector) = (&selection.call_id, &selection.selector);
                match trigger.as_deref() {
                    None => sessions.block_dtmf(now, call_id, selector, *options)?,
                    Some(trigger) => {
                        sessions.arm_dtmf(now, call_id, selector, *options, trigger.clone())?;
                    }
                }
                reply::ok()
            }
            Request::UnblockDtmf(selection) => {
                self.check_address(now, selection)?;
                sessions.unblock_dtmf(now, &selection.call_id, &selection.selector)?;
                reply::ok()
            }
            Request::SilenceMedia(selection) => {
                self.check_address(now, selection)?;
                sessions.silence_media(now, &selection.call_id, &selection.selector)?;
                reply::ok()
            }
            Request::UnsilenceMedia(selection) => {
                self.check_address(now, selection)?;
                sessions.unsilence_media(now, &selection.call_id, &selection.selector)?;
                reply::ok()
            }
            Request::PlayDtmf(selection, played) => {
                self.check_address(now, selection)?;
                let play = played.digit.map(|digit| Play {
                    digit,
                    duration_ms: played.duration_ms,
                    pause_ms: played.pause_ms,
                    volume_dbm0: played.volume_dbm0,
                });
                sessions.play_dtmf(now, &selection.call_id, &selection.selector, play)?;
                reply::ok()
            }
        })
    }

    /// An address that is none is an error of its own, but an unknown call goes first.
    fn check_address(&self, now: Now, selection: &Selection) -> Result<(), Refusal> {
        if !selection.bad_address {
            return Ok(());
        }
        let call = QueryRequest {
            call_id: &selection.call_id,
            from_tag: None,
            to_tag: None,
        };
        Err(match self.sessions.query(now, &call) {
            Ok(_) => Refusal::Reason("Failed to parse network address".into()),
            Err(_) => SessionError::UnknownCallSelection.into(),
        })
    }
}

/// A reply other than `ok`.
enum Refusal {
    Reason(String),
    LoadLimit(String),
}

impl Refusal {
    /// A client that does not know `load limit` is told the one thing that it does know.
    fn of(error: &SessionError, supports_load_limit: bool) -> Refusal {
        match error {
            SessionError::Limit(limit) if supports_load_limit => {
                Refusal::LoadLimit(limit.to_string())
            }
            SessionError::Limit(_) => Refusal::Reason("Parallel session limit reached".into()),
            other => Refusal::Reason(other.to_string()),
        }
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Refusal::of(&error, false)
    }
}

/// rtpengine keeps what it found odd about an offer to its log, and so do we.
fn tell(call_id: &str, warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(call_id, "{warning}");
    }
}
