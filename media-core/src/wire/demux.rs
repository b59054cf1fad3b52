//! Which protocol a datagram belongs to, by its first bytes (RFC 7983 §7, RFC 5761 §4).
//!
//! It looks at two bytes and refuses to look further: what it says is who should parse the
//! datagram, not that the datagram is well-formed.

/// Protocol of a datagram that shares a port with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// RTP, secured or not (RFC 3550, RFC 3711).
    Rtp,
    /// RTCP, secured or not.
    Rtcp,
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 6347, RFC 9147).
    Dtls,
    /// ZRTP (RFC 6189).
    Zrtp,
    /// TURN channel data (RFC 8656 §12.4).
    TurnChannel,
    /// None of these, or too short to tell.
    Unknown,
}

/// Tells a datagram's protocol.
///
/// ```text
///                 +----------------+
///                 |        [0..3] -+--> STUN
///                 |      [16..19] -+--> ZRTP
/// first byte -->  |      [20..63] -+--> DTLS
///                 |      [64..79] -+--> TURN channel
///                 |    [128..191] -+--> RTP, or RTCP if the second byte is 192..=223
///                 +----------------+
/// ```
///
/// The second byte of RTCP is the packet type, that of RTP the marker bit and the payload type:
/// RFC 5761 §4 keeps payload types 64–95 out of use so that 192–223 means RTCP.
///
/// ```
/// use media_core::wire::demux::{PacketKind, classify};
/// assert_eq!(classify(&[0x80, 0]), PacketKind::Rtp);
/// assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
/// assert_eq!(classify(b"\r\n\r\n"), PacketKind::Unknown);
/// ```
#[inline]
#[must_use]
pub fn classify(datagram: &[u8]) -> PacketKind {
    let &[first, second, ..] = datagram else {
        return PacketKind::Unknown;
    };
    match first {
        128..=191 => {
            if matches!(second, 192..=223) {
                PacketKind::Rtcp
            } else {
                PacketKind::Rtp
            }
        }
        0..=3 => PacketKind::Stun,
        16..=19 => PacketKind::Zrtp,
        20..=63 => PacketKind::Dtls,
        64..=79 => PacketKind::TurnChannel,
        _ => PacketKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_is_classified_as_in_rfc7983() {
        for first in 0..=255_u8 {
            let expected = if first < 4 {
                PacketKind::Stun
            } else if (16..20).contains(&first) {
                PacketKind::Zrtp
            } else if (20..64).contains(&first) {
                PacketKind::Dtls
            } else if (64..80).contains(&first) {
                PacketKind::TurnChannel
            } else if (128..192).contains(&first) {
                PacketKind::Rtp
            } else {
                PacketKind::Unknown
            };
            assert_eq!(classify(&[first, 0]), expected, "first byte {first}");
        }
    }

    #[test]
    fn rtcp_packet_types_are_told_from_payload_types_with_marker() {
        for second in 0..=255_u8 {
            let expected = if (192..=223).contains(&second) {
                PacketKind::Rtcp
            } else {
                PacketKind::Rtp
            };
            assert_eq!(classify(&[0x80, second]), expected, "second byte {second}");
        }
        // PCMU with the marker bit must stay RTP.
        assert_eq!(classify(&[0x80, 0x80]), PacketKind::Rtp);
    }

    #[test]
    fn less_than_two_bytes_are_unknown() {
        assert_eq!(classify(&[]), PacketKind::Unknown);
        assert_eq!(classify(&[0x80]), PacketKind::Unknown);
    }
}
