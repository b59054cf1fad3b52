//! The numbers of ITU-T G.722 (09/2012) §3 to §6, and what follows from them.

/// Half of the QMF's 24 coefficients, those of even index; the odd ones are the same backwards (table 11).
pub(super) const QMF: [i16; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the 60-level quantizer, in 1/4096 of the scale factor (table 14).
const DECISION_6: [u16; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// The highest of [`DECISION_6`].
pub(super) const TOP_DECISION_6: u16 = DECISION_6[29];

/// Decision level of the higher band's quantizer, likewise.
pub(super) const DECISION_2: i32 = 564;

/// Outputs of the inverse quantizers, in 1/32768 of the scale factor (tables 17 and 18).
const INVERSE_4: [i16; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];

/// As [`INVERSE_4`] with one bit more: what modes 1 and 2 hear.
pub(super) const INVERSE_5: [i16; 32] = [
    -280, -280, -23352, -17560, -14120, -11664, -9752, -8184, -6864, -5712, -4696, -3784, -2960,
    -2208, -1520, -880, 23352, 17560, 14120, 11664, 9752, 8184, 6864, 5712, 4696, 3784, 2960, 2208,
    1520, 880, 280, -280,
];

/// As [`INVERSE_4`] with two bits more: what mode 1 hears.
pub(super) const INVERSE_6: [i16; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Outputs of the higher band's inverse quantizer.
const INVERSE_2: [i16; 4] = [-7408, -1616, 7408, 1616];

/// Steps of the logarithmic scale factor by magnitude, and the magnitudes of the 4-bit codes.
const LOG_STEP_LOW: [i16; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const MAGNITUDE_4: [u8; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
/// The same by the 2-bit codes of the higher band.
const LOG_STEP_HIGH: [i16; 4] = [798, -214, 798, -214];

/// 2 to the power of i/32, times 2048 (table 20).
const EXPONENTIAL: [i16; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// What a code means to a predictor and its scale factor.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Difference, 1/32768 of the scale factor.
    pub(super) difference: i16,
    /// Change of the logarithmic scale factor.
    pub(super) log_step: i16,
}

/// By the four upper bits of a lower band's code.
pub(super) static STEP_LOW: [Step; 16] = steps_low();
/// By the higher band's code.
pub(super) static STEP_HIGH: [Step; 4] = steps_high();

const fn steps_low() -> [Step; 16] {
    let mut steps = [Step {
        difference: 0,
        log_step: 0,
    }; 16];
    let mut code = 0;
    while code < steps.len() {
        steps[code] = Step {
            difference: INVERSE_4[code],
            log_step: LOG_STEP_LOW[MAGNITUDE_4[code] as usize],
        };
        code += 1;
    }
    steps
}

const fn steps_high() -> [Step; 4] {
    let mut steps = [Step {
        difference: 0,
        log_step: 0,
    }; 4];
    let mut code = 0;
    while code < steps.len() {
        steps[code] = Step {
            difference: INVERSE_2[code],
            log_step: LOG_STEP_HIGH[code],
        };
        code += 1;
    }
    steps
}

/// Scale factor of the higher band by the upper bits of its logarithm (§6.2.1.3 SCALEH); the lower band's is
/// that of [`LOW_OFFSET`] further. Longer than the 353 in use so that a mask keeps an index in bounds.
pub(super) static SCALE: [i16; 512] = scale();
/// The lower band's scale factor is four times the higher's: two octaves of 32.
pub(super) const LOW_OFFSET: i32 = 64;

const fn scale() -> [i16; 512] {
    let mut scale = [0; 512];
    let mut i = 0;
    while i <= 352 {
        scale[i] = (EXPONENTIAL[i % 32] << 1) >> (11 - i / 32) << 2;
        i += 1;
    }
    scale
}

/// Magnitude (0–29) of a difference by its ratio to the scale factor in 1/4096, instead of a search through
/// [`DECISION_6`].
pub(super) static MAGNITUDE_6: [u8; TOP_DECISION_6 as usize + 1] = magnitudes();

const fn magnitudes() -> [u8; TOP_DECISION_6 as usize + 1] {
    let mut magnitudes = [0; TOP_DECISION_6 as usize + 1];
    let (mut ratio, mut magnitude) = (0, 0);
    while ratio < magnitudes.len() {
        if magnitude < 29 && ratio == DECISION_6[magnitude as usize + 1] as usize {
            magnitude += 1;
        }
        magnitudes[ratio] = magnitude;
        ratio += 1;
    }
    magnitudes
}

/// Code of a lower band's difference: index is its magnitude, plus 32 if it is negative (table 16).
pub(super) static CODE_6: [u8; 64] = codes();

const fn codes() -> [u8; 64] {
    let mut codes = [0; 64];
    let mut magnitude = 0_u8;
    while magnitude < 30 {
        codes[magnitude as usize] = 61 - magnitude;
        // All zeros must not be sent, so the negative codes skip the first four and use the last two.
        codes[magnitude as usize + 32] = if magnitude < 2 {
            63 - magnitude
        } else {
            33 - magnitude
        };
        magnitude += 1;
    }
    codes
}
