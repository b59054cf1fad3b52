//! Tells of dialled digits: one JSON document per digit, in a datagram of its own.
//!
//! As rtpengine's `dtmf-log-dest`: who has dialled what, and when. Where a call names a destination of its
//! own, that one alone is told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use media_core::session::DialledDigit;

use crate::ng::json;
use crate::ng::reply::int;
use crate::ng::value::Value;

/// Sends digits.
#[derive(Debug, Default)]
pub struct DtmfLog {
    destination: Option<SocketAddr>,
    /// For IPv4 and IPv6, from the first digit on; `None`: there is none to be had.
    sockets: [OnceLock<Option<UdpSocket>>; 2],
    digits: AtomicU64,
    failed: AtomicU64,
}

impl DtmfLog {
    /// Sends to `destination` what calls do not want elsewhere.
    #[must_use]
    pub fn new(destination: Option<SocketAddr>) -> Self {
        Self {
            destination,
            ..Self::default()
        }
    }

    /// Digits dialled so far, in calls that somebody is told of.
    #[must_use]
    pub fn digits(&self) -> u64 {
        self.digits.load(Ordering::Relaxed)
    }

    /// Datagrams that did not leave.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Sends one digit. Never waits: what the system does not take at once is lost, and counted.
    pub fn send(&self, dialled: &DialledDigit) {
        self.digits.fetch_add(1, Ordering::Relaxed);
        let Some(to) = dialled.log_dest.or(self.destination) else {
            return;
        };
        let mut text = Vec::new();
        json::encode(&document(dialled), &mut text);
        let socket = self.sockets[usize::from(to.is_ipv6())].get_or_init(|| bind(to).ok());
        let sent = socket.as_ref().is_some_and(|socket| {
            let sent = socket.send_to(&text, to);
            sent.is_ok_and(|n| n == text.len())
        });
        if !sent {
            self.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(call_id = dialled.call_id, %to, "a digit could not be told");
        }
    }
}

fn bind(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The document, its keys in rtpengine's order.
fn document(dialled: &DialledDigit) -> Value<'_> {
    let mut out = Value::dict();
    out.push("callid", Value::str(&dialled.call_id));
    out.push("source_tag", Value::str(&dialled.source_tag));
    if let Some(label) = &dialled.source_label {
        out.push("source_label", Value::str(label));
    }
    let tags = dialled.tags.iter().map(|tag| Value::str(tag));
    out.push("tags", Value::List(tags.collect()));
    out.push("type", Value::str("DTMF"));
    out.push("timestamp", int(dialled.at.as_secs()));
    if let Some(source) = dialled.source {
        out.push("source_ip", Value::string(source.to_string()));
    }
    out.push("event", int(dialled.digit.digit.event()));
    out.push("duration", int(dialled.digit.duration_ms));
    out.push("volume", int(dialled.digit.volume));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media_core::media::transcode::{Digit, Heard};

    use super::*;

    fn dialled(log_dest: Option<SocketAddr>) -> DialledDigit {
        DialledDigit {
            call_id: "c".into(),
            source_tag: "a".into(),
            source_label: Some("door \"3\"".into()),
            tags: vec!["a".into(), "b".into()],
            at: Duration::from_millis(1_700_000_000_900),
            source: Some(Ipv4Addr::LOCALHOST.into()),
            digit: Heard {
                digit: Digit::from_char('#').unwrap(),
                duration_ms: 100,
                volume: 10,
            },
            log_dest,
        }
    }

    #[test]
    fn document_has_rtpengines_keys_in_its_order() {
        let mut text = Vec::new();
        json::encode(&document(&dialled(None)), &mut text);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"callid":"c","source_tag":"a","source_label":"door \"3\"","tags":["a","b"],"#
                .to_owned()
                + r#""type":"DTMF","timestamp":1700000000,"source_ip":"127.0.0.1","event":11,"#
                + r#""duration":100,"volume":10}"#
        );
    }

    #[test]
    fn call_with_a_destination_of_its_own_is_told_there_alone() {
        let [global, own] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [to_global, to_own] = [&global, &own].map(|socket| socket.local_addr().unwrap());
        let log = DtmfLog::new(Some(to_global));
        log.send(&dialled(Some(to_own)));
        log.send(&dialled(None));
        let mut buffer = [0; 1024];
        for socket in [global, own] {
            let len = socket.recv(&mut buffer).unwrap();
            assert!(buffer[..len].starts_with(b"{\"callid\":\"c\""));
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv(&mut buffer).is_err(), "one each");
        }
        assert_eq!((log.digits(), log.failed()), (2, 0));
    }

    #[test]
    fn nobody_to_tell_is_no_failure() {
        let log = DtmfLog::new(None);
        log.send(&dialled(None));
        assert_eq!((log.digits(), log.failed()), (1, 0));
    }
}
