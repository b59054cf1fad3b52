//! Conversion by L/M with a polyphase filter.
//!
//! The input is dealt out to M streams, the output is L interleaved streams, and both advance by one
//! sample per *group* (M samples in, L out). Within an output stream all samples use the same
//! coefficients on consecutive samples of the input streams, so that a vector register holds
//! neighbouring outputs, each coefficient is loaded once for all of them and nothing is summed across:
//!
//! ```text
//! out stream r, group q:   y = Σ over s, j   c[r][s][j] · in stream s, group q − j
//! ```

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use super::super::SampleRate;
use super::filter::{LowPass, NARROWBAND, WIDEBAND};
use super::{RATES_HZ, to_i16};

/// Groups converted at once: 20 ms of 8000 Hz to any of the others. Longer input is cut.
const GROUPS: usize = 160;
/// Outputs of one stream computed side by side: eight SSE registers.
const LANES: usize = 32;
/// Eight AVX registers.
const WIDE_LANES: usize = 64;
/// For what is left.
const HALF_LANES: usize = LANES / 2;
const _: () = assert!(GROUPS.is_multiple_of(LANES));
/// The largest M, that of 32,000 to 12,000 Hz.
const MAX_GROUP: usize = 8;

/// The filter of one ratio, shared by all its converters.
pub(super) struct Bank {
    /// Samples of one group, M in and L out.
    group_in: usize,
    group_out: usize,
    /// Groups of the past that the filter reaches back to.
    history: usize,
    delay: Duration,
    /// Per output stream, one per input stream that it takes something from.
    runs: Vec<Vec<Run>>,
    coefficients: Vec<f32>,
}

/// Coefficients for consecutive samples of one input stream.
struct Run {
    stream: usize,
    /// Where in the stream's buffer the first coefficient goes, for the first group.
    start: usize,
    coefficients: Range<usize>,
}

/// The filter between two of the [`RATES_HZ`], made at its first use (0.2 ms). `None` for others and for
/// equal rates.
pub(super) fn bank(from: SampleRate, to: SampleRate) -> Option<&'static Bank> {
    const N: usize = RATES_HZ.len();
    static BANKS: [[OnceLock<Bank>; N]; N] = [const { [const { OnceLock::new() }; N] }; N];
    let index = |rate: SampleRate| RATES_HZ.iter().position(|r| *r == rate.get());
    let (f, t) = (index(from)?, index(to)?);
    (f != t).then(|| BANKS[f][t].get_or_init(|| Bank::new(from.get(), to.get())))
}

impl Bank {
    fn new(from_hz: u32, to_hz: u32) -> Self {
        let divisor = gcd(from_hz, to_hz);
        let (up, down) = (to_hz / divisor, from_hz / divisor);
        let filter = match from_hz.min(to_hz) {
            8000 => NARROWBAND,
            _ => WIDEBAND,
        };
        let size = |n: u32| usize::try_from(n).expect("invariant: rates are 32 bits");
        let (group_out, group_in) = (size(up), size(down));
        let prototype = prototype(&filter, up, down);
        let taps = prototype.len().div_ceil(group_out);
        let history = taps.div_ceil(group_in);
        let mut coefficients = Vec::with_capacity(prototype.len());
        let runs = (0..group_out)
            .map(|r| {
                // Output r of group 0 lies `phase / L` behind input `base` of that group.
                let (base, phase) = (r * group_in / group_out, r * group_in % group_out);
                let of_phase: Vec<f32> = prototype
                    .iter()
                    .skip(phase)
                    .step_by(group_out)
                    .copied()
                    .collect();
                (0..group_in)
                    .filter_map(|stream| {
                        // Tap k takes input base − k: those of this stream, oldest first.
                        let of_stream = |k: &usize| {
                            (base + history * group_in - k).checked_rem(group_in) == Some(stream)
                        };
                        let begin = coefficients.len();
                        let ks: Vec<usize> = (0..of_phase.len()).rev().filter(of_stream).collect();
                        coefficients.extend(ks.iter().map(|k| of_phase[*k]));
                        ks.first().map(|oldest| Run {
                            stream,
                            start: (base + history * group_in - oldest) / group_in,
                            coefficients: begin..coefficients.len(),
                        })
                    })
                    .collect()
            })
            .collect();
        let centre = f64::from(u32::try_from(prototype.len() / 2).unwrap_or(0));
        Self {
            group_in,
            group_out,
            history,
            delay: Duration::from_secs_f64(centre / (f64::from(from_hz) * f64::from(up))),
            runs,
            coefficients,
        }
    }
}

/// The filter sampled at the rates' common multiple, an odd number of taps, symmetric, with a gain of L.
fn prototype(filter: &LowPass, up: u32, down: u32) -> Vec<f32> {
    let density = up.max(down);
    let half = filter.support / 2 * usize::try_from(density).unwrap_or(0);
    let side: Vec<f64> = (0..u32::MAX)
        .take(half)
        .map(|n| {
            let t = f64::from(n) / f64::from(density);
            filter.at(t) * f64::from(up) / f64::from(density)
        })
        .collect();
    let mirrored = side.iter().skip(1).rev().chain(&side);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "coefficients are wanted in the precision that they are used in"
    )]
    mirrored.map(|c| *c as f32).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One stream's converter.
pub(super) struct Polyphase {
    bank: &'static Bank,
    /// M streams of `stride`: past groups, then the ones being converted. In units of the samples.
    streams: Vec<f32>,
    stride: usize,
    /// Samples of a group that is not complete.
    pending: [i16; MAX_GROUP],
    pending_len: usize,
}

impl Polyphase {
    pub(super) fn new(bank: &'static Bank) -> Self {
        let stride = bank.history + GROUPS;
        Self {
            bank,
            streams: vec![0.0; stride * bank.group_in],
            stride,
            pending: [0; MAX_GROUP],
            pending_len: 0,
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.bank.delay
    }

    pub(super) fn output_len(&self, input: usize) -> usize {
        let groups = input.saturating_add(self.pending_len) / self.bank.group_in;
        groups.saturating_mul(self.bank.group_out)
    }

    pub(super) fn reset(&mut self) {
        self.streams.fill(0.0);
        self.pending_len = 0;
    }

    /// `out` has the right length.
    pub(super) fn process(&mut self, mut input: &[i16], mut out: &mut [i16]) {
        let (group_in, group_out) = (self.bank.group_in, self.bank.group_out);
        if self.pending_len > 0 {
            let (head, rest) = input.split_at(input.len().min(group_in - self.pending_len));
            self.pending[self.pending_len..][..head.len()].copy_from_slice(head);
            self.pending_len += head.len();
            if self.pending_len < group_in {
                return;
            }
            let group = self.pending;
            let (first, others) = out.split_at_mut(group_out);
            self.convert(&group[..group_in], first);
            self.pending_len = 0;
            (input, out) = (rest, others);
        }
        let whole = input.len() - input.len() % group_in;
        let (whole, rest) = input.split_at(whole);
        let pieces = whole.chunks(GROUPS * group_in);
        for (piece, out) in pieces.zip(out.chunks_mut(GROUPS * group_out)) {
            self.convert(piece, out);
        }
        self.pending[..rest.len()].copy_from_slice(rest);
        self.pending_len = rest.len();
    }

    /// Whole groups, at most [`GROUPS`].
    fn convert(&mut self, input: &[i16], out: &mut [i16]) {
        let groups = input.len() / self.bank.group_in;
        let history = self.bank.history;
        for (s, stream) in self.streams.chunks_exact_mut(self.stride).enumerate() {
            let fresh = &mut stream[history..][..groups];
            match self.bank.group_in {
                1 => deal::<1>(input, s, fresh),
                2 => deal::<2>(input, s, fresh),
                3 => deal::<3>(input, s, fresh),
                m => fresh
                    .iter_mut()
                    .zip(input.iter().skip(s).step_by(m))
                    .for_each(|(f, i)| *f = f32::from(*i)),
            }
        }
        self.filter(groups, out);
        for stream in self.streams.chunks_exact_mut(self.stride) {
            stream.copy_within(groups..groups + history, 0);
        }
    }

    fn filter(&self, groups: usize, out: &mut [i16]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            #[expect(unsafe_code, reason = "half the time and instructions (decision 011)")]
            // SAFETY: the processor has been asked just now.
            return unsafe { self.filter_avx(groups, out) };
        }
        self.filter_by::<LANES>(groups, out);
    }

    /// Registers twice as wide, the same operations, the same bits.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx")]
    fn filter_avx(&self, groups: usize, out: &mut [i16]) {
        self.filter_by::<WIDE_LANES>(groups, out);
    }

    #[inline(always)]
    fn filter_by<const MOST: usize>(&self, groups: usize, out: &mut [i16]) {
        let mut group = 0;
        while group < groups {
            // What lanes beyond the last group compute is of no use, and not stored.
            let left = groups - group;
            let lanes = match left {
                _ if left >= MOST => MOST,
                _ if left > HALF_LANES => LANES,
                _ => HALF_LANES,
            };
            let end = groups.min(group + lanes);
            let out = &mut out[group * self.bank.group_out..end * self.bank.group_out];
            match lanes {
                HALF_LANES => self.block::<HALF_LANES>(group, out),
                LANES => self.block::<LANES>(group, out),
                _ => self.block::<MOST>(group, out),
            }
            group = end;
        }
    }

    #[inline(always)]
    fn block<const N: usize>(&self, group: usize, out: &mut [i16]) {
        for (r, runs) in self.bank.runs.iter().enumerate() {
            let mut sums = [0.0; N];
            for run in runs {
                let coefficients = &self.bank.coefficients[run.coefficients.clone()];
                let begin = run.stream * self.stride + run.start + group;
                let samples = &self.streams[begin..][..coefficients.len() + N - 1];
                for (c, window) in coefficients.iter().zip(samples.array_windows::<N>()) {
                    for (sum, x) in sums.iter_mut().zip(window) {
                        *sum += c * x;
                    }
                }
            }
            let sums = sums.map(to_i16);
            match self.bank.group_out {
                1 => out.copy_from_slice(&sums[..out.len()]),
                2 => interleave::<2>(&sums, r, out),
                3 => interleave::<3>(&sums, r, out),
                l => out
                    .iter_mut()
                    .skip(r)
                    .step_by(l)
                    .zip(sums)
                    .for_each(|(o, s)| *o = s),
            }
        }
    }
}

/// Every M-th sample of `input` from `s` on.
#[inline(always)]
fn deal<const M: usize>(input: &[i16], s: usize, stream: &mut [f32]) {
    for (f, group) in stream.iter_mut().zip(input.as_chunks::<M>().0) {
        *f = f32::from(group[s]);
    }
}

/// Stores one output stream among the others.
#[inline(always)]
fn interleave<const L: usize>(stream: &[i16], r: usize, out: &mut [i16]) {
    for (group, s) in out.as_chunks_mut::<L>().0.iter_mut().zip(stream) {
        group[r] = *s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_registers_give_the_same_bits() {
        for (from, to) in [(8000, 16_000), (48_000, 8000), (32_000, 12_000)] {
            let rate = |hz| SampleRate::new(hz).unwrap();
            let mut polyphase = Polyphase::new(bank(rate(from), rate(to)).unwrap());
            let mut state = 1_u32;
            for x in &mut polyphase.streams {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [_, _, low, high] = state.to_le_bytes();
                *x = f32::from(i16::from_le_bytes([low, high]));
            }
            for groups in [1, 16, 17, 32, 33, 63, 80, 97, GROUPS] {
                let mut out = vec![0; groups * polyphase.bank.group_out];
                polyphase.filter(groups, &mut out);
                let mut narrow = vec![1; out.len()];
                polyphase.filter_by::<LANES>(groups, &mut narrow);
                let mut wide = vec![2; out.len()];
                polyphase.filter_by::<WIDE_LANES>(groups, &mut wide);
                assert_eq!((&out, &out), (&narrow, &wide), "{from} → {to}, {groups}");
            }
        }
    }
}
