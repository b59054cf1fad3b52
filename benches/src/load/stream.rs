//! One stream: what it has sent, and what the other side of its call sent through the daemon to it.

use std::ops::Range;

use super::packet::{Header, Mark};
use super::{Plan, StreamConfig, StreamTally, nanoseconds};
use crate::secure::srtp::Contexts;

/// Send times kept per stream: 5 s at 50 packets/s, so that an overloaded daemon's queue still fits.
const SENT_TIMES: usize = 256;
/// How far back a repeated packet is known as such.
const SEEN_BITS: u64 = 128;

/// The sending half.
pub(super) struct Sender {
    pub(super) config: StreamConfig,
    /// SRTP, both ways.
    pub(super) secure: Option<Box<Contexts>>,
    index: u32,
    ssrc: u32,
    first_sequence: u16,
    first_timestamp: u32,
    timestamp_step: u32,
    /// Rounds to sit out during ramp-up.
    pub(super) skip: u64,
    sent_ns: Box<[u64; SENT_TIMES]>,
    /// Packets sent.
    pub(super) count: u64,
    /// Numbers of the packets that were due in the measured phase.
    measured: Range<u64>,
}

impl Sender {
    pub(super) fn new(config: StreamConfig, index: u32, skip: u64, plan: &Plan) -> Self {
        // Knuth's multiplicative hash: unrelated SSRCs and offsets, the same in every run.
        let scattered = index.wrapping_add(1).wrapping_mul(2_654_435_761);
        let [jitter, ..] = scattered.to_be_bytes();
        Self {
            secure: config.keys.as_ref().map(|k| Box::new(Contexts::new(k))),
            config,
            index,
            ssrc: scattered ^ 0x5eed_0000,
            first_sequence: plan.first_sequence.wrapping_add(u16::from(jitter)),
            first_timestamp: scattered >> 3,
            timestamp_step: plan.media_of(index as usize).ticks(),
            skip,
            sent_ns: Box::new([0; SENT_TIMES]),
            count: 0,
            measured: u64::MAX..u64::MAX,
        }
    }

    /// The next packet, which was due at `due_ns` of the plan. Returns whether that is in the measured
    /// phase.
    pub(super) fn next(&mut self, due_ns: u64, plan: &Plan) -> (Header, Mark, bool) {
        let number = self.count;
        let measured =
            (nanoseconds(plan.steady.start)..nanoseconds(plan.steady.end)).contains(&due_ns);
        if measured {
            self.measured.start = self.measured.start.min(number);
            self.measured.end = number + 1;
        }
        self.count += 1;
        let mark = Mark {
            stream: self.index,
            number,
        };
        let payload_type = plan.media_of(self.index as usize).payload_type;
        (self.header(number, payload_type), mark, measured)
    }

    /// The header that packet `number` has.
    pub(super) fn header(&self, number: u64, payload_type: u8) -> Header {
        let low = (number & 0xffff_ffff) as u32;
        Header {
            payload_type,
            marker: number == 0,
            sequence: self.first_sequence.wrapping_add((number & 0xffff) as u16),
            timestamp: self
                .first_timestamp
                .wrapping_add(low.wrapping_mul(self.timestamp_step)),
            ssrc: self.ssrc,
        }
    }

    pub(super) fn set_sent(&mut self, number: u64, realtime_ns: u64) {
        self.sent_ns[slot(number)] = realtime_ns;
    }

    /// When packet `number` was sent, if that is still known.
    fn sent_at(&self, number: u64) -> Option<u64> {
        (self.count - number <= SENT_TIMES as u64).then(|| self.sent_ns[slot(number)])
    }

    /// Packets that were due in the measured phase.
    pub(super) const fn measured_count(&self) -> u64 {
        self.measured.end - self.measured.start
    }
}

fn slot(number: u64) -> usize {
    let [.., low] = number.to_be_bytes();
    const { assert!(SENT_TIMES == 256) };
    usize::from(low)
}

/// What a packet's arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In order, after `skipped` that are missing so far.
    Newest {
        /// Numbers jumped over.
        skipped: u64,
    },
    /// Behind a newer one.
    Late,
    /// Seen before.
    Duplicate,
    /// The sender has not sent it.
    NeverSent,
}

/// The receiving half.
#[derive(Default)]
pub(super) struct Receiver {
    /// Counts; `sent` is filled in at the end.
    pub(super) tally: StreamTally,
    /// Packets that came, each counted once.
    pub(super) arrived: u64,
    /// One past the highest number seen.
    next: u64,
    /// Bit k: number `next - 1 - k` was seen.
    seen: u128,
    /// Last transit time, in ns (RFC 3550 A.8).
    transit_ns: Option<u64>,
    /// Interarrival jitter times 16, in ns.
    jitter16_ns: u64,
}

impl Receiver {
    /// Places `number` in the order of arrivals.
    pub(super) fn arrive(&mut self, number: u64, sender: &Sender) -> Arrival {
        if number >= sender.count {
            return Arrival::NeverSent;
        }
        if number >= self.next {
            let step = number - self.next + 1;
            self.seen = if step >= SEEN_BITS {
                1
            } else {
                self.seen << step | 1
            };
            self.next = number + 1;
            return Arrival::Newest { skipped: step - 1 };
        }
        let back = self.next - 1 - number;
        if back < SEEN_BITS {
            if self.seen >> back & 1 == 1 {
                self.tally.duplicate += 1;
                return Arrival::Duplicate;
            }
            self.seen |= 1 << back;
        }
        self.tally.reordered += 1;
        Arrival::Late
    }

    /// Accounts for a packet that is not a duplicate. Returns its latency in ns, if it was sent in the
    /// measured phase and not too long ago.
    pub(super) fn measure(&mut self, number: u64, stamp_ns: u64, sender: &Sender) -> Option<u64> {
        let transit = sender.sent_at(number).map(|s| stamp_ns.saturating_sub(s));
        if let Some(now) = transit {
            if let Some(before) = self.transit_ns {
                // J += (|D| - J) / 16, kept sixteenfold so that nothing is rounded away.
                let decay = (self.jitter16_ns + 8) / 16;
                self.jitter16_ns = self.jitter16_ns + now.abs_diff(before) - decay;
            }
            self.transit_ns = Some(now);
        }
        self.arrived += 1;
        let counts = sender.measured.contains(&number);
        if counts {
            self.tally.received += 1;
        }
        transit.filter(|_| counts)
    }

    /// Interarrival jitter (RFC 3550 §6.4.1), in ns.
    pub(super) const fn jitter_ns(&self) -> u64 {
        self.jitter16_ns / 16
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::time::Duration;

    use super::super::Media;
    use super::*;

    fn sender(packets: u64) -> Sender {
        let plan = Plan::new(
            Media::PCMU,
            Duration::ZERO,
            Duration::ZERO,
            Duration::from_secs(3600),
        );
        let config = StreamConfig {
            socket: 0,
            daemon: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4000),
            keys: None,
        };
        let mut sender = Sender::new(config, 0, 0, &plan);
        for n in 0..packets {
            sender.next(nanoseconds(plan.start) + n * 20_000_000, &plan);
            sender.set_sent(n, n * 20_000_000);
        }
        sender
    }

    #[test]
    fn order_gaps_and_repeats_are_told_apart() {
        let sender = sender(300);
        let mut receiver = Receiver::default();
        let seen: Vec<Arrival> = [0, 1, 4, 2, 4, 2, 3, 299, 5, 300]
            .iter()
            .map(|&n| receiver.arrive(n, &sender))
            .collect();
        use Arrival::{Duplicate, Late, NeverSent, Newest};
        assert_eq!(
            seen,
            [
                Newest { skipped: 0 },
                Newest { skipped: 0 },
                Newest { skipped: 2 },
                Late,
                Duplicate,
                Duplicate,
                Late,
                Newest { skipped: 294 },
                Late,
                NeverSent
            ]
        );
        assert_eq!((receiver.tally.reordered, receiver.tally.duplicate), (3, 2));
    }

    #[test]
    fn jitter_follows_rfc3550() {
        let sender = sender(200);
        let (mut even, mut uneven) = (Receiver::default(), Receiver::default());
        for n in 0..200 {
            even.measure(n, n * 20_000_000 + 100_000, &sender);
            uneven.measure(n, n * 20_000_000 + n % 2 * 1_000_000, &sender);
        }
        assert_eq!(even.jitter_ns(), 0);
        // |D| is 1 ms each time, which J approaches.
        assert!(
            (990_000..=1_010_000).contains(&uneven.jitter_ns()),
            "{}",
            uneven.jitter_ns()
        );
    }

    #[test]
    fn latency_runs_from_the_send_of_that_packet() {
        let sender = sender(300);
        let mut receiver = Receiver::default();
        let recent = receiver.measure(299, 299 * 20_000_000 + 70_000, &sender);
        assert_eq!(recent, Some(70_000));
        let forgotten = receiver.measure(1, 299 * 20_000_000, &sender);
        assert_eq!(forgotten, None);
        assert_eq!(receiver.tally.received, 2);
    }
}
