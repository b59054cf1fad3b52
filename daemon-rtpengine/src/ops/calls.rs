//! One log line per call at its end, counts of how streams ended, and digits to whom they are told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use media_core::session::{
    CallEnded, CallReport, DialledDigit, SessionObserver, SsrcReport, TagReport,
};

use super::dtmf_log::DtmfLog;

/// Sees every call end.
#[derive(Debug, Default)]
pub struct CallLog {
    verdicts: Mutex<BTreeMap<&'static str, u64>>,
    digits: DtmfLog,
}

impl CallLog {
    /// Tells of digits through `digits`.
    #[must_use]
    pub fn new(digits: DtmfLog) -> Self {
        Self {
            verdicts: Mutex::default(),
            digits,
        }
    }

    /// Who is told of digits.
    #[must_use]
    pub fn digits(&self) -> &DtmfLog {
        &self.digits
    }

    /// Streams of ended calls by the name of their verdict.
    #[must_use]
    pub fn verdicts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionObserver for CallLog {
    fn digit_dialled(&self, dialled: &DialledDigit) {
        self.digits.send(dialled);
    }

    fn call_ended(&self, ended: &CallEnded) {
        {
            let mut verdicts = self.lock();
            let medias = ended.report.tags.iter().flat_map(|tag| &tag.medias);
            for stream in medias.flat_map(|media| &media.streams) {
                *verdicts.entry(stream.verdict.name()).or_default() += 1;
            }
        }
        if tracing::enabled!(tracing::Level::INFO) {
            tracing::info!(
                call_id = ended.call_id,
                reason = %ended.reason,
                seconds = ended.duration.as_secs_f64(),
                tags = tags(&ended.report),
                packets = ended.report.rtp.packets,
                streams = streams(&ended.report),
                sources = sources(&ended.report),
                "call ended"
            );
        }
    }
}

fn tags(report: &CallReport) -> String {
    let keys: Vec<&str> = report.tags.iter().map(|tag| tag.key.as_str()).collect();
    keys.join(" ")
}

/// `from-tag 0x00001111 received 50 lost 0 reordered 0 duplicates 0 jitter 3 ms; …`
fn sources(report: &CallReport) -> String {
    let one = |tag: &TagReport, source: &SsrcReport| {
        format!(
            "{} {:#010x} received {} lost {} reordered {} duplicates {} jitter {} ms",
            tag.key,
            source.ssrc.get(),
            source.packets,
            source.lost,
            source.reordered,
            source.duplicates,
            source.jitter.as_millis()
        )
    };
    let mut all = Vec::new();
    for tag in &report.tags {
        let streams = tag.medias.iter().flat_map(|media| &media.streams);
        let sources = streams.flat_map(|stream| &stream.sources);
        all.extend(sources.map(|source| one(tag, source)));
    }
    all.join("; ")
}

fn written(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "-".into(), |address| address.to_string())
}

/// `from-tag audio RTP 192.0.2.1:30000<>198.51.100.7:4000 received 50 sent 49: media flows …; …`
fn streams(report: &CallReport) -> String {
    let mut out = String::new();
    for tag in &report.tags {
        for media in &tag.medias {
            for stream in &media.streams {
                if !out.is_empty() {
                    out.push_str("; ");
                }
                let name = stream.flags.first().copied().unwrap_or("stream");
                let (local, endpoint) = (written(stream.local), written(stream.endpoint));
                let _ = write!(out, "{} {} {name} {local}<>{endpoint}", tag.key, media.kind);
                let _ = write!(
                    out,
                    " received {} sent {} dropped {}: {}",
                    stream.received.packets,
                    stream.sent.packets,
                    stream.received.errors,
                    stream.verdict
                );
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media_core::session::{EndReason, MediaReport, StreamReport, StreamTotals, Verdict};
    use media_core::units::Ssrc;

    use super::*;

    fn ended() -> CallEnded {
        let stream = StreamReport {
            local: Some(([192, 0, 2, 1], 30000).into()),
            endpoint: None,
            advertised_endpoint: None,
            crypto_suite: None,
            dtls: None,
            last_packet: Duration::ZERO,
            flags: vec!["RTP"],
            ssrc: None,
            sources: vec![SsrcReport {
                ssrc: Ssrc::new(0x1111),
                packets: 3,
                octets: 516,
                lost: 1,
                reordered: 0,
                duplicates: 0,
                jitter: Duration::from_millis(4),
            }],
            reported: None,
            received: StreamTotals {
                packets: 3,
                octets: 516,
                errors: 1,
            },
            sent: StreamTotals::default(),
            verdict: Verdict::NothingTo,
        };
        let tag = TagReport {
            key: "A".into(),
            tag: "A".into(),
            label: None,
            via_branch: None,
            created: Duration::ZERO,
            subscriptions: Vec::new(),
            subscribers: Vec::new(),
            medias: vec![MediaReport {
                index: 1,
                kind: "audio".into(),
                protocol: "RTP/AVP".into(),
                codec: None,
                streams: vec![stream],
                flags: Vec::new(),
            }],
            blocked: false,
        };
        CallEnded {
            call_id: "c".into(),
            reason: EndReason::Deleted,
            duration: Duration::from_secs(1),
            report: CallReport {
                qualities: Vec::new(),
                created: Duration::ZERO,
                last_signal: Duration::ZERO,
                tags: vec![tag],
                rtp: StreamTotals::default(),
                rtcp: StreamTotals::default(),
            },
        }
    }

    #[test]
    fn the_end_of_a_call_is_told_per_stream_and_source() {
        let report = ended().report;
        assert_eq!(tags(&report), "A");
        assert_eq!(
            streams(&report),
            format!(
                "A audio RTP 192.0.2.1:30000<>- received 3 sent 0 dropped 1: {}",
                Verdict::NothingTo
            )
        );
        assert_eq!(
            sources(&report),
            "A 0x00001111 received 3 lost 1 reordered 0 duplicates 0 jitter 4 ms"
        );
    }

    #[test]
    fn verdicts_are_counted() {
        let log = CallLog::default();
        log.call_ended(&ended());
        log.call_ended(&ended());
        assert_eq!(log.verdicts().get("nothing_to"), Some(&2));
    }
}
