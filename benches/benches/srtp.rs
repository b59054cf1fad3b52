//! Protecting and unprotecting 20 ms of G.711, and for each suite its cryptography alone: the keystream or
//! AEAD of the payload, and HMAC-SHA1 of the packet by RustCrypto's SHA-1, its key hashed ahead. What a
//! context adds to it is the parsing, the rollover counter, the replay window, and the packet's layout.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use media_core::buf::{PacketBuf, Slab};
use media_core::srtp::{CryptoSuite, MasterKey, Protector, SrtpParams, Unprotector};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtp::RtpHeader;
use sha1::{Digest, Sha1};

const HEADER: usize = 12;
const LEN: usize = 172;
/// Packets between two looks at the clock, where a packet cannot be used twice. A batch is what the
/// drivers take in at once.
const BATCH: usize = 32;

/// The cryptography of a suite.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Primitives {
    Hmac(Cipher, Hmac),
    Aead(LessSafeKey),
}

enum Cipher {
    Cm128(Aes128Enc),
    Cm192(Aes192Enc),
    Cm256(Aes256Enc),
    F8(Aes128Enc),
    Null,
}

impl Primitives {
    fn new(suite: CryptoSuite) -> Self {
        use CryptoSuite as S;
        let gcm = |algorithm, key: &[u8]| {
            LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key of its length"))
        };
        let cipher = match suite {
            S::AeadAes128Gcm => return Self::Aead(gcm(&AES_128_GCM, &[7; 16])),
            S::AeadAes256Gcm => return Self::Aead(gcm(&AES_256_GCM, &[7; 32])),
            S::AesCm128HmacSha1_80 | S::AesCm128HmacSha1_32 => {
                Cipher::Cm128(Aes128Enc::new(&[7; 16].into()))
            }
            S::Aes192CmHmacSha1_80 | S::Aes192CmHmacSha1_32 => {
                Cipher::Cm192(Aes192Enc::new(&[7; 24].into()))
            }
            S::Aes256CmHmacSha1_80 | S::Aes256CmHmacSha1_32 => {
                Cipher::Cm256(Aes256Enc::new(&[7; 32].into()))
            }
            S::F8_128HmacSha1_80 | S::F8_128HmacSha1_32 => {
                Cipher::F8(Aes128Enc::new(&[7; 16].into()))
            }
            S::NullHmacSha1_80 | S::NullHmacSha1_32 => Cipher::Null,
        };
        Self::Hmac(cipher, Hmac::new())
    }

    /// Encrypts the payload, and for AEAD puts the tag behind it.
    fn seal(&self, packet: &mut [u8]) {
        let (header, payload) = packet.split_at_mut(HEADER);
        match self {
            Self::Hmac(cipher, hmac) => {
                cipher.apply(payload);
                black_box(hmac.tag(packet));
            }
            Self::Aead(key) => {
                let (payload, tag_at) = payload.split_at_mut(LEN - HEADER);
                let tag = key
                    .seal_in_place_separate_tag(nonce(), Aad::from(header), payload)
                    .expect("a short packet");
                tag_at.copy_from_slice(tag.as_ref());
            }
        }
    }

    /// Decrypts the payload.
    fn open(&self, packet: &mut [u8]) {
        match self {
            Self::Hmac(cipher, hmac) => {
                black_box(hmac.tag(packet));
                cipher.apply(&mut packet[HEADER..]);
            }
            Self::Aead(key) => {
                let (header, payload) = packet.split_at_mut(HEADER);
                let opened = key.open_in_place(nonce(), Aad::from(header), payload);
                opened.expect("what was sealed");
            }
        }
    }

    fn tag_len(&self) -> usize {
        match self {
            Self::Hmac(..) => 0,
            Self::Aead(_) => 16,
        }
    }
}

impl Cipher {
    fn apply(&self, payload: &mut [u8]) {
        let iv = black_box([1; 16]).into();
        let data = payload.into();
        match self {
            Self::Cm128(aes) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data);
            }
            Self::Cm192(aes) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data);
            }
            Self::Cm256(aes) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(aes, &iv).apply_keystream_partial(data);
            }
            // One block behind the other, the first to make the packet's own start.
            Self::F8(aes) => {
                let mut block = iv;
                aes.encrypt_block(&mut block);
                for data in payload.as_chunks_mut::<16>().0 {
                    aes.encrypt_block(&mut block);
                    let key = u128::from_ne_bytes(block.into());
                    *data = (u128::from_ne_bytes(*data) ^ key).to_ne_bytes();
                }
            }
            Self::Null => {}
        }
    }
}

/// SHA-1 behind the inner and the outer key block.
struct Hmac {
    inner: Sha1,
    outer: Sha1,
}

impl Hmac {
    fn new() -> Self {
        Self {
            inner: Sha1::new_with_prefix([0x36; 64]),
            outer: Sha1::new_with_prefix([0x5c; 64]),
        }
    }

    fn tag(&self, packet: &[u8]) -> [u8; 20] {
        let mut inner = self.inner.clone();
        inner.update(packet);
        inner.update(black_box([0; 4]));
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key(black_box([3; 12]))
}

/// Makes `packet` one of this sequence number; its payload is whatever is there.
fn reset(packet: &mut PacketBuf, seq: u16) {
    let pcmu = PayloadType::new(0).expect("at most 127");
    let (seq, timestamp) = (SeqNo::new(seq), RtpTimestamp::new(0));
    let header = RtpHeader::new(pcmu, seq, timestamp, Ssrc::new(7)).to_bytes();
    packet.set_len(LEN);
    packet.as_mut_slice()[..HEADER].copy_from_slice(&header);
}

/// Times `open` on packets that `seal` has made, not counting `seal`.
fn time_open(
    iterations: u64,
    packets: &mut [PacketBuf],
    mut seal: impl FnMut(&mut PacketBuf),
    mut open: impl FnMut(&mut PacketBuf),
) -> Duration {
    let mut left = usize::try_from(iterations).expect("64 bits");
    let mut total = Duration::ZERO;
    while left > 0 {
        let batch = left.min(packets.len());
        let packets = &mut packets[..batch];
        packets.iter_mut().for_each(&mut seal);
        let start = Instant::now();
        packets.iter_mut().for_each(&mut open);
        total += start.elapsed();
        left -= batch;
    }
    total
}

fn srtp(c: &mut Criterion) {
    let slab = Slab::new(u16::try_from(BATCH).expect("a small batch"));
    let mut packets: Vec<_> = (0..BATCH).map_while(|_| slab.allocate()).collect();
    for suite in CryptoSuite::ALL {
        let mut group = c.benchmark_group(suite.name());
        group.throughput(Throughput::Elements(1));
        let primitives = Primitives::new(suite);
        let params = SrtpParams::new(MasterKey::generate(suite));

        let mut seq = 0_u16;
        let mut next = |packet: &mut PacketBuf| {
            seq = seq.wrapping_add(1);
            reset(packet, seq);
        };
        group.bench_function("protect", |b| {
            let mut protector = Protector::new(&params);
            b.iter(|| {
                next(&mut packets[0]);
                protector.protect_rtp(&mut packets[0]).expect("a packet")
            });
        });
        group.bench_function("protect, cryptography alone", |b| {
            b.iter(|| {
                next(&mut packets[0]);
                packets[0].set_len(LEN + primitives.tag_len());
                primitives.seal(packets[0].as_mut_slice());
            });
        });
        group.bench_function("unprotect", |b| {
            let mut protector = Protector::new(&params);
            let mut unprotector = Unprotector::new(&params);
            b.iter_custom(|iterations| {
                let seal = |packet: &mut PacketBuf| {
                    next(packet);
                    protector.protect_rtp(packet).expect("a packet");
                };
                time_open(iterations, &mut packets, seal, |packet| {
                    black_box(
                        unprotector
                            .unprotect_rtp(packet)
                            .expect("what was protected"),
                    );
                })
            });
        });
        group.bench_function("unprotect, cryptography alone", |b| {
            b.iter_custom(|iterations| {
                let seal = |packet: &mut PacketBuf| {
                    next(packet);
                    packet.set_len(LEN + primitives.tag_len());
                    primitives.seal(packet.as_mut_slice());
                };
                time_open(iterations, &mut packets, seal, |packet| {
                    primitives.open(packet.as_mut_slice());
                })
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Forty-eight of them.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = srtp
}
criterion_main!(benches);
