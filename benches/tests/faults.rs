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

use benches::CryptoSuite;
use benches::load::Media;
use benches::measure::{Bench, BenchConfig, LoadReport, Phases};
use benches::secure::sdes;
use daemon_rtpengine::ng::bencode;
use daemon_rtpengine::ng::value::Value;
use media_core::buf::Slab;
use media_core::srtp::{MasterKey, Protector, SrtpParams, Unprotector};

const SUITE: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;

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
    /// Sent on as it came: towards SRTP without protection, towards RTP without removing it.
    Forget,
}

/// SRTP of side A at the relay: what it takes off, what it puts on.
type Secure = (Unprotector, Protector, Slab);

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
    let mut calls = HashMap::new();
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
                let text = sdp(&pair[1], None);
                let offer = request.get("sdp").and_then(Value::as_str).unwrap();
                let keys = sdes::answer(offer, SUITE).ok();
                let keys = keys.map(|a| [a, MasterKey::generate(SUITE)]);
                calls.insert(id, (pair, endpoint(&request), keys));
                reply.push("sdp", Value::string(text));
            }
            "answer" => {
                let (pair, a, keys) = calls.remove(&id).unwrap();
                let b = endpoint(&request);
                let crypto = keys.as_ref().map(|[_, own]| sdes::offer(own));
                reply.push("sdp", Value::string(sdp(&pair[0], crypto)));
                let ended = Arc::new(AtomicBool::new(false));
                let threads = [0, 1].map(|side| {
                    let (pair, ended) = (Arc::clone(&pair), Arc::clone(&ended));
                    let keys = keys.clone();
                    let erred = Arc::clone(erred);
                    thread::spawn(move || {
                        // Slabs stay in the thread that made them.
                        let mut secure = keys.map(|[a, own]| {
                            (
                                Unprotector::new(&SrtpParams::new(a)),
                                Protector::new(&SrtpParams::new(own)),
                                Slab::new(2),
                            )
                        });
                        relay(&pair, side, [a, b], fault, &mut secure, &ended, &erred);
                    })
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

fn sdp(socket: &UdpSocket, attribute: Option<String>) -> String {
    let SocketAddr::V4(local) = socket.local_addr().unwrap() else {
        panic!("bound to IPv4");
    };
    let attributes: Vec<String> = attribute.into_iter().collect();
    benches::sdp::write(local, &Media::PCMU, "RTP/AVP", &attributes)
}

fn endpoint(request: &Value<'_>) -> SocketAddr {
    let text = request.get("sdp").and_then(Value::as_str).unwrap();
    benches::sdp::endpoint(text, &Media::PCMU).unwrap().into()
}

/// Carries what arrives on side `side`'s socket to the other party, leaving from the other socket.
fn relay(
    pair: &[UdpSocket; 2],
    side: usize,
    parties: [SocketAddr; 2],
    fault: Fault,
    secure: &mut Option<Secure>,
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
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        let tenth = fault != Fault::None && sequence.is_multiple_of(10);
        erred.fetch_add(u64::from(tenth), Ordering::Relaxed);
        let len = match secure {
            Some(secure) if !(tenth && fault == Fault::Forget) => {
                convert(secure, side, &mut buffer, len)
            }
            _ => len,
        };
        let packet = &mut buffer[..len];
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

/// Makes SRTP of side A plain, and what comes from side B SRTP; returns the new length.
fn convert(secure: &mut Secure, side: usize, buffer: &mut [u8], len: usize) -> usize {
    let (unprotector, protector, slab) = secure;
    let mut packet = slab.allocate().unwrap();
    assert!(packet.fill(&buffer[..len]));
    if side == 0 {
        unprotector.unprotect_rtp(&mut packet).unwrap();
    } else {
        protector.protect_rtp(&mut packet).unwrap();
    }
    buffer[..packet.len()].copy_from_slice(packet.as_slice());
    packet.len()
}

/// Four calls for half a second (400 packets and more), and how many packets the relay erred on.
fn load(fault: Fault, first_port: u16) -> (LoadReport, u64) {
    load_of(None, fault, first_port)
}

fn load_of(srtp: Option<CryptoSuite>, fault: Fault, first_port: u16) -> (LoadReport, u64) {
    load_with(fault, first_port, |config| config.srtp = srtp)
}

/// The same, with parties that say something.
fn load_voices(fault: Fault, first_port: u16) -> (LoadReport, u64) {
    load_with(fault, first_port, |config| config.far = Some(Media::PCMU))
}

fn load_with(
    fault: Fault,
    first_port: u16,
    change: impl FnOnce(&mut BenchConfig),
) -> (LoadReport, u64) {
    let relay = Relay::start(fault);
    let mut config = BenchConfig::new(relay.ng, std::process::id());
    config.first_port = first_port;
    config.sockets = 2;
    change(&mut config);
    // Voices are listened to for 800 ms.
    let measured = if config.far.is_some() { 900 } else { 500 };
    let mut bench = Bench::new(config).unwrap();
    let phases = Phases {
        rampup: Duration::from_millis(100),
        warmup: Duration::from_millis(100),
        measured: Duration::from_millis(measured),
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

#[test]
fn srtp_on_one_side_is_as_faultless_as_rtp() {
    let (report, _) = load_of(Some(SUITE), Fault::None, 30_700);
    let tally = &report.tally;
    assert_eq!((tally.received(), report.faults()), (tally.sent(), 0));
    assert_eq!((tally.reordered(), tally.rewritten), (0, 0));
}

#[test]
fn a_changed_byte_of_srtp_is_unauthentic_and_of_rtp_damage() {
    let (report, erred) = load_of(Some(SUITE), Fault::Damage, 30_800);
    let tally = &report.tally;
    assert!(tally.unauthentic > 0 && tally.damaged > 0);
    assert_eq!(tally.unauthentic + tally.damaged, erred);
}

#[test]
fn a_repeated_srtp_packet_is_a_duplicate() {
    let (report, erred) = load_of(Some(SUITE), Fault::Duplicate, 30_900);
    assert_eq!(report.tally.duplicates(), erred);
    assert_eq!(report.faults(), erred);
}

#[test]
fn what_the_relay_forgets_to_secure_is_unauthentic_and_to_open_damage() {
    let (report, erred) = load_of(Some(SUITE), Fault::Forget, 31_900);
    let tally = &report.tally;
    assert!(tally.unauthentic > 0 && tally.damaged > 0);
    assert_eq!(tally.unauthentic + tally.damaged, erred);
}

#[test]
fn a_voice_that_is_only_relayed_is_heard_as_it_was_said() {
    let (report, _) = load_voices(Fault::None, 32_000);
    let tally = &report.tally;
    assert_eq!((tally.received(), report.faults()), (tally.sent(), 0));
    for stream in &tally.streams {
        let content = stream.content.unwrap();
        assert_eq!((content.lag_us, content.gain_tenth_db), (0, 0));
        assert!(content.similarity_permille > 990, "{content:?}");
    }
    let delay = tally.audio_delay(0.5).unwrap();
    assert!(delay < Duration::from_millis(100), "{delay:?}");
}

#[test]
fn a_voice_with_gaps_is_no_fault_and_its_sound_is_not_judged() {
    let (report, erred) = load_voices(Fault::Drop, 32_100);
    let tally = &report.tally;
    assert!(erred > 0 && tally.received() < tally.sent());
    assert_eq!(report.faults(), 0);
    assert!(tally.streams.iter().all(|s| s.content.is_none()));
    assert_eq!(tally.audio_delay(0.5), None);
}

#[test]
fn a_voice_whose_source_changes_is_discontinuous() {
    let (report, erred) = load_voices(Fault::Rewrite, 32_200);
    let found = report.tally.discontinuous;
    // Each one and the one after it; the first of a stream has none before it.
    assert!(
        found <= 2 * erred && found + 16 >= 2 * erred,
        "{found} of {erred}"
    );
    assert_eq!(report.faults(), found);
}
