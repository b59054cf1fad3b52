//! Putting other numbers into the reports of a compound packet, in place (RFC 3550 §7.2).

use super::report::{BLOCK_LEN, SENDER_INFO_LEN};
use super::{
    EXTENDED_REPORT, HEADER_LEN, PAYLOAD_FEEDBACK, RECEIVER_REPORT, RtcpError, SENDER_REPORT,
    TRANSPORT_FEEDBACK,
};
use super::{ReportBlock, SenderInfo, split_first};
use crate::units::Ssrc;
use crate::wire::{Writer, take};

/// What a translator knows of the numbers on either side of it.
pub trait Translation {
    /// What the sender is to be said to have sent; `None`: nothing that the receivers would know, and so
    /// it does not report as a sender.
    fn sender_info(&mut self, sender: Ssrc, info: SenderInfo) -> Option<SenderInfo>;
    /// What the sender is to be said to have received; `None`: nothing of that source.
    fn report_block(&mut self, block: ReportBlock) -> Option<ReportBlock>;
}

/// Has the numbers of each report translated, and returns how many bytes are left at the front of
/// `compound`, at most as many as there were.
///
/// What speaks of packets by their numbers and cannot be translated is taken out: feedback (RFC 4585 §6),
/// extended reports (RFC 3611) and the profile-specific ends of reports. Descriptions, goodbyes and
/// everything unknown stay as they are.
///
/// # Errors
/// As [`super::Compound::parse`]; then nothing of the packet is of use.
pub fn translate(compound: &mut [u8], by: &mut impl Translation) -> Result<usize, RtcpError> {
    let (mut from, mut to) = (0, 0);
    while from < compound.len() {
        let rest = compound.get(from..).unwrap_or_default();
        let before = rest.len();
        let (_, after) = split_first(rest)?;
        let len = before - after.len();
        let &[_, packet_type, ..] = rest else { break };
        match packet_type {
            SENDER_REPORT | RECEIVER_REPORT => {
                to += report(compound, from, to, by).unwrap_or(0);
            }
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK | EXTENDED_REPORT => {}
            _ => {
                compound.copy_within(from..from + len, to);
                to += len;
            }
        }
        from += len;
    }
    Ok(to)
}

/// Translates the report at `from` to `to`, which is not behind it, and returns its length there. What is
/// written never overtakes what is still to be read.
fn report(compound: &mut [u8], from: usize, to: usize, by: &mut impl Translation) -> Option<usize> {
    let mut read = compound.get(from..)?;
    let &[flags, packet_type, _, _] = take::<HEADER_LEN>(&mut read)?;
    let ssrc = Ssrc::new(u32::from_be_bytes(*take(&mut read)?));
    let mut read_at = from + HEADER_LEN + 4;
    let mut info = None;
    if packet_type == SENDER_REPORT {
        info = by.sender_info(ssrc, SenderInfo::from_bytes(take(&mut read)?));
        read_at += SENDER_INFO_LEN;
    }
    let info_len = info.map_or(0, |_| SENDER_INFO_LEN);
    let blocks_at = to + HEADER_LEN + 4 + info_len;
    let mut count = 0_u8;
    if let Some(info) = info {
        let place = compound.get_mut(to + HEADER_LEN + 4..blocks_at)?;
        info.put(&mut Writer::new(place, SENDER_INFO_LEN).ok()?);
    }
    let mut write_at = blocks_at;
    for _ in 0..flags & 0x1f {
        let bytes = compound.get(read_at..)?.first_chunk::<BLOCK_LEN>()?;
        let block = ReportBlock::from_bytes(bytes);
        read_at += BLOCK_LEN;
        if let Some(block) = block.and_then(|block| by.report_block(block)) {
            let place = compound.get_mut(write_at..write_at + BLOCK_LEN)?;
            block.put(&mut Writer::new(place, BLOCK_LEN).ok()?);
            write_at += BLOCK_LEN;
            count += 1;
        }
    }
    let len = write_at - to;
    let packet_type = match info {
        Some(_) => SENDER_REPORT,
        None => RECEIVER_REPORT,
    };
    let words = u16::try_from(len / 4 - 1).ok()?;
    let place = compound.get_mut(to..to + HEADER_LEN + 4)?;
    let mut writer = Writer::new(place, HEADER_LEN + 4).ok()?;
    writer.put(&[0x80 | count, packet_type]);
    writer.put_u16(words);
    writer.put_u32(ssrc.get());
    Some(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::RtpTimestamp;
    use crate::wire::rtcp::{
        Compound, RtcpPacket, emit_bye, emit_cname, emit_receiver_report, emit_sender_report,
    };

    const SSRC: Ssrc = Ssrc::new(7);
    const INFO: SenderInfo = SenderInfo {
        ntp_timestamp: 0x1122_3344_5566_7788,
        rtp_timestamp: RtpTimestamp::new(1000),
        packet_count: 10,
        octet_count: 1600,
    };

    fn block(ssrc: u32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc::new(ssrc),
            fraction_lost: 1,
            cumulative_lost: 2,
            highest_seq: 3,
            jitter_ticks: 4,
            last_sr: 5,
            delay_since_last_sr: 6,
        }
    }

    /// Doubles what was sent, adds to what was received, and knows nothing of sources over 100.
    struct Doubling {
        sends: bool,
    }

    impl Translation for Doubling {
        fn sender_info(&mut self, sender: Ssrc, info: SenderInfo) -> Option<SenderInfo> {
            assert_eq!(sender, SSRC);
            let info = SenderInfo {
                packet_count: info.packet_count.wrapping_mul(2),
                ..info
            };
            self.sends.then_some(info)
        }
        fn report_block(&mut self, block: ReportBlock) -> Option<ReportBlock> {
            let highest_seq = block.highest_seq.wrapping_add(1000);
            (block.ssrc.get() <= 100).then_some(ReportBlock {
                highest_seq,
                ..block
            })
        }
    }

    fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, crate::wire::EmitError>) -> Vec<u8> {
        let mut out = vec![0; 1500];
        let len = emit(&mut out).unwrap();
        out.truncate(len);
        out
    }

    fn translated(compound: &[u8], sends: bool) -> Vec<u8> {
        let mut compound = compound.to_vec();
        let len = translate(&mut compound, &mut Doubling { sends }).unwrap();
        compound.truncate(len);
        compound
    }

    #[test]
    fn reports_change_and_the_rest_stays() {
        let blocks = [block(1), block(101), block(2)];
        let cname = emitted(|out| emit_cname(out, SSRC, b"someone"));
        let bye = emitted(|out| emit_bye(out, &[SSRC], b""));
        let nack = [
            0x81,
            TRANSPORT_FEEDBACK,
            0,
            3,
            0,
            0,
            0,
            7,
            0,
            0,
            0,
            1,
            0,
            9,
            0,
            0,
        ];
        let xr = [0x80, EXTENDED_REPORT, 0, 1, 0, 0, 0, 7];
        let sr = emitted(|out| emit_sender_report(out, SSRC, &INFO, &blocks));
        let compound = [&sr[..], &cname, &nack, &xr, &bye].concat();
        let kept = [block(1), block(2)].map(|block| ReportBlock {
            highest_seq: 1003,
            ..block
        });
        let doubled = SenderInfo {
            packet_count: 20,
            ..INFO
        };
        let sr = emitted(|out| emit_sender_report(out, SSRC, &doubled, &kept));
        assert_eq!(
            translated(&compound, true),
            [&sr[..], &cname, &bye].concat()
        );
        let rr = emitted(|out| emit_receiver_report(out, SSRC, &kept));
        assert_eq!(
            translated(&compound, false),
            [&rr[..], &cname, &bye].concat()
        );
    }

    #[test]
    fn what_is_no_rtcp_is_refused() {
        let mut rr = emitted(|out| emit_receiver_report(out, SSRC, &[block(1)]));
        for len in 0..rr.len() {
            let whole = translate(&mut rr.clone()[..len], &mut Doubling { sends: true });
            assert_eq!(whole.is_ok(), len == 0, "{len}");
        }
        rr.push(0x80);
        let refused = translate(&mut rr, &mut Doubling { sends: true });
        assert_eq!(refused, Err(RtcpError::TooShort(1)));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_rtcp_again(
            packets in prop::collection::vec(
                (198_u8..210, any::<u8>(), prop::collection::vec(any::<[u8; 4]>(), 0..40)),
                0..5,
            ),
            cut in 0_usize..8,
        ) {
            let mut bytes = Vec::new();
            for (packet_type, flags, words) in &packets {
                bytes.extend([0x80 | flags & 0x3f, *packet_type, 0, u8::try_from(words.len()).unwrap()]);
                bytes.extend(words.concat());
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            struct Keep;
            impl Translation for Keep {
                fn sender_info(&mut self, _: Ssrc, info: SenderInfo) -> Option<SenderInfo> {
                    Some(info).filter(|info| info.packet_count % 2 == 0)
                }
                fn report_block(&mut self, block: ReportBlock) -> Option<ReportBlock> {
                    Some(block).filter(|block| block.highest_seq % 2 == 0)
                }
            }
            let was_rtcp = Compound::parse(&bytes).is_ok();
            let before = bytes.len();
            match translate(&mut bytes, &mut Keep) {
                Ok(len) => {
                    prop_assert!(len <= before);
                    prop_assert!(len == 0 || Compound::parse(&bytes[..len]).is_ok());
                    prop_assert!(was_rtcp || before == 0);
                    let mut left = Compound::parse(&bytes[..len]).into_iter().flatten();
                    prop_assert!(!left.any(|p| matches!(p, RtcpPacket::ExtendedReport(_))));
                }
                Err(_) => prop_assert!(!was_rtcp),
            }
        }
    }
}
