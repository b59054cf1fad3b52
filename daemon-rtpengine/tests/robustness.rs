//! The daemon under fire, and over a long time: no crash, no lost call, nothing left behind.

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::bencode;

use support::call::{Call, relay, request, sdp};
use support::daemon::{Daemon, Program};
use support::ng::text;
use support::process::TempDir;
use support::wait_for;

/// Datagrams thrown at the daemon.
const HOSTILE: u32 = 1_000_000;
/// Offer, answer and delete, this many times.
const CYCLES: u32 = 20_000;

/// A small generator (xorshift64*), seeded so that a failure comes back.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % n
    }
    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Datagrams that look like what each port expects, less a few bits.
fn hostile(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match random.below(4) {
        0 => (0..random.below(200)).map(|_| random.byte()).collect(),
        _ => seeds[random.below(seeds.len())].clone(),
    };
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.byte(),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, random.byte()),
        }
    }
    bytes
}

fn media_seeds() -> Vec<Vec<u8>> {
    let mut rtp = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9];
    rtp.resize(172, 0xd5);
    let mut extended = rtp.clone();
    extended[0] = 0xb5;
    let stun = [
        0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x80, 0x28, 0,
        4, 1, 2, 3, 4,
    ];
    let dtls = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0];
    let report = [
        0x81, 200, 0, 12, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1,
    ];
    vec![
        rtp,
        extended,
        stun.to_vec(),
        dtls.to_vec(),
        report.to_vec(),
        vec![],
        vec![0xd5; 1500],
    ]
}

fn ng_seeds() -> Vec<Vec<u8>> {
    let text = sdp(40_000);
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for command in [
        "ping",
        "offer",
        "answer",
        "delete",
        "query",
        "list",
        "statistics",
        "block media",
    ] {
        let mut document = b"cookie ".to_vec();
        bencode::encode(&request(command, "hostile", Some(&text)), &mut document);
        documents.push(document);
    }
    documents.push(
        br#"c {"command":"offer","call-id":"hostile-json","from-tag":"x","sdp":"v=0"}"#.to_vec(),
    );
    documents.push([b"c ".as_slice(), &[b'l'; 3000]].concat());
    documents
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .expect("a VmRSS line");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .expect("a number")
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the daemon runs")
        .count()
}

fn start(name: &str, ports: u16, extra: &[&str], dir: &TempDir) -> Daemon {
    let mut arguments = vec![
        "--interface=127.0.0.1",
        "--endpoint-learning=immediate",
        "--log-level=4",
    ];
    arguments.extend_from_slice(extra);
    Daemon::start(&Program::under_test(), name, ports, &arguments, dir)
}

#[test]
fn a_million_hostile_datagrams_cost_no_call() {
    let dir = TempDir::new("hostile");
    let mut daemon = start("hostile", 400, &["--max-sessions=60"], &dir);
    let client = daemon.client();
    let mut calls: Vec<Call> = (0..10)
        .map(|n| Call::new(&client, &format!("good-{n}")))
        .collect();
    for call in &mut calls {
        call.talks();
    }
    let before = resident_kb(daemon.id());

    let thrower = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
    let (ng, media) = (ng_seeds(), media_seeds());
    let mut random = Random(0x5eed_2026);
    let control = daemon.control();
    // RTP and RTCP ports of both sides.
    let targets: Vec<SocketAddr> = calls
        .iter()
        .flat_map(|c| c.daemon)
        .flat_map(|a| [a, SocketAddr::from((Ipv4Addr::LOCALHOST, a.port() + 1))])
        .collect();
    for n in 0..HOSTILE {
        let (to, bytes) = if n % 4 == 0 {
            (control, hostile(&mut random, &ng))
        } else {
            (
                targets[random.below(targets.len())],
                hostile(&mut random, &media),
            )
        };
        // A full queue is the kernel's answer, not a failure.
        let _ = thrower.send_to(&bytes, to);
        if n % 1_000 == 999 {
            // Paces the fire, so that it is handled and not just dropped by the kernel.
            assert!(client.pings(support::PATIENCE), "{}", daemon.log_tail());
        }
        if n % 100_000 == 99_999 {
            for call in &mut calls {
                call.talks();
            }
        }
    }

    assert!(daemon.is_alive(), "{}", daemon.log_tail());
    for call in &mut calls {
        call.talks();
        let report = client.request(&request("query", &call.id, None));
        assert_eq!(text(&report, "result"), "ok", "{} is gone", call.id);
    }
    let grown = resident_kb(daemon.id()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} kB more than before");
}

#[test]
fn twenty_thousand_calls_leave_nothing_behind() {
    let dir = TempDir::new("soak");
    let daemon = start("soak", 400, &["--delete-delay=0"], &dir);
    let client = daemon.client();
    let mut cycle = |n: u32| {
        let id = format!("soak-{n}");
        relay(&client.request(&request("offer", &id, Some(&sdp(40_000)))));
        relay(&client.request(&request("answer", &id, Some(&sdp(40_002)))));
        let reply = client.request(&request("delete", &id, None));
        assert_eq!(text(&reply, "result"), "ok");
        // Sockets are closed behind the reply. That media threads go before requests makes it unlikely
        // that requests outrun them on a busy machine, but does not exclude it; that 50 calls need no
        // more than half of the ports does.
        if n % 50 == 49 {
            daemon.await_bound_media_ports(0);
        }
    };
    // What is allocated once is allocated now.
    (0..1_000).for_each(&mut cycle);
    let (memory, files) = (resident_kb(daemon.id()), descriptors(daemon.id()));
    (1_000..CYCLES).for_each(&mut cycle);
    wait_for("the descriptors of all calls", || {
        (descriptors(daemon.id()) <= files).then_some(())
    });
    let grown = resident_kb(daemon.id()).saturating_sub(memory);
    // Replies are kept for a minute in case their request comes again: that is the cache, not a leak.
    assert!(grown < 80 * 1024, "{grown} kB more after {CYCLES} calls");
}

#[test]
fn exhausted_ports_are_refused_exactly_and_come_back() {
    let dir = TempDir::new("exhaust");
    let daemon = start("exhaust", 100, &["--delete-delay=0"], &dir);
    let client = daemon.client();
    let mut ids = Vec::new();
    let refusal = loop {
        assert!(ids.len() < 200, "100 ports cannot carry 200 calls");
        let id = format!("exhaust-{}", ids.len());
        let reply = client.request(&request("offer", &id, Some(&sdp(40_000))));
        if text(&reply, "result") != "ok" {
            break text(&reply, "error-reason").to_owned();
        }
        ids.push(id);
    };
    assert_eq!(refusal, "Ran out of ports");
    // Four ports a call, and none lost to the call that was refused.
    let usable = usize::from(daemon.ports().last() - daemon.ports().first() - 1);
    assert_eq!(ids.len(), usable / 4);
    daemon.await_bound_media_ports(ids.len() * 4);
    for id in &ids {
        client.request(&request("delete", id, None));
    }
    let began = Instant::now();
    daemon.await_bound_media_ports(0);
    assert!(began.elapsed() < Duration::from_secs(5));
    for n in 0..ids.len() {
        relay(&client.request(&request("offer", &format!("again-{n}"), Some(&sdp(40_000)))));
    }
}
