//! Sections and streams: muxing, holds, rejections, interfaces, learning, blocking.

use super::*;
use crate::engine::{DropReason, LearnMode};
use crate::sdp::{Replace, RtcpMuxOptions};

const MUX: &str = "a=rtcp-mux\r\n";

fn offer_with(desk: &Desk, sdp: &str, set: impl FnOnce(&mut Options)) -> Rewritten {
    let mut offer = said("f", "", sdp);
    set(&mut offer.options);
    desk.offer(offer).unwrap()
}
fn mux_offer(desk: &Desk, more: &str, mux: RtcpMuxOptions) -> Rewritten {
    let sdp = sdp_at("127.0.0.9", 4000, more);
    offer_with(desk, &sdp, |options| options.sdp.rtcp_mux = mux)
}
fn mux_answer(desk: &Desk, more: &str) -> Rewritten {
    desk.answer(said("f", "t", &sdp_at("127.0.0.9", 5000, more)))
        .unwrap()
}
fn has_mux(rewritten: &Rewritten) -> bool {
    lines(&rewritten.sdp, "a=").contains(&"rtcp-mux")
}

#[test]
fn muxing_is_passed_through() {
    let desk = Desk::new();
    let offered = mux_offer(&desk, MUX, RtcpMuxOptions::default());
    let to_t = port(&offered);
    assert!(has_mux(&offered));
    assert_eq!(lines(&offered.sdp, "a=rtcp:"), [(to_t + 1).to_string()]);
    let answered = mux_answer(&desk, MUX);
    let to_f = port(&answered);
    assert!(has_mux(&answered));
    assert_eq!(lines(&answered.sdp, "a=rtcp:"), [to_f.to_string()]);
    assert_eq!(desk.route(to_t).component, Component::RtpAndRtcp);
    assert_eq!(desk.rtcp_leaves(to_t), Some((to_f, Some(4000))));
    let streams = desk.query("c").tags.remove(0).medias.remove(0).streams;
    assert_eq!(streams[0].flags, ["RTP", "RTCP", "filled"]);
    assert_eq!(streams[1].flags, ["RTCP", "fallback RTCP", "filled"]);
}

#[test]
fn second_port_of_a_muxing_party_sends_to_nobody() {
    let desk = Desk::new();
    let to_t = port(&mux_offer(&desk, MUX, RtcpMuxOptions::default()));
    let endpoint = |port| desk.route(port).endpoint.map(|endpoint| endpoint.port());
    mux_answer(&desk, MUX);
    // A handshake of its own would meet the one of the first port at its peer.
    assert_eq!((endpoint(to_t), endpoint(to_t + 1)), (Some(5000), None));
    mux_answer(&desk, "");
    assert_eq!(
        (endpoint(to_t), endpoint(to_t + 1)),
        (Some(5000), Some(5001))
    );
}

#[test]
fn refused_mux_falls_back_to_two_ports() {
    let desk = Desk::new();
    let to_t = port(&mux_offer(&desk, MUX, RtcpMuxOptions::default()));
    let answered = mux_answer(&desk, "");
    let to_f = port(&answered);
    assert!(!has_mux(&answered));
    assert_eq!(desk.rtcp_leaves(to_t + 1), Some((to_f + 1, Some(4001))));
    assert_eq!(desk.route(to_t).component, Component::Rtp);
}

#[test]
fn demux_joins_a_muxing_side_with_one_that_does_not() {
    let desk = Desk::new();
    let demux = RtcpMuxOptions {
        demux: true,
        ..RtcpMuxOptions::default()
    };
    let offered = mux_offer(&desk, MUX, demux);
    assert!(!has_mux(&offered));
    assert_eq!(desk.open_sockets(), 3);
    let to_t = port(&offered);
    let answered = mux_answer(&desk, "");
    let to_f = port(&answered);
    assert!(has_mux(&answered));
    // RTCP from t's own port leaves through f's only one, and the other way round.
    assert_eq!(desk.rtcp_leaves(to_t + 1), Some((to_f, Some(4000))));
    assert_eq!(desk.rtcp_leaves(to_f), Some((to_t + 1, Some(5001))));
    assert_eq!(desk.rtp_leaves(to_f), Some((to_t, Some(5000))));
}

#[test]
fn a_side_that_muxes_keeps_its_single_port() {
    let desk = Desk::new();
    let demux = RtcpMuxOptions {
        demux: true,
        ..RtcpMuxOptions::default()
    };
    mux_offer(&desk, MUX, demux);
    let to_f = port(&mux_answer(&desk, ""));
    let again = desk.offer(said("t", "f", &sdp(5000))).unwrap();
    assert_eq!((port(&again), has_mux(&again)), (to_f, true));
    let answered = desk
        .answer(said("t", "f", &sdp_at("127.0.0.9", 4000, MUX)))
        .unwrap();
    assert!(!has_mux(&answered));
    assert_eq!(desk.open_sockets(), 3);
    // When it stops muxing it needs a port for RTCP.
    desk.answer(said("t", "f", &sdp(4000))).unwrap();
    assert_eq!(desk.open_sockets(), 5);
}

#[test]
fn nothing_is_learned_of_a_party_that_has_not_spoken() {
    let desk = Desk::new();
    let to_t = port(&desk.offer(said("f", "", &sdp(4000))).unwrap());
    assert_eq!(desk.route(to_t).learning.mode, LearnMode::Off);
    desk.answer(said("f", "t", &sdp(5000))).unwrap();
    assert_eq!(desk.route(to_t).learning.mode, LearnMode::Delayed);
}

#[test]
fn required_mux_takes_one_port() {
    let desk = Desk::new();
    let require = RtcpMuxOptions {
        require: true,
        ..RtcpMuxOptions::default()
    };
    let offered = mux_offer(&desk, "", require);
    let to_t = port(&offered);
    assert!(has_mux(&offered));
    assert_eq!(lines(&offered.sdp, "a=rtcp:"), [to_t.to_string()]);
    assert_eq!(desk.open_sockets(), 3);
    let to_f = port(&mux_answer(&desk, MUX));
    assert_eq!(desk.rtcp_leaves(to_t), Some((to_f + 1, Some(4001))));
    assert_eq!(desk.rtcp_leaves(to_f + 1), Some((to_t, Some(5000))));
    desk.delete("c", None, 0);
    desk.assert_empty();
}

#[test]
fn each_side_keeps_its_transport_protocol() {
    let desk = Desk::new();
    let avpf = sdp(5000).replace("RTP/AVP", "RTP/AVPF");
    let protocol = |rewritten: &Rewritten| {
        lines(&rewritten.sdp, "m=")[0]
            .split(' ')
            .nth(2)
            .unwrap()
            .to_owned()
    };
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.transport_protocol = Some(TransportProtocol::RtpAvpf);
    });
    assert_eq!(protocol(&offered), "RTP/AVPF");
    let answered = desk.answer(said("f", "t", &avpf)).unwrap();
    assert_eq!(protocol(&answered), "RTP/AVP");
    assert_eq!(
        protocol(&desk.offer(said("f", "t", &sdp(4000))).unwrap()),
        "RTP/AVPF"
    );
    assert_eq!(
        protocol(&desk.offer(said("t", "f", &avpf)).unwrap()),
        "RTP/AVP"
    );
    assert_eq!(
        protocol(&desk.answer(said("t", "f", &sdp(4000))).unwrap()),
        "RTP/AVPF"
    );
}

#[test]
fn audio_may_turn_into_fax() {
    let desk = Desk::new();
    let (to_t, _) = desk.call("c");
    let fax = sdp(4000).replace("m=audio 4000 RTP/AVP 0 8 101", "m=image 4000 udptl t38");
    let offered = desk.offer(said("f", "t", &fax)).unwrap();
    assert_eq!(
        lines(&offered.sdp, "m="),
        [format!("image {to_t} udptl t38")]
    );
    desk.answer(said("f", "t", &fax.replace("4000", "5000")))
        .unwrap();
    assert_eq!(desk.route(to_t).component, Component::Opaque);
    assert_eq!(&*desk.query("c").tags[1].medias[0].kind, "image");
}

#[test]
fn held_media_keeps_its_ports_and_routes() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    for (theirs, mirrored, flags) in [
        ("sendonly", "sendonly", &["initialized", "recv"][..]),
        ("recvonly", "recvonly", &["initialized", "send"][..]),
        ("inactive", "inactive", &["initialized"][..]),
        ("sendrecv", "sendrecv", &["initialized", "send", "recv"][..]),
    ] {
        let sdp = sdp_at("127.0.0.9", 4000, &format!("a={theirs}\r\n"));
        let offered = desk.offer(said("f", "t", &sdp)).unwrap();
        assert!(lines(&offered.sdp, "a=").contains(&mirrored));
        assert_eq!(port(&offered), to_t);
        assert_eq!(desk.query("c").tags[0].medias[0].flags, flags);
        assert_eq!(desk.rtp_leaves(to_t), Some((to_f, Some(4000))), "{theirs}");
    }
}

#[test]
fn zero_address_holds_and_sends_nowhere() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    let held = sdp_at("0.0.0.0", 4000, "");
    let offered = desk.offer(said("f", "t", &held)).unwrap();
    assert_eq!(
        port(&offered),
        to_t,
        "no endpoint, no reason for another port"
    );
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 0.0.0.0"]);
    assert!(lines(&offered.sdp, "a=").contains(&"sendonly"));
    assert_eq!(desk.rtp_leaves(to_t), Some((to_f, None)));
    let mut offer = said("f", "t", &held);
    offer.options.sdp.replace = Replace {
        zero_address: true,
        ..Replace::default()
    };
    let offered = desk.offer(offer).unwrap();
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 127.0.0.1"]);
}

const VIDEO: &str = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

#[test]
fn rejected_section_has_no_ports_and_gets_the_same_ones_back() {
    let desk = Desk::new();
    let two = sdp_at("127.0.0.9", 4000, VIDEO);
    let offered = ports(&desk.offer(said("f", "", &two)).unwrap());
    let refusal = sdp_at("127.0.0.9", 5000, "m=video 0 RTP/AVP 96\r\n");
    let answered = ports(&desk.answer(said("f", "t", &refusal)).unwrap());
    assert_eq!((answered.len(), answered[1]), (2, 0));
    let report = desk.query("c");
    for tag in &report.tags {
        assert_eq!(tag.medias[1].streams[0].local, None);
        assert_eq!(tag.medias[1].streams[0].verdict, Verdict::Rejected);
    }
    assert_eq!(desk.rtp_leaves(offered[1]), None);
    // A re-offer without the section leaves it alone.
    assert_eq!(
        ports(&desk.offer(said("f", "t", &sdp(4000))).unwrap()),
        offered[..1]
    );
    assert_eq!(ports(&desk.offer(said("f", "t", &two)).unwrap()), offered);
    let accepted = sdp_at("127.0.0.9", 5000, "m=video 5002 RTP/AVP 96\r\n");
    let answered = ports(&desk.answer(said("f", "t", &accepted)).unwrap());
    assert_eq!(desk.rtp_leaves(offered[1]), Some((answered[1], Some(4002))));
    desk.delete("c", None, 0);
    desk.assert_empty();
}

#[test]
fn section_offered_as_rejected_stays_rejected() {
    let desk = Desk::new();
    let sdp = sdp_at("127.0.0.9", 0, VIDEO);
    let offered = ports(&desk.offer(said("f", "", &sdp)).unwrap());
    assert_eq!(offered[0], 0);
    assert_eq!(desk.open_sockets(), 4);
    let answer = sdp_at("127.0.0.9", 5000, "m=video 5002 RTP/AVP 96\r\n");
    assert_eq!(ports(&desk.answer(said("f", "t", &answer)).unwrap())[0], 0);
}

#[test]
fn unknown_media_is_relayed_as_it_is() {
    let desk = Desk::new();
    let more = "m=application 4004 UDP/BFCP *\r\nm=image 4006 udptl t38\r\n";
    let offered = ports(
        &desk
            .offer(said("f", "", &sdp_at("127.0.0.9", 4000, more)))
            .unwrap(),
    );
    for port in &offered[1..] {
        assert_eq!(desk.route(*port).component, Component::Opaque);
    }
    let report = desk.query("c");
    let kinds: Vec<_> = report.tags[0]
        .medias
        .iter()
        .map(|m| (&*m.kind, &*m.protocol))
        .collect();
    assert_eq!(
        kinds,
        [
            ("audio", "RTP/AVP"),
            ("application", "UDP/BFCP"),
            ("image", "udptl")
        ]
    );
}

#[test]
fn direction_chooses_interfaces_and_is_remembered() {
    let desk = Desk::new();
    let sdp4 = sdp(4000);
    let offered = offer_with(&desk, &sdp4, |options| {
        options.direction = [Some("default".into()), Some("alias".into())];
    });
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 127.0.0.2"]);
    let answered = desk.answer(said("f", "t", &sdp(5000))).unwrap();
    assert_eq!(lines(&answered.sdp, "c="), ["IN IP4 127.0.0.1"]);
    let again = desk.offer(said("f", "t", &sdp4)).unwrap();
    assert_eq!(
        (lines(&again.sdp, "c="), port(&again)),
        (vec!["IN IP4 127.0.0.2"], port(&offered))
    );
    let sink = desk
        .route_at(&format!("127.0.0.2:{}", port(&offered)))
        .rtp_sinks
        .as_slice()[0]
        .socket;
    assert_eq!(desk.plane.lock().open[&sink].ip().to_string(), "127.0.0.1");
    // Another interface, another port.
    let moved = offer_with(&desk, &sdp4, |options| {
        options.to_interface = Some("default".into())
    });
    assert_eq!(lines(&moved.sdp, "c="), ["IN IP4 127.0.0.1"]);
}

#[test]
fn round_robin_deals_in_turn_and_shows_the_advertised_address() {
    let desk = Desk::new();
    let rr = |options: &mut Options| {
        options.direction = [Some("rr".into()), Some("rr".into())];
    };
    let offered = offer_with(&desk, &sdp(4000), rr);
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 203.0.113.3"]);
    let local = |at: usize| {
        desk.query("c").tags[at].medias[0].streams[0]
            .local
            .unwrap()
            .ip()
    };
    assert_eq!(
        local(1).to_string(),
        "127.0.0.3",
        "the report shows the real address"
    );
    assert_eq!(local(0).to_string(), "127.0.0.4");
    assert_eq!(
        offer_with(&desk, &sdp(4000), rr),
        offered,
        "asked again, a party stays"
    );
}

#[test]
fn unknown_interface_is_a_warning_and_the_default() {
    let desk = Desk::new();
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.direction = [None, Some("nope".into())];
    });
    assert_eq!(offered.warnings, [Warning::UnknownInterface("nope".into())]);
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 127.0.0.1"]);
}

#[test]
fn ipv4_and_ipv6_sides_are_joined() {
    let desk = Desk::new();
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.address_family_v6 = Some(true);
    });
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP6 ::1"]);
    let answer = sdp_at("::1", 5000, "");
    let answered = desk.answer(said("f", "t", &answer)).unwrap();
    assert_eq!(lines(&answered.sdp, "c="), ["IN IP4 127.0.0.1"]);
    let route = desk.route_at(&format!("[::1]:{}", port(&offered)));
    assert_eq!(route.endpoint, Some("[::1]:5000".parse().unwrap()));
    let sink = route.rtp_sinks.as_slice()[0].socket;
    assert_eq!(
        desk.plane.lock().open[&sink].to_string(),
        format!("127.0.0.1:{}", port(&answered))
    );
    // Remembered without being said again.
    let again = desk.offer(said("f", "t", &sdp(4000))).unwrap();
    assert_eq!(port(&again), port(&offered));
}

#[test]
fn media_address_is_written_in_place_of_ours() {
    let desk = Desk::new();
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.media_address = Some("9.9.9.9".parse().unwrap());
    });
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 9.9.9.9"]);
}

#[test]
fn endpoint_comes_from_signalling_if_the_sdp_is_not_trusted() {
    let desk = Desk::new();
    let source = "127.0.0.77".parse().unwrap();
    for (trust, ip) in [
        (None, "127.0.0.9"),
        (Some(false), "127.0.0.77"),
        (Some(true), "127.0.0.9"),
    ] {
        offer_with(&desk, &sdp(4000), |options| {
            options.received_from = Some(source);
            options.trust_address = trust;
        });
        let streams = desk.query("c").tags.remove(0).medias.remove(0).streams;
        let endpoints: Vec<String> = streams
            .iter()
            .map(|s| s.endpoint.unwrap().to_string())
            .collect();
        assert_eq!(endpoints, [format!("{ip}:4000"), format!("{ip}:4001")]);
    }
}

#[test]
fn source_of_the_other_family_gets_a_socket_of_that_family() {
    let desk = Desk::new();
    offer_with(&desk, &sdp(4000), |options| {
        options.received_from = Some("::1".parse().unwrap());
        options.trust_address = Some(false);
    });
    let stream = desk
        .query("c")
        .tags
        .remove(0)
        .medias
        .remove(0)
        .streams
        .remove(0);
    assert_eq!(stream.endpoint, Some("[::1]:4000".parse().unwrap()));
    assert!(stream.local.unwrap().is_ipv6());
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.trust_address = Some(false);
        options.received_from = Some("::1".parse().unwrap());
    });
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP6 ::1"]);
    let mut unknown = said("f", "", "");
    let sdp = sdp(4000);
    unknown.sdp = &sdp;
    unknown.options.trust_address = Some(false);
    assert_eq!(desk.offer(unknown), Err(SessionError::SdpIncomplete));
}

#[test]
fn rtcp_goes_where_the_party_wants_it() {
    let desk = Desk::new();
    let more = "a=rtcp:4777 IN IP4 127.0.0.7\r\n";
    let offered = desk
        .offer(said("f", "", &sdp_at("127.0.0.9", 4000, more)))
        .unwrap();
    assert_eq!(desk.rtcp_leaves(port(&offered) + 1).unwrap().1, Some(4777));
}

#[test]
fn learning_flags_hold_for_the_side_that_said_them_until_it_speaks_again() {
    let desk = Desk::new();
    let offered = offer_with(&desk, &sdp(4000), |options| {
        options.asymmetric = true;
        options.strict_source = true;
        options.pierce_nat = true;
    });
    let answered = desk.answer(said("f", "t", &sdp(5000))).unwrap();
    let (f, t) = (desk.route(port(&answered)), desk.route(port(&offered)));
    assert_eq!(
        (f.learning.mode, f.learning.strict_source, f.pierce_nat),
        (LearnMode::Off, true, true)
    );
    assert_eq!(
        (t.learning.mode, t.learning.strict_source),
        (LearnMode::Delayed, false)
    );
    let media = desk.query("c").tags.remove(0).medias.remove(0);
    assert_eq!(media.flags, ["initialized", "asymmetric", "send", "recv"]);
    assert_eq!(
        media.streams[0].flags,
        ["RTP", "filled", "strict source address"]
    );
    desk.offer(said("f", "t", &sdp(4000))).unwrap();
    assert_eq!(
        desk.route(port(&answered)).learning.mode,
        LearnMode::Delayed
    );
    let epoch = desk.route(port(&answered)).learn_epoch;
    desk.offer(said("f", "t", &sdp(4008))).unwrap();
    assert_ne!(desk.route(port(&answered)).learn_epoch, epoch);
}

#[test]
fn learned_endpoint_is_reported_until_signalling_changes_it() {
    let desk = Desk::new();
    let (_, to_f) = desk.call("c");
    let (socket, call) = {
        let inner = desk.plane.lock();
        let local: SocketAddr = format!("127.0.0.1:{to_f}").parse().unwrap();
        let (socket, _) = inner.open.iter().find(|(_, at)| **at == local).unwrap();
        (*socket, inner.routes[socket].call)
    };
    let endpoint = "127.0.0.55:9999".parse().unwrap();
    let learned = Event::EndpointLearned {
        call,
        socket,
        endpoint,
        confirmed: true,
    };
    desk.sessions.handle_event(desk.now(), learned);
    let stream = |desk: &Desk| {
        desk.query("c")
            .tags
            .remove(0)
            .medias
            .remove(0)
            .streams
            .remove(0)
    };
    assert_eq!(stream(&desk).endpoint, Some(endpoint));
    assert_eq!(stream(&desk).advertised_endpoint.unwrap().port(), 4000);
    assert_eq!(stream(&desk).flags, ["RTP", "filled", "confirmed"]);
    desk.offer(said("f", "t", &sdp(4000))).unwrap();
    assert_eq!(stream(&desk).endpoint, Some(endpoint));
    desk.offer(said("f", "t", &sdp(4002))).unwrap();
    assert_eq!(stream(&desk).endpoint.unwrap().port(), 4002);
    assert_eq!(stream(&desk).flags, ["RTP", "filled"]);
}

#[test]
fn tos_is_set_on_the_sockets() {
    let desk = Desk::with(SessionConfig {
        tos: Some(184),
        ..config()
    });
    desk.call("a");
    assert!(
        desk.plane
            .lock()
            .taken
            .values()
            .all(|options| options.tos == Some(184))
    );
    desk.delete("a", None, 0);
    desk.settle();
    offer_with(&desk, &sdp(4000), |options| options.tos = Some(Some(96)));
    assert!(
        desk.plane
            .lock()
            .taken
            .values()
            .all(|options| options.tos == Some(96))
    );
}

#[test]
fn media_is_blocked_by_party_and_by_call() {
    let desk = Desk::new();
    let sdp4 = sdp(4000);
    let to_t = port(&offer_with(&desk, &sdp4, |options| {
        options.label = Some("A".into())
    }));
    let to_f = port(&desk.answer(said("f", "t", &sdp(5000))).unwrap());
    let state = || (desk.route(to_f).blocked, desk.route(to_t).blocked);
    let by = |selector: &Selector, on: bool| {
        let now = desk.now();
        if on {
            desk.sessions.block_media(now, "c", selector)
        } else {
            desk.sessions.unblock_media(now, "c", selector)
        }
    };
    let tag = |tag: &str| Selector {
        from_tag: Some(tag.into()),
        ..Selector::default()
    };
    let label = |label: &str| Selector {
        label: Some(label.into()),
        ..Selector::default()
    };
    let at = |ip: &str| Selector {
        address: Some(ip.parse().unwrap()),
        ..Selector::default()
    };
    let all = Selector {
        all: true,
        ..Selector::default()
    };
    let call = Selector::default();

    by(&tag("t"), true).unwrap();
    assert_eq!(state(), (false, true));
    // A re-offer does not take it back.
    desk.offer(said("f", "t", &sdp4)).unwrap();
    assert_eq!(state(), (false, true));
    let verdict = desk.query("c").tags[1].medias[0].streams[0].verdict;
    assert_eq!(verdict, Verdict::Blocked);
    by(&tag("t"), false).unwrap();
    by(&label("A"), true).unwrap();
    assert_eq!(state(), (true, false));
    // The call's block and the parties' are kept apart.
    by(&call, true).unwrap();
    assert_eq!(state(), (true, true));
    by(&call, false).unwrap();
    assert_eq!(state(), (true, false));
    by(&all, false).unwrap();
    assert_eq!(state(), (false, false));
    by(&at("127.0.0.9"), true).unwrap();
    assert_eq!(state(), (true, false));
    assert_eq!(by(&tag("x"), true), Err(SessionError::NoSuchTag));
    assert_eq!(by(&label("x"), true), Err(SessionError::NoSuchLabel));
    assert_eq!(by(&at("9.9.9.9"), true), Err(SessionError::NoSuchAddress));
    let nowhere = desk.sessions.block_media(desk.now(), "nope", &all);
    assert_eq!(nowhere, Err(SessionError::UnknownCallSelection));
}

#[test]
fn counters_show_up_in_reports_totals_and_statistics() {
    let desk = Desk::new();
    let (to_t, to_f) = desk.call("c");
    let count = |port: u16, packets: u64| {
        let counters = desk.route(port).counters;
        counters.packets.set(packets);
        counters.octets.set(172 * packets);
        counters.last_packet_us.set(2_000_000);
        counters.packets_sent.set(1);
    };
    count(to_t, 5);
    count(to_f, 7);
    let dropped = &desk.route(to_f).counters.dropped;
    dropped[DropReason::Blocked as usize].set(9);
    dropped[DropReason::Malformed as usize].set(2);
    desk.wait(Duration::from_secs(3));
    // A new port adds to what the old one counted.
    let moved = port(&desk.offer(said("f", "t", &sdp(4010))).unwrap());
    count(moved, 100);
    let report = desk.query("c");
    assert_eq!((report.rtp.packets, report.rtp.octets), (112, 112 * 172));
    assert_eq!(report.rtp.errors, 2, "what is blocked is no error");
    assert_eq!(report.tags[1].medias[0].streams[0].received.packets, 105);
    let last = report.tags[0].medias[0].streams[0].last_packet;
    assert_eq!(last, Duration::from_secs(1_700_000_002));
    assert_eq!(
        report.tags[0].medias[0].streams[0].verdict,
        Verdict::Flowing
    );
    let statistics = desk.sessions.statistics(desk.now());
    assert_eq!(statistics.total.relayed.packets, 112);
    assert_eq!(
        (statistics.current.media, statistics.current.sockets),
        (2, 6)
    );
    desk.delete("c", None, 0);
    desk.settle();
    let total = desk.sessions.statistics(desk.now()).total;
    assert_eq!(
        (total.relayed.packets, total.zero_way, total.one_way),
        (112, 0, 0)
    );
    let ended = desk.ends.0.lock().unwrap().remove(0);
    assert_eq!(
        (ended.duration, ended.report.rtp.packets),
        (Duration::from_secs(3), 112)
    );
}

#[test]
fn feedback_goes_only_to_profiles_that_have_it() {
    for (asked, drops) in [
        (TransportProtocol::RtpAvp, true),
        (TransportProtocol::RtpAvpf, false),
    ] {
        let desk = Desk::new();
        let options = || Options {
            transport_protocol: Some(asked),
            ..Options::default()
        };
        let avpf = sdp(4000).replace("RTP/AVP", "RTP/AVPF");
        let offered = desk.offer(Said {
            options: options(),
            ..said("f", "", &avpf)
        });
        let to_t = port(&offered.unwrap());
        let answer = sdp(5000).replace("RTP/AVP", if drops { "RTP/AVP" } else { "RTP/AVPF" });
        let to_f = port(&desk.answer(said("f", "t", &answer)).unwrap());
        assert_eq!(desk.route(to_f).drops_feedback, drops);
        assert!(!desk.route(to_t).drops_feedback);
    }
}
