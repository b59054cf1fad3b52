//! SRTP and SRTCP against other implementations, in both directions, for the suites that each has.
//!
//! `libsrtp` here is the Rust crate of that name, and shares no code with Cisco's. Neither peer has F8 or
//! the short tag without encryption.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

use libsrtp::{MasterKey as TheirKey, ProtectionProfile, RecvSession, SendSession, StreamConfig};
use media_core::buf::{PacketBuf, Slab};
use media_core::srtp::{
    CryptoSuite, MasterKey, Mki, Protector, SrtpParams, UnprotectError, Unprotector,
};
use media_core::testing::packets::{RtpStream, goodbye, receiver_report};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile as WebrtcProfile;

const SSRC: Ssrc = Ssrc::new(0x1234_5678);

fn packet(slab: &Slab, bytes: &[u8]) -> PacketBuf {
    let mut packet = slab.allocate().unwrap();
    assert!(packet.fill(bytes));
    packet
}

/// One direction of somebody's SRTP.
trait Sender {
    fn rtp(&mut self, plain: &[u8]) -> Vec<u8>;
    fn rtcp(&mut self, plain: &[u8]) -> Vec<u8>;
}

/// The other end of it.
trait Receiver {
    fn rtp(&mut self, protected: &[u8]) -> Vec<u8>;
    fn rtcp(&mut self, protected: &[u8]) -> Vec<u8>;
}

struct Ours<T>(T, Slab);

impl Sender for Ours<Protector> {
    fn rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut packet = packet(&self.1, plain);
        self.0.protect_rtp(&mut packet).unwrap();
        packet.as_slice().to_vec()
    }
    fn rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut packet = packet(&self.1, plain);
        self.0.protect_rtcp(&mut packet).unwrap();
        packet.as_slice().to_vec()
    }
}

impl Receiver for Ours<Unprotector> {
    fn rtp(&mut self, protected: &[u8]) -> Vec<u8> {
        let mut packet = packet(&self.1, protected);
        self.0.unprotect_rtp(&mut packet).unwrap();
        packet.as_slice().to_vec()
    }
    fn rtcp(&mut self, protected: &[u8]) -> Vec<u8> {
        let mut packet = packet(&self.1, protected);
        self.0.unprotect_rtcp(&mut packet).unwrap();
        packet.as_slice().to_vec()
    }
}

/// A session of the `libsrtp` crate with the MKI that it sends.
struct Libsrtp<T>(T, Option<Vec<u8>>);

impl Sender for Libsrtp<SendSession> {
    fn rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.rtp_protect_mki(plain.to_vec(), &self.1).unwrap()
    }
    fn rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.rtcp_protect_mki(plain.to_vec(), &self.1).unwrap()
    }
}

impl Receiver for Libsrtp<RecvSession> {
    fn rtp(&mut self, protected: &[u8]) -> Vec<u8> {
        self.0.rtp_unprotect(protected.to_vec()).unwrap()
    }
    fn rtcp(&mut self, protected: &[u8]) -> Vec<u8> {
        self.0.rtcp_unprotect(protected.to_vec()).unwrap()
    }
}

impl Sender for Context {
    fn rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.encrypt_rtp(plain).unwrap().to_vec()
    }
    fn rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.encrypt_rtcp(plain).unwrap().to_vec()
    }
}

impl Receiver for Context {
    fn rtp(&mut self, protected: &[u8]) -> Vec<u8> {
        self.decrypt_rtp(protected).unwrap().to_vec()
    }
    fn rtcp(&mut self, protected: &[u8]) -> Vec<u8> {
        self.decrypt_rtcp(protected).unwrap().to_vec()
    }
}

/// A stream over a wrap of its sequence number, with reports.
fn exchange(from: &mut dyn Sender, to: &mut dyn Receiver) {
    let stream = RtpStream::new(SSRC, PayloadType::new(0).unwrap())
        .starting_at(SeqNo::new(65_500), RtpTimestamp::new(0));
    for (n, plain) in stream.take(100).enumerate() {
        assert_eq!(to.rtp(&from.rtp(&plain)), plain, "packet {n}");
        if n % 10 == 0 {
            let plain = receiver_report(SSRC, &[]);
            assert_eq!(to.rtcp(&from.rtcp(&plain)), plain, "at packet {n}");
        }
    }
}

fn ours(params: &SrtpParams) -> (Ours<Protector>, Ours<Unprotector>) {
    (
        Ours(Protector::new(params), Slab::new(1)),
        Ours(Unprotector::new(params), Slab::new(1)),
    )
}

fn split(key: &MasterKey) -> (&[u8], &[u8]) {
    key.key_and_salt().split_at(key.suite().key_len())
}

fn libsrtp_profiles(suite: CryptoSuite) -> Option<(ProtectionProfile, ProtectionProfile)> {
    use ProtectionProfile as P;
    Some(match suite {
        CryptoSuite::AeadAes256Gcm => (P::AeadAes256Gcm, P::AeadAes256Gcm),
        CryptoSuite::AeadAes128Gcm => (P::AeadAes128Gcm, P::AeadAes128Gcm),
        CryptoSuite::Aes256CmHmacSha1_80 => (P::Aes256CmHmacSha180, P::Aes256CmHmacSha180),
        CryptoSuite::Aes256CmHmacSha1_32 => (P::Aes256CmHmacSha132, P::Aes256CmHmacSha180),
        CryptoSuite::Aes192CmHmacSha1_80 => (P::Aes192CmHmacSha180, P::Aes192CmHmacSha180),
        CryptoSuite::Aes192CmHmacSha1_32 => (P::Aes192CmHmacSha132, P::Aes192CmHmacSha180),
        CryptoSuite::AesCm128HmacSha1_80 => (P::Aes128CmHmacSha180, P::Aes128CmHmacSha180),
        CryptoSuite::AesCm128HmacSha1_32 => (P::Aes128CmHmacSha132, P::Aes128CmHmacSha180),
        CryptoSuite::NullHmacSha1_80 => (P::NullCipherHmacSha180, P::NullCipherHmacSha180),
        _ => return None,
    })
}

fn webrtc_profile(suite: CryptoSuite) -> Option<WebrtcProfile> {
    Some(match suite {
        CryptoSuite::AeadAes256Gcm => WebrtcProfile::AeadAes256Gcm,
        CryptoSuite::AeadAes128Gcm => WebrtcProfile::AeadAes128Gcm,
        CryptoSuite::Aes256CmHmacSha1_80 => WebrtcProfile::Aes256CmHmacSha1_80,
        CryptoSuite::Aes256CmHmacSha1_32 => WebrtcProfile::Aes256CmHmacSha1_32,
        CryptoSuite::AesCm128HmacSha1_80 => WebrtcProfile::Aes128CmHmacSha1_80,
        CryptoSuite::AesCm128HmacSha1_32 => WebrtcProfile::Aes128CmHmacSha1_32,
        _ => return None,
    })
}

#[test]
fn libsrtp_and_we_understand_each_other() {
    let mut suites = 0;
    for suite in CryptoSuite::ALL {
        let Some((rtp, rtcp)) = libsrtp_profiles(suite) else {
            continue;
        };
        suites += 1;
        for mki in [None, Some(vec![1]), Some((1..=32).collect())] {
            let params = SrtpParams {
                mki: mki.as_deref().and_then(Mki::new),
                ..SrtpParams::new(MasterKey::generate(suite))
            };
            let (key, salt) = split(&params.key);
            let config = StreamConfig::new(vec![TheirKey::new(key, salt, &mki)], &rtp, &rtcp);
            let mut sender = Libsrtp(SendSession::new(), mki.clone());
            sender.0.add_stream(None, &config).unwrap();
            let mut receiver = Libsrtp(RecvSession::new(), mki);
            receiver.0.add_stream(None, &config).unwrap();
            let (mut protector, mut unprotector) = ours(&params);
            exchange(&mut sender, &mut unprotector);
            exchange(&mut protector, &mut receiver);
        }
    }
    assert_eq!(suites, 9);
}

#[test]
fn webrtc_srtp_and_we_understand_each_other() {
    let mut suites = 0;
    for suite in CryptoSuite::ALL {
        let Some(profile) = webrtc_profile(suite) else {
            continue;
        };
        suites += 1;
        let params = SrtpParams::new(MasterKey::generate(suite));
        let (key, salt) = split(&params.key);
        let context = || Context::new(key, salt, profile, None, None).unwrap();
        let (mut protector, mut unprotector) = ours(&params);
        exchange(&mut context(), &mut unprotector);
        exchange(&mut protector, &mut context());
    }
    assert_eq!(suites, 6);
}

/// Why that crate is a peer here and not what we use.
#[test]
fn forged_goodbye_that_webrtc_srtp_lets_through_is_refused_by_us() {
    let params = SrtpParams::new(MasterKey::generate(CryptoSuite::AesCm128HmacSha1_80));
    let (key, salt) = split(&params.key);
    let profile = WebrtcProfile::Aes128CmHmacSha1_80;
    let mut theirs = Context::new(key, salt, profile, None, None).unwrap();
    // E 0, index 1, and a tag made without the key.
    let mut forged = goodbye(SSRC);
    forged.extend([0, 0, 0, 1]);
    forged.extend([0xee; 10]);
    assert!(theirs.decrypt_rtcp(&forged).is_ok());
    let (_, mut ours) = ours(&params);
    let refused = ours.0.unprotect_rtcp(&mut packet(&ours.1, &forged));
    assert_eq!(refused, Err(UnprotectError::BadTag));
}
