//! Concealment of lost packets for codecs that have none of their own: the last pitch period goes on, fades,
//! and passes over into what comes next (in the spirit of ITU-T G.711 Appendix I, but without its delay).
//!
//! ```text
//!                     lost
//! ──heard──┤ ├──────────┬──────┬─────────…  loudness 1 for 10 ms, then −25 % per 10 ms, silent from 50 ms
//!   └─ a ─┴┘└─ a ─┴─ a ─┴ b a ─┴─ c b a …   one period at first, two and three later: no hum
//!                                 ┤↘↗├───heard──   faded over 1 to 4 ms, none of it later than it came
//! ```
//! The times are those at which PESQ finds speech best that lost 3 or 10 % of its packets of 20 ms
//! (`docs/decisions/014-quality.md`).
//!
//! On the good path it copies samples into a ring and does nothing else.

mod pitch;

use super::SampleRate;

/// Pitch periods that are looked for, ms: 200 Hz to 66 Hz. Higher voices are found at a multiple.
const PERIOD_MS: (usize, usize) = (5, 15);
/// What is remembered: three of the longest periods and a quarter, to fade one end into the other.
const HISTORY_MS: usize = 49;
/// Full loudness until then, silence from the second on.
const FADE_MS: (usize, usize) = (10, 50);
/// Over how long what is heard again is faded in: the first, growing with what was lost to the second.
const REJOIN_MS: (usize, usize) = (1, 4);
/// Over how long the step between what was heard and what is invented shrinks to nothing.
const STEP_MS: usize = 1;
/// Periods that a cycle may span, and after how long it takes one more.
const MOST_PERIODS: usize = 3;
const LENGTHEN_MS: usize = 20;
/// 1 as a weight.
const ONE: i32 = 1 << 14;

/// Hears what was decoded and invents what was lost; mono.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// The last samples, in a ring whose oldest is at `oldest`.
    history: Vec<i16>,
    oldest: usize,
    /// The history when the loss began, oldest first.
    source: Vec<i16>,
    /// Samples per 8 ms, to turn ms into samples without losing 11,025 Hz.
    per_8_ms: usize,
    /// `None` while nothing is missing.
    loss: Option<Loss>,
}

/// A gap that is being filled, or was just now.
#[derive(Clone, Copy, Debug)]
struct Loss {
    /// Samples filled.
    filled: usize,
    /// Where in `source` a cycle begins; it ends where that ends.
    start: usize,
    /// The next sample of the cycle.
    at: usize,
    /// Where the next cycle is to begin.
    next_start: usize,
    /// Pitch period, samples.
    period: usize,
    /// By how much the first sample misses the last one heard.
    step: i32,
    /// Samples of those heard again that were faded in, and how many will be; 0 of 0 before.
    rejoined: usize,
    rejoin: usize,
}

impl Concealer {
    /// For samples of this rate. Allocates twice 49 ms of samples, and never again.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        // Rates that no codec has are treated as one of 1000 to 384,000 Hz: memory stays bounded.
        let hz = usize::try_from(rate.get()).unwrap_or(usize::MAX);
        let per_8_ms = hz.clamp(1000, 384_000) * 8 / 1000;
        let length = HISTORY_MS * per_8_ms / 8;
        Self {
            history: vec![0; length],
            oldest: 0,
            source: vec![0; length],
            per_8_ms,
            loss: None,
        }
    }

    fn samples(&self, ms: usize) -> usize {
        ms * self.per_8_ms / 8
    }

    /// Remembers decoded samples, and changes the first of them after a gap so that no step is heard.
    #[inline]
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.loss.is_some() {
            self.rejoin(samples);
        }
        self.remember(samples);
    }

    /// Fills `out` with a stand-in that fades from one call to the next.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let loss = match self.loss {
            Some(loss) if loss.rejoin == 0 => loss,
            _ => {
                self.freeze();
                self.begin(None)
            }
        };
        self.fill(loss, out);
    }

    /// Whether samples heard next will be changed, because of a gap in front of them.
    #[must_use]
    pub const fn is_rejoining(&self) -> bool {
        self.loss.is_some()
    }

    /// As [`Concealer::conceal`] at the pitch that `leader`, which was called just before, has found: for
    /// another channel or band of the same sound, at the same sample rate.
    pub fn conceal_like(&mut self, leader: &Concealer, out: &mut [i16]) {
        let loss = match self.loss {
            Some(loss) if loss.rejoin == 0 => loss,
            _ => {
                self.freeze();
                self.begin(leader.loss.map(|l| l.period))
            }
        };
        self.fill(loss, out);
    }

    fn remember(&mut self, samples: &[i16]) {
        let length = self.history.len();
        let samples = &samples[samples.len().saturating_sub(length)..];
        let (front, back) = samples.split_at(samples.len().min(length - self.oldest));
        self.history[self.oldest..][..front.len()].copy_from_slice(front);
        self.history[..back.len()].copy_from_slice(back);
        self.oldest += samples.len();
        if self.oldest >= length {
            self.oldest -= length;
        }
    }

    /// Keeps what was heard so far as it is while what is invented goes into the history.
    fn freeze(&mut self) {
        let (newer, older) = self.history.split_at(self.oldest);
        self.source[..older.len()].copy_from_slice(older);
        self.source[older.len()..].copy_from_slice(newer);
    }

    #[cold]
    fn begin(&self, period: Option<usize>) -> Loss {
        let end = self.source.len();
        let (shortest, longest) = (self.samples(PERIOD_MS.0), self.samples(PERIOD_MS.1));
        let period = period
            .unwrap_or_else(|| pitch::period(&self.source, shortest, longest))
            .clamp(1, longest);
        let start = end - period;
        Loss {
            filled: 0,
            start,
            at: start,
            next_start: start,
            period,
            step: i32::from(self.source[end - 1]) - i32::from(self.source[start - 1]),
            rejoined: 0,
            rejoin: 0,
        }
    }

    fn fill(&mut self, mut loss: Loss, out: &mut [i16]) {
        for out in out.iter_mut() {
            *out = self.next(&mut loss);
        }
        self.loss = Some(loss);
        self.remember(out);
    }

    /// The next invented sample.
    fn next(&self, loss: &mut Loss) -> i16 {
        let (full, silent) = (self.samples(FADE_MS.0), self.samples(FADE_MS.1));
        if loss.filled >= silent {
            return 0;
        }
        let end = self.source.len();
        let quarter = (loss.period / 4).max(1);
        let left = end - loss.at;
        if left == quarter {
            // Time to prepare the passage to the next cycle: two periods after 20 ms, three after 40.
            let periods = 1 + loss.filled / self.samples(LENGTHEN_MS).max(1);
            let periods = periods.min(MOST_PERIODS);
            loss.next_start = end - loss.period * periods;
        }
        let mut sample = i32::from(self.source[loss.at]);
        if left <= quarter {
            // What came before the next cycle takes over.
            let before = i32::from(self.source[loss.next_start - left]);
            sample = mix(before, sample, left - 1, quarter);
        }
        let gentle = self.samples(STEP_MS).max(1);
        if loss.filled < gentle {
            sample += mix(0, loss.step, gentle - 1 - loss.filled, gentle);
        }
        loss.at += 1;
        if loss.at == end {
            loss.start = loss.next_start;
            loss.at = loss.start;
        }
        let faded = loss.filled.saturating_sub(full);
        loss.filled += 1;
        band_limit(mix(0, sample, silent - full - faded, silent - full))
    }

    #[cold]
    fn rejoin(&mut self, samples: &mut [i16]) {
        let Some(mut loss) = self.loss else { return };
        if loss.rejoin == 0 {
            let (least, most) = (self.samples(REJOIN_MS.0), self.samples(REJOIN_MS.1));
            loss.rejoin = (least + loss.filled / 16).clamp(1, most.max(1));
        }
        for sample in samples.iter_mut().take(loss.rejoin - loss.rejoined) {
            let invented = i32::from(self.next(&mut loss));
            loss.rejoined += 1;
            *sample = band_limit(mix(
                i32::from(*sample),
                invented,
                loss.rejoin - loss.rejoined,
                loss.rejoin,
            ));
        }
        self.loss = (loss.rejoined < loss.rejoin).then_some(loss);
    }
}

/// `part`/`whole` of `b`, and `a` for the rest. `part` is at most `whole`, which is below 2¹⁷.
fn mix(a: i32, b: i32, part: usize, whole: usize) -> i32 {
    let weight = i32::try_from(part * ONE.cast_unsigned() as usize / whole).unwrap_or(ONE);
    (a * (ONE - weight) + b * weight) >> 14
}

fn band_limit(sample: i32) -> i16 {
    i16::try_from(sample.clamp(i16::MIN.into(), i16::MAX.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests;
