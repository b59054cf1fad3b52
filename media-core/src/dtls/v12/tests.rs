//! Peers that leave out, swap or forge a step, which no honest end of ours would.

use std::time::Duration;

use media_core::testing::start;

use super::*;
use crate::units::Now;
use crate::wire::dtls::{DTLS_1_2, EXT_USE_SRTP};
use message as m;

fn certificate() -> Certificate {
    let now = Now {
        monotonic: start(),
        unix: Duration::from_secs(1_800_000_000),
    };
    Certificate::generate(now).unwrap()
}

fn pair() -> (Dtls12, Dtls12) {
    let config = |role| AssociationConfig {
        verify_address: false,
        ..AssociationConfig::new(role, certificate())
    };
    let client = Dtls12::client(&config(Role::Active), start()).unwrap();
    let server = Dtls12::server(&config(Role::Passive), 0).unwrap();
    (client, server)
}

fn deliver(from: &mut Dtls12, to: &mut Dtls12) -> Result<(), DtlsFailure> {
    while let Some(datagram) = from.poll_transmit() {
        to.handle_datagram(start(), &datagram)?;
    }
    Ok(())
}

/// Kind and body of the plain messages that wait to be sent; each is in one fragment.
fn waiting(from: &mut Dtls12) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    while let Some(datagram) = from.poll_transmit() {
        for record in Records::new(&datagram) {
            for fragment in HandshakeFragments::new(record.fragment) {
                assert!(fragment.is_whole());
                messages.push((fragment.message_type, fragment.data.to_vec()));
            }
        }
    }
    messages
}

fn plain(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for (seq, (kind, body)) in (0..).zip(messages) {
        let message = Message {
            kind: *kind,
            seq,
            body: body.clone(),
        };
        let fragment = [&message.header()[..], body].concat();
        let record = Record {
            content_type: HANDSHAKE,
            version: DTLS_1_2,
            epoch: 0,
            sequence: seq.into(),
            fragment: &fragment,
        };
        datagram.extend(rebuilt(&record));
    }
    datagram
}

/// What a client does once the server waits for it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Certificate,
    NoCertificate,
    KeyExchange,
    Verify,
    /// With a key that is not the certificate's.
    VerifyByAnother,
    /// Of another handshake.
    VerifyOld,
    Finished,
    FinishedOfLength(usize),
}

/// How a server takes a client that does this.
fn server_takes(steps: &[Step]) -> (Result<(), DtlsFailure>, bool) {
    let (mut client, mut server) = pair();
    deliver(&mut client, &mut server).unwrap();
    // All but ServerHelloDone, so that the client does not answer by itself.
    let mut flight = waiting(&mut server);
    assert_eq!(flight.pop(), Some((m::SERVER_HELLO_DONE, vec![])));
    client.handle_datagram(start(), &plain(&flight)).unwrap();
    client.remember(&Message {
        kind: m::SERVER_HELLO_DONE,
        seq: 4,
        body: vec![],
    });
    client.flight.begin();
    let own = client.certificate.clone();
    for step in steps {
        let signed = |by: &Certificate, of: &[u8]| {
            let signature = by.sign(of).unwrap();
            m::signed(&[], suite::OUR_SCHEME, &signature)
        };
        match step {
            Step::Certificate => client.say(0, m::CERTIFICATE, m::certificate(own.der())),
            Step::NoCertificate => client.say(0, m::CERTIFICATE, vec![0; 3]),
            Step::KeyExchange => {
                let (_, key) = client.exchange.as_ref().unwrap();
                let point = key.compute_public_key().unwrap();
                let share = m::client_key_exchange(point.as_ref());
                client.say(0, m::CLIENT_KEY_EXCHANGE, share);
                let point = std::mem::take(&mut client.server_point);
                client.derive_keys(&point).unwrap();
            }
            Step::Verify => {
                let verify = signed(&own, &client.transcript);
                client.say(0, m::CERTIFICATE_VERIFY, verify);
            }
            Step::VerifyByAnother => {
                let verify = signed(&certificate(), &client.transcript);
                client.say(0, m::CERTIFICATE_VERIFY, verify);
            }
            Step::VerifyOld => {
                let verify = signed(&own, b"another transcript");
                client.say(0, m::CERTIFICATE_VERIFY, verify);
            }
            Step::Finished => client.say_finished().unwrap(),
            Step::FinishedOfLength(len) => {
                let right = client.verify_data(Role::Active).unwrap();
                let padded = [right.as_ref(), &[0; 4]].concat();
                client.say(EPOCH, m::FINISHED, padded[..*len].to_vec());
            }
        }
    }
    client.flight.send(start(), false);
    let result = deliver(&mut client, &mut server);
    (result, server.poll_output().is_some())
}

#[test]
fn a_server_wants_every_step_of_its_client() {
    use Step::*;
    let honest = [Certificate, KeyExchange, Verify, Finished];
    assert_eq!(server_takes(&honest), (Ok(()), true));
    let protocol = DtlsFailure::Protocol;
    let forged = DtlsFailure::BadSignature;
    let cases: [(&[Step], DtlsFailure); 12] = [
        (&[KeyExchange, Verify, Finished], protocol),
        (&[Certificate, Verify], protocol),
        (&[Certificate, KeyExchange, Finished], protocol),
        (&[KeyExchange, Finished], protocol),
        (&[Certificate, Certificate, KeyExchange], protocol),
        (&[KeyExchange, Certificate, Verify, Finished], protocol),
        (
            &[NoCertificate, KeyExchange, Finished],
            DtlsFailure::NoPeerCertificate,
        ),
        (
            &[Certificate, KeyExchange, VerifyByAnother, Finished],
            forged,
        ),
        (&[Certificate, KeyExchange, VerifyOld, Finished], forged),
        (
            &[Certificate, KeyExchange, Verify, FinishedOfLength(0)],
            forged,
        ),
        (
            &[Certificate, KeyExchange, Verify, FinishedOfLength(11)],
            forged,
        ),
        (
            &[Certificate, KeyExchange, Verify, FinishedOfLength(13)],
            forged,
        ),
    ];
    for (steps, failure) in cases {
        assert_eq!(server_takes(steps), (Err(failure), false), "{steps:?}");
    }
    let unfinished = [Certificate, KeyExchange, Verify];
    assert_eq!(server_takes(&unfinished), (Ok(()), false));
}

/// How a client takes a server whose flight somebody, perhaps itself, has changed.
fn client_takes(change: impl FnOnce(&mut Vec<(u8, Vec<u8>)>)) -> Result<State, DtlsFailure> {
    let (mut client, mut server) = pair();
    deliver(&mut client, &mut server).unwrap();
    let mut flight = waiting(&mut server);
    change(&mut flight);
    client.handle_datagram(start(), &plain(&flight))?;
    assert!(client.poll_output().is_none());
    Ok(client.state)
}

/// The same for one extension at the end of its ServerHello.
fn client_takes_extension(kind: u16, body: &[u8]) -> Result<State, DtlsFailure> {
    client_takes(|flight| {
        let hello = &mut flight[0].1;
        let head = 2 + 32 + 1 + 2 + 1;
        let extensions = hello.split_off(head)[2..].to_vec();
        let mut kept = Vec::new();
        for (found, body) in crate::wire::dtls::Extensions::new(&extensions) {
            if found != kind {
                kept.push((found, body));
            }
        }
        kept.push((kind, body));
        let mut bytes = Vec::new();
        for (kind, body) in kept {
            let len = u16::try_from(body.len()).unwrap();
            bytes.extend([&kind.to_be_bytes()[..], &len.to_be_bytes(), body].concat());
        }
        hello.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        hello.extend(bytes);
    })
}

#[test]
fn a_client_wants_every_step_of_its_server() {
    assert_eq!(client_takes(|_| ()), Ok(State::ServerFinished));
    for missing in 0..3 {
        let taken = client_takes(|flight| drop(flight.remove(missing)));
        assert_eq!(taken, Err(DtlsFailure::Protocol), "message {missing}");
    }
    for early in 0..3 {
        let taken = client_takes(|flight| flight.swap(early, early + 1));
        assert!(taken.is_err(), "message {early}: {taken:?}");
    }
    // A server that does not want our certificate need not ask for it.
    let taken = client_takes(|flight| drop(flight.remove(3)));
    assert_eq!(taken, Ok(State::ServerFinished));
    let taken = client_takes(|flight| flight[4].1 = vec![0]);
    assert_eq!(taken, Err(DtlsFailure::Protocol));
}

#[test]
fn a_client_takes_only_what_the_certificate_has_signed_and_it_has_offered() {
    let key_exchange_of = |at: usize, byte: u8| {
        client_takes(move |flight| {
            assert_eq!(flight[2].0, m::SERVER_KEY_EXCHANGE);
            flight[2].1[at] = byte;
        })
    };
    let forged = Err(DtlsFailure::BadSignature);
    // Behind curve type, group and the length of a share by X25519 stand the share and the scheme.
    assert_eq!(key_exchange_of(4, 0), forged);
    assert_eq!(key_exchange_of(4 + 32, 2), forged, "ECDSA with SHA-1");
    assert_eq!(
        key_exchange_of(4 + 32, 8),
        forged,
        "RSA for a key that is none"
    );
    assert_eq!(key_exchange_of(2, 25), Err(DtlsFailure::Protocol), "P-521");
    let other = client_takes(|flight| flight[1].1 = m::certificate(certificate().der()));
    assert_eq!(other, forged, "somebody else's certificate");
    let hello_of = |at: usize, byte: u8| client_takes(move |flight| flight[0].1[at] = byte);
    assert_eq!(hello_of(1, 0xff), Err(DtlsFailure::NoCommonVersion));
    assert_eq!(hello_of(2, 0), forged, "another random");
    // TLS_ECDH_anon…, TLS_ECDHE_RSA…, compression.
    assert_eq!(hello_of(36, 0x18), Err(DtlsFailure::Protocol));
    assert_eq!(hello_of(36, 0x2f), Err(DtlsFailure::Protocol));
    assert_eq!(hello_of(37, 1), Err(DtlsFailure::Protocol));
}

#[test]
fn a_server_may_neither_renegotiate_nor_name_its_srtp_keys() {
    const RENEGOTIATION_INFO: u16 = 0xff01;
    let protocol = Err(DtlsFailure::Protocol);
    let done = Ok(State::ServerFinished);
    assert_eq!(client_takes_extension(RENEGOTIATION_INFO, &[0]), done);
    assert_eq!(
        client_takes_extension(RENEGOTIATION_INFO, &[2, 7, 7]),
        protocol
    );
    assert_eq!(client_takes_extension(EXT_USE_SRTP, &[0, 2, 0, 7, 0]), done);
    assert_eq!(
        client_takes_extension(EXT_USE_SRTP, &[0, 2, 0, 7, 1, 9]),
        protocol
    );
    assert_eq!(
        client_takes_extension(EXT_USE_SRTP, &[0, 2, 0, 5, 0]),
        Err(DtlsFailure::NoCommonProfile)
    );
}

#[test]
fn a_client_may_not_renegotiate() {
    let (mut client, mut server) = pair();
    let mut hello = waiting(&mut client);
    // renegotiation_info is the last extension: a length of extensions, …, 0xff01, 1, 0.
    let body = &mut hello[0].1;
    assert!(body.ends_with(&[0xff, 1, 0, 1, 0]));
    let at = body.len() - 1;
    body[at] = 1;
    body[at - 1] = 2;
    body.push(7);
    // Behind version, random, session, cookie, suites and compression.
    let lens = 2 + 32 + 1 + 1 + 2 + 2 * suite::SUITES.len() + 2;
    body[lens + 1] += 1;
    assert_eq!(
        server.handle_datagram(start(), &plain(&hello)),
        Err(DtlsFailure::Protocol)
    );
}

#[test]
fn nothing_plain_is_believed_once_there_are_keys() {
    let forged = |seq: u16| {
        let body = vec![1; 40];
        let mut messages = vec![(m::HELLO_VERIFY_REQUEST, vec![]); usize::from(seq)];
        messages.push((m::SERVER_HELLO_DONE, body));
        let datagram = plain(&messages);
        // The last record only.
        datagram[datagram.len() - 13 - 12 - 40..].to_vec()
    };
    let (mut client, mut server) = pair();
    deliver(&mut client, &mut server).unwrap();
    deliver(&mut server, &mut client).unwrap();
    assert_eq!(client.state, State::ServerFinished);
    for seq in 0..12 {
        assert_eq!(client.handle_datagram(start(), &forged(seq)), Ok(()));
    }
    let mut flight = Vec::new();
    while let Some(datagram) = client.poll_transmit() {
        flight.push(datagram);
    }
    // All records but Finished.
    for record in flight.iter().flat_map(|datagram| Records::new(datagram)) {
        if record.epoch == 0 {
            server.handle_datagram(start(), &rebuilt(&record)).unwrap();
        }
    }
    assert_eq!(server.state, State::ClientFinished);
    for seq in 0..12 {
        assert_eq!(server.handle_datagram(start(), &forged(seq)), Ok(()));
    }
    for datagram in flight {
        server.handle_datagram(start(), &datagram).unwrap();
    }
    deliver(&mut server, &mut client).unwrap();
    for mut side in [client, server] {
        assert!(matches!(side.poll_output(), Some(Output::Established(_))));
        for seq in 0..12 {
            assert_eq!(side.handle_datagram(start(), &forged(seq)), Ok(()));
        }
        assert_eq!(side.inbox.held(), 0);
    }
}
