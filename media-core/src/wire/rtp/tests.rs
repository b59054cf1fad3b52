use proptest::prelude::*;

use super::*;
use crate::wire::EmitError;

fn header() -> RtpHeader {
    RtpHeader::new(
        PayloadType::new(8).expect("8 < 128"),
        SeqNo::new(0x0102),
        RtpTimestamp::new(0x0304_0506),
        Ssrc::new(0x0708_090a),
    )
}

#[test]
fn fields_are_found_where_rfc3550_draws_them() {
    let bytes = [
        0x80, 0x88, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xaa, 0xbb, // payload of two
    ];
    let packet = RtpPacket::parse(&bytes).expect("well-formed");
    assert!(packet.marker());
    assert_eq!(packet.payload_type().get(), 8);
    assert_eq!(packet.sequence_number(), SeqNo::new(0x0102));
    assert_eq!(packet.timestamp(), RtpTimestamp::new(0x0304_0506));
    assert_eq!(packet.ssrc(), Ssrc::new(0x0708_090a));
    assert_eq!(packet.payload(), [0xaa, 0xbb]);
    assert_eq!(packet.extension(), None);
    assert_eq!(packet.header(), header().with_marker(true));
    assert_eq!(
        RtpBuilder::new(packet.header(), packet.payload())
            .to_vec()
            .expect("emits"),
        bytes
    );
}

#[test]
fn lengths_that_contradict_the_packet_are_refused() {
    let mut bytes = header().to_bytes().to_vec();
    assert_eq!(RtpHeader::parse(&bytes[..11]), Err(RtpError::TooShort(11)));
    bytes[0] = 0x41;
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadVersion(1)));
    bytes[0] = 0x82;
    bytes.extend([0; 7]);
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedCsrcs(2)));
    bytes[0] = 0x90;
    bytes.truncate(12);
    bytes.extend([0xbe, 0xde, 0]);
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedExtension));
    bytes.push(1);
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::TruncatedExtension));
    bytes.extend([0; 4]);
    assert!(RtpPacket::parse(&bytes).is_ok());
    bytes[0] = 0xb0;
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadPadding(0)));
    bytes.push(0);
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadPadding(0)));
    *bytes.last_mut().expect("not empty") = 2;
    assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::BadPadding(2)));
    *bytes.last_mut().expect("not empty") = 1;
    assert!(RtpPacket::parse(&bytes).is_ok_and(|p| p.payload().is_empty()));
}

#[test]
fn what_does_not_fit_is_not_emitted() {
    let builder = RtpBuilder::new(header(), &[0; 10]);
    assert_eq!(
        builder.emit(&mut [0; 21]),
        Err(EmitError::BufferTooSmall {
            needed: 22,
            available: 21
        })
    );
    let csrcs = [Ssrc::new(1); 16];
    assert_eq!(
        builder.csrcs(&csrcs).to_vec(),
        Err(EmitError::TooMany { count: 16, max: 15 })
    );
    let extension = Extension {
        profile: 0xbede,
        data: &[0; 3],
    };
    assert_eq!(
        builder.extension(extension).to_vec(),
        Err(EmitError::Unaligned(3))
    );
}

proptest! {
    #[test]
    fn emitted_packets_parse_back(
        marker: bool,
        payload_type in 0_u8..128,
        seq: u16,
        timestamp: u32,
        ssrc: u32,
        csrcs in prop::collection::vec(any::<u32>(), 0..=15),
        extension in prop::option::of((any::<u16>(), prop::collection::vec(any::<[u8; 4]>(), 0..20))),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        padding: u8,
    ) {
        let header = RtpHeader::new(
            PayloadType::new(payload_type).expect("below 128"),
            SeqNo::new(seq),
            RtpTimestamp::new(timestamp),
            Ssrc::new(ssrc),
        )
        .with_marker(marker);
        let csrcs: Vec<Ssrc> = csrcs.into_iter().map(Ssrc::new).collect();
        let words = extension.as_ref().map(|(_, words)| words.concat());
        let mut builder = RtpBuilder::new(header, &payload).csrcs(&csrcs).padding(padding);
        if let (Some((profile, _)), Some(data)) = (&extension, &words) {
            builder = builder.extension(Extension { profile: *profile, data });
        }
        let bytes = builder.to_vec().expect("all within bounds");
        let packet = RtpPacket::parse(&bytes).expect("what is emitted is valid");
        prop_assert_eq!(packet.marker(), marker);
        prop_assert_eq!(packet.payload_type().get(), payload_type);
        prop_assert_eq!(packet.sequence_number().get(), seq);
        prop_assert_eq!(packet.timestamp().get(), timestamp);
        prop_assert_eq!(packet.ssrc().get(), ssrc);
        prop_assert!(packet.csrcs().eq(csrcs.iter().copied()));
        prop_assert_eq!(
            packet.extension().map(|e| (e.profile, e.data)),
            extension.as_ref().map(|(p, _)| *p).zip(words.as_deref())
        );
        prop_assert_eq!(packet.payload(), &payload);
        prop_assert_eq!(packet.padding_len(), padding);
    }

    #[test]
    fn parts_of_any_accepted_bytes_add_up(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x3f | 0x80;
        }
        if let Ok(p) = RtpPacket::parse(&bytes) {
            let len = 12
                + p.csrcs().len() * 4
                + p.extension().map_or(0, |e| 4 + e.data.len())
                + p.payload().len()
                + usize::from(p.padding_len());
            prop_assert_eq!(len, bytes.len());
            let header_len = len - p.payload().len() - usize::from(p.padding_len());
            prop_assert_eq!(p.header().header_len(&bytes), Ok(header_len));
        } else if let Ok(header) = RtpHeader::parse(&bytes) {
            // What is wrong is in the header, or it is the padding, which may be encrypted.
            match (header.header_len(&bytes), RtpPacket::parse(&bytes)) {
                (Err(ours), Err(whole)) => prop_assert_eq!(ours, whole),
                (ours, whole) => prop_assert!(ours.is_ok() && matches!(whole, Err(RtpError::BadPadding(_)))),
            }
        }
    }
}
