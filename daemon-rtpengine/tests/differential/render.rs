//! Replies as lines of text, with [`Names`] for what differs between runs.

use daemon_rtpengine::ng::value::Value;

use super::names::Names;

/// What only our replies say of a stream, behind all that rtpengine says: why there is no audio, and
/// what was measured on the packets and reported by RTCP. `ng::reply` tests it.
const OUR_STREAM_KEYS: [&[u8]; 5] = [b"DTLS", b"verdict", b"reason", b"reception", b"reported"];

/// One line per key, nested by indentation.
pub(crate) fn reply(value: &Value<'_>, names: &mut Names) -> Vec<String> {
    let mut out = Renderer {
        names,
        lines: Vec::new(),
    };
    out.dict(value, 0, false);
    out.lines
}

struct Renderer<'n> {
    names: &'n mut Names,
    lines: Vec<String>,
}

impl Renderer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{}{text}", "  ".repeat(depth)));
    }

    /// `types_only`: numbers are shown as their type (statistics).
    fn dict(&mut self, value: &Value<'_>, depth: usize, types_only: bool) {
        let Value::Dict(pairs) = value else {
            let text = scalar(value, types_only);
            return self.line(depth, &text);
        };
        let address = value.get("local address").or_else(|| value.get("address"));
        let address = address.and_then(Value::as_str).unwrap_or("");
        for (key, value) in pairs {
            let key = String::from_utf8_lossy(key);
            self.pair(&key, value, address, depth, types_only);
        }
    }

    fn pair(
        &mut self,
        key: &str,
        value: &Value<'_>,
        address: &str,
        depth: usize,
        types_only: bool,
    ) {
        let types_only = types_only || key == "statistics";
        match (key, value) {
            ("sdp", Value::Bytes(text)) => {
                self.line(depth, "sdp:");
                let text = String::from_utf8_lossy(text).into_owned();
                self.sdp(&text, depth + 1);
            }
            ("created" | "created_us" | "last signal" | "last packet", Value::Int(_)) => {
                self.line(depth, &format!("{key}: <time>"));
            }
            ("port", Value::Int(port)) => {
                let name = self.port(address, *port, None);
                self.line(depth, &format!("{key}: {name}"));
            }
            ("streams", Value::List(streams)) => {
                self.line(depth, "streams:");
                self.streams(streams, depth + 1);
            }
            ("calls", Value::List(calls)) => {
                let mut calls: Vec<String> = calls.iter().map(|c| scalar(c, false)).collect();
                calls.sort();
                self.line(depth, &format!("calls: [{}]", calls.join(", ")));
            }
            // Of a history on loopback neither times nor how many samples there were can be compared, and
            // rtpengine begins it with one that has no score.
            ("entries", Value::List(entries)) => {
                self.line(depth, "entries:");
                if let Some(last) = entries.last() {
                    self.dict(last, depth + 1, types_only);
                }
            }
            (
                "samples" | "reported at" | "round-trip time" | "round-trip time leg",
                Value::Int(_),
            ) => self.line(depth, &format!("{key}: <number>")),
            // The order of these is a hash table's.
            ("tags" | "SSRC", Value::Dict(pairs)) => {
                self.line(depth, &format!("{key}:"));
                let mut pairs: Vec<_> = pairs.iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                for (key, value) in pairs {
                    let key = String::from_utf8_lossy(key);
                    self.pair(&key, value, "", depth + 1, types_only);
                }
            }
            (_, Value::Dict(_)) => {
                self.line(depth, &format!("{key}:"));
                self.dict(value, depth + 1, types_only);
            }
            (_, Value::List(items)) if items.iter().all(is_scalar) => {
                let items: Vec<String> = items.iter().map(|i| scalar(i, types_only)).collect();
                self.line(depth, &format!("{key}: [{}]", items.join(", ")));
            }
            (_, Value::List(items)) => {
                self.line(depth, &format!("{key}:"));
                for item in items {
                    self.line(depth + 1, "-");
                    self.dict(item, depth + 2, types_only);
                }
            }
            _ => {
                let text = scalar(value, types_only);
                self.line(depth, &format!("{key}: {text}"));
            }
        }
    }

    /// `local port` of RTCP is told relative to the RTP stream before it.
    fn streams(&mut self, streams: &[Value<'_>], depth: usize) {
        let mut base = None;
        for stream in streams {
            self.line(depth, "-");
            let Value::Dict(pairs) = stream else { continue };
            let address = stream.get("local address").and_then(Value::as_str);
            let address = address.unwrap_or("");
            for (key, value) in pairs {
                if OUR_STREAM_KEYS.contains(&key.as_ref()) {
                    continue;
                }
                let key = String::from_utf8_lossy(key);
                if let ("local port", Value::Int(port)) = (key.as_ref(), value) {
                    let name = self.port(address, *port, base);
                    self.line(depth + 1, &format!("local port: {name}"));
                    base = u16::try_from(*port).ok();
                } else {
                    self.pair(&key, value, address, depth + 1, false);
                }
            }
        }
    }

    fn port(&mut self, address: &str, port: i64, base: Option<u16>) -> String {
        match u16::try_from(port) {
            Ok(port) => self.names.port(address, port, base),
            Err(_) => format!("{port} (not a port)"),
        }
    }

    fn sdp(&mut self, text: &str, depth: usize) {
        let addresses = section_addresses(text);
        let mut section = 0;
        let mut ports = SectionPorts::default();
        for line in text.split_inclusive('\n') {
            let (content, end) = match line.strip_suffix("\r\n") {
                Some(content) => (content, ""),
                None => match line.strip_suffix('\n') {
                    Some(content) => (content, " ␊"),
                    None => (line, " (no line end)"),
                },
            };
            if content.starts_with("m=") {
                section += 1;
                ports = SectionPorts::default();
            }
            let address = addresses.get(section).map_or("", String::as_str);
            let text = self.sdp_line(content, address, &mut ports);
            self.line(depth, &format!("{text}{end}"));
        }
    }

    fn sdp_line(&mut self, line: &str, address: &str, ports: &mut SectionPorts) -> String {
        if line.starts_with("a=candidate:") {
            return self.candidate(line, ports);
        }
        if let Some(chosen) = line.strip_prefix("a=remote-candidates:") {
            return self.remote_candidates(chosen);
        }
        if let Some(mark) = line.strip_prefix("a=rtpengine:") {
            return format!("a=rtpengine:{}", self.names.instance(mark));
        }
        let (start, rest, base) = if line.starts_with("m=") {
            match line.split_once(' ') {
                Some((start, rest)) => (format!("{start} "), rest, None),
                None => return line.to_owned(),
            }
        } else if let Some(rest) = line.strip_prefix("a=rtcp:") {
            ("a=rtcp:".to_owned(), rest, ports.rtp)
        } else {
            return self.names.secrets.named(line);
        };
        let (port, rest) = rest.split_at(rest.find([' ', '/']).unwrap_or(rest.len()));
        let Ok(number) = port.parse::<u16>() else {
            return line.to_owned();
        };
        if line.starts_with("m=") {
            ports.rtp = Some(number);
        }
        format!("{start}{}{rest}", self.names.port(address, number, base))
    }

    /// RFC 8839 §5.2: component, address and port, over and over.
    fn remote_candidates(&mut self, chosen: &str) -> String {
        let mut words: Vec<String> = chosen.split(' ').map(str::to_owned).collect();
        for one in words.chunks_exact_mut(3) {
            if let Ok(port) = one[2].parse() {
                one[2] = self.names.port(&one[1], port, None);
            }
        }
        format!("a=remote-candidates:{}", words.join(" "))
    }

    /// RFC 8839 §5.1: foundation, component, transport, priority, address, port, then names with
    /// their values.
    fn candidate(&mut self, line: &str, ports: &mut SectionPorts) -> String {
        let line = self.names.secrets.named(line);
        // The name of the foundation has blanks in it.
        let at = line.find('>').map_or(0, |at| at + 1);
        let (foundation, rest) = line.split_at(at);
        let mut words: Vec<String> = rest.split(' ').map(str::to_owned).collect();
        let first = words.get(1).is_some_and(|component| component == "1");
        let known = |(of, _): &&(String, u16)| of == foundation;
        let base = ports.candidates.iter().rev().find(known);
        let base = base.filter(|_| !first).map(|(_, port)| *port);
        let port = self.candidate_port(&mut words, 4, base);
        if let Some(port) = port.filter(|_| first) {
            ports.candidates.push((foundation.to_owned(), port));
        }
        if let Some(related) = words.iter().position(|word| word == "raddr") {
            self.candidate_port(&mut words[related..], 1, base);
        }
        format!("{foundation}{}", words.join(" "))
    }

    /// Names the port that follows the word `address`, be it at once or behind `rport`.
    fn candidate_port(
        &mut self,
        words: &mut [String],
        address: usize,
        base: Option<u16>,
    ) -> Option<u16> {
        let behind = words.get(address + 1)?;
        let at = address + if behind == "rport" { 2 } else { 1 };
        let port = words.get(at)?.parse().ok()?;
        let name = self.names.port(&words[address], port, base);
        words[at] = name;
        Some(port)
    }
}

/// What ports in one section are told relative to.
#[derive(Default)]
struct SectionPorts {
    rtp: Option<u16>,
    /// Of the candidates of the first component, by foundation.
    candidates: Vec<(String, u16)>,
}

/// The connection address of the session and then of each section.
pub(crate) fn section_addresses(sdp: &str) -> Vec<String> {
    let mut addresses = vec![String::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            addresses.push(addresses[0].clone());
        } else if let Some(connection) = line.strip_prefix("c=") {
            let address = connection.split_whitespace().nth(2).unwrap_or_default();
            if let Some(last) = addresses.last_mut() {
                address.clone_into(last);
            }
        }
    }
    addresses
}

fn is_scalar(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Bytes(_))
}

/// Strings that could be taken for integers are quoted.
fn scalar(value: &Value<'_>, types_only: bool) -> String {
    match value {
        Value::Int(_) if types_only => "<integer>".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            match text.parse::<f64>() {
                Ok(_) if types_only && text.contains('.') => "\"<decimal>\"".to_owned(),
                Ok(_) if types_only => "\"<integer>\"".to_owned(),
                Ok(_) => format!("{text:?}"),
                Err(_) if text.is_empty() => "\"\"".to_owned(),
                Err(_) => text.into_owned(),
            }
        }
        Value::List(_) => "<list>".to_owned(),
        Value::Dict(_) => "<dictionary>".to_owned(),
    }
}
