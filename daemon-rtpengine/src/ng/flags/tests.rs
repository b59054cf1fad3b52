use proptest::prelude::*;

use super::*;
use crate::ng::json;
use media_core::engine::LearnMode;
use media_core::sdp::{CodecOptions, IceOption};
use media_core::session::TransportProtocol;

fn of(text: &str) -> Flags {
    Flags::of(&json::decode(text.as_bytes()).unwrap())
}

fn of_rtpp(text: &str) -> Flags {
    let mut flags = Flags::default();
    flags.apply_rtpp(text);
    flags
}

#[test]
fn table_is_sorted_and_its_names_are_normal() {
    for pair in table::WORDS.windows(2) {
        assert!(
            pair[0].name() < pair[1].name(),
            "{} is out of order",
            pair[1].name()
        );
    }
    for word in table::WORDS {
        let mut buffer = [0; MAX_NAME];
        assert_eq!(
            normalise(word.name().as_bytes(), &mut buffer),
            Some(word.name())
        );
    }
}

#[test]
fn hyphens_spaces_underscores_and_case_are_one() {
    for key in [
        "received-from",
        "received from",
        "received_from",
        "Received-From",
    ] {
        let flags = of(&format!(r#"{{"{key}":["IP4","192.0.2.1"]}}"#));
        assert_eq!(
            flags.options.received_from,
            "192.0.2.1".parse().ok(),
            "{key}"
        );
    }
    assert!(
        of(r#"{"flags":["trust address"]}"#)
            .options
            .trust_address
            .unwrap()
    );
    assert!(
        !of(r#"{"flags":["SIP_source_address"]}"#)
            .options
            .trust_address
            .unwrap()
    );
}

#[test]
fn kamailio_style_request_is_understood() {
    let flags = of(
        r#"{"supports":["load limit"],"ICE":"remove","flags":["trust-address","strict-source"],
            "replace":["origin","session-connection"],"transport-protocol":"RTP/AVP",
            "rtcp-mux":["demux"],"codec":{"strip":["all"],"except":["PCMU","opus/48000/2"]},
            "direction":["priv","pub"],"received-from":["IP4","192.0.2.7"],"delete delay":0,
            "call-id":"c","from-tag":"f","to-tag":"t","via-branch":"b","address family":"IP6",
            "TOS":184,"sdp":"ignored here","command":"offer"}"#,
    );
    assert!(flags.options.supports_load_limit);
    assert_eq!(flags.options.sdp.ice, IceOption::Remove);
    assert!(flags.options.strict_source);
    assert!(flags.options.sdp.replace.origin && flags.options.sdp.replace.session_connection);
    assert!(!flags.options.sdp.replace.username);
    assert_eq!(
        flags.options.transport_protocol,
        Some(TransportProtocol::RtpAvp)
    );
    assert!(flags.options.sdp.rtcp_mux.demux);
    assert_eq!(flags.options.sdp.codec.strip, ["all"]);
    assert_eq!(flags.options.sdp.codec.except, ["PCMU", "opus/48000/2"]);
    assert_eq!(
        flags.options.direction,
        [Some("priv".into()), Some("pub".into())]
    );
    assert_eq!(flags.options.delete_delay, Some(std::time::Duration::ZERO));
    assert_eq!(flags.delete.delete_delay, Some(std::time::Duration::ZERO));
    assert_eq!(flags.options.address_family_v6, Some(true));
    assert_eq!(flags.options.tos, Some(Some(184)));
    assert_eq!(
        (
            flags.call_id.as_deref(),
            flags.from_tag.as_deref(),
            flags.to_tag.as_deref()
        ),
        (Some("c"), Some("f"), Some("t"))
    );
    assert_eq!(flags.via_branch.as_deref(), Some("b"));
}

#[test]
fn prefixed_flags_are_key_and_item_in_one() {
    let flags = of(
        r#"{"flags":["codec-strip-G729","codec-mask-all","transcode-PCMU","rtcp-mux-offer",
            "endpoint-learning-off","replace-origin","codec-transcode-opus/48000/2//a--1;b--2",
            "SDES-no-AES_CM_128_HMAC_SHA1_80","sdp-attr-add-audio-x-note:a..b",
            "sdp-attr-remove-audio-ssrc:","sdp-attr-substitute-none-tool:x>tool:y..z"]}"#,
    );
    let codec = &flags.options.sdp.codec;
    assert_eq!(codec.strip, ["G729"]);
    assert_eq!(codec.mask, ["all"]);
    assert_eq!(codec.transcode, ["PCMU", "opus/48000/2//a=1;b=2"]);
    assert!(flags.options.sdp.rtcp_mux.offer);
    assert_eq!(flags.options.endpoint_learning, Some(LearnMode::Off));
    assert!(flags.options.sdp.replace.origin);
    assert_eq!(flags.options.sdp.attributes.audio.add, ["x-note:a b"]);
    assert_eq!(flags.options.sdp.attributes.audio.remove, ["ssrc:"]);
    assert_eq!(
        flags.options.sdp.attributes.session.substitute,
        [("tool:x".to_owned(), "tool:y z".to_owned())]
    );
}

#[test]
fn attribute_edits_come_as_lists_pairs_and_dictionaries() {
    let flags = of(r#"{"sdp-attr":{"none":{"add":["a:1"],"remove":["b"]},
            "audio":{"substitute":[["sendrecv","recvonly"]]},
            "video":{"substitute":{"x":"y"}}}}"#);
    let edits = &flags.options.sdp.attributes;
    assert_eq!(edits.session.add, ["a:1"]);
    assert_eq!(edits.session.remove, ["b"]);
    assert_eq!(
        edits.audio.substitute,
        [("sendrecv".into(), "recvonly".into())]
    );
    assert_eq!(edits.video.substitute, [("x".into(), "y".into())]);
}

#[test]
fn voipbin_sip_leg_string_is_understood() {
    let flags = of_rtpp(
        "replace-origin replace-session-connection direction=priv direction=pub codec-mask=all \
         codec-transcode=PCMU codec-transcode=PCMA codec-transcode-telephone-event \
         codec-except=VP8 codec-offer=telephone-event ICE=remove RTP/AVP rtcp-mux-accept",
    );
    assert!(flags.options.sdp.replace.origin && flags.options.sdp.replace.session_connection);
    assert_eq!(
        flags.options.direction,
        [Some("priv".into()), Some("pub".into())]
    );
    let codec = &flags.options.sdp.codec;
    assert_eq!(codec.mask, ["all"]);
    assert_eq!(codec.transcode, ["PCMU", "PCMA", "telephone-event"]);
    assert_eq!(codec.except, ["VP8"]);
    assert_eq!(codec.offer, ["telephone-event"]);
    assert_eq!(flags.options.sdp.ice, IceOption::Remove);
    assert_eq!(
        flags.options.transport_protocol,
        Some(TransportProtocol::RtpAvp)
    );
    assert!(flags.options.sdp.rtcp_mux.accept);
}

#[test]
fn nested_lists_of_the_string_reach_the_same_options() {
    let flags = of_rtpp(
        "codec=[transcode=[PCMA opus/48000/2] accept=[AMR]] sdp-attr=[audio=[add=[x:1..2] \
         substitute=[a=b]]] to-tag label=L",
    );
    assert_eq!(flags.options.sdp.codec.transcode, ["PCMA", "opus/48000/2"]);
    assert_eq!(flags.options.sdp.codec.accept, ["AMR"]);
    assert_eq!(flags.options.sdp.attributes.audio.add, ["x:1 2"]);
    assert_eq!(
        flags.options.sdp.attributes.audio.substitute,
        [("a".into(), "b".into())]
    );
    assert!(flags.delete.match_to_tag);
    assert_eq!(flags.options.label.as_deref(), Some("L"));
}

#[test]
fn words_about_transcoding_are_one_in_every_style() {
    let expected = CodecOptions {
        mask: vec!["all".into()],
        consume: vec!["G722".into()],
        accept: vec!["opus/48000/2".into()],
        set: vec!["opus/48000/2/24000".into()],
        transcode: vec!["PCMU".into(), "telephone-event".into()],
        always_transcode: true,
        single_codec: true,
        reuse_codecs: true,
        static_codecs: true,
        allow_asymmetric_codecs: true,
        allow_no_codec_media: true,
        ..CodecOptions::default()
    };
    let flags = r#""always transcode","single-codec","reuse codecs","static-codecs",
        "allow-asymmetric-codecs","allow no codec media""#;
    let dictionary = format!(
        r#"{{"codec":{{"mask":["all"],"consume":["G722"],"accept":["opus/48000/2"],
            "set":["opus/48000/2/24000"],"transcode":["PCMU","telephone-event"]}},
            "flags":[{flags}]}}"#
    );
    assert_eq!(of(&dictionary).options.sdp.codec, expected);
    let words = format!(
        r#"{{"flags":["codec-mask-all","codec-consume-G722","codec-accept-opus/48000/2",
            "codec-set-opus/48000/2/24000","transcode-PCMU","codec-transcode-telephone-event",
            {flags}]}}"#
    );
    assert_eq!(of(&words).options.sdp.codec, expected);
    let string = of_rtpp(
        "codec-mask=all codec=[consume=[G722] accept=[opus/48000/2] set=[opus/48000/2/24000]] \
         codec-transcode=PCMU transcode-telephone-event always-transcode single-codec \
         reuse-codecs static-codecs allow-asymmetric-codecs allow-no-codec-media",
    );
    assert_eq!(string.options.sdp.codec, expected);
}

#[test]
fn values_of_another_type_are_not_there() {
    for odd in [
        r#"{"call-id":5}"#,
        r#"{"from-tag":["a"]}"#,
        r#"{"replace":"origin"}"#,
        r#"{"codec":{"strip":"PCMU"}}"#,
        r#"{"ICE":["remove"]}"#,
        r#"{"TOS":"abc","ptime":0,"address family":"IPv6","address_family":"IP9"}"#,
        r#"{"media address":"nonsense","received-from":"10.1.1.1"}"#,
    ] {
        assert_eq!(of(odd), Flags::default(), "{odd}");
    }
    for odd in [
        r#"["nonsense","192.0.2.1"]"#,
        r#"["IP4","::1"]"#,
        r#"["IP4"]"#,
    ] {
        let flags = of(&format!(r#"{{"received-from":{odd}}}"#));
        assert_eq!(flags.options.received_from, None, "{odd}");
    }
}

#[test]
fn unknown_words_change_nothing() {
    let flags = of(r#"{"frob":1,"flags":["frobnicate","-","", 3, ["x"]],"codec":{"frob":["x"]}}"#);
    assert_eq!(flags, Flags::default());
}

#[test]
fn of_duplicate_keys_lists_add_up_and_the_last_text_counts() {
    let flags =
        of(r#"{"codec":{"strip":["a"]},"codec":{"strip":["b"]},"from-tag":"1","from-tag":"2"}"#);
    assert_eq!(flags.options.sdp.codec.strip, ["a", "b"]);
    assert_eq!(flags.from_tag.as_deref(), Some("2"));
}

proptest! {
    #[test]
    fn any_word_is_survived(word in "[a-zA-Z0-9 _=:./-]{0,90}") {
        let mut flags = Flags::default();
        flags.apply_word(word.as_bytes());
        flags.apply_rtpp(&word);
    }
}
