//! One band's adaptive differential coder (ITU-T G.722 §3.3 to §3.6, §6.2): both ends run it alike. Names in
//! capitals are the Recommendation's.

use super::tables::{
    CODE_6, DECISION_2, INVERSE_5, INVERSE_6, LOW_OFFSET, MAGNITUDE_6, SCALE, STEP_HIGH, STEP_LOW,
    Step, TOP_DECISION_6,
};
use super::taps::Taps;

/// The value as 16 bits, the nearest if it has more.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
pub(super) const fn saturate(value: i32) -> i16 {
    let floor = if value < -32_768 { -32_768 } else { value };
    (if floor > 32_767 { 32_767 } else { floor }) as i16
}

/// As [`saturate`], still in 32 bits.
#[inline(always)]
fn saturate_wide(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// The value, which fits.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers say why it fits; clamping costs on the fast path"
)]
pub(super) const fn lower_half(value: i32) -> i16 {
    value as i16
}

/// An index; whatever it is, the caller masks it.
#[inline(always)]
fn index(value: i32) -> usize {
    value.cast_unsigned() as usize
}

/// `value` with its sign changed where `mask` is −1, as it is where `mask` is 0.
#[inline(always)]
fn negate_if(value: i32, mask: i32) -> i32 {
    (value ^ mask) - mask
}

/// Predictor and scale factor. `s` and what `det` scales are 16-bit values kept in 32 bits.
#[derive(Clone, Debug)]
struct Band {
    /// Logarithm of the scale factor, 0–22528: NB.
    nb: i32,
    /// Scale factor, 8–16384: DET.
    det: i32,
    /// What is predicted for the next sample: S.
    s: i32,
    /// The zero section's part of it: SZ.
    sz: i32,
    /// Coefficients of the pole section, |a2| ≤ 12288, |a1| ≤ 15360 − a2: A.
    a1: i32,
    a2: i32,
    /// Last reconstructed sample, doubled and saturated: R.
    r1: i32,
    /// Signs (0 or −1) of the last two partly reconstructed samples: P.
    p1: i32,
    p2: i32,
    /// The zero section: B and D.
    taps: Taps,
}

impl Band {
    fn new(det: i32) -> Self {
        Self {
            nb: 0,
            det,
            s: 0,
            sz: 0,
            a1: 0,
            a2: 0,
            r1: 0,
            p1: 0,
            p2: 0,
            taps: Taps::new(),
        }
    }

    /// LOGSCL or LOGSCH, SCALEL or SCALEH, and block 4.
    #[inline(always)]
    fn adapt(&mut self, step: Step, top: i32, offset: i32) -> i32 {
        let d = (self.det * i32::from(step.difference)) >> 15;
        self.nb = (((self.nb * 127) >> 7) + i32::from(step.log_step)).clamp(0, top);
        self.det = i32::from(SCALE[index((self.nb >> 6) + offset) % SCALE.len()]);
        self.predict(d);
        d
    }

    /// Block 4: learns from the difference `d` and predicts the next sample.
    #[inline(always)]
    fn predict(&mut self, d: i32) {
        // RECONS and PARREC; of P only the signs are ever used.
        let r = saturate_wide(self.s + d);
        let p0 = (self.sz + d) >> 31;
        // UPPOL2: −1 where signs differ.
        let differs1 = p0 ^ self.p1;
        let differs2 = p0 ^ self.p2;
        let wd = saturate_wide(self.a1 << 2);
        let wd = negate_if(wd, !differs1).min(32_767) >> 7;
        let a2 = wd + negate_if(128, differs2) + ((self.a2 * 32_512) >> 15);
        let a2 = a2.clamp(-12_288, 12_288);
        // UPPOL1
        let limit = 15_360 - a2;
        let a1 = negate_if(192, differs1) + ((self.a1 * 32_640) >> 15);
        let a1 = a1.min(limit).max(-limit);
        // UPZERO and FILTEZ. |d| is at most 16384 · 20456 / 32768, so that even twice as much fits.
        self.sz = self.taps.update(lower_half(d));
        // FILTEP and PREDIC
        let r0 = saturate_wide(r << 1);
        let sp = saturate_wide(((a1 * r0) >> 15) + ((a2 * self.r1) >> 15));
        self.s = saturate_wide(sp + self.sz);
        (self.p2, self.p1) = (self.p1, p0);
        (self.a1, self.a2, self.r1) = (a1, a2, r0);
    }
}

/// The limits that block 6 puts on a decoded sample.
#[inline(always)]
fn limit(sample: i32) -> i16 {
    saturate(sample.clamp(-16_384, 16_383))
}

/// The lower band.
#[derive(Clone, Debug)]
pub(super) struct Low(Band);

/// How many bits of a lower band's code a decoder hears; the rest is not audio (§1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolution {
    /// Mode 1.
    Six,
    /// Mode 2.
    Five,
    /// Mode 3.
    Four,
}

impl Low {
    pub(super) fn new() -> Self {
        Self(Band::new(32))
    }

    #[inline(always)]
    fn adapt(&mut self, code: u8) {
        let step = STEP_LOW[usize::from(code >> 2) % STEP_LOW.len()];
        self.0.adapt(step, 18_432, LOW_OFFSET);
    }

    /// The 6-bit code of a sample of at most 15 bits: block 1L.
    #[inline(always)]
    pub(super) fn encode(&mut self, sample: i16) -> u8 {
        let e = saturate_wide(i32::from(sample) - self.0.s);
        let sign = e >> 31;
        let magnitude = (e ^ sign).cast_unsigned();
        // The levels are floor(DECISION · DET / 4096), and `magnitude` ≥ that level just where DECISION is not
        // above this quotient.
        let scale = self.0.det.cast_unsigned().max(1);
        let ratio = (((magnitude + 1) << 12) - 1) / scale;
        let ratio = ratio.min(u32::from(TOP_DECISION_6)) as usize;
        let level = usize::from(MAGNITUDE_6[ratio]) | (index(sign) & 32);
        let code = CODE_6[level % CODE_6.len()];
        self.adapt(code);
        code
    }

    /// The sample of a 6-bit code, at most 15 bits: blocks 2L to 6L.
    #[inline(always)]
    pub(super) fn decode(&mut self, code: u8, resolution: Resolution) -> i16 {
        let code = code & 63;
        let difference = match resolution {
            Resolution::Six => INVERSE_6[usize::from(code) % INVERSE_6.len()],
            Resolution::Five => INVERSE_5[usize::from(code >> 1) % INVERSE_5.len()],
            Resolution::Four => STEP_LOW[usize::from(code >> 2) % STEP_LOW.len()].difference,
        };
        let sample = self.0.s + ((self.0.det * i32::from(difference)) >> 15);
        self.adapt(code);
        limit(sample)
    }
}

/// The higher band.
#[derive(Clone, Debug)]
pub(super) struct High(Band);

impl High {
    pub(super) fn new() -> Self {
        Self(Band::new(8))
    }

    #[inline(always)]
    fn adapt(&mut self, code: u8) -> i32 {
        let step = STEP_HIGH[usize::from(code) % STEP_HIGH.len()];
        self.0.adapt(step, 22_528, 0)
    }

    /// The 2-bit code of a sample of at most 15 bits: block 1H.
    #[inline(always)]
    pub(super) fn encode(&mut self, sample: i16) -> u8 {
        let e = saturate_wide(i32::from(sample) - self.0.s);
        let sign = e >> 31;
        // Tables 15 and 16: 1 and 0 below zero, 3 and 2 above it.
        let small = u8::from((e ^ sign) < (DECISION_2 * self.0.det) >> 12);
        let code = small | (u8::from(sign == 0) << 1);
        self.adapt(code);
        code
    }

    /// The sample of a 2-bit code, at most 15 bits: blocks 2H to 6H.
    #[inline(always)]
    pub(super) fn decode(&mut self, code: u8) -> i16 {
        let predicted = self.0.s;
        limit(predicted + self.adapt(code))
    }
}
