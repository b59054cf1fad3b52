//! The network between a phone and the daemon: which packets it loses and how long the others take. The same
//! seed gives the same fates, so both daemons have the same network.

use std::time::Duration;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    Clean,
    /// Loses so many of 100 packets, each for itself.
    Loss(u8),
    /// Lets each packet take longer by up to twice this many ms, 40 ms more or less than usual for 40: as
    /// netem's `delay 40ms 40ms`, which lets packets overtake each other.
    Jitter(u16),
}

impl Condition {
    /// As tables name it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Clean => "none".into(),
            Self::Loss(percent) => format!("{percent} % loss"),
            Self::Jitter(ms) => format!("{ms} ms jitter"),
        }
    }

    /// Packets of 100 that a sender is told are lost.
    pub(crate) const fn loss_percent(self) -> u8 {
        match self {
            Self::Loss(percent) => percent,
            _ => 0,
        }
    }

    /// For each of `packets` its delay; `None`: it is lost.
    pub(crate) fn fates(self, packets: usize, seed: u64) -> Vec<Option<Duration>> {
        let mut random = Random(seed ^ 0x5851_f42d_4c95_7f2d);
        let mut fate = || match self {
            Self::Clean => Some(Duration::ZERO),
            Self::Loss(percent) => (random.below(100) >= percent.into()).then_some(Duration::ZERO),
            Self::Jitter(ms) => Some(Duration::from_micros(random.below(2000 * u64::from(ms)))),
        };
        (0..packets).map(|_| fate()).collect()
    }
}

/// Steele and Vigna's splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }
}
