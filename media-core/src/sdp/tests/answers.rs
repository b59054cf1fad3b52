//! What the offerer is shown of the answerer's codecs, against rtpengine.

use super::{CONNECTION, DTMF, SESSION, hide};
use crate::sdp::{Codec, CodecOptions, OfferedCodecs, parse};

fn codecs(media: &str) -> Vec<Codec> {
    let text = format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP {media}");
    let description = parse(text.as_bytes()).expect("parses");
    description.params().swap_remove(0).codecs
}

/// Payload types and format parameters shown to the offerer.
fn answered(
    offer: &str,
    on_offer: &CodecOptions,
    answer: &str,
    on_answer: &CodecOptions,
) -> String {
    let offered = OfferedCodecs::new(&codecs(offer), on_offer, true);
    let shown = offered.answer(&codecs(answer), on_answer).shown;
    let texts = shown.iter().map(|codec| {
        let fmtp = codec.fmtp.as_deref().unwrap_or_default();
        let number = codec.payload_type.get();
        format!("{number} {}", String::from_utf8_lossy(fmtp))
            .trim()
            .to_owned()
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[test]
fn answer_shows_the_answerers_choice_order_and_parameters() {
    let none = CodecOptions::default();
    let offer = format!("0 8 9 101\n{DTMF}");
    for (answer, shown) in [
        ("9 8 0\n", "9, 8, 0"),
        (
            "9 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-11\n",
            "9, 101 0-11",
        ),
        ("101 8\na=rtpmap:101 telephone-event/8000\n", "101, 8"),
        ("3 0\n", "0"),
        ("99\na=rtpmap:99 weird/8000\n", "99"),
    ] {
        assert_eq!(answered(&offer, &none, answer, &none), shown, "{answer}");
    }
}

#[test]
fn forgotten_channel_count_is_put_back() {
    let none = CodecOptions::default();
    let offered = OfferedCodecs::new(
        &codecs("111\na=rtpmap:111 opus/48000/2\na=fmtp:111 x\n"),
        &none,
        true,
    );
    let shown = offered
        .answer(&codecs("111\na=rtpmap:111 OPUS/48000\n"), &none)
        .shown;
    assert_eq!(shown, offered.shown());
}

#[test]
fn dtmf_of_a_thinned_clock_rate_comes_last_and_as_offered() {
    let none = CodecOptions::default();
    let offer = format!("0 8 101\n{DTMF}");
    let strip = hide(&["PCMU"], &[], &[]);
    let answer = "101 8\na=rtpmap:101 telephone-event/8000\n";
    assert_eq!(answered(&offer, &strip, answer, &none), "8, 101 0-15");
    assert_eq!(answered(&offer, &none, answer, &strip), "101, 8");
    let both = "101 8 0\na=rtpmap:101 telephone-event/8000\n";
    assert_eq!(answered(&offer, &none, both, &strip), "8, 101 0-15");
    let alone = "101\na=rtpmap:101 telephone-event/8000\n";
    assert_eq!(answered(&offer, &strip, alone, &none), "");
    let opus = format!("111 8 101\na=rtpmap:111 opus/48000/2\n{DTMF}");
    let strip_opus = hide(&["opus"], &[], &[]);
    assert_eq!(answered(&opus, &strip_opus, answer, &none), "101, 8");
}

#[test]
fn strip_with_offer_or_except_works_on_answers_but_mask_does_not() {
    let none = CodecOptions::default();
    let case = |options: &CodecOptions| answered("0 8 9\n", &none, "0 8 9\n", options);
    assert_eq!(case(&hide(&["PCMU"], &[], &[])), "8, 9");
    assert_eq!(case(&hide(&["all"], &[], &["PCMA"])), "8");
    assert_eq!(case(&hide(&["all"], &["G722", "PCMU"], &[])), "9, 0");
    let mask = CodecOptions {
        mask: vec!["all".into()],
        except: vec!["PCMU".into()],
        ..CodecOptions::default()
    };
    assert_eq!(case(&mask), "0, 8, 9");
}
