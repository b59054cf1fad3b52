//! Contexts against each other, against other implementations and against strangers.

mod hostile;
mod order;
mod restart;
mod round_trip;

use super::*;
use crate::buf::{PacketBuf, Slab};
use crate::units::{PayloadType, Roc, RtpTimestamp, SeqNo, Ssrc};
use crate::wire::rtp::{RtpBuilder, RtpHeader};

/// The bytes of hexadecimal digits, whatever white space is between them.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

/// A packet of these bytes, alone in its slab.
fn packet(bytes: &[u8]) -> PacketBuf {
    let mut packet = Slab::new(1).allocate().unwrap();
    assert!(packet.fill(bytes));
    packet
}

/// A key that is the same in every run.
fn key(suite: CryptoSuite) -> MasterKey {
    let bytes: Vec<u8> = (1..).take(suite.key_len() + suite.salt_len()).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

fn params(suite: CryptoSuite) -> SrtpParams {
    SrtpParams::new(key(suite))
}

fn pair(params: &SrtpParams) -> (Protector, Unprotector) {
    (Protector::new(params), Unprotector::new(params))
}

const SSRC: u32 = 0xcafe_babe;

/// 20 ms of something.
fn rtp_of(ssrc: u32, seq: u16) -> Vec<u8> {
    let header = RtpHeader::new(
        PayloadType::new(8).unwrap(),
        SeqNo::new(seq),
        RtpTimestamp::new(u32::from(seq) * 160),
        Ssrc::new(ssrc),
    );
    let payload: Vec<u8> = (0..160).collect();
    RtpBuilder::new(header, &payload).to_vec().unwrap()
}

fn rtp(seq: u16) -> Vec<u8> {
    rtp_of(SSRC, seq)
}

/// A receiver report with one block, and a goodbye.
fn rtcp() -> Vec<u8> {
    let mut bytes = vec![0x81, 201, 0, 7];
    bytes.extend(SSRC.to_be_bytes());
    bytes.extend(1..=24);
    bytes.extend([0x81, 203, 0, 1]);
    bytes.extend(SSRC.to_be_bytes());
    bytes
}

fn protect(protector: &mut Protector, plain: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut packet = packet(plain);
    let result = protector.protect_rtp(&mut packet);
    result.map(|()| packet.as_slice().to_vec())
}

fn protect_rtcp(protector: &mut Protector, plain: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut packet = packet(plain);
    let result = protector.protect_rtcp(&mut packet);
    result.map(|()| packet.as_slice().to_vec())
}

/// Also holds every caller to it that a failed packet changes nothing.
fn unprotect(unprotector: &mut Unprotector, bytes: &[u8]) -> Result<Vec<u8>, UnprotectError> {
    let before = unprotector.sources.clone();
    let mut packet = packet(bytes);
    let result = unprotector.unprotect_rtp(&mut packet);
    assert_eq!(result.is_err(), unprotector.sources == before);
    result.map(|_| packet.as_slice().to_vec())
}

fn unprotect_rtcp(unprotector: &mut Unprotector, bytes: &[u8]) -> Result<Vec<u8>, UnprotectError> {
    let before = unprotector.sources.clone();
    let mut packet = packet(bytes);
    let result = unprotector.unprotect_rtcp(&mut packet);
    assert_eq!(result.is_err(), unprotector.sources == before);
    result.map(|()| packet.as_slice().to_vec())
}

#[test]
fn contexts_may_be_made_on_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<Protector>();
    sendable::<Unprotector>();
}

#[test]
fn debug_shows_no_key() {
    let (protector, unprotector) = pair(&params(CryptoSuite::AesCm128HmacSha1_80));
    let suite = "suite: AesCm128HmacSha1_80, ..";
    assert_eq!(format!("{protector:?}"), format!("Protector {{ {suite} }}"));
    assert_eq!(
        format!("{unprotector:?}"),
        format!("Unprotector {{ {suite} }}")
    );
}
