//! Format parameters of codecs.

use codecs::fmtp::{EventSet, Fmtp};
use codecs::opus::OpusParameters;
use codecs::registry::{Settings, by_name};

/// Format parameters: what is read is within the text and the bounds, lists of events read again as they
/// were written, and Opus can be set up whatever a peer says.
pub fn codec_fmtp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let fmtp = Fmtp::new(text);
    let len: usize = fmtp
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(len <= text.len());
    for (name, _) in fmtp.iter() {
        assert!(fmtp.value(&name.to_ascii_uppercase()).is_some());
    }

    let events = EventSet::parse(text);
    assert_ne!(events, EventSet::NONE);
    assert_eq!(EventSet::parse(&events.to_string()), events);
    assert!(events.iter().all(|event| events.contains(event)));

    let parameters = OpusParameters::parse(text);
    assert!((3..=120).contains(&parameters.ptime_ms(20)));
    let bitrate = parameters.max_average_bitrate_bps.unwrap_or(6000);
    assert!((6000..=510_000).contains(&bitrate));

    let settings = Settings {
        fmtp: text,
        ..Settings::default()
    };
    let opus = by_name("opus", 48_000, 2).expect("it is there");
    let encoder = opus.encoder(&settings).expect("memory");
    let decoder = opus.decoder(&settings).expect("memory");
    for format in [encoder.format(), decoder.format()] {
        assert!((8000..=48_000).contains(&format.sample_rate.get()));
        assert!((1..=2).contains(&format.channels));
    }
}
