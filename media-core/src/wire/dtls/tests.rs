use super::*;

/// The first of the two datagrams that Chromium's ClientHello takes, as far as its header.
fn hello_record(message_len: usize, offset: usize, data: &[u8]) -> Vec<u8> {
    let u24 = |n: usize| u32::try_from(n).unwrap().to_be_bytes()[1..].to_vec();
    let mut fragment = vec![CLIENT_HELLO];
    fragment.extend(u24(message_len));
    fragment.extend([0, 0]);
    fragment.extend(u24(offset));
    fragment.extend(u24(data.len()));
    fragment.extend_from_slice(data);
    record(HANDSHAKE, 0, &fragment)
}

fn record(content_type: u8, epoch: u16, fragment: &[u8]) -> Vec<u8> {
    let mut out = vec![content_type, 0xfe, 0xfd];
    out.extend(epoch.to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 7]);
    out.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
    out.extend_from_slice(fragment);
    out
}

/// A ClientHello with these extensions.
fn hello(legacy_version: u16, extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = legacy_version.to_be_bytes().to_vec();
    out.extend([9; 32]);
    out.extend([0, 2, 5, 5, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    let mut list = Vec::new();
    for (extension_type, body) in extensions {
        list.extend(extension_type.to_be_bytes());
        list.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        list.extend_from_slice(body);
    }
    out.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    out.extend(list);
    out
}

#[test]
fn records_are_walked_up_to_the_first_defect() {
    let good = record(HANDSHAKE, 0, b"abc");
    let protected = record(APPLICATION_DATA, 1, b"");
    let all = [good.clone(), protected.clone(), good.clone()].concat();
    let found: Vec<_> = Records::new(&all)
        .map(|r| (r.content_type, r.epoch))
        .collect();
    assert_eq!(found, [(22, 0), (23, 1), (22, 0)]);
    assert_eq!(Records::new(&all).next().map(|r| r.sequence), Some(7));
    for end in 0..good.len() {
        let cut = [&protected, &good[..end]].concat();
        assert_eq!(Records::new(&cut).count(), 1, "cut at {end}");
    }
    let unified = [0x2e, 0, 0, 0, 1, 9];
    assert_eq!(Records::new(&[&good[..], &unified].concat()).count(), 1);
    let mut strange = good.clone();
    strange[1] = 3; // TLS, not DTLS
    assert_eq!(Records::new(&strange).count(), 0);
}

#[test]
fn fragments_stay_within_their_message() {
    let whole = hello_record(3, 0, b"abc");
    let first = Records::new(&whole).next().unwrap();
    let fragment = HandshakeFragments::new(first.fragment).next().unwrap();
    assert!(fragment.is_whole());
    assert_eq!((fragment.message_type, fragment.data), (1, &b"abc"[..]));
    for (len, offset) in [(3, 1), (2, 0), (0, 0xff_ffff)] {
        let wrong = hello_record(len, offset, b"abc");
        let record = Records::new(&wrong).next().unwrap();
        assert_eq!(HandshakeFragments::new(record.fragment).count(), 0);
    }
}

#[test]
fn only_the_beginning_of_a_hello_is_one() {
    let body = hello(DTLS_1_2, &[]);
    assert!(is_client_hello(&hello_record(body.len(), 0, &body)));
    assert!(is_client_hello(&hello_record(1400, 0, &body)), "in pieces");
    for other in [
        hello_record(1400, 1, &body),
        hello_record(30, 0, &body[..30]),
        hello_record(5000, 0, &body),
        hello_record(body.len(), 0, &[]),
        hello_record(body.len(), 0, &[3; 60]),
        record(HANDSHAKE, 1, &hello_record(body.len(), 0, &body)[13..]),
        record(ALERT, 0, &[2, 40]),
        vec![],
    ] {
        assert!(!is_client_hello(&other), "{other:x?}");
    }
}

#[test]
fn hello_tells_what_it_offers() {
    let versions: (u16, &[u8]) = (EXT_SUPPORTED_VERSIONS, &[4, 0xfe, 0xfc, 0xfe, 0xfd]);
    let srtp: (u16, &[u8]) = (EXT_USE_SRTP, &[0, 4, 0, 8, 0, 2, 0]);
    let bytes = hello(DTLS_1_2, &[versions, srtp]);
    let parsed = ClientHello::parse(&bytes).unwrap();
    assert_eq!(parsed.cookie, [5, 5]);
    assert!(parsed.cipher_suites().eq([0xc02b, 0xc02f]));
    assert!(parsed.offers_null_compression());
    assert!(parsed.offers_version(DTLS_1_3) && parsed.offers_version(DTLS_1_2));
    assert!(!parsed.offers_version(DTLS_1_0));
    assert!(parsed.srtp_profiles().unwrap().eq([8, 2]));

    let bytes = hello(DTLS_1_2, &[]);
    let parsed = ClientHello::parse(&bytes).unwrap();
    assert!(parsed.offers_version(DTLS_1_2) && parsed.offers_version(DTLS_1_0));
    assert!(!parsed.offers_version(DTLS_1_3));
    assert!(parsed.srtp_profiles().is_none());

    let bytes = hello(DTLS_1_0, &[]);
    let parsed = ClientHello::parse(&bytes).unwrap();
    assert!(parsed.offers_version(DTLS_1_0) && !parsed.offers_version(DTLS_1_2));
}

#[test]
fn cut_hellos_are_refused() {
    let whole = hello(DTLS_1_2, &[(EXT_USE_SRTP, &[0, 2, 0, 1, 0])]);
    let without_extensions = whole.len() - 9 - 2;
    for end in 0..whole.len() {
        let parsed = ClientHello::parse(&whole[..end]);
        assert_eq!(parsed.is_ok(), end == without_extensions, "cut at {end}");
    }
    let long = [&whole[..], &[0]].concat();
    let error = ClientHelloError::TrailingBytes(1);
    assert_eq!(ClientHello::parse(&long), Err(error));
}
