//! Finds DTMF digits in sound (ITU-T Q.24), and takes speech for none.
//!
//! Every 5 ms *block* goes through eight Goertzel filters at the nominal frequencies. Four blocks, weighted
//! ½ 1 1 ½, make a *window*: selective enough that a tone leaks 26 dB down into its neighbour's filter, and
//! 44 dB into the other group's. How the phase of two consecutive windows differs tells a tone's frequency
//! to a hertz, which no filter this short could by its level. A window is a digit if one row and one column
//! carry nearly all its energy: that is what speech, whose harmonics lie elsewhere, fails, and it covers
//! the usual check of the second harmonics.

use std::f64::consts::TAU;

use super::super::SampleRate;
use super::digit::{COLUMNS_HZ, ROWS_HZ};
use super::{Digit, ToneError, mean_square};

/// Blocks per second.
const BLOCKS_PER_SECOND: u32 = 200;
/// Blocks of a window, and how they count.
const BLOCKS: usize = 4;
const WEIGHTS: [f32; BLOCKS] = [0.5, 1.0, 1.0, 0.5];
const WEIGHT_SUM: f32 = 3.0;
const SQUARE_SUM: f32 = 2.5;
/// Four rows, four columns.
const TONES: usize = 8;

/// Below this power there is no digit, dBm0. Q.24 leaves it to the administrations, from −24 to −36.
const WEAKEST_DBM0: f64 = -42.0;
/// Part of the energy that the two tones must have: noise of −15 dB leaves 0.97. At 0.82, two of an hour of
/// synthesised vowels were digits, whose fourth and fifth harmonics were 941 and 1209 Hz; at 0.9 none.
const PURITY: f32 = 0.9;
/// Column over row in power. Accepted are −8 to +4 dB, with a margin of 2 dB for what noise does to the
/// weaker one.
const TWIST: std::ops::RangeInclusive<f32> = 0.1..=3.98;
/// Largest deviation from nominal: 1.5 % are accepted, 3.5 % refused.
const DEVIATION: f32 = 0.0225;
/// Weakest over strongest block of a window: the tones' beats leave 0.6, an edge within less.
const FLATNESS: f32 = 0.35;
/// Consecutive hits that make a digit. Each needs two windows, so that a tone of 35 ms surely has them and
/// one of less than 23 ms never.
const HITS: u32 = 2;
/// Blocks without a hit that end a digit: an interruption of 10 ms costs 7, a pause of 40 ms 11.
const MISSES: u32 = 9;

/// A digit begins or ends. Positions count samples since the detector was made; they are exact to about
/// 2 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfEvent {
    /// Told 30 to 40 ms after the tone began.
    Begin {
        /// The key.
        digit: Digit,
        /// Where the tone began.
        at: u64,
    },
    /// Told about 45 ms after the tone ended, or as soon as another digit begins.
    End {
        /// The key that began before.
        digit: Digit,
        /// Where the tone ended.
        at: u64,
    },
}

/// One stream's detector. Memory and work per sample are constant.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    /// Samples of a block, and seconds.
    block: usize,
    block_s: f32,
    /// Goertzel's 2·cos ω, and what makes a spectrum of his two states.
    feedback: [f32; TONES],
    sine: [f32; TONES],
    cosine: [f32; TONES],
    /// By how much a nominal tone turns from one block to the next: cos, sin.
    turn: [[f32; 2]; TONES],
    least_power: f32,
    state: [[f32; TONES]; 2],
    energy: f32,
    filled: usize,
    /// Samples in blocks that are complete.
    position: u64,
    /// The last blocks, oldest first; one more energy than in a window, for where a tone begins.
    spectra: [Spectrum; BLOCKS],
    energies: [f32; BLOCKS + 1],
    before: Window,
    hits: u32,
    /// The digit that began: and blocks since its last hit, its end and its energy as far as known.
    current: Option<Current>,
    /// Where the digit before it ended.
    last_end: u64,
}

type Spectrum = [[f32; 2]; TONES];

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    spectrum: Spectrum,
    digit: Option<(usize, usize)>,
    begin: u64,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    digit: Digit,
    misses: u32,
    end: u64,
    energy: f32,
}

impl DtmfDetector {
    /// A detector whose past is silence.
    ///
    /// # Errors
    /// [`ToneError::SampleRate`] below 8000 and above 192,000 Hz.
    pub fn new(sample_rate: SampleRate) -> Result<Self, ToneError> {
        let hz = sample_rate.get();
        if !(8000..=192_000).contains(&hz) {
            return Err(ToneError::SampleRate { hz });
        }
        let block = hz / BLOCKS_PER_SECOND;
        let per_tone = |f: &dyn Fn(f64) -> f64| {
            let mut all = ROWS_HZ.iter().chain(&COLUMNS_HZ);
            [(); TONES].map(|()| {
                let tone = f64::from(*all.next().expect("invariant: four rows and four columns"));
                narrow(f(TAU * tone / f64::from(hz)))
            })
        };
        let samples = f64::from(block);
        let turn_cos = per_tone(&|w| (w * samples).cos());
        let turn_sin = per_tone(&|w| (w * samples).sin());
        let mut turn = [[0.0; 2]; TONES];
        for (t, (c, s)) in turn.iter_mut().zip(turn_cos.iter().zip(turn_sin)) {
            *t = [*c, s];
        }
        Ok(Self {
            block: usize::try_from(block).expect("invariant: a block is short"),
            block_s: narrow(samples / f64::from(hz)),
            feedback: per_tone(&|w| 2.0 * w.cos()),
            sine: per_tone(&|w| w.sin()),
            cosine: per_tone(&|w| w.cos()),
            turn,
            least_power: narrow(mean_square(WEAKEST_DBM0)),
            state: [[0.0; TONES]; 2],
            energy: 0.0,
            filled: 0,
            position: 0,
            spectra: [[[0.0; 2]; TONES]; BLOCKS],
            energies: [0.0; BLOCKS + 1],
            before: Window::default(),
            hits: 0,
            current: None,
            last_end: 0,
        })
    }

    /// Takes the next samples, any number, and tells of what begins and ends in them, in order.
    pub fn process(&mut self, mut samples: &[i16], mut tell: impl FnMut(DtmfEvent)) {
        while !samples.is_empty() {
            let room = self.block - self.filled;
            let (head, rest) = samples.split_at(samples.len().min(room));
            self.filter(head);
            self.filled += head.len();
            samples = rest;
            if self.filled == self.block {
                self.filled = 0;
                self.end_block(&mut tell);
            }
        }
    }

    /// The digit that sounds, as far as told.
    #[must_use]
    pub fn current(&self) -> Option<Digit> {
        self.current.map(|c| c.digit)
    }

    fn filter(&mut self, samples: &[i16]) {
        let [mut s1, mut s2] = self.state;
        let feedback = self.feedback;
        let mut energy = self.energy;
        for sample in samples {
            let x = f32::from(*sample);
            energy += x * x;
            let mut s0 = [0.0; TONES];
            for i in 0..TONES {
                s0[i] = feedback[i] * s1[i] + (x - s2[i]);
            }
            (s1, s2) = (s0, s1);
        }
        self.state = [s1, s2];
        self.energy = energy;
    }

    fn end_block(&mut self, tell: &mut impl FnMut(DtmfEvent)) {
        self.spectra.rotate_left(1);
        self.energies.rotate_left(1);
        let [s1, s2] = self.state;
        for (i, bin) in self.spectra[BLOCKS - 1].iter_mut().enumerate() {
            // Relative to the block's end; the same for all blocks, and no more is needed.
            *bin = [s1[i] - self.cosine[i] * s2[i], self.sine[i] * s2[i]];
        }
        self.energies[BLOCKS] = self.energy;
        self.state = [[0.0; TONES]; 2];
        self.energy = 0.0;
        self.position += u64::try_from(self.block).unwrap_or(0);

        let window = self.window();
        let same = window.digit.filter(|d| self.before.digit == Some(*d));
        let hit = same.filter(|(row, column)| self.is_pure(&window, *row, *column));
        self.hits = match hit {
            Some(_) => self.hits + 1,
            None => 0,
        };
        let first_begin = self.before.begin;
        self.before = Window {
            // A tone begins where the first window of its run does.
            begin: if same.is_some() {
                first_begin
            } else {
                window.begin
            },
            ..window
        };
        self.follow(hit.map(|(row, column)| Digit::at(row, column)), tell);
    }

    /// Sums the last blocks up, and names the strongest row and column if the level allows a digit.
    fn window(&self) -> Window {
        let mut spectrum = Spectrum::default();
        for (i, sum) in spectrum.iter_mut().enumerate() {
            // Horner's scheme in the turn per block, so that all blocks are seen from the last one's end.
            let [c, s] = self.turn[i];
            for (block, weight) in self.spectra.iter().zip(WEIGHTS) {
                let [re, im] = *sum;
                *sum = [
                    re * c - im * s + weight * block[i][0],
                    re * s + im * c + weight * block[i][1],
                ];
            }
        }
        let energies = &self.energies[1..];
        let strongest = energies.iter().copied().fold(0.0, f32::max);
        let weakest = energies.iter().copied().fold(f32::INFINITY, f32::min);
        let samples = self.samples_per_block();
        let flat = weakest >= FLATNESS * strongest;
        let loud = strongest >= self.least_power * samples;
        let best = |tones: &[[f32; 2]]| {
            (0..4)
                .max_by(|a, b| square(tones[*a]).total_cmp(&square(tones[*b])))
                .unwrap_or(0)
        };
        let (rows, columns) = spectrum.split_at(4);
        // The tone has been there in part of the block before the window.
        let mean = energies.iter().sum::<f32>() / 4.0;
        let lead = (self.energies[0] / mean.max(1.0)).min(1.0) * samples;
        let length = u64::try_from(BLOCKS * self.block).unwrap_or(0);
        Window {
            spectrum,
            digit: (flat && loud).then(|| (best(rows), best(columns))),
            begin: (self.position.saturating_sub(length)).saturating_sub(whole(lead)),
        }
    }

    fn samples_per_block(&self) -> f32 {
        f32::from(u16::try_from(self.block).unwrap_or(u16::MAX))
    }

    /// Whether the window has these two tones and nearly nothing else.
    fn is_pure(&self, window: &Window, row: usize, column: usize) -> bool {
        let samples = self.samples_per_block();
        let power = |tone: usize| {
            let nominal = match tone {
                0..4 => f32::from(ROWS_HZ[tone]),
                _ => f32::from(COLUMNS_HZ[tone - 4]),
            };
            let off_hz = self.deviation_hz(window, tone);
            if off_hz.abs() > DEVIATION * nominal {
                return None;
            }
            let amplitude = 2.0 / (WEIGHT_SUM * samples) * square(window.spectrum[tone]).sqrt();
            let amplitude = amplitude / response(off_hz * self.block_s);
            Some(amplitude * amplitude / 2.0)
        };
        let (Some(row), Some(column)) = (power(row), power(4 + column)) else {
            return false;
        };
        let energy: f32 = self.energies[1..]
            .iter()
            .zip(WEIGHTS)
            .map(|(e, w)| w * w * e)
            .sum();
        let total = energy / (SQUARE_SUM * samples);
        row + column >= PURITY * total
            && row + column >= self.least_power
            && TWIST.contains(&(column / row))
    }

    /// How far a tone is from nominal, by how its phase advanced since the window before. Unambiguous to
    /// ±100 Hz.
    fn deviation_hz(&self, window: &Window, tone: usize) -> f32 {
        let [c, s] = self.turn[tone];
        let [re, im] = self.before.spectrum[tone];
        // Where it would be if it were nominal.
        let expected = [re * c - im * s, re * s + im * c];
        let [re, im] = window.spectrum[tone];
        let advance_sin = im * expected[0] - re * expected[1];
        let advance_cos = re * expected[0] + im * expected[1];
        advance_sin.atan2(advance_cos) / (std::f32::consts::TAU * self.block_s)
    }

    fn follow(&mut self, hit: Option<Digit>, tell: &mut impl FnMut(DtmfEvent)) {
        let block = u64::try_from(self.block).unwrap_or(0);
        let last = self.energies[BLOCKS];
        let ended = match (&mut self.current, hit) {
            (None, _) => None,
            (Some(current), Some(digit)) if digit == current.digit => {
                current.misses = 0;
                current.end = self.position;
                current.energy = last;
                None
            }
            (Some(current), hit) => {
                current.misses += 1;
                if current.misses == 1 {
                    // The tone ended within this block.
                    let part = (last / current.energy.max(1.0)).min(1.0);
                    let samples = f32::from(u16::try_from(self.block).unwrap_or(u16::MAX));
                    current.end = self.position - block + whole(part * samples);
                }
                let replaced = hit.is_some() && self.hits >= HITS;
                (replaced || current.misses >= MISSES).then_some(*current)
            }
        };
        if let Some(Current { digit, end, .. }) = ended {
            self.current = None;
            self.last_end = end;
            tell(DtmfEvent::End { digit, at: end });
        }
        if let (None, Some(digit)) = (self.current, hit)
            && self.hits >= HITS
        {
            self.current = Some(Current {
                digit,
                misses: 0,
                end: self.position,
                energy: last,
            });
            // Where digits touch, the windows of the second begin within the first.
            let at = self.before.begin.max(self.last_end);
            tell(DtmfEvent::Begin { digit, at });
        }
    }
}

/// A window's gain for a tone that is off by `turns` per block, relative to one that is not.
fn response(turns: f32) -> f32 {
    let angle = std::f32::consts::PI * turns;
    let block = if angle.abs() < 1e-3 {
        1.0
    } else {
        angle.sin() / angle
    };
    block * ((3.0 * angle).cos() + 2.0 * angle.cos()) / WEIGHT_SUM
}

fn square([re, im]: [f32; 2]) -> f32 {
    re * re + im * im
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "computed in f64 for the tables of f32"
)]
fn narrow(x: f64) -> f32 {
    x as f32
}

/// Rounded to samples; a block's length at most.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` clips a float to the integer's range"
)]
fn whole(samples: f32) -> u64 {
    samples.round() as u64
}
