//! What the phones send, and what of it must be on a secured wire.

use daemon_rtpengine::ng::value::Value;

use super::Sent;
use crate::support::tap::Heard;

/// RTP packets that each phone sends, and as many of RTCP.
pub(crate) const PACKETS: usize = 24;
/// In the middle the sequence number wraps, and with it the rollover counter becomes 1.
const FIRST_SEQ: u16 = u16::MAX - 11;

/// Bytes of an RTP header without extensions (RFC 3550 §5.1).
const RTP_HEADER: usize = 12;
/// Bytes of an RTCP packet that are never encrypted (RFC 3711 §3.4).
const RTCP_HEADER: usize = 8;
/// E flag and index of SRTCP.
const RTCP_INDEX: usize = 4;

/// One RTP packet and one of RTCP.
pub(crate) struct Numbered {
    pub(crate) rtp: Vec<u8>,
    pub(crate) rtcp: Vec<u8>,
}

impl Numbered {
    pub(crate) fn new(ssrc: u32, number: usize) -> Self {
        let count = u16::try_from(number).expect("few packets");
        let ssrc = (0x5eed_0000 | ssrc).to_be_bytes();
        let timestamp = (u32::from(count) * 160).wrapping_sub(1600).to_be_bytes();
        let mut rtp = vec![0x80, 0];
        rtp.extend(FIRST_SEQ.wrapping_add(count).to_be_bytes());
        rtp.extend(timestamp);
        rtp.extend(ssrc);
        // Lengths around those of cipher blocks.
        rtp.extend((0..150 + number).map(|at| u8::try_from(at * 7 % 256).unwrap_or(0)));

        // A sender report without blocks (RFC 3550 §6.4.1), then a CNAME of four letters (§6.5.1).
        let mut rtcp = vec![0x80, 200, 0, 6];
        rtcp.extend(ssrc);
        rtcp.extend([0xe0, 1, 2, 3, 4, 5, 6, 7]);
        rtcp.extend(timestamp);
        rtcp.extend(u32::from(count).to_be_bytes());
        rtcp.extend((u32::from(count) * 160).to_be_bytes());
        rtcp.extend([0x81, 202, 0, 3]);
        rtcp.extend(ssrc);
        rtcp.extend([1, 4, b'a', b'b', b'c', b'd', 0, 0]);
        Self { rtp, rtcp }
    }
}

/// How a leg is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    pub(crate) encrypts: bool,
    pub(crate) encrypts_rtcp: bool,
    /// Bytes of an RTP packet's tag.
    pub(crate) tag: usize,
    /// Of an RTCP packet's.
    pub(crate) rtcp_tag: usize,
}

impl Protection {
    /// Of a suite, by its name in SDP.
    pub(crate) fn of(suite: &str) -> Self {
        let aead = suite.starts_with("AEAD");
        let encrypts = !suite.starts_with("NULL");
        Self {
            encrypts,
            encrypts_rtcp: encrypts,
            tag: match suite.rsplit('_').next() {
                _ if aead => 16,
                Some("32") => 4,
                _ => 10,
            },
            rtcp_tag: if aead { 16 } else { 10 },
        }
    }

    /// Every packet of the phones must have been on the wire once, like this.
    ///
    /// # Panics
    /// When it was not.
    pub(crate) fn expect(&self, all: &Sent, heard: &[Heard], muxed: bool) {
        for (side, sent) in all.packets.iter().enumerate() {
            let is_rtcp = |heard: &Heard| (192..=223).contains(&heard.bytes[1]);
            let of_side = |rtcp: bool| {
                let beside = rtcp && !muxed;
                let of = move |heard: &&Heard| {
                    heard.from == side
                        && heard.beside == beside
                        && heard.bytes[0] >> 6 == 2
                        && is_rtcp(heard) == rtcp
                };
                heard.iter().filter(of)
            };
            assert_eq!(of_side(false).count(), sent.len(), "RTP of side {side}");
            for (wire, sent) in of_side(false).zip(sent) {
                self.expect_rtp(&sent.rtp, &wire.bytes);
            }
            let expected = if all.rtcp { sent.len() } else { 0 };
            assert_eq!(of_side(true).count(), expected, "RTCP of side {side}");
            for (wire, sent) in of_side(true).zip(sent) {
                self.expect_rtcp(&sent.rtcp, &wire.bytes);
            }
        }
    }

    fn expect_rtp(&self, plain: &[u8], wire: &[u8]) {
        assert_eq!(wire.len(), plain.len() + self.tag, "length of SRTP");
        assert_eq!(wire[..RTP_HEADER], plain[..RTP_HEADER]);
        let payload = |packet: &[u8]| packet[RTP_HEADER..plain.len()].to_vec();
        assert_eq!(payload(wire) != payload(plain), self.encrypts);
    }

    fn expect_rtcp(&self, plain: &[u8], wire: &[u8]) {
        let added = RTCP_INDEX + self.rtcp_tag;
        assert_eq!(wire.len(), plain.len() + added, "length of SRTCP");
        assert_eq!(wire[..RTCP_HEADER], plain[..RTCP_HEADER]);
        let rest = |packet: &[u8]| packet[RTCP_HEADER..plain.len()].to_vec();
        assert_eq!(rest(wire) != rest(plain), self.encrypts_rtcp);
        // AEAD has its tag before the index (RFC 7714 §17), the others behind it.
        let index = if self.rtcp_tag == 16 {
            wire.len() - RTCP_INDEX
        } else {
            plain.len()
        };
        assert_eq!(wire[index] & 0x80 != 0, self.encrypts_rtcp, "E flag");
    }
}

/// The words of `SDES` that leave only one suite. rtpengine 10.5 does not know `only-…`.
pub(crate) fn only(suite: &str, ours: bool) -> Vec<String> {
    if ours {
        return vec![format!("only-{suite}")];
    }
    let others = media_core::srtp::CryptoSuite::ALL.map(|other| other.name());
    let others = others.iter().filter(|other| **other != suite);
    others.map(|other| format!("no-{other}")).collect()
}

/// `key` with one word.
pub(crate) fn word(key: &'static str, word: &'static str) -> super::Pair {
    (key, Value::str(word))
}
