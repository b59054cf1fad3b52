//! Calls with DTLS-SRTP on one side, set up and ended: offer, answer, handshake, delete. As many as a daemon
//! can, to count them, or at a steady pace, to see what they do to others.
//!
//! Side A is the active side and does no ICE. All calls share a few sockets and one certificate: what is
//! measured is the daemon. A call counts once its handshake has ended in keys, and it is deleted.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use media_core::dtls::Certificate;

use super::peer::{DATAGRAM_BYTES, Peer, PeerConfig, Setup};
use super::webrtc::{call_error, describing, failed};
use super::{SecureError, certificate};
use crate::calls::{Step, accepted, delete, description};
use crate::host;
use crate::load::{Media, SocketPair, histogram};
use crate::ng::{Client, Reply};
use crate::sdp;

/// Calls being set up at a time: enough that the daemon always has a handshake to go on with.
const IN_PROGRESS: usize = 16;
/// Longest sleep, so that the clock of the run is looked at.
const NAP: Duration = Duration::from_millis(20);

/// How calls follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// One begins as soon as another has ended.
    Fastest,
    /// This many begin each second, as long as no more than [`IN_PROGRESS`] are on their way.
    PerSecond(u32),
}

impl Pace {
    /// When a call may begin, from the begin of the run. Calls count from 0.
    fn due(self, call: u64) -> Duration {
        match self {
            Self::Fastest => Duration::ZERO,
            Self::PerSecond(rate) => Duration::from_secs(call) / rate.max(1),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Setups {
    /// Calls set up and deleted without fault.
    pub completed: u64,
    /// From the first request to the last reply.
    pub wall: Duration,
    /// From the answer's arrival to the keys, in µs.
    pub handshake_us: Histogram<u64>,
}

impl Setups {
    /// Calls set up and ended per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.completed as f64 / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// A call on its way.
struct Draft {
    id: String,
    /// Index of side A's socket.
    socket: usize,
    peer: Peer,
    answered: Instant,
    /// Where side A's media goes, once known.
    daemon: Option<SocketAddr>,
}

/// Sets calls up and ends them.
pub(crate) struct SetupCaller {
    client: Client,
    media: Media,
    certificate: Certificate,
    /// Side A's.
    sockets: Vec<Arc<SocketPair>>,
    /// Where no media will go.
    phone: SocketAddrV4,
    drafts: HashMap<u64, Draft>,
    /// Call by the daemon's address towards side A.
    by_source: HashMap<SocketAddr, u64>,
    next: u64,
    report: Setups,
}

impl SetupCaller {
    /// A caller that uses the first half of `sockets` for side A, and names one of the others for side B.
    pub(crate) fn new(ng: SocketAddr, sockets: &[Arc<SocketPair>]) -> Result<Self, SecureError> {
        let (own, others) = sockets.split_at(sockets.len() / 2);
        let port = others.first().map_or(9, |pair| pair.port());
        Ok(Self {
            client: Client::connect(ng, format!("setups{}", std::process::id()))?,
            media: Media::PCMU,
            certificate: certificate()?,
            sockets: own.to_vec(),
            phone: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            drafts: HashMap::new(),
            by_source: HashMap::new(),
            next: 0,
            report: Setups {
                completed: 0,
                wall: Duration::ZERO,
                handshake_us: histogram(),
            },
        })
    }

    /// Sets calls up for `span`, then ends those that are begun.
    pub(crate) fn run(mut self, span: Duration, pace: Pace) -> Result<Setups, SecureError> {
        let begin = Instant::now();
        loop {
            while self.drafts.len() < IN_PROGRESS
                && begin.elapsed() < span
                && pace.due(self.next) <= begin.elapsed()
            {
                self.offer()?;
            }
            let elapsed = begin.elapsed();
            if self.drafts.is_empty() && elapsed >= span {
                self.report.wall = elapsed;
                return Ok(self.report);
            }
            let mut timeout = self.next_timeout().min(NAP);
            if self.drafts.len() < IN_PROGRESS {
                timeout = timeout.min(pace.due(self.next).saturating_sub(elapsed));
            }
            let fds: Vec<_> = [self.client.as_fd()]
                .into_iter()
                .chain(self.sockets.iter().map(|pair| pair.rtp().as_fd()))
                .collect();
            let ready = host::wait_readable(&fds, timeout)?;
            if let Some(reply) = self.client.receive_ready(ready[0]) {
                self.learn(reply)?;
            }
            for (socket, ready) in ready[1..].iter().enumerate() {
                if *ready {
                    self.receive(socket)?;
                }
            }
            self.expire()?;
        }
    }

    fn offer(&mut self) -> Result<(), SecureError> {
        let index = self.next;
        self.next += 1;
        let id = format!("setup-{}-{index}", std::process::id());
        let socket = usize::try_from(index).unwrap_or(0) % self.sockets.len();
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.sockets[socket].port());
        let peer = Peer::new(PeerConfig {
            local,
            certificate: self.certificate.clone(),
            ice: false,
            setup: Setup::Active,
        })
        .map_err(|source| failed(source, None))?;
        let attributes = peer.attributes();
        let text = sdp::write(local, &self.media, "UDP/TLS/RTP/SAVPF", &attributes);
        self.client.send(
            Step::Offer.token(index),
            &describing(Step::Offer, &id, text),
        );
        let draft = Draft {
            id,
            socket,
            peer,
            answered: Instant::now(),
            daemon: None,
        };
        self.drafts.insert(index, draft);
        Ok(())
    }

    /// Takes a reply and does what follows.
    fn learn(&mut self, reply: Reply) -> Result<(), SecureError> {
        let (index, step) = Step::of_token(reply.token);
        let Some(draft) = self.drafts.get_mut(&index) else {
            return Ok(());
        };
        let fail = |source| call_error(step, source);
        if step == Step::Delete {
            accepted(reply.document).map_err(|source| fail(source.into()))?;
            self.drafts.remove(&index);
            self.report.completed += 1;
            return Ok(());
        }
        let text = description(reply.document).map_err(fail)?;
        if step == Step::Offer {
            let answer = sdp::write(self.phone, &self.media, "RTP/AVP", &[]);
            let request = describing(Step::Answer, &draft.id, answer);
            self.client.send(Step::Answer.token(index), &request);
            return Ok(());
        }
        let now = Instant::now();
        draft.answered = now;
        let endpoint = sdp::endpoint(&text, &self.media).map_err(|e| fail(e.into()))?;
        draft
            .peer
            .describe(now, &text, &self.media)
            .map_err(|e| fail(e.into()))?;
        draft.daemon = Some(endpoint.into());
        self.by_source.insert(endpoint.into(), index);
        let result = draft.peer.handle_timeout(now);
        result.map_err(|source| failed(source, Some(&draft.peer)))?;
        self.transmit(index)
    }

    fn receive(&mut self, socket: usize) -> Result<(), SecureError> {
        let mut buffer = [0; DATAGRAM_BYTES];
        let pair = Arc::clone(&self.sockets[socket]);
        while let Ok((len, from)) = pair.rtp().recv_from(&mut buffer) {
            // A call that is done may still be sent to.
            let Some(&index) = self.by_source.get(&from) else {
                continue;
            };
            let Some(draft) = self.drafts.get_mut(&index) else {
                continue;
            };
            let now = Instant::now();
            let result = draft.peer.handle_datagram(now, from, &buffer[..len]);
            let result = result.map(drop);
            result.map_err(|source| failed(source, Some(&draft.peer)))?;
            if draft.peer.progress().dtls.is_some() {
                let micros = u64::try_from((now - draft.answered).as_micros());
                let micros = micros.unwrap_or(u64::MAX);
                self.report.handshake_us.saturating_record(micros);
                self.by_source.remove(&from);
                self.client
                    .send(Step::Delete.token(index), &delete(&draft.id));
            }
            self.transmit(index)?;
        }
        Ok(())
    }

    /// Sends what a call's side A has to say.
    fn transmit(&mut self, index: u64) -> Result<(), SecureError> {
        let mut out = [0; DATAGRAM_BYTES];
        if let Some(draft) = self.drafts.get_mut(&index) {
            let socket = self.sockets[draft.socket].rtp();
            while let Some((to, len)) = draft.peer.poll_transmit(&mut out) {
                socket.send_to(&out[..len], to)?;
            }
        }
        Ok(())
    }

    /// Until the first call has something to do by itself.
    fn next_timeout(&self) -> Duration {
        let next = self.drafts.values().filter_map(|d| d.peer.poll_timeout());
        next.min()
            .map_or(NAP, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Lets the calls do what is due: send again what was lost, or give up.
    fn expire(&mut self) -> Result<(), SecureError> {
        let now = Instant::now();
        let due: Vec<u64> = self
            .drafts
            .iter()
            .filter(|(_, draft)| draft.peer.poll_timeout().is_some_and(|at| at <= now))
            .map(|(index, _)| *index)
            .collect();
        for index in due {
            if let Some(draft) = self.drafts.get_mut(&index) {
                let result = draft.peer.handle_timeout(now);
                result.map_err(|source| failed(source, Some(&draft.peer)))?;
            }
            self.transmit(index)?;
        }
        Ok(())
    }
}
