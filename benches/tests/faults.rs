//! The generator against a relay that errs on purpose: what it counts is what was done.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper fails by panicking, too"
)]

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use benches::measure::{Bench, BenchConfig, LoadReport, Phases};
use daemon_rtpengine::ng::bencode;
use daemon_rtpengine::ng::value::Value;

/// How the relay treats each tenth packet of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Drop,
    Duplicate,
    /// Held back until its successor is gone.
    Swap,
    /// One payload byte changed.
    Damage,
    /// Sent back to where it came from.
    Misroute,
    /// SSRC changed.
    Rewrite,
}

/// A daemon just good enough for [`Bench`]: one thread for NG, one for each socket.
struct Relay {
    ng: SocketAddr,
    stop: Arc<AtomicBool>,
    erred: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    fn start(fault: Fault) -> Self {
        let socket = bind();
        let ng = socket.local_addr().unwrap();
        let (stop, erred) = (Arc::default(), Arc::default());
        let state = (Arc::clone(&stop), Arc::clone(&erred));
        let thread = thread::spawn(move || serve(&socket, fault, &state.0, &state.1));
        Self {
            ng,
            stop,
            erred,
            threads: vec![thread],
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    socket
}

fn serve(socket: &UdpSocket, fault: Fault, stop: &Arc<AtomicBool>, erred: &Arc<AtomicU64>) {
    let mut calls: HashMap<Vec<u8>, (Arc<[UdpSocket; 2]>, SocketAddr)> = HashMap::new();
    let mut relays = HashMap::new();
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let space = buffer[..len].iter().position(|&c| c == b' ').unwrap();
        let (request, _) = bencode::decode(&buffer[space + 1..len]).unwrap();
        let mut reply = Value::dict();
        reply.push("result", Value::str("ok"));
        let id = request.get("call-id").and_then(Value::as_bytes);
        let id = id.unwrap_or_default().to_vec();
        match request.get("command").and_then(Value::as_str).unwrap() {
            "offer" => {
                let pair = Arc::new([bind(), bind()]);
                let text = sdp(&pair[1]);
                calls.insert(id, (pair, endpoint(&request)));
                reply.push("sdp", Value::string(text));
            }
            "answer" => {
                let (pair, a) = calls.remove(&id).unwrap();
                let b = endpoint(&request);
                reply.push("sdp", Value::string(sdp(&pair[0])));
                let ended = Arc::new(AtomicBool::new(false));
                let threads = [0, 1].map(|side| {
                    let (pair, ended) = (Arc::clone(&pair), Arc::clone(&ended));
                    let erred = Arc::clone(erred);
                    thread::spawn(move || relay(&pair, side, [a, b], fault, &ended, &erred))
                });
                relays.insert(id, (ended, threads));
            }
            "delete" => {
                let (ended, threads): (Arc<AtomicBool>, [JoinHandle<()>; 2]) =
                    relays.remove(&id).unwrap();
                ended.store(true, Ordering::Relaxed);
                for thread in threads {
                    thread.join().unwrap();
                }
            }
            "list" => {
                reply.push("calls", Value::List(Vec::new()));
            }
            other => panic!("unexpected {other}"),
        }
        let mut datagram = buffer[..=space].to_vec();
        bencode::encode(&reply, &mut datagram);
        socket.send_to(&datagram, peer).unwrap();
    }
}

fn sdp(socket: &UdpSocket) -> String {
    let port = socket.local_addr().unwrap().port();
    format!("v=0\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

fn endpoint(request: &Value<'_>) -> SocketAddr {
    let text = request.get("sdp").and_then(Value::as_str).unwrap();
    let media = benches::load::Media::PCMU;
    benches::sdp::endpoint(text, &media).unwrap().into()
}

/// Carries what arrives on side `side`'s socket to the other party, leaving from the other socket.
fn relay(
    pair: &[UdpSocket; 2],
    side: usize,
    parties: [SocketAddr; 2],
    fault: Fault,
    ended: &AtomicBool,
    erred: &AtomicU64,
) {
    let mut buffer = [0; 2048];
    let mut held: Option<Vec<u8>> = None;
    let (out, to) = (&pair[1 - side], parties[1 - side]);
    while !ended.load(Ordering::Relaxed) {
        let Ok((len, _)) = pair[side].recv_from(&mut buffer) else {
            continue;
        };
        let packet = &mut buffer[..len];
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let tenth = fault != Fault::None && sequence.is_multiple_of(10);
        erred.fetch_add(u64::from(tenth), Ordering::Relaxed);
        match fault {
            Fault::Drop if tenth => continue,
            Fault::Swap if tenth => {
                held = Some(packet.to_vec());
                continue;
            }
            Fault::Misroute if tenth => {
                pair[side].send_to(packet, parties[side]).unwrap();
                continue;
            }
            Fault::Duplicate if tenth => {
                out.send_to(packet, to).unwrap();
            }
            Fault::Damage if tenth => packet[100] ^= 1,
            Fault::Rewrite if tenth => packet[8] ^= 1,
            _ => {}
        }
        out.send_to(packet, to).unwrap();
        if let Some(late) = held.take() {
            out.send_to(&late, to).unwrap();
        }
    }
}

/// Four calls for half a second (400 packets and more), and how many packets the relay erred on.
fn load(fault: Fault, first_port: u16) -> (LoadReport, u64) {
    let relay = Relay::start(fault);
    let mut config = BenchConfig::new(relay.ng, std::process::id());
    config.first_port = first_port;
    config.sockets = 2;
    let mut bench = Bench::new(config).unwrap();
    let phases = Phases {
        rampup: Duration::from_millis(100),
        warmup: Duration::from_millis(100),
        measured: Duration::from_millis(500),
    };
    let report = bench.load(4, phases, |_, _| ()).unwrap();
    (report, relay.erred.load(Ordering::Relaxed))
}

#[test]
fn a_faultless_relay_is_found_faultless() {
    let (report, _) = load(Fault::None, 30_000);
    let tally = &report.tally;
    assert_eq!(tally.streams.len(), 8);
    // 50 packets/s for half a second, give or take one at the edges.
    assert!(tally.streams.iter().all(|s| (24..=26).contains(&s.sent)));
    assert_eq!((tally.received(), report.faults()), (tally.sent(), 0));
    assert_eq!((tally.reordered(), tally.rewritten), (0, 0));
    assert!(report.latency(0.5) > Duration::ZERO);
    assert!(report.latency(0.5) < Duration::from_millis(500));
}

#[test]
fn dropped_packets_are_lost_and_nothing_else() {
    let (report, erred) = load(Fault::Drop, 30_100);
    let tally = &report.tally;
    let lost = tally.sent() - tally.received();
    assert!(lost > 0 && lost <= erred, "{lost} of {erred}");
    assert!((0.05..0.15).contains(&tally.loss()), "{}", tally.loss());
    assert_eq!((report.faults(), tally.reordered()), (0, 0));
}

#[test]
fn repeated_packets_are_duplicates_and_counted_once() {
    let (report, erred) = load(Fault::Duplicate, 30_200);
    assert_eq!(report.tally.duplicates(), erred);
    assert_eq!(report.faults(), erred);
    assert_eq!(report.tally.received(), report.tally.sent());
}

#[test]
fn swapped_packets_are_reordered_and_not_lost() {
    let (report, erred) = load(Fault::Swap, 30_300);
    let reordered = report.tally.reordered();
    // A packet held back when the call ended never came.
    assert!(
        reordered <= erred && reordered + 8 >= erred,
        "{reordered} of {erred}"
    );
    assert_eq!(report.tally.received(), report.tally.sent());
    assert_eq!(report.faults(), 0);
}

#[test]
fn a_changed_byte_is_damage() {
    let (report, erred) = load(Fault::Damage, 30_400);
    assert_eq!(report.tally.damaged, erred);
    assert!(report.tally.received() < report.tally.sent());
}

#[test]
fn a_packet_sent_back_is_misrouted() {
    let (report, erred) = load(Fault::Misroute, 30_500);
    assert_eq!(report.tally.misrouted, erred);
    assert!(report.tally.received() < report.tally.sent());
}

#[test]
fn a_changed_header_is_noticed_but_no_fault() {
    let (report, erred) = load(Fault::Rewrite, 30_600);
    assert_eq!(report.tally.rewritten, erred);
    assert_eq!(report.faults(), 0);
}
