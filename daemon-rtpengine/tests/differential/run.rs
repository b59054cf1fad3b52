//! Runs a case against one daemon and writes down what came back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::{bencode, value::Value};

use super::case::{Action, Case, Edit, Request, SdpSource, Step, Target};
use super::names::Names;
use super::render::{self, section_addresses};
use super::reports::Reports;
use crate::support::daemon::Daemon;
use crate::support::ng::{NgClient, int_at, into_owned};
use crate::support::rtp::Endpoint;
use crate::support::sdp::Sdp;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same once a step of the dialogue took too long: a daemon that fails much is not waited for
/// all day.
const NO_PATIENCE: Duration = Duration::from_millis(50);

/// What came of one step.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) step: String,
    pub(crate) lines: Vec<String>,
    /// As it came, for people.
    pub(crate) raw: String,
}

/// A daemon with a client, run after run.
pub(crate) struct Runner<'d> {
    daemon: &'d Daemon,
    client: NgClient,
    own_addresses: &'static [&'static str],
    /// How many requests were sent.
    pub(crate) requests: usize,
    /// [`Names::by_number_alone`] of the last run.
    pub(crate) by_number_alone: bool,
}

impl<'d> Runner<'d> {
    /// `own_addresses` are those of the daemon's interfaces.
    pub(crate) fn new(daemon: &'d Daemon, own_addresses: &'static [&'static str]) -> Self {
        Self {
            daemon,
            client: daemon.client(),
            own_addresses,
            requests: 0,
            by_number_alone: false,
        }
    }

    /// Runs the case, then deletes its calls.
    pub(crate) fn run(&mut self, case: &Case) -> Vec<Outcome> {
        let ports = self.daemon.ports();
        let mut dialogue = Dialogue {
            client: &self.client,
            names: Names::new(ports.first() + 2..=ports.last(), self.own_addresses),
            call_id: case.name.replace([' ', ':', '/', ',', '\''], "-"),
            control: self.daemon.control(),
            endpoints: HashMap::new(),
            replies: HashMap::new(),
            cookies: HashMap::new(),
            requests: 0,
            reports: Reports::default(),
            patience: PATIENCE,
        };
        let outcomes = case.steps.iter().map(|step| dialogue.step(step)).collect();
        dialogue.clean_up();
        self.requests += dialogue.requests;
        self.by_number_alone = dialogue.names.by_number_alone;
        outcomes
    }
}

struct Dialogue<'c> {
    client: &'c NgClient,
    names: Names,
    call_id: String,
    control: SocketAddr,
    endpoints: HashMap<String, Endpoint>,
    /// SDP of the replies that were given a name.
    replies: HashMap<String, String>,
    cookies: HashMap<String, String>,
    requests: usize,
    reports: Reports,
    patience: Duration,
}

impl Dialogue<'_> {
    fn step(&mut self, step: &Step) -> Outcome {
        let mut raw = String::new();
        let lines = match &step.action {
            Action::Request(request) => self.request(request, &mut raw),
            Action::Raw { datagram, ignored } => self.raw(datagram, *ignored, &mut raw),
            Action::Socket { name, ip } => {
                // 0x1… keeps the decimal SSRC in `query` one digit count for all.
                let ssrc = 0x1000_0000 + u32::try_from(self.endpoints.len()).unwrap_or(0);
                let endpoint = Endpoint::bind(*ip, ssrc);
                self.names.add_socket(name, endpoint.port());
                self.endpoints.insert(name.clone(), endpoint);
                Vec::new()
            }
            Action::Send {
                socket,
                count,
                payload_type,
                to,
            } => match self.address(to) {
                Some(address) => {
                    let endpoint = self.endpoints.get_mut(socket).expect("a bound socket");
                    if to.rtcp {
                        endpoint.send_rtcp(address, *count);
                    } else {
                        endpoint.send_rtp_of(address, *count, *payload_type);
                    }
                    Vec::new()
                }
                None => vec![format!("no address for {}", to.reply)],
            },
            Action::Receive { socket, count } => {
                let got = self.endpoint(socket).receive(*count, self.patience);
                if got.len() < *count {
                    self.patience = NO_PATIENCE;
                }
                self.reports.note(socket, &got);
                self.received(&got)
            }
            Action::Report {
                socket,
                reception,
                to,
            } => match self.address(to) {
                Some(address) => {
                    let endpoint = self.endpoints.get(socket).expect("a bound socket");
                    self.reports.send(socket, endpoint, address, *reception);
                    Vec::new()
                }
                None => vec![format!("no address for {}", to.reply)],
            },
            Action::Hear { socket } => {
                let endpoint = self.endpoints.get(socket).expect("a bound socket");
                match endpoint.receive_beside(self.patience) {
                    Some((_, packet)) => self.reports.hear(socket, endpoint.ssrc(), &packet),
                    None => {
                        self.patience = NO_PATIENCE;
                        vec!["nothing comes".to_owned()]
                    }
                }
            }
            Action::Pending { socket } => {
                let got = self.endpoint(socket).drain();
                self.received(&got)
            }
            Action::Beside { socket } => {
                let endpoint = self.endpoint(socket);
                let one = || endpoint.receive_beside(NO_PATIENCE);
                let got: Vec<_> = std::iter::from_fn(one).collect();
                self.received(&got)
            }
            Action::Settle { packets } => self.settle(*packets),
            Action::Ice { socket, party, to } => {
                let sdp = self.replies.get(&to.reply);
                let section = sdp.and_then(|sdp| sdp.split("m=").nth(to.section + 1));
                let wrong = match section {
                    Some(section) => party.run(self.endpoint(socket), section, self.patience),
                    None => Some(format!("no section {} in {}", to.section, to.reply)),
                };
                wrong.into_iter().collect()
            }
            Action::Await { call_id, text } => self.wait_for(call_id, text),
        };
        Outcome {
            step: step.line.clone(),
            lines,
            raw,
        }
    }

    fn endpoint(&self, name: &str) -> &Endpoint {
        self.endpoints.get(name).expect("a bound socket")
    }

    /// Packets with the same source, kind and length on one line.
    fn received(&mut self, packets: &[(SocketAddr, Vec<u8>)]) -> Vec<String> {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for (from, bytes) in packets {
            let port = self.names.port(&from.ip().to_string(), from.port(), None);
            let kind = match bytes.get(1) {
                Some(192..=223) => "RTCP",
                _ if bytes.first().is_some_and(|b| b >> 6 == 2) => "RTP",
                _ => "other",
            };
            let text = format!("{kind} of {} bytes from {} {port}", bytes.len(), from.ip());
            match lines.last_mut() {
                Some(last) if last.0 == text => last.1 += 1,
                _ => lines.push((text, 1)),
            }
        }
        let mut lines: Vec<String> = lines.iter().map(|(t, n)| format!("{n} × {t}")).collect();
        lines.push(format!("{} packets", packets.len()));
        lines
    }

    fn settle(&mut self, packets: i64) -> Vec<String> {
        let mut query = Value::dict();
        query.push("command", Value::str("query"));
        query.push("call-id", Value::string(self.call_id.clone()));
        let deadline = Instant::now() + self.patience;
        loop {
            let reply = self.client.request(&query);
            let counted = |stream| int_at(&reply, &["totals", stream, "packets"]);
            let counted = counted("RTP").zip(counted("RTCP")).map(|(a, b)| a + b);
            if counted.is_some_and(|counted| counted >= packets) {
                return Vec::new();
            }
            if Instant::now() > deadline {
                self.patience = NO_PATIENCE;
                return vec![format!("counted packets: {counted:?}, not {packets}")];
            }
        }
    }

    /// Asks again and again, without a trace in the outcome, until a string in the reply is `text`.
    fn wait_for(&mut self, call_id: &str, text: &str) -> Vec<String> {
        let mut query = Value::dict();
        query.push("command", Value::str("query"));
        query.push("call-id", Value::string(self.filled(call_id)));
        let deadline = Instant::now() + self.patience;
        while !contains(&self.client.request(&query), text) {
            if Instant::now() > deadline {
                self.patience = NO_PATIENCE;
                return vec![format!("{text:?} does not come")];
            }
        }
        Vec::new()
    }

    fn raw(&mut self, datagram: &[u8], ignored: bool, raw: &mut String) -> Vec<String> {
        self.requests += 1;
        let cookie = self.client.cookie();
        let mut bytes = Vec::new();
        for part in datagram.split_inclusive(|&b| b == b'$') {
            match (bytes.last(), part.first()) {
                (Some(b'$'), Some(b'K')) => {
                    bytes.pop();
                    bytes.extend(cookie.as_bytes());
                    bytes.extend(&part[1..]);
                }
                _ => bytes.extend(part),
            }
        }
        // That nothing comes can only be seen by waiting a little.
        let patience = if ignored { NO_PATIENCE } else { self.patience };
        let reply = self.client.send_raw(&bytes, patience);
        *raw = format!("{:?}", reply.as_deref().map(String::from_utf8_lossy));
        match reply {
            None => vec!["no reply".to_owned()],
            Some(reply) => {
                let text = String::from_utf8_lossy(&reply).replace(&cookie, "$K");
                vec![format!("reply: {text}")]
            }
        }
    }

    fn request(&mut self, request: &Request, raw: &mut String) -> Vec<String> {
        self.requests += 1;
        let mut document = Value::Dict(request.pairs.clone());
        if request.call_id {
            document.push("call-id", Value::string(self.call_id.clone()));
        }
        self.fill_in(&mut document);
        if let Some(sdp) = &request.sdp {
            let Some(text) = self.sdp(sdp) else {
                return vec![format!("there is no reply {} with an SDP", sdp.template)];
            };
            self.names.secrets.note_sent(&text);
            document.push("sdp", Value::string(text));
        }
        let cookie = match &request.cookie {
            Some(name) => {
                let fresh = self.client.cookie();
                self.cookies.entry(name.clone()).or_insert(fresh).clone()
            }
            None => self.client.cookie(),
        };
        let mut bytes = Vec::new();
        if request.json {
            bytes = to_json(&document).to_string().into_bytes();
        } else {
            bencode::encode(&document, &mut bytes);
        }
        let patience = self.patience.max(Duration::from_millis(500));
        let Some(reply) = self.client.exchange(&cookie, &bytes, patience) else {
            self.patience = NO_PATIENCE;
            return vec!["no reply in time".to_owned()];
        };
        *raw = String::from_utf8_lossy(&reply).into_owned();
        let value = if request.json {
            serde_json::from_slice(&reply).ok().map(from_json)
        } else {
            match bencode::decode(&reply) {
                Ok((value, used)) if used == reply.len() => Some(into_owned(value)),
                _ => None,
            }
        };
        let Some(value) = value else {
            return vec![format!("unreadable reply: {raw}")];
        };
        if let (Some(name), Some(sdp)) = (&request.save, value.get("sdp").and_then(Value::as_str)) {
            self.replies.insert(name.clone(), sdp.to_owned());
        }
        render::reply(&value, &mut self.names)
    }

    /// `$C` becomes the dialogue's call-id and `{A}` a socket's port, in every string.
    fn fill_in(&self, value: &mut Value<'static>) {
        match value {
            Value::Int(_) => {}
            Value::Bytes(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    *bytes = Cow::Owned(self.filled(text).into_bytes());
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.fill_in(item)),
            Value::Dict(pairs) => pairs.iter_mut().for_each(|(_, value)| self.fill_in(value)),
        }
    }

    fn filled(&self, text: &str) -> String {
        let text = text.replace("$C", &self.call_id);
        self.endpoints.iter().fold(text, |text, (name, endpoint)| {
            text.replace(&format!("{{{name}}}"), &endpoint.port().to_string())
        })
    }

    /// `None`: the SDP is that of an earlier reply, and that had none.
    fn sdp(&self, source: &SdpSource) -> Option<String> {
        let mut sdp = match self.replies.get(&source.template) {
            Some(reply) => Sdp::of_text(reply),
            // Replies are named in capitals, templates are not.
            None if source.template.starts_with(char::is_uppercase) => return None,
            None => {
                let values: Vec<_> = source
                    .values
                    .iter()
                    .map(|(key, value)| (key.clone(), self.filled(value)))
                    .collect();
                Sdp::template(&source.template, &values)
            }
        };
        for edit in &source.edits {
            match edit {
                Edit::Add(line) => sdp.add(line),
                Edit::Remove(prefix) => sdp.remove(prefix),
                Edit::Substitute(old, new) => sdp.substitute(old, new),
                Edit::LfOnly => sdp.lf_only(),
                Edit::Feature(feature) => feature.apply(&mut sdp),
            }
        }
        Some(sdp.text())
    }

    /// Where the named reply wants media for one of its sections.
    fn address(&self, to: &Target) -> Option<SocketAddr> {
        let sdp = self.replies.get(&to.reply)?;
        let address = section_addresses(sdp).get(to.section + 1)?.clone();
        // A wildcard on hold: the daemon's first interface.
        let address: IpAddr = match address.as_str() {
            "0.0.0.0" => self.control.ip(),
            address => address.parse().ok()?,
        };
        let mut sections = sdp.split("m=").skip(1);
        let section = sections.nth(to.section)?;
        let port = section.split_whitespace().nth(1)?;
        let rtcp = section
            .lines()
            .find_map(|line| line.strip_prefix("a=rtcp:"));
        let port = match rtcp.filter(|_| to.rtcp) {
            Some(rtcp) => rtcp.split_whitespace().next()?,
            None => port,
        };
        Some(SocketAddr::new(address, port.parse().ok()?))
    }

    /// Deletes every call that the daemon has, also those that it was not meant to have.
    fn clean_up(&mut self) {
        let mut list = Value::dict();
        list.push("command", Value::str("list"));
        list.push("limit", Value::Int(1000));
        let reply = self.client.request(&list);
        let calls = reply.get("calls").and_then(Value::as_list).unwrap_or(&[]);
        for call_id in calls {
            let mut delete = Value::dict();
            delete.push("command", Value::str("delete"));
            delete.push("delete delay", Value::Int(0));
            delete.push("call-id", call_id.clone());
            self.client.request(&delete);
        }
    }
}

/// Whether a string in the value is `text`.
fn contains(value: &Value<'_>, text: &str) -> bool {
    match value {
        Value::Int(_) => false,
        Value::Bytes(bytes) => bytes.as_ref() == text.as_bytes(),
        Value::List(items) => items.iter().any(|item| contains(item, text)),
        Value::Dict(pairs) => pairs.iter().any(|(_, value)| contains(value, text)),
    }
}

fn to_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Int(n) => (*n).into(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Dict(pairs) => pairs
            .iter()
            .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), to_json(value)))
            .collect(),
    }
}

fn from_json(value: serde_json::Value) -> Value<'static> {
    match value {
        serde_json::Value::Null => Value::str("null"),
        serde_json::Value::Bool(b) => Value::Int(b.into()),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::string(n.to_string()), Value::Int),
        serde_json::Value::String(text) => Value::string(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(pairs) => Value::Dict(
            pairs
                .into_iter()
                .map(|(key, value)| (Cow::Owned(key.into_bytes()), from_json(value)))
                .collect(),
        ),
    }
}
