//! Comfort noise (RFC 3389): what a party that sends nothing in pauses says its silence sounds like.
//!
//! Not a codec: a payload describes noise until the next one, of whatever length. [`NoiseAnalyzer`] makes
//! payloads of silence, [`NoiseGenerator`] noise of payloads.
//!
//! ```text
//!  0 1 2 3 4 5 6 7 ┬ 0 … 7 ┬ 0 … 7 ┬ …
//! │0│    level    │  k1   │  k2   │ …      level: −dBov, k: (byte − 127) · 258 / 32768
//! ```

/// Reflection coefficients that are heeded; of a longer payload the rest are ignored, as §3.3 allows.
pub const MAX_ORDER: usize = 16;
/// What the payload's byte is for a coefficient of 0, and how far one step goes.
const ZERO: i16 = 127;
const QUANTUM: f32 = 258.0 / 32_768.0;
/// The root mean square that is 0 dBov: a square wave's of full scale.
const OVERLOAD: f32 = 32_768.0;
/// Lowest level that can be said, −dBov.
const QUIETEST: u8 = 127;

/// What noise sounds like.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NoiseParameters {
    /// Below overload, dB: 0–127.
    level: u8,
    /// Each in −1 to 1, not including either.
    reflections: [f32; MAX_ORDER],
    order: usize,
}

impl NoiseParameters {
    /// White noise at `level` dB below overload; more than 127 counts as 127.
    #[must_use]
    pub fn white(level: u8) -> Self {
        Self {
            level: level.min(QUIETEST),
            reflections: [0.0; MAX_ORDER],
            order: 0,
        }
    }

    /// Reads a payload (RFC 3389 §3). `None` if it is empty; the level's reserved bit is ignored.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (level, coefficients) = payload.split_first()?;
        let mut parameters = Self::white(level & 0x7f);
        for (reflection, byte) in parameters.reflections.iter_mut().zip(coefficients) {
            // 255 is reserved; it would be 1.008.
            *reflection = f32::from(i16::from((*byte).min(254)) - ZERO) * QUANTUM;
            parameters.order += 1;
        }
        Some(parameters)
    }

    /// Writes the payload into the front of `out`, as many coefficients as there is room for, and returns its
    /// length: 0 if there is no room at all.
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let Some((level, coefficients)) = out.split_first_mut() else {
            return 0;
        };
        *level = self.level;
        let order = self.order.min(coefficients.len());
        for (byte, reflection) in coefficients.iter_mut().zip(&self.reflections[..order]) {
            *byte = quantize(*reflection);
        }
        1 + order
    }

    /// Below overload, dB: 0–127.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The reflection coefficients k1 …, at most [`MAX_ORDER`]. The noise is white noise through 1/A(z), whose
    /// lattice has these; k1 is negative where neighbouring samples are alike.
    #[must_use]
    pub fn reflections(&self) -> &[f32] {
        &self.reflections[..self.order]
    }
}

/// The byte of a coefficient.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 to 254; not a number becomes 0"
)]
fn quantize(reflection: f32) -> u8 {
    (reflection / QUANTUM + f32::from(ZERO))
        .round()
        .clamp(0.0, 254.0) as u8
}

/// Makes noise, the same for the same seed. Level and colour of new parameters are reached over the next call.
#[derive(Clone, Debug)]
pub struct NoiseGenerator {
    random: u64,
    /// What the lattice remembers, one per stage.
    backward: [f32; MAX_ORDER],
    parameters: NoiseParameters,
    /// Amplitude of what goes into the lattice, and the one that is to be.
    gain: f32,
    target: f32,
}

impl NoiseGenerator {
    /// Makes noise of `parameters` from its first sample.
    #[must_use]
    pub fn new(parameters: NoiseParameters, seed: u64) -> Self {
        let gain = excitation(&parameters);
        Self {
            // Xorshift never leaves 0.
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            backward: [0.0; MAX_ORDER],
            parameters,
            gain,
            target: gain,
        }
    }

    /// From now on noise of `parameters`.
    pub fn set(&mut self, parameters: NoiseParameters) {
        self.target = excitation(&parameters);
        self.parameters = parameters;
    }

    /// Fills `out` with noise, one channel.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float to integer saturates, which is wanted"
    )]
    pub fn fill(&mut self, out: &mut [i16]) {
        let step = (self.target - self.gain) / out.len().max(1) as f32;
        for out in out.iter_mut() {
            self.gain += step;
            let excitation = self.gain * self.white();
            *out = self.colour(excitation).round() as i16;
        }
        self.gain = self.target;
    }

    /// A sample of unit variance: the sum of four uniform ones, nearly normal.
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let words = self.random.to_le_bytes();
        let sum: i32 = words
            .chunks_exact(2)
            .map(|w| i32::from(i16::from_le_bytes([w[0], w[1]])))
            .sum();
        // Each is uniform on ±32768, of variance 32768²/3.
        sum as f32 * (0.866_025_4 / OVERLOAD)
    }

    /// One sample through the lattice of 1/A(z).
    fn colour(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        let order = self.parameters.order;
        for stage in (0..order).rev() {
            let k = self.parameters.reflections[stage];
            forward -= k * self.backward[stage];
            let passed = self.backward[stage] + k * forward;
            if let Some(next) = self.backward.get_mut(stage + 1) {
                *next = passed;
            }
        }
        if let Some(first) = self.backward.first_mut() {
            *first = forward;
        }
        forward
    }
}

/// The amplitude of white noise that the lattice turns into noise of the right level: each stage raises the
/// power by 1/(1 − k²).
fn excitation(parameters: &NoiseParameters) -> f32 {
    // Nothing is quieter than the quietest level: silence.
    if parameters.level >= QUIETEST {
        return 0.0;
    }
    let level = OVERLOAD * 10_f32.powf(-f32::from(parameters.level) / 20.0);
    let losses = parameters.reflections().iter().map(|k| 1.0 - k * k);
    level * losses.product::<f32>().sqrt()
}

/// Finds what silence sounds like.
#[derive(Clone, Debug)]
pub struct NoiseAnalyzer {
    order: usize,
    /// Smoothed power per sample, and autocorrelation by lag as parts of the power.
    power: f32,
    correlation: [f32; MAX_ORDER + 1],
    heard: bool,
}

impl NoiseAnalyzer {
    /// Gives `order` reflection coefficients, 0 to [`MAX_ORDER`]; 0 describes white noise. 10 is enough for
    /// 8000 Hz.
    #[must_use]
    pub fn new(order: usize) -> Self {
        Self {
            order: order.min(MAX_ORDER),
            power: 0.0,
            correlation: [0.0; MAX_ORDER + 1],
            heard: false,
        }
    }

    /// Learns from a packet of silence, one channel. Half of what is known is of the last packet, so a few
    /// suffice, and one click does not stay.
    pub fn hear(&mut self, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        let keep = if self.heard { 0.5 } else { 0.0 };
        self.heard = true;
        let count = samples.len() as f32;
        for lag in 0..=self.order {
            let later = samples.get(lag..).unwrap_or_default();
            let sum: i64 = later
                .iter()
                .zip(samples)
                .map(|(a, b)| i64::from(i32::from(*a) * i32::from(*b)))
                .sum();
            let now = sum as f32 / count;
            self.correlation[lag] = keep * self.correlation[lag] + (1.0 - keep) * now;
        }
        self.power = self.correlation[0];
    }

    /// Forgets all, as after speech.
    pub fn reset(&mut self) {
        *self = Self::new(self.order);
    }

    /// What the silence sounds like: −127 dBov if none was heard.
    #[must_use]
    pub fn parameters(&self) -> NoiseParameters {
        let mut parameters = NoiseParameters::white(level(self.power));
        if self.power > 0.0 {
            parameters.order = self.order;
            reflections(&self.correlation, &mut parameters.reflections[..self.order]);
        }
        parameters
    }
}

/// −dBov of a power per sample, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped; infinity too"
)]
fn level(power: f32) -> u8 {
    let below = -10.0 * (power / (OVERLOAD * OVERLOAD)).log10();
    below.round().clamp(0.0, f32::from(QUIETEST)) as u8
}

/// The Levinson–Durbin recursion, as far as it goes: the rest are 0.
fn reflections(correlation: &[f32; MAX_ORDER + 1], out: &mut [f32]) {
    out.fill(0.0);
    let mut a = [0.0_f32; MAX_ORDER + 1];
    // A floor under the spectrum, 40 dB below its power, keeps the recursion stable.
    let mut error = correlation[0] * 1.0001;
    for (i, out) in out.iter_mut().enumerate() {
        let ahead: f32 = (1..=i).map(|j| a[j] * correlation[i + 1 - j]).sum();
        let k = -(correlation[i + 1] + ahead) / error;
        if k.is_nan() || k.abs() >= 1.0 {
            return;
        }
        *out = k;
        let before = a;
        for j in 1..=i {
            a[j] = before[j] + k * before[i + 1 - j];
        }
        a[i + 1] = k;
        error *= 1.0 - k * k;
    }
}

#[cfg(test)]
mod tests;
