//! A small seeded random source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Not for secrets.

use std::time::Duration;

/// Reproducible random numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers; every seed is good, 0 too.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even over `0..bound`; 0 if `bound` is 0. Biased by less than `bound` / 2⁶⁴.
    pub fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).expect("invariant: below bound")
    }

    /// True with this probability: never at 0, always from 1 on.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 32 bits are exact in a double, and fine enough for any loss rate.
        let draw = u32::try_from(self.next_u64() >> 32).expect("invariant: 32 bits are left");
        f64::from(draw) / (f64::from(u32::MAX) + 1.0) < probability
    }

    /// Even over zero to `longest`, in whole nanoseconds.
    pub fn duration(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_is_that_of_splitmix64() {
        // From the reference implementation, seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| rng.next_u64());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn probabilities_come_out() {
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| !rng.chance(0.0)));
        assert!((0..1000).all(|_| rng.chance(1.0)));
        let hits = (0..100_000).filter(|_| rng.chance(0.05)).count();
        assert!((4700..5300).contains(&hits), "{hits}");
    }

    #[test]
    fn numbers_stay_in_bounds_and_reach_them() {
        let mut rng = Rng::new(2);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[usize::try_from(rng.below(7)).expect("below 7")] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
        let longest = Duration::from_millis(3);
        assert!((0..1000).all(|_| rng.duration(longest) <= longest));
    }
}
