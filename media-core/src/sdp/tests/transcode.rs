//! Codecs that are added for the other side, and what the offerer is told then, against rtpengine.

use super::{CONNECTION, DTMF, SESSION, words};
use crate::sdp::{Answered, Codec, CodecOptions, Listed, OfferedCodecs, parse};

const MORE: &str = "a=rtpmap:100 telephone-event/48000\na=rtpmap:111 X-Wide/48000\n\
     a=rtpmap:99 X-Unknown/8000\na=rtpmap:96 telephone-event/8000\n";

fn codecs(formats: &str) -> Vec<Codec> {
    let text = format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP {formats}\n{DTMF}{MORE}");
    let description = parse(text.as_bytes()).expect("parses");
    description.params().swap_remove(0).codecs
}

fn numbers<'a>(codecs: impl IntoIterator<Item = &'a Codec>) -> String {
    let number = |codec: &Codec| codec.payload_type.get().to_string();
    let numbers: Vec<String> = codecs.into_iter().map(number).collect();
    numbers.join(" ")
}

fn listed(list: &[Listed]) -> String {
    numbers(list.iter().map(|listed| &listed.codec))
}

fn offered(formats: &str, options: &CodecOptions) -> OfferedCodecs {
    OfferedCodecs::new(&codecs(formats), options, true)
}

fn answered(offered: &OfferedCodecs, formats: &str) -> Answered {
    offered.answer(&codecs(formats), &CodecOptions::default())
}

fn transcode(list: &[&str]) -> CodecOptions {
    CodecOptions {
        transcode: words(list),
        ..CodecOptions::default()
    }
}

#[test]
fn added_codecs_stand_in_front_of_what_goes_with_codecs() {
    for (formats, list, shown) in [
        ("0 101", &["PCMA"] as &[&str], "0 8 101"),
        ("8 101", &["PCMU"], "8 0 101"),
        ("101 0", &["PCMA"], "8 101 0"),
        ("0", &["PCMA"], "0 8"),
        ("0 101", &["PCMU/8000/1", "pcmu"], "0 101"),
        ("0 101", &["G729", "nosuch", "", "/8000", "all"], "0 101"),
        ("8", &["telephone-event"], "8 96"),
        ("8", &["telephone-event", "PCMU"], "8 0 96"),
        ("0 101", &["CN"], "0 13 101"),
    ] {
        let offered = offered(formats, &transcode(list));
        assert_eq!(numbers(&offered.shown()), shown, "{formats} {list:?}");
    }
}

#[test]
fn masked_codecs_come_back_as_they_were_and_full_keeps_them_away() {
    let mask = |all: &str, list| CodecOptions {
        mask: words(&[all]),
        ..transcode(list)
    };
    for (formats, options, shown) in [
        ("0 101", mask("all", &["PCMU", "PCMA"]), "0 8"),
        ("8 101", mask("all", &["PCMU", "telephone-event"]), "0 101"),
        ("8 101", mask("full", &["PCMU", "telephone-event"]), "0 96"),
        ("0 8 101", mask("PCMA", &["PCMA"]), "0 8 101"),
    ] {
        let offered = offered(formats, &options);
        assert_eq!(numbers(&offered.shown()), shown, "{formats} {options:?}");
    }
}

#[test]
fn dtmf_follows_the_clock_rates_of_what_was_added_or_hidden() {
    let shown = |formats, options: &CodecOptions| numbers(&offered(formats, options).shown());
    assert_eq!(shown("111 100", &transcode(&["PCMU"])), "111 0 96 100");
    let mask = CodecOptions {
        mask: words(&["PCMU"]),
        ..CodecOptions::default()
    };
    assert_eq!(shown("0 111 100 101", &mask), "111 100");
    let events = CodecOptions {
        mask: words(&["telephone-event/8000"]),
        ..CodecOptions::default()
    };
    assert_eq!(shown("0 111 101 100", &events), "0 111 96 100");
}

#[test]
fn what_nobody_decodes_is_not_shown_beside_what_is_transcoded() {
    let shown = |formats, options: &CodecOptions| numbers(&offered(formats, options).shown());
    assert_eq!(shown("99 0", &transcode(&["PCMA"])), "0 8");
    assert_eq!(shown("99 0", &transcode(&["PCMU"])), "99 0");
    // There is nothing to transcode to.
    assert_eq!(shown("99", &transcode(&["PCMA"])), "99 8");
    // What others can transcode is relayed at least.
    assert_eq!(shown("18 0", &transcode(&["PCMA"])), "18 0 8");
}

#[test]
fn offerer_is_told_what_it_has_for_the_answered_codecs() {
    let offered = offered("0 101", &transcode(&["PCMA"]));
    for (formats, told, answerer) in [
        ("0 101", "0 101", "0 101"),
        ("8 101", "0 101", "8 101"),
        ("8", "0", "8"),
        ("8 0 101", "0 101", "8 0 101"),
        ("99 8", "0", "8"),
        // The offerer has no other, or else nothing but DTMF would be left.
        ("99", "99", "99"),
        ("99 101", "99 101", "99 101"),
    ] {
        let answer = answered(&offered, formats);
        assert_eq!(numbers(&answer.shown), told, "{formats}");
        assert_eq!(listed(&answer.answerer), answerer, "{formats}");
        assert_eq!(listed(&answer.offerer), told, "{formats}");
    }
}

#[test]
fn accepted_codecs_are_what_the_offerer_gets_whatever_is_answered() {
    let accept = |list: &[&str]| CodecOptions {
        accept: words(list),
        ..CodecOptions::default()
    };
    let consume = CodecOptions {
        consume: words(&["PCMU"]),
        ..CodecOptions::default()
    };
    let always = CodecOptions {
        always_transcode: true,
        ..CodecOptions::default()
    };
    for (options, formats, told) in [
        (accept(&["PCMA"]), "0 101", "8 101"),
        (accept(&["PCMA"]), "8 101", "8 101"),
        (accept(&["PCMA"]), "0", "8"),
        (accept(&["telephone-event"]), "8", "8 101"),
        (accept(&["all"]), "8", "0 101"),
        (consume, "8 101", "0 101"),
        (always, "8 0 101", "0 101"),
        (accept(&["nosuch"]), "8 101", "8 101"),
    ] {
        let answer = answered(&offered("0 8 101", &options), formats);
        assert_eq!(numbers(&answer.shown), told, "{options:?} {formats}");
    }
}

/// As rtpengine: whoever asks for a codec to be consumed wants it, if only where the other side sees none of it.
#[test]
fn what_is_stripped_and_consumed_is_there_for_the_offerer() {
    let options = |strip, consume, list| CodecOptions {
        strip: words(&[strip]),
        consume: words(consume),
        ..transcode(list)
    };
    for (strip, consume, list, shown, answer, told) in [
        (
            "PCMU",
            &["PCMU"] as &[&str],
            &[] as &[&str],
            "8 101",
            "8 101",
            "0 101",
        ),
        ("all", &["PCMU"], &["PCMA"], "8", "8", "0"),
        (
            "telephone-event",
            &["telephone-event"],
            &["G722"],
            "0 8 9",
            "0 101",
            "0 101",
        ),
    ] {
        let offered = offered("0 8 101", &options(strip, consume, list));
        assert_eq!(numbers(&offered.shown()), shown, "{strip} {consume:?}");
        let answer = answered(&offered, answer);
        assert_eq!(numbers(&answer.shown), told, "{strip} {consume:?}");
    }
}

#[test]
fn dtmf_is_lost_where_it_was_masked_and_not_asked_for() {
    let mask = |list: &[&str]| CodecOptions {
        mask: words(&["all"]),
        ..transcode(list)
    };
    let lost = offered("0 101", &mask(&["PCMA"]));
    assert_eq!(numbers(&answered(&lost, "8").shown), "0");
    let kept = offered("0 101", &mask(&["PCMA", "telephone-event"]));
    assert_eq!(numbers(&answered(&kept, "8 101").shown), "0 101");
    assert_eq!(numbers(&answered(&kept, "8").shown), "0");
}

#[test]
fn single_codec_leaves_the_first_and_its_dtmf() {
    let options = CodecOptions {
        single_codec: true,
        ..CodecOptions::default()
    };
    let offered = offered("0 8 101", &CodecOptions::default());
    let answer = offered.answer(&codecs("8 0 101"), &options);
    assert_eq!(numbers(&answer.shown), "8 101");
    assert_eq!(listed(&answer.answerer), "8 0 101");
}

#[test]
fn section_without_a_codec_is_emptied_only_by_wish() {
    let strip = |allow_no_codec_media| CodecOptions {
        strip: words(&["all"]),
        allow_no_codec_media,
        ..CodecOptions::default()
    };
    assert!(offered("0 8", &strip(true)).is_emptied());
    assert!(!offered("0 8", &strip(false)).is_emptied());
    assert!(
        !offered(
            "0 8",
            &CodecOptions {
                allow_no_codec_media: true,
                ..transcode(&[])
            }
        )
        .is_emptied()
    );
}

#[test]
fn answers_under_other_numbers_count_by_wish() {
    let offered = offered("0 101", &CodecOptions::default());
    let options = CodecOptions {
        allow_asymmetric_codecs: true,
        ..CodecOptions::default()
    };
    assert_eq!(numbers(&answered(&offered, "0 96").shown), "0");
    let answer = offered.answer(&codecs("0 96"), &options);
    assert_eq!(listed(&answer.answerer), "0 96");
    assert_eq!(numbers(&answer.shown), "0 101");
}

#[test]
fn no_number_is_given_twice_even_where_there_are_few() {
    let mut text = format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP");
    for number in 96..128 {
        text.push_str(&format!(" {number}"));
    }
    for number in 96..128 {
        text.push_str(&format!("\na=rtpmap:{number} x/8000"));
    }
    text.push('\n');
    let description = parse(text.as_bytes()).expect("parses");
    let full = description.params().swap_remove(0).codecs;
    let shown = OfferedCodecs::new(&full, &transcode(&["telephone-event", "PCMU"]), true).shown();
    assert_eq!(
        shown.len(),
        33,
        "no event type, but PCMU has its own number"
    );
}
