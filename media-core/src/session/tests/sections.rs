//! Sections between two parties that do not see the same ones, and what else of a section's text
//! depends on what was said before.

use super::*;
use crate::sdp::SdpOptions;

const VIDEO: &str = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
const FAX: &str = "m=image 4004 udptl t38\r\n";

fn without(kinds: &[&str]) -> Options {
    Options {
        sdp: SdpOptions {
            media_remove: kinds.iter().map(ToString::to_string).collect(),
            ..SdpOptions::default()
        },
        ..Options::default()
    }
}

/// `audio 4000 …` as `audio`, or `audio 0` where the section is rejected.
fn sections(rewritten: &Rewritten) -> Vec<String> {
    let of = |line: &&str| {
        let mut words = line.split(' ');
        let kind = words.next().unwrap();
        match words.next() {
            Some("0") => format!("{kind} 0"),
            _ => kind.to_owned(),
        }
    };
    lines(&rewritten.sdp, "m=").iter().map(of).collect()
}

/// `f` offers to `t` what is not to be seen in full.
fn offer_without(desk: &Desk, kinds: &[&str], sdp: &str) -> Rewritten {
    let options = without(kinds);
    let offer = Said {
        options,
        ..said("f", "", sdp)
    };
    desk.offer(offer).unwrap()
}

fn media(more: &str) -> String {
    sdp_at("127.0.0.9", 4000, more)
}

#[test]
fn a_removed_section_is_answered_as_rejected_in_its_place() {
    let desk = Desk::new();
    let offered = offer_without(&desk, &["Video"], &media(&format!("{VIDEO}{FAX}")));
    assert_eq!(sections(&offered), ["audio", "image"]);
    let answered = desk
        .answer(said("f", "t", &media("m=image 5004 udptl t38\r\n")))
        .unwrap();
    assert_eq!(sections(&answered), ["audio", "video 0", "image"]);
    assert_eq!(lines(&answered.sdp, "m=")[1], "video 0 RTP/AVP 96");
    // Fax goes where fax came from.
    let [to_audio, _, to_fax] = ports(&answered)[..] else {
        panic!("three sections")
    };
    let [from_audio, from_fax] = ports(&offered)[..] else {
        panic!("two sections")
    };
    assert_eq!(desk.rtp_leaves(to_audio), Some((from_audio, Some(4000))));
    assert_eq!(desk.rtp_leaves(to_fax), Some((from_fax, Some(5004))));
    assert_eq!(desk.rtp_leaves(from_fax), Some((to_fax, Some(4004))));
}

#[test]
fn a_section_may_be_removed_at_either_end() {
    for (kind, answer, told) in [
        ("audio", VIDEO, ["audio 0", "video"]),
        ("video", "m=audio 5000 RTP/AVP 0\r\n", ["audio", "video 0"]),
    ] {
        let desk = Desk::new();
        let offered = offer_without(&desk, &[kind], &media(VIDEO));
        assert_eq!(ports(&offered).len(), 1);
        let answer = format!("v=0\r\nc=IN IP4 127.0.0.9\r\n{answer}");
        let answered = desk.answer(said("f", "t", &answer)).unwrap();
        assert_eq!(sections(&answered), told);
        // Nothing waits for media that nobody sends.
        assert_eq!(desk.open_sockets(), 4);
    }
}

#[test]
fn a_rejection_has_an_address_where_the_session_has_none() {
    let desk = Desk::new();
    offer_without(&desk, &["video"], &media(VIDEO));
    let answer = "v=0\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 127.0.0.9\r\n";
    let answered = desk.answer(said("f", "t", answer)).unwrap();
    assert_eq!(lines(&answered.sdp, "c=").len(), 2);
    let text = str::from_utf8(&answered.sdp).unwrap();
    assert!(
        text.ends_with("m=video 0 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"),
        "{text}"
    );
}

#[test]
fn offers_of_the_other_side_keep_the_place_of_what_it_never_saw() {
    let desk = Desk::new();
    offer_without(&desk, &["video"], &media(VIDEO));
    desk.answer(said("f", "t", &sdp(5000))).unwrap();
    let offered = desk.offer(said("t", "f", &sdp(5000))).unwrap();
    assert_eq!(sections(&offered), ["audio", "video 0"]);
    let answered = desk
        .answer(said("t", "f", &media("m=video 0 RTP/AVP 96\r\n")))
        .unwrap();
    assert_eq!(sections(&answered), ["audio"]);
    // The offerer shows it after all.
    let offered = desk.offer(said("f", "t", &media(VIDEO))).unwrap();
    assert_eq!(sections(&offered), ["audio", "video"]);
    let answered = desk.answer(said("f", "t", &media(VIDEO))).unwrap();
    assert_eq!(sections(&answered), ["audio", "video"]);
}

#[test]
fn everything_may_be_removed() {
    let desk = Desk::new();
    let offered = offer_without(&desk, &["audio"], &sdp(4000));
    assert_eq!(ports(&offered), []);
    assert_eq!(lines(&offered.sdp, "c="), ["IN IP4 127.0.0.1"]);
    assert_eq!(desk.open_sockets(), 0);
    desk.delete("c", None, 0);
    desk.assert_empty();
}

#[test]
fn an_answer_is_never_shortened() {
    let desk = Desk::new();
    desk.offer(said("f", "", &media(VIDEO))).unwrap();
    let answered = desk
        .answer(Said {
            options: without(&["video"]),
            ..said("f", "t", &media(VIDEO))
        })
        .unwrap();
    assert_eq!(sections(&answered), ["audio", "video"]);
}

#[test]
fn octets_that_are_no_text_pass_through_a_call() {
    let desk = Desk::new();
    let mut sdp = sdp(4000).into_bytes();
    sdp.extend_from_slice(b"a=title:B\xfcro\r\n");
    let request = OfferRequest {
        call_id: "c",
        from_tag: "f",
        to_tag: None,
        via_branch: None,
        sdp: &sdp,
        options: &Options::default(),
    };
    let offered = desk.sessions.offer(desk.now(), &request).unwrap().sdp;
    let title = b"\r\na=title:B\xfcro\r\n";
    assert!(offered.windows(title.len()).any(|octets| octets == title));
}

#[test]
fn answer_protocol_is_that_of_the_offer_unless_asked_for() {
    for (asked, told) in [
        (None, "RTP/AVPF"),
        (Some(TransportProtocol::RtpAvp), "RTP/AVP"),
        (Some(TransportProtocol::RtpAvpf), "RTP/AVPF"),
        (Some(TransportProtocol::Accept), "RTP/AVP"),
    ] {
        let desk = Desk::new();
        let offer = sdp(4000).replace("RTP/AVP", "RTP/AVPF");
        desk.offer(said("f", "", &offer)).unwrap();
        let options = Options {
            transport_protocol: asked,
            ..Options::default()
        };
        let answered = desk
            .answer(Said {
                options,
                ..said("f", "t", &sdp(5000))
            })
            .unwrap();
        let line = lines(&answered.sdp, "m=")[0];
        assert!(line.contains(&format!(" {told} 0")), "{asked:?}: {line}");
    }
}

#[test]
fn answers_name_sections_as_their_offers_did() {
    let desk = Desk::new();
    let generate = || Options {
        sdp: SdpOptions {
            generate_mid: true,
            ..SdpOptions::default()
        },
        ..Options::default()
    };
    let offer = |sdp: &str| {
        let offered = desk.offer(Said {
            options: generate(),
            ..said("f", "", sdp)
        });
        let sdp = offered.unwrap().sdp;
        lines(&sdp, "a=mid:").join(" ")
    };
    let answer = |sdp: &str| {
        let answered = desk.answer(Said {
            options: generate(),
            ..said("f", "t", sdp)
        });
        let sdp = answered.unwrap().sdp;
        lines(&sdp, "a=mid:").join(" ")
    };
    assert_eq!(offer(&media(VIDEO)), "1 2");
    assert_eq!(answer(&media(VIDEO)), "", "the offerer used none");
    assert_eq!(offer(&sdp_at("127.0.0.9", 4000, "a=mid:x\r\n")), "x");
    assert_eq!(answer(&sdp(5000)), "x");
}
