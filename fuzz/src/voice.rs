//! Voice between callers and bots: bytes of any format cut anywhere, talk that comes whenever it likes.

use std::time::{Duration, Instant};

use codecs::SampleRate;
use media_core::voice::{
    AudioFormat, Encoding, EnergyVad, FRAME, FrameClock, Intake, LawDetector, Playout,
    PlayoutConfig, Uplink, VadConfig, wav,
};

/// Bytes judged of one input, so that a run stays short.
const MOST: usize = 20_000;

fn format(law: u8, rate: u8, channels: u8) -> AudioFormat {
    const RATES: [u32; 12] = [
        8000, 16_000, 24_000, 44_100, 48_000, 192_000, 12_000, 32_000, 96_000, 11_025, 3999, 0,
    ];
    AudioFormat {
        encoding: [Encoding::Linear, Encoding::MuLaw, Encoding::ALaw][usize::from(law) % 3],
        sample_rate_hz: RATES[usize::from(rate) % RATES.len()],
        channels: u32::from(channels % 10),
    }
}

/// Intake: law, rate, channels and the length of a cut in the first bytes, then what is to be converted.
/// The samples are the same however the bytes are cut, and as many as the time asks for.
pub fn voice_intake(data: &[u8]) {
    let Some(([law, rate, channels, cut], bytes)) = data.split_first_chunk() else {
        return;
    };
    let bytes = wav::strip(&bytes[..bytes.len().min(MOST)]);
    let format = format(*law, *rate, *channels);
    let mut whole: Vec<i16> = Vec::new();
    let mut intake = Intake::new(SampleRate::HZ_16000);
    if intake.push(format, bytes, |s| whole.extend(s)).is_err() {
        assert!(whole.is_empty());
        return;
    }
    let width = if format.encoding == Encoding::Linear {
        2
    } else {
        1
    } * format.channels;
    let samples = bytes.len() as u64 / u64::from(width);
    let due = samples * 16_000 / u64::from(format.sample_rate_hz);
    assert!((whole.len() as u64).abs_diff(due) <= 40, "{}", whole.len());
    let mut pieces: Vec<i16> = Vec::new();
    let mut intake = Intake::new(SampleRate::HZ_16000);
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        let pushed = intake.push(format, piece, |s| pieces.extend(s));
        assert_eq!(pushed, Ok(()));
    }
    assert_eq!(whole, pieces);
}

/// The way to the bot: frames of a caller, 3 bytes each (what happens, its length, its content). Time stamps are
/// unbroken, and sound is never further ahead of time than allowed.
pub fn voice_uplink(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let mut uplink = Uplink::new(now, SampleRate::HZ_16000);
    let (mut law, mut vad) = (LawDetector::default(), EnergyVad::new(VadConfig::default()));
    let mut next = Duration::ZERO;
    for [event, len, content] in data[..data.len().min(MOST / 10)].as_chunks().0 {
        match event % 4 {
            0 => now += Duration::from_millis(u64::from(*len)),
            1 => now += FRAME,
            _ => {}
        }
        let mut take = |frame: media_core::voice::UplinkFrame<'_>| {
            assert_eq!((frame.pts, frame.samples.len()), (next, 320));
            next += FRAME;
            vad.process(frame.samples);
            assert!(frame.pts <= now - start + Uplink::MAX_LEAD);
        };
        if event % 4 > 1 {
            let payload = vec![*content; usize::from(*len) * 4];
            let encoding = law.judge(&payload);
            let format = AudioFormat {
                encoding,
                ..format(0, event >> 2, 1)
            };
            let _ = uplink.push(now, format, &payload, &mut take);
        }
        uplink.tick(now, &mut take);
    }
    let counters = uplink.counters();
    assert_eq!(FRAME * u32::try_from(counters.frames).expect("few"), next);
}

/// The way to the caller: what happens to a playout, 2 bytes each. It never holds more than its cap, plays no
/// more than it was given, and is silent within a frame of a flush.
pub fn voice_playout(data: &[u8]) {
    let mut now = Instant::now();
    let config = PlayoutConfig {
        cap: Duration::from_millis(500),
        ..PlayoutConfig::new(SampleRate::HZ_8000)
    };
    let mut playout = Playout::new(config);
    let mut clock = FrameClock::start(now);
    let (mut frame, mut pushed, mut flushed) = ([0; 160], 0, false);
    for [event, value] in data[..data.len().min(MOST / 10)].as_chunks().0 {
        match event % 8 {
            0 => now += Duration::from_millis(u64::from(*value) * 8),
            1 => {
                playout.flush((value % 2 == 0).then_some(Duration::from_millis(100)));
                flushed = true;
            }
            2 => playout.accept(),
            _ => {
                let samples = usize::from(*value) * usize::from(event >> 3);
                pushed += samples as u64;
                playout.push(now, &vec![i16::from(*value) * 128; samples]);
                flushed = flushed && samples == 0;
            }
        }
        if event & 0x80 != 0 {
            now += FRAME;
        }
        for _ in 0..clock.due(now) {
            playout.pull(now, &mut frame);
            if flushed {
                assert!(frame[80..].iter().all(|s| *s == 0), "talk after a flush");
            }
        }
        assert!(playout.queued() <= config.cap);
        assert!((config.target..=config.stall).contains(&playout.target()));
        let counters = playout.counters();
        assert!(counters.played + counters.overrun + counters.flushed <= pushed);
    }
}
