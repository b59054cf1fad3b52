//! DTLS as the engine sees it: nothing passes before there are keys, and which handshake counts.

use std::sync::Arc;
use std::time::Duration;

use media_core::dtls::{
    Association, AssociationConfig, Certificate, DtlsFailure, DtlsVersion, HashFunction, Role,
};
use media_core::engine::{
    Agreement, Command, DropReason, DtlsState, DtlsTerms, Event, Handshake, HandshakeStep,
    Protection, SrtpKeys, Verdict,
};
use media_core::srtp::CryptoSuite;
use media_core::testing::packets::RtpStream;
use media_core::testing::start;
use media_core::units::{Now, PayloadType, Ssrc};

use super::bench::{Bench, keys, party, party_of, route, socket, stranger};

const SUITE: CryptoSuite = CryptoSuite::AeadAes128Gcm;

pub(crate) fn handshake(association: u32, role: Option<Role>) -> Handshake {
    let now = Now {
        monotonic: start(),
        unix: Duration::from_secs(1_700_000_000),
    };
    Handshake {
        association,
        role,
        certificate: Certificate::generate(now).unwrap(),
        fingerprints: Vec::new(),
    }
}

fn dtls(handshake: &Handshake) -> Protection {
    Protection::Dtls(Arc::new(handshake.clone()))
}

fn audio() -> RtpStream {
    RtpStream::new(Ssrc::new(1), PayloadType::new(0).unwrap())
}

/// A datagram that passes for DTLS: the header of a handshake record (RFC 7983: first byte 20–63).
pub(crate) fn record() -> Vec<u8> {
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    record.extend([1, 2, 3]);
    record
}

fn ended(association: u32, outcome: Result<&SrtpKeys, DtlsFailure>) -> Command {
    Command::HandshakeEnded {
        socket: socket(0),
        association,
        outcome: outcome.map(|keys| {
            Box::new(Agreement {
                version: DtlsVersion::V1_3,
                role: Role::Passive,
                keys: keys.clone(),
            })
        }),
    }
}

fn steps(bench: &mut Bench) -> Vec<(u32, HandshakeStep)> {
    let steps = bench.events().into_iter().filter_map(|event| match event {
        Event::Handshake(event) => Some((event.handshake.association, event.step)),
        _ => None,
    });
    steps.collect()
}

#[test]
fn media_waits_for_the_keys_and_flows_with_them() {
    let ours = handshake(1, Some(Role::Passive));
    let (mut bench, [counters, _]) = Bench::call([dtls(&ours), Protection::None]);
    assert_eq!(counters.dtls_state(), DtlsState::Waiting);
    assert_eq!(steps(&mut bench), [(1, HandshakeStep::Begin(party(0)))]);
    let mut stream = audio();
    let keys = keys(SUITE);
    let mut secure = party_of(&keys);
    let plain = stream.next_packet();
    let early = secure.protect(&plain);
    bench.refused(0, &early, DropReason::NoKeys);
    bench.refused_from(0, stranger(), &early, DropReason::NoKeys);
    bench.refused(0, &plain, DropReason::NoKeys);
    bench.refused(1, &plain, DropReason::NoKeys);
    assert_eq!(counters.dropped_for(DropReason::NoKeys), 3);
    assert_eq!(bench.receive(0, party(0), &record()), Verdict::Consumed);
    let datagram = HandshakeStep::Datagram(party(0), record().into());
    assert_eq!(steps(&mut bench), [(1, datagram)]);

    assert_eq!(counters.dtls_terms(), None);
    bench.command(ended(1, Ok(&keys)));
    assert_eq!(counters.dtls_state(), DtlsState::Connected);
    let terms = DtlsTerms {
        version: DtlsVersion::V1_3,
        role: Role::Passive,
        suite: SUITE,
    };
    assert_eq!(counters.dtls_terms(), Some(terms));
    let plain = stream.next_packet();
    assert_eq!(bench.relay(0, &secure.protect(&plain)), plain);
    assert_eq!(secure.unprotect(&bench.relay(1, &plain)), Ok(plain));
}

#[test]
fn a_failed_handshake_leaves_the_stream_shut() {
    let ours = handshake(1, Some(Role::Passive));
    let (mut bench, [counters, _]) = Bench::call([dtls(&ours), Protection::None]);
    let failure = DtlsFailure::FingerprintMismatch;
    bench.command(ended(1, Err(failure)));
    assert_eq!(counters.dtls_state(), DtlsState::Failed(failure));
    let plain = audio().next_packet();
    bench.refused(0, &plain, DropReason::NoKeys);
    bench.refused(1, &plain, DropReason::NoKeys);
    // Keys that become void are not used on.
    let keys = keys(SUITE);
    bench.command(ended(1, Ok(&keys)));
    bench.relay(0, &party_of(&keys).protect(&plain));
    bench.command(ended(1, Err(DtlsFailure::Alert(0))));
    bench.refused(1, &plain, DropReason::NoKeys);
}

#[test]
fn an_association_is_kept_while_its_number_is_the_same() {
    let mut ours = handshake(1, None);
    let (mut bench, [counters, _]) = Bench::call([dtls(&ours), Protection::None]);
    assert_eq!(steps(&mut bench), [], "who begins is not known");
    let keys = keys(SUITE);
    let mut secure = party_of(&keys);
    bench.command(ended(1, Ok(&keys)));
    let mut stream = audio();
    let first = secure.protect(&stream.next_packet());
    bench.relay(0, &first);

    // Role and fingerprints become known: the association goes on, and so does the replay window.
    ours.role = Some(Role::Active);
    ours.fingerprints = vec![ours.certificate.fingerprint(HashFunction::Sha256).unwrap()];
    let counters_route = |protection| {
        let mut route = route(0, 1, protection);
        route.counters = Arc::clone(&counters);
        route
    };
    let same = counters_route(dtls(&ours));
    bench.route(0, same.clone());
    let restated = [
        (1, HandshakeStep::Restate),
        (1, HandshakeStep::Begin(party(0))),
    ];
    assert_eq!(steps(&mut bench), restated);
    assert_eq!(counters.dtls_state(), DtlsState::Connected);
    bench.refused(0, &first, DropReason::Replayed);
    bench.relay(0, &secure.protect(&stream.next_packet()));
    bench.route(0, same);
    assert_eq!(steps(&mut bench), [], "nothing has changed");

    // Another association: its handshake begins anew, and the old keys are void.
    ours.association = 2;
    bench.route(0, counters_route(dtls(&ours)));
    let anew = [
        (2, HandshakeStep::Restate),
        (2, HandshakeStep::Begin(party(0))),
    ];
    assert_eq!(steps(&mut bench), anew);
    assert_eq!(counters.dtls_state(), DtlsState::Waiting);
    let late = secure.protect(&stream.next_packet());
    bench.refused(0, &late, DropReason::NoKeys);
    bench.refused(1, &stream.next_packet(), DropReason::NoKeys);

    // What the old one has still to say is of no account.
    bench.command(ended(1, Ok(&keys)));
    bench.command(ended(1, Err(DtlsFailure::Timeout)));
    assert_eq!(counters.dtls_state(), DtlsState::Waiting);
    bench.refused(0, &late, DropReason::NoKeys);
    let new = super::bench::keys(SUITE);
    bench.command(ended(2, Ok(&new)));
    bench.command(ended(1, Err(DtlsFailure::Timeout)));
    assert_eq!(counters.dtls_state(), DtlsState::Connected);
    bench.refused(0, &late, DropReason::NotAuthentic);
    bench.relay(0, &party_of(&new).protect(&audio().next_packet()));
}

#[test]
fn a_stream_that_needs_no_handshake_any_more_ends_it() {
    let ours = handshake(1, Some(Role::Active));
    let (mut bench, _) = Bench::call([dtls(&ours), Protection::None]);
    steps(&mut bench);
    let keys = keys(SUITE);
    bench.route(0, route(0, 1, Protection::Srtp(Arc::new(keys.clone()))));
    assert_eq!(steps(&mut bench), [(1, HandshakeStep::End)]);
    bench.command(ended(1, Ok(&super::bench::keys(SUITE))));
    let plain = audio().next_packet();
    assert_eq!(bench.relay(0, &party_of(&keys).protect(&plain)), plain);
    bench.refused(0, &record(), DropReason::NotMedia);

    bench.route(0, route(0, 1, dtls(&ours)));
    steps(&mut bench);
    bench.command(Command::CloseSockets {
        sockets: vec![socket(0)],
    });
    assert_eq!(steps(&mut bench), [(1, HandshakeStep::End)]);
}

#[test]
fn a_stream_buys_so_much_of_a_handshakes_work_per_second() {
    let ours = handshake(1, Some(Role::Passive));
    let (mut bench, [counters, _]) = Bench::call([dtls(&ours), dtls(&ours)]);
    steps(&mut bench);
    for second in 1..=3 {
        for n in 0..1000 {
            let verdict = bench.receive(0, party(0), &record());
            let within = n < 64;
            assert_eq!(verdict == Verdict::Consumed, within, "{n}");
        }
        assert_eq!(steps(&mut bench).len(), 64);
        assert_eq!(counters.dropped_for(DropReason::NoBuffer), second * 936);
        // The other stream has a budget of its own.
        assert_eq!(bench.receive(1, party(1), &record()), Verdict::Consumed);
        steps(&mut bench);
        bench.now += Duration::from_secs(1);
    }
}

#[test]
fn whoever_begins_from_elsewhere_is_a_stranger() {
    let ours = handshake(1, Some(Role::Passive));
    let (mut bench, _) = Bench::call([dtls(&ours), Protection::None]);
    steps(&mut bench);
    let config = AssociationConfig::new(Role::Active, ours.certificate.clone());
    let mut active = Association::new(config, bench.now).unwrap();
    let hello = active.poll_transmit().unwrap();
    for from in [stranger(), party(0), stranger()] {
        assert_eq!(bench.receive(0, from, &hello), Verdict::Consumed);
        let step = if from == stranger() {
            HandshakeStep::Stranger(from, hello.as_slice().into())
        } else {
            HandshakeStep::Datagram(from, hello.as_slice().into())
        };
        assert_eq!(steps(&mut bench), [(1, step)]);
    }
}

#[test]
fn what_passes_through_is_not_looked_into() {
    let (mut bench, _) = Bench::call([Protection::PassThrough, Protection::PassThrough]);
    let packet = party_of(&keys(SUITE)).protect(&audio().next_packet());
    for packet in [record(), packet] {
        assert_eq!(bench.relay(0, &packet), packet);
    }
    assert_eq!(steps(&mut bench), []);
}
