//! DTLS-SRTP over real loopback sockets: the drivers' handshake threads against the other end of DTLS.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{DEADLINE, Relayed, call, protected_call, rtp, start};
use media_core::buf::{PacketBuf, Slab};
use media_core::driver::{Driver, IoChoice};
use media_core::dtls::{
    Association, AssociationConfig, Certificate, DtlsEvent, DtlsFailure, Fingerprint, HashFunction,
    KeyingMaterial, Role,
};
use media_core::engine::{Command, DropReason, DtlsState, Handshake, Protection, SocketOptions};
use media_core::srtp::{MasterKey, Protector, SrtpParams, Unprotector};
use media_core::testing::Rng;
use media_core::units::{CallKey, ShardId};

const TICK: Duration = Duration::from_millis(1);
const SHARD: ShardId = ShardId::new(0);

/// RFC 6347 §4.3.2.
const HELLO_VERIFY_REQUEST: u8 = 3;

fn certificate() -> Certificate {
    Certificate::generate(Driver::now()).unwrap()
}

fn fingerprint(certificate: &Certificate) -> Fingerprint {
    certificate.fingerprint(HashFunction::Sha256).unwrap()
}

/// How our side shakes hands with whoever has `theirs`.
fn dtls(role: Option<Role>, ours: &Certificate, theirs: &Certificate) -> Protection {
    Protection::Dtls(Arc::new(Handshake {
        association: 1,
        role,
        certificate: ours.clone(),
        fingerprints: vec![fingerprint(theirs)],
    }))
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

/// A DTLS endpoint on a socket of its own.
struct Party<'a> {
    association: Association,
    socket: &'a UdpSocket,
    to: SocketAddr,
}

impl<'a> Party<'a> {
    /// `ours` is the driver's certificate.
    fn new(
        role: Role,
        own: &Certificate,
        ours: &Certificate,
        socket: &'a UdpSocket,
        to: SocketAddr,
    ) -> Self {
        let config = AssociationConfig {
            remote_fingerprints: vec![fingerprint(ours)],
            verify_address: false,
            ..AssociationConfig::new(role, own.clone())
        };
        let association = Association::new(config, Instant::now()).unwrap();
        Self {
            association,
            socket,
            to,
        }
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.association.poll_transmit() {
            self.socket.send_to(&datagram, self.to).unwrap();
        }
    }

    /// Shakes hands until something comes of it.
    fn run(&mut self) -> DtlsEvent {
        let until = Instant::now() + 2 * DEADLINE;
        let mut buffer = [0; 2048];
        let wait = Some(Duration::from_millis(20));
        self.socket.set_read_timeout(wait).unwrap();
        while Instant::now() < until {
            self.flush();
            if let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                let now = Instant::now();
                self.association.handle_datagram(now, &buffer[..n]);
            }
            let now = Instant::now();
            if self.association.poll_timeout().is_some_and(|at| at <= now) {
                self.association.handle_timeout(now);
            }
            if let Some(event) = self.association.poll_event() {
                self.flush();
                self.socket.set_read_timeout(Some(DEADLINE)).unwrap();
                return event;
            }
        }
        panic!("the handshake does not end");
    }

    fn connect(&mut self) -> Srtp {
        match self.run() {
            DtlsEvent::Connected { keys, .. } => Srtp::new(&keys),
            event => panic!("{event:?}"),
        }
    }
}

/// What a party does with its keys.
struct Srtp {
    protector: Protector,
    unprotector: Unprotector,
    packet: PacketBuf,
}

impl Srtp {
    fn new(keys: &KeyingMaterial) -> Self {
        let params = |key: &[u8], salt: &[u8]| {
            let bytes = [key, salt].concat();
            SrtpParams::new(MasterKey::new(keys.suite(), &bytes).unwrap())
        };
        Self {
            protector: Protector::new(&params(keys.local_key(), keys.local_salt())),
            unprotector: Unprotector::new(&params(keys.remote_key(), keys.remote_salt())),
            packet: Slab::new(1).allocate().unwrap(),
        }
    }

    fn protect(&mut self, plain: &[u8]) -> Vec<u8> {
        assert!(self.packet.fill(plain));
        self.protector.protect_rtp(&mut self.packet).unwrap();
        self.packet.as_slice().to_vec()
    }

    fn unprotect(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert!(self.packet.fill(bytes));
        self.unprotector.unprotect_rtp(&mut self.packet).unwrap();
        self.packet.as_slice().to_vec()
    }
}

fn wait_for_keys(call: &Relayed) {
    wait_until("no keys", || {
        call.counters[0].dtls_state() == DtlsState::Connected
    });
}

/// Media flows between the SRTP party of side 0 and the plain one of side 1.
fn flows(call: &Relayed, srtp: &mut Srtp, seqs: std::ops::Range<u16>) {
    for seq in seqs {
        let plain = rtp(seq, &[7; 160]);
        call.send(0, &srtp.protect(&plain));
        assert_eq!(call.receive(1), plain);
        call.send(1, &plain);
        assert_eq!(srtp.unprotect(&call.receive(0)), plain);
    }
}

/// The process's memory, KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

on_both_drivers! {
    fn a_client_connects_and_srtp_flows(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        // `None`: our offer left it to the party, whose hello comes before its answer.
        for (key, role) in [(1, Some(Role::Passive)), (2, None)] {
            let (ours, theirs) = (certificate(), certificate());
            let protections = [dtls(role, &ours, &theirs), Protection::None];
            let call = protected_call(&*driver.plane(), SHARD, key, [false; 2], protections);
            let mut party = Party::new(Role::Active, &theirs, &ours, &call.peers[0], call.local[0]);
            let mut srtp = party.connect();
            wait_for_keys(&call);
            flows(&call, &mut srtp, 0..50);
        }
    }

    fn we_are_the_client_and_srtp_flows(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let (ours, theirs) = (certificate(), certificate());
        let protections = [dtls(Some(Role::Active), &ours, &theirs), Protection::None];
        let call = protected_call(&*driver.plane(), SHARD, 1, [false; 2], protections);
        let mut party = Party::new(Role::Passive, &theirs, &ours, &call.peers[0], call.local[0]);
        let mut srtp = party.connect();
        wait_for_keys(&call);
        flows(&call, &mut srtp, 0..50);
    }

    fn two_dtls_sides_are_bridged(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let (ours, theirs) = (certificate(), certificate());
        let protection = dtls(Some(Role::Passive), &ours, &theirs);
        let protections = [protection.clone(), protection];
        let call = protected_call(&*driver.plane(), SHARD, 1, [false; 2], protections);
        let mut srtp = [0, 1].map(|side| {
            Party::new(Role::Active, &theirs, &ours, &call.peers[side], call.local[side]).connect()
        });
        wait_for_keys(&call);
        wait_until("no keys", || call.counters[1].dtls_state() == DtlsState::Connected);
        for seq in 0..20 {
            let plain = rtp(seq, &[seq as u8; 160]);
            for (from, to) in [(0, 1), (1, 0)] {
                call.send(from, &srtp[from].protect(&plain));
                assert_eq!(srtp[to].unprotect(&call.receive(to)), plain);
            }
        }
    }

    fn a_wrong_fingerprint_lets_nothing_pass(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let (ours, theirs, others) = (certificate(), certificate(), certificate());
        for (key, role) in [(1, Role::Passive), (2, Role::Active)] {
            let protections = [dtls(Some(role), &ours, &others), Protection::None];
            let call = protected_call(&*driver.plane(), SHARD, key, [false; 2], protections);
            let peer = &call.peers[0];
            let mut party = Party::new(role.opposite(), &theirs, &ours, peer, call.local[0]);
            let event = party.run();
            let failed = DtlsState::Failed(DtlsFailure::FingerprintMismatch);
            wait_until("not failed", || call.counters[0].dtls_state() == failed);
            // Where the party was told of keys before of the failure, it may even use them.
            let packet = match event {
                DtlsEvent::Connected { keys, .. } => Srtp::new(&keys).protect(&rtp(1, b"x")),
                _ => rtp(1, b"x"),
            };
            call.send(0, &packet);
            call.send(1, &rtp(1, b"x"));
            for counters in &call.counters {
                wait_until("not dropped", || counters.dropped_for(DropReason::NoKeys) == 1);
                assert_eq!(counters.packets_sent.get(), 0);
            }
            call.peers[1].set_nonblocking(true).unwrap();
            assert!(call.peers[1].recv(&mut [0; 64]).is_err());
        }
    }

    fn strangers_who_shake_hands_first_do_not_keep_the_party_out(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let (ours, theirs, others) = (certificate(), certificate(), certificate());
        let protections = [dtls(Some(Role::Passive), &ours, &theirs), Protection::None];
        let call = protected_call(&*driver.plane(), SHARD, 1, [false; 2], protections);
        // One begins and falls silent, one goes all the way with another certificate.
        let strangers = [common::peer(false), common::peer(false)];
        Party::new(Role::Active, &others, &ours, &strangers[0], call.local[0]).flush();
        // It is to show that it receives before it gets more than it has sent.
        let mut answer = [0; 2048];
        let len = strangers[0].recv(&mut answer).unwrap();
        assert!(len < 100 && answer[13] == HELLO_VERIFY_REQUEST, "{len} bytes");
        Party::new(Role::Active, &others, &ours, &strangers[1], call.local[0]).run();
        let mut party = Party::new(Role::Active, &theirs, &ours, &call.peers[0], call.local[0]);
        party.flush();
        // And one in the middle of it.
        Party::new(Role::Active, &others, &ours, &strangers[1], call.local[0]).flush();
        let mut srtp = party.connect();
        wait_for_keys(&call);
        flows(&call, &mut srtp, 0..20);
        // Once there are keys, nobody begins anew.
        Party::new(Role::Active, &others, &ours, &strangers[0], call.local[0]).flush();
        flows(&call, &mut srtp, 20..40);
        assert_eq!(call.counters[0].dtls_state(), DtlsState::Connected);
    }

    fn a_thousand_half_open_calls_disturb_nobody(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (ours, theirs) = (certificate(), certificate());
        let protection = dtls(Some(Role::Passive), &ours, &theirs);
        let bystander = call(&*plane, SHARD, 1, [false; 2]);
        let caller = common::peer(false);
        let subnet = if io == IoChoice::Uring { 10 } else { 11 };
        let before = resident_kib();
        for n in 0..1000_u16 {
            let [high, low] = n.to_be_bytes();
            let local = SocketAddr::from(([127, subnet, high, low.max(1)], 20_000 + n));
            let socket = plane.bind(SHARD, local, SocketOptions::default()).unwrap();
            let call = CallKey::new(1000 + u64::from(n));
            let mut route = common::route(call, caller.local_addr().unwrap());
            route.protection = protection.clone();
            plane.commands(SHARD, vec![Command::Route { socket, route: Box::new(route) }]);
            // Nothing but a ClientHello, and that from three places.
            for _ in 0..3 {
                Party::new(Role::Active, &theirs, &ours, &caller, local).flush();
            }
            if n % 10 == 0 {
                bystander.send(0, &rtp(n, b"undisturbed"));
                assert_eq!(bystander.receive(1), rtp(n, b"undisturbed"));
            }
        }
        let call = protected_call(&*plane, SHARD, 2, [false; 2], [protection, Protection::None]);
        let mut party = Party::new(Role::Active, &theirs, &ours, &call.peers[0], call.local[0]);
        let mut srtp = party.connect();
        wait_for_keys(&call);
        flows(&call, &mut srtp, 0..50);
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 200 * 1024, "{grown} KiB for 1000 half-open calls");
        assert!(driver.is_alive());
    }

    fn a_flood_of_junk_does_no_harm(io: IoChoice) {
        let Some(driver) = start(io, 1, TICK) else { return };
        let plane = driver.plane();
        let (ours, theirs) = (certificate(), certificate());
        let protections = [dtls(Some(Role::Passive), &ours, &theirs), Protection::None];
        let call = protected_call(&*plane, SHARD, 1, [false; 2], protections);
        let flooder = common::peer(false);
        let mut rng = Rng::new(7);
        let mut junk = [0; 400];
        let before = resident_kib();
        let mut flood = |packets: u32| {
            for _ in 0..packets {
                let len = 1 + rng.below(399) as usize;
                rng.fill(&mut junk[..len]);
                // As STUN and as DTLS is told (RFC 7983), with good headers now and then.
                junk[0] = [rng.below(4) as u8, 20 + rng.below(44) as u8][rng.below(2) as usize];
                if rng.chance(0.5) && len >= 8 {
                    junk[1..8].copy_from_slice(&[0xfe, 0xfd, 0, 0, 0x21, 0x12, 0xa4]);
                }
                flooder.send_to(&junk[..len], call.local[0]).unwrap();
            }
        };
        flood(50_000);
        let mut party = Party::new(Role::Active, &theirs, &ours, &call.peers[0], call.local[0]);
        let mut srtp = party.connect();
        wait_for_keys(&call);
        flows(&call, &mut srtp, 0..10);
        flood(50_000);
        wait_until("the flood does not end", || {
            call.counters[0].dropped_for(DropReason::WrongSource) > 0
                && call.counters[0].dropped_for(DropReason::NotMedia) > 0
        });
        // What the flood has left in the kernel's queue comes first, and may fill it.
        let mut seq = 10;
        wait_until("nothing passes any more", || {
            let plain = rtp(seq, b"still here");
            seq += 1;
            call.send(0, &srtp.protect(&plain));
            let wait = Some(Duration::from_millis(20));
            call.peers[1].set_read_timeout(wait).unwrap();
            call.peers[1].recv(&mut [0; 64]).is_ok()
        });
        assert_eq!(call.counters[0].dtls_state(), DtlsState::Connected);
        assert_eq!(driver.shard_counters()[0].panics.get(), 0);
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 200 * 1024, "{grown} KiB for a flood");
    }
}
