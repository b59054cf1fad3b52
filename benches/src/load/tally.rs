//! What a run counted.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Content;

/// Longest time a histogram holds, in µs; more is counted as this.
const LONGEST_US: u64 = 60_000_000;

/// One stream: the packets of the measured phase, and what was wrong at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTally {
    /// Packets that the far side sent.
    pub sent: u64,
    /// How many of them came, each counted once.
    pub received: u64,
    /// Packets that came behind a newer one.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Whether anything came at all.
    pub heard: bool,
    /// What came sounds like; `None` without voices, or if it cannot be said.
    pub content: Option<Content>,
}

/// A run, or several added up.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The streams, in the order they were given.
    pub streams: Vec<StreamTally>,
    /// Packets received during the measured phase, whenever sent: what the daemon relayed in it.
    pub relayed: u64,
    /// Send to arrival in µs, packets of the measured phase: from side A to B, and back.
    pub latency_us: [Histogram<u64>; 2],
    /// How late the generator sent, in µs.
    pub lag_us: Histogram<u64>,
    /// Payload types other than what was sent.
    pub wrong_payload_type: u64,
    /// Payloads not ours, damaged, or of a packet never sent.
    pub damaged: u64,
    /// SRTP packets that fail authentication or are older than the replay window.
    pub unauthentic: u64,
    /// Packets that are not RTP.
    pub malformed: u64,
    /// Packets of a voice whose timestamp does not follow from their sequence number, or whose source is
    /// another than before.
    pub discontinuous: u64,
    /// Streams whose sound at the end is not what the other party said ([`Content::is_faithful`]).
    pub unfaithful: u64,
    /// Packets of another stream than the one whose port they came from and to.
    pub misrouted: u64,
    /// Packets from a port the daemon did not give out.
    pub unknown_source: u64,
    /// Packets whose SSRC, sequence number or timestamp is not what was sent. No fault: a media proxy
    /// may rewrite them, but a plain relay has no reason to.
    pub rewritten: u64,
    /// RTCP packets.
    pub rtcp: u64,
    /// Sends that the system refused.
    pub send_errors: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            relayed: 0,
            latency_us: [histogram(), histogram()],
            lag_us: histogram(),
            wrong_payload_type: 0,
            damaged: 0,
            unauthentic: 0,
            malformed: 0,
            discontinuous: 0,
            unfaithful: 0,
            misrouted: 0,
            unknown_source: 0,
            rewritten: 0,
            rtcp: 0,
            send_errors: 0,
        }
    }
}

impl Tally {
    /// Adds another generator thread's counts.
    pub fn add(&mut self, other: &Self) {
        self.streams.extend_from_slice(&other.streams);
        for (mine, theirs) in self.latency_us.iter_mut().zip(&other.latency_us) {
            *mine += theirs;
        }
        self.lag_us += &other.lag_us;
        self.relayed += other.relayed;
        self.wrong_payload_type += other.wrong_payload_type;
        self.damaged += other.damaged;
        self.unauthentic += other.unauthentic;
        self.malformed += other.malformed;
        self.discontinuous += other.discontinuous;
        self.unfaithful += other.unfaithful;
        self.misrouted += other.misrouted;
        self.unknown_source += other.unknown_source;
        self.rewritten += other.rewritten;
        self.rtcp += other.rtcp;
        self.send_errors += other.send_errors;
    }

    /// Packets sent in the measured phase.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.streams.iter().map(|s| s.sent).sum()
    }

    /// Packets of the measured phase that came, each counted once.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.streams.iter().map(|s| s.received).sum()
    }

    /// Part of the measured phase's packets that never came, 0 to 1. Nothing sent is nothing lost.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let sent = self.sent();
        if sent == 0 {
            return 0.0;
        }
        sent.saturating_sub(self.received()) as f64 / sent as f64
    }

    /// Packets that came behind a newer one of their stream.
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.streams.iter().map(|s| s.reordered).sum()
    }

    /// Packets that came again.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.streams.iter().map(|s| s.duplicate).sum()
    }

    /// Streams of which nothing came.
    #[must_use]
    pub fn silent(&self) -> u64 {
        self.streams.iter().map(|s| u64::from(!s.heard)).sum()
    }

    /// Latency of both directions together.
    #[must_use]
    pub fn latency(&self) -> Histogram<u64> {
        let mut both = self.latency_us[0].clone();
        both += &self.latency_us[1];
        both
    }

    /// From a word's being said to its arrival, over what a wire would take, at a quantile, 0 to 1: the packets'
    /// latency and what their content lies behind, in the direction in which that is more. `None` if there is no
    /// stream whose content is faithful.
    #[must_use]
    pub fn audio_delay(&self, quantile: f64) -> Option<Duration> {
        // An odd stream hears side A.
        let of = |direction: usize| {
            let streams = self.streams.iter().skip(direction ^ 1).step_by(2);
            let mut lags: Vec<i64> = streams
                .filter_map(|stream| stream.content.filter(Content::is_faithful))
                .map(|content| content.lag_us)
                .collect();
            lags.sort_unstable();
            let last = lags.len().checked_sub(1)?;
            let at = (0..=last).rfind(|at| *at as f64 <= last as f64 * quantile)?;
            let latency = self.latency_us[direction].value_at_quantile(quantile);
            let sum = i64::try_from(latency).ok()?.saturating_add(lags[at]);
            Some(Duration::from_micros(u64::try_from(sum).unwrap_or(0)))
        };
        of(0).into_iter().chain(of(1)).max()
    }

    /// Everything that a correct daemon never causes, loss and reordering apart.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.wrong_payload_type
            + self.damaged
            + self.unauthentic
            + self.malformed
            + self.discontinuous
            + self.unfaithful
            + self.misrouted
            + self.unknown_source
            + self.duplicates()
            + self.silent()
    }
}

/// A histogram of microseconds, 1 µs to a minute with three digits.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("invariant: valid constant bounds")
}
