//! Keys that are known: who decrypts, who encrypts, what is refused, and what a restated route changes.

use std::sync::Arc;
use std::time::Duration;

use media_core::engine::{Component, DropReason, Protection, SinkAction, SrtpKeys, Verdict};
use media_core::srtp::{CryptoSuite, MasterKey, SrtpParams};
use media_core::testing::packets::{RtpStream, receiver_report, sender_report};
use media_core::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::rtcp::SenderInfo;

use super::bench::{Bench, keys, party, party_of, route, sdes, socket, stranger};

const COMMON: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;

fn pcmu(ssrc: u32) -> RtpStream {
    RtpStream::new(Ssrc::new(ssrc), PayloadType::new(0).unwrap())
        .starting_at(SeqNo::new(100), RtpTimestamp::new(0))
}

#[test]
fn srtp_on_one_side_and_rtp_on_the_other_are_bridged_under_every_suite() {
    for suite in CryptoSuite::ALL {
        let (protection, mut secure) = sdes(suite);
        let (mut bench, counters) = Bench::call([protection, Protection::None]);
        let report = receiver_report(Ssrc::new(1), &[]);
        for plain in pcmu(1).take(50) {
            let protected = secure.protect(&plain);
            assert_ne!(protected, plain);
            assert_eq!(bench.relay(0, &protected), plain, "{suite:?}");
            let sent = bench.relay(1, &plain);
            assert_eq!(sent.len(), plain.len() + suite.tag_len());
            assert_eq!(secure.unprotect(&sent), Ok(plain), "{suite:?}");
        }
        assert_eq!(bench.relay(0, &secure.protect_rtcp(&report)), report);
        let sent = bench.relay(1, &report);
        assert_eq!(sent.len(), report.len() + 4 + suite.rtcp_tag_len());
        assert_eq!(secure.unprotect_rtcp(&sent), Ok(report));
        // Counted as it is without protection on the way in, as it is on the wire on the way out.
        let [secured, plain] = counters;
        assert_eq!((secured.packets.get(), plain.packets.get()), (51, 51));
        assert_eq!(secured.ssrcs[0].packets.get(), 50);
        assert_eq!(secured.dropped_total() + plain.dropped_total(), 0);
        assert_eq!(secured.reports.sender(), Some(Ssrc::new(1)));
    }
}

#[test]
fn a_plain_party_that_counts_anew_is_heard_by_the_srtp_side() {
    for suite in CryptoSuite::ALL {
        let (protection, mut secure) = sdes(suite);
        let (mut bench, counters) = Bench::call([protection, Protection::None]);
        let starts = [20_000, 5000, 300].into_iter();
        let sent = starts.flat_map(|start| {
            let stream = pcmu(1).starting_at(SeqNo::new(start), RtpTimestamp::new(0));
            stream.take(50)
        });
        for (number, plain) in (20_000_u16..).zip(sent) {
            let received = secure.unprotect(&bench.relay(1, &plain)).unwrap();
            assert_eq!(received[2..4], number.to_be_bytes(), "{suite:?}");
            assert_eq!(received[4..], plain[4..]);
        }
        for counters in counters {
            assert_eq!(counters.dropped_total(), 0);
        }
    }
}

#[test]
fn two_srtp_sides_with_different_keys_are_encrypted_anew() {
    for (left, right) in [
        (COMMON, COMMON),
        (CryptoSuite::AeadAes256Gcm, CryptoSuite::AesCm128HmacSha1_32),
    ] {
        let (mut parties, protections) = {
            let [(a, party_a), (b, party_b)] = [sdes(left), sdes(right)];
            ([party_a, party_b], [a, b])
        };
        let (mut bench, _) = Bench::call(protections);
        for plain in pcmu(1).take(20) {
            for (n, from, to) in [(0, 0, 1), (1, 1, 0)] {
                let protected = parties[from].protect(&plain);
                let sent = bench.relay(n, &protected);
                assert_ne!(sent, protected);
                assert_eq!(parties[to].unprotect(&sent), Ok(plain.clone()));
            }
        }
    }
}

#[test]
fn what_is_to_stay_untouched_passes_byte_for_byte() {
    let (protection, mut sender) = sdes(COMMON);
    let Protection::Srtp(left) = &protection else {
        panic!("SDES has keys");
    };
    let right = SrtpKeys {
        send: left.receive.clone(),
        receive: left.send.clone(),
    };
    let mut receiver = party_of(&right);
    let mut bench = Bench::new();
    let mut routes = [
        route(0, 1, protection.clone()),
        route(1, 0, Protection::Srtp(Arc::new(right))),
    ];
    for route in &mut routes {
        route.untouched = true;
    }
    let [a, b] = routes;
    let counters = bench.route(0, a);
    bench.route(1, b);
    let info = SenderInfo {
        ntp_timestamp: 1,
        rtp_timestamp: RtpTimestamp::new(2),
        packet_count: 3,
        octet_count: 4,
    };
    for plain in pcmu(1).take(20) {
        let protected = sender.protect(&plain);
        let sent = bench.relay(0, &protected);
        assert_eq!(sent, protected);
        assert_eq!(receiver.unprotect(&sent), Ok(plain));
        let report = sender.protect_rtcp(&sender_report(Ssrc::new(1), &info, &[]));
        assert_eq!(bench.relay(0, &report), report);
    }
    assert_eq!(counters.ssrcs[0].packets.get(), 20);
    // Its reports are encrypted, and not taken for what they seem to say.
    assert_eq!(counters.reports.sender_reports.get(), 0);
    let back = receiver.protect(&pcmu(2).next_packet());
    assert_eq!(bench.relay(1, &back), back);
}

#[test]
fn forged_and_repeated_packets_are_dropped_for_their_reason() {
    let (protection, mut secure) = sdes(COMMON);
    let (mut bench, [counters, _]) = Bench::call([protection, Protection::None]);
    let mut stream = pcmu(1);
    let good = secure.protect(&stream.next_packet());
    bench.relay(0, &good);
    assert_eq!(counters.unauthentic_since_us.get(), 0);

    bench.now += Duration::from_millis(70);
    let mut bad_tag = secure.protect(&stream.next_packet());
    *bad_tag.last_mut().unwrap() ^= 1;
    bench.refused(0, &bad_tag, DropReason::NotAuthentic);
    assert_eq!(counters.unauthentic_since_us.get(), 70_000);
    bench.now += Duration::from_millis(20);
    let (_, mut other) = sdes(COMMON);
    let wrong_key = other.protect(&stream.next_packet());
    bench.refused(0, &wrong_key, DropReason::NotAuthentic);
    assert_eq!(
        counters.unauthentic_since_us.get(),
        70_000,
        "since the first"
    );
    let rtcp = other.protect_rtcp(&receiver_report(Ssrc::new(1), &[]));
    bench.refused(0, &rtcp, DropReason::NotAuthentic);
    bench.refused(0, &stream.next_packet(), DropReason::NotAuthentic);

    // A replay is authentic or not, nobody looks: it says nothing of the key.
    bench.refused(0, &good, DropReason::Replayed);
    assert_eq!(counters.unauthentic_since_us.get(), 70_000);

    let next = secure.protect(&stream.next_packet());
    bench.relay(0, &next);
    assert_eq!(counters.unauthentic_since_us.get(), 0);
    bench.refused(0, &next, DropReason::Replayed);
    let report = secure.protect_rtcp(&receiver_report(Ssrc::new(1), &[]));
    bench.relay(0, &report);
    bench.refused(0, &report, DropReason::Replayed);
    assert_eq!(counters.dropped_for(DropReason::NotAuthentic), 4);
    assert_eq!(counters.dropped_for(DropReason::Replayed), 3);
    assert_eq!(counters.packets.get(), 3, "only what was authentic");
    assert_eq!(counters.ssrcs[0].packets.get(), 2);
}

#[test]
fn only_authentic_packets_move_the_endpoint() {
    let (protection, mut secure) = sdes(COMMON);
    let (_, mut forger) = sdes(COMMON);
    let (mut bench, [counters, _]) = Bench::call([protection, Protection::None]);
    let mut stream = pcmu(1);
    let good = secure.protect(&stream.next_packet());
    bench.relay(0, &good);
    bench.events();

    let forged = forger.protect(&stream.next_packet());
    bench.refused_from(0, stranger(), &forged, DropReason::NotAuthentic);
    let plain = stream.next_packet();
    bench.refused_from(0, stranger(), &plain, DropReason::NotAuthentic);
    bench.refused_from(0, stranger(), &good, DropReason::Replayed);
    bench.refused_from(0, stranger(), &[0x80, 0, 0], DropReason::Malformed);
    assert_eq!(bench.events(), [], "nothing was learned");
    assert_eq!(counters.other_source.get(), 0);
    bench.relay(1, &pcmu(2).next_packet());

    // The party itself behind another NAT binding.
    let moved = secure.protect(&stream.next_packet());
    assert_eq!(bench.receive(0, stranger(), &moved), Verdict::Forwarded);
    bench.sent();
    bench.receive(1, party(1), &pcmu(3).next_packet());
    assert_eq!(bench.sent()[0].1, stranger());
}

#[test]
fn a_party_that_changes_its_ssrc_is_heard_on() {
    let (protection, mut secure) = sdes(COMMON);
    let (other, mut listener) = sdes(CryptoSuite::AeadAes128Gcm);
    let (mut bench, [counters, _]) = Bench::call([protection, other]);
    for ssrc in 1..=40 {
        for plain in pcmu(ssrc).take(3) {
            let sent = bench.relay(0, &secure.protect(&plain));
            assert_eq!(listener.unprotect(&sent), Ok(plain), "SSRC {ssrc}");
        }
    }
    assert_eq!(counters.dropped_total(), 0);
    let latest = counters.latest_source().unwrap();
    assert_eq!((latest.ssrc(), latest.packets.get()), (Ssrc::new(40), 3));
}

#[test]
fn nothing_passes_before_there_are_keys() {
    let (mut bench, [closed, open]) = Bench::call([Protection::Closed, Protection::None]);
    let report = receiver_report(Ssrc::new(1), &[]);
    for packet in [pcmu(1).next_packet(), report] {
        bench.refused(0, &packet, DropReason::NoKeys);
        bench.refused_from(0, stranger(), &packet, DropReason::NoKeys);
        bench.refused(1, &packet, DropReason::NoKeys);
    }
    assert_eq!(closed.dropped_for(DropReason::NoKeys), 4);
    assert_eq!(open.dropped_for(DropReason::NoKeys), 2);
    assert_eq!(closed.packets_sent.get(), 0);
    assert_eq!(bench.events(), []);
}

#[test]
fn the_same_keys_restated_keep_rollover_and_window() {
    let keys = keys(COMMON);
    let mut secure = party_of(&keys);
    let (mut bench, _) = Bench::call([Protection::Srtp(Arc::new(keys.clone())), Protection::None]);
    // Over the wrap, so that a context that began anew would guess the rollover counter wrong.
    let stream = || pcmu(1).starting_at(SeqNo::new(65_530), RtpTimestamp::new(0));
    let (mut incoming, mut outgoing) = (stream(), stream());
    let mut first = Vec::new();
    for n in 0..40 {
        if n % 10 == 5 {
            // Equal, not the same.
            let again = Protection::Srtp(Arc::new(keys.clone()));
            bench.route(0, route(0, 1, again));
        }
        let plain = incoming.next_packet();
        let protected = secure.protect(&plain);
        assert_eq!(bench.relay(0, &protected), plain);
        if n == 0 {
            first = protected;
        }
        let plain = outgoing.next_packet();
        let sent = bench.relay(1, &plain);
        assert_eq!(secure.unprotect(&sent), Ok(plain));
    }
    bench.refused(0, &first, DropReason::Replayed);
}

#[test]
fn other_keys_begin_anew_and_the_old_ones_are_void() {
    let old = keys(COMMON);
    let new = keys(CryptoSuite::Aes256CmHmacSha1_80);
    let [mut before, mut after] = [party_of(&old), party_of(&new)];
    let (mut bench, _) = Bench::call([Protection::Srtp(Arc::new(old)), Protection::None]);
    let packets: Vec<_> = pcmu(1).take(4).collect();
    bench.relay(0, &before.protect(&packets[0]));
    bench.route(0, route(0, 1, Protection::Srtp(Arc::new(new))));
    bench.refused(0, &before.protect(&packets[1]), DropReason::NotAuthentic);
    // The same sequence number again: another key, another window.
    assert_eq!(bench.relay(0, &after.protect(&packets[0])), packets[0]);
    let sent = bench.relay(1, &packets[3]);
    assert_eq!(after.unprotect(&sent), Ok(packets[3].clone()));
    // And back to a call without protection.
    bench.route(0, route(0, 1, Protection::None));
    assert_eq!(bench.relay(0, &packets[2]), packets[2]);
}

#[test]
fn a_new_key_of_one_direction_leaves_the_other_alone() {
    let old = keys(COMMON);
    let mut new = old.clone();
    new.receive = SrtpParams::new(MasterKey::generate(COMMON));
    let [mut before, mut after] = [party_of(&old), party_of(&new)];
    let (mut bench, _) = Bench::call([Protection::Srtp(Arc::new(old)), Protection::None]);
    let mut stream = pcmu(1).starting_at(SeqNo::new(65_535), RtpTimestamp::new(0));
    let plain = stream.next_packet();
    assert_eq!(before.unprotect(&bench.relay(1, &plain)), Ok(plain));
    bench.route(0, route(0, 1, Protection::Srtp(Arc::new(new))));
    // Rollover counter 1 by now: a new context would say 0.
    let plain = stream.next_packet();
    assert_eq!(before.unprotect(&bench.relay(1, &plain)), Ok(plain));
    let plain = pcmu(2).next_packet();
    bench.refused(0, &before.protect(&plain), DropReason::NotAuthentic);
    assert_eq!(bench.relay(0, &after.protect(&plain)), plain);
}

#[test]
fn rtcp_is_protected_where_mux_is_joined_and_split() {
    // Stream 0: SRTP, RTP and RTCP on one port; streams 1 and 2: the other party's RTP and RTCP.
    let (muxed, mut secure) = sdes(COMMON);
    let (split, mut far) = sdes(CryptoSuite::AeadAes128Gcm);
    let Protection::Srtp(far_keys) = &split else {
        panic!("SDES has keys");
    };
    let mut far_rtcp = party_of(far_keys);
    let mut bench = Bench::new();
    let mut near = route(0, 1, muxed);
    near.rtcp_sinks = SinkAction { socket: socket(2) }.into();
    bench.route(0, near);
    for (n, component) in [(1, Component::Rtp), (2, Component::Rtcp)] {
        let mut route = route(n, 0, split.clone());
        route.component = component;
        bench.route(n, route);
    }
    let report = receiver_report(Ssrc::new(1), &[]);
    let audio = pcmu(1).next_packet();

    bench.receive(0, party(0), &secure.protect_rtcp(&report));
    bench.receive(0, party(0), &secure.protect(&audio));
    let sent = bench.sent();
    assert_eq!((sent[0].0, sent[0].1), (2, party(2)));
    assert_eq!(far_rtcp.unprotect_rtcp(&sent[0].2), Ok(report.clone()));
    assert_eq!((sent[1].0, sent[1].1), (1, party(1)));
    assert_eq!(far.unprotect(&sent[1].2), Ok(audio.clone()));

    bench.receive(2, party(2), &far_rtcp.protect_rtcp(&report));
    bench.receive(1, party(1), &far.protect(&audio));
    let sent = bench.sent();
    assert!(sent.iter().all(|s| (s.0, s.1) == (0, party(0))));
    assert_eq!(secure.unprotect_rtcp(&sent[0].2), Ok(report.clone()));
    assert_eq!(secure.unprotect(&sent[1].2), Ok(audio));

    // RTCP of its own port under the wrong layer is no RTCP that passes.
    let forged = secure.protect_rtcp(&report);
    bench.refused(2, &forged, DropReason::NotAuthentic);
}
