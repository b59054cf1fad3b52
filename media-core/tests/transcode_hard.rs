//! What peers do to transcoded calls that they should not, in virtual time: payload types, time stamps and
//! senders that change, pauses, loss, drifting clocks, and a codec agreed anew in the middle.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic"
)]

mod coded;

use std::time::Duration;

use codecs::registry;
use media_core::engine::DropReason;
use media_core::media::jitter::Hold;
use media_core::media::transcode::{Plan, Rule, Unlisted};
use media_core::testing::LinkConfig;
use media_core::wire::rtp::RtpPacket;

use coded::{
    FRAME, Got, PERFECT, Speaker, call, check_unbroken, codec, coded, got, hear, number, plan,
    purity,
};

#[test]
fn payload_type_that_changes_in_mid_call_breaks_nothing() {
    let codecs = [codec("PCMA", 8), codec("G722", 9), codec("opus", 96)];
    let to = codec("PCMU", 0);
    let mut call = call(plan(&codecs, &to), PERFECT);
    let mut speaker = Speaker::new(&codecs[0]);
    for turn in 0..12 {
        speaker.speak(&codecs[turn % 3]);
        call.play(speaker.packets(25));
    }
    let received = call.finish();
    check_unbroken(&got(&received), 160);
    assert!((299..=300).contains(&received.len()), "{}", received.len());
    let (heard, _) = hear(&received, &to);
    // A codec's delay shifts the tone at each change; none is longer than 6.5 ms.
    for stretch in heard.chunks_exact(4000).skip(1) {
        let (_, level_db) = purity(stretch, 8000);
        assert!(level_db.abs() < 1.5, "{level_db} dB");
    }
    assert_eq!(call.counters.concealed.get(), 0);
}

#[test]
fn payload_types_that_nobody_agreed_on_are_dropped_or_go_on_as_they_are() {
    for unlisted in [Unlisted::Drop, Unlisted::Forward] {
        let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
        let mut plan = plan(std::slice::from_ref(&from), &to);
        plan.unlisted = unlisted;
        let mut call = call(plan, PERFECT);
        let mut speaker = Speaker::new(&from);
        let mut packets = Vec::new();
        for n in 0..100 {
            packets.push(match n % 10 {
                5 => speaker.packet_of(number(111), &[1, 2, 3]),
                _ => speaker.packet(),
            });
        }
        call.play(packets);
        let received = call.finish();
        let got = got(&received);
        check_unbroken(&got, 160);
        let strange = received
            .iter()
            .zip(&got)
            .filter(|r| r.1.payload_type == 111);
        let payloads = strange.map(|(r, _)| RtpPacket::parse(&r.packet).unwrap().payload().len());
        match unlisted {
            Unlisted::Drop => {
                assert_eq!(payloads.count(), 0);
                assert_eq!(received.len(), 90);
                assert_eq!(call.dropped(DropReason::NotNegotiated), 10);
            }
            Unlisted::Forward => {
                assert!(payloads.eq([3; 10]));
                assert_eq!(received.len(), 100);
                assert_eq!(call.dropped(DropReason::NotNegotiated), 0);
            }
        }
    }
}

#[test]
fn payloads_of_every_length_pass_every_decoder() {
    let to = codec("PCMU", 0);
    for from in registry::CODECS.iter().map(|codec| coded(codec, 100)) {
        let mut call = call(plan(std::slice::from_ref(&from), &to), PERFECT);
        let mut speaker = Speaker::new(&from);
        let lengths: [u16; 11] = [0, 1, 2, 3, 159, 160, 161, 1275, 1276, 1277, 1500];
        // What 20 ms of L16 at the higher rates take no packet of a test holds.
        let can_speak = from.codec.ptime_within(20, 1400) == 20;
        for length in lengths {
            let payload: Vec<u8> = (0..length).map(|n| n.to_be_bytes()[1] ^ 0x55).collect();
            let strange = speaker.packet_of(from.payload_type, &payload);
            call.play(vec![strange]);
            if can_speak {
                call.play(speaker.packets(5));
            }
        }
        if can_speak {
            call.play(speaker.packets(50));
        }
        let received = call.finish();
        let bad = call.dropped(DropReason::Undecodable);
        assert!((1..=lengths.len() as u64).contains(&bad), "{from:?}: {bad}");
        if can_speak {
            let (heard, _) = hear(&received[received.len() - 40..], &to);
            let (pure, level_db) = purity(&heard, 8000);
            assert!(
                pure > 0.95 && level_db.abs() < 1.0,
                "{from:?}: {pure} at {level_db} dB"
            );
        }
    }
}

#[test]
fn time_stamps_that_jump_never_stop_a_stream() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let second = 8000;
    for jump in [
        second,
        30 * second,
        70 * second,
        i32::MAX,
        i32::MIN,
        -10,
        -second,
        -3600 * second,
    ] {
        let mut call = call(plan(std::slice::from_ref(&from), &to), PERFECT);
        let mut speaker = Speaker::new(&from);
        call.play(speaker.packets(50));
        speaker.timestamp = speaker.timestamp.wrapping_add(jump.cast_unsigned());
        call.play(speaker.packets(50));
        let received = call.finish();
        let got = got(&received);
        assert_eq!(got.len(), 100, "{jump}");
        check_unbroken(&got, 160);
        let markers: Vec<usize> = (0..got.len()).filter(|n| got[*n].marker).collect();
        assert_eq!(markers, [0, 50], "{jump}");
        let leap = got[50].timestamp.wrapping_sub(got[49].timestamp);
        // A pause stays one; what no pause explains is a new time line, tied to ours.
        let expected = match jump {
            1..480_000 => 160 + jump.cast_unsigned(),
            _ => 160,
        };
        assert_eq!(leap, expected, "{jump}");
    }
}

#[test]
fn another_sender_is_followed_and_its_numbers_begin_anew() {
    let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
    let mut call = call(plan(std::slice::from_ref(&from), &to), PERFECT);
    let mut speakers = [Speaker::new(&from), Speaker::new(&from)];
    speakers[1].ssrc = 8;
    (speakers[1].seq, speakers[1].timestamp) = (20_000, 777);
    for turn in 0..4 {
        call.play(speakers[turn % 2].packets(50));
    }
    let received = call.finish();
    let all = got(&received);
    assert_eq!(all.len(), 200);
    for stretch in all.chunks(50) {
        check_unbroken(stretch, 160);
    }
    assert_eq!(all[50].ssrc, 8);
    assert_eq!((all[50].seq, all[50].timestamp), (20_000, 777));

    // Two that speak at once: each packet is heard, none is kept.
    let mix = (0..100).map(|n| speakers[n % 2].packet()).collect();
    call.play(mix);
    let received = call.finish();
    assert_eq!(received.len(), 100);
    assert!(got(&received).iter().all(|got| got.marker));
}

#[test]
fn half_of_the_packets_lost_leaves_sound_of_full_length() {
    for (name, least_db) in [("PCMA", -9.0), ("G722", -9.0), ("opus", -9.0)] {
        let (from, to) = (codec(name, 96), codec("PCMU", 0));
        let uplink = LinkConfig {
            loss: 0.5,
            ..PERFECT
        };
        let mut call = call(plan(std::slice::from_ref(&from), &to), uplink);
        let mut speaker = Speaker::new(&from);
        call.play(speaker.packets(1000));
        let received = call.finish();
        let got = got(&received);
        check_unbroken(&got, 160);
        let span = got[got.len() - 1].timestamp.wrapping_sub(got[0].timestamp) / 160 + 1;
        assert!((985..=1000).contains(&span), "{name}: {span}");
        assert!(received.len() > 970, "{name}: {}", received.len());
        assert!(call.counters.concealed.get() > 400, "{name}");
        let (heard, _) = hear(&received, &to);
        let (_, level_db) = purity(&heard, 8000);
        assert!(level_db > least_db, "{name}: {level_db} dB");
    }
}

#[test]
fn two_seconds_without_a_packet_are_neither_filled_nor_made_up_for() {
    let hold = Hold::Delay {
        min_ms: 0,
        max_ms: 100,
    };
    for (lost, hold) in [
        (false, Hold::Order),
        (true, Hold::Order),
        (false, hold),
        (true, hold),
    ] {
        let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
        let mut plan = plan(std::slice::from_ref(&from), &to);
        plan.hold = hold;
        let mut call = call(plan, PERFECT);
        let mut speaker = Speaker::new(&from);
        let mut delays = Vec::new();
        for _ in 0..3 {
            call.play(speaker.packets(100));
            if lost {
                speaker.packets(100);
            } else {
                speaker.pause(100);
            }
            call.world.run_for(FRAME * 100);
        }
        let received = call.finish();
        let got = got(&received);
        check_unbroken(&got, 160);
        let invented = received.len() - 300;
        assert!(invented <= 12 * 2, "{invented} of {lost} {hold:?}");
        for (n, at) in [(0, 0), (100, 200), (200, 400)] {
            let first = got.iter().position(|got| {
                let since = got.timestamp.wrapping_sub(u32::MAX - 10_000) / 160;
                since == at
            });
            let first = first.unwrap_or_else(|| panic!("{n}: {lost} {hold:?}"));
            delays.push(received[first].at - FRAME * at);
        }
        for delay in delays {
            let most = PERFECT.delay * 2 + Duration::from_millis(2);
            assert!(delay <= most, "{delay:?}: {lost} {hold:?}");
        }
    }
}

#[test]
fn clock_that_drifts_for_an_hour_adds_no_delay() {
    const PACKETS: u64 = 180_000;
    let holds = [
        (Hold::Order, 0),
        (
            Hold::Delay {
                min_ms: 40,
                max_ms: 40,
            },
            40,
        ),
        (
            Hold::Delay {
                min_ms: 0,
                max_ms: 200,
            },
            0,
        ),
    ];
    for (hold, added_ms) in holds {
        for ppm in [-200_i64, 200] {
            let (from, to) = (codec("PCMA", 8), codec("PCMU", 0));
            let mut plan = plan(std::slice::from_ref(&from), &to);
            plan.hold = hold;
            let mut call = call(plan, PERFECT);
            let mut speaker = Speaker::new(&from);
            let one = speaker.packet();
            let payload = RtpPacket::parse(&one).unwrap().payload().to_vec();
            let frame_us = u64::try_from(20_000 + 20_000 * ppm / 1_000_000).unwrap();
            let frame = Duration::from_micros(frame_us);
            let mut sent = 0;
            let mut longest = [Duration::ZERO; 2];
            let mut first = None;
            while sent < PACKETS {
                let minute: Vec<Vec<u8>> = (0..3000)
                    .map(|_| speaker.packet_of(from.payload_type, &payload))
                    .collect();
                call.world.play(call.parties[0], frame, minute);
                call.world.run_for(frame * 3000);
                let received = call.world.received(call.parties[1]);
                for (got, received) in got(&received).iter().zip(&received) {
                    let first = *first.get_or_insert(got.timestamp);
                    let n = got.timestamp.wrapping_sub(first) / 160;
                    let delay = received.at.saturating_sub(frame * n + PERFECT.delay * 2);
                    let half = usize::from(u64::from(n) > PACKETS / 2);
                    longest[half] = longest[half].max(delay);
                }
                sent += 3000;
            }
            call.finish();
            let most = Duration::from_millis(added_ms + 3);
            assert!(
                longest.iter().all(|longest| *longest <= most),
                "{hold:?} {ppm} ppm: {longest:?}"
            );
            assert_eq!(call.counters.concealed.get(), 0, "{hold:?} {ppm} ppm");
        }
    }
}

#[test]
fn codec_agreed_anew_in_mid_call_goes_on_where_the_old_one_ended() {
    let [pcma, g722, opus] = [codec("PCMA", 8), codec("G722", 9), codec("opus", 96)];
    let pcmu = codec("PCMU", 0);
    let order = Hold::Order;
    let delay = Hold::Delay {
        min_ms: 60,
        max_ms: 60,
    };
    let mut call = call(plan(std::slice::from_ref(&pcma), &pcmu), PERFECT);
    let mut speaker = Speaker::new(&pcma);
    call.play(speaker.packets(50));
    let mut turns = Vec::new();
    for (from, to, hold) in [
        (&pcma, &g722, order),
        (&g722, &pcmu, delay),
        (&opus, &pcmu, delay),
        (&opus, &g722, order),
        (&g722, &opus, order),
        (&pcma, &pcmu, order),
    ] {
        let mut plan = plan(std::slice::from_ref(from), to);
        plan.hold = hold;
        call.follow(plan);
        speaker.speak(from);
        call.play(speaker.packets(50));
        turns.push((to.payload_type.get(), to.codec.clock_rate_hz / 50));
    }
    let received = call.finish();
    let all = got(&received);
    // What is on its way or held in a codec that is no longer agreed on is lost: at four of the changes.
    assert!((335..=350).contains(&all.len()), "{}", all.len());
    for pair in all.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1), "{pair:?}");
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step <= 2 * 960, "{pair:?}");
    }
    for (payload_type, ticks) in turns {
        let of_it: Vec<Got> = all
            .iter()
            .filter(|got| got.payload_type == payload_type)
            .copied()
            .collect();
        assert!(of_it.len() >= 44, "{payload_type}");
        let steady = of_it
            .windows(2)
            .filter(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == ticks)
            .count();
        assert!(steady >= of_it.len() - 4, "{payload_type}: {steady}");
    }
    let (heard, _) = hear(&received[received.len() - 40..], &pcmu);
    let (pure, level_db) = purity(&heard, 8000);
    assert!(
        pure > 0.95 && level_db.abs() < 1.0,
        "{pure} at {level_db} dB"
    );
}

#[test]
fn packets_that_go_on_as_they_are_can_be_held_back_as_long_as_wanted() {
    for (name, interval_ms, delay_ms) in [("opus", 20, 200), ("PCMA", 20, 1000), ("PCMU", 10, 1000)]
    {
        let codec = codec(name, 96);
        let clock = codec.clock_rate().unwrap();
        let mut plan = Plan::new(vec![(codec.payload_type, Rule::Forward(number(96)))]);
        plan.clocks = [(codec.payload_type, clock)].into();
        plan.hold = Hold::Delay {
            min_ms: delay_ms,
            max_ms: delay_ms,
        };
        let uplink = LinkConfig {
            jitter: Duration::from_millis(60),
            reorder: 0.05,
            reorder_hold: Duration::from_millis(70),
            ..PERFECT
        };
        let mut call = call(plan, uplink);
        let mut speaker = Speaker::new(&codec);
        let step = clock.get() / 1000 * interval_ms;
        let packets: Vec<Vec<u8>> = (0..500_u16)
            .map(|n| {
                let packet = speaker.packet_of(codec.payload_type, &n.to_be_bytes());
                speaker.timestamp = speaker
                    .timestamp
                    .wrapping_add(step.wrapping_sub(speaker.ticks()));
                packet
            })
            .collect();
        let interval = Duration::from_millis(interval_ms.into());
        call.world.play(call.parties[0], interval, packets);
        call.world.run_for(interval * 500);
        let received = call.finish();
        assert_eq!(received.len(), 500, "{name}");
        for (n, received) in (0_u16..).zip(&received) {
            let rtp = RtpPacket::parse(&received.packet).unwrap();
            assert_eq!(rtp.payload(), n.to_be_bytes());
            // Behind the quickest packet so far; a second or two later that is one almost without jitter.
            if n > 250 {
                let sent = interval * n.into();
                let delay = received.at - sent - PERFECT.delay * 2;
                let wanted = Duration::from_millis(delay_ms.into());
                assert!(
                    delay.abs_diff(wanted) <= Duration::from_millis(15),
                    "{name} {n}: {delay:?}"
                );
            }
        }
    }
}
