//! Reads `.cases` files.
//!
//! ```text
//! == name of a case, {word} is filled in          one dialogue; its calls are deleted afterwards
//! each word = origin, username                    once per value; several lines multiply
//! socket A [::1]                                  binds a port, {A} below
//! offer from=a @audio(port={A}) flags=[x] -> O    a request; call-id is added, the reply kept as O
//! offer from=a @audio +sdes +ice(components=1)    with the lines of SRTP, DTLS or ICE: [`super::secure`]
//!   + a=sendonly                                  the SDP with one more line,
//!   - a=ptime                                     without the lines that start so,
//!   ~ alice -> bob                                with a text replaced (␍␊: a line end),
//!   eol lf                                        with bare line feeds
//! json query                                      the same in JSON
//! delete call-id=$C.2 delete_delay=#0             $C is the dialogue's own call-id
//! list !call-id                                   without a call-id
//! ping cookie=x                                   with that cookie
//! raw "$K d7:command"                             a datagram as it is; $K is a fresh cookie
//! ignored "no cookie"                             the same where no reply is expected
//! send A 5 -> O.0                                 RTP to the first section of the reply O
//! send A 5/8 -> O.0                               the same of payload type 8
//! send A 1 -> O.0.rtcp                            RTCP
//! report A 25 3 80 -> O.0.rtcp                    a sender report: 25/256 and 3 lost, jitter 80 of what it hears
//! beside B                                        how many packets are there at the port above
//! hear B                                          waits for a report, and says what of it can be compared
//! receive B 5                                     waits for 5 packets
//! settle 10                                       waits until the call has counted 10 RTP packets
//! await $C.2 DTLS fingerprint verified            waits until `query` of that call says so
//! ice B efgh controlled ::1 -> O.0                B, of `+ice(ufrag=efgh)`, finds a pair with that address
//! pending B                                       how many packets are there already
//! ```
//! Values are written as in [`super::notation`]; `_` in keys and commands stands for a blank, and
//! `from`, `to`, `branch` for `from-tag`, `to-tag`, `via-branch`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use daemon_rtpengine::ng::value::Value;

use super::ice_peer::Party;
use super::notation::Cursor;
use super::reports::Reception;
use super::secure::Feature;

/// One dialogue.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One step and the line it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) line: String,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Request(Request),
    Raw {
        datagram: Vec<u8>,
        ignored: bool,
    },
    Socket {
        name: String,
        ip: IpAddr,
    },
    Send {
        socket: String,
        count: u16,
        payload_type: u8,
        to: Target,
    },
    Report {
        socket: String,
        reception: Reception,
        to: Target,
    },
    Hear {
        socket: String,
    },
    Beside {
        socket: String,
    },
    Receive {
        socket: String,
        count: usize,
    },
    Settle {
        packets: i64,
    },
    Pending {
        socket: String,
    },
    Ice {
        socket: String,
        party: Party,
        to: Target,
    },
    Await {
        call_id: String,
        text: String,
    },
}

/// A request to encode.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) json: bool,
    pub(crate) cookie: Option<String>,
    pub(crate) call_id: bool,
    pub(crate) pairs: Vec<(Cow<'static, [u8]>, Value<'static>)>,
    pub(crate) sdp: Option<SdpSource>,
    pub(crate) save: Option<String>,
}

/// Where a request's SDP comes from, and what is changed in it.
#[derive(Clone, Debug)]
pub(crate) struct SdpSource {
    pub(crate) template: String,
    pub(crate) values: Vec<(String, String)>,
    pub(crate) edits: Vec<Edit>,
}

/// A change to an SDP.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Add(String),
    Remove(String),
    Substitute(String, String),
    LfOnly,
    Feature(Feature),
}

/// A media section of an earlier reply.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) reply: String,
    pub(crate) section: usize,
    pub(crate) rtcp: bool,
}

/// All cases of the directory's `.cases` files, by file name.
///
/// # Panics
/// On anything that it does not understand.
pub(crate) fn load(directory: &Path) -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory of cases is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "cases"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable file of cases");
        let theme = path.file_stem().unwrap_or_default().to_string_lossy();
        for block in format!("\n{text}").split("\n== ").skip(1) {
            cases.extend(expand(block).iter().map(|text| parse(&theme, text)));
        }
    }
    for (at, case) in cases.iter().enumerate() {
        assert!(
            cases[..at].iter().all(|other| other.name != case.name),
            "two cases are named {:?}",
            case.name
        );
    }
    cases
}

/// Multiplies a block by its `each` lines.
fn expand(block: &str) -> Vec<String> {
    let (each, rest): (Vec<&str>, Vec<&str>) =
        block.lines().partition(|line| line.starts_with("each "));
    let mut texts = vec![rest.join("\n")];
    for line in each {
        let (name, values) = line[5..].split_once('=').expect("each name = a, b");
        let mark = format!("{{{}}}", name.trim());
        texts = texts
            .iter()
            .flat_map(|text| {
                assert!(text.contains(&mark), "{mark} is not used in {text:?}");
                values
                    .split(", ")
                    .map(|value| text.replace(&mark, value.trim()))
            })
            .collect();
    }
    texts
}

fn parse(theme: &str, text: &str) -> Case {
    let mut lines = text.lines();
    let name = format!("{theme}: {}", lines.next().unwrap_or_default().trim());
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        let trimmed = line.trim();
        if trimmed.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("  ") {
            let Some(Action::Request(Request { sdp: Some(sdp), .. })) =
                steps.last_mut().map(|step| &mut step.action)
            else {
                panic!("{name}: nothing to edit for {trimmed:?}");
            };
            sdp.edits.push(edit(trimmed));
            continue;
        }
        steps.push(Step {
            line: trimmed.to_owned(),
            action: action(trimmed),
        });
    }
    Case { name, steps }
}

fn edit(line: &str) -> Edit {
    if line == "eol lf" {
        return Edit::LfOnly;
    }
    let (mark, text) = line.split_at(2);
    match mark {
        "+ " => Edit::Add(text.to_owned()),
        "- " => Edit::Remove(text.to_owned()),
        "~ " => {
            let (old, new) = text.split_once(" -> ").expect("~ old -> new");
            Edit::Substitute(old.to_owned(), new.replace("␍␊", "\r\n"))
        }
        _ => panic!("what edit is {line:?}?"),
    }
}

fn action(line: &str) -> Action {
    let mut cursor = Cursor::new(line);
    let verb = cursor.word();
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| -> i64 { words[at].parse().expect("a number") };
    match verb {
        "socket" => Action::Socket {
            name: words[1].to_owned(),
            ip: words.get(2).map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| {
                ip.trim_matches(['[', ']']).parse().expect("an address")
            }),
        },
        "send" => {
            let (count, payload_type) = words[2].split_once('/').unwrap_or((words[2], "0"));
            Action::Send {
                socket: words[1].to_owned(),
                count: count.parse().expect("few packets"),
                payload_type: payload_type.parse().expect("a payload type"),
                to: target(words[4]),
            }
        }
        "report" => Action::Report {
            socket: words[1].to_owned(),
            reception: Reception {
                fraction_lost: u8::try_from(number(2)).expect("of 256"),
                cumulative_lost: i32::try_from(number(3)).expect("24 bits"),
                jitter_ticks: u32::try_from(number(4)).expect("32 bits"),
            },
            to: target(words[6]),
        },
        "beside" => Action::Beside {
            socket: words[1].to_owned(),
        },
        "hear" => Action::Hear {
            socket: words[1].to_owned(),
        },
        "receive" => Action::Receive {
            socket: words[1].to_owned(),
            count: usize::try_from(number(2)).expect("few packets"),
        },
        "pending" => Action::Pending {
            socket: words[1].to_owned(),
        },
        "ice" => Action::Ice {
            socket: words[1].to_owned(),
            party: Party {
                ufrag: words[2].to_owned(),
                controlling: words[3] == "controlling",
                reaches: words[4].parse().expect("an address"),
            },
            to: target(words[6]),
        },
        "await" => Action::Await {
            call_id: words[1].to_owned(),
            text: words[2..].join(" "),
        },
        "settle" => Action::Settle { packets: number(1) },
        "raw" | "ignored" => {
            cursor.at_end();
            match cursor.value() {
                Value::Bytes(bytes) => Action::Raw {
                    datagram: bytes.into_owned(),
                    ignored: verb == "ignored",
                },
                other => panic!("raw takes a string, not {other:?}"),
            }
        }
        _ => Action::Request(request(Cursor::new(line))),
    }
}

fn target(text: &str) -> Target {
    let mut parts = text.split('.');
    Target {
        reply: parts.next().unwrap_or_default().to_owned(),
        section: parts.next().and_then(|n| n.parse().ok()).expect("O.0"),
        rtcp: parts.next() == Some("rtcp"),
    }
}

fn request(mut cursor: Cursor<'_>) -> Request {
    let json = cursor.take("json ");
    let command = cursor.word().replace('_', " ");
    let mut request = Request {
        json,
        cookie: None,
        call_id: true,
        pairs: vec![(Cow::Borrowed(b"command"), Value::string(command))],
        sdp: None,
        save: None,
    };
    while !cursor.at_end() {
        if cursor.take("-> ") {
            request.save = Some(cursor.word().to_owned());
        } else if cursor.take("@") {
            request.sdp = Some(SdpSource {
                template: cursor.word().to_owned(),
                values: cursor.arguments(),
                edits: Vec::new(),
            });
        } else if cursor.take("+") {
            let feature = Feature::new(cursor.word(), cursor.arguments());
            let sdp = request.sdp.as_mut().expect("an @sdp before");
            sdp.edits.push(Edit::Feature(feature));
        } else if cursor.take("!call-id") {
            request.call_id = false;
        } else {
            let (key, value) = cursor.pair();
            match key.as_ref() {
                b"cookie" => request.cookie = value.as_str().map(str::to_owned),
                b"from" => request.pairs.push((Cow::Borrowed(b"from-tag"), value)),
                b"to" => request.pairs.push((Cow::Borrowed(b"to-tag"), value)),
                b"branch" => request.pairs.push((Cow::Borrowed(b"via-branch"), value)),
                b"call-id" => {
                    request.call_id = false;
                    request.pairs.push((key, value));
                }
                _ => request.pairs.push((key, value)),
            }
        }
    }
    request
}
