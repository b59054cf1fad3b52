//! What a party puts into audio packets.

use codecs::comfort_noise::{MAX_ORDER, NoiseGenerator, NoiseParameters};
use codecs::registry::{CODECS, Settings};
use codecs::{CodecError, Pcm, SampleRate};

/// Samples that no packet of ours goes beyond: 120 ms of stereo at 48 kHz.
const MOST: usize = 11_520;

/// Any packets into any decoder: what it says of a payload is what it does, and what it decodes can be encoded
/// again.
///
/// The first byte chooses the codec, the second the far end's rate. Then packets: a length byte, whose upper bit
/// says that it was lost, and as many bytes, in steps of 8.
pub fn codec_decode(data: &[u8]) {
    let Some((&[choice, rate], mut rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let codec = &CODECS[usize::from(choice) % CODECS.len()];
    let settings = Settings {
        sample_rate: [None, Some(8000), Some(16_000), Some(48_000)][usize::from(rate) % 4]
            .and_then(SampleRate::new),
        ..Settings::default()
    };
    let mut decoder = codec.decoder(&settings).expect("memory for a decoder");
    let mut encoder = codec.encoder(&settings).expect("memory for an encoder");
    let channels = usize::from(decoder.format().channels);
    let mut out = vec![0; MOST];
    let mut encoded = vec![0; 2 * MOST];
    while let Some((&head, behind)) = rest.split_first() {
        let length = (usize::from(head & 0x7f) * 8).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        if head & 0x80 != 0 {
            let gap = length.min(960) * channels;
            let next = (head & 0x40 != 0).then_some(payload);
            decoder.conceal(next, &mut out[..gap]);
            continue;
        }
        let expected = decoder.samples_in(payload) * channels;
        match decoder.decode(payload, &mut out) {
            Ok(written) => {
                assert_eq!(written, expected, "{} of {length} bytes", codec.name);
                if written > 0 {
                    assert_eq!(
                        decoder.decode(payload, &mut out[..written - 1]),
                        Err(CodecError::BufferTooSmall {
                            needed: written,
                            available: written - 1
                        }),
                        "{}",
                        codec.name
                    );
                }
                let pcm = Pcm {
                    format: decoder.format(),
                    samples: &out[..written],
                };
                // Codecs with fixed packets refuse other lengths; the buffer suffices for all.
                match encoder.encode(pcm, &mut encoded) {
                    Ok(length) => assert!(length <= encoded.len()),
                    Err(CodecError::BadLength { .. } | CodecError::WrongFormat { .. }) => {}
                    Err(e) => panic!("{}: {e}", codec.name),
                }
            }
            Err(CodecError::BadPayload { len }) => assert_eq!(len, length),
            Err(e) => panic!("{}: {e}", codec.name),
        }
    }
}

/// Comfort noise: what is parsed is what was written, and noise comes of it.
pub fn codec_cn(data: &[u8]) {
    let Some(parameters) = NoiseParameters::parse(data) else {
        assert!(data.is_empty());
        return;
    };
    let mut written = [0; 1 + MAX_ORDER];
    let length = parameters.emit(&mut written);
    assert_eq!(length, data.len().min(written.len()));
    assert_eq!(NoiseParameters::parse(&written[..length]), Some(parameters));
    let mut generator = NoiseGenerator::new(NoiseParameters::white(30), 1);
    generator.set(parameters);
    let mut noise = [0; 320];
    generator.fill(&mut noise);
}
