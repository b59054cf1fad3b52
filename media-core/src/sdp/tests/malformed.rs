//! What is refused, what is let pass, and what a call remembers. The verdicts are rtpengine's.

use std::net::SocketAddr;

use super::{CONNECTION, SESSION};
use crate::sdp::{
    Direction, ParseError, Protocol, RewriteError, SessionDescription, parse, rewrite,
};

fn with_media(lines: &str) -> String {
    format!("{SESSION}{CONNECTION}t=0 0\n{lines}")
}

#[test]
fn refused_as_unparsable() {
    let o = "o=alice 123 456 IN IP4 192.0.2.1\n";
    for (text, error) in [
        (String::new(), ParseError::Empty),
        ("\r\nv=0\r\n".into(), ParseError::Empty),
        ("v=1\n".into(), ParseError::Version),
        (" v=0\n".into(), ParseError::Version),
        ("v=0\rs=-\r".into(), ParseError::Version),
        (format!("v=0\n{o}{o}"), ParseError::Origin(3)),
        ("v=0\no=alice\n".into(), ParseError::Origin(2)),
        ("v=0\no=alice 1 2 IN IP4\n".into(), ParseError::Origin(2)),
        (format!("{SESSION}hello world\n"), ParseError::Line(4)),
        (format!("{SESSION}y=1\n"), ParseError::Line(4)),
        (format!("{SESSION}A=1\n"), ParseError::Line(4)),
        (format!("{SESSION}a\n"), ParseError::Line(4)),
        (format!("{SESSION} a=1\n"), ParseError::Line(4)),
        (
            format!("{SESSION}{CONNECTION}{CONNECTION}"),
            ParseError::Connection(5),
        ),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(error), "{text:?}");
        assert!(!error.is_incomplete());
    }
}

#[test]
fn refused_connections() {
    for value in [
        "IN IP4",
        "IN IP4 192.0.2",
        "IN IP4 host.example.com",
        "IN IP4 224.0.0.1/127",
        "IN IP6 192.0.2.1",
        "IN IP4 2001:db8::1",
        "in ip4 192.0.2.1",
        "IN  IP4 192.0.2.1",
        "XX IP4 192.0.2.1",
    ] {
        let text = format!("{SESSION}c={value}\n");
        assert_eq!(
            parse(text.as_bytes()),
            Err(ParseError::Connection(4)),
            "{value}"
        );
    }
}

#[test]
fn refused_media() {
    for value in [
        "audio",
        "audio 4000",
        "audio x RTP/AVP 0",
        "audio -1 RTP/AVP 0",
        "audio 65536 RTP/AVP 0",
        "audio 99999999999 RTP/AVP 0",
        "audio 4000/0 RTP/AVP 0",
        "audio 4000/11 RTP/AVP 0",
        "audio 4000/x RTP/AVP 0",
        "audio\t4000 RTP/AVP 0",
    ] {
        let text = with_media(&format!("m={value}\n"));
        assert_eq!(parse(text.as_bytes()), Err(ParseError::Media(6)), "{value}");
    }
}

#[test]
fn refused_as_incomplete() {
    for (text, error) in [
        (
            format!("{SESSION}m=audio 4000 RTP/AVP 0\n"),
            ParseError::NoConnection(1),
        ),
        (
            format!("{SESSION}m=audio 4000 RTP/AVP 0\n{CONNECTION}m=audio 0 RTP/AVP 0\n"),
            ParseError::NoConnection(2),
        ),
        (
            with_media("m=audio 4000 RTP/AVP 0 128\n"),
            ParseError::PayloadType(1),
        ),
        (
            with_media("m=audio 4000 RTP/AVP t38\n"),
            ParseError::PayloadType(1),
        ),
        (
            with_media("m=audio 0 rtp/avp *\n"),
            ParseError::PayloadType(1),
        ),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(error), "{text:?}");
        assert!(error.is_incomplete());
    }
}

#[test]
fn let_pass() {
    for text in [
        format!("v=0\n{CONNECTION}m=audio 4000 RTP/AVP 0\n"),
        with_media("m=audio 4000 RTP/AVP\n"),
        with_media("m=audio 4000x RTP/AVP 0\n"),
        with_media("m= 4000 RTP/AVP 0\n"),
        with_media("m=audio 4000/2x RTP/AVP 00 0x\n"),
        with_media("m=image 4000 udptl t38 *\n"),
        with_media("m=audio 4000 RTP/AVP 0\na=\nz=1\nk=1\n\nm=rubbish\n"),
        with_media("m=audio 4000 RTP/AVP 0"),
        format!("{SESSION}c=IN IP4 192.0.2.1 x\nm=audio 4000 RTP/AVP 0\n"),
    ] {
        let description = parse(text.as_bytes()).expect(&text);
        assert_eq!(description.media().len(), 1, "{text:?}");
    }
}

#[test]
fn nothing_to_rewrite_without_media() {
    let description = parse(SESSION.as_bytes()).expect("parses");
    let out = rewrite(
        &description,
        &crate::sdp::SdpOptions::default(),
        std::net::Ipv4Addr::LOCALHOST.into(),
        &[],
        "",
        &mut crate::sdp::SentDescription::default(),
    );
    assert_eq!(out, Err(RewriteError::NoMedia));
}

#[test]
fn octets_that_are_no_text_pass_unchanged() {
    let mut input = SESSION.replace("s=-", "s=B").into_bytes();
    input.pop();
    input.extend_from_slice(
        b"\xfcro\0\r\nc=IN IP4 192.0.2.1\r\nm=image 4000 udptl t38\r\na=x:\xff\r\n",
    );
    let description = parse(&input).expect("parses");
    let params = description.params();
    let media = [crate::sdp::Section::Shown(crate::sdp::LocalMedia {
        address: params[0].rtp.ip(),
        port: 4000,
        rtcp: crate::sdp::LocalRtcp {
            port: 0,
            mux: false,
        },
        protocol: &params[0].protocol,
        codecs: &[],
        ptime_ms: None,
        mid: None,
        security: crate::sdp::LocalSecurity::default(),
    })];
    let out = rewrite(
        &description,
        &crate::sdp::SdpOptions::default(),
        std::net::Ipv4Addr::LOCALHOST.into(),
        &media,
        "",
        &mut crate::sdp::SentDescription::default(),
    )
    .expect("rewrites");
    let has = |what: &[u8]| out.windows(what.len()).any(|w| w == what);
    assert!(has(b"s=B\xfcro\0\r\n") && has(b"a=x:\xff\r\n"));
}

#[test]
fn limits_are_enforced() {
    let section = "m=audio 0 RTP/AVP 0\n";
    let most = with_media(&section.repeat(SessionDescription::MAX_MEDIA));
    assert_eq!(
        parse(most.as_bytes()).expect("at the limit").media().len(),
        SessionDescription::MAX_MEDIA
    );
    let more = most + section;
    assert_eq!(
        parse(more.as_bytes()),
        Err(ParseError::TooManyMedia(SessionDescription::MAX_MEDIA))
    );
    let long = vec![b'a'; SessionDescription::MAX_LEN + 1];
    assert_eq!(parse(&long), Err(ParseError::TooLong(long.len())));
}

#[test]
fn params_say_where_media_and_rtcp_go() {
    let text = with_media(
        "m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 0\na=rtcp:5000\n\
         m=audio 4004 RTP/AVP 0\na=rtcp:5000 IN IP4 192.0.2.9\nm=audio 4006 RTP/AVP 0\n\
         a=rtcp:5000\na=rtcp-mux\nm=audio 0 RTP/AVP 0\nm=audio 4010 RTP/AVP 0\nc=IN IP4 0.0.0.0\n\
         m=image 4012 udptl t38\nm=audio 65535 RTP/AVP 0\n",
    );
    let params = parse(text.as_bytes()).expect("parses").params();
    let seen: Vec<_> = params.iter().map(|p| (Some(p.rtp), p.rtcp)).collect();
    let at = |text: &str| Some(text.parse::<SocketAddr>().expect("literal"));
    assert_eq!(
        seen,
        [
            (at("192.0.2.1:4000"), at("192.0.2.1:4001")),
            (at("192.0.2.1:4002"), at("192.0.2.1:5000")),
            (at("192.0.2.1:4004"), at("192.0.2.9:5000")),
            (at("192.0.2.1:4006"), at("192.0.2.1:5000")),
            (at("192.0.2.1:0"), at("192.0.2.1:1")),
            (at("0.0.0.0:4010"), at("0.0.0.0:4011")),
            (at("192.0.2.1:4012"), at("192.0.2.1:4013")),
            (at("192.0.2.1:65535"), None),
        ]
    );
    assert!(params[4].rejected && !params[5].rejected);
    assert_eq!(params[5].direction, Direction::SendOnly);
    assert_eq!(params[6].protocol, Protocol::Udptl);

    let mut description = parse(text.as_bytes()).expect("parses");
    description.set_source([203, 0, 113, 5].into());
    let params = description.params();
    assert_eq!(
        (Some(params[2].rtp), params[2].rtcp),
        (at("203.0.113.5:4004"), at("203.0.113.5:5000"))
    );
    assert_eq!(params[5].direction, Direction::SendRecv);
}

#[test]
fn section_attributes_are_read_once() {
    let text = with_media(
        "m=audio 4000 RTP/AVP 0\na=mid:1\na=mid:2\na=ptime:x\na=ptime:20.5\na=label:5\n\
         a=ice-ufrag:a\na=crypto:1 A inline:b\na=setup:active\na=rtcp-mux\n",
    );
    let description = parse(text.as_bytes()).expect("parses");
    let media = &description.media()[0];
    assert_eq!(media.mid(), Some(&b"1"[..]));
    assert_eq!(media.label(), Some(&b"5"[..]));
    assert_eq!(media.ptime_ms(), Some(20));
    assert!(media.has_ice() && media.has_crypto() && media.has_dtls() && media.rtcp_mux());
}
