//! How calls and branches end, and that nothing stays behind.

use super::*;
use crate::engine::TimeoutReason;

struct Gone<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    branch: Option<&'a str>,
}
const ALL: Gone<'static> = Gone {
    from: None,
    to: None,
    branch: None,
};

/// Keys of the report, or `None` if nothing matched. At once.
fn delete(desk: &Desk, gone: &Gone<'_>) -> Option<Vec<String>> {
    let options = DeleteOptions {
        delete_delay: Some(Duration::ZERO),
        ..DeleteOptions::default()
    };
    let request = DeleteRequest {
        call_id: "c",
        from_tag: gone.from,
        to_tag: gone.to,
        via_branch: gone.branch,
        options: &options,
    };
    let outcome = desk.sessions.delete(desk.now(), &request).unwrap();
    if outcome.warning.is_some() {
        assert!(outcome.report.is_none());
        return None;
    }
    let tags = outcome.report.map_or(Vec::new(), |report| report.tags);
    Some(tags.into_iter().map(|tag| tag.key).collect())
}

fn timed_out(desk: &Desk, reason: TimeoutReason) {
    let calls: Vec<CallKey> = desk.plane.lock().calls.keys().copied().collect();
    for call in calls {
        let mut inner = desk.plane.lock();
        inner.end(call);
        inner.events.push_back(Event::CallTimedOut { call, reason });
    }
    desk.settle();
}

#[test]
fn delete_waits_and_media_flows_meanwhile() {
    let desk = Desk::new();
    desk.call("c");
    let outcome = desk.delete("c", Some("t"), 30);
    let keys: Vec<String> = outcome
        .report
        .unwrap()
        .tags
        .into_iter()
        .map(|t| t.key)
        .collect();
    assert_eq!(keys, ["t", "f"]);
    let key = *desk.plane.lock().calls.keys().next().unwrap();
    assert_eq!(desk.plane.lock().draining[&key], Duration::from_secs(30));
    assert_eq!(desk.sessions.list(9), ["c"]);
    assert_eq!(desk.query("c").tags.len(), 2);
    assert_eq!(desk.open_sockets(), 4);
    assert_eq!(desk.sessions.statistics(desk.now()).current.draining, 1);
    let mut inner = desk.plane.lock();
    inner.end(key);
    inner.events.push_back(Event::CallClosed { call: key });
    drop(inner);
    desk.assert_empty();
    assert_eq!(desk.ends(), [("c".into(), EndReason::Deleted)]);
}

#[test]
fn delete_without_delay_forgets_the_call_at_once() {
    let desk = Desk::new();
    desk.call("c");
    desk.delete("c", Some("f"), 0);
    assert!(desk.sessions.list(9).is_empty());
    assert!(
        desk.ports_used() > 0,
        "ports go back only when the kernel lets go"
    );
    desk.assert_empty();
    assert_eq!(desk.ends(), [("c".into(), EndReason::Deleted)]);
}

#[test]
fn default_delay_is_the_programs_and_the_offers_goes_before() {
    let desk = Desk::new();
    let sdp = sdp(4000);
    let mut offer = said("f", "", &sdp);
    offer.options.delete_delay = Some(Duration::from_secs(7));
    desk.offer(offer).unwrap();
    desk.offer(Said {
        call_id: "d",
        ..said("f", "", &sdp)
    })
    .unwrap();
    for call_id in ["c", "d"] {
        let request = DeleteRequest {
            call_id,
            from_tag: Some("f"),
            to_tag: None,
            via_branch: None,
            options: &DeleteOptions::default(),
        };
        desk.sessions.delete(desk.now(), &request).unwrap();
    }
    let mut delays: Vec<u64> = desk
        .plane
        .lock()
        .draining
        .values()
        .map(Duration::as_secs)
        .collect();
    delays.sort_unstable();
    assert_eq!(delays, [7, 30]);
}

#[test]
fn offer_and_answer_revive_a_draining_call() {
    let desk = Desk::new();
    let (to_t, _) = desk.call("c");
    desk.delete("c", Some("f"), 30);
    assert_eq!(port(&desk.offer(said("f", "t", &sdp(4000))).unwrap()), to_t);
    assert!(desk.plane.lock().draining.is_empty());
    desk.delete("c", Some("f"), 30);
    desk.answer(said("f", "t", &sdp(5000))).unwrap();
    assert!(desk.plane.lock().draining.is_empty());
    assert_eq!(desk.sessions.statistics(desk.now()).current.draining, 0);
}

#[test]
fn second_delete_replaces_the_delay() {
    let desk = Desk::new();
    desk.call("c");
    desk.delete("c", Some("f"), 1);
    assert!(desk.delete("c", Some("f"), 20).report.is_some());
    let inner = desk.plane.lock();
    assert_eq!(
        inner.draining.values().next(),
        Some(&Duration::from_secs(20))
    );
}

#[test]
fn unknown_calls_and_tags_are_a_warning_or_fatal() {
    let desk = Desk::new();
    assert_eq!(delete(&desk, &ALL), None);
    desk.call("c");
    assert_eq!(
        delete(
            &desk,
            &Gone {
                from: Some("x"),
                ..ALL
            }
        ),
        None
    );
    assert_eq!(
        delete(
            &desk,
            &Gone {
                from: Some("f"),
                to: Some("x"),
                ..ALL
            }
        ),
        None
    );
    let options = DeleteOptions {
        fatal: true,
        ..DeleteOptions::default()
    };
    let request = DeleteRequest {
        call_id: "c",
        from_tag: Some("x"),
        to_tag: None,
        via_branch: None,
        options: &options,
    };
    let refused = desk.sessions.delete(desk.now(), &request);
    assert!(matches!(refused, Err(SessionError::NotFound)));
    assert_eq!(desk.sessions.list(9), ["c"]);
}

#[test]
fn call_id_alone_ends_the_call_without_a_report() {
    let desk = Desk::new();
    desk.call("c");
    assert_eq!(
        delete(
            &desk,
            &Gone {
                to: Some("t"),
                ..ALL
            }
        ),
        Some(vec![])
    );
    desk.assert_empty();
}

#[test]
fn to_tag_ends_one_fork_and_the_last_one_the_call() {
    let desk = Desk::new();
    desk.call("c");
    desk.answer(said("f", "t2", &sdp(5002))).unwrap();
    let gone = |to| Gone {
        from: Some("f"),
        to: Some(to),
        ..ALL
    };
    assert_eq!(delete(&desk, &gone("t")), Some(vec!["t".into()]));
    assert_eq!(delete(&desk, &gone("t")), None);
    let report = desk.query("c");
    assert_eq!(report.tags[1].medias[0].streams[0].local, None);
    assert_eq!(
        report.tags[1].medias[0].streams[0].verdict,
        Verdict::Rejected
    );
    assert_eq!(
        delete(&desk, &gone("t2")),
        Some(vec!["t2".into(), "f".into()])
    );
    desk.assert_empty();
}

#[test]
fn to_tag_before_the_answer_ends_the_call() {
    let desk = Desk::new();
    desk.offer(said("f", "", &sdp(4000))).unwrap();
    assert!(
        delete(
            &desk,
            &Gone {
                from: Some("f"),
                to: Some("x"),
                ..ALL
            }
        )
        .is_some()
    );
    desk.assert_empty();
}

#[test]
fn branch_is_removed_alone() {
    let desk = Desk::new();
    let sdp4 = sdp(4000);
    for branch in ["b1", "b2"] {
        desk.offer(Said {
            branch,
            ..said("f", "", &sdp4)
        })
        .unwrap();
    }
    let gone = |branch| Gone {
        from: Some("f"),
        branch: Some(branch),
        ..ALL
    };
    let before = desk.open_sockets();
    assert!(delete(&desk, &gone("b1")).is_some());
    desk.settle();
    assert_eq!(desk.open_sockets(), before - 2);
    assert_eq!(desk.sessions.list(9), ["c"]);
    assert!(delete(&desk, &gone("b2")).is_some());
    desk.assert_empty();
}

#[test]
fn unknown_branch_means_the_offerer() {
    let desk = Desk::new();
    desk.call("c");
    let gone = Gone {
        from: Some("f"),
        branch: Some("x"),
        ..ALL
    };
    assert_eq!(delete(&desk, &gone), Some(vec!["f".into(), "t".into()]));
    desk.assert_empty();
}

#[test]
fn deleted_fork_keeps_its_media_until_its_delay_is_over() {
    let desk = Desk::new();
    desk.call("c");
    desk.answer(said("f", "t2", &sdp(5002))).unwrap();
    let options = DeleteOptions {
        delete_delay: Some(Duration::from_secs(5)),
        ..DeleteOptions::default()
    };
    let request = DeleteRequest {
        call_id: "c",
        from_tag: Some("f"),
        to_tag: Some("t"),
        via_branch: None,
        options: &options,
    };
    desk.sessions.delete(desk.now(), &request).unwrap();
    let before = desk.open_sockets();
    desk.offer(said("f", "t2", &sdp(4000))).unwrap();
    assert_eq!(desk.open_sockets(), before);
    desk.wait(Duration::from_secs(6));
    desk.offer(said("f", "t2", &sdp(4000))).unwrap();
    assert_eq!(desk.open_sockets(), before - 2);
}

#[test]
fn timeouts_follow_the_state_of_the_call() {
    let timeouts = TimeoutsConfig {
        media: Duration::from_secs(60),
        silent: Duration::from_secs(600),
        offer: Duration::from_secs(90),
        lifetime: Duration::from_secs(7200),
    };
    let desk = Desk::with(SessionConfig {
        timeouts,
        ..config()
    });
    let inactivity = |desk: &Desk| {
        let inner = desk.plane.lock();
        let timeouts = inner.calls.values().next().unwrap();
        assert_eq!(timeouts.lifetime, Some(Duration::from_secs(7200)));
        timeouts.inactivity.unwrap().as_secs()
    };
    desk.offer(said("f", "", &sdp(4000))).unwrap();
    assert_eq!(inactivity(&desk), 90);
    desk.answer(said("f", "t", &sdp(5000))).unwrap();
    assert_eq!(inactivity(&desk), 60);
    desk.offer(said("f", "t", &sdp_at("127.0.0.9", 4000, "a=sendonly\r\n")))
        .unwrap();
    assert_eq!(inactivity(&desk), 600);
    desk.answer(said("f", "t", &sdp_at("127.0.0.9", 5000, "a=recvonly\r\n")))
        .unwrap();
    assert_eq!(inactivity(&desk), 600);
    timed_out(&desk, TimeoutReason::Inactivity);
    desk.offer(said("f", "", &sdp(4000))).unwrap();
    timed_out(&desk, TimeoutReason::Inactivity);
    desk.call("c");
    timed_out(&desk, TimeoutReason::Inactivity);
    desk.call("c");
    timed_out(&desk, TimeoutReason::Lifetime);
    let reasons: Vec<EndReason> = desk.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(
        reasons,
        [
            EndReason::SilentTimeout,
            EndReason::OfferTimeout,
            EndReason::MediaTimeout,
            EndReason::FinalTimeout
        ]
    );
    let total = desk.sessions.statistics(desk.now()).total;
    assert_eq!((total.created, total.managed), (4, 4));
    assert_eq!((total.timeout, total.silent_timeout), (1, 1));
    assert_eq!((total.offer_timeout, total.final_timeout), (1, 1));
    desk.assert_empty();
}

#[test]
fn a_fault_or_the_operator_ends_the_call() {
    let desk = Desk::new();
    desk.call("c");
    let call = *desk.plane.lock().calls.keys().next().unwrap();
    desk.plane.lock().end(call);
    desk.sessions
        .handle_event(desk.now(), Event::CallPanicked { call });
    desk.call("d");
    assert!(desk.sessions.terminate(desk.now(), "d"));
    assert!(!desk.sessions.terminate(desk.now(), "d"));
    desk.assert_empty();
    let expected = [
        ("c".into(), EndReason::Fault),
        ("d".into(), EndReason::Forced),
    ];
    assert_eq!(desk.ends(), expected);
}

#[test]
fn shutdown_ends_every_call() {
    let desk = Desk::new();
    for call_id in ["a", "b", "c"] {
        desk.call(call_id);
    }
    desk.delete("b", None, 30);
    desk.wait(Duration::from_secs(3));
    desk.sessions.close_all(desk.now());
    desk.assert_empty();
    assert_eq!(desk.ends().len(), 3);
    let total = desk.sessions.statistics(desk.now()).total;
    assert_eq!((total.forced, total.zero_way), (3, 3));
    assert_eq!(total.duration, Duration::from_secs(9));
}

#[test]
fn events_on_calls_and_sockets_long_gone_are_ignored() {
    let desk = Desk::new();
    desk.call("c");
    desk.delete("c", None, 0);
    desk.assert_empty();
    let call = CallKey::new(1);
    let socket = SocketId::new(ShardId::new(0), 1, 0);
    for event in [
        Event::CallClosed { call },
        Event::CallPanicked { call },
        Event::SocketClosed { socket },
        Event::SocketFailed { socket, errno: 5 },
    ] {
        desk.sessions.handle_event(desk.now(), event);
    }
    desk.assert_empty();
    assert_eq!(desk.ends().len(), 1);
}
