//! `/metrics`: Prometheus' text format (version 0.0.4). rtpengine's names where we have the thing,
//! ours beside them as `voxplane_…`.

use std::fmt::{Display, Write as _};
use std::time::{Duration, Instant};

use media_core::engine::{DropReason, ShardCounters};
use media_core::session::{InterfaceStatistics, SessionStatistics};

use super::calls::CallLog;
use super::requests::ProxySnapshot;
use super::traffic::Traffic;
use crate::ng::request::Command;

/// Everything that metrics are made of.
pub struct Sources<'a> {
    /// All calls.
    pub sessions: &'a SessionStatistics,
    /// Requests by controller.
    pub proxies: &'a [ProxySnapshot],
    /// Shards' counters.
    pub traffic: &'a Traffic,
    /// Ended streams.
    pub calls: &'a CallLog,
    /// Age of the process.
    pub uptime: Duration,
    /// `uring` or `epoll`.
    pub io: &'static str,
    /// New calls are welcome.
    pub ready: bool,
    /// When the rates are read.
    pub now: Instant,
}

/// The whole page.
#[must_use]
pub fn page(sources: &Sources<'_>) -> String {
    let mut page = Page::default();
    sessions(&mut page, sources);
    requests(&mut page, sources.proxies);
    ports(&mut page, sources.sessions);
    ours(&mut page, sources);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self.family = name;
        self
    }

    fn value(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) -> &mut Self {
        self.text.push_str(self.family);
        for (i, (name, label)) in labels.iter().enumerate() {
            self.text.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"");
            for c in label.to_string().chars() {
                match c {
                    '"' | '\\' => self.text.extend(['\\', c]),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

fn sessions(page: &mut Page, sources: &Sources<'_>) {
    let (current, total) = (&sources.sessions.current, &sources.sessions.total);
    page.family("rtpengine_sessions", "gauge", "Calls")
        .value(&[("type", &"own")], current.sessions)
        .value(&[("type", &"foreign")], 0);
    page.family("rtpengine_transcoded_media", "gauge", "Transcoded media")
        .value(&[], 0);
    page.family(
        "rtpengine_mediastreams",
        "gauge",
        "Media sections with a port",
    )
    .value(&[("type", &"userspace")], current.media)
    .value(&[("type", &"kernel")], 0)
    .value(&[("type", &"mixed")], 0);
    page.family("rtpengine_uptime_seconds", "gauge", "Age of the process")
        .value(&[], sources.uptime.as_secs());
    page.family("rtpengine_sessions_total", "counter", "Calls ended")
        .value(&[], total.managed);
    page.family(
        "rtpengine_closed_sessions_total",
        "counter",
        "Calls ended or refused",
    )
    .value(&[("reason", &"rejected")], total.rejected)
    .value(&[("reason", &"timeout")], total.timeout)
    .value(&[("reason", &"silent_timeout")], total.silent_timeout)
    .value(&[("reason", &"final_timeout")], total.final_timeout)
    .value(&[("reason", &"offer_timeout")], total.offer_timeout)
    .value(&[("reason", &"terminated")], total.regular)
    .value(&[("reason", &"force_terminated")], total.forced);
    page.family("rtpengine_packets_total", "counter", "Packets relayed")
        .value(&[("type", &"userspace")], total.relayed.packets)
        .value(&[("type", &"kernel")], 0);
    page.family(
        "rtpengine_packet_errors_total",
        "counter",
        "Packets not relayed",
    )
    .value(&[("type", &"userspace")], total.relayed.errors)
    .value(&[("type", &"kernel")], 0);
    page.family("rtpengine_bytes_total", "counter", "Octets relayed")
        .value(&[("type", &"userspace")], total.relayed.octets)
        .value(&[("type", &"kernel")], 0);
    page.family(
        "rtpengine_zero_packet_streams_total",
        "counter",
        "Ended calls without a packet",
    )
    .value(&[], total.zero_way);
    page.family(
        "rtpengine_one_way_sessions_total",
        "counter",
        "Ended calls with packets in one direction only",
    )
    .value(&[], total.one_way);
    let (average, _) = super::statistics::average_and_deviation(sources.sessions);
    page.family(
        "rtpengine_call_duration_avg",
        "gauge",
        "Average duration of ended calls",
    )
    .value(&[], format_args!("{average:.6}"));
    page.family(
        "rtpengine_call_duration_total",
        "counter",
        "Sum of the durations of ended calls",
    )
    .value(&[], format_args!("{:.6}", total.duration.as_secs_f64()));
    page.family(
        "rtpengine_call_duration2_total",
        "counter",
        "Sum of their squares",
    )
    .value(&[], format_args!("{:.6}", total.duration_squared));
}

fn requests(page: &mut Page, proxies: &[ProxySnapshot]) {
    let each = || {
        proxies.iter().flat_map(|proxy| {
            let commands = Command::ALL.iter().zip(&proxy.commands);
            commands.map(move |(command, served)| (&proxy.address, command.name(), served))
        })
    };
    page.family("rtpengine_requests_total", "counter", "Requests");
    for (proxy, request, (count, _)) in each() {
        page.value(&[("proxy", proxy), ("request", &request)], count);
    }
    page.family(
        "rtpengine_request_seconds_total",
        "counter",
        "Time spent on requests",
    );
    for (proxy, request, (_, took)) in each() {
        let labels: [(&str, &dyn Display); 2] = [("proxy", proxy), ("request", &request)];
        page.value(&labels, format_args!("{:.6}", took.as_secs_f64()));
    }
    page.family("rtpengine_errors_total", "counter", "Requests refused");
    for proxy in proxies {
        page.value(&[("proxy", &proxy.address)], proxy.errors);
    }
}

fn ports(page: &mut Page, sessions: &SessionStatistics) {
    let mut gauge = |name, help, count: fn(&InterfaceStatistics) -> u32| {
        page.family(name, "gauge", help);
        for interface in &sessions.interfaces {
            let labels: [(&str, &dyn Display); 2] =
                [("name", &interface.name), ("address", &interface.address)];
            page.value(&labels, count(interface));
        }
    };
    gauge("rtpengine_ports_used", "Ports in use", |i| i.used);
    gauge(
        "rtpengine_ports_free",
        "Ports free",
        InterfaceStatistics::free,
    );
    gauge(
        "rtpengine_ports",
        "Ports in the range",
        InterfaceStatistics::total,
    );
}

fn ours(page: &mut Page, sources: &Sources<'_>) {
    page.family(
        "voxplane_info",
        "gauge",
        "Version, and how packets reach the kernel",
    )
    .value(
        &[("version", &env!("CARGO_PKG_VERSION")), ("io", &sources.io)],
        1,
    );
    page.family("voxplane_ready", "gauge", "1 while new calls are welcome")
        .value(&[], u8::from(sources.ready));
    page.family("voxplane_sessions_created_total", "counter", "Calls begun")
        .value(&[], sources.sessions.total.created);
    page.family(
        "voxplane_sessions_draining",
        "gauge",
        "Calls deleted that live on for their delay",
    )
    .value(&[], sources.sessions.current.draining);
    page.family("voxplane_sockets", "gauge", "Media ports bound")
        .value(&[], sources.sessions.current.sockets);
    page.family(
        "voxplane_stream_verdicts_total",
        "counter",
        "Streams of ended calls by what became of them",
    );
    for (verdict, count) in sources.calls.verdicts() {
        page.value(&[("verdict", &verdict)], count);
    }
    let digits = sources.calls.digits();
    page.family(
        "voxplane_dtmf_digits_total",
        "counter",
        "Digits dialled in calls of which somebody is told",
    )
    .value(&[], digits.digits());
    page.family(
        "voxplane_dtmf_log_failed_total",
        "counter",
        "Digits that could not be told",
    )
    .value(&[], digits.failed());
    let rates = sources.traffic.rates(sources.now);
    page.family(
        "voxplane_packets_per_second",
        "gauge",
        "Datagrams received, between scrapes",
    )
    .value(&[], rates.packets);
    shards(page, sources.traffic);
}

fn shards(page: &mut Page, traffic: &Traffic) {
    let mut each = |name, kind, help, field: fn(&ShardCounters) -> u64| {
        page.family(name, kind, help);
        for (shard, counters) in traffic.shards().iter().enumerate() {
            page.value(&[("shard", &shard)], field(counters));
        }
    };
    each(
        "voxplane_shard_packets_total",
        "counter",
        "Datagrams received",
        |s| s.packets.get(),
    );
    each(
        "voxplane_shard_bytes_total",
        "counter",
        "Their octets",
        |s| s.octets.get(),
    );
    each(
        "voxplane_shard_packets_sent_total",
        "counter",
        "Datagrams sent",
        |s| s.packets_sent.get(),
    );
    each(
        "voxplane_shard_bytes_sent_total",
        "counter",
        "Their octets",
        |s| s.octets_sent.get(),
    );
    each(
        "voxplane_shard_panics_total",
        "counter",
        "Calls ended by a fault of ours",
        |s| s.panics.get(),
    );
    each(
        "voxplane_shard_buffer_shortages_total",
        "counter",
        "Receive buffers found exhausted",
        |s| s.buffer_shortages.get(),
    );
    each(
        "voxplane_shard_wakeups_total",
        "counter",
        "Wake-ups of the thread",
        |s| s.wakeups.get(),
    );
    each(
        "voxplane_shard_streams",
        "gauge",
        "Streams in the shard's table",
        |s| s.streams.get(),
    );
    page.family(
        "voxplane_shard_cpu_seconds_total",
        "counter",
        "CPU time of the thread",
    );
    for (shard, counters) in traffic.shards().iter().enumerate() {
        let cpu = Duration::from_nanos(counters.cpu_ns.get());
        page.value(
            &[("shard", &shard)],
            format_args!("{:.6}", cpu.as_secs_f64()),
        );
    }
    page.family(
        "voxplane_transcode_behind_seconds",
        "gauge",
        "How long transcoding has been too slow for what comes",
    );
    for (shard, counters) in traffic.shards().iter().enumerate() {
        let behind = Duration::from_micros(counters.transcode_behind_us.get());
        page.value(
            &[("shard", &shard)],
            format_args!("{:.6}", behind.as_secs_f64()),
        );
    }
    page.family(
        "voxplane_dropped_total",
        "counter",
        "Datagrams dropped, by reason",
    );
    for (shard, counters) in traffic.shards().iter().enumerate() {
        for reason in DropReason::ALL {
            let labels: [(&str, &dyn Display); 2] = [("shard", &shard), ("reason", &reason.name())];
            page.value(&labels, counters.dropped[reason as usize].get());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::ops::requests::RequestCounters;

    #[test]
    fn page_is_well_formed_and_has_rtpengines_names() {
        let now = Instant::now();
        let requests = RequestCounters::default();
        requests.count(
            [127, 0, 0, 1].into(),
            Command::Offer,
            Duration::from_millis(2),
        );
        let page = page(&Sources {
            sessions: &SessionStatistics::default(),
            proxies: &requests.snapshot(),
            traffic: &Traffic::new(vec![Arc::new(ShardCounters::default())], now),
            calls: &CallLog::default(),
            uptime: Duration::from_secs(7),
            io: "uring",
            ready: true,
            now,
        });
        let mut families = HashSet::new();
        let mut series = HashSet::new();
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().unwrap();
                assert!(families.insert(name.to_owned()), "{name} is there twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(series.insert(name.to_owned()), "{name} is there twice");
            }
        }
        for line in [
            "rtpengine_sessions{type=\"own\"} 0",
            "rtpengine_uptime_seconds 7",
            "rtpengine_requests_total{proxy=\"127.0.0.1\",request=\"offer\"} 1",
            "rtpengine_request_seconds_total{proxy=\"127.0.0.1\",request=\"offer\"} 0.002000",
            "voxplane_dropped_total{shard=\"0\",reason=\"no_route\"} 0",
        ] {
            assert!(page.lines().any(|l| l == line), "no {line} in\n{page}");
        }
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.family("x", "gauge", "h")
            .value(&[("l", &"a\"b\\c\nd")], 1);
        assert!(
            page.text.ends_with("x{l=\"a\\\"b\\\\c\\nd\"} 1\n"),
            "{}",
            page.text
        );
    }
}
