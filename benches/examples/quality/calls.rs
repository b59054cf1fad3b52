//! Calls between two phones through a daemon, which both sides speak at once.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use benches::daemon::Daemon;
use benches::host;
use benches::ng::Client;
use daemon_rtpengine::ng::value::Value;

use crate::network::Condition;
use crate::phone::{PTIME_MS, Voice};
use crate::speech::Sentence;

/// How long to listen after the last packet was sent.
const REST: Duration = Duration::from_millis(600);

/// A call to be made.
pub(crate) struct Wish<'a> {
    pub(crate) voices: [Voice; 2],
    pub(crate) sentence: &'a Sentence,
    pub(crate) condition: Condition,
    /// Of the network; both sides draw from it.
    pub(crate) seed: u64,
}

/// What one side of a call received.
pub(crate) struct Received {
    /// Packets by arrival, since whatever epoch.
    pub(crate) arrivals: Vec<(Duration, Vec<u8>)>,
    /// Under which payload type its codec comes.
    pub(crate) payload_type: u8,
}

struct Side {
    socket: UdpSocket,
    payload_type: u8,
    daemon: Option<SocketAddrV4>,
    arrivals: Vec<(Duration, Vec<u8>)>,
}

/// Makes all calls at once and returns what each side received.
pub(crate) fn make(daemon: &Daemon, wishes: &[Wish<'_>]) -> Result<Vec<[Received; 2]>> {
    let mut client = Client::connect(daemon.ng(), "quality")?;
    let mut sides = Vec::new();
    for (n, wish) in wishes.iter().enumerate() {
        let [a, b] =
            establish(&mut client, &format!("quality-{n}"), &wish.voices).with_context(|| {
                format!(
                    "{}: {}",
                    wish.voices.map(|v| v.name).join(" and "),
                    daemon.log_tail()
                )
            })?;
        sides.extend([a, b]);
    }
    let mut sends = Vec::new();
    for (n, side) in sides.iter().enumerate() {
        let wish = &wishes[n / 2];
        let voice = &wish.voices[n % 2];
        let packets = voice.speak(wish.sentence, side.payload_type, wish.condition)?;
        let seed = wish.seed * 2 + n as u64 % 2;
        let fates = wish.condition.fates(packets.len(), seed);
        // Phones are not in step with each other.
        let offset = Duration::from_micros(PTIME_MS * 1000 * n as u64 / sides.len() as u64);
        for (k, (packet, fate)) in (0_u32..).zip(packets.into_iter().zip(fates)) {
            if let Some(delay) = fate {
                let due = offset + Duration::from_millis(PTIME_MS) * k + delay;
                sends.push((due, n, packet));
            }
        }
    }
    // Stable: what leaves at one time leaves in the order of speaking.
    sends.sort_by_key(|send| send.0);
    exchange(&mut sides, sends)?;
    for n in 0..wishes.len() {
        let mut request = request("delete", &format!("quality-{n}"));
        request.push("delete delay", Value::Int(0));
        client.ask(&request)?.accepted()?;
    }
    let mut received = sides.into_iter().map(|side| Received {
        arrivals: side.arrivals,
        payload_type: side.payload_type,
    });
    let mut calls = Vec::new();
    while let (Some(a), Some(b)) = (received.next(), received.next()) {
        calls.push([a, b]);
    }
    Ok(calls)
}

/// Sends what is due and takes what comes.
fn exchange(sides: &mut [Side], sends: Vec<(Duration, usize, Vec<u8>)>) -> Result<()> {
    let _preferred = host::Preference::begin();
    host::sharpen_timers();
    let begin = Instant::now();
    let end = sends.last().map_or(Duration::ZERO, |send| send.0) + REST;
    let mut sends = sends.into_iter().peekable();
    let mut buffer = [0; 2048];
    loop {
        let now = begin.elapsed();
        while let Some((_, side, packet)) = sends.next_if(|send| send.0 <= now) {
            let side = &sides[side];
            let to = side.daemon.context("invariant: an answered call")?;
            side.socket.send_to(&packet, to)?;
        }
        if now > end {
            return Ok(());
        }
        let next = sends.peek().map_or(end, |send| send.0);
        let wait = next
            .saturating_sub(begin.elapsed())
            .max(Duration::from_micros(1));
        let readable = {
            let fds: Vec<_> = sides.iter().map(|side| side.socket.as_fd()).collect();
            host::wait_readable(&fds, wait)?
        };
        let at = begin.elapsed();
        for (side, readable) in sides.iter_mut().zip(readable) {
            while readable && let Ok(len) = side.socket.recv(&mut buffer) {
                side.arrivals.push((at, buffer[..len].to_vec()));
            }
        }
    }
}

fn establish(client: &mut Client, id: &str, voices: &[Voice; 2]) -> Result<[Side; 2]> {
    let side = |voice: &Voice| -> Result<Side> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Side {
            socket,
            payload_type: voice.payload_type,
            daemon: None,
            arrivals: Vec::new(),
        })
    };
    let [mut a, mut b] = [side(&voices[0])?, side(&voices[1])?];

    let mut codec = Value::dict();
    codec
        .push("mask", Value::List(vec![Value::str(voices[0].name)]))
        .push("transcode", Value::List(vec![Value::str(voices[1].name)]));
    let mut offer = request("offer", id);
    offer
        .push("sdp", Value::string(description(&a, &voices[0])?))
        .push("codec", codec)
        .push("ICE", Value::str("remove"));
    let document = client.ask(&offer)?;
    let reply = document.accepted()?;
    let text = reply.get("sdp").and_then(Value::as_str).context("no SDP")?;
    b.daemon = Some(endpoint(text)?);
    b.payload_type = number_of(text, &voices[1])?;

    let mut answer = request("answer", id);
    answer
        .push("to-tag", Value::str("B"))
        .push("sdp", Value::string(description(&b, &voices[1])?))
        .push("ICE", Value::str("remove"));
    let document = client.ask(&answer)?;
    let reply = document.accepted()?;
    let text = reply.get("sdp").and_then(Value::as_str).context("no SDP")?;
    a.daemon = Some(endpoint(text)?);
    a.payload_type = number_of(text, &voices[0])?;
    Ok([a, b])
}

fn request<'a>(command: &'a str, id: &str) -> Value<'a> {
    let mut request = Value::dict();
    request
        .push("command", Value::str(command))
        .push("call-id", Value::string(id.to_owned()))
        .push("from-tag", Value::str("A"));
    request
}

fn description(side: &Side, voice: &Voice) -> Result<String> {
    let port = side.socket.local_addr()?.port();
    let number = side.payload_type;
    let fmtp = match voice.fmtp {
        "" => String::new(),
        fmtp => format!("a=fmtp:{number} {fmtp}\r\n"),
    };
    Ok(format!(
        "v=0\r\no=quality 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {number}\r\na=rtpmap:{number} {}\r\n{fmtp}a=ptime:{PTIME_MS}\r\n\
         a=sendrecv\r\n",
        voice.rtpmap
    ))
}

/// Where the daemon wants packets.
fn endpoint(text: &str) -> Result<SocketAddrV4> {
    let line = text.lines().find_map(|line| line.strip_prefix("m=audio "));
    let port = line.and_then(|line| line.split(' ').next()?.parse().ok());
    match port {
        Some(port) if port != 0 => Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
        _ => bail!("no port in {text:?}"),
    }
}

/// The payload type of a codec that the daemon shows, which must be the only one.
fn number_of(text: &str, voice: &Voice) -> Result<u8> {
    let mut shown = text.lines().filter_map(|line| {
        let (number, map) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        Some((number.parse().ok()?, map.trim_end()))
    });
    match (shown.next(), shown.next()) {
        (Some((number, map)), None) if map.eq_ignore_ascii_case(voice.rtpmap) => Ok(number),
        _ => bail!("not {} alone in {text:?}", voice.name),
    }
}
