//! DTMF through the transcoder.

use codecs::registry::Settings;
use codecs::tone::{Digit, DtmfDetector, DtmfEvent, Generator, Tone};
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
    let tone_of = Hiding::Tone(Frequencies::default());
    let seven = Hiding::Digit(Digit::from_char('7').unwrap());
    let zero = Hiding::Digit(Digit::from_event(0).unwrap());
    // What is left: the event's code if any, and the digits in the audio.
    for (hiding, event, in_audio) in [
        (Hiding::Off, Some(5), ""),
        (Hiding::Drop, None, ""),
        (Hiding::Silence, None, ""),
        (zero, Some(0), ""),
        (seven, Some(7), ""),
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
            Hiding::Off => "5",
            Hiding::Digit(shown) if shown.event() == 0 => "0",
            Hiding::Digit(_) => "7",
            _ => "",
        };
        let longest = digits.iter().map(|d| d.2 - d.1).max().unwrap_or(0);
        assert!(left == expected || longest < 360, "{hiding:?}: {digits:?}");
    }
}

/// Largest sample in each packet of PCMU.
fn loudest(sent: &[Sent]) -> Vec<u16> {
    let pcmu = registry::by_name("PCMU", 8000, 1).unwrap();
    let mut decoder = pcmu.decoder(&Settings::default()).unwrap();
    let mut samples = [0; 160];
    let audio = sent.iter().filter(|s| s.0 == 0);
    audio
        .map(|s| {
            decoder.decode(&s.4, &mut samples).unwrap();
            samples.iter().map(|s| s.unsigned_abs()).max().unwrap()
        })
        .collect()
}

#[test]
fn silence_and_tones_last_as_long_as_the_event() {
    let tone_of = Hiding::Tone(Frequencies::new(&[600, 1000]));
    for (hiding, sounds) in [(Hiding::Silence, false), (tone_of, true)] {
        let mut hidden = plan(20);
        hidden.dtmf.hiding = hiding;
        let mut bench = Bench::new(hidden);
        let sent = play_event(&mut bench, 5);
        let timestamps: Vec<u32> = sent.iter().map(|s| s.2).collect();
        let unbroken: Vec<u32> = (0..25).map(|n| n * 160).collect();
        assert_eq!(timestamps, unbroken, "{hiding:?}");
        let loud: Vec<bool> = loudest(&sent).iter().map(|peak| *peak > 1000).collect();
        let expected: Vec<bool> = (0..25).map(|n| sounds && (10..15).contains(&n)).collect();
        assert_eq!(loud, expected, "{hiding:?}");
    }
}

#[test]
fn each_digit_gets_the_next_frequency() {
    let frequencies = Frequencies::new(&[600, 1000]);
    assert_eq!(
        [0, 1, 2, 3].map(|n| frequencies.of(n)),
        [600, 1000, 600, 1000]
    );
    assert_eq!(Frequencies::new(&[]).of(5), Frequencies::DEFAULT_HZ);
    assert_eq!(Frequencies::new(&[1; 20]), Frequencies::new(&[1; 8]));
}

#[test]
fn sender_that_dials_by_event_and_tone_at_once_dials_once() {
    let mut listening = plan(20);
    listening.dtmf.hiding = Hiding::Digit(Digit::from_event(0).unwrap());
    let mut bench = Bench::new(listening);
    let mut sent = Vec::new();
    let mut seq = 0_u16;
    let mut events = event(5).into_iter();
    for (n, frame) in (0_u32..).zip(dialled('5')) {
        if (10..17).contains(&n) {
            sent.extend(bench.packet(101, seq, 1600, &events.next().unwrap()));
            seq += 1;
        }
        sent.extend(bench.packet(8, seq, n * 160, &frame));
        seq += 1;
    }
    assert_eq!(bench.heard.len(), 1, "{:?}", bench.heard);
    let codes: Vec<u8> = events_of(&sent).iter().map(|e| e.event).collect();
    assert_eq!(codes, [0; 7]);
    assert_eq!(digits_in(&sent).len(), 0);
    no_gaps(&sent);
}

#[test]
fn delayed_digit_is_silent_first_and_comes_later_hidden_as_asked() {
    let seven = Hiding::Digit(Digit::from_char('7').unwrap());
    for (hiding, expected) in [
        (Hiding::Off, Some(5)),
        (seven, Some(7)),
        (Hiding::Silence, None),
        (Hiding::Drop, None),
    ] {
        let mut delayed = plan(20);
        delayed.dtmf.hiding = hiding;
        delayed.dtmf.delay_ms = 200;
        let mut bench = Bench::new(delayed.clone());
        let mut sent = play_event(&mut bench, 5);
        for n in 25..40_u32 {
            let seq = u16::try_from(n).unwrap() + 2;
            sent.extend(bench.packet(8, seq, n * 160, &[0xd5; 160]));
        }
        no_gaps(&sent);
        assert_eq!(bench.heard.len(), 1, "{hiding:?}");
        let events = events_of(&sent);
        assert_eq!(events.first().map(|e| e.event), expected, "{hiding:?}");
        if expected.is_some() {
            assert_eq!(events.last().unwrap().duration_ticks, 800);
            let begin = sent.iter().find(|s| s.0 == 96).unwrap();
            assert_eq!((begin.2, begin.3), (1600 + 1600, true), "{hiding:?}");
        }
    }
}

#[test]
fn delayed_tone_comes_later_as_a_tone() {
    let mut delayed = plan(20);
    delayed.events = None;
    delayed.dtmf.delay_ms = 300;
    let mut bench = Bench::new(delayed);
    let mut frames = dialled('5');
    frames.extend(vec![vec![0xd5; 160]; 30]);
    let sent = play_audio(&mut bench, &frames);
    assert_eq!(bench.heard.len(), 1);
    let digits = digits_in(&sent);
    let long: Vec<_> = digits.iter().filter(|d| d.2 - d.1 > 500).collect();
    assert_eq!(long.len(), 1, "{digits:?}");
    let (digit, begin, end) = *long[0];
    assert_eq!(digit, '5');
    // Found about 35 ms after its begin at 1600.
    assert!((4000..4500).contains(&begin), "{begin}");
    assert!((end - begin).abs_diff(800) < 160, "{begin} to {end}");
}

/// Nothing is decoded but for listening, and the receiver gets every packet as it was.
#[test]
fn overheard_audio_goes_on_as_it_is() {
    let eight = ClockRate::new(8000).unwrap();
    let mut overheard = Plan::new(vec![
        (pt(8), Rule::Overhear(pt(8), codec("PCMA", 8, 20))),
        (pt(101), Rule::Events(eight)),
    ]);
    overheard.events = Some((pt(101), eight));
    overheard.dtmf.detect = true;
    let mut bench = Bench::new(overheard);
    let frames = dialled('9');
    let sent = play_audio(&mut bench, &frames);
    let payloads: Vec<Vec<u8>> = sent.iter().map(|s| s.4.clone()).collect();
    assert_eq!(payloads, frames);
    assert_eq!(bench.heard.len(), 1);
    assert_eq!(bench.heard[0].digit.to_char(), '9');
    assert!(bench.heard[0].duration_ms.abs_diff(100) < 10);
    bench.heard.clear();
    for (seq, payload) in (25..).zip(event(3)) {
        assert_eq!(bench.packet(101, seq, 4000, &payload)[0].4, payload);
    }
    assert_eq!(bench.heard.len(), 1);
}

/// Events are taken out of a stream that nobody can decode, and its numbers show no gap.
#[test]
fn events_are_dropped_without_a_codec() {
    let eight = ClockRate::new(8000).unwrap();
    let mut relayed = Plan::new(vec![
        (pt(18), Rule::Forward(pt(18))),
        (pt(101), Rule::Events(eight)),
    ]);
    relayed.events = Some((pt(101), eight));
    for hiding in [
        Hiding::Drop,
        Hiding::Silence,
        Hiding::Tone(Frequencies::default()),
    ] {
        relayed.dtmf.hiding = hiding;
        let mut bench = Bench::new(relayed.clone());
        let mut sent = bench.packet(18, 10, 0, &[1; 20]);
        for (seq, payload) in (11..).zip(event(3)) {
            sent.extend(bench.packet(101, seq, 160, &payload));
        }
        sent.extend(bench.packet(18, 18, 960, &[2; 20]));
        assert_eq!(numbers(&sent), [(18, 10, 0, false), (18, 11, 960, false)]);
        assert_eq!(bench.heard.len(), 1);
    }
    relayed.dtmf.hiding = Hiding::Digit(Digit::from_event(0).unwrap());
    let mut bench = Bench::new(relayed);
    let sent: Vec<Sent> = (0..)
        .zip(event(3))
        .flat_map(|(seq, payload)| bench.packet(101, seq, 160, &payload))
        .collect();
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|s| s.4[0] == 0));
}

/// From packets that go on as they are to an encoder and back, in one time line.
#[test]
fn time_goes_on_when_decoding_begins_and_ends() {
    let opus = |number| CodecUse {
        codec: registry::by_name("opus", 48_000, 2).unwrap(),
        ..codec("PCMU", number, 20)
    };
    let mut bench = Bench::new(Plan::new(vec![(pt(111), Rule::Forward(pt(111)))]));
    let mut encoder = opus(111).codec.encoder(&Settings::default()).unwrap();
    let format = encoder.format();
    let frame = vec![
        0;
        usize::try_from(format.sample_rate.get() / 50).unwrap()
            * usize::from(format.channels)
    ];
    let mut payload = vec![0; 1400];
    let mut sent = Vec::new();
    for n in 0..30_u16 {
        if n == 10 {
            let mut decoding = Plan::new(vec![(pt(111), Rule::Decode(opus(111)))]);
            decoding.target = Some(opus(111));
            bench.transcoder.set_plan(Arc::new(decoding));
        }
        if n == 20 {
            bench.transcoder.set_plan(Arc::new(Plan::new(Vec::new())));
        }
        let pcm = Pcm {
            format,
            samples: &frame,
        };
        let len = encoder.encode(pcm, &mut payload).unwrap();
        sent.extend(bench.packet(111, n, 5000 + u32::from(n) * 960, &payload[..len]));
    }
    no_gaps(&sent);
    let timestamps: Vec<u32> = sent.iter().map(|s| s.2).collect();
    let expected: Vec<u32> = (0..30).map(|n| 5000 + n * 960).collect();
    assert_eq!(timestamps, expected);
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
