//! Words about DTMF, for the table.

use std::num::NonZeroU32;
use std::time::Duration;

use media_core::media::transcode::{Digit, DtmfOptions, Frequencies, Hiding};
use media_core::session::{DigitSequence, DtmfRequest, DtmfTrigger};

use super::{Flags, once};

/// What a request says about DTMF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtmfFlags {
    /// `DTMF-security`.
    security: Option<Security>,
    /// `DTMF-security-trigger`.
    trigger_security: Option<Security>,
    /// `DTMF-security-trigger-end`.
    end_security: Option<Security>,
    /// `trigger`; the inner `None`: nothing that can be dialled.
    trigger: Option<Option<DigitSequence>>,
    /// `trigger-end`.
    end: Option<DigitSequence>,
    /// `trigger-end-digits`.
    end_digits: Option<NonZeroU32>,
    /// `trigger-end-time`.
    end_after: Option<Duration>,
    /// `code` or `digit`; the inner `None`: none that there is.
    code: Option<Option<Digit>>,
    /// `duration`, ms.
    duration_ms: Option<i64>,
    /// `pause`, ms.
    pause_ms: Option<i64>,
    /// `volume`, dB.
    volume: Option<i64>,
    /// `frequency`, Hz.
    frequencies: Vec<u16>,
    /// `DTMF-delay`, ms.
    delay_ms: u16,
    /// What goes to offer and answer as it is.
    pub(super) request: DtmfRequest,
}

/// `DTMF-security` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Off,
    Drop,
    Silence,
    Tone,
    Random,
    Zero,
    Dtmf,
}

/// Level of what stands in for a digit, dBm0.
const HIDDEN_DBM0: i8 = -10;
/// Level of a digit that is played, dBm0.
const PLAYED_DBM0: i8 = -8;
/// How long a digit that is played may sound, or the pause behind it be, ms.
const PLAYED_MS: std::ops::RangeInclusive<i64> = 100..=5000;

/// A digit to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// `code` or `digit`, if it is one.
    pub digit: Option<Digit>,
    /// `duration`, 250 unless given.
    pub duration_ms: u16,
    /// `pause`, 100 unless given.
    pub pause_ms: u16,
    /// `volume`, −8 unless given; what is above 0 counts as below.
    pub volume_dbm0: i8,
}

impl DtmfFlags {
    /// As `block DTMF` means it: without any `DTMF-security` digits are dropped, or, if any are to be hidden
    /// later, pass.
    #[must_use]
    pub fn blocked(&self) -> DtmfOptions {
        let later = self.trigger.is_some() || self.trigger_security.is_some();
        let default = if later { Security::Off } else { Security::Drop };
        self.options(self.security.unwrap_or(default))
    }

    /// What changes that; without a mode of its own, digits pass from then on.
    #[must_use]
    pub fn trigger(&self) -> Option<DtmfTrigger> {
        Some(DtmfTrigger {
            start: self.trigger.clone().flatten()?,
            hiding: self.hiding(self.trigger_security.unwrap_or(Security::Off)),
            end: self.end.clone(),
            end_digits: self.end_digits,
            end_after: self.end_after,
            end_hiding: self.hiding(self.end_security.unwrap_or(Security::Off)),
        })
    }

    fn hiding(&self, security: Security) -> Hiding {
        let digit = self.code.flatten().or(Digit::from_event(0));
        match security {
            Security::Off => Hiding::Off,
            Security::Drop => Hiding::Drop,
            Security::Silence => Hiding::Silence,
            Security::Tone => Hiding::Tone(Frequencies::new(&self.frequencies)),
            Security::Random => Hiding::Random,
            Security::Zero => Digit::from_event(0).map_or(Hiding::Drop, Hiding::Digit),
            Security::Dtmf => digit.map_or(Hiding::Drop, Hiding::Digit),
        }
    }

    fn options(&self, security: Security) -> DtmfOptions {
        DtmfOptions {
            hiding: self.hiding(security),
            volume_dbm0: self.level(HIDDEN_DBM0),
            delay_ms: self.delay_ms,
            ..DtmfOptions::default()
        }
    }

    /// As `offer` and `answer` mean it: no triggers there, as with rtpengine.
    #[must_use]
    pub fn request(&self) -> DtmfRequest {
        DtmfRequest {
            options: self.options(self.security.unwrap_or(Security::Drop)),
            ..self.request
        }
    }

    /// As `play DTMF` means it.
    #[must_use]
    pub fn played(&self) -> Played {
        let within = |ms: Option<i64>, default: u16| {
            let ms = ms.map(|ms| ms.clamp(*PLAYED_MS.start(), *PLAYED_MS.end()));
            ms.and_then(|ms| u16::try_from(ms).ok()).unwrap_or(default)
        };
        Played {
            digit: self.code.flatten(),
            duration_ms: within(self.duration_ms, 250),
            pause_ms: within(self.pause_ms, 100),
            volume_dbm0: self.level(PLAYED_DBM0),
        }
    }

    fn level(&self, default: i8) -> i8 {
        let below = self.volume.map(|volume| volume.unsigned_abs().min(63));
        let below = below.and_then(|below| i8::try_from(below).ok());
        below.map_or(default, |below| -below)
    }
}

/// `code`, `digit`: a number up to 15, or a key.
pub(super) fn code(flags: &mut Flags, text: &str) {
    let by_number = text.parse().ok().and_then(Digit::from_event);
    let mut chars = text.chars();
    let by_key = match (chars.next(), chars.next()) {
        (Some(key), None) if !key.is_ascii_lowercase() => Digit::from_char(key),
        _ => None,
    };
    flags.dtmf.code = Some(by_number.or(by_key));
}

/// `duration`.
pub(super) fn duration(flags: &mut Flags, text: &str) {
    flags.dtmf.duration_ms = text.trim().parse().ok().or(flags.dtmf.duration_ms);
}

/// `pause`: of a digit; `stop recording` knows a word of this name.
pub(super) fn pause(flags: &mut Flags, text: &str) {
    flags.dtmf.pause_ms = text.trim().parse().ok().or(flags.dtmf.pause_ms);
}

/// `volume`.
pub(super) fn volume(flags: &mut Flags, text: &str) {
    flags.dtmf.volume = text.trim().parse().ok().or(flags.dtmf.volume);
}

/// `frequency`, `frequencies`: each number once.
pub(super) fn frequency(flags: &mut Flags, text: &str) {
    let known = |hz: &u16| (1..=4000).contains(hz);
    if flags.dtmf.frequencies.len() < Frequencies::MAX {
        let hz = text.trim().parse().ok().filter(known);
        flags.dtmf.frequencies.extend(hz);
    }
}

/// `DTMF-delay`.
pub(super) fn delay(flags: &mut Flags, text: &str) {
    if let Ok(ms) = text.trim().parse::<u64>() {
        flags.dtmf.delay_ms = u16::try_from(ms).unwrap_or(u16::MAX);
    }
}

/// `DTMF-log-dest`.
pub(super) fn log_dest(flags: &mut Flags, text: &str) {
    match text.parse() {
        Ok(address) => flags.dtmf.request.log_dest = Some(address),
        Err(_) => once::unknown("`DTMF-log-dest` address", text),
    }
}

/// `DTMF-security`.
pub(super) fn security(flags: &mut Flags, word: &str) {
    flags.dtmf.security = mode(word).or(flags.dtmf.security);
}

/// `DTMF-security-trigger`.
pub(super) fn trigger_security(flags: &mut Flags, word: &str) {
    flags.dtmf.trigger_security = mode(word).or(flags.dtmf.trigger_security);
}

/// `DTMF-security-trigger-end`.
pub(super) fn end_security(flags: &mut Flags, word: &str) {
    flags.dtmf.end_security = mode(word).or(flags.dtmf.end_security);
}

/// `trigger`.
pub(super) fn trigger(flags: &mut Flags, keys: &str) {
    if !keys.is_empty() {
        flags.dtmf.trigger = Some(sequence(keys));
    }
}

/// `trigger-end`, `end-trigger`.
pub(super) fn end(flags: &mut Flags, keys: &str) {
    if !keys.is_empty() {
        flags.dtmf.end = sequence(keys);
    }
}

/// `trigger-end-digits`, `end-trigger-digits`.
pub(super) fn end_digits(flags: &mut Flags, text: &str) {
    flags.dtmf.end_digits = text.trim().parse().ok().or(flags.dtmf.end_digits);
}

/// `trigger-end-time`, `end-trigger-time`: ms.
pub(super) fn end_time(flags: &mut Flags, text: &str) {
    let ms = text.trim().parse().ok().filter(|ms: &u32| *ms > 0);
    let after = ms.map(|ms| Duration::from_millis(ms.into()));
    flags.dtmf.end_after = after.or(flags.dtmf.end_after);
}

fn sequence(keys: &str) -> Option<DigitSequence> {
    let sequence = DigitSequence::parse(keys);
    if sequence.is_none() {
        once::unknown("sequence of digits", keys);
    }
    sequence
}

fn mode(word: &str) -> Option<Security> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" => Security::Off,
        "drop" => Security::Drop,
        "silence" => Security::Silence,
        "tone" => Security::Tone,
        "random" => Security::Random,
        "zero" => Security::Zero,
        "dtmf" => Security::Dtmf,
        other => {
            once::unknown("`DTMF-security` word", other);
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ng::json;

    fn of(text: &str) -> DtmfFlags {
        Flags::of(&json::decode(text.as_bytes()).unwrap()).dtmf
    }

    fn digit(key: char) -> Option<Digit> {
        Digit::from_char(key)
    }

    #[test]
    fn every_mode_has_its_word() {
        let zero = Hiding::Digit(digit('0').unwrap());
        for (word, hiding) in [
            ("drop", Hiding::Drop),
            ("silence", Hiding::Silence),
            ("tone", Hiding::Tone(Frequencies::default())),
            ("random", Hiding::Random),
            ("zero", zero),
            ("DTMF", zero),
            ("off", Hiding::Off),
            ("frob", Hiding::Drop),
        ] {
            let options = of(&format!(r#"{{"DTMF-security":"{word}"}}"#)).blocked();
            assert_eq!(
                (options.hiding, options.volume_dbm0),
                (hiding, -10),
                "{word}"
            );
        }
        assert_eq!(of("{}").blocked().hiding, Hiding::Drop);
        let seven = of(r##"{"DTMF-security":"DTMF","digit":"#","volume":20,"DTMF-delay":300}"##);
        let expected = DtmfOptions {
            hiding: Hiding::Digit(digit('#').unwrap()),
            volume_dbm0: -20,
            delay_ms: 300,
            ..DtmfOptions::default()
        };
        assert_eq!(seven.blocked(), expected);
    }

    #[test]
    fn frequencies_come_as_number_text_and_list() {
        let both = Hiding::Tone(Frequencies::new(&[600, 1000]));
        for (value, hiding) in [
            ("600", Hiding::Tone(Frequencies::new(&[600]))),
            (r#""600""#, Hiding::Tone(Frequencies::new(&[600]))),
            (r#""600,1000""#, both),
            (r#"[600,"1000"]"#, both),
            (r#""x,0,9999""#, Hiding::Tone(Frequencies::default())),
        ] {
            for key in ["frequency", "frequencies"] {
                let text = format!(r#"{{"DTMF-security":"tone","{key}":{value}}}"#);
                assert_eq!(of(&text).blocked().hiding, hiding, "{text}");
            }
        }
    }

    #[test]
    fn codes_are_numbers_or_keys() {
        for (value, expected) in [
            ("0", digit('0')),
            ("15", digit('D')),
            ("16", None),
            ("-1", None),
            (r#""7""#, digit('7')),
            (r#""10""#, digit('*')),
            (r##""#""##, digit('#')),
            (r#""D""#, digit('D')),
            (r#""d""#, None),
            (r#""x""#, None),
            (r#""""#, None),
            (r#""1 ""#, None),
        ] {
            for key in ["code", "digit"] {
                let text = format!(r#"{{"{key}":{value}}}"#);
                assert_eq!(of(&text).played().digit, expected, "{text}");
            }
        }
    }

    #[test]
    fn played_digit_has_bounds_and_defaults() {
        let of_text = |text: &str| {
            let played = of(text).played();
            (played.duration_ms, played.pause_ms, played.volume_dbm0)
        };
        assert_eq!(of_text("{}"), (250, 100, -8));
        assert_eq!(
            of_text(r#"{"duration":50,"pause":"99999","volume":5}"#),
            (100, 5000, -5)
        );
        assert_eq!(
            of_text(r#"{"duration":"x","pause":"yes","volume":-100}"#),
            (250, 100, -63)
        );
    }

    #[test]
    fn offers_have_flags_and_a_destination() {
        let flags = of(
            r#"{"flags":["block-DTMF","detect DTMF","inject-DTMF","DTMF-security-zero"],
                "DTMF-log-dest":"[::1]:9"}"#,
        );
        let request = flags.request();
        assert!(request.block && request.detect);
        assert_eq!(request.log_dest, "[::1]:9".parse().ok());
        assert_eq!(request.options.hiding, Hiding::Digit(digit('0').unwrap()));
        assert_eq!(of(r#"{"DTMF-log-dest":"here"}"#).request().log_dest, None);
    }

    #[test]
    fn triggers_have_modes_and_ends() {
        let flags = of(
            r##"{"trigger":"*1","DTMF-security":"zero","DTMF security trigger":"drop",
                "end_trigger":"#9","trigger-end-digits":"16","end-trigger-time":3000,
                "DTMF-security-trigger-end":"silence"}"##,
        );
        let zero = digit('0').map_or(Hiding::Off, Hiding::Digit);
        assert_eq!(flags.blocked().hiding, zero);
        let expected = DtmfTrigger {
            start: DigitSequence::parse("*1").unwrap(),
            hiding: Hiding::Drop,
            end: DigitSequence::parse("#9"),
            end_digits: NonZeroU32::new(16),
            end_after: Some(Duration::from_secs(3)),
            end_hiding: Hiding::Silence,
        };
        assert_eq!(flags.trigger(), Some(expected));
        assert_eq!(flags.request().options.hiding, zero);
    }

    #[test]
    fn digits_pass_before_a_trigger_and_without_a_mode_behind_it() {
        let bare = of(r#"{"trigger":"*1"}"#);
        assert_eq!(bare.blocked().hiding, Hiding::Off);
        let trigger = bare.trigger().unwrap();
        assert_eq!(
            (trigger.hiding, trigger.end_hiding),
            (Hiding::Off, Hiding::Off)
        );
        for (text, hiding) in [
            (r#"{"trigger":"* 1"}"#, Hiding::Off),
            (r#"{"DTMF-security-trigger":"zero"}"#, Hiding::Off),
            (r#"{"trigger":""}"#, Hiding::Drop),
            (r#"{"trigger":11}"#, Hiding::Drop),
            (r#"{"trigger-end":"1"}"#, Hiding::Drop),
            (r#"{"DTMF-security-trigger-end":"zero"}"#, Hiding::Drop),
        ] {
            let flags = of(text);
            assert_eq!(flags.blocked().hiding, hiding, "{text}");
            assert_eq!(flags.trigger(), None, "{text}");
        }
        for text in [
            r#"{"trigger":"1","trigger-end-digits":0,"trigger-end-time":0}"#,
            r#"{"trigger":"1","trigger-end-digits":-1,"trigger-end-time":-1}"#,
            r#"{"trigger":"1","trigger-end-digits":"x","trigger-end-time":"x"}"#,
            r#"{"trigger":"1","trigger-end-ms":5}"#,
        ] {
            let trigger = of(text).trigger().unwrap();
            assert_eq!((trigger.end_digits, trigger.end_after), (None, None));
        }
    }
}
