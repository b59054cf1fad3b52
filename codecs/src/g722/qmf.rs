//! The filter bank that splits 16 kHz into two bands of 8 kHz and joins them again (ITU-T G.722 §3.1, §4.4):
//! 24 taps, a block at a time, so that the compiler can do eight outputs per step.

use super::BLOCK;
use super::band::{lower_half, saturate};
use super::tables::QMF;

/// Pairs of samples that the filters reach back.
const REACH: usize = QMF.len() - 1;
/// Outputs per step of the inner loop.
const STEP: usize = 8;

/// One phase's samples: those of the last block that are still in reach, then a block.
type Line = [i16; REACH + BLOCK];

/// The sums of half the taps for a step. `EVEN` takes those of even index. Not inlined: beside other arithmetic
/// the compiler does these one by one, at four times the instructions.
#[inline(never)]
fn filter<const EVEN: bool>(line: &Line, at: usize) -> [i32; STEP] {
    let mut sums = [0; STEP];
    for k in 0..QMF.len() {
        let tap = i32::from(if EVEN { QMF[k] } else { QMF[REACH - k] });
        let samples = &line[at + k..][..STEP];
        for (sum, sample) in sums.iter_mut().zip(samples) {
            *sum += tap * i32::from(*sample);
        }
    }
    sums
}

/// What a bank remembers: the end of each phase.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    phases: [[i16; REACH]; 2],
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self {
            phases: [[0; REACH]; 2],
        }
    }

    /// Both lines, filled with what is remembered and zeros behind.
    #[inline(always)]
    fn lines(&self) -> [Line; 2] {
        let mut lines = [[0; REACH + BLOCK]; 2];
        for (line, phase) in lines.iter_mut().zip(&self.phases) {
            line[..REACH].copy_from_slice(phase);
        }
        lines
    }

    /// Remembers the end of `pairs` samples per line.
    #[inline(always)]
    fn keep(&mut self, lines: &[Line; 2], pairs: usize) {
        for (phase, line) in self.phases.iter_mut().zip(lines) {
            phase.copy_from_slice(&line[pairs..][..REACH]);
        }
    }

    /// Splits at most a block of sample pairs into the fronts of `low` and `high`; what is behind is
    /// unspecified.
    pub(super) fn split(&mut self, pcm: &[i16], low: &mut [i16; BLOCK], high: &mut [i16; BLOCK]) {
        let pairs = pcm.len() / 2;
        let mut lines = self.lines();
        let [even, odd] = &mut lines;
        for ((pair, even), odd) in pcm
            .chunks_exact(2)
            .zip(&mut even[REACH..])
            .zip(&mut odd[REACH..])
        {
            (*even, *odd) = (pair[0], pair[1]);
        }
        let steps = low
            .chunks_exact_mut(STEP)
            .zip(high.chunks_exact_mut(STEP))
            .take(pairs.div_ceil(STEP));
        for (step, (low, high)) in steps.enumerate() {
            let older = filter::<true>(&lines[0], step * STEP);
            let newer = filter::<false>(&lines[1], step * STEP);
            for i in 0..STEP {
                // The taps' magnitudes add up to 12,964, so that 16 bits hold the sums; the bands have 15.
                low[i] = lower_half((newer[i] + older[i]) >> 14).clamp(-16_384, 16_383);
                high[i] = lower_half((newer[i] - older[i]) >> 14).clamp(-16_384, 16_383);
            }
        }
        self.keep(&lines, pairs);
    }

    /// Joins at most a block of samples of both bands into `pcm`, which has room for a pair of each.
    pub(super) fn join(&mut self, low: &[i16; BLOCK], high: &[i16; BLOCK], pcm: &mut [i16]) {
        let pairs = pcm.len() / 2;
        let mut lines = self.lines();
        let [difference, sum] = &mut lines;
        for i in 0..BLOCK {
            // Both have 15 bits, so neither overflows.
            difference[REACH + i] = low[i].wrapping_sub(high[i]);
            sum[REACH + i] = low[i].wrapping_add(high[i]);
        }
        for (step, pcm) in pcm.chunks_mut(2 * STEP).enumerate() {
            let first = filter::<false>(&lines[0], step * STEP);
            let second = filter::<true>(&lines[1], step * STEP);
            let mut both = [0; 2 * STEP];
            for i in 0..STEP {
                both[2 * i] = saturate(first[i] >> 11);
                both[2 * i + 1] = saturate(second[i] >> 11);
            }
            pcm.copy_from_slice(&both[..pcm.len()]);
        }
        self.keep(&lines, pairs);
    }
}
