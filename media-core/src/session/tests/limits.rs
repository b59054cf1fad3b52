//! Limits, ports that run out, and what a failed request leaves behind.

use super::*;

fn small(port_max: u16) -> SessionConfig {
    SessionConfig {
        interfaces: vec![InterfaceConfig {
            port_max,
            ..interface("default", "127.0.0.1")
        }],
        ..SessionConfig::default()
    }
}

#[test]
fn limits_refuse_new_calls_and_let_old_ones_carry_on() {
    let desk = Desk::with(SessionConfig {
        max_sessions: Some(1),
        ..config()
    });
    desk.call("c");
    let sdp = sdp(4000);
    let other = || {
        desk.offer(Said {
            call_id: "d",
            ..said("f", "", &sdp)
        })
    };
    assert_eq!(other(), Err(SessionError::Limit(Limit::Sessions)));
    assert!(desk.offer(said("f", "t", &sdp)).is_ok());
    desk.sessions.set_max_sessions(None);
    for limit in [Limit::Cpu, Limit::Load, Limit::Bandwidth] {
        desk.sessions.set_exceeded(Some(limit));
        assert_eq!(other(), Err(SessionError::Limit(limit)));
    }
    desk.sessions.set_exceeded(None);
    assert!(other().is_ok());
    assert_eq!(desk.sessions.statistics(desk.now()).total.rejected, 4);
    desk.sessions.set_max_sessions(Some(0));
    let third = desk.offer(Said {
        call_id: "e",
        ..said("f", "", &sdp)
    });
    assert_eq!(third, Err(SessionError::Limit(Limit::Sessions)));
    assert_eq!(desk.sessions.sessions(), 2);
}

#[test]
fn exhausted_ports_refuse_the_new_call_and_release_everything() {
    let desk = Desk::with(small(30009));
    desk.call("a");
    desk.call("b");
    let sdp = sdp(4000);
    // One pair is left, two are needed.
    let third = desk.offer(Said {
        call_id: "d",
        ..said("f", "", &sdp)
    });
    assert_eq!(third, Err(SessionError::OutOfPorts));
    desk.settle();
    assert_eq!((desk.ports_used(), desk.sessions.sessions()), (8, 2));
    assert!(!desk.sessions.list(9).contains(&"d".to_owned()));
    desk.delete("a", None, 0);
    desk.settle();
    assert!(
        desk.offer(Said {
            call_id: "d",
            ..said("f", "", &sdp)
        })
        .is_ok()
    );
}

#[test]
fn exhausted_ports_leave_an_existing_call_as_it_was() {
    let desk = Desk::with(small(30003));
    let (to_t, to_f) = desk.call("c");
    let before = desk.query("c");
    assert_eq!(
        desk.offer(said("f", "t", &sdp(4010))),
        Err(SessionError::OutOfPorts)
    );
    assert_eq!(desk.query("c"), before);
    assert_eq!(desk.rtp_leaves(to_f), Some((to_t, Some(5000))));
    assert!(desk.offer(said("f", "t", &sdp(4000))).is_ok());
}

#[test]
fn ports_that_others_hold_are_skipped() {
    let desk = Desk::with(small(30019));
    for port in [30000, 30003, 30004, 30008, 30013] {
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        desk.plane
            .lock()
            .taken
            .insert(local, SocketOptions::default());
    }
    // Pairs 30006, 30010, 30014, 30016 and 30018 are left.
    desk.call("a");
    desk.call("b");
    let sdp = sdp(4000);
    let third = desk.offer(Said {
        call_id: "d",
        ..said("f", "", &sdp)
    });
    assert_eq!(third, Err(SessionError::OutOfPorts));
    desk.settle();
    assert_eq!((desk.ports_used(), desk.open_sockets()), (8, 8));
    desk.sessions.close_all(desk.now());
    desk.assert_empty();
}

#[test]
fn a_plane_without_descriptors_refuses_the_call() {
    let desk = Desk::new();
    desk.plane.full.store(true, Ordering::Relaxed);
    assert_eq!(
        desk.offer(said("f", "", &sdp(4000))),
        Err(SessionError::OutOfPorts)
    );
    desk.plane.full.store(false, Ordering::Relaxed);
    desk.assert_empty();
}

#[test]
fn every_pair_of_the_range_is_given_out_once() {
    let desk = Desk::with(small(30999));
    let mut seen = Vec::new();
    for n in 0..250 {
        let call_id = n.to_string();
        let (to_t, to_f) = desk.call(&call_id);
        seen.extend([to_t, to_f]);
    }
    seen.sort_unstable();
    let expected: Vec<u16> = (30000..=30999).step_by(2).collect();
    assert_eq!(seen, expected);
    desk.sessions.close_all(desk.now());
    desk.assert_empty();
}

#[test]
fn a_port_just_given_back_rests() {
    let desk = Desk::new();
    let mut last = 0;
    for n in 0..20 {
        let (to_t, to_f) = desk.call("c");
        assert!(n == 0 || (to_t != last && to_f != last));
        last = to_t;
        desk.delete("c", None, 0);
        desk.settle();
    }
}

#[test]
fn odd_bounds_of_the_range_are_honoured() {
    let mut config = small(30004);
    config.interfaces[0].port_min = 30001;
    let desk = Desk::with(config);
    // Only 30002/30003 is a pair.
    assert_eq!(
        desk.offer(said("f", "", &sdp(4000))),
        Err(SessionError::OutOfPorts)
    );
    desk.assert_empty();
}

#[test]
fn the_last_minute_is_reported_when_it_is_over() {
    let desk = Desk::new();
    desk.wait(Duration::from_secs(70));
    desk.call("a");
    desk.call("b");
    desk.wait(Duration::from_secs(20));
    desk.delete("a", None, 0);
    assert_eq!(
        desk.sessions.statistics(desk.now()).interval.max_sessions,
        0
    );
    desk.wait(Duration::from_secs(40));
    let interval = desk.sessions.statistics(desk.now()).interval;
    assert_eq!((interval.min_sessions, interval.max_sessions), (0, 2));
    assert_eq!(interval.duration, Duration::from_secs(20));
    desk.wait(Duration::from_secs(600));
    let interval = desk.sessions.statistics(desk.now()).interval;
    assert_eq!((interval.min_sessions, interval.max_sessions), (1, 1));
}
