//! Rewritten offers, against texts seen from rtpengine.

use super::{CONNECTION, DTMF, Rewriter, SESSION, formats, hide, offer, offer_media, words};
use crate::sdp::{
    AttributeEdits, CodecOptions, Edits, LocalRtcp, Protocol, Replace, RtcpAttribute, SdpOptions,
};

fn codec(codec: CodecOptions) -> SdpOptions {
    SdpOptions {
        codec,
        ..SdpOptions::default()
    }
}

fn replace(replace: Replace) -> SdpOptions {
    SdpOptions {
        replace,
        ..SdpOptions::default()
    }
}

#[test]
fn plain_offer_gets_our_address_ports_and_static_rtpmaps() {
    let input = format!(
        "{SESSION}{CONNECTION}t=0 0\nm=audio 4000 RTP/AVP 0 8 101\n{DTMF}a=sendrecv\na=ptime:20\n"
    );
    assert_eq!(
        Rewriter::new(SdpOptions::default()).offer(&input),
        "v=0\r\no=alice 123 456 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=rtcp:20001\r\n\
         a=ptime:20\r\n"
    );
}

#[test]
fn webrtc_offer_towards_plain_rtp_loses_ice_dtls_mux_and_bundle() {
    let digest = ["19"; 32].join(":");
    let input = "v=0\no=- 46117 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0 1\n\
         a=extmap-allow-mixed\na=msid-semantic: WMS abc\na=ice-options:trickle\na=ice-lite\n\
         a=setup:actpass\na=fingerprint:sha-256 DIGEST\n\
         m=audio 49170 UDP/TLS/RTP/SAVPF 111 63 9 126\nc=IN IP4 192.0.2.5\nb=AS:64\n\
         a=rtcp:9 IN IP4 0.0.0.0\n\
         a=candidate:1467250027 1 udp 2122260223 192.0.2.5 49170 typ host generation 0\n\
         a=ice-ufrag:Oyef\na=ice-pwd:T0teqPLNQQOf+5W+ls+P2p16\na=ice-options:trickle\n\
         a=fingerprint:sha-256 DIGEST\na=setup:actpass\na=mid:0\na=extmap:1 urn:x\na=sendrecv\n\
         a=msid:abc def\na=rtcp-mux\na=rtcp-rsize\na=rtpmap:111 opus/48000/2\n\
         a=rtcp-fb:111 transport-cc\na=fmtp:111 minptime=10;useinbandfec=1\n\
         a=rtpmap:63 red/48000/2\na=fmtp:63 111/111\na=rtpmap:126 telephone-event/8000\n\
         a=ssrc:1 cname:x\na=rtcp-fb:* nack\na=end-of-candidates\n\
         a=remote-candidates:1 192.0.2.9 5\na=tls-id:abcdef\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n\
         a=maxptime:60\nm=video 0 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\na=mid:1\n\
         a=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack\n"
        .replace("DIGEST", &digest);
    let mut ours = Rewriter::new(SdpOptions::default());
    ours.protocol = Some(Protocol::RtpAvp);
    ours.mux = Some(LocalRtcp {
        port: 20001,
        mux: false,
    });
    assert_eq!(
        ours.offer(&input).replace("\r\n", "\n"),
        "v=0\no=- 46117 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=extmap-allow-mixed\n\
         a=msid-semantic: WMS abc\nm=audio 20000 RTP/AVP 111 63 9 126\nc=IN IP4 127.0.0.1\n\
         b=AS:64\na=extmap:1 urn:x\na=msid:abc def\na=rtcp-rsize\na=ssrc:1 cname:x\n\
         a=rtcp-fb:* nack\na=tls-id:abcdef\na=maxptime:60\na=mid:0\n\
         a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\n\
         a=rtcp-fb:111 transport-cc\na=rtpmap:63 red/48000/2\na=fmtp:63 111/111\n\
         a=rtpmap:9 G722/8000\na=rtpmap:126 telephone-event/8000\na=sendrecv\na=rtcp:20001\n\
         a=end-of-candidates\nm=video 0 RTP/AVP 96\nc=IN IP4 0.0.0.0\na=mid:1\n"
    );
}

#[test]
fn codec_lines_follow_the_order_of_the_payload_types() {
    let out = offer_media(
        "m=audio 4000 RTP/AVP 8 35 97 98 8 0\na=rtpmap:97 opus/48000/2\na=rtpmap:98 pcma/8000/1\n\
         a=fmtp:97 one=1\na=fmtp:97 two=2\na=rtcp-fb:97 a\na=rtcp-fb:97 b\n\
         a=rtpmap:120 nope/8000\na=fmtp:120 x\na=rtpmap:100 foo\na=rtpmap:99  G729/8000\n",
        SdpOptions::default(),
    );
    assert_eq!(
        out,
        "m=audio 20000 RTP/AVP 8 35 97 98 0\na=rtpmap:100 foo\na=rtpmap:99  G729/8000\n\
         a=rtpmap:8 PCMA/8000\na=rtpmap:35 /0\na=rtpmap:97 opus/48000/2\na=fmtp:97 two=2\n\
         a=rtcp-fb:97 a\na=rtcp-fb:97 b\na=rtpmap:98 pcma/8000\na=rtpmap:0 PCMU/8000\n\
         a=sendrecv\na=rtcp:20001\n"
    );
}

#[test]
fn codecs_that_come_back_stand_before_what_goes_with_the_others() {
    let media = format!("m=audio 4000 RTP/AVP 8 0 9 101 3\n{DTMF}");
    for (hidden, left) in [
        (hide(&["PCMU"], &["PCMU", "PCMA"], &[]), "8 9 0 101 3"),
        (
            hide(&["PCMU", "PCMA"], &["PCMU", "PCMA"], &[]),
            "9 0 8 101 3",
        ),
        (
            hide(&["telephone-event"], &["telephone-event"], &[]),
            "8 0 9 101 3",
        ),
    ] {
        let out = offer_media(&media, codec(hidden.clone()));
        assert_eq!(formats(&out), left, "{hidden:?}");
    }
}

#[test]
fn strip_matches_name_or_name_with_clock_and_channels() {
    let media = "m=audio 4000 RTP/AVP 111 0 8 101 110\na=rtpmap:111 opus/48000/2\n\
         a=rtpmap:101 telephone-event/8000\na=rtpmap:110 telephone-event/48000\n";
    for (word, left) in [
        ("PCMA", "111 0 101 110"),
        ("pcma/8000", "111 0 101 110"),
        ("PCMA/8000/1", "111 0 101 110"),
        ("PCMA/16000", "111 0 8 101 110"),
        ("PCMA/8000/2", "111 0 8 101 110"),
        ("opus", "0 8 101"),
        ("opus/48000/2", "0 8 101"),
        ("opus/48000", "111 0 8 101 110"),
        ("telephone-event", "111 0 8"),
        ("8", "111 0 8 101 110"),
        ("", "111 0 8 101 110"),
    ] {
        let out = offer_media(media, codec(hide(&[word], &[], &[])));
        assert_eq!(formats(&out), left, "strip {word:?}");
    }
}

#[test]
fn stripping_everything_restores_the_list_unless_offer_or_except_saves_some() {
    let media = format!("m=audio 4000 RTP/AVP 0 8 9 101\n{DTMF}");
    for (options, left) in [
        (hide(&["all"], &[], &[]), "0 8 9 101"),
        (hide(&["full"], &[], &["nope"]), "0 8 9 101"),
        (hide(&["all"], &["G722", "PCMU"], &[]), "9 0"),
        (hide(&["all"], &[], &["G722", "PCMU"]), "0 9"),
        (hide(&["all"], &["G722"], &["PCMA"]), "8 9"),
        (hide(&["all"], &["telephone-event", "PCMA"], &[]), "8 101"),
        (hide(&["all", "PCMU"], &[], &["PCMU", "PCMA"]), "8"),
        (hide(&["PCMU"], &["PCMU"], &[]), "8 9 0 101"),
        (hide(&[], &["PCMA"], &["PCMU"]), "0 8 9 101"),
    ] {
        let out = offer_media(&media, codec(options.clone()));
        assert_eq!(formats(&out), left, "{options:?}");
    }
}

#[test]
fn dtmf_alone_is_no_codec_list_and_its_lines_stay_as_written() {
    let media = format!("m=audio 4000 RTP/AVP 0 101\n{DTMF}");
    let out = offer_media(&media, codec(hide(&["PCMU"], &[], &[])));
    assert_eq!(
        out,
        format!("m=audio 20000 RTP/AVP \n{DTMF}a=sendrecv\na=rtcp:20001\n")
    );
}

#[test]
fn mask_and_consume_hide_like_strip_in_an_offer() {
    let mask = CodecOptions {
        mask: words(&["PCMU"]),
        ..CodecOptions::default()
    };
    let consume = CodecOptions {
        consume: words(&["PCMU"]),
        ..CodecOptions::default()
    };
    for hidden in [mask, consume] {
        let out = offer_media("m=audio 4000 RTP/AVP 0 8\n", codec(hidden));
        assert_eq!(formats(&out), "8");
    }
}

#[test]
fn direction_is_inherited_and_written_in_every_section() {
    let input = format!(
        "{SESSION}{CONNECTION}a=sendonly\nm=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 8\n\
         a=recvonly\nm=image 4004 udptl t38\n"
    );
    let out = offer(&input, SdpOptions::default());
    let directions: Vec<&str> = out.lines().filter(|line| line.ends_with("only")).collect();
    assert_eq!(directions, ["a=sendonly", "a=recvonly", "a=sendonly"]);
}

#[test]
fn original_sendrecv_leaves_directions_where_they_were() {
    let options = SdpOptions {
        original_sendrecv: true,
        ..SdpOptions::default()
    };
    let input =
        format!("{SESSION}{CONNECTION}a=recvonly\nm=audio 4000 RTP/AVP 0\na=sendonly\na=x\n");
    assert_eq!(
        offer(&input, options),
        format!(
            "{SESSION}c=IN IP4 127.0.0.1\na=recvonly\nm=audio 20000 RTP/AVP 0\na=sendonly\na=x\n\
             a=rtpmap:0 PCMU/8000\na=rtcp:20001\n"
        )
    );
}

#[test]
fn zero_address_is_passed_on_unless_replaced() {
    let media = "m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=recvonly\n";
    let held = offer_media(media, SdpOptions::default());
    assert!(held.contains("c=IN IP4 0.0.0.0\n") && held.contains("a=inactive\n"));
    let zero = Replace {
        zero_address: true,
        ..Replace::default()
    };
    assert!(offer_media(media, replace(zero)).contains("c=IN IP4 127.0.0.1\n"));
}

#[test]
fn session_connection_is_replaced_only_where_a_section_relies_on_it() {
    let own = format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.3\n");
    let leading = |text: String| text.lines().nth(3).map(str::to_owned);
    let kept = offer(&own, SdpOptions::default());
    assert_eq!(leading(kept).as_deref(), Some("c=IN IP4 192.0.2.1"));
    let asked = Replace {
        session_connection: true,
        ..Replace::default()
    };
    let asked = offer(&own, replace(asked));
    assert_eq!(leading(asked).as_deref(), Some("c=IN IP4 127.0.0.1"));
    let relied = offer(
        &format!("{own}m=audio 4002 RTP/AVP 0\n"),
        SdpOptions::default(),
    );
    assert_eq!(leading(relied).as_deref(), Some("c=IN IP4 127.0.0.1"));
}

#[test]
fn origin_address_is_replaced_with_the_family_of_ours() {
    let mut ours = Rewriter::new(replace(Replace {
        origin: true,
        ..Replace::default()
    }));
    ours.address = "::1".parse().expect("literal");
    let out = ours.offer(&format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP 0\n"));
    assert!(out.contains("o=alice 123 456 IN IP6 ::1\r\n"));
    assert!(out.contains("c=IN IP6 ::1\r\n"));
}

#[test]
fn version_is_counted_from_the_first_and_only_on_change() {
    let version = |out: String| {
        let line = out.lines().nth(1).map(str::to_owned).expect("o=");
        line.split(' ').nth(2).map(str::to_owned).expect("version")
    };
    let text = |version: u32, more: &str| {
        format!(
            "v=0\no=a 1 {version} IN IP4 192.0.2.1\ns=-\n{CONNECTION}m=audio 4000 RTP/AVP 0\n{more}"
        )
    };
    let mut ours = Rewriter::new(SdpOptions::default());
    assert_eq!(version(ours.offer(&text(456, ""))), "456");
    ours.options.replace.sdp_version = true;
    assert_eq!(
        version(ours.offer(&text(470, "a=q\n"))),
        "456",
        "first counted"
    );
    assert_eq!(version(ours.offer(&text(480, "a=q\n"))), "456", "unchanged");
    assert_eq!(version(ours.offer(&text(480, "a=r\n"))), "457", "changed");
    ours.options.replace.force_increment_sdp_version = true;
    assert_eq!(version(ours.offer(&text(480, "a=r\n"))), "458", "forced");
}

#[test]
fn user_and_session_name_stay_those_of_the_first_description() {
    let mut ours = Rewriter::new(SdpOptions::default());
    ours.offer(&format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP 0\n"));
    ours.options.replace.username = true;
    ours.options.replace.session_name = true;
    let out = ours.offer(&format!(
        "v=0\no=bob 1 2 IN IP4 192.0.2.1\ns=new\n{CONNECTION}m=audio 4000 RTP/AVP 0\n"
    ));
    assert!(
        out.starts_with("v=0\r\no=alice 1 2 IN IP4 192.0.2.1\r\ns=-\r\n"),
        "{out}"
    );
}

#[test]
fn rtcp_is_announced_as_asked() {
    for (rtcp_attribute, mux, line) in [
        (RtcpAttribute::PortOnly, false, "a=rtcp:20001\n"),
        (
            RtcpAttribute::Full,
            false,
            "a=rtcp:20001 IN IP4 127.0.0.1\n",
        ),
        (RtcpAttribute::Omit, false, ""),
        (RtcpAttribute::PortOnly, true, "a=rtcp:20001\na=rtcp-mux\n"),
        (RtcpAttribute::Omit, true, "a=rtcp-mux\n"),
    ] {
        let mut ours = Rewriter::new(SdpOptions {
            rtcp_attribute,
            ..SdpOptions::default()
        });
        ours.mux = Some(LocalRtcp { port: 20001, mux });
        let input =
            format!("{SESSION}{CONNECTION}m=audio 4000 RTP/AVP 0\na=rtcp:5 IN IP4 192.0.2.9\n");
        let out = ours.offer(&input).replace("\r\n", "\n");
        assert!(out.ends_with(&format!("a=sendrecv\n{line}")), "{out}");
    }
}

#[test]
fn other_udp_media_keeps_formats_and_attributes() {
    let out = offer_media(
        "m=image 4000 UDPTL t38\na=T38FaxVersion:0\na=rtpmap:0 x/8000\na=rtcp:5\na=ptime:20\na=mid:1\n",
        SdpOptions::default(),
    );
    assert_eq!(
        out,
        "m=image 20000 udptl t38\na=T38FaxVersion:0\na=rtpmap:0 x/8000\na=mid:1\na=sendrecv\n"
    );
}

#[test]
fn messages_go_past_us_to_the_address_that_was_meant() {
    let msrp = "a=accept-types:text/plain\na=path:msrp://192.0.2.1:4000/x;tcp\na=mid:0\n";
    let out = offer_media(
        &format!(
            "m=message 4000 TCP/MSRP *\ni=chat\n{msrp}m=message 4002 TCP/MSRP *\nc=IN IP4 192.0.2.9\n{msrp}"
        ),
        SdpOptions::default(),
    );
    assert_eq!(
        out,
        format!(
            "m=message 4000 TCP/MSRP *\ni=chat\nc=IN IP4 192.0.2.1\n{msrp}\
             m=message 4002 TCP/MSRP *\nc=IN IP4 192.0.2.9\n{msrp}"
        )
    );
}

#[test]
fn lines_of_a_section_keep_their_places() {
    let out = offer_media(
        "m=audio 4000/2 RTP/AVP 0\na=x\nb=AS:3\ni=foo\nk=z\na=y\nc=IN IP4 192.0.2.3\nt=0 1\n",
        SdpOptions::default(),
    );
    assert_eq!(
        out,
        "m=audio 20000 RTP/AVP 0\na=x\nb=AS:3\ni=foo\nk=z\na=y\nc=IN IP4 127.0.0.1\nt=0 1\n\
         a=rtpmap:0 PCMU/8000\na=sendrecv\na=rtcp:20001\n"
    );
}

#[test]
fn loop_mark_ends_the_session_level() {
    let options = SdpOptions {
        loop_protect: true,
        ..SdpOptions::default()
    };
    let out = offer(
        &format!("{SESSION}{CONNECTION}a=x\nm=audio 4000 RTP/AVP 0\n"),
        options,
    );
    assert!(out.contains("a=x\na=rtpengine:0123456789ab\nm=audio"));
    let again = crate::sdp::parse(out.as_bytes()).expect("parses");
    assert!(again.has_loop_mark("0123456789ab") && !again.has_loop_mark("0123456789a"));
}

#[test]
fn attribute_edits_work_on_copied_and_on_written_lines() {
    let options = SdpOptions {
        attributes: AttributeEdits {
            session: Edits {
                remove: words(&["tool"]),
                add: words(&["new:1"]),
                ..Edits::default()
            },
            audio: Edits {
                add: words(&["last", "foo:bc", "last"]),
                remove: words(&["rtcp", "foo:b", "label", "ssrc:"]),
                substitute: vec![("sendrecv".into(), "sendonly".into())],
            },
            video: Edits::default(),
        },
        media_remove: words(&["video"]),
        ..SdpOptions::default()
    };
    let out = offer(
        &format!(
            "{SESSION}{CONNECTION}a=tool:x\nm=video 4002 RTP/AVP 96\nm=audio 4000 RTP/AVP 0\n\
             a=foo:b\na=foo:bc\na=label:1\na=labels:1\na=ssrc:1 x\na=ssrc:2\n"
        ),
        options,
    );
    assert_eq!(
        out,
        format!(
            "{SESSION}c=IN IP4 127.0.0.1\na=new:1\nm=audio 20002 RTP/AVP 0\na=foo:bc\na=labels:1\n\
             a=rtpmap:0 PCMU/8000\na=sendonly\na=last\n"
        )
    );
}

#[test]
fn keys_and_certificates_of_the_description_are_taken_out() {
    let key =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n";
    let digest = ["19"; 20].join(":");
    let lines = format!("{key}a=setup:actpass\na=fingerprint:sha-1 {digest}\n");
    let session = format!("{SESSION}{CONNECTION}a=setup:actpass\na=fingerprint:sha-1 {digest}\n");
    let input = format!("{session}m=audio 4000 RTP/SAVP 0\n{lines}a=x\na=ptime:20\n");
    let out = offer(&input, SdpOptions::default());
    for word in ["crypto", "setup", "fingerprint"] {
        assert!(!out.contains(word), "{out}");
    }
    // What cannot be read is nothing to us, and passes as rtpengine has it.
    let odd = "a=fingerprint:md5 19:19\na=crypto:1 AES_CM_128_HMAC_SHA1_80\n";
    let out = offer(&input.replace(&lines, odd), SdpOptions::default());
    assert!(out.contains(odd), "{out}");
}
