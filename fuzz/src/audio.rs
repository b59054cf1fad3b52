//! Sound: any samples, cut anywhere.

use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::{BOUNDS_HZ, RATES_HZ, Resampler};
use codecs::tone::{Digit, DtmfDetector, DtmfEvent, Generator, SilenceDetector, Tone, level_dbov};

/// Samples of one input, so that a run stays short.
const MOST: usize = 4000;

/// Reads numbers off the front.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The cuts (a byte each, up to a 0), then the samples (little-endian).
    fn cuts_and_samples(self) -> (Vec<usize>, Vec<i16>) {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let (cuts, samples) = self.0.split_at(end);
        let samples = samples.get(1..).unwrap_or(&[]);
        (
            cuts.iter().map(|b| usize::from(*b)).collect(),
            samples
                .as_chunks()
                .0
                .iter()
                .take(MOST)
                .map(|b| i16::from_le_bytes(*b))
                .collect(),
        )
    }
}

/// Calls `piece` with the samples cut at the lengths, over and over, the rest at last.
fn cut<'a>(cuts: &[usize], mut samples: &'a [i16], mut piece: impl FnMut(&'a [i16])) {
    for len in cuts.iter().cycle().take(MOST) {
        let (head, rest) = samples.split_at((*len).min(samples.len()));
        piece(head);
        samples = rest;
    }
    piece(samples);
}

/// Resampler: rates in the first three bytes; the output is as long as announced, the same however the
/// input is cut, and silence for silence.
pub fn resample(data: &[u8]) {
    let mut bytes = Bytes(data);
    let Some([from, to, odd]) = bytes.next() else {
        return;
    };
    let known = |b: u8| RATES_HZ[usize::from(b) % RATES_HZ.len()];
    let any = |b: u8| 4000 + u32::from(b) * 737;
    let (from, to) = match odd % 8 {
        0 => (any(from), known(to)),
        1 => (known(from), any(to)),
        _ => (known(from), known(to)),
    };
    assert_eq!(
        BOUNDS_HZ.contains(&from) && BOUNDS_HZ.contains(&to),
        from.max(to) <= 192_000
    );
    let rates = [from, to].map(|hz| SampleRate::new(hz).expect("no rate is 0"));
    let Ok(mut whole) = Resampler::new(rates[0], rates[1]) else {
        assert!(from.max(to) > 192_000);
        return;
    };
    let (cuts, samples) = bytes.cuts_and_samples();
    let mut expected = vec![0; whole.output_len(samples.len())];
    assert_eq!(whole.process(&samples, &mut expected), Ok(expected.len()));
    if samples.iter().all(|s| *s == 0) {
        assert!(expected.iter().all(|s| *s == 0));
    }
    let due = samples.len() as u64 * u64::from(to) / u64::from(from);
    assert!(
        (expected.len() as u64).abs_diff(due) <= 8,
        "{} of {due}",
        expected.len()
    );
    whole.reset();
    let mut out = Vec::new();
    cut(&cuts, &samples, |piece| {
        let mut converted = vec![0; whole.output_len(piece.len())];
        assert_eq!(whole.process(piece, &mut converted), Ok(converted.len()));
        out.extend(converted);
    });
    assert_eq!(out, expected);
}

/// Tones: rate and a digit in the first bytes. A digit in front of whatever samples is found; events come in
/// pairs and in order, the same however the input is cut.
pub fn tone(data: &[u8]) {
    let mut bytes = Bytes(data);
    let Some([rate, digit]) = bytes.next() else {
        return;
    };
    let rate = SampleRate::new(RATES_HZ[usize::from(rate) % RATES_HZ.len()]).expect("not 0");
    let digit = Digit::from_event(digit % 16).expect("sixteen keys");
    let (cuts, noise) = bytes.cuts_and_samples();
    let ms = Duration::from_millis;
    let mut generator = Generator::new(&Tone::dtmf(digit, -10.0, ms(60), ms(60)), rate)
        .expect("a digit fits every rate");
    let digit_len = rate.get() as usize * 12 / 100;
    let mut samples = vec![0; digit_len];
    assert_eq!(generator.fill(&mut samples), digit_len);
    assert!(generator.is_finished());
    samples.extend(noise);
    let mut silence = SilenceDetector::new(rate, -50.0, ms(200));
    let mut detector = DtmfDetector::new(rate).expect("a telephony rate");
    let mut events = Vec::new();
    detector.process(&samples, |e| events.push(e));
    assert!(matches!(events[0], DtmfEvent::Begin { digit: d, .. } if d == digit));
    let mut last = 0;
    for (n, event) in events.iter().enumerate() {
        let at = match (event, n % 2) {
            (DtmfEvent::Begin { at, .. }, 0) | (DtmfEvent::End { at, .. }, 1) => *at,
            _ => panic!("{n}: {event:?}"),
        };
        assert!(last <= at && at <= samples.len() as u64, "{events:?}");
        last = at;
    }
    let mut again = DtmfDetector::new(rate).expect("a telephony rate");
    let mut same = Vec::new();
    cut(&cuts, &samples, |piece| {
        again.process(piece, |e| same.push(e));
        silence.process(piece);
        assert!((-127.0..=0.01).contains(&level_dbov(piece)));
    });
    assert_eq!(events, same);
}
