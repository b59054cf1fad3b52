use proptest::prelude::*;

use super::*;
use crate::units::{RtpTimestamp, Ssrc};

const SSRC: Ssrc = Ssrc::new(0x0102_0304);

fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc::new(ssrc),
        fraction_lost: 64,
        cumulative_lost,
        highest_seq: 0x0001_0005,
        jitter_ticks: 33,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65_536,
    }
}

/// What `emit` writes into a buffer with room to spare.
fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>) -> Vec<u8> {
    let mut out = vec![0xee; 2000];
    let len = emit(&mut out).expect("within bounds");
    out.truncate(len);
    out
}

fn only(datagram: &[u8]) -> RtcpPacket<'_> {
    let compound = Compound::parse(datagram).expect("well-formed");
    let mut packets = compound.packets();
    let first = packets.next().expect("at least one");
    assert_eq!(packets.next(), None);
    first
}

#[test]
fn compound_of_report_and_description_is_read() {
    let info = SenderInfo {
        ntp_timestamp: 0xdead_beef_0123_4567,
        rtp_timestamp: RtpTimestamp::new(160),
        packet_count: 7,
        octet_count: 1120,
    };
    let blocks = [block(1, 5), block(2, -3)];
    let mut datagram = emitted(|out| emit_sender_report(out, SSRC, &info, &blocks));
    assert_eq!(datagram.len(), 28 + 48);
    datagram.extend(emitted(|out| emit_cname(out, SSRC, b"user@host")));
    datagram.extend(emitted(|out| emit_bye(out, &[SSRC], b"done")));

    let compound = Compound::parse(&datagram).expect("well-formed");
    assert!(!compound.is_reduced_size());
    let packets: Vec<_> = compound.into_iter().collect();
    let [
        RtcpPacket::SenderReport(report),
        RtcpPacket::Sdes(sdes),
        RtcpPacket::Bye(bye),
    ] = packets[..]
    else {
        panic!("unexpected {packets:?}");
    };
    assert_eq!((report.ssrc, report.info), (SSRC, info));
    assert!(report.report_blocks().eq(blocks));
    assert!(report.extension.is_empty());
    let chunks: Vec<_> = sdes.chunks().collect();
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].ssrc, SSRC);
    let items: Vec<_> = chunks[0].items().collect();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (items[0].item_type, items[0].text),
        (SdesItem::CNAME, &b"user@host"[..])
    );
    assert!(bye.sources().eq([SSRC]));
    assert_eq!(bye.reason(), b"done");
}

#[test]
fn report_block_is_laid_out_as_rfc3550_draws_it() {
    let bytes = emitted(|out| emit_receiver_report(out, SSRC, &[block(0x0a0b_0c0d, -2)]));
    assert_eq!(
        bytes,
        [
            0x81, 201, 0, 7, 1, 2, 3, 4, // header, reporter
            0x0a, 0x0b, 0x0c, 0x0d, 64, 0xff, 0xff, 0xfe, // source, fraction, cumulative
            0, 1, 0, 5, 0, 0, 0, 33, // highest, jitter
            0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0, // LSR, DLSR
        ]
    );
}

#[test]
fn cumulative_loss_is_clamped_to_its_field() {
    let bytes =
        emitted(|out| emit_receiver_report(out, SSRC, &[block(1, i32::MAX), block(2, i32::MIN)]));
    let RtcpPacket::ReceiverReport(report) = only(&bytes) else {
        panic!("not a receiver report");
    };
    let lost: Vec<_> = report.report_blocks().map(|b| b.cumulative_lost).collect();
    assert_eq!(lost, [0x7f_ffff, -0x80_0000]);
}

#[test]
fn other_types_are_read() {
    let feedback = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    let RtcpPacket::PayloadFeedback(pli) = only(&feedback) else {
        panic!("not payload feedback");
    };
    assert_eq!(
        (pli.format, pli.sender.get(), pli.media_source.get()),
        (1, 1, 2)
    );
    assert!(Compound::parse(&feedback).is_ok_and(|c| c.is_reduced_size()));

    let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0];
    assert!(matches!(
        only(&nack),
        RtcpPacket::TransportFeedback(Feedback {
            control_information: [0, 9, 0, 0],
            ..
        })
    ));

    let app = [
        0x83, 204, 0, 3, 0, 0, 0, 1, b'a', b'b', b'c', b'd', 9, 9, 9, 9,
    ];
    assert!(matches!(
        only(&app),
        RtcpPacket::App(App {
            subtype: 3,
            name: [b'a', b'b', b'c', b'd'],
            data: [9, 9, 9, 9],
            ..
        })
    ));

    let xr = [
        0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8,
    ];
    let RtcpPacket::ExtendedReport(report) = only(&xr) else {
        panic!("not an extended report");
    };
    let blocks: Vec<_> = report.blocks().collect();
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].block_type, blocks[0].data.len()), (4, 8));

    let unknown = [0x80, 210, 0, 0];
    assert!(matches!(
        only(&unknown),
        RtcpPacket::Other(Raw {
            packet_type: 210,
            content: [],
            ..
        })
    ));
}

#[test]
fn defects_have_distinct_errors() {
    let parse = |bytes: &[u8]| Compound::parse(bytes).map(|_| ());
    assert_eq!(parse(&[]), Err(RtcpError::TooShort(0)));
    assert_eq!(parse(&[0x40, 200, 0, 0]), Err(RtcpError::BadVersion(1)));
    assert_eq!(
        parse(&[0x80, 201, 0, 2, 0, 0, 0, 1]),
        Err(RtcpError::Truncated {
            packet_type: 201,
            len: 12,
            available: 8
        })
    );
    // Bytes behind the last packet that are no packet.
    assert_eq!(
        parse(&[0x80, 201, 0, 1, 0, 0, 0, 1, 0x80]),
        Err(RtcpError::TooShort(1))
    );
    // A count of one without the block.
    assert_eq!(
        parse(&[0x81, 201, 0, 1, 0, 0, 0, 1]),
        Err(RtcpError::BadContent(201))
    );
    assert_eq!(
        parse(&[0xa0, 201, 0, 1, 0, 0, 0, 0]),
        Err(RtcpError::BadPadding(0))
    );
    assert_eq!(
        parse(&[0xa0, 201, 0, 1, 0, 0, 0, 8]),
        Err(RtcpError::BadPadding(8))
    );
    // A chunk whose item runs past its end, and one without a terminator.
    assert_eq!(
        parse(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, b'a', 0]),
        Err(RtcpError::BadContent(202))
    );
    assert_eq!(
        parse(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b']),
        Err(RtcpError::BadContent(202))
    );
    assert_eq!(
        parse(&[0x81, 203, 0, 2, 0, 0, 0, 1, 4, 1, 2, 3]),
        Err(RtcpError::BadContent(203))
    );
    assert_eq!(
        parse(&[0x80, 207, 0, 2, 0, 0, 0, 1, 4, 0, 0, 1]),
        Err(RtcpError::BadContent(207))
    );
}

#[test]
fn padding_is_taken_off() {
    let bytes = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    let RtcpPacket::ReceiverReport(report) = only(&bytes) else {
        panic!("not a receiver report");
    };
    assert!(report.extension.is_empty());
}

#[test]
fn what_does_not_fit_is_not_emitted() {
    let blocks = [block(1, 0); 32];
    assert_eq!(
        emit_receiver_report(&mut [0; 2000], SSRC, &blocks),
        Err(EmitError::TooMany { count: 32, max: 31 })
    );
    assert_eq!(
        emit_receiver_report(&mut [0; 31], SSRC, &blocks[..1]),
        Err(EmitError::BufferTooSmall {
            needed: 32,
            available: 31
        })
    );
    assert_eq!(
        emit_bye(&mut [0; 2000], &[SSRC], &[0; 256]),
        Err(EmitError::TooLong { len: 256, max: 255 })
    );
}

fn any_block() -> impl Strategy<Value = ReportBlock> {
    (
        any::<(u32, u8, u32, u32, u32, u32)>(),
        -0x80_0000..0x80_0000_i32,
    )
        .prop_map(
            |((ssrc, fraction_lost, seq, jitter, lsr, dlsr), lost)| ReportBlock {
                ssrc: Ssrc::new(ssrc),
                fraction_lost,
                cumulative_lost: lost,
                highest_seq: seq,
                jitter_ticks: jitter,
                last_sr: lsr,
                delay_since_last_sr: dlsr,
            },
        )
}

proptest! {
    #[test]
    fn emitted_reports_parse_back(
        ssrc: u32,
        ntp: u64,
        counts: (u32, u32, u32),
        blocks in prop::collection::vec(any_block(), 0..=31),
    ) {
        let info = SenderInfo {
            ntp_timestamp: ntp,
            rtp_timestamp: RtpTimestamp::new(counts.0),
            packet_count: counts.1,
            octet_count: counts.2,
        };
        let ssrc = Ssrc::new(ssrc);
        let bytes = emitted(|out| emit_sender_report(out, ssrc, &info, &blocks));
        let RtcpPacket::SenderReport(sr) = only(&bytes) else {
            return Err(TestCaseError::fail("not a sender report"));
        };
        prop_assert_eq!((sr.ssrc, sr.info), (ssrc, info));
        prop_assert!(sr.report_blocks().eq(blocks.iter().copied()));

        let bytes = emitted(|out| emit_receiver_report(out, ssrc, &blocks));
        let RtcpPacket::ReceiverReport(rr) = only(&bytes) else {
            return Err(TestCaseError::fail("not a receiver report"));
        };
        prop_assert_eq!(rr.ssrc, ssrc);
        prop_assert!(rr.report_blocks().eq(blocks.iter().copied()));
    }

    #[test]
    fn emitted_texts_parse_back(
        sources in prop::collection::vec(any::<u32>(), 0..=31),
        text in prop::collection::vec(any::<u8>(), 0..=255),
    ) {
        let sources: Vec<_> = sources.into_iter().map(Ssrc::new).collect();
        let bytes = emitted(|out| emit_bye(out, &sources, &text));
        let RtcpPacket::Bye(bye) = only(&bytes) else {
            return Err(TestCaseError::fail("not a goodbye"));
        };
        prop_assert!(bye.sources().eq(sources.iter().copied()));
        prop_assert_eq!(bye.reason(), &text);

        let bytes = emitted(|out| emit_cname(out, SSRC, &text));
        let RtcpPacket::Sdes(sdes) = only(&bytes) else {
            return Err(TestCaseError::fail("not a description"));
        };
        let items: Vec<_> = sdes.chunks().flat_map(|c| c.items()).collect();
        prop_assert_eq!(items, [SdesItem { item_type: SdesItem::CNAME, text: &text }]);
    }

    #[test]
    fn packets_of_any_accepted_bytes_can_be_walked(
        packets in prop::collection::vec(
            (198_u8..210, any::<u8>(), prop::collection::vec(any::<[u8; 4]>(), 0..12)),
            0..5,
        ),
        cut in 0_usize..8,
    ) {
        // Framed right so that the contents are reached.
        let mut bytes = Vec::new();
        for (packet_type, flags, words) in &packets {
            bytes.extend([0x80 | flags & 0x3f, *packet_type, 0, u8::try_from(words.len()).expect("below 12")]);
            bytes.extend(words.concat());
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Ok(compound) = Compound::parse(&bytes) {
            prop_assert!(compound.packets().count() <= packets.len());
            for packet in compound {
                walk(&packet);
            }
        }
    }
}

/// Reads everything that a packet offers.
fn walk(packet: &RtcpPacket<'_>) {
    match packet {
        RtcpPacket::SenderReport(r) => assert!(r.report_blocks().count() <= MAX_COUNT),
        RtcpPacket::ReceiverReport(r) => assert!(r.report_blocks().count() <= MAX_COUNT),
        RtcpPacket::Sdes(s) => {
            for chunk in s.chunks() {
                assert!(chunk.items().all(|i| i.item_type != 0));
            }
        }
        RtcpPacket::Bye(b) => assert!(b.sources().len() <= MAX_COUNT && b.reason().len() < 256),
        RtcpPacket::ExtendedReport(x) => {
            assert!(x.blocks().all(|b| b.data.len().is_multiple_of(4)));
        }
        _ => {}
    }
}
