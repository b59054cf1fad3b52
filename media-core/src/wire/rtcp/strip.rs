//! Taking packets out of a compound one, in place.

use super::{HEADER_LEN, PAYLOAD_FEEDBACK, TRANSPORT_FEEDBACK};

/// Takes feedback (RFC 4585 §6) out of a compound packet, for a party whose profile has none of it. Returns
/// how many bytes are left at the front of `compound`: all of them if there was none, 0 if there was
/// nothing else. Bytes that are no RTCP packet stay as they are, behind what was before them.
#[must_use]
pub fn strip_feedback(compound: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while let Some(&[_, packet_type, high, low]) = compound
        .get(from..)
        .and_then(<[u8]>::first_chunk::<HEADER_LEN>)
    {
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let end = from.saturating_add(len).min(compound.len());
        if !matches!(packet_type, TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK) {
            compound.copy_within(from..end, to);
            to += end - from;
        }
        from = end;
    }
    let rest = compound.len() - from;
    compound.copy_within(from.., to);
    to + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(packet_type: u8, words: u8) -> Vec<u8> {
        let mut packet = vec![0x80, packet_type, 0, words];
        packet.extend((0..words * 4).map(|n| n ^ packet_type));
        packet
    }

    #[test]
    fn feedback_goes_and_the_rest_stays_in_order() {
        let (report, names) = (packet(201, 7), packet(202, 3));
        let (nack, pli) = (packet(TRANSPORT_FEEDBACK, 3), packet(PAYLOAD_FEEDBACK, 2));
        for parts in [
            vec![&report, &names],
            vec![&report, &nack, &names, &pli],
            vec![&pli, &report, &names],
            vec![&nack, &pli],
            vec![],
        ] {
            let mut compound: Vec<u8> = parts.iter().copied().flatten().copied().collect();
            let wanted = parts.iter().filter(|p| p[1] < TRANSPORT_FEEDBACK);
            let wanted: Vec<u8> = wanted.copied().flatten().copied().collect();
            let left = strip_feedback(&mut compound);
            assert_eq!(&compound[..left], wanted);
        }
    }

    #[test]
    fn what_is_cut_short_stays_within_its_bounds() {
        let whole = [packet(201, 7), packet(PAYLOAD_FEEDBACK, 60), packet(202, 1)].concat();
        for len in 0..whole.len() {
            let mut cut = whole[..len].to_vec();
            assert!(strip_feedback(&mut cut) <= len);
        }
    }
}
