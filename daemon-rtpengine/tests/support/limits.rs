//! What a tone must be like behind codecs.

use super::phone::Phone;
use super::tone::{Recording, Tone};

/// How a tone may have suffered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How far its level may be off.
    pub(crate) tolerance_db: f64,
    /// How far all that is not the tone must be below it.
    pub(crate) purity_db: f64,
}

/// The noise of G.711 twice over is 33 dB below a tone, that of G.722 and G.711 37 dB.
pub(crate) const CLEAN: Limits = Limits {
    tolerance_db: 0.5,
    purity_db: 30.0,
};
/// Opus codes a tone as if it were somebody's voice; through rtpengine it is 16 dB.
pub(crate) const VOICE: Limits = Limits {
    tolerance_db: 1.0,
    purity_db: 12.0,
};
/// rtpengine spreads one channel over the two of Opus, and loses half of the power.
pub(crate) const VOICE_FROM_RTPENGINE: Limits = Limits {
    tolerance_db: 3.5,
    ..VOICE
};

/// That `phone` hears this tone from now on; says what was measured.
///
/// # Panics
/// When it does not.
pub(crate) fn expect_tone(phone: &Phone, tone: Tone, limits: Limits, who: &str) {
    let heard = phone.record();
    let heard = heard.unwrap_or_else(|| {
        let (count, complaints) = (phone.heard(), phone.complaints());
        panic!("the {who} heard no second without a gap: {count} packets, {complaints:?}")
    });
    let who = format!("the {who}, with {},", phone.coding().codec.name);
    judge(&heard, tone, limits, &who);
}

/// That a recording holds this tone within limits; says what was measured.
///
/// # Panics
/// When it does not.
pub(crate) fn judge(heard: &Recording, tone: Tone, limits: Limits, who: &str) {
    let (level, purity) = (tone.gain_db(heard), heard.purity_db(tone.frequency_hz));
    println!(
        "{who} hears {} Hz at {level:+.2} dB, all else at {:.1} dB",
        tone.frequency_hz, -purity,
    );
    assert!(level.abs() <= limits.tolerance_db, "not within {limits:?}");
    assert!(purity >= limits.purity_db, "not within {limits:?}");
}
