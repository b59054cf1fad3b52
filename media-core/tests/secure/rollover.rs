//! More than 65,536 packets over links that lose and reorder: the rollover counters of both directions
//! stay right.

use std::time::Duration;

use media_core::engine::Verdict;
use media_core::srtp::CryptoSuite;
use media_core::testing::packets::RtpStream;
use media_core::testing::{Link, LinkConfig};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};

use super::bench::{Bench, party, sdes};

const PACKETS: u32 = 66_500;

#[test]
fn a_rollover_on_a_bad_link_loses_nothing_but_what_the_link_lost() {
    let bad = LinkConfig {
        loss: 0.05,
        reorder: 0.02,
        reorder_hold: Duration::from_millis(70),
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(15),
        ..LinkConfig::default()
    };
    let (left, mut sender) = sdes(CryptoSuite::AesCm128HmacSha1_80);
    let (right, mut receiver) = sdes(CryptoSuite::AeadAes128Gcm);
    let (mut bench, [counters, onward]) = Bench::call([left, right]);
    let (mut up, mut down) = (Link::new(bad, 11), Link::new(bad, 12));
    // Two wraps: soon after the beginning and shortly before the end.
    let mut stream = RtpStream::new(Ssrc::new(1), PayloadType::new(0).unwrap())
        .starting_at(SeqNo::new(65_000), RtpTimestamp::new(0));
    let mut heard = 0;
    for n in 0..PACKETS + 10 {
        if n < PACKETS {
            up.send(bench.now, sender.protect(&stream.next_packet()));
        }
        while let Some((_, packet)) = up.poll(bench.now) {
            assert_eq!(bench.receive(0, party(0), &packet), Verdict::Forwarded);
            for (_, _, packet) in bench.sent() {
                down.send(bench.now, packet);
            }
        }
        while let Some((_, packet)) = down.poll(bench.now) {
            let plain = receiver.unprotect(&packet).unwrap();
            // The payload repeats the sequence number's low byte: decrypted under the right index.
            assert_eq!(plain[12..], [plain[3]; 160]);
            heard += 1;
        }
        bench.events();
        bench.now += RtpStream::INTERVAL;
    }
    let (up, down) = (up.counts(), down.counts());
    assert!(up.lost > 3000 && down.lost > 2800 && up.held > 1000);
    assert_eq!(heard, up.sent - up.lost - down.lost);
    assert_eq!(counters.packets.get(), up.sent - up.lost);
    assert_eq!(counters.dropped_total() + onward.dropped_total(), 0);
}
