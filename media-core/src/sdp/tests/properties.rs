//! Whatever comes in: no panic, and what goes out parses again to the same thing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::Rewriter;
use crate::sdp::{LocalRtcp, SdpOptions, parse};

/// Lines of a well-formed section.
fn section() -> impl Strategy<Value = String> {
    let line = select(vec![
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=fmtp:96 x=1",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:* nack",
        "a=sendonly",
        "a=inactive",
        "a=ptime:20",
        "a=mid:a",
        "a=rtcp:5",
        "a=rtcp-mux",
        "a=label:x",
        "a=end-of-candidates",
        "a=ssrc:1 cname:x",
        "b=AS:64",
        "i=title",
    ]);
    let media = select(vec![
        "m=audio 4000 RTP/AVP 0 96\na=rtpmap:96 opus/48000/2",
        "m=audio 0 RTP/AVP 0",
        "m=video 4000/2 RTP/AVPF 96\na=rtpmap:96 VP8/90000",
        "m=image 4000 udptl t38",
        "m=application 4000 UDP/BFCP *",
    ]);
    (media, vec(line, 0..8)).prop_map(|(media, lines)| format!("{media}\n{}\n", lines.join("\n")))
}

fn description() -> impl Strategy<Value = String> {
    let session = "v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
    vec(section(), 1..6)
        .prop_map(move |sections| format!("{session}{}", sections.concat()))
        .prop_map(|text| text.replace("\n\n", "\n"))
}

proptest! {
    #[test]
    fn rewriting_our_own_text_changes_nothing(text in description()) {
        let mut ours = Rewriter::new(SdpOptions::default());
        ours.mux = Some(LocalRtcp { port: 9, mux: false });
        let once = ours.offer(&text);
        prop_assert_eq!(ours.offer(&once), once);
    }

    #[test]
    fn written_sections_parse_to_what_they_were(text in description()) {
        let before = parse(text.as_bytes()).expect("well-formed").params();
        let out = Rewriter::new(SdpOptions::default()).offer(&text);
        let after = parse(out.as_bytes()).expect("ours").params();
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            prop_assert_eq!(&before.protocol, &after.protocol);
            prop_assert_eq!(before.rejected, after.rejected);
            prop_assert_eq!(&before.mid, &after.mid);
            if !before.rejected {
                prop_assert_eq!(before.direction, after.direction);
                prop_assert_eq!(&before.codecs, &after.codecs);
            }
        }
    }

    #[test]
    fn mutated_descriptions_never_panic(
        text in description(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..6),
    ) {
        let mut octets = text.into_bytes();
        for (at, octet, how) in edits {
            let at = at.index(octets.len());
            match how {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                _ => drop(octets.remove(at)),
            }
        }
        if let Ok(text) = std::str::from_utf8(&octets)
            && parse(&octets).is_ok_and(|d| !d.media().is_empty())
        {
            Rewriter::new(SdpOptions::default()).offer(text);
        }
    }

    #[test]
    fn junk_never_panics(octets in vec(any::<u8>(), 0..300), lines in vec("[vosctma]=.{0,20}", 0..9)) {
        let _ = parse(&octets).map(|d| d.params());
        let _ = parse(format!("v=0\n{}", lines.join("\n")).as_bytes()).map(|d| d.params());
    }
}

#[test]
fn repetition_does_not_multiply() {
    let session = "v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\n";
    let formats = " 0".repeat(16_000);
    let feedback = "a=rtcp-fb:0 x\n".repeat(2_200);
    let hostile = format!("{session}m=audio 4000 RTP/AVP{formats}\n{feedback}");
    assert!(hostile.len() > 60_000);
    let out = Rewriter::new(SdpOptions::default()).offer(&hostile);
    assert!(out.len() < hostile.len());
}

#[test]
fn the_largest_descriptions_are_rewritten() {
    let session = "v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\n";
    let many = format!(
        "{session}{}",
        "m=audio 4000 RTP/AVP 0 8\na=ptime:20\n".repeat(100)
    );
    let out = Rewriter::new(SdpOptions::default()).offer(&many);
    assert_eq!(out.matches("m=audio ").count(), 100);
    let long = format!(
        "{session}m=audio 4000 RTP/AVP 0\n{}",
        "a=x\n".repeat(16_000)
    );
    assert!(long.len() > 64_000);
    let out = Rewriter::new(SdpOptions::default()).offer(&long);
    assert_eq!(out.matches("a=x\r\n").count(), 16_000);
}
