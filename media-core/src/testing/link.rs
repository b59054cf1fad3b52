//! A one-way network link in virtual time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Rng;

/// How bad a link is. Probabilities are 0–1, each drawn for itself; the default is perfect.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct LinkConfig {
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet that is not lost arrives twice.
    pub duplicate: f64,
    /// Probability that a packet is held back by [`LinkConfig::reorder_hold`] so that others may
    /// overtake it.
    pub reorder: f64,
    /// How much longer a packet travels that others may overtake.
    pub reorder_hold: Duration,
    /// Least travel time.
    pub delay: Duration,
    /// Travel time varies evenly by up to this much. It alone never reorders: packets queue.
    pub jitter: Duration,
}

/// What a link has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LinkCounts {
    /// Packets given to it.
    pub sent: u64,
    /// Packets it lost.
    pub lost: u64,
    /// Packets it made a second copy of.
    pub duplicated: u64,
    /// Packets it held back.
    pub held: u64,
}

/// A one-way link that packets of any kind travel on. What is in flight is not bounded: drain it.
#[derive(Clone, Debug)]
pub struct Link<P> {
    config: LinkConfig,
    rng: Rng,
    /// By time of arrival, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), P>,
    next_order: u64,
    /// No earlier arrival for what queues.
    queue_end: Option<Instant>,
    counts: LinkCounts,
}

impl<P: Clone> Link<P> {
    /// A link whose fate is fixed by `seed`.
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            in_flight: BTreeMap::new(),
            next_order: 0,
            queue_end: None,
            counts: LinkCounts::default(),
        }
    }

    /// Sends a packet at `now`.
    pub fn send(&mut self, now: Instant, packet: P) {
        self.counts.sent += 1;
        if self.rng.chance(self.config.loss) {
            self.counts.lost += 1;
            return;
        }
        if self.rng.chance(self.config.duplicate) {
            self.counts.duplicated += 1;
            self.carry(now, packet.clone());
        }
        self.carry(now, packet);
    }

    fn carry(&mut self, now: Instant, packet: P) {
        let mut arrival = now + self.config.delay + self.rng.duration(self.config.jitter);
        if let Some(end) = self.queue_end {
            arrival = arrival.max(end);
        }
        if self.rng.chance(self.config.reorder) {
            self.counts.held += 1;
            arrival += self.config.reorder_hold;
        } else {
            self.queue_end = Some(arrival);
        }
        self.in_flight.insert((arrival, self.next_order), packet);
        self.next_order += 1;
    }

    /// The next packet that has arrived by `now`, and when it did.
    pub fn poll(&mut self, now: Instant) -> Option<(Instant, P)> {
        if self.next_arrival()? > now {
            return None;
        }
        let ((arrival, _), packet) = self.in_flight.pop_first()?;
        Some((arrival, packet))
    }

    /// When [`Link::poll`] has something next; `None`: nothing is in flight.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|(arrival, _)| *arrival)
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const TICK: Duration = Duration::from_millis(20);

    /// Sends 0, 1, 2, … every 20 ms, and returns what arrives, with travel times.
    fn run(config: LinkConfig, seed: u64, packets: u32) -> (Vec<(u32, Duration)>, LinkCounts) {
        let start = start();
        let mut link = Link::new(config, seed);
        for n in 0..packets {
            link.send(start + TICK * n, n);
        }
        let mut arrived = Vec::new();
        while let Some(at) = link.next_arrival() {
            assert!(link.poll(at - Duration::from_nanos(1)).is_none());
            let (arrival, n) = link.poll(at).expect("it is due");
            assert_eq!(arrival, at);
            arrived.push((n, arrival - (start + TICK * n)));
        }
        (arrived, link.counts())
    }

    #[test]
    fn perfect_link_delivers_in_order_after_its_delay() {
        let delay = Duration::from_millis(50);
        let config = LinkConfig {
            delay,
            ..LinkConfig::default()
        };
        let (arrived, _) = run(config, 1, 100);
        assert!(arrived.iter().copied().eq((0..100).map(|n| (n, delay))));
    }

    #[test]
    fn jitter_varies_travel_but_keeps_order() {
        let jitter = Duration::from_millis(60);
        let config = LinkConfig {
            jitter,
            ..LinkConfig::default()
        };
        let (arrived, _) = run(config, 2, 1000);
        assert!(arrived.iter().map(|a| a.0).eq(0..1000));
        assert!(arrived.iter().all(|a| a.1 <= jitter));
        let longest = arrived.iter().map(|a| a.1).max().expect("1000 of them");
        assert!(longest > jitter / 2);
    }

    #[test]
    fn counts_tell_what_happened_to_the_packets() {
        let config = LinkConfig {
            loss: 0.1,
            duplicate: 0.1,
            reorder: 0.1,
            reorder_hold: TICK * 3,
            ..LinkConfig::default()
        };
        let (arrived, counts) = run(config, 3, 2000);
        assert_eq!(counts.sent, 2000);
        assert!((100..300).contains(&counts.lost));
        assert!((100..300).contains(&counts.duplicated));
        assert!((100..400).contains(&counts.held));
        assert_eq!(arrived.len() as u64, 2000 - counts.lost + counts.duplicated);
        let overtaken = arrived.windows(2).filter(|w| w[0].0 > w[1].0).count();
        assert!((50..400).contains(&overtaken), "{overtaken}");
    }

    #[test]
    fn same_seed_gives_the_same_run() {
        let config = LinkConfig {
            loss: 0.2,
            jitter: TICK,
            ..LinkConfig::default()
        };
        assert_eq!(run(config, 4, 200), run(config, 4, 200));
        assert_ne!(run(config, 4, 200), run(config, 5, 200));
    }
}
