//! Many two-party calls over NG: offer, answer, delete, and whether the daemon's replies hold water.
//!
//! Side A offers, side B answers. The reply to the offer says where B sends to, the reply to the answer
//! where A does.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::value::Value;
use hdrhistogram::Histogram;
use media_core::srtp::{CryptoSuite, MasterKey};

use crate::load::{Media, histogram};
use crate::ng::{Client, Document, NgError};
use crate::process;
use crate::sdp::{self, SdpError};
use crate::secure::{StreamKeys, sdes};

/// The three requests of a call's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `offer`, by side A.
    Offer,
    /// `answer`, by side B.
    Answer,
    /// `delete`.
    Delete,
}

impl Step {
    const ALL: [Self; 3] = [Self::Offer, Self::Answer, Self::Delete];

    /// The NG command.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Delete => "delete",
        }
    }

    pub(crate) const fn token(self, call: u64) -> u64 {
        call * 4 + self as u64
    }

    pub(crate) fn of_token(token: u64) -> (u64, Self) {
        (token / 4, Self::ALL[(token % 4) as usize % 3])
    }
}

/// Why a call could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{} failed", step.command())]
pub struct CallError {
    /// The request that failed.
    pub step: Step,
    /// What was wrong with its reply.
    pub source: ReplyError,
}

/// What can be wrong with a reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// None, an unreadable one, or a refusal.
    #[error(transparent)]
    Ng(#[from] NgError),
    /// It has no SDP.
    #[error("no SDP in the reply")]
    NoSdp,
    /// Its SDP cannot be used.
    #[error("unusable SDP in the reply")]
    Sdp(#[from] SdpError),
}

/// A call that both sides agreed to.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its call-id.
    pub id: String,
    /// Ports of sides A and B.
    pub local: [u16; 2],
    /// Where the daemon wants packets of sides A and B.
    pub daemon: [SocketAddrV4; 2],
    /// Keys of side A's stream, if it is SRTP.
    pub keys: Option<StreamKeys>,
}

/// A call on its way.
struct Draft {
    id: String,
    local: [u16; 2],
    daemon: [Option<SocketAddrV4>; 2],
    /// What side A offers, and what it is answered.
    keys: [Option<MasterKey>; 2],
}

/// Reply times in µs by step, retransmissions included.
#[derive(Clone, Debug)]
pub struct Latencies([Histogram<u64>; 3]);

impl Latencies {
    /// Those of one step.
    #[must_use]
    pub const fn of(&self, step: Step) -> &Histogram<u64> {
        &self.0[step as usize]
    }
}

/// How many calls a daemon sets up and ends.
#[derive(Clone, Debug)]
pub struct Cycles {
    /// Calls offered, answered and deleted without fault.
    pub completed: u64,
    /// From the first request to the last reply.
    pub wall: Duration,
    /// Reply times.
    pub latencies: Latencies,
}

/// What was left after deleting calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Deletes refused or unanswered.
    pub failed: u64,
    /// Ports the daemon gave out and still holds after two seconds.
    pub ports: u64,
    /// Calls still listed after two seconds.
    pub listed: u64,
}

impl Leftovers {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.failed + self.ports + self.listed
    }
}

/// Makes and ends calls on one daemon.
pub struct Caller {
    client: Client,
    ip: Ipv4Addr,
    /// What sides A and B take.
    media: [Media; 2],
    srtp: Option<CryptoSuite>,
    /// Requests in flight.
    window: usize,
    /// Local ports that calls share, side A and side B.
    ports: Vec<[u16; 2]>,
    run: u32,
}

impl Caller {
    /// A caller that keeps `window` requests in flight. Sides A and B take one codec each; if they differ, the
    /// daemon is told to offer B its own alone. With `srtp`, side A offers `RTP/SAVP` with a key
    /// of its own for each call, and side B is offered `RTP/AVP`. Calls use the pairs of `ports` in turn; there
    /// must be at least one.
    #[must_use]
    pub const fn new(
        client: Client,
        ip: Ipv4Addr,
        media: [Media; 2],
        srtp: Option<CryptoSuite>,
        window: usize,
        ports: Vec<[u16; 2]>,
    ) -> Self {
        Self {
            client,
            ip,
            media,
            srtp,
            window,
            ports,
            run: 0,
        }
    }

    /// Requests sent more than once so far.
    #[must_use]
    pub const fn retransmissions(&self) -> u64 {
        self.client.retransmissions()
    }

    /// Offers and answers `count` calls. When one fails, the others are deleted again.
    ///
    /// # Errors
    /// The first [`CallError`].
    pub fn establish(&mut self, count: usize) -> Result<Vec<Call>, CallError> {
        self.run += 1;
        let mut drafts: Vec<Draft> = (0..count).map(|i| self.draft(i)).collect();
        let mut failed = None;
        let mut next = 0;
        loop {
            while next < count && self.client.in_flight() < self.window && failed.is_none() {
                self.request(Step::Offer, next as u64, &drafts[next]);
                next += 1;
            }
            let Some(reply) = self.client.receive() else {
                break;
            };
            let (index, step) = Step::of_token(reply.token);
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            let Some(draft) = drafts.get_mut(at) else {
                continue;
            };
            match self.learn(step, draft, reply.document) {
                Ok(()) if step == Step::Offer => {
                    let draft = &drafts[at];
                    self.request(Step::Answer, index, draft);
                }
                Ok(()) => {}
                Err(source) => failed = failed.or(Some(CallError { step, source })),
            }
        }
        let calls: Vec<Call> = drafts.into_iter().filter_map(Draft::finish).collect();
        match failed {
            None => Ok(calls),
            Some(error) => {
                self.release(&calls);
                Err(error)
            }
        }
    }

    /// Deletes calls, and looks whether they and their ports are gone within two seconds.
    pub fn release(&mut self, calls: &[Call]) -> Leftovers {
        let mut left = Leftovers::default();
        let mut next = 0;
        loop {
            while next < calls.len() && self.client.in_flight() < self.window {
                let request = delete(&calls[next].id);
                self.client.send(Step::Delete.token(next as u64), &request);
                next += 1;
            }
            let Some(reply) = self.client.receive() else {
                break;
            };
            left.failed += u64::from(accepted(reply.document).is_err());
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            left.ports = still_bound(calls);
            left.listed = self.still_listed(calls);
            if left.ports + left.listed == 0 || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Offers, answers and deletes calls without media for `span`, as fast as the window allows.
    ///
    /// # Errors
    /// The first [`CallError`]; later calls are not begun.
    pub fn cycle(&mut self, span: Duration) -> Result<Cycles, CallError> {
        self.run += 1;
        let begin = Instant::now();
        let mut latencies = Latencies([histogram(), histogram(), histogram()]);
        let mut drafts: HashMap<u64, Draft> = HashMap::new();
        let (mut next, mut completed, mut failed) = (0_u64, 0, None);
        loop {
            while self.client.in_flight() < self.window
                && failed.is_none()
                && begin.elapsed() < span
            {
                let draft = self.draft(usize::try_from(next).unwrap_or(usize::MAX));
                self.request(Step::Offer, next, &draft);
                drafts.insert(next, draft);
                next += 1;
            }
            let Some(reply) = self.client.receive() else {
                break;
            };
            let (index, step) = Step::of_token(reply.token);
            let micros = u64::try_from(reply.latency.as_micros()).unwrap_or(u64::MAX);
            latencies.0[step as usize].saturating_record(micros);
            let Some(mut draft) = drafts.remove(&index) else {
                continue;
            };
            let outcome = match step {
                Step::Delete => accepted(reply.document).map_err(ReplyError::from),
                _ => self.learn(step, &mut draft, reply.document),
            };
            let following = match (&outcome, step) {
                (Ok(()), Step::Offer) => Some(Step::Answer),
                (Ok(()), Step::Answer) | (Err(_), Step::Offer | Step::Answer) => Some(Step::Delete),
                (_, Step::Delete) => None,
            };
            completed += u64::from(step == Step::Delete && outcome.is_ok());
            if let Err(source) = outcome {
                failed = failed.or(Some(CallError { step, source }));
            }
            if let Some(step) = following {
                self.request(step, index, &draft);
                drafts.insert(index, draft);
            }
        }
        match failed {
            None => Ok(Cycles {
                completed,
                wall: begin.elapsed(),
                latencies,
            }),
            Some(error) => Err(error),
        }
    }

    fn draft(&self, index: usize) -> Draft {
        Draft {
            id: format!("bench-{}-{}-{index}", std::process::id(), self.run),
            local: self.ports[index % self.ports.len()],
            daemon: [None; 2],
            keys: [self.srtp.map(MasterKey::generate), None],
        }
    }

    fn request(&mut self, step: Step, index: u64, draft: &Draft) {
        if step == Step::Delete {
            self.client.send(step.token(index), &delete(&draft.id));
            return;
        }
        let side = step as usize;
        let local = SocketAddrV4::new(self.ip, draft.local[side]);
        let mut request = request(step, &draft.id);
        let key = draft.keys[0].as_ref().filter(|_| step == Step::Offer);
        let profile = if key.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        if key.is_some() {
            request.push("transport-protocol", Value::str("RTP/AVP"));
        }
        let attributes: Vec<String> = key.map(sdes::offer).into_iter().collect();
        let text = sdp::write(local, &self.media[side], profile, &attributes);
        if step == Step::Offer && self.media[0] != self.media[1] {
            let mut codec = Value::dict();
            codec
                .push("mask", Value::List(vec![Value::str("all")]))
                .push(
                    "transcode",
                    Value::List(vec![Value::str(self.media[1].name())]),
                );
            request.push("codec", codec);
        }
        let replace = ["origin", "session-connection"].map(Value::str);
        request
            .push("sdp", Value::string(text))
            .push("ICE", Value::str("remove"))
            .push("replace", Value::List(replace.into()));
        self.client.send(step.token(index), &request);
    }

    /// Takes the daemon's address for the *other* side from a reply.
    fn learn(
        &self,
        step: Step,
        draft: &mut Draft,
        reply: Result<Document, NgError>,
    ) -> Result<(), ReplyError> {
        let text = &description(reply)?;
        draft.daemon[1 - step as usize] =
            Some(sdp::endpoint(text, &self.media[1 - step as usize])?);
        if let (Some(suite), Step::Answer) = (self.srtp, step) {
            draft.keys[1] = Some(sdes::answer(text, suite)?);
        }
        Ok(())
    }

    /// How many of these calls the daemon lists; 0 if it cannot list.
    fn still_listed(&mut self, calls: &[Call]) -> u64 {
        let mut request = Value::dict();
        request
            .push("command", Value::str("list"))
            .push("limit", Value::Int(1000));
        let Ok(document) = self.client.ask(&request) else {
            return 0;
        };
        let ids: HashSet<&[u8]> = calls.iter().map(|c| c.id.as_bytes()).collect();
        let listed = document.value().ok().and_then(|value| {
            let calls = value.get("calls")?.as_list()?;
            Some(
                calls
                    .iter()
                    .filter_map(Value::as_bytes)
                    .filter(|id| ids.contains(id))
                    .count(),
            )
        });
        listed.unwrap_or(0) as u64
    }
}

impl Draft {
    fn finish(self) -> Option<Call> {
        let [Some(a), Some(b)] = self.daemon else {
            return None;
        };
        let [own, answered] = self.keys;
        Some(Call {
            keys: own
                .zip(answered)
                .map(|(own, daemon)| StreamKeys { own, daemon }),
            id: self.id,
            local: self.local,
            daemon: [a, b],
        })
    }
}

/// The SDP in an accepted reply.
pub(crate) fn description(reply: Result<Document, NgError>) -> Result<String, ReplyError> {
    let document = reply?;
    let value = document.accepted()?;
    let text = value.get("sdp").and_then(Value::as_str);
    text.map(str::to_owned).ok_or(ReplyError::NoSdp)
}

/// A request about this call, from side A and, once it has answered, side B.
pub(crate) fn request(step: Step, id: &str) -> Value<'_> {
    let mut request = Value::dict();
    request
        .push("command", Value::str(step.command()))
        .push("call-id", Value::str(id))
        .push("from-tag", Value::str("A"));
    if step != Step::Offer {
        request.push("to-tag", Value::str("B"));
    }
    request
}

pub(crate) fn delete(id: &str) -> Value<'_> {
    let mut request = request(Step::Delete, id);
    // At once, so that the ports are free for the next.
    request.push("delete delay", Value::Int(0));
    request
}

pub(crate) fn accepted(reply: Result<Document, NgError>) -> Result<(), NgError> {
    reply?.accepted().map(drop)
}

/// How many of the ports that the daemon gave out are bound in this network namespace.
fn still_bound(calls: &[Call]) -> u64 {
    let bound = process::udp_ports();
    let given: HashSet<u16> = calls
        .iter()
        .flat_map(|call| call.daemon.map(|address| address.port()))
        .collect();
    given.iter().filter(|port| bound.contains_key(port)).count() as u64
}
