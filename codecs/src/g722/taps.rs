//! The zero section of a band's predictor: six taps, all at once. Eight lanes, the last two of which weigh
//! nothing: their coefficients stay 0.

#[cfg(any(test, not(target_arch = "x86_64")))]
use super::band::lower_half;
use super::band::saturate;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::Taps;
#[cfg(target_arch = "x86_64")]
pub(super) use sse2::Taps;

/// By how much a coefficient moves per sample.
const STEPS: [i16; 8] = [128, 128, 128, 128, 128, 128, 0, 0];

/// On 128-bit registers. The compiler finds these instructions for `portable` too, but splits the six taps
/// into four and two and takes a third longer.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "intrinsics, which are unsafe for want of a CPU that has them"
)]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_add_epi32, _mm_adds_epi16, _mm_andnot_si128, _mm_cmpeq_epi16,
        _mm_cvtsi128_si32, _mm_insert_epi16, _mm_mulhi_epi16, _mm_mullo_epi16, _mm_set1_epi16,
        _mm_setr_epi16, _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_srai_epi16,
        _mm_srai_epi32, _mm_sub_epi16, _mm_unpackhi_epi16, _mm_unpacklo_epi16, _mm_xor_si128,
    };

    use super::{STEPS, saturate};

    /// Coefficients and past differences.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Taps {
        /// B.
        b: __m128i,
        /// D, doubled as FILTEZ wants it; the sign, which UPZERO wants, is the same.
        d: __m128i,
    }

    impl Taps {
        pub(in super::super) fn new() -> Self {
            // SAFETY: every x86-64 has SSE2.
            let zero = unsafe { _mm_setzero_si128() };
            Self { b: zero, d: zero }
        }

        /// UPZERO, DELAYA and FILTEZ: learns from the difference `d`, at most 16,383 either way, then filters
        /// with it. The sum saturates once, at its end.
        #[inline(always)]
        pub(in super::super) fn update(&mut self, d: i16) -> i32 {
            let [s0, s1, s2, s3, s4, s5, s6, s7] = STEPS;
            // SAFETY: every x86-64 has SSE2.
            let sum = unsafe {
                let now = _mm_set1_epi16(d);
                // −1 where the signs differ, where the coefficient goes down.
                let differs = _mm_srai_epi16::<15>(_mm_xor_si128(self.d, now));
                let steps = _mm_setr_epi16(s0, s1, s2, s3, s4, s5, s6, s7);
                let steps = _mm_andnot_si128(_mm_cmpeq_epi16(now, _mm_setzero_si128()), steps);
                let steps = _mm_sub_epi16(_mm_xor_si128(steps, differs), differs);
                // b · 32640 / 32768, rounded down, is b plus −b/256 rounded down.
                let leak = _mm_mulhi_epi16(self.b, _mm_set1_epi16(-256));
                let b = _mm_adds_epi16(_mm_add_epi16(self.b, leak), steps);
                let d = _mm_insert_epi16::<0>(_mm_slli_si128::<2>(self.d), 2 * i32::from(d));
                let (low, high) = (_mm_mullo_epi16(b, d), _mm_mulhi_epi16(b, d));
                (self.b, self.d) = (b, d);
                let front = _mm_srai_epi32::<15>(_mm_unpacklo_epi16(low, high));
                let back = _mm_srai_epi32::<15>(_mm_unpackhi_epi16(low, high));
                let sum = _mm_add_epi32(front, back);
                let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
                _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
            };
            i32::from(saturate(sum))
        }
    }
}

/// The same without intrinsics, and what they are tested against.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{STEPS, lower_half, saturate};

    /// Coefficients and past differences, as in the other.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Taps {
        b: [i16; 8],
        d: [i16; 8],
    }

    impl Taps {
        pub(in super::super) fn new() -> Self {
            Self {
                b: [0; 8],
                d: [0; 8],
            }
        }

        /// As in the other.
        #[inline(always)]
        pub(in super::super) fn update(&mut self, d: i16) -> i32 {
            let moves = if d == 0 { 0 } else { -1 };
            let mut sum = 0;
            for ((b, past), step) in self.b.iter_mut().zip(&self.d).zip(&STEPS) {
                let differs = (past ^ d) >> 15;
                let step = ((step & moves) ^ differs) - differs;
                let leaked = lower_half((i32::from(*b) * 32_640) >> 15);
                *b = leaked.saturating_add(step);
            }
            self.d.copy_within(..7, 1);
            self.d[0] = d.wrapping_add(d);
            for (b, d) in self.b.iter().zip(&self.d) {
                sum += (i32::from(*b) * i32::from(*d)) >> 15;
            }
            i32::from(saturate(sum))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Taps, portable};

    proptest! {
        #[test]
        fn both_do_the_same(differences in prop::collection::vec(
            prop_oneof![-10_228_i16..=10_228, -3_i16..3, Just(10_228)], 0..2000,
        )) {
            let (mut ours, mut plain) = (Taps::new(), portable::Taps::new());
            for d in differences {
                prop_assert_eq!(ours.update(d), plain.update(d));
            }
        }
    }
}
