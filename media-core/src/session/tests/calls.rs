//! Who talks to whom: dialogues, forks, branches, re-offers, and the ports that go with them.

use super::*;

fn tags(report: &CallReport) -> Vec<&str> {
    report.tags.iter().map(|tag| tag.key.as_str()).collect()
}
fn heard(report: &CallReport, key: &str) -> (Vec<String>, Vec<String>) {
    let tag = report.tags.iter().find(|tag| tag.key == key).unwrap();
    let names = |ties: &[SubscriptionReport]| ties.iter().map(|tie| tie.tag.clone()).collect();
    (names(&tag.subscriptions), names(&tag.subscribers))
}

#[test]
fn offer_binds_both_sides_and_media_flows_before_the_answer() {
    let desk = Desk::new();
    let offered = desk.offer(said("f", "", &sdp(4000))).unwrap();
    let to_callee = port(&offered);
    assert_eq!(to_callee % 2, 0);
    assert_eq!(
        lines(&offered.sdp, "a=rtcp:"),
        [(to_callee + 1).to_string()]
    );
    assert_eq!(desk.open_sockets(), 4);
    let report = desk.query("c");
    assert_eq!(tags(&report), ["f", "<untagged 1>"]);
    let to_caller = report.tags[0].medias[0].streams[0].local.unwrap().port();
    // What the callee sends early goes to the caller; what the caller sends has nowhere to go yet.
    assert_eq!(desk.rtp_leaves(to_callee), Some((to_caller, Some(4000))));
    assert_eq!(
        desk.rtcp_leaves(to_callee + 1),
        Some((to_caller + 1, Some(4001)))
    );
    assert_eq!(desk.rtp_leaves(to_caller), Some((to_callee, None)));
}

#[test]
fn answer_names_the_far_party_and_joins_both() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    assert_eq!(desk.rtp_leaves(to_t), Some((to_f, Some(4000))));
    assert_eq!(desk.rtp_leaves(to_f), Some((to_t, Some(5000))));
    assert_eq!(desk.rtcp_leaves(to_f + 1), Some((to_t + 1, Some(5001))));
    let report = desk.query("c");
    assert_eq!(tags(&report), ["f", "t"]);
    assert_eq!(heard(&report, "f"), (vec!["t".into()], vec!["t".into()]));
    let media = &report.tags[1].medias[0];
    assert_eq!(
        media.flags,
        ["initialized", "send", "recv", "ICE controlling"]
    );
    assert_eq!(
        (media.index, &*media.kind, &*media.protocol),
        (1, "audio", "RTP/AVP")
    );
    assert_eq!(media.streams[0].flags, ["RTP", "filled"]);
    assert_eq!(media.streams[1].flags, ["RTCP", "filled"]);
    assert_eq!(media.streams[1].endpoint.unwrap().port(), 5001);
}

#[test]
fn same_offer_again_changes_nothing() {
    let desk = Desk::new();
    let first = desk.offer(said("f", "", &sdp(4000))).unwrap();
    let restated = desk.plane.lock().restated;
    assert_eq!(desk.offer(said("f", "", &sdp(4000))).unwrap(), first);
    assert_eq!(
        desk.plane.lock().restated,
        restated,
        "unchanged routes are not restated"
    );
    assert_eq!(desk.query("c").tags.len(), 2);
}

#[test]
fn changed_endpoint_gets_another_port_and_the_old_one_comes_back() {
    let desk = Desk::new();
    let (first, to_f) = desk.call("c");
    let moved = port(&desk.offer(said("f", "t", &sdp(4010))).unwrap());
    assert_ne!(moved, first);
    assert_eq!(
        port(&desk.answer(said("f", "t", &sdp(5000))).unwrap()),
        to_f
    );
    assert_eq!(desk.rtp_leaves(to_f), Some((moved, Some(5000))));
    // Late packets on the old port still arrive.
    assert_eq!(desk.rtp_leaves(first), Some((to_f, Some(4010))));
    let back = port(&desk.offer(said("f", "t", &sdp(4000))).unwrap());
    assert_eq!(back, first);
}

#[test]
fn port_latching_keeps_the_port() {
    let desk = Desk::new();
    let (first, _) = desk.call("c");
    let sdp = sdp(4010);
    let mut offer = said("f", "t", &sdp);
    offer.options.port_latching = Some(true);
    assert_eq!(port(&desk.offer(offer).unwrap()), first);
    assert_eq!(desk.open_sockets(), 4);
}

#[test]
fn endless_port_changes_do_not_take_endless_ports() {
    let desk = Desk::new();
    desk.call("c");
    for port in (4002..4400).step_by(2) {
        desk.offer(said("f", "t", &sdp(port))).unwrap();
    }
    assert!(desk.open_sockets() <= 2 + 2 * 16, "{}", desk.open_sockets());
}

#[test]
fn either_side_may_offer_again() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    assert_eq!(port(&desk.offer(said("t", "f", &sdp(5000))).unwrap()), to_f);
    assert_eq!(
        port(&desk.answer(said("t", "f", &sdp(4000))).unwrap()),
        to_t
    );
    // Without a to-tag the other party of the dialogue is meant.
    assert_eq!(port(&desk.offer(said("t", "", &sdp(5000))).unwrap()), to_f);
    assert_eq!(desk.query("c").tags.len(), 2);
}

#[test]
fn forks_without_branches_share_the_offer() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    let second = port(&desk.answer(said("f", "t2", &sdp(5002))).unwrap());
    assert_ne!(second, to_f, "another far endpoint, another port");
    let report = desk.query("c");
    assert_eq!(tags(&report), ["f", "t", "t2"]);
    assert_eq!(
        heard(&report, "f"),
        (vec!["t2".into(), "t".into()], vec!["t2".into()])
    );
    assert_eq!(heard(&report, "t"), (vec![], vec!["f".into()]));
    assert_eq!(heard(&report, "t2"), (vec!["f".into()], vec!["f".into()]));
    // The first answerer is still heard.
    assert_eq!(desk.rtp_leaves(to_t), Some((second, Some(4000))));
    // And becomes the one that hears when it answers again.
    assert_eq!(
        port(&desk.answer(said("f", "t", &sdp(5000))).unwrap()),
        to_f
    );
    assert_eq!(
        heard(&desk.query("c"), "f"),
        (vec!["t".into(), "t2".into()], vec!["t".into()])
    );
}

#[test]
fn each_branch_has_its_own_ports() {
    let desk = Desk::new();
    let sdp4 = sdp(4000);
    let branch = |branch| Said {
        branch,
        ..said("f", "", &sdp4)
    };
    let one = port(&desk.offer(branch("b1")).unwrap());
    let two = port(&desk.offer(branch("b2")).unwrap());
    assert_ne!(one, two);
    assert_eq!(port(&desk.offer(branch("b1")).unwrap()), one);
    assert_eq!(
        tags(&desk.query("c")),
        ["f", "<untagged 1>", "<untagged 2>"]
    );
    let sdp5 = sdp(5000);
    desk.answer(Said {
        branch: "b2",
        ..said("f", "t2", &sdp5)
    })
    .unwrap();
    let report = desk.query("c");
    assert_eq!(tags(&report), ["f", "<untagged 1>", "t2"]);
    assert_eq!(report.tags[2].via_branch.as_deref(), Some("b2"));
    assert_eq!(
        report.tags[2].medias[0].streams[0].local.unwrap().port(),
        two
    );
    // Another answer on the branch renames its party.
    desk.answer(Said {
        branch: "b2",
        ..said("f", "t3", &sdp5)
    })
    .unwrap();
    assert_eq!(tags(&desk.query("c")), ["f", "<untagged 1>", "t3"]);
}

#[test]
fn late_offer_names_both_parties_at_once() {
    let desk = Desk::new();
    // The callee offers in its 200, the caller answers in its ACK.
    let to_f = port(&desk.offer(said("t", "f", &sdp(5000))).unwrap());
    let to_t = port(&desk.answer(said("t", "f", &sdp(4000))).unwrap());
    assert_eq!(tags(&desk.query("c")), ["t", "f"]);
    assert_eq!(desk.rtp_leaves(to_f), Some((to_t, Some(5000))));
    assert_eq!(desk.rtp_leaves(to_t), Some((to_f, Some(4000))));
}

#[test]
fn unknown_tags_make_new_parties() {
    let desk = Desk::new();
    desk.call("c");
    desk.offer(said("f", "nobody", &sdp(4000))).unwrap();
    assert_eq!(tags(&desk.query("c")), ["f", "t", "nobody"]);
    desk.offer(said("new", "t", &sdp(4000))).unwrap();
    assert_eq!(tags(&desk.query("c")), ["f", "t", "nobody", "new"]);
}

#[test]
fn both_sides_may_have_the_same_tag() {
    let desk = Desk::new();
    let to_far = port(&desk.offer(said("x", "x", &sdp(4000))).unwrap());
    let to_near = port(&desk.answer(said("x", "x", &sdp(5000))).unwrap());
    assert_eq!(tags(&desk.query("c")), ["x", "x"]);
    assert_eq!(desk.rtp_leaves(to_far), Some((to_near, Some(4000))));
    assert_eq!(desk.rtp_leaves(to_near), Some((to_far, Some(5000))));
}

#[test]
fn an_empty_tag_names_the_same_party_again() {
    let desk = Desk::new();
    desk.offer(said("", "", &sdp(4000))).unwrap();
    desk.offer(said("", "", &sdp(4000))).unwrap();
    assert_eq!(desk.query("c").tags.len(), 2);
    desk.answer(said("", "t", &sdp(5000))).unwrap();
    let tags = desk.query("c").tags.into_iter().map(|party| party.tag);
    assert_eq!(tags.collect::<Vec<_>>(), ["", "t"]);
}

#[test]
fn refused_requests_leave_the_call_as_it_was() {
    let desk = Desk::new();
    assert_eq!(
        desk.answer(said("f", "t", &sdp(5000))),
        Err(SessionError::UnknownCall)
    );
    assert_eq!(
        desk.offer(said("f", "", "hello")),
        Err(SessionError::SdpParse)
    );
    let no_address =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(
        desk.offer(said("f", "", no_address)),
        Err(SessionError::SdpIncomplete)
    );
    let no_media = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n";
    assert_eq!(
        desk.offer(said("f", "", no_media)),
        Err(SessionError::SdpRewrite)
    );
    desk.assert_empty();
    desk.call("c");
    let before = desk.query("c");
    assert_eq!(
        desk.offer(said("f", "t", no_media)),
        Err(SessionError::SdpRewrite)
    );
    assert_eq!(desk.query("c"), before);
    assert_eq!(desk.open_sockets(), 4);
}

#[test]
fn more_parties_than_any_fork_has_are_refused() {
    let desk = Desk::new();
    desk.call("c");
    let refused = (0..100).find_map(|n| desk.answer(said("f", &format!("t{n}"), &sdp(5000))).err());
    assert_eq!(refused, Some(SessionError::InvalidDialogue));
    assert_eq!(desk.query("c").tags.len(), 64);
    desk.delete("c", None, 0);
    desk.assert_empty();
}

#[test]
fn calls_are_dealt_to_the_shards_in_turn() {
    let desk = Desk::new();
    desk.call("a");
    desk.call("b");
    let inner = desk.plane.lock();
    let on = |shard| {
        inner
            .open
            .keys()
            .filter(|s| s.shard() == ShardId::new(shard))
            .count()
    };
    assert_eq!((on(0), on(1)), (4, 4));
}

#[test]
fn list_names_calls_up_to_the_limit() {
    let desk = Desk::new();
    desk.call("a");
    desk.call("b");
    let mut all = desk.sessions.list(32);
    all.sort();
    assert_eq!(all, ["a", "b"]);
    assert_eq!(desk.sessions.list(1).len(), 1);
    assert!(desk.sessions.list(0).is_empty());
}

#[test]
fn query_shows_the_party_asked_for_and_those_it_hears() {
    let desk = Desk::new();
    desk.call("c");
    desk.answer(said("f", "t2", &sdp(5002))).unwrap();
    let ask = |from_tag, to_tag| {
        let request = QueryRequest {
            call_id: "c",
            from_tag,
            to_tag,
        };
        desk.sessions.query(desk.now(), &request).unwrap()
    };
    assert_eq!(tags(&ask(Some("f"), None)), ["f", "t2", "t"]);
    assert_eq!(tags(&ask(Some("t"), None)), ["t"]);
    assert_eq!(tags(&ask(Some("f"), Some("t2"))), ["t2", "f"]);
    assert!(ask(Some("x"), None).tags.is_empty());
    let unknown = QueryRequest {
        call_id: "x",
        from_tag: None,
        to_tag: None,
    };
    let unknown = desk.sessions.query(desk.now(), &unknown);
    assert_eq!(unknown, Err(SessionError::UnknownCall));
}

#[test]
fn labels_stay_with_their_party() {
    let desk = Desk::new();
    let sdp = sdp(4000);
    let mut offer = said("f", "", &sdp);
    offer.options.label = Some("caller".into());
    desk.offer(offer).unwrap();
    desk.offer(said("f", "", &sdp)).unwrap();
    let report = desk.query("c");
    assert_eq!(report.tags[0].label.as_deref(), Some("caller"));
    assert_eq!(report.tags[1].label, None);
}
