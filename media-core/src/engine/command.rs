//! What the control side tells a shard. Each command states the whole new truth, never a delta.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Agreement, IceRoute, Protection, StreamCounters};
use crate::dtls::DtlsFailure;
use crate::media::transcode::{EventTypes, Plan, Play};
use crate::units::{CallKey, ClockRate, PayloadType, SocketId};

/// An instruction to one shard; the shard applies them in the order they were sent.
#[derive(Debug)]
pub enum Command {
    /// Creates the call if it is new, and replaces its timeouts. Counts as activity.
    Call {
        /// The call.
        call: CallKey,
        /// Its timeouts from now on.
        timeouts: CallTimeouts,
    },
    /// Creates or replaces the stream on `socket`.
    Route {
        /// The local socket, bound earlier by [`super::MediaPlane::bind`] on the same shard.
        socket: SocketId,
        /// The whole new route. Learned endpoint and statistics live on if the
        /// [`Route::learn_epoch`] is unchanged.
        route: Box<Route>,
    },
    /// Closes these sockets; each is reported by [`super::Event::SocketClosed`] when the kernel has
    /// let go of its port.
    CloseSockets {
        /// Unknown or already closed sockets are ignored.
        sockets: Vec<SocketId>,
    },
    /// After `after`, closes all of the call's sockets and forgets the call. Media flows until then.
    /// A later `CloseCall` replaces the delay; a later [`Command::Call`] takes it back.
    CloseCall {
        /// The call.
        call: CallKey,
        /// Zero: at once.
        after: Duration,
    },
    /// Sends a datagram of a handshake from a stream's socket.
    SendFrom {
        /// The stream's socket; ignored if it has none any more.
        socket: SocketId,
        /// To whom.
        to: SocketAddr,
        /// At most [`crate::buf::PAYLOAD_MAX`] bytes; longer ones are lost.
        datagram: Box<[u8]>,
    },
    /// A handshake has ended, or what it gave has become void.
    HandshakeEnded {
        /// The stream's socket.
        socket: SocketId,
        /// Of which of its associations; ignored if that is not the present one.
        association: u32,
        /// Keys, or why there are none.
        outcome: Result<Box<Agreement>, DtlsFailure>,
    },
    /// Plays a digit into what the stream's party sends, once those before it are over. Ignored where
    /// nothing is transcoded, and when too many wait.
    PlayDigit {
        /// The stream's socket.
        socket: SocketId,
        /// The digit.
        play: Play,
    },
    /// For tests of the promise that a panic ends one call only.
    #[cfg(feature = "testing")]
    PanicOnNextPacket {
        /// The stream whose next packet is to panic.
        socket: SocketId,
    },
}

/// When the shard gives a call up by itself. `None`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimeouts {
    /// Without any packet on any stream (and without a command) for this long.
    pub inactivity: Option<Duration>,
    /// Since the call was created, whatever happens.
    pub lifetime: Option<Duration>,
}

/// One socket's part in a call: whom to believe, where to send, who gets what arrives.
#[derive(Clone, Debug)]
pub struct Route {
    /// The call that this stream belongs to.
    pub call: CallKey,
    /// What the socket carries.
    pub component: Component,
    /// Where the party said it wants its packets; `None` until it said so.
    pub endpoint: Option<SocketAddr>,
    /// How the true endpoint is found.
    pub learning: Learning,
    /// Learning starts anew when this differs from the route before.
    pub learn_epoch: u32,
    /// Packets that arrive here are counted but not forwarded (block media), but for those of
    /// [`Route::events`].
    pub blocked: bool,
    /// Sends an empty datagram to `endpoint` when the route is set, to open a NAT's hole.
    pub pierce_nat: bool,
    /// How packets between us and the party are protected.
    pub protection: Protection,
    /// What arrives goes to the sinks under the key that it came with: it is neither unprotected here nor
    /// protected there.
    pub untouched: bool,
    /// Feedback in the party's RTCP (RFC 4585) goes no further: who gets it has no profile for it.
    pub drops_feedback: bool,
    /// What is done to the payloads of what arrives before the sinks get it; `None`: nothing. A stream
    /// that had a plan keeps its own sequence numbers without one.
    pub transcode: Option<Arc<Plan>>,
    /// DTMF events (RFC 4733) to look at in what arrives, where it is not transcoded: each digit is reported
    /// as [`super::Event::Digit`]. `None`: packets are not looked into. A transcoded stream reports its
    /// digits in any case.
    pub events: Option<Arc<EventTypes>>,
    /// How the way to the party is found, if by ICE; then [`Route::endpoint`] is of no account.
    pub ice: Option<Arc<IceRoute>>,
    /// Further sockets of the stream, at other addresses of ours: what arrives there is taken as if it had
    /// come to the stream's own, and media leaves through the one that ICE has chosen.
    pub alternates: Box<[Alternate]>,
    /// Streams that RTP (and what is not RTP) is forwarded to, through each one's own socket.
    pub rtp_sinks: Sinks,
    /// Streams that RTCP is forwarded to.
    pub rtcp_sinks: Sinks,
    /// Where RTCP has a port of its own: the party's RTP stream, whose RTCP arrives here.
    pub media: Option<SocketId>,
    /// How often, about, we report to the sinks on an RTP stream ourselves (RFC 3550 §6.2); what the parties
    /// report then goes no further. `None`: it does, and we do not.
    pub rtcp_interval: Option<Duration>,
    /// Clock rate by payload type, for jitter.
    pub clocks: Arc<PayloadClocks>,
    /// Written by the shard, read by anyone.
    pub counters: Arc<StreamCounters>,
}

impl Route {
    /// What arrives, RTP and RTCP alike, goes on to `sinks` as it is. The true endpoint is learned, delayed;
    /// no payload type has a clock, and what is counted is new.
    #[must_use]
    pub fn relay(call: CallKey, endpoint: Option<SocketAddr>, sinks: impl Into<Sinks>) -> Self {
        let sinks = sinks.into();
        Self {
            call,
            component: Component::RtpAndRtcp,
            endpoint,
            learning: Learning::default(),
            learn_epoch: 0,
            blocked: false,
            pierce_nat: false,
            protection: Protection::None,
            untouched: false,
            drops_feedback: false,
            transcode: None,
            events: None,
            ice: None,
            alternates: Box::default(),
            rtp_sinks: sinks.clone(),
            rtcp_sinks: sinks,
            media: None,
            rtcp_interval: None,
            clocks: Arc::default(),
            counters: Arc::default(),
        }
    }
}

/// Another socket of a stream. Once named it is the stream's until it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alternate {
    /// The socket, bound on the same shard.
    pub socket: SocketId,
    /// What it is bound to.
    pub address: SocketAddr,
}

/// One destination of a stream's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkAction {
    /// Sends through this socket, to the endpoint of the stream on it. Same call, same shard.
    pub socket: SocketId,
}

/// The destinations of a stream; mostly one, and then in place: neither setting up a call nor finding a
/// packet's sink goes through another piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sinks {
    /// Nobody.
    #[default]
    None,
    /// One stream.
    One(SinkAction),
    /// Several streams; more than [`Sinks::MAX`] are cut.
    Many(Box<[SinkAction]>),
}

impl Sinks {
    /// The most streams that one stream may be forwarded to.
    pub const MAX: usize = 16;

    /// All of them.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[SinkAction] {
        match self {
            Sinks::None => &[],
            Sinks::One(sink) => std::slice::from_ref(sink),
            Sinks::Many(sinks) => sinks,
        }
    }
}

impl From<Option<SinkAction>> for Sinks {
    fn from(sink: Option<SinkAction>) -> Self {
        sink.map_or(Sinks::None, Sinks::One)
    }
}

impl From<SinkAction> for Sinks {
    fn from(sink: SinkAction) -> Self {
        Sinks::One(sink)
    }
}

impl From<Vec<SinkAction>> for Sinks {
    fn from(mut sinks: Vec<SinkAction>) -> Self {
        sinks.truncate(Self::MAX);
        match sinks[..] {
            [] => Sinks::None,
            [sink] => Sinks::One(sink),
            _ => Sinks::Many(sinks.into_boxed_slice()),
        }
    }
}

/// What a socket carries, and so how its packets are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// RTP; RTCP that arrives anyway is taken for RTCP (RFC 5761 §4).
    Rtp,
    /// RTCP on a port of its own.
    Rtcp,
    /// RTP and RTCP on one port (RFC 5761).
    RtpAndRtcp,
    /// Any UDP: forwarded without a look inside.
    Opaque,
}

/// How a stream's endpoint follows the packets that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learning {
    /// When and from what to learn.
    pub mode: LearnMode,
    /// Once confirmed, drops packets from any other source.
    pub strict_source: bool,
    /// Follows the source for ever, even after it was confirmed.
    pub media_handover: bool,
}

/// rtpengine's `endpoint-learning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LearnMode {
    /// Follows the most recent source, and commits to it once [`LearnMode::DELAY`] has passed.
    #[default]
    Delayed,
    /// Commits to the source of the first packet.
    Immediate,
    /// After the delay commits to the best source seen: same address and port as signalled, then
    /// same address, then same port, then any.
    Heuristic,
    /// Never: always sends where signalling said (also for the flag `asymmetric`).
    Off,
}

impl LearnMode {
    /// How long [`LearnMode::Delayed`] and [`LearnMode::Heuristic`] wait after signalling.
    pub const DELAY: Duration = Duration::from_secs(3);
}

/// Clock rate of each payload type of a media section. Leave out what has no running time stamp, such
/// as RFC 4733 events: jitter is measured only for what is listed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PayloadClocks {
    /// Sorted by payload type.
    entries: Vec<(PayloadType, ClockRate)>,
}

impl PayloadClocks {
    /// Later entries for the same payload type are ignored.
    #[must_use]
    pub fn new(mut entries: Vec<(PayloadType, ClockRate)>) -> Self {
        entries.sort_by_key(|e| e.0);
        entries.dedup_by_key(|e| e.0);
        Self { entries }
    }
    /// The payload type's clock rate, if signalled.
    #[must_use]
    pub fn clock_rate(&self, payload_type: PayloadType) -> Option<ClockRate> {
        let at = self
            .entries
            .binary_search_by_key(&payload_type, |e| e.0)
            .ok()?;
        self.entries.get(at).map(|e| e.1)
    }
}
