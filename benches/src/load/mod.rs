//! Paced RTP (RFC 3550) through the ports a daemon gave out, and a check of all that comes back.
//!
//! One thread owns a set of calls and a few sockets per side; streams are told apart by the daemon's
//! port. Streams come in pairs: 2k sends as side A of a call and expects what 2k+1 (side B) sent, and
//! the other way round.
//!
//! A stream may be SRTP at its own end ([`StreamKeys`]); what it carries is the same.
//!
//! Each payload names its stream and its number and is filled with a pattern, so that a packet lost,
//! repeated, reordered, damaged or sent to the wrong party is known as such. Latency runs from the send
//! (interpolated within one `sendmmsg`) to the kernel's receive stamp: the generator's own scheduling is
//! not in it.
//!
//! Nothing of that survives a transcoder. Parties with different codecs say something ([`voice`]) instead, what
//! comes back is numbered by its timestamps, and when all is over each stream's last packets are decoded and
//! looked for in what the other party said ([`Content`]).

mod batch;
mod ear;
mod live;
pub(crate) mod packet;
mod socket;
mod stream;
mod tally;
pub mod voice;
mod worker;

use std::net::SocketAddrV4;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use ear::Content;
pub use live::{Live, Progress};
pub use socket::SocketPair;
pub use tally::{StreamTally, Tally, histogram};
pub use worker::run;

use crate::secure::StreamKeys;
use voice::Voice;

/// What is sent: one packet of `payload_bytes` each `ptime_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// RTP payload type (RFC 3551).
    pub payload_type: u8,
    /// Value of `a=rtpmap` behind the payload type.
    pub rtpmap: &'static str,
    /// Value of `a=fmtp` behind the payload type; empty if there is none.
    pub fmtp: &'static str,
    /// RTP clock.
    pub clock_rate_hz: u32,
    /// Time between packets.
    pub ptime_ms: u32,
    /// Bytes behind the RTP header; at least 16, for the marks, at most 1400. A [`Voice`] has its own.
    pub payload_bytes: usize,
}

impl Media {
    /// G.711 µ-law, 20 ms: what most SIP calls carry.
    pub const PCMU: Self = Self {
        payload_type: 0,
        rtpmap: "PCMU/8000",
        fmtp: "",
        clock_rate_hz: 8000,
        ptime_ms: 20,
        payload_bytes: 160,
    };

    /// G.711 A-law, 20 ms.
    pub const PCMA: Self = Self {
        payload_type: 8,
        rtpmap: "PCMA/8000",
        ..Self::PCMU
    };

    /// G.722, 20 ms, with the clock rate of RFC 3551 §4.5.2.
    pub const G722: Self = Self {
        payload_type: 9,
        rtpmap: "G722/8000",
        ..Self::PCMU
    };

    /// Opus, 20 ms, as browsers offer it.
    pub const OPUS: Self = Self {
        payload_type: 111,
        rtpmap: "opus/48000/2",
        fmtp: "minptime=10;useinbandfec=1",
        clock_rate_hz: 48_000,
        ptime_ms: 20,
        payload_bytes: 80,
    };

    /// Encoding name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.rtpmap
            .split_once('/')
            .map_or(self.rtpmap, |(name, _)| name)
    }

    /// Ticks of the RTP clock in a packet.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.clock_rate_hz / 1000 * self.ptime_ms
    }

    /// Time between packets.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.ptime_ms as u64)
    }
}

/// Where a stream leaves and what it sends to.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Index of its socket among those given to [`run`].
    pub socket: usize,
    /// The daemon's address for it; also where its answer must come from.
    pub daemon: SocketAddrV4,
    /// Plain RTP without.
    pub keys: Option<StreamKeys>,
}

/// The course of a run, as times since [`Plan::base`].
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all times count from.
    pub base: Instant,
    /// The same moment on the clock of the kernel's stamps, in ns since 1970.
    pub base_realtime_ns: u64,
    /// First packets.
    pub start: Duration,
    /// Over which the streams' starts are spread.
    pub rampup: Duration,
    /// The measured phase.
    pub steady: Range<Duration>,
    /// How long the generator sleeps between looking for due packets; `None`: it spins, and each packet
    /// leaves at its own time, as from independent phones. Packets that leave in bursts let a daemon that
    /// wakes per packet handle many at a time, which it would not on a network.
    pub nap: Option<Duration>,
    /// First RTP sequence number, about.
    pub first_sequence: u16,
    /// Packets that each stream sends at once when it starts, before it goes on with one each packet time.
    pub burst: u64,
    /// What is sent.
    pub media: Media,
    /// What sides A and B say in place of marked payloads, each in its codec.
    pub voices: Option<Arc<[Voice; 2]>>,
}

impl Plan {
    /// Lets stragglers come in after the last packet, before they count as lost.
    pub const GRACE: Duration = Duration::from_secs(1);
    /// Of a generator that shares its core.
    pub const NAP: Duration = Duration::from_micros(500);
    /// Sending goes on this long after the measured phase, so that its end is like its middle.
    pub const RUNOUT: Duration = Duration::from_millis(200);

    /// A run that starts in a moment.
    #[must_use]
    pub fn new(media: Media, rampup: Duration, warmup: Duration, measured: Duration) -> Self {
        let start = Duration::from_millis(100);
        let steady = start + rampup + warmup;
        Self {
            base: Instant::now(),
            base_realtime_ns: realtime_ns(),
            start,
            rampup,
            steady: steady..steady + measured,
            nap: Some(Self::NAP),
            first_sequence: 1000,
            burst: 0,
            media,
            voices: None,
        }
    }

    /// What a stream sends.
    fn media_of(&self, stream: usize) -> &Media {
        self.voice_of(stream).map_or(&self.media, Voice::media)
    }

    /// What a stream says.
    fn voice_of(&self, stream: usize) -> Option<&Voice> {
        self.voices.as_ref().map(|voices| &voices[stream & 1])
    }

    /// Waits until a time of this plan.
    pub fn wait_until(&self, time: Duration) {
        std::thread::sleep(time.saturating_sub(self.base.elapsed()));
    }

    /// Where a kernel stamp lies in this plan.
    fn since_base(&self, stamp_ns: u64) -> Duration {
        Duration::from_nanos(stamp_ns.saturating_sub(self.base_realtime_ns))
    }
}

/// Everything one generator thread needs.
pub struct Job {
    /// Its sockets.
    pub sockets: Vec<Arc<SocketPair>>,
    /// Its streams, side A and side B of each call in turn.
    pub streams: Vec<StreamConfig>,
    /// When to send what.
    pub plan: Plan,
    /// Where to publish counts while running.
    pub live: Arc<Live>,
}

/// Nanoseconds since 1970 (until 2554), the clock of the kernel's receive stamps.
fn realtime_ns() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    nanoseconds(now)
}

/// Whole nanoseconds of a span below 584 years.
fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
