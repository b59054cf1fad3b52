//! Checks against the Recommendation's tables, written down here independently of the code: segment
//! by segment decision values, values in the middle of the intervals, character signals by counting.

use super::*;
use crate::SampleRate;

/// One law's positive half, as tables 1a and 2a define it, scaled to 16 bits.
struct Definition {
    /// Interval n reaches from `decisions[n]` up to below `decisions[n + 1]`; 129 values.
    decisions: Vec<i32>,
    /// Sample that interval n decodes to; 128 values.
    values: Vec<i32>,
    /// Character signal of interval n with positive and with negative sign.
    signals: Vec<[u8; 2]>,
}

/// Table 1a: 32 intervals of 2 up to 64, then 16 intervals each up to 128, 256, … 4096, in units of
/// 8. Even bits (the first bit being bit 1, the sign) are inverted.
fn a_law() -> Definition {
    let mut decisions: Vec<i32> = (0..=32).map(|n| n * 2).collect();
    for end in [128, 256, 512, 1024, 2048, 4096] {
        let step = end / 32;
        decisions.extend((1..=16).map(|n| end / 2 + n * step));
    }
    let decisions: Vec<i32> = decisions.iter().map(|d| d * 8).collect();
    let values = decisions.windows(2).map(|d| (d[0] + d[1]) / 2).collect();
    let signals = (0..128_u8)
        .map(|n| [(n | 0b1000_0000) ^ 0b0101_0101, n ^ 0b0101_0101])
        .collect();
    Definition {
        decisions,
        values,
        signals,
    }
}

/// Table 2a: one interval of 1 around zero, 15 of 2 up to 31, then 16 each up to 95, 223, 479, 991,
/// 2015, 4063, 8159, in units of 4. Character signals count down from 1111 1111.
fn mu_law() -> Definition {
    let mut decisions = vec![0];
    decisions.extend((0..16).map(|n| 1 + 2 * n));
    for (start, end) in [
        (31, 95),
        (95, 223),
        (223, 479),
        (479, 991),
        (991, 2015),
        (2015, 4063),
        (4063, 8159),
    ] {
        let step = (end - start) / 16;
        decisions.extend((1..=16).map(|n| start + n * step));
    }
    let decisions: Vec<i32> = decisions.iter().map(|d| d * 4).collect();
    let mut values: Vec<i32> = decisions.windows(2).map(|d| (d[0] + d[1]) / 2).collect();
    // The interval around zero reaches to both sides of it.
    values[0] = 0;
    let signals = (0..128_u8).map(|n| [255 - n, 127 - n]).collect();
    Definition {
        decisions,
        values,
        signals,
    }
}

impl Definition {
    fn encode(&self, sample: i16) -> u8 {
        let sample = i32::from(sample);
        // On a decision value: the interval above, seen on the axis from −∞ to +∞. Below zero that
        // is the one nearer to zero; −½ moves no other sample across a decision value.
        let (doubled, sign) = if sample < 0 {
            (-2 * sample - 1, 1)
        } else {
            (2 * sample, 0)
        };
        let interval = (0..127)
            .find(|n| doubled < 2 * self.decisions[n + 1])
            .unwrap_or(127);
        self.signals[interval][sign]
    }

    fn decode(&self, code: u8) -> i32 {
        for (signals, value) in self.signals.iter().zip(&self.values) {
            if signals[0] == code {
                return *value;
            }
            if signals[1] == code {
                return -value;
            }
        }
        panic!("{code} is no character signal");
    }
}

#[test]
fn definitions_have_the_ends_that_the_tables_print() {
    let a = a_law();
    assert_eq!((a.decisions.len(), a.values.len()), (129, 128));
    assert_eq!(
        (a.decisions[128], a.values[0], a.values[127]),
        (4096 * 8, 8, 4032 * 8)
    );
    let mu = mu_law();
    assert_eq!((mu.decisions.len(), mu.values.len()), (129, 128));
    assert_eq!(
        (mu.decisions[128], mu.values[1], mu.values[127]),
        (8159 * 4, 2 * 4, 8031 * 4)
    );
}

#[test]
fn every_sample_gets_the_code_of_its_interval() {
    let (a, mu) = (a_law(), mu_law());
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(encode_a_law(sample), a.encode(sample), "A-law of {sample}");
        assert_eq!(
            encode_mu_law(sample),
            mu.encode(sample),
            "µ-law of {sample}"
        );
    }
}

#[test]
fn every_code_gets_the_value_of_its_interval() {
    let (a, mu) = (a_law(), mu_law());
    for code in 0..=255 {
        assert_eq!(
            i32::from(decode_a_law(code)),
            a.decode(code),
            "A-law {code:#04x}"
        );
        assert_eq!(
            i32::from(decode_mu_law(code)),
            mu.decode(code),
            "µ-law {code:#04x}"
        );
    }
}

#[test]
fn decoded_codes_encode_back() {
    for code in 0..=255 {
        assert_eq!(encode_a_law(decode_a_law(code)), code);
        // µ-law has two zeros; the negative one comes back as the positive.
        let expected = if code == 0x7f { 0xff } else { code };
        assert_eq!(encode_mu_law(decode_mu_law(code)), expected);
    }
}

#[test]
fn quantisation_error_is_at_most_half_a_step() {
    for sample in i16::MIN..=i16::MAX {
        let loudness = i32::from(sample).abs();
        let error = (i32::from(decode_a_law(encode_a_law(sample))) - i32::from(sample)).abs();
        // Steps grow from 16 to 1024 at each power of two from 512 on.
        let step = (loudness.max(256).ilog2() - 8 + 4).min(10);
        assert!(
            error <= 1 << step >> 1,
            "A-law of {sample} is off by {error}"
        );
        let error = (i32::from(decode_mu_law(encode_mu_law(sample))) - i32::from(sample)).abs();
        let step = ((loudness + 132).ilog2() - 7 + 3).min(10);
        let overload = (loudness - 8159 * 4).max(0);
        assert!(
            error <= (1 << step >> 1) + overload,
            "µ-law of {sample} is off by {error}"
        );
    }
}

#[test]
fn traits_convert_whole_buffers_and_refuse_what_does_not_fit() {
    let mut codec = G711Encoder::a_law();
    let mut decoder = G711Decoder::a_law();
    let samples = [0, 1000, -1000];
    let mut payload = [0xee; 4];
    assert_eq!(codec.encode(Pcm::mono_8000(&samples), &mut payload), Ok(3));
    assert_eq!(
        payload,
        [0xd5, encode_a_law(1000), encode_a_law(-1000), 0xee]
    );
    let mut back = [0; 3];
    assert_eq!(decoder.decode(&payload[..3], &mut back), Ok(3));
    assert_eq!(back[0], 8);
    assert_eq!(
        decoder.decode(&payload, &mut back),
        Err(CodecError::BufferTooSmall {
            needed: 4,
            available: 3
        })
    );
    let stereo = PcmFormat {
        sample_rate: SampleRate::HZ_8000,
        channels: 2,
    };
    assert_eq!(
        codec.encode(
            Pcm {
                format: stereo,
                samples: &samples
            },
            &mut payload
        ),
        Err(CodecError::WrongFormat {
            expected: PcmFormat::MONO_8000,
            given: stereo
        })
    );
}

#[test]
fn translation_is_decoding_and_encoding() {
    let (to_mu, to_a) = (translation("PCMA", "PCMU"), translation("PCMU", "PCMA"));
    for code in 0..=255 {
        let at = usize::from(code);
        assert_eq!(to_mu.unwrap()[at], encode_mu_law(decode_a_law(code)));
        assert_eq!(to_a.unwrap()[at], encode_a_law(decode_mu_law(code)));
    }
    assert!(translation("PCMA", "PCMA").is_none() && translation("PCMU", "G722").is_none());
}
