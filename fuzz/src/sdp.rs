//! Session descriptions: what is accepted can be rewritten, and the result is a description again.

use media_core::sdp::{
    Codec, CryptoAttribute, LocalMedia, LocalRtcp, LocalSecurity, OfferedCodecs, SdpOptions,
    Section, SentDescription, parse, read_fingerprint, rewrite, write_fingerprint,
};

/// A description rewritten has as many sections as before, of the same kinds.
pub fn sdp(data: &[u8]) {
    let Ok(description) = parse(data) else {
        return;
    };
    let options = SdpOptions::default();
    let params = description.params();
    let codecs: Vec<Vec<Codec>> = params
        .iter()
        .map(|section| {
            let audio = &*section.media_type == b"audio";
            OfferedCodecs::new(&section.codecs, &options.codec, audio).shown()
        })
        .collect();
    let media: Vec<Section<'_>> = params
        .iter()
        .zip(&codecs)
        .map(|(section, codecs)| {
            Section::Shown(LocalMedia {
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                port: if section.rejected { 0 } else { 4000 },
                rtcp: LocalRtcp {
                    port: 4001,
                    mux: section.rtcp_mux,
                },
                protocol: &section.protocol,
                codecs,
                ptime_ms: section.ptime_ms,
                mid: section.mid.as_deref(),
                security: LocalSecurity::default(),
            })
        })
        .collect();
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    let mut sent = SentDescription::default();
    let Ok(text) = rewrite(&description, &options, address, &media, "loop", &mut sent) else {
        assert!(params.is_empty(), "only a description without media fails");
        return;
    };
    if text.len() > media_core::sdp::SessionDescription::MAX_LEN {
        return;
    }
    let again = parse(&text).expect("what was written reads").params();
    assert_eq!(again.len(), params.len());
    for (before, after) in params.iter().zip(&again) {
        assert_eq!(before.protocol, after.protocol);
        assert_eq!(before.media_type, after.media_type);
        assert_eq!(before.rejected, after.rejected);
    }
}

/// `a=crypto`, `a=fingerprint` and `a=candidate` values: what is read is written so that it reads the
/// same, and no key is shown.
pub fn sdp_attributes(data: &[u8]) {
    let mut written = Vec::new();
    if let Ok(line) = CryptoAttribute::parse(data) {
        line.write(data.len().is_multiple_of(2), &mut written);
        assert_eq!(CryptoAttribute::parse(&written), Ok(line));
        written.clear();
    }
    if let Some(fingerprint) = read_fingerprint(data) {
        write_fingerprint(&fingerprint, &mut written);
        assert_eq!(read_fingerprint(&written), Some(fingerprint));
        written.clear();
    }
}
