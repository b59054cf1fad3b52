//! What a call remembers from one description to the next.

use super::*;
use crate::sdp::{CodecOptions, Replace};

fn offer(desk: &Desk, more: &str, set: impl FnOnce(&mut Options)) -> Rewritten {
    let sdp = sdp_at("127.0.0.9", 4000, more);
    let mut offer = said("f", "", &sdp);
    set(&mut offer.options);
    desk.offer(offer).unwrap()
}
fn answer(desk: &Desk, more: &str, set: impl FnOnce(&mut Options)) -> Rewritten {
    let sdp = sdp_at("127.0.0.9", 5000, more);
    let mut answer = said("f", "t", &sdp);
    set(&mut answer.options);
    desk.answer(answer).unwrap()
}

#[test]
fn ptime_is_that_asked_for_or_written_or_known_from_before() {
    let desk = Desk::new();
    let ptime = |rewritten: &Rewritten| lines(&rewritten.sdp, "a=ptime:").concat();
    assert_eq!(ptime(&offer(&desk, "", |_| ())), "");
    assert_eq!(ptime(&offer(&desk, "a=ptime:20\r\n", |_| ())), "20");
    // An answer without one gets the offer's, and `ptime` means nothing in it.
    let ask = |options: &mut Options| options.sdp.ptime_ms = Some(50);
    assert_eq!(ptime(&answer(&desk, "", ask)), "20");
    assert_eq!(ptime(&answer(&desk, "a=ptime:40\r\n", ask)), "40");
    assert_eq!(ptime(&offer(&desk, "a=ptime:20\r\n", ask)), "50");
    assert_eq!(ptime(&offer(&desk, "", |_| ())), "50");
    let reverse = |options: &mut Options| options.sdp.ptime_reverse_ms = Some(60);
    offer(&desk, "", reverse);
    assert_eq!(ptime(&answer(&desk, "a=ptime:40\r\n", |_| ())), "60");
    offer(&desk, "", |_| ());
    assert_eq!(ptime(&answer(&desk, "a=ptime:40\r\n", |_| ())), "40");
}

#[test]
fn generated_mid_is_kept_for_the_side_that_got_it() {
    let desk = Desk::new();
    let mid = |rewritten: &Rewritten| lines(&rewritten.sdp, "a=mid:").concat();
    let generate = |options: &mut Options| options.sdp.generate_mid = true;
    assert_eq!(mid(&offer(&desk, "", generate)), "1");
    // The offerer had none.
    assert_eq!(mid(&answer(&desk, "a=mid:1\r\n", generate)), "");
    assert_eq!(mid(&offer(&desk, "", |_| ())), "1");
    assert_eq!(mid(&offer(&desk, "a=mid:own\r\n", generate)), "own");
    assert_eq!(mid(&answer(&desk, "", |_| ())), "own");
}

#[test]
fn version_counts_what_one_author_wrote() {
    let desk = Desk::new();
    let count = |options: &mut Options| {
        options.sdp.replace = Replace {
            sdp_version: true,
            ..Replace::default()
        };
    };
    let version = |rewritten: &Rewritten| {
        let origin = lines(&rewritten.sdp, "o=").concat();
        origin.split(' ').nth(2).map(ToOwned::to_owned)
    };
    offer(&desk, "", count);
    // Two forks answer; neither counts for the other.
    assert_eq!(version(&answer(&desk, "", count)), Some("1".into()));
    let other = sdp_at("127.0.0.9", 6000, "a=x\r\n");
    let mut fork = said("f", "u", &other);
    count(&mut fork.options);
    assert_eq!(version(&desk.answer(fork).unwrap()), Some("1".into()));
    assert_eq!(
        version(&answer(&desk, "a=changed\r\n", count)),
        Some("2".into())
    );
}

#[test]
fn rejected_section_of_an_answer_shows_what_the_offerer_has() {
    let desk = Desk::new();
    offer(&desk, "", |options| {
        options.sdp.codec = CodecOptions {
            strip: vec!["PCMA".into()],
            ..CodecOptions::default()
        };
    });
    let refusal = sdp(0);
    let refused = desk.answer(said("f", "t", &refusal)).unwrap();
    assert_eq!(lines(&refused.sdp, "m="), ["audio 0 RTP/AVP 0 101"]);
}

#[test]
fn octets_that_are_not_utf8_are_relayed_as_they_came() {
    let desk = Desk::new();
    let mut sdp = sdp(4000).into_bytes();
    sdp.extend_from_slice(b"a=x:\xff\xfe\r\n");
    let request = OfferRequest {
        call_id: "c",
        from_tag: "f",
        to_tag: None,
        via_branch: None,
        sdp: &sdp,
        options: &Options::default(),
    };
    let told = desk.sessions.offer(desk.now(), &request).unwrap().sdp;
    assert!(told.windows(8).any(|octets| octets == b"a=x:\xff\xfe\r\n"));
}

#[test]
fn both_ports_of_what_is_no_rtp_go_straight_across() {
    let desk = Desk::new();
    let fax = |port: u16| sdp(port).replace("RTP/AVP 0 8 101", "udptl t38");
    let to_t = port(&desk.offer(said("f", "", &fax(4000))).unwrap());
    let to_f = port(&desk.answer(said("f", "t", &fax(5000))).unwrap());
    assert_eq!(desk.rtp_leaves(to_t), Some((to_f, Some(4000))));
    assert_eq!(desk.rtp_leaves(to_t + 1), Some((to_f + 1, Some(4001))));
    assert_eq!(desk.route(to_f + 1).component, Component::Opaque);
}
