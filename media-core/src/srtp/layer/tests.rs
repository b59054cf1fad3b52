//! RFC 7714's packets, which are given with session keys.

use super::*;
use crate::srtp::tests::hex;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f";

const RTP: &str = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e697320646976697361
    20696e207061727465732074726573";
const RTP_INDEX: u64 = 0xf17b;
const RTCP: &str = "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const RTCP_INDEX: u32 = 0x5d4;

fn layer(key: &str, encrypt: bool) -> Layer {
    Layer {
        transform: Transform::Aead(Gcm::new(&hex(key), &hex(SALT).try_into().unwrap())),
        encrypt,
        tag_len: gcm::TAG_LEN,
        mki: None,
    }
}

fn check_rtp(key: &str, encrypt: bool, ciphertext: &str, tag: &str) {
    let layer = layer(key, encrypt);
    let plain = hex(RTP);
    let expected = [&plain[..12], &hex(ciphertext), &hex(tag)].concat();
    let mut packet = [&plain[..], &[0; gcm::TAG_LEN]].concat();
    layer.seal_rtp(&mut packet, 12, RTP_INDEX);
    assert_eq!(packet, expected);
    assert_eq!(layer.open_rtp(&mut packet, 12, RTP_INDEX), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

fn check_rtcp(key: &str, encrypt: bool, ciphertext: &str, tag_and_word: &str) {
    let layer = layer(key, encrypt);
    let plain = hex(RTCP);
    let expected = [&plain[..8], &hex(ciphertext), &hex(tag_and_word)].concat();
    let mut packet = [&plain[..], &[0; gcm::TAG_LEN + WORD_LEN]].concat();
    layer.seal_rtcp(&mut packet, RTCP_INDEX);
    assert_eq!(packet, expected);
    let word = layer.rtcp_word(&packet).unwrap();
    assert_eq!(word & !ENCRYPTED, RTCP_INDEX);
    assert_eq!(layer.open_rtcp(&mut packet, word), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

#[test]
fn rfc7714_16_1_srtp_aes_128() {
    check_rtp(
        KEY_128,
        true,
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833",
        "899d7f27beb16a9152cf765ee4390cce",
    );
    let clear = &RTP[25..];
    check_rtp(KEY_128, false, clear, "22493f82d2bce397e9d79e3b19aa4216");
}

#[test]
fn rfc7714_16_2_srtp_aes_256() {
    check_rtp(
        KEY_256,
        true,
        "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b",
        "7aa3db36dfffd6b0f9bb7878d7a76c13",
    );
    let clear = &RTP[25..];
    check_rtp(KEY_256, false, clear, "a866d5910f887463067ceefec45215d4");
}

#[test]
fn rfc7714_17_1_srtcp_aes_128() {
    check_rtcp(
        KEY_128,
        true,
        "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda
         4ce09b4686303ded0bb9275b",
        "c84aa45896cf4d2fc5abf87245d9eade 800005d4",
    );
}

#[test]
fn rfc7714_17_2_srtcp_aes_256() {
    check_rtcp(
        KEY_256,
        true,
        "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be
         8415f658c61de0476f1b6fad",
        "1d1eb30c4446839f57ff6f6cb26ac3be 800005d4",
    );
}

#[test]
fn rfc7714_17_3_and_4_srtcp_unencrypted() {
    let clear = &RTCP[17..];
    let tag_and_word = "841dd9683dd78ec92ae58790125f62b3 000005d4";
    check_rtcp(KEY_128, false, clear, tag_and_word);
    let tag_and_word = "91db4afbfeee5a978fab4393ed2615fe 000005d4";
    check_rtcp(KEY_256, false, clear, tag_and_word);
}
