//! Calls of two parties.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use daemon_rtpengine::ng::value::Value;

use super::ng::{NgClient, text};
use super::rtp::Endpoint;
use super::wait_for;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One audio stream at this port of 127.0.0.1.
pub(crate) fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
    )
}

/// A request of the party "a", to "b" unless it is an offer.
pub(crate) fn request<'a>(command: &'a str, call_id: &'a str, sdp: Option<&'a str>) -> Value<'a> {
    let mut value = Value::dict();
    value
        .push("command", Value::str(command))
        .push("call-id", Value::str(call_id))
        .push("from-tag", Value::str("a"));
    if command != "offer" {
        value.push("to-tag", Value::str("b"));
    }
    if let Some(sdp) = sdp {
        value.push("sdp", Value::str(sdp));
        value.push("replace", Value::List(vec![Value::str("origin")]));
    }
    value
}

/// Where the first audio section of an SDP wants media, all on 127.0.0.1.
///
/// # Panics
/// When there is none.
pub(crate) fn audio_address(sdp: &str) -> SocketAddr {
    let port = sdp.lines().find_map(|line| {
        line.strip_prefix("m=audio ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    });
    (LOCALHOST, port.expect("an audio section")).into()
}

/// The formats of the first section, with the names that their `a=rtpmap` gives them.
pub(crate) fn formats(sdp: &str) -> Vec<String> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio "));
    let numbers = line.expect("an audio section").split(' ').skip(2);
    numbers
        .map(|number| {
            let map = format!("a=rtpmap:{number} ");
            let name = sdp.lines().find_map(|line| line.strip_prefix(&map));
            format!("{number} {}", name.unwrap_or("?").trim_end())
        })
        .collect()
}

/// The same as [`audio_address`] for the SDP of a reply.
///
/// # Panics
/// When the reply is an error.
pub(crate) fn relay(reply: &Value<'_>) -> SocketAddr {
    assert_eq!(text(reply, "result"), "ok", "{reply:?}");
    audio_address(text(reply, "sdp"))
}

/// A call with a party on each side.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) parties: [Endpoint; 2],
    /// The daemon's address towards each party.
    pub(crate) daemon: [SocketAddr; 2],
}

impl Call {
    /// Sets it up.
    pub(crate) fn new(client: &NgClient, id: &str) -> Self {
        let parties = [Endpoint::bind(LOCALHOST, 1), Endpoint::bind(LOCALHOST, 2)];
        let relayed = |command, party: &Endpoint| {
            relay(&client.request(&request(command, id, Some(&sdp(party.port())))))
        };
        let to_b = relayed("offer", &parties[0]);
        let to_a = relayed("answer", &parties[1]);
        Self {
            id: id.to_owned(),
            parties,
            daemon: [to_a, to_b],
        }
    }

    /// Sends a packet each way until both have arrived: under fire the kernel may drop some.
    pub(crate) fn talks(&mut self) {
        for side in 0..2 {
            let (id, to) = (self.id.clone(), self.daemon[side]);
            let from = self.daemon[1 - side];
            self.parties[1 - side].drain();
            wait_for(&format!("audio of {id}"), || {
                self.parties[side].send_rtp(to, 1);
                self.parties[1 - side]
                    .drain()
                    .iter()
                    .any(|(source, _)| *source == from)
                    .then_some(())
            });
        }
    }
}
