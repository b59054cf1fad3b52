//! The reply to `statistics`, in rtpengine's layout: mixed numbers and texts included.

use std::time::Duration;

use media_core::session::SessionStatistics;

use super::requests::ProxySnapshot;
use super::traffic::Totals;
use crate::ng::reply::{int, with_result};
use crate::ng::request::Command;
use crate::ng::value::Value;

/// rtpengine's commands as it names and abbreviates them here, with ours among them.
const COMMANDS: [(&str, &str, Option<Command>); 24] = [
    ("ping", "ping", Some(Command::Ping)),
    ("offer", "offer", Some(Command::Offer)),
    ("answer", "answer", Some(Command::Answer)),
    ("delete", "delete", Some(Command::Delete)),
    ("query", "query", Some(Command::Query)),
    ("list", "list", Some(Command::List)),
    ("start recording", "startrec", None),
    ("stop recording", "stoprec", None),
    ("start forwarding", "startfwd", None),
    ("stop forwarding", "stopfwd", None),
    ("block DTMF", "blkdtmf", Some(Command::BlockDtmf)),
    ("unblock DTMF", "unblkdtmf", Some(Command::UnblockDtmf)),
    ("block media", "blkmedia", Some(Command::BlockMedia)),
    ("unblock media", "unblkmedia", Some(Command::UnblockMedia)),
    ("play media", "playmedia", None),
    ("stop media", "stopmedia", None),
    ("play DTMF", "playdtmf", Some(Command::PlayDtmf)),
    ("statistics", "stats", Some(Command::Statistics)),
    ("silence media", "slnmedia", Some(Command::SilenceMedia)),
    (
        "unsilence media",
        "unslnmedia",
        Some(Command::UnsilenceMedia),
    ),
    ("publish", "pub", None),
    ("subscribe request", "subreq", None),
    ("subscribe answer", "subans", None),
    ("unsubscribe", "unsub", None),
];

/// The whole reply.
#[must_use]
pub fn reply(
    sessions: &SessionStatistics,
    proxies: &[ProxySnapshot],
    rates: Totals,
    uptime: Duration,
) -> Value<'static> {
    let mut all = Value::dict();
    all.push("currentstatistics", current(sessions, rates));
    all.push("totalstatistics", total(sessions, uptime));
    all.push("intervalstatistics", interval(sessions));
    all.push("mos", mos());
    all.push("controlstatistics", control(proxies));
    all.push("interfaces", interfaces(sessions));
    all.push("transcoders", Value::List(Vec::new()));
    let mut reply = Value::dict();
    reply.push("statistics", all);
    with_result(reply, "ok")
}

/// Fractions are texts of six digits.
fn fraction(n: f64) -> Value<'static> {
    Value::string(format!("{n:.6}"))
}

fn zero() -> Value<'static> {
    Value::str("0.000000")
}

fn current(sessions: &SessionStatistics, rates: Totals) -> Value<'static> {
    let mut out = Value::dict();
    out.push("sessionsown", int(sessions.current.sessions));
    out.push("sessionsforeign", int(0));
    out.push("sessionstotal", int(sessions.current.sessions));
    out.push("transcodedmedia", int(0));
    for suffix in ["_user", "_kernel", ""] {
        let (packets, octets, errors) = match suffix {
            "_kernel" => (0, 0, 0),
            _ => (rates.packets, rates.octets, rates.dropped),
        };
        out.push(format!("packetrate{suffix}"), int(packets));
        out.push(format!("byterate{suffix}"), int(octets));
        out.push(format!("errorrate{suffix}"), int(errors));
    }
    out.push("media_userspace", int(sessions.current.media));
    out.push("media_kernel", int(0));
    out.push("media_mixed", int(0));
    out
}

fn total(sessions: &SessionStatistics, uptime: Duration) -> Value<'static> {
    let total = &sessions.total;
    let mut out = Value::dict();
    out.push("uptime", Value::string(uptime.as_secs().to_string()));
    out.push("managedsessions", int(total.managed));
    out.push("rejectedsessions", int(total.rejected));
    out.push("timeoutsessions", int(total.timeout));
    out.push("silenttimeoutsessions", int(total.silent_timeout));
    out.push("finaltimeoutsessions", int(total.final_timeout));
    out.push("offertimeoutsessions", int(total.offer_timeout));
    out.push("regularterminatedsessions", int(total.regular));
    out.push("forcedterminatedsessions", int(total.forced));
    for suffix in ["_user", "_kernel", ""] {
        let (packets, errors, octets) = match suffix {
            "_kernel" => (0, 0, 0),
            _ => (
                total.relayed.packets,
                total.relayed.errors,
                total.relayed.octets,
            ),
        };
        out.push(format!("relayedpackets{suffix}"), int(packets));
        out.push(format!("relayedpacketerrors{suffix}"), int(errors));
        out.push(format!("relayedbytes{suffix}"), int(octets));
    }
    out.push("zerowaystreams", int(total.zero_way));
    out.push("onewaystreams", int(total.one_way));
    let (average, deviation) = average_and_deviation(sessions);
    out.push("avgcallduration", fraction(average));
    out.push("totalcallsduration", fraction(total.duration.as_secs_f64()));
    out.push("totalcallsduration2", fraction(total.duration_squared));
    out.push("totalcallsduration_stddev", fraction(deviation));
    out
}

/// Of the calls' durations, in seconds; zero before the first call has ended.
pub(super) fn average_and_deviation(sessions: &SessionStatistics) -> (f64, f64) {
    let total = &sessions.total;
    if total.managed == 0 {
        return (0.0, 0.0);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average over 2^52 calls may be off by one in its last digit"
    )]
    let count = total.managed as f64;
    let average = total.duration.as_secs_f64() / count;
    let variance = total.duration_squared / count - average * average;
    (average, variance.max(0.0).sqrt())
}

/// rtpengine measures these only while it sends to Graphite; otherwise they stay zero, as here.
fn interval(sessions: &SessionStatistics) -> Value<'static> {
    let interval = &sessions.interval;
    let mut out = Value::dict();
    out.push(
        "totalcallsduration",
        fraction(interval.duration.as_secs_f64()),
    );
    out.push("minmanagedsessions", int(interval.min_sessions));
    out.push("maxmanagedsessions", int(interval.max_sessions));
    for (name, _, _) in COMMANDS {
        for which in ["min", "max", "avg"] {
            out.push(format!("{which}{name}delay"), zero());
        }
    }
    for (name, _, _) in COMMANDS {
        for which in ["min", "max", "avg"] {
            out.push(format!("{which}{name}requestrate"), Value::str("0"));
        }
    }
    out
}

fn mos() -> Value<'static> {
    let mut out = Value::dict();
    out.push("mos_total", zero());
    out.push("mos2_total", zero());
    out.push("mos_samples_total", int(0));
    out.push("mos_average", zero());
    out.push("mos_stddev", zero());
    out
}

fn control(proxies: &[ProxySnapshot]) -> Value<'static> {
    let served = |proxy: &ProxySnapshot, command: Option<Command>| match command {
        Some(command) => proxy.commands[command as usize],
        None => (0, Duration::ZERO),
    };
    let mut out = Value::dict();
    let one = |proxy: &ProxySnapshot| {
        let mut out = Value::dict();
        out.push("proxy", Value::string(proxy.address.to_string()));
        for (_, short, command) in COMMANDS {
            let (count, took) = served(proxy, command);
            out.push(format!("{short}count"), int(count));
            out.push(format!("{short}duration"), fraction(took.as_secs_f64()));
        }
        out.push("errorcount", int(proxy.errors));
        out
    };
    out.push("proxies", Value::List(proxies.iter().map(one).collect()));
    for (_, short, command) in COMMANDS {
        let sum: u64 = proxies.iter().map(|proxy| served(proxy, command).0).sum();
        out.push(format!("total{short}count"), int(sum));
    }
    out
}

fn interfaces(sessions: &SessionStatistics) -> Value<'static> {
    let one = |interface: &media_core::session::InterfaceStatistics| {
        let mut ports = Value::dict();
        ports.push("min", int(interface.port_min));
        ports.push("max", int(interface.port_max));
        ports.push("used", int(interface.used));
        let percent = f64::from(interface.used) * 100.0 / f64::from(interface.total());
        ports.push("used_pct", Value::string(format!("{percent:.2}")));
        ports.push("free", int(interface.free()));
        ports.push("totals", int(interface.total()));
        ports.push("last", int(interface.last));
        let mut out = Value::dict();
        out.push("name", Value::string(interface.name.clone()));
        out.push("address", Value::string(interface.address.to_string()));
        out.push("ports", ports);
        out
    };
    Value::List(sessions.interfaces.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::requests::RequestCounters;

    #[test]
    fn layout_is_rtpengines() {
        let counters = RequestCounters::default();
        counters.count(
            [127, 0, 0, 1].into(),
            Command::Ping,
            Duration::from_micros(1),
        );
        let reply = reply(
            &SessionStatistics::default(),
            &counters.snapshot(),
            Totals::default(),
            Duration::from_secs(11),
        );
        let mut text = Vec::new();
        crate::ng::json::encode(&reply, &mut text);
        let text = String::from_utf8(text).unwrap();
        // Pieces of what rtpengine 10.5.3.5 says.
        for piece in [
            r#"{"statistics":{"currentstatistics":{"sessionsown":0,"sessionsforeign":0,"sessionstotal":0,"transcodedmedia":0,"packetrate_user":0,"byterate_user":0,"errorrate_user":0,"packetrate_kernel":0,"byterate_kernel":0,"errorrate_kernel":0,"packetrate":0,"byterate":0,"errorrate":0,"media_userspace":0,"media_kernel":0,"media_mixed":0},"totalstatistics":{"uptime":"11","managedsessions":0,"#,
            r#""forcedterminatedsessions":0,"relayedpackets_user":0,"relayedpacketerrors_user":0,"relayedbytes_user":0,"relayedpackets_kernel":0,"#,
            r#""onewaystreams":0,"avgcallduration":"0.000000","totalcallsduration":"0.000000","totalcallsduration2":"0.000000","totalcallsduration_stddev":"0.000000"},"intervalstatistics":{"totalcallsduration":"0.000000","minmanagedsessions":0,"maxmanagedsessions":0,"minpingdelay":"0.000000","maxpingdelay":"0.000000","#,
            r#""avgunsubscribedelay":"0.000000","minpingrequestrate":"0","#,
            r#""mos":{"mos_total":"0.000000","mos2_total":"0.000000","mos_samples_total":0,"mos_average":"0.000000","mos_stddev":"0.000000"},"controlstatistics":{"proxies":[{"proxy":"127.0.0.1","pingcount":1,"pingduration":"0.000001","#,
            r#""unsubcount":0,"unsubduration":"0.000000","errorcount":0}],"totalpingcount":1,"#,
            r#""totalunsubcount":0},"interfaces":[],"transcoders":[]},"result":"ok"}"#,
        ] {
            assert!(text.contains(piece), "no {piece}\nin {text}");
        }
    }
}
