//! The pitch period at the end of a run of samples: the lag at which it is most like itself.

use std::ops::RangeInclusive;

/// Magnitudes are cut to so many bits, and so many products added, that their sum has 31 bits at most.
const PRODUCT_BITS: u32 = 10;
const RUN: usize = 1024;

/// Samples at 8 to 16 kHz that a search looks at: more than the 22.5 ms of a window and the longest lag, at any
/// rate.
const MOST: usize = 600;

/// The lag from `shortest` to `longest` at which the last `1.5 · shortest` samples correlate best with what was
/// before them: 7.5 ms, which follow a changing voice better than the 20 ms that are usual. `samples` holds at
/// least as many as both together.
pub(super) fn period(samples: &[i16], shortest: usize, longest: usize) -> usize {
    // As if at 8 to 16 kHz: 5 ms are 40 samples. Finer below.
    let factor = (shortest / 40).max(1);
    let mut coarse = [0_i16; MOST];
    let length = (samples.len() / factor).min(MOST);
    let coarse = &mut coarse[..length];
    shrink(&samples[samples.len() - length * factor..], factor, coarse);
    let window = (3 * shortest / 2 / factor).min(length / 2);
    let lags = shortest / factor..=(longest / factor).min(length - window);
    let best = best_lag(coarse, window, lags);
    if factor == 1 {
        return best;
    }
    let window = window * factor;
    let around = (best * factor).saturating_sub(factor).max(shortest)
        ..=(best * factor + factor)
            .min(longest)
            .min(samples.len() - window);
    best_lag(samples, window, around)
}

/// Averages `factor` samples to one.
fn shrink(samples: &[i16], factor: usize, coarse: &mut [i16]) {
    let divisor = i32::try_from(factor).unwrap_or(i32::MAX);
    for (coarse, samples) in coarse.iter_mut().zip(samples.chunks_exact(factor)) {
        let sum: i32 = samples.iter().map(|s| i32::from(*s)).sum();
        *coarse = i16::try_from(sum / divisor).unwrap_or(0);
    }
}

/// The lag of the highest normalised correlation of the last `window` samples.
fn best_lag(samples: &[i16], window: usize, lags: RangeInclusive<usize>) -> usize {
    let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    let shift = (16 - peak.leading_zeros()).saturating_sub(PRODUCT_BITS);
    let at = samples.len() - window;
    let recent = &samples[at..];
    let mut best = (*lags.start(), f64::NEG_INFINITY);
    for lag in lags {
        let earlier = &samples[at - lag..][..window];
        let (mut product, mut energy) = (0, 1);
        for (recent, earlier) in recent.chunks(RUN).zip(earlier.chunks(RUN)) {
            product += i64::from(dot(recent, earlier, shift));
            energy += i64::from(dot(earlier, earlier, shift));
        }
        let score = score(product, energy);
        if score > best.1 {
            best = (lag, score);
        }
    }
    best.0
}

/// The sum of at most [`RUN`] products of samples that have [`PRODUCT_BITS`] bits after the shift.
fn dot(a: &[i16], b: &[i16], shift: u32) -> i32 {
    let products = a
        .iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a >> shift) * i32::from(*b >> shift));
    products.sum()
}

/// The square of the correlation over the energy, with the correlation's sign.
fn score(product: i64, energy: i64) -> f64 {
    let product = product as f64;
    product * product.abs() / energy as f64
}
