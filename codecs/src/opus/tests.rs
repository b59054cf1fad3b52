use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

const RATES_HZ: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];

fn settings(hz: u32, fmtp: &str) -> Settings<'_> {
    Settings {
        fmtp,
        sample_rate: SampleRate::new(hz),
        ..Settings::default()
    }
}

fn encoder(hz: u32, fmtp: &str) -> OpusEncoder {
    OpusEncoder::new(&settings(hz, fmtp)).expect("an encoder")
}

fn decoder(hz: u32, fmtp: &str) -> OpusDecoder {
    OpusDecoder::new(&settings(hz, fmtp)).expect("a decoder")
}

fn sample(value: f64) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let sample = value as i16;
    sample
}

/// One second of a tone.
fn tone(hz: u32, frequency: f64) -> Vec<i16> {
    (0..hz)
        .map(|n| sample(8000.0 * (TAU * frequency * f64::from(n) / f64::from(hz)).sin()))
        .collect()
}

/// Two seconds of something like a voice: harmonics of a gliding pitch below 3.4 kHz, in syllables.
fn voice(hz: u32) -> Vec<i16> {
    let mut phase = 0.0;
    (0..2 * hz)
        .map(|n| {
            let t = f64::from(n) / f64::from(hz);
            let pitch = 130.0 + 30.0 * (TAU * 0.9 * t).sin();
            phase += TAU * pitch / f64::from(hz);
            let formants = 500.0 + 200.0 * (TAU * 1.3 * t).sin();
            let harmonics = (1..=25_u32).map(|k| {
                let frequency = f64::from(k) * pitch;
                let first = (-((frequency - formants) / 200.0).powi(2)).exp();
                let second = 0.4 * (-((frequency - 3.5 * formants) / 300.0).powi(2)).exp();
                (first + second + 0.02) * (f64::from(k) * phase).sin()
            });
            let syllable = 0.15 + (TAU * 2.0 * t).sin().max(0.0);
            sample(5000.0 * syllable * harmonics.sum::<f64>())
        })
        .collect()
}

/// The packets of `samples`, 20 ms each.
fn packets(encoder: &mut dyn Encoder, samples: &[i16]) -> Vec<Vec<u8>> {
    let format = encoder.format();
    let len = (format.sample_rate.get() / 50 * u32::from(format.channels)) as usize;
    let mut payload = [0; 1500];
    samples
        .chunks_exact(len)
        .map(|samples| {
            let written = encoder
                .encode(Pcm { format, samples }, &mut payload)
                .expect("a packet");
            payload[..written].to_vec()
        })
        .collect()
}

fn decoded(decoder: &mut dyn Decoder, packets: &[Vec<u8>]) -> Vec<i16> {
    let mut samples = [0; 2 * MAX_PACKET_SAMPLES];
    let mut all = Vec::new();
    for packet in packets {
        let written = decoder.decode(packet, &mut samples).expect("a packet");
        all.extend_from_slice(&samples[..written]);
    }
    all
}

fn power(samples: &[i16]) -> f64 {
    let squares = samples.iter().map(|s| f64::from(*s).powi(2));
    squares.sum::<f64>() / samples.len() as f64
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// Power of `wanted` over that of what `got` differs from it by, dB.
fn snr(wanted: &[i16], got: &[i16]) -> f64 {
    let errors: Vec<i16> = wanted
        .iter()
        .zip(got)
        .map(|(w, g)| w.saturating_sub(*g))
        .collect();
    decibels(power(wanted) / power(&errors))
}

/// Samples by which `late` is behind `early`.
fn delay(early: &[i16], late: &[i16], max: usize) -> usize {
    let likeness = |shift: usize| {
        let pairs = early.iter().zip(&late[shift..]);
        pairs
            .map(|(a, b)| i64::from(*a) * i64::from(*b))
            .sum::<i64>()
    };
    (0..max).max_by_key(|shift| likeness(*shift)).unwrap_or(0)
}

#[test]
fn tone_keeps_its_level() {
    for hz in RATES_HZ {
        let tone = tone(hz, 1000.0);
        let packets = packets(&mut encoder(hz, ""), &tone);
        let heard = decoded(&mut decoder(hz, ""), &packets);
        assert_eq!(heard.len(), tone.len());
        let settled = heard.len() / 4;
        let change = decibels(power(&heard[settled..]) / power(&tone[settled..]));
        assert!(change.abs() < 1.0, "{hz} Hz: {change} dB");
    }
}

#[test]
fn sound_is_late_by_the_look_ahead() {
    for hz in RATES_HZ {
        let voice = voice(hz);
        let mut encoder = encoder(hz, "");
        let look_ahead = encoder.look_ahead();
        let heard = decoded(&mut decoder(hz, ""), &packets(&mut encoder, &voice));
        let found = delay(&voice, &heard, hz as usize / 50);
        // Within a quarter of a millisecond.
        assert!(
            found.abs_diff(look_ahead) <= hz as usize / 4000,
            "{hz} Hz: {found}, not {look_ahead}"
        );
        assert_eq!(look_ahead, hz as usize * 13 / 2000, "6.5 ms");
    }
}

#[test]
fn any_rate_hears_any_other() {
    let fullband = packets(&mut encoder(48_000, ""), &voice(48_000));
    let narrow = decoded(&mut decoder(8000, ""), &fullband);
    let quality = snr(&voice(8000)[..15_000], &narrow[52..]);
    assert!(quality > 4.0, "{quality} dB");
    let narrowband = packets(&mut encoder(8000, ""), &voice(8000));
    let wide = decoded(&mut decoder(48_000, ""), &narrowband);
    let quality = snr(&voice(48_000)[..90_000], &wide[312..]);
    assert!(quality > 4.0, "{quality} dB");
}

#[test]
fn all_lengths_are_coded_and_no_others() {
    for hz in RATES_HZ {
        let mut encoder = encoder(hz, "");
        let mut decoder = decoder(hz, "");
        let format = encoder.format();
        let voice = voice(hz);
        let mut payload = [0; 1500];
        let mut out = [0; MAX_PACKET_SAMPLES];
        for us in PACKET_LENGTHS_US {
            let len = (u64::from(hz) * u64::from(us) / 1_000_000) as usize;
            let samples = &voice[..len];
            let pcm = Pcm { format, samples };
            let written = encoder.encode(pcm, &mut payload).expect("a packet");
            assert_eq!(decoder.samples_in(&payload[..written]), len);
            assert_eq!(decoder.decode(&payload[..written], &mut out), Ok(len));
            let pcm = Pcm {
                format,
                samples: &voice[..len + 1],
            };
            let refused = encoder.encode(pcm, &mut payload);
            assert_eq!(refused, Err(CodecError::BadLength { samples: len + 1 }));
        }
    }
}

/// Every fifth packet lost: how much the stand-ins resemble what a receiver without losses hears.
fn concealed_snr(packets: &[Vec<u8>], with_next: bool) -> f64 {
    let complete = decoded(&mut decoder(8000, ""), packets);
    let mut decoder = decoder(8000, "");
    let mut out = [0; 160];
    let (mut wanted, mut got) = (Vec::new(), Vec::new());
    for (n, pair) in packets.windows(2).enumerate() {
        if n % 5 == 4 {
            decoder.conceal(with_next.then_some(pair[1].as_slice()), &mut out);
            wanted.extend_from_slice(&complete[n * 160..][..160]);
            got.extend_from_slice(&out);
        } else {
            assert_eq!(decoder.decode(&pair[0], &mut out), Ok(160));
        }
    }
    snr(&wanted, &got)
}

#[test]
fn redundancy_restores_lost_packets() {
    let mut with = encoder(8000, "useinbandfec=1");
    with.expect_loss(20);
    let with = packets(&mut with, &voice(8000));
    let (restored, invented) = (concealed_snr(&with, true), concealed_snr(&with, false));
    assert!(restored > invented + 4.0, "{restored} and {invented} dB");
}

#[test]
fn redundancy_takes_the_receivers_consent_and_a_loss() {
    let copies = |fmtp, percent| {
        let mut encoder = encoder(8000, fmtp);
        encoder.expect_loss(percent);
        let packets = packets(&mut encoder, &voice(8000));
        (concealed_snr(&packets, true) - concealed_snr(&packets, false)).abs() > 1.0
    };
    assert!(copies("useinbandfec=1", 20));
    assert!(!copies("useinbandfec=1", 0));
    assert!(!copies("useinbandfec=0", 20));
    assert!(copies("useinbandfec=1", 255), "counts as 100");
}

#[test]
fn silence_is_not_sent_if_the_receiver_wishes() {
    let mut quiet = voice(8000);
    quiet.resize(8000 * 6, 0);
    for (fmtp, wanted) in [("usedtx=1", true), ("", false)] {
        let packets = packets(&mut encoder(8000, fmtp), &quiet);
        let (voice, silence) = packets.split_at(100);
        assert!(voice[..20].iter().all(|p| !p.is_empty()));
        let left_out = silence.iter().filter(|p| p.is_empty()).count();
        // What remains tells the receiver every 400 ms how silence sounds.
        assert_eq!(
            left_out > silence.len() * 8 / 10,
            wanted,
            "{fmtp}: {left_out}"
        );
        assert_eq!(left_out == 0, !wanted, "{fmtp}: {left_out}");
    }
}

#[test]
fn constant_bitrate_makes_equal_packets() {
    for hz in RATES_HZ {
        let packets = packets(
            &mut encoder(hz, "cbr=1;maxaveragebitrate=16000"),
            &voice(hz),
        );
        assert!(packets.iter().all(|p| p.len() == 40), "{hz} Hz");
    }
}

#[test]
fn average_bitrate_is_bounded() {
    for (fmtp, bound) in [("maxaveragebitrate=8000", 8000), ("", 28_000)] {
        let mut encoder = encoder(8000, fmtp);
        assert_eq!(encoder.bitrate_bps(), bound);
        let packets = packets(&mut encoder, &voice(8000));
        let bytes: usize = packets.iter().map(Vec::len).sum();
        let average = bytes * 8 * 50 / packets.len();
        assert!(average <= bound as usize * 11 / 10, "{average} b/s");
        assert!(average >= bound as usize / 3, "{average} b/s");
    }
    let asked = Settings {
        bitrate_bps: Some(64_000),
        ..settings(48_000, "maxaveragebitrate=40000")
    };
    let encoder = OpusEncoder::new(&asked).expect("an encoder");
    assert_eq!(encoder.bitrate_bps(), 40_000);
}

#[test]
fn rates_are_the_nearest_that_suffice() {
    for (hz, fmtp, expected) in [
        (8000, "", 8000),
        (11_025, "", 12_000),
        (32_000, "", 48_000),
        (96_000, "", 48_000),
        (48_000, "maxplaybackrate=16000", 16_000),
        (8000, "maxplaybackrate=48000", 8000),
        (0, "maxplaybackrate=24000", 24_000),
        (0, "", 48_000),
    ] {
        assert_eq!(encoder(hz, fmtp).format().sample_rate.get(), expected);
    }
    let sender = "sprop-maxcapturerate=16000";
    assert_eq!(decoder(0, sender).format().sample_rate.get(), 16_000);
    assert_eq!(decoder(8000, sender).format().sample_rate.get(), 8000);
}

#[test]
fn two_channels_are_for_those_who_have_them() {
    let channels = |fmtp, channels| {
        let settings = Settings {
            channels,
            ..settings(48_000, fmtp)
        };
        let encoder = OpusEncoder::new(&settings).expect("an encoder");
        let decoder = OpusDecoder::new(&settings).expect("a decoder");
        (encoder.format().channels, decoder.format().channels)
    };
    assert_eq!(channels("stereo=1", None), (2, 1));
    assert_eq!(channels("sprop-stereo=1", Some(2)), (1, 2));
    assert_eq!(channels("stereo=1;sprop-stereo=1", Some(1)), (1, 1));
    assert_eq!(channels("", Some(2)), (1, 1));

    let mut encoder = encoder(48_000, "stereo=1");
    let left: Vec<i16> = tone(48_000, 500.0)
        .into_iter()
        .flat_map(|s| [s, 0])
        .collect();
    let packets = packets(&mut encoder, &left);
    assert!(
        OpusPacket::parse(&packets[9])
            .expect("a packet")
            .is_stereo()
    );
    let heard = decoded(&mut decoder(48_000, "sprop-stereo=1"), &packets);
    let side = |n: usize| {
        heard
            .iter()
            .skip(20_000 + n)
            .step_by(2)
            .copied()
            .collect::<Vec<i16>>()
    };
    assert!(decibels(power(&side(0)) / power(&side(1))) > 15.0);
    let mono = decoded(&mut decoder(48_000, ""), &packets);
    assert_eq!(mono.len() * 2, left.len());
}

#[test]
fn short_buffers_and_other_formats_are_refused() {
    let mut encoder = encoder(8000, "");
    let samples = [0; 160];
    let short = encoder.encode(Pcm::mono_8000(&samples), &mut [0; 69]);
    let (needed, available) = (70, 69);
    assert_eq!(short, Err(CodecError::BufferTooSmall { needed, available }));
    let (expected, given) = (
        PcmFormat::MONO_8000,
        PcmFormat {
            channels: 2,
            ..PcmFormat::MONO_8000
        },
    );
    let pcm = Pcm {
        format: given,
        samples: &samples,
    };
    let other = encoder.encode(pcm, &mut [0; 100]);
    assert_eq!(other, Err(CodecError::WrongFormat { expected, given }));
    let written = encoder.encode(Pcm::mono_8000(&samples), &mut [0; 70]);
    assert!(written.is_ok_and(|w| w <= 70));
    let mut decoder = decoder(8000, "");
    let short = decoder.decode(&[9 << 3, 0, 0], &mut [0; 159]);
    let (needed, available) = (160, 159);
    assert_eq!(short, Err(CodecError::BufferTooSmall { needed, available }));
}

#[test]
fn bad_payload_leaves_no_trace() {
    let packets = packets(&mut encoder(16_000, ""), &voice(16_000));
    let undisturbed = decoded(&mut decoder(16_000, ""), &packets);
    let mut decoder = decoder(16_000, "");
    let mut out = [0; MAX_PACKET_SAMPLES];
    let mut heard = Vec::new();
    for packet in &packets {
        for rubbish in [&[][..], &[3, 0], &[2, 9, 0], &vec![0; 70_000]] {
            let len = rubbish.len();
            assert_eq!(
                decoder.decode(rubbish, &mut out),
                Err(CodecError::BadPayload { len })
            );
        }
        let written = decoder.decode(packet, &mut out).expect("a packet");
        heard.extend_from_slice(&out[..written]);
    }
    assert_eq!(heard, undisturbed);
}

#[test]
fn concealment_fades_out() {
    // A tone would not fade: to libopus it is noise, and noise is what it fills long gaps with.
    let packets = packets(&mut encoder(8000, ""), &voice(8000));
    let mut decoder = decoder(8000, "");
    let heard = decoded(&mut decoder, &packets[..60]);
    let mut gap = [0; 4007];
    decoder.conceal(None, &mut gap);
    let before = power(&heard[heard.len() - 320..]);
    assert!(power(&gap[..160]) > before / 10.0);
    assert!(power(&gap[3000..]) < before / 100.0);
}

#[test]
fn independent_implementation_understands_us_and_we_it() {
    let voice = voice(16_000);
    let ours = packets(&mut encoder(16_000, ""), &voice);
    let heard = decoded(&mut decoder(16_000, ""), &ours);
    let mut theirs = opus_rs::OpusDecoder::new(16_000, 1).expect("a decoder");
    let mut out = [0.0_f32; 320];
    let mut heard_by_them = Vec::new();
    for packet in &ours {
        let written = theirs.decode(packet, 320, &mut out).expect("a packet");
        heard_by_them.extend(
            out[..written]
                .iter()
                .map(|s| sample(f64::from(*s) * 32768.0)),
        );
    }
    let likeness = snr(&heard, &heard_by_them);
    assert!(likeness > 30.0, "{likeness} dB");

    let mut theirs =
        opus_rs::OpusEncoder::new(16_000, 1, opus_rs::Application::Voip).expect("an encoder");
    let mut payload = [0; 1275];
    let made_by_them: Vec<Vec<u8>> = voice
        .chunks_exact(320)
        .map(|samples| {
            let samples: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32768.0).collect();
            let written = theirs
                .encode(&samples, 320, &mut payload)
                .expect("a packet");
            payload[..written].to_vec()
        })
        .collect();
    let heard = decoded(&mut decoder(16_000, ""), &made_by_them);
    let late = delay(&voice, &heard, 320);
    let likeness = snr(&voice[..30_000], &heard[late..]);
    assert!(likeness > 6.0, "{likeness} dB");
}

proptest! {
    #[test]
    fn any_payload_gives_what_its_head_says_or_nothing(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        rate in 0_usize..5,
        stereo: bool,
        room in 0_usize..12_000,
    ) {
        let fmtp = if stereo { "sprop-stereo=1" } else { "" };
        let mut decoder = decoder(RATES_HZ[rate], fmtp);
        let promised = decoder.samples_in(&payload) * usize::from(decoder.format().channels);
        let mut out = vec![0; room];
        match decoder.decode(&payload, &mut out) {
            Ok(written) => prop_assert_eq!(written, promised),
            Err(CodecError::BufferTooSmall { needed, .. }) => {
                prop_assert!(needed == promised && needed > room);
            }
            Err(_) => {}
        }
        let room = out.len();
        decoder.conceal(Some(&payload), &mut out);
        decoder.conceal(None, &mut out[..room / 2]);
    }
}
