//! Replies, in rtpengine's layout: which keys, in which order, numbers or texts.

use std::net::SocketAddr;

use media_core::engine::DtlsTerms;
use media_core::session::{
    CallReport, DeleteOutcome, MediaReport, RtcpReport, SsrcReport, StreamReport, StreamTotals,
    SubscriptionReport, TagReport, Verdict,
};

use super::quality;
use super::value::Value;

/// `result: pong`.
#[must_use]
pub fn pong() -> Value<'static> {
    with_result(Value::dict(), "pong")
}

/// `result: ok` and nothing else.
#[must_use]
pub fn ok() -> Value<'static> {
    with_result(Value::dict(), "ok")
}

/// `result: error` with its reason.
#[must_use]
pub fn error(reason: impl Into<String>) -> Value<'static> {
    let mut reply = with_result(Value::dict(), "error");
    reply.push("error-reason", Value::string(reason));
    reply
}

/// `result: load limit` with its message.
#[must_use]
pub fn load_limit(message: impl Into<String>) -> Value<'static> {
    let mut reply = with_result(Value::dict(), "load limit");
    reply.push("message", Value::string(message));
    reply
}

/// The description for the other side, as it is: not always UTF-8.
#[must_use]
pub fn sdp(text: Vec<u8>) -> Value<'static> {
    let mut reply = Value::dict();
    reply.push("sdp", Value::Bytes(text.into()));
    with_result(reply, "ok")
}

/// What `delete` found, or a warning that it found nothing.
#[must_use]
pub fn deleted(outcome: DeleteOutcome) -> Value<'static> {
    let mut reply = match outcome.report {
        Some(report) => call(report),
        None => Value::dict(),
    };
    if let Some(warning) = outcome.warning {
        reply.push("warning", Value::string(warning.to_string()));
    }
    with_result(reply, "ok")
}

/// A call's state.
#[must_use]
pub fn query(report: CallReport) -> Value<'static> {
    with_result(call(report), "ok")
}

/// Call-ids.
#[must_use]
pub fn list(call_ids: Vec<String>) -> Value<'static> {
    let mut reply = Value::dict();
    let ids = call_ids.into_iter().map(Value::string).collect();
    reply.push("calls", Value::List(ids));
    with_result(reply, "ok")
}

/// Appends `result`, which rtpengine puts last (but in front of an error's reason).
#[must_use]
pub fn with_result(mut reply: Value<'static>, result: &'static str) -> Value<'static> {
    reply.push("result", Value::str(result));
    reply
}

/// A number of any width; NG has signed 64 bits.
pub(crate) fn int(n: impl TryInto<i64>) -> Value<'static> {
    Value::Int(n.try_into().unwrap_or(i64::MAX))
}

fn call(report: CallReport) -> Value<'static> {
    let mut out = Value::dict_of(7);
    out.push("created", int(report.created.as_secs()));
    out.push("created_us", int(report.created.subsec_micros()));
    out.push("last signal", int(report.last_signal.as_secs()));
    out.push("SSRC", quality::all(report.qualities));
    let mut tags = Value::dict();
    for mut report in report.tags {
        tags.push(std::mem::take(&mut report.key), tag(report));
    }
    out.push("tags", tags);
    let mut totals = Value::dict();
    totals.push("RTP", stats(&report.rtp));
    totals.push("RTCP", stats(&report.rtcp));
    out.push("totals", totals);
    out
}

fn tag(report: TagReport) -> Value<'static> {
    let mut out = Value::dict_of(8);
    out.push("tag", Value::string(report.tag));
    if let Some(branch) = report.via_branch {
        out.push("via-branch", Value::string(branch));
    }
    if let Some(label) = report.label {
        out.push("label", Value::string(label));
    }
    out.push("created", int(report.created.as_secs()));
    out.push("subscriptions", subscriptions(report.subscriptions));
    out.push("subscribers", subscriptions(report.subscribers));
    out.push(
        "medias",
        Value::List(report.medias.into_iter().map(media).collect()),
    );
    out
}

fn subscriptions(reports: Vec<SubscriptionReport>) -> Value<'static> {
    let one = |report: SubscriptionReport| {
        let mut out = Value::dict();
        out.push("tag", Value::string(report.tag));
        out.push("type", Value::str(report.kind));
        out
    };
    Value::List(reports.into_iter().map(one).collect())
}

fn media(report: MediaReport) -> Value<'static> {
    let mut out = Value::dict_of(6);
    out.push("index", int(report.index));
    out.push("type", Value::string(report.kind));
    out.push("protocol", Value::string(report.protocol));
    if let Some(codec) = report.codec {
        out.push("codec", Value::string(codec));
    }
    out.push(
        "streams",
        Value::List(report.streams.into_iter().map(stream).collect()),
    );
    out.push("flags", words(&report.flags));
    out
}

fn stream(report: StreamReport) -> Value<'static> {
    let mut out = Value::dict_of(13);
    if let Some(local) = report.local {
        out.push("local port", int(local.port()));
        out.push("local address", Value::string(local.ip().to_string()));
        out.push("family", Value::str(family(local)));
    }
    out.push("endpoint", endpoint(report.endpoint));
    out.push("advertised endpoint", endpoint(report.advertised_endpoint));
    if let Some(suite) = report.crypto_suite {
        out.push("crypto suite", Value::str(suite));
    }
    out.push("last packet", int(report.last_packet.as_secs()));
    out.push("flags", words(&report.flags));
    if let Some(ssrc) = report.ssrc {
        out.push("SSRC", int(ssrc.get()));
    }
    out.push("stats", stats(&report.received));
    // Not known to rtpengine, and so behind all that its clients know.
    out.push("verdict", Value::str(report.verdict.name()));
    if report.verdict != Verdict::Flowing {
        out.push("reason", Value::string(report.verdict.to_string()));
    }
    if let Some(terms) = report.dtls {
        out.push("DTLS", dtls(terms));
    }
    if !report.sources.is_empty() {
        let sources = report.sources.iter().map(source).collect();
        out.push("reception", Value::List(sources));
    }
    if let Some(report) = &report.reported {
        out.push("reported", reported(report));
    }
    out
}

/// What a handshake has agreed on; the suite stands at the stream.
fn dtls(terms: DtlsTerms) -> Value<'static> {
    let mut out = Value::dict();
    out.push("version", Value::str(terms.version.name()));
    out.push("role", Value::str(terms.role.name()));
    out
}

/// What the party itself reports by RTCP.
fn reported(report: &RtcpReport) -> Value<'static> {
    let mut out = Value::dict_of(7);
    out.push("sender", int(report.sender.get()));
    out.push("packets sent", int(report.packets_sent));
    out.push("bytes sent", int(report.octets_sent));
    if let Some(about) = report.about {
        out.push("SSRC", int(about.get()));
        out.push("lost", int(report.lost));
        out.push("fraction lost", int(report.fraction_lost));
        out.push("jitter", int(report.jitter_ticks));
    }
    out
}

/// What was measured on the packets of one source.
fn source(report: &SsrcReport) -> Value<'static> {
    let mut out = Value::dict_of(7);
    out.push("SSRC", int(report.ssrc.get()));
    out.push("packets", int(report.packets));
    out.push("bytes", int(report.octets));
    out.push("lost", int(report.lost));
    out.push("reordered", int(report.reordered));
    out.push("duplicates", int(report.duplicates));
    out.push("jitter_us", int(report.jitter.as_micros()));
    out
}

fn endpoint(endpoint: Option<SocketAddr>) -> Value<'static> {
    let mut out = Value::dict();
    if let Some(endpoint) = endpoint {
        out.push("family", Value::str(family(endpoint)));
        out.push("address", Value::string(endpoint.ip().to_string()));
        out.push("port", int(endpoint.port()));
    }
    out
}

const fn family(address: SocketAddr) -> &'static str {
    match address {
        SocketAddr::V4(_) => "IPv4",
        SocketAddr::V6(_) => "IPv6",
    }
}

fn words(words: &[&'static str]) -> Value<'static> {
    Value::List(words.iter().map(|word| Value::str(word)).collect())
}

fn stats(totals: &StreamTotals) -> Value<'static> {
    let mut out = Value::dict_of(3);
    out.push("packets", int(totals.packets));
    out.push("bytes", int(totals.octets));
    out.push("errors", int(totals.errors));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media_core::dtls::{DtlsFailure, DtlsVersion, Role};
    use media_core::session::Warning;
    use media_core::srtp::CryptoSuite;
    use media_core::units::Ssrc;

    use super::*;
    use crate::ng::json;

    fn text(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        json::encode(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn short_replies_are_laid_out_like_rtpengines() {
        assert_eq!(text(&pong()), r#"{"result":"pong"}"#);
        assert_eq!(
            text(&error("Unknown call-id")),
            r#"{"result":"error","error-reason":"Unknown call-id"}"#
        );
        assert_eq!(
            text(&load_limit("Parallel session limit reached")),
            r#"{"result":"load limit","message":"Parallel session limit reached"}"#
        );
        assert_eq!(text(&sdp(b"v=0".into())), r#"{"sdp":"v=0","result":"ok"}"#);
        assert_eq!(
            text(&list(vec!["a".into(), "b".into()])),
            r#"{"calls":["a","b"],"result":"ok"}"#
        );
        let missed = DeleteOutcome {
            report: None,
            warning: Some(Warning::NotFound),
        };
        assert_eq!(
            text(&deleted(missed)),
            r#"{"warning":"Call-ID not found or tags didn't match","result":"ok"}"#
        );
    }

    #[test]
    fn reason_stands_behind_a_verdict() {
        let report = StreamReport {
            local: None,
            endpoint: None,
            advertised_endpoint: None,
            crypto_suite: None,
            dtls: None,
            last_packet: Duration::ZERO,
            flags: Vec::new(),
            ssrc: None,
            sources: Vec::new(),
            reported: None,
            received: StreamTotals::default(),
            sent: StreamTotals::default(),
            verdict: Verdict::DtlsFailed(DtlsFailure::FingerprintMismatch),
        };
        let text = text(&stream(report));
        let expected = concat!(
            r#""verdict":"dtls_failed","#,
            r#""reason":"DTLS failed: the peer's certificate does not match its fingerprint"}"#
        );
        assert!(text.ends_with(expected), "{text}");
    }

    /// The expected text is what rtpengine 10.5.3.5 said about such a call, and what we add to it.
    #[test]
    fn query_is_laid_out_like_rtpengines() {
        let local = Some("127.0.0.1:25106".parse().unwrap());
        let endpoint = Some("127.0.0.1:4000".parse().unwrap());
        let created = Duration::new(1_795_231_472, 610_413_000);
        let stream = StreamReport {
            local,
            endpoint,
            advertised_endpoint: None,
            crypto_suite: Some("AEAD_AES_128_GCM"),
            dtls: Some(DtlsTerms {
                version: DtlsVersion::V1_3,
                role: Role::Passive,
                suite: CryptoSuite::AeadAes128Gcm,
            }),
            last_packet: created,
            flags: vec!["RTP", "filled"],
            ssrc: Some(Ssrc::new(4369)),
            sources: vec![SsrcReport {
                ssrc: Ssrc::new(4369),
                packets: 50,
                octets: 8600,
                lost: 2,
                reordered: 1,
                duplicates: 0,
                jitter: Duration::from_micros(1250),
            }],
            reported: Some(RtcpReport {
                sender: Ssrc::new(4369),
                packets_sent: 50,
                octets_sent: 8000,
                about: Some(Ssrc::new(8738)),
                lost: 3,
                fraction_lost: 12,
                jitter_ticks: 40,
            }),
            received: StreamTotals {
                packets: 50,
                octets: 8600,
                errors: 0,
            },
            sent: StreamTotals::default(),
            verdict: Verdict::Flowing,
        };
        let tie = SubscriptionReport {
            tag: String::new(),
            kind: "offer/answer",
        };
        let report = CallReport {
            qualities: Vec::new(),
            created,
            last_signal: created,
            tags: vec![TagReport {
                key: "A".into(),
                tag: "A".into(),
                label: Some("lbl".into()),
                via_branch: None,
                created,
                subscriptions: vec![tie.clone()],
                subscribers: vec![tie],
                medias: vec![MediaReport {
                    index: 1,
                    kind: "audio".into(),
                    protocol: "RTP/AVP".into(),
                    codec: Some("PCMU/8000".into()),
                    streams: vec![stream],
                    flags: vec!["initialized", "send", "recv"],
                }],
                blocked: false,
            }],
            rtp: StreamTotals::default(),
            rtcp: StreamTotals::default(),
        };
        assert_eq!(
            text(&query(report)),
            concat!(
                r#"{"created":1795231472,"created_us":610413,"last signal":1795231472,"SSRC":{},"#,
                r#""tags":{"A":{"tag":"A","label":"lbl","created":1795231472,"#,
                r#""subscriptions":[{"tag":"","type":"offer/answer"}],"#,
                r#""subscribers":[{"tag":"","type":"offer/answer"}],"#,
                r#""medias":[{"index":1,"type":"audio","protocol":"RTP/AVP","codec":"PCMU/8000","#,
                r#""streams":[{"local port":25106,"local address":"127.0.0.1","family":"IPv4","#,
                r#""endpoint":{"family":"IPv4","address":"127.0.0.1","port":4000},"#,
                r#""advertised endpoint":{},"crypto suite":"AEAD_AES_128_GCM","#,
                r#""last packet":1795231472,"flags":["RTP","filled"],"#,
                r#""SSRC":4369,"stats":{"packets":50,"bytes":8600,"errors":0},"#,
                r#""verdict":"flowing","DTLS":{"version":"1.3","role":"passive"},"#,
                r#""reception":[{"SSRC":4369,"packets":50,"bytes":8600,"lost":2,"reordered":1,"#,
                r#""duplicates":0,"jitter_us":1250}],"#,
                r#""reported":{"sender":4369,"packets sent":50,"bytes sent":8000,"SSRC":8738,"#,
                r#""lost":3,"fraction lost":12,"jitter":40}}],"#,
                r#""flags":["initialized","send","recv"]}]}},"#,
                r#""totals":{"RTP":{"packets":0,"bytes":0,"errors":0},"#,
                r#""RTCP":{"packets":0,"bytes":0,"errors":0}},"result":"ok"}"#
            )
        );
    }
}
