//! The drivers over real loopback sockets: one contract, the same tests on both.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

mod common;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{call, events_until, rtp, start};
use media_core::buf::PAYLOAD_MAX;
use media_core::driver::IoChoice;
use media_core::engine::{BindError, Command, DropReason, Event, SinkAction, SocketOptions};
use media_core::units::{CallKey, ShardId};

const TICK: Duration = Duration::from_millis(1);
const SHARD: ShardId = ShardId::new(0);

on_both_drivers! {
    fn packets_pass_both_ways_unchanged_and_in_order(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let call = call(&*driver.plane(), SHARD, 1, [false, false]);
        for seq in 0..200 {
            let packet = rtp(seq, &[seq as u8; 160]);
            call.send(usize::from(seq % 2), &packet);
            if seq % 20 == 19 {
                for back in seq - 19..=seq {
                    let got = call.receive(1 - usize::from(back % 2));
                    assert_eq!(got, rtp(back, &[back as u8; 160]));
                }
            }
        }
        assert_eq!(call.counters[0].packets.get(), 100);
        assert_eq!(call.counters[0].packets_sent.get(), 100);
    }

    fn every_tick_setting_relays(io: IoChoice) {
        for tick in [Duration::ZERO, Duration::from_micros(250), Duration::from_millis(5)] {
            let Some(driver) = start(io, 1, tick) else { return };
            let call = call(&*driver.plane(), SHARD, 1, [false, false]);
            for seq in 0..5 {
                call.send(0, &rtp(seq, b"x"));
                assert_eq!(call.receive(1), rtp(seq, b"x"));
            }
        }
    }

    fn ipv6_and_ipv4_are_bridged(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let call = call(&*driver.plane(), SHARD, 1, [true, false]);
        call.send(0, &rtp(1, b"six to four"));
        assert_eq!(call.receive(1), rtp(1, b"six to four"));
        call.send(1, &rtp(2, b"four to six"));
        assert_eq!(call.receive(0), rtp(2, b"four to six"));
    }

    fn packets_that_came_before_the_route_are_not_lost(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (socket, local) = common::bind(&*plane, SHARD, false);
        let early = common::peer(false);
        early.send_to(&rtp(1, b"early"), local).unwrap();
        let mut route = common::route(CallKey::new(1), early.local_addr().unwrap());
        route.rtp_sinks = SinkAction { socket }.into();
        plane.commands(SHARD, vec![Command::Route { socket, route: Box::new(route) }]);
        let mut got = [0; 64];
        let n = early.recv(&mut got).expect("the packet, sent back by its own route");
        assert_eq!(got[..n], rtp(1, b"early"));
    }

    fn the_largest_packet_passes_and_a_larger_one_is_counted(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let call = call(&*driver.plane(), SHARD, 1, [false, false]);
        call.send(0, &rtp(1, &vec![7; PAYLOAD_MAX + 1 - 12]));
        let largest = rtp(2, &vec![7; PAYLOAD_MAX - 12]);
        call.send(0, &largest);
        assert_eq!(call.receive(1), largest);
        assert_eq!(call.counters[0].dropped_for(DropReason::TooLong), 1);
    }

    fn a_closed_port_is_free_when_it_is_reported(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        for round in 0..20 {
            let call = call(&*plane, SHARD, round, [false, true]);
            call.send(0, &rtp(1, b"x"));
            call.receive(1);
            plane.commands(SHARD, vec![Command::CloseCall { call: call.key, after: Duration::ZERO }]);
            let mut open: HashSet<_> = call.sockets.into();
            events_until(&driver, |event| {
                if let Event::SocketClosed { socket } = event {
                    assert!(open.remove(socket), "each socket is reported once");
                }
                open.is_empty()
            });
            for local in call.local {
                drop(UdpSocket::bind(local).expect("the port is free"));
            }
        }
        assert_eq!(driver.shard_counters()[0].streams.get(), 0);
    }

    fn a_socket_closed_before_its_route_is_reported(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (socket, local) = common::bind(&*plane, SHARD, false);
        assert_eq!(plane.bind(SHARD, local, SocketOptions::default()), Err(BindError::InUse(local.port())));
        plane.commands(SHARD, vec![Command::CloseSockets { sockets: vec![socket] }]);
        events_until(&driver, |event| *event == Event::SocketClosed { socket });
    }

    fn a_route_for_a_closed_socket_does_not_touch_the_next_tenant(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (stale, _) = common::bind(&*plane, SHARD, false);
        plane.commands(SHARD, vec![Command::CloseSockets { sockets: vec![stale] }]);
        events_until(&driver, |event| *event == Event::SocketClosed { socket: stale });
        let call = call(&*plane, SHARD, 1, [false; 2]);
        let reused = call.sockets.iter().any(|s| s.index() == stale.index());
        assert!(reused, "the place has a new tenant");
        let intruder = common::route(CallKey::new(9), call.local[0]);
        plane.commands(SHARD, vec![Command::Route { socket: stale, route: Box::new(intruder) }]);
        for side in 0..2 {
            call.send(side, &rtp(1, b"mine"));
            assert_eq!(call.receive(1 - side), rtp(1, b"mine"));
        }
    }

    fn a_panic_in_one_call_leaves_the_others_running(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (doomed, lucky) = (call(&*plane, SHARD, 1, [false; 2]), call(&*plane, SHARD, 2, [false; 2]));
        plane.commands(SHARD, vec![Command::PanicOnNextPacket { socket: doomed.sockets[0] }]);
        lucky.send(0, &rtp(1, b"x"));
        lucky.receive(1);
        doomed.send(0, &rtp(1, b"x"));
        let key = doomed.key;
        events_until(&driver, |event| *event == Event::CallPanicked { call: key });
        lucky.send(0, &rtp(2, b"still here"));
        assert_eq!(lucky.receive(1), rtp(2, b"still here"));
        assert!(driver.is_alive());
        assert_eq!(driver.shard_counters()[0].panics.get(), 1);
    }

    fn shards_work_side_by_side(io: IoChoice) {
        let Some(driver) = start(io, 2, TICK) else { return };
        let plane = driver.plane();
        let calls: Vec<_> =
            (0..8).map(|n| call(&*plane, ShardId::new(n % 2), n.into(), [false; 2])).collect();
        for seq in 0..50 {
            for call in &calls {
                call.send(0, &rtp(seq, b"x"));
            }
        }
        for call in &calls {
            for seq in 0..50 {
                assert_eq!(call.receive(1), rtp(seq, b"x"), "in order");
            }
        }
        for counters in driver.shard_counters() {
            assert_eq!(counters.packets.get(), 200);
        }
    }

    fn a_burst_larger_than_the_buffers_is_not_lost(io: IoChoice) {
        let Some(driver) = start(io, 1, Duration::from_millis(20)) else { return };
        let plane = driver.plane();
        let calls: Vec<_> = (0..40).map(|n| call(&*plane, SHARD, n, [false; 2])).collect();
        // 40 × 40 packets well within one tick, more than the 512 slots first published.
        for seq in 0..40 {
            for call in &calls {
                call.send(0, &rtp(seq, &[1; 160]));
            }
        }
        for call in &calls {
            for seq in 0..40 {
                assert_eq!(call.receive(1), rtp(seq, &[1; 160]));
            }
        }
    }

    fn shutdown_frees_every_port_at_once(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let calls: Vec<_> = (0..50).map(|n| call(&*plane, SHARD, n, [false; 2])).collect();
        calls[49].send(0, &rtp(1, b"x"));
        calls[49].receive(1);
        let began = Instant::now();
        driver.shutdown();
        assert!(began.elapsed() < Duration::from_secs(2));
        let until = Instant::now() + common::DEADLINE;
        for local in calls.iter().flat_map(|c| c.local) {
            while UdpSocket::bind(local).is_err() {
                assert!(Instant::now() < until, "{local} is still taken");
                std::thread::yield_now();
            }
        }
    }
}
