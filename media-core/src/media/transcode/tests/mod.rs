mod digits;
mod direct;

use std::sync::Arc;

use codecs::registry;
use proptest::prelude::*;

use super::*;
use crate::units::SeqNo;

const SSRC: u32 = 0x1234_5678;

fn pt(number: u8) -> PayloadType {
    PayloadType::new(number).unwrap()
}

fn codec(name: &str, number: u8, ptime_ms: u32) -> CodecUse {
    CodecUse {
        codec: registry::by_name(name, 8000, 1).unwrap(),
        payload_type: pt(number),
        fmtp: "".into(),
        ptime_ms,
    }
}

/// PCMA from the sender, PCMU to the receiver; events 101 become 96.
fn plan(ptime_ms: u32) -> Plan {
    let eight = ClockRate::new(8000).unwrap();
    let mut plan = Plan::new(vec![
        (pt(8), Rule::Decode(codec("PCMA", 8, 20))),
        (pt(101), Rule::Events(eight)),
        (pt(13), Rule::ComfortNoise(eight)),
        (pt(3), Rule::Forward(pt(33))),
        (pt(4), Rule::Drop),
    ]);
    plan.target = Some(codec("PCMU", 0, ptime_ms));
    plan.events = Some((pt(96), eight));
    plan.unlisted = Unlisted::Drop;
    plan
}

struct Bench {
    transcoder: Transcoder,
    slab: Slab,
    scratch: Scratch,
    now_us: u64,
    unlisted: u64,
    failed: u64,
    concealed: u64,
    heard: Vec<Heard>,
}

/// What left: payload type, sequence number, time stamp, marker, payload.
type Sent = (u8, u16, u32, bool, Vec<u8>);

impl Bench {
    fn new(plan: Plan) -> Self {
        Self {
            transcoder: Transcoder::new(Arc::new(plan)),
            slab: Slab::new(256),
            scratch: Scratch::default(),
            now_us: 0,
            unlisted: 0,
            failed: 0,
            concealed: 0,
            heard: Vec::new(),
        }
    }

    fn packet(&mut self, number: u8, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<Sent> {
        self.packet_of(SSRC, number, seq, timestamp, payload)
    }

    fn packet_of(
        &mut self,
        ssrc: u32,
        number: u8,
        seq: u16,
        timestamp: u32,
        payload: &[u8],
    ) -> Vec<Sent> {
        let header = RtpHeader::new(
            pt(number),
            SeqNo::new(seq),
            RtpTimestamp::new(timestamp),
            Ssrc::new(ssrc),
        );
        let mut packet = self.slab.allocate().unwrap();
        packet.fill(&[&header.to_bytes()[..], payload].concat());
        let _ = self.transcoder.push(&header, packet, self.now_us);
        self.work()
    }

    fn work(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut keep = |packet: PacketBuf| {
            let rtp = RtpPacket::parse(packet.as_slice()).unwrap();
            sent.push((
                rtp.payload_type().get(),
                rtp.sequence_number().get(),
                rtp.timestamp().get(),
                rtp.marker(),
                rtp.payload().to_vec(),
            ));
        };
        let mut outlet = Outlet::new(&self.slab, &mut keep);
        while self
            .transcoder
            .work(self.now_us, &mut self.scratch, &mut outlet)
        {
            self.heard.extend(outlet.heard.take());
        }
        self.unlisted += outlet.unlisted;
        self.failed += outlet.failed;
        self.concealed += outlet.concealed;
        sent
    }
}

fn numbers(sent: &[Sent]) -> Vec<(u8, u16, u32, bool)> {
    sent.iter().map(|s| (s.0, s.1, s.2, s.3)).collect()
}

#[test]
fn payload_is_encoded_anew_under_the_same_numbers() {
    let mut bench = Bench::new(plan(20));
    let sent = bench.packet(8, 7, 1600, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 7, 1600, true)]);
    assert_eq!(
        sent[0].4, [0xfe; 160],
        "the A-law code of 8 is µ-law's of 8"
    );
    let sent = bench.packet(8, 8, 1760, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 8, 1760, false)]);
    assert_eq!(bench.slab.free_slots(), 256);
}

#[test]
fn packets_get_the_far_ptime() {
    let mut bench = Bench::new(plan(30));
    let mut sent = Vec::new();
    for n in 0..6_u16 {
        sent.extend(bench.packet(8, 100 + n, u32::from(n) * 160, &[0xd5; 160]));
    }
    assert_eq!(
        numbers(&sent),
        [
            (0, 100, 0, true),
            (0, 101, 240, false),
            (0, 102, 480, false),
            (0, 103, 720, false)
        ]
    );
    let mut bench = Bench::new(plan(10));
    let sent = bench.packet(8, 5, 0, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 5, 0, true), (0, 6, 80, false)]);
}

#[test]
fn lost_packets_are_concealed_and_time_goes_on() {
    let mut bench = Bench::new(plan(20));
    let loud: Vec<u8> = (0..160)
        .map(|n| if n % 16 < 8 { 0x2a } else { 0xaa })
        .collect();
    for n in 0..10_u16 {
        bench.packet(8, n, u32::from(n) * 160, &loud);
    }
    let mut sent = Vec::new();
    for n in 12..16_u16 {
        sent.extend(bench.packet(8, n, u32::from(n) * 160, &loud));
    }
    assert_eq!(bench.concealed, 2);
    let expected: Vec<_> = (10..16_u16)
        .map(|n| (0, n, u32::from(n) * 160, false))
        .collect();
    assert_eq!(numbers(&sent), expected);
    assert!(sent[0].4.iter().any(|b| *b != 0xff), "not silence");
}

#[test]
fn pause_keeps_its_length_and_ends_with_a_marker() {
    let mut bench = Bench::new(plan(20));
    bench.packet(8, 1, 0, &[0xd5; 160]);
    let sent = bench.packet(8, 2, 16_000, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 2, 16_000, true)]);
    assert_eq!(bench.concealed, 0);
}

#[test]
fn time_stamp_that_jumps_back_does_not_turn_ours_back() {
    let mut bench = Bench::new(plan(20));
    bench.packet(8, 1, 1_000_000, &[0xd5; 160]);
    let sent = bench.packet(8, 2, 500, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 2, 1_000_160, true)]);
    let sent = bench.packet(8, 3, 660, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 3, 1_000_320, false)]);
}

#[test]
fn another_source_begins_its_own_numbers() {
    let mut bench = Bench::new(plan(20));
    bench.packet(8, 1, 0, &[0xd5; 160]);
    let sent = bench.packet_of(99, 8, 5000, 77, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(0, 5000, 77, true)]);
}

#[test]
fn events_keep_one_time_stamp_and_their_order() {
    let mut bench = Bench::new(plan(20));
    bench.packet(8, 1, 0, &[0xd5; 160]);
    let mut sent = Vec::new();
    for (n, duration, end) in [(2, 160, 0), (3, 320, 0), (4, 480, 0x80), (5, 480, 0x80)] {
        let [d0, d1] = u16::to_be_bytes(duration);
        sent.extend(bench.packet(101, n, 160, &[5, end | 10, d0, d1]));
    }
    assert_eq!(
        numbers(&sent),
        [
            (96, 2, 160, true),
            (96, 3, 160, false),
            (96, 4, 160, false),
            (96, 5, 160, false)
        ]
    );
    assert_eq!(sent[2].4, [5, 0x8a, 1, 0xe0]);
}

#[test]
fn what_was_not_agreed_on_goes_no_further() {
    let mut bench = Bench::new(plan(20));
    assert_eq!(bench.packet(4, 1, 0, &[1, 2, 3]), []);
    assert_eq!(bench.packet(77, 2, 0, &[1, 2, 3]), []);
    assert_eq!(bench.unlisted, 2);
    let sent = bench.packet(3, 3, 320, &[1, 2, 3]);
    assert_eq!(numbers(&sent), [(33, 1, 320, false)], "and leaves no gap");
    assert_eq!(bench.packet(8, 4, 480, &[]), []);
    assert_eq!(bench.failed, 1);
}

#[test]
fn plan_changes_without_a_break() {
    let mut bench = Bench::new(plan(20));
    bench.packet(8, 1, 0, &[0xd5; 160]);
    let mut other = plan(20);
    other.target = Some(codec("PCMA", 8, 20));
    bench.transcoder.set_plan(Arc::new(other));
    let sent = bench.packet(8, 2, 160, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(8, 2, 160, true)]);
    // Without a plan it is a relay, under the numbers that the receiver is used to.
    bench.transcoder.set_plan(Arc::new(Plan::new(Vec::new())));
    let sent = bench.packet(8, 3, 320, &[0xd5; 160]);
    assert_eq!(numbers(&sent), [(8, 3, 320, false)]);
}

#[test]
fn an_hour_on_our_clock_is_an_hour_on_the_senders() {
    let mut bench = Bench::new(plan(20));
    let mut last = 0;
    for n in 0..180_000_u32 {
        let wire = u16::try_from(n % 65_536).unwrap();
        // The sender's packets come 200 ppm too fast; its own time stamps do not know.
        bench.now_us = u64::from(n) * 19_996;
        let sent = bench.packet(8, wire, n * 160, &[0xd5; 160]);
        assert_eq!(sent.len(), 1, "packet {n} waits for nothing");
        last = sent[0].2;
    }
    assert_eq!(last, 179_999 * 160);
}

proptest! {
    #[test]
    fn any_packets_leave_bounded_and_in_order(
        packets in prop::collection::vec(
            (0_u8..128, any::<u16>(), any::<u32>(), 0_usize..400, 0_u64..50_000), 1..200),
        ptime in 1_u32..=120,
    ) {
        let mut bench = Bench::new(plan(ptime));
        let mut next = None;
        for (number, seq, timestamp, len, wait) in packets {
            bench.now_us += wait;
            let number = if seq % 3 == 0 { 8 } else { number };
            for (_, seq, ..) in bench.packet(number, seq % 100, timestamp, &vec![7; len]) {
                if let Some(next) = next {
                    prop_assert_eq!(seq, next);
                }
                next = Some(seq.wrapping_add(1));
            }
        }
        bench.now_us += 10_000_000;
        bench.work();
        prop_assert_eq!(bench.slab.free_slots(), 256);
    }
}
