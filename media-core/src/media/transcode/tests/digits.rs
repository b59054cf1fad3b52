//! DTMF through the transcoder.

use codecs::registry::Settings;
use codecs::tone::{DtmfDetector, DtmfEvent, Generator, Tone};
use codecs::{Pcm, SampleRate};

use super::*;

/// Packets of 20 ms of A-law.
fn alaw(samples: &[i16]) -> Vec<Vec<u8>> {
    let pcma = registry::by_name("PCMA", 8000, 1).unwrap();
    let mut encoder = pcma.encoder(&Settings::default()).unwrap();
    samples
        .chunks(160)
        .map(|frame| {
            let mut payload = vec![0; frame.len()];
            encoder.encode(Pcm::mono_8000(frame), &mut payload).unwrap();
            payload
        })
        .collect()
}

/// The digits that sound in PCMU packets, and where: sample at which each begins and ends.
fn digits_in(sent: &[Sent]) -> Vec<(char, u64, u64)> {
    let pcmu = registry::by_name("PCMU", 8000, 1).unwrap();
    let mut decoder = pcmu.decoder(&Settings::default()).unwrap();
    let mut detector = DtmfDetector::new(SampleRate::HZ_8000).unwrap();
    let (mut found, mut begin) = (Vec::new(), 0);
    let mut samples = [0; 160];
    let silence = vec![0xff; 160];
    let audio = sent.iter().filter(|s| s.0 == 0).map(|s| &s.4);
    for payload in audio.chain(std::iter::repeat_n(&silence, 10)) {
        decoder.decode(payload, &mut samples).unwrap();
        detector.process(&samples, |event| match event {
            DtmfEvent::Begin { at, .. } => begin = at,
            DtmfEvent::End { digit, at } => found.push((digit.to_char(), begin, at)),
        });
    }
    found
}

fn tone(digit: char, ms: u64) -> Vec<i16> {
    let digit = Digit::from_char(digit).unwrap();
    let tone = Tone::dtmf(
        digit,
        -10.0,
        std::time::Duration::from_millis(ms),
        std::time::Duration::ZERO,
    );
    let mut samples = vec![0; usize::try_from(ms * 8).unwrap()];
    Generator::new(&tone, SampleRate::HZ_8000)
        .unwrap()
        .fill(&mut samples);
    samples
}

/// 200 ms of silence, the digit for 100 ms, 200 ms of silence.
fn dialled(digit: char) -> Vec<Vec<u8>> {
    let mut samples = vec![0; 1600];
    samples.extend(tone(digit, 100));
    samples.extend([0; 1600]);
    alaw(&samples)
}

/// An event of 100 ms, its end three times.
fn event(digit: u8) -> Vec<[u8; 4]> {
    let durations = [160, 320, 480, 640, 800, 800, 800];
    (0..)
        .zip(durations)
        .map(|(n, duration): (usize, u16)| {
            let [d0, d1] = duration.to_be_bytes();
            [digit, if n >= 4 { 0x8a } else { 0x0a }, d0, d1]
        })
        .collect()
}

/// 200 ms of silence, an event in place of 100 ms of audio, 200 ms of silence.
fn play_event(bench: &mut Bench, digit: u8) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut seq = 0;
    for n in 0..10_u32 {
        sent.extend(bench.packet(8, seq, n * 160, &[0xd5; 160]));
        seq += 1;
    }
    for payload in event(digit) {
        sent.extend(bench.packet(101, seq, 1600, &payload));
        seq += 1;
    }
    for n in 15..25_u32 {
        sent.extend(bench.packet(8, seq, n * 160, &[0xd5; 160]));
        seq += 1;
    }
    sent
}

fn play_audio(bench: &mut Bench, frames: &[Vec<u8>]) -> Vec<Sent> {
    (0_u16..)
        .zip(frames)
        .flat_map(|(n, payload)| bench.packet(8, n, u32::from(n) * 160, payload))
        .collect()
}

fn events_of(sent: &[Sent]) -> Vec<TelephoneEvent> {
    sent.iter()
        .filter(|s| s.0 == 96)
        .map(|s| TelephoneEvent::parse(&s.4).unwrap())
        .collect()
}

fn no_gaps(sent: &[Sent]) {
    for pair in sent.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1));
    }
}

#[test]
fn event_is_heard_once_and_passed_on() {
    let mut bench = Bench::new(plan(20));
    let sent = play_event(&mut bench, 5);
    assert_eq!(events_of(&sent).len(), 7);
    no_gaps(&sent);
    let heard = bench.heard.first().unwrap();
    assert_eq!(bench.heard.len(), 1);
    assert_eq!(
        (heard.digit.to_char(), heard.duration_ms, heard.volume),
        ('5', 100, 10)
    );
}

#[test]
fn event_becomes_a_tone_where_the_receiver_takes_no_events() {
    let mut plan = plan(20);
    plan.events = None;
    let mut bench = Bench::new(plan);
    let sent = play_event(&mut bench, 5);
    let digits = digits_in(&sent);
    assert_eq!(digits.len(), 1);
    let (digit, begin, end) = digits[0];
    assert_eq!(digit, '5');
    assert!(begin.abs_diff(1600) < 40 && end.abs_diff(2400) < 40);
    let timestamps: Vec<u32> = sent.iter().map(|s| s.2).collect();
    let unbroken: Vec<u32> = (0..25).map(|n| n * 160).collect();
    assert_eq!(timestamps, unbroken, "one time line");
}

#[test]
fn audio_during_an_event_that_becomes_a_tone_is_left_out() {
    let mut plan = plan(20);
    plan.events = None;
    let mut bench = Bench::new(plan);
    let mut sent = Vec::new();
    let mut seq = 0_u16;
    let mut events = event(9).into_iter();
    for n in 0..25_u32 {
        if (10..17).contains(&n) {
            sent.extend(bench.packet(101, seq, 1600, &events.next().unwrap()));
            seq += 1;
        }
        sent.extend(bench.packet(8, seq, n * 160, &[0xd5; 160]));
        seq += 1;
    }
    assert_eq!(digits_in(&sent).len(), 1);
    let last = sent.last().unwrap().2;
    assert!(last.abs_diff(24 * 160) <= 160, "{last}");
}

#[test]
fn tone_becomes_an_event_and_leaves_the_audio() {
    let mut plan = plan(20);
    plan.dtmf.tones_to_events = true;
    let mut bench = Bench::new(plan);
    let sent = play_audio(&mut bench, &dialled('7'));
    no_gaps(&sent);
    let events = events_of(&sent);
    assert_eq!(events.iter().filter(|e| e.end).count(), 3);
    assert!(events.iter().all(|e| e.event == 7));
    let long = events.last().unwrap().duration_ticks;
    assert!((480..=1200).contains(&long), "{long}");
    assert_eq!(
        sent.iter().filter(|s| s.0 == 96 && s.3).count(),
        1,
        "one begin"
    );
    assert_eq!(bench.heard.len(), 1);
    assert!(bench.heard[0].duration_ms.abs_diff(100) < 10);
}

#[test]
fn digits_are_played_one_after_another_as_events_or_tones() {
    let play = |digit| Play {
        digit: Digit::from_char(digit).unwrap(),
        duration_ms: 100,
        pause_ms: 60,
        volume_dbm0: -8,
    };
    let silence = vec![vec![0xd5; 160]; 40];
    let mut bench = Bench::new(plan(20));
    assert!(bench.transcoder.play(play('1')) && bench.transcoder.play(play('2')));
    let sent = play_audio(&mut bench, &silence);
    no_gaps(&sent);
    let ends: Vec<u8> = events_of(&sent)
        .iter()
        .filter(|e| e.end)
        .map(|e| e.event)
        .collect();
    assert_eq!(ends, [1, 1, 1, 2, 2, 2]);
    assert_eq!(events_of(&sent)[6].duration_ticks, 800);

    let mut toned = plan(20);
    toned.events = None;
    let mut bench = Bench::new(toned);
    assert!(bench.transcoder.play(play('1')) && bench.transcoder.play(play('2')));
    let sent = play_audio(&mut bench, &silence);
    let digits: Vec<_> = digits_in(&sent).iter().map(|d| d.0).collect();
    assert_eq!(digits, ['1', '2']);
    assert!((0..64).all(|_| bench.transcoder.play(play('3'))));
    assert!(!bench.transcoder.play(play('3')), "the queue is bounded");
}

#[test]
fn digits_are_hidden_as_asked_be_they_events_or_tones() {
    let tone_of = Hiding::Tone {
        frequency_hz: 400,
        volume_dbm0: -10,
    };
    // What is left: the event's code if any, and the digits in the audio.
    for (hiding, event, in_audio) in [
        (Hiding::Off, Some(5), ""),
        (Hiding::Drop, None, ""),
        (Hiding::Silence, None, ""),
        (Hiding::Zero, Some(0), ""),
        (Hiding::Digit, None, "5"),
        (tone_of, None, ""),
    ] {
        let mut hidden = plan(20);
        hidden.dtmf.hiding = hiding;
        let mut bench = Bench::new(hidden.clone());
        let sent = play_event(&mut bench, 5);
        no_gaps(&sent);
        assert_eq!(
            events_of(&sent).first().map(|e| e.event),
            event,
            "{hiding:?}"
        );
        let digits: String = digits_in(&sent).iter().map(|d| d.0).collect();
        assert_eq!(digits, in_audio, "{hiding:?}");
        assert_eq!(bench.heard.len(), 1, "{hiding:?}");

        let mut bench = Bench::new(hidden);
        let sent = play_audio(&mut bench, &dialled('5'));
        let digits = digits_in(&sent);
        // What sounds until the detector is sure cannot be taken back: too short to be a digit.
        let left: String = digits.iter().map(|d| d.0).collect();
        let expected = match hiding {
            Hiding::Off | Hiding::Digit => "5",
            Hiding::Zero => "0",
            _ => "",
        };
        let longest = digits.iter().map(|d| d.2 - d.1).max().unwrap_or(0);
        assert!(left == expected || longest < 360, "{hiding:?}: {digits:?}");
    }
}

#[test]
fn random_digits_differ_from_each_other() {
    let mut hidden = plan(20);
    hidden.dtmf.hiding = Hiding::Random;
    let mut bench = Bench::new(hidden);
    let mut seen = std::collections::HashSet::new();
    let mut seq = 0;
    for n in 0..20_u32 {
        for payload in event(5) {
            for sent in bench.packet(101, seq, n * 4000, &payload) {
                seen.insert(sent.4[0]);
            }
            seq += 1;
        }
    }
    assert!(seen.len() > 3 && seen.iter().all(|d| *d < 10), "{seen:?}");
}

#[test]
fn silenced_audio_keeps_its_time() {
    let mut silenced = plan(20);
    silenced.silenced = true;
    let mut bench = Bench::new(silenced);
    let sent = play_audio(&mut bench, &vec![vec![0x2a; 160]; 5]);
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|s| s.4.iter().all(|b| *b == 0xff)));
}
