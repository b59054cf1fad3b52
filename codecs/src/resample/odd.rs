//! Conversion by any ratio: `rubato`, fed a millisecond at a time, its output evened out.

use std::collections::VecDeque;
use std::time::Duration;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction, calculate_cutoff,
};

use super::super::SampleRate;
use super::to_i16;

/// Length of the filter in samples of the lower rate: what a Blackman–Harris window needs to be −90 dB at
/// half that rate and flat up to 0.425 of it.
const SUPPORT: u32 = 96;
/// Filter phases that `rubato` stores; between them it fits cubics.
const OVERSAMPLING: u32 = 128;

pub(super) struct Odd {
    from: u64,
    to: u64,
    inner: Async<f32>,
    delay: Duration,
    /// A chunk being filled.
    chunk: Vec<f32>,
    filled: usize,
    converted: Vec<f32>,
    /// Converted samples that are not due yet. `rubato` gives now one more, now one fewer; starting with
    /// some silence here makes the count exact.
    ready: VecDeque<i16>,
    lead: usize,
    /// Output due, in 1/`from` samples, beyond what was given.
    due: u64,
}

impl Odd {
    /// Rates within the bounds.
    pub(super) fn new(from: SampleRate, to: SampleRate) -> Self {
        let (from, to) = (from.get(), to.get());
        let ratio = f64::from(to) / f64::from(from);
        let taps = size((SUPPORT * from.max(to)).div_ceil(to));
        let cutoff = calculate_cutoff(size(SUPPORT), WindowFunction::BlackmanHarris);
        let parameters = SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris)
            .f_cutoff(cutoff)
            .oversampling_factor(size(OVERSAMPLING));
        let chunk = from / 1000;
        let inner = Async::new_sinc(ratio, 1.0, &parameters, size(chunk), 1, FixedAsync::Input)
            .expect("invariant: ratio and chunk are positive");
        // A chunk can be all but full, and `rubato` stays two input samples behind, and part of an output.
        let lead = ((chunk + 2) * to).div_ceil(from) + 1;
        let seconds = |samples: usize, rate: u32| {
            f64::from(u32::try_from(samples).unwrap_or(u32::MAX)) / f64::from(rate)
        };
        // `rubato`'s first output is where its second one should be, and one stored phase late.
        let delay = seconds(taps.next_multiple_of(8) / 2, from) + seconds(size(lead) - 1, to)
            - seconds(1, from) / f64::from(OVERSAMPLING);
        let mut odd = Self {
            from: u64::from(from),
            to: u64::from(to),
            delay: Duration::from_secs_f64(delay),
            chunk: vec![0.0; size(chunk)],
            filled: 0,
            converted: vec![0.0; inner.output_frames_max()],
            ready: VecDeque::with_capacity(2 * size(lead) + inner.output_frames_max()),
            inner,
            lead: size(lead),
            due: 0,
        };
        odd.reset();
        odd
    }

    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn output_len(&self, input: usize) -> usize {
        usize::try_from(self.due_after(input) / u128::from(self.from)).unwrap_or(usize::MAX)
    }

    fn due_after(&self, input: usize) -> u128 {
        let input = u128::try_from(input).unwrap_or(u128::MAX);
        input.saturating_mul(u128::from(self.to)) + u128::from(self.due)
    }

    pub(super) fn reset(&mut self) {
        self.inner.reset();
        self.filled = 0;
        self.ready.clear();
        self.ready.resize(self.lead, 0);
        self.due = 0;
    }

    /// `out` has the right length.
    pub(super) fn process(&mut self, mut input: &[i16], out: &mut [i16]) {
        self.due = u64::try_from(self.due_after(input.len()) % u128::from(self.from))
            .expect("invariant: a remainder is less than the divisor");
        let mut out = out.iter_mut();
        while !input.is_empty() {
            let room = self.chunk.len() - self.filled;
            let (head, rest) = input.split_at(input.len().min(room));
            let fresh = &mut self.chunk[self.filled..][..head.len()];
            fresh
                .iter_mut()
                .zip(head)
                .for_each(|(f, i)| *f = f32::from(*i));
            self.filled += head.len();
            input = rest;
            if self.filled == self.chunk.len() {
                self.filled = 0;
                self.convert();
                let count = self.ready.len().min(out.len());
                // The shorter first: `zip` takes one more from its first iterator than it uses.
                self.ready
                    .drain(..count)
                    .zip(out.by_ref())
                    .for_each(|(s, o)| *o = s);
            }
        }
        for o in out {
            *o = self
                .ready
                .pop_front()
                .expect("invariant: the lead covers a chunk");
        }
    }

    fn convert(&mut self) {
        const SIZES: &str = "invariant: slices and frames have the same length";
        let input = InterleavedSlice::new(&self.chunk, 1, self.chunk.len()).expect(SIZES);
        let frames = self.converted.len();
        let mut output = InterleavedSlice::new_mut(&mut self.converted, 1, frames).expect(SIZES);
        let (_, count) = self
            .inner
            .process_into_buffer(&input, &mut output, None)
            .expect("invariant: a whole chunk, and room for the most that comes of one");
        self.ready
            .extend(self.converted[..count].iter().map(|s| to_i16(*s)));
    }
}

fn size(n: u32) -> usize {
    usize::try_from(n).expect("invariant: rates and lengths are 32 bits")
}
