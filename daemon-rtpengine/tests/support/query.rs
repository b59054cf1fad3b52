//! What a daemon says about its calls.

use std::net::{Ipv4Addr, SocketAddr};

use daemon_rtpengine::ng::value::Value;

use super::daemon::Daemon;
use super::ng::int_at;

/// The call-ids that a daemon lists.
pub(crate) fn listed(daemon: &Daemon) -> Vec<String> {
    let mut list = Value::dict();
    list.push("command", Value::str("list"));
    list.push("limit", Value::Int(1000));
    let reply = daemon.client().request(&list);
    let calls = reply.get("calls").and_then(Value::as_list).expect("calls");
    calls
        .iter()
        .filter_map(|call| call.as_str().map(str::to_owned))
        .collect()
}

/// The answer to `query`.
pub(crate) fn query(daemon: &Daemon, call_id: &str) -> Value<'static> {
    let mut query = Value::dict();
    query.push("command", Value::str("query"));
    query.push("call-id", Value::string(call_id.to_owned()));
    daemon.client().request(&query)
}

/// The first stream of each media section of each party.
pub(crate) fn rtp_streams<'v>(
    call: &'v Value<'static>,
) -> impl Iterator<Item = &'v Value<'static>> {
    let tags = match call.get("tags") {
        Some(Value::Dict(tags)) => tags.as_slice(),
        _ => &[],
    };
    tags.iter()
        .filter_map(|(_, tag)| tag.get("medias")?.as_list())
        .flatten()
        .filter_map(|media| media.get("streams")?.as_list()?.first())
}

/// The RTP stream whose endpoint has this port.
pub(crate) fn stream_of<'v>(call: &'v Value<'static>, port: u16) -> Option<&'v Value<'static>> {
    rtp_streams(call).find(|stream| int_at(stream, &["endpoint", "port"]) == Some(port.into()))
}

/// Where the party with this port has to send its RTP: the daemon's port for it.
pub(crate) fn relay_of(call: &Value<'static>, port: u16) -> Option<SocketAddr> {
    let relay = int_at(stream_of(call, port)?, &["local port"])?;
    Some((Ipv4Addr::LOCALHOST, u16::try_from(relay).ok()?).into())
}
