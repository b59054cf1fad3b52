//! Session keys from a master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), with a key derivation rate
//! of 0: once per master key.

use super::MasterKey;
use super::cipher::Aes;

/// What a session key is for (RFC 3711 §4.3.2).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key of that label.
///
/// The keystream of the master key in counter mode. The counter block is the master salt with the label
/// in its eighth byte; shorter salts are padded with zeros at their end.
pub(super) fn derive(master: &MasterKey, label: Label, out: &mut [u8]) {
    let mut block = [0; 16];
    block[..master.salt().len()].copy_from_slice(master.salt());
    block[7] ^= label as u8;
    out.fill(0);
    Aes::new(master.key()).apply_keystream(block, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::CryptoSuite;
    use crate::srtp::tests::hex;

    fn check(suite: CryptoSuite, master: &str, expected: [(Label, &str); 3]) {
        let master = MasterKey::new(suite, &hex(master)).unwrap();
        for (label, expected) in expected {
            let expected = hex(expected);
            let mut out = vec![0xff; expected.len()];
            derive(&master, label, &mut out);
            assert_eq!(out, expected, "{label:?}");
        }
    }

    #[test]
    fn rfc3711_b3_key_derivation() {
        check(
            CryptoSuite::AesCm128HmacSha1_80,
            "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
            [
                (Label::RtpKey, "c61e7a93744f39ee10734afe3ff7a087"),
                (Label::RtpSalt, "30cbbc08863d8c85d49db34a9ae1"),
                (
                    Label::RtpAuthentication,
                    "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce",
                ),
            ],
        );
    }

    #[test]
    fn rfc6188_7_2_key_derivation_of_aes_256() {
        check(
            CryptoSuite::Aes256CmHmacSha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
             3b04803de51ee7c96423ab5b78d2",
            [
                (
                    Label::RtpKey,
                    "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
                ),
                (Label::RtpSalt, "fa31791685ca444a9e07c6c64e93"),
                (
                    Label::RtpAuthentication,
                    "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
                ),
            ],
        );
    }

    #[test]
    fn rfc6188_7_4_key_derivation_of_aes_192() {
        check(
            CryptoSuite::Aes192CmHmacSha1_80,
            "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1
             c8522f3acd4ce86d5add78edbb11",
            [
                (
                    Label::RtpKey,
                    "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
                ),
                (Label::RtpSalt, "2372b82d639b6d8503a47adc0a6c"),
                (
                    Label::RtpAuthentication,
                    "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
                ),
            ],
        );
    }
}
