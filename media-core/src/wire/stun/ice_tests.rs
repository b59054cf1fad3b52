//! Typed attributes, message integrity and the builder.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::tests::RFC5769_REQUEST;
use super::*;

const RFC5769_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.2: success response with SOFTWARE, XOR-MAPPED-ADDRESS 192.0.2.1:32853, integrity and
/// fingerprint.
const RFC5769_RESPONSE: [u8; 80] = [
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
];

#[test]
fn rfc5769_request_shows_its_attributes_and_verifies() {
    let message = StunMessage::parse(&RFC5769_REQUEST).expect("the RFC's own");
    let fragments = (&b"evtj"[..], &b"h6vY"[..]);
    assert_eq!(message.username_fragments(), Some(fragments));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.ice_controlling(), None);
    assert!(!message.use_candidate());
    assert!(message.integrity_matches(&IntegrityKey::new(RFC5769_PASSWORD)));
    assert!(!message.integrity_matches(&IntegrityKey::new(b"VOkJxbRl1RmTxUk/WvJxBT")));
}

#[test]
fn rfc5769_responses_show_the_mapped_address() {
    let message = StunMessage::parse(&RFC5769_RESPONSE).expect("the RFC's own");
    let address: SocketAddr = "192.0.2.1:32853".parse().expect("an address");
    assert_eq!(message.xor_mapped_address(), Some(address));
    assert!(message.integrity_matches(&IntegrityKey::new(RFC5769_PASSWORD)));
    // RFC 5769 §2.3, the attribute alone.
    let value = [
        0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4,
        0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
    ];
    let mut out = [0; 100];
    let id = message.transaction_id();
    let len = StunBuilder::new(&mut out, Class::Success, BINDING, id)
        .attribute(XOR_MAPPED_ADDRESS, &value)
        .finish(None)
        .expect("fits");
    let message = StunMessage::parse(&out[..len]).expect("what is built is valid");
    let address = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse();
    assert_eq!(message.xor_mapped_address(), address.ok());
}

#[test]
fn any_changed_bit_under_the_signature_breaks_it() {
    let key = IntegrityKey::new(RFC5769_PASSWORD);
    for byte in (8..20).chain(24..40).chain(64..73).chain(80..100) {
        let mut bytes = RFC5769_REQUEST;
        bytes[byte] ^= 0x01;
        let message = StunMessage::parse(&bytes).expect("structure is sound");
        assert!(!message.integrity_matches(&key), "byte {byte}");
    }
}

#[test]
fn attributes_behind_the_signature_do_not_count() {
    let key = IntegrityKey::new(b"secret");
    let mut out = [0; 200];
    let tag = {
        let mut scratch = [0; 200];
        let len = StunBuilder::new(&mut scratch, Class::Request, BINDING, &[1; 12])
            .priority(5)
            .finish(Some(&key))
            .expect("fits");
        let message = StunMessage::parse(&scratch[..len]).expect("valid");
        let tag = message.attribute(MESSAGE_INTEGRITY).expect("signed");
        <[u8; 20]>::try_from(tag).expect("20 bytes")
    };
    let len = StunBuilder::new(&mut out, Class::Request, BINDING, &[1; 12])
        .priority(5)
        .attribute(MESSAGE_INTEGRITY, &tag)
        .use_candidate()
        .username(b"a", b"b")
        .finish(None)
        .expect("fits");
    let message = StunMessage::parse(&out[..len]).expect("valid");
    assert!(message.integrity_matches(&key), "the signed part is intact");
    assert_eq!(message.priority(), Some(5));
    assert!(!message.use_candidate());
    assert_eq!(message.username_fragments(), None);
}

#[test]
fn odd_values_are_none() {
    let parse = |attribute_type, value: &[u8]| {
        let mut out = [0; 200];
        let len = StunBuilder::new(&mut out, Class::Error, BINDING, &[1; 12])
            .attribute(attribute_type, value)
            .finish(None)
            .expect("fits");
        let message = StunMessage::parse(&out[..len]).expect("valid");
        (
            message.priority().is_none()
                && message.ice_controlled().is_none()
                && message.ice_controlling().is_none(),
            message.xor_mapped_address().is_none(),
            message.error_code(),
            message.username_fragments().is_none(),
        )
    };
    assert_eq!(parse(PRIORITY, &[0; 3]), (true, true, None, true));
    assert_eq!(parse(ICE_CONTROLLED, &[0; 4]), (true, true, None, true));
    assert_eq!(parse(ICE_CONTROLLING, &[]), (true, true, None, true));
    for address in [
        &[0, 1, 0, 0, 0][..],
        &[0, 2, 0, 0, 1, 2, 3, 4],
        &[0, 3, 0, 0],
        &[0],
    ] {
        assert_eq!(parse(XOR_MAPPED_ADDRESS, address), (true, true, None, true));
    }
    for code in [
        &[0, 0, 2, 0][..],
        &[0, 0, 7, 0],
        &[0, 0, 4, 100],
        &[0, 0, 4],
    ] {
        assert_eq!(parse(ERROR_CODE, code), (true, true, None, true));
    }
    assert_eq!(parse(ERROR_CODE, &[0, 0, 4, 87]).2, Some(ROLE_CONFLICT));
    assert_eq!(parse(USERNAME, b"nocolon"), (true, true, None, true));
    assert!(
        !parse(USERNAME, b":").3,
        "empty fragments are for the agent"
    );
}

#[test]
fn builder_says_what_does_not_fit() {
    let mut out = [0; 27];
    let result = StunBuilder::new(&mut out, Class::Request, BINDING, &[0; 12]).finish(None);
    let (needed, available) = (28, 27);
    let too_small = EmitError::BufferTooSmall { needed, available };
    assert_eq!(result, Err(too_small));
    let long = vec![0; 70_000];
    let result = StunBuilder::new(&mut out, Class::Request, BINDING, &[0; 12])
        .attribute(0x8022, &long)
        .finish(None);
    assert!(
        matches!(result, Err(EmitError::TooLong { .. })),
        "{result:?}"
    );
}

#[test]
fn keys_do_not_show() {
    let shown = format!("{:?}", IntegrityKey::new(b"hunter2"));
    assert_eq!(shown, "IntegrityKey(…)");
}

proptest! {
    #[test]
    fn what_is_built_reads_back(
        id: [u8; 12],
        receiver in "[a-zA-Z0-9+/]{0,40}",
        sender in "[a-zA-Z0-9+/:]{0,40}",
        priority: u32,
        tie_breaker: u64,
        address: SocketAddr,
        code in 300_u16..700,
        reason in "[a-z ]{0,20}",
        password: Vec<u8>,
        signed: bool,
    ) {
        let key = IntegrityKey::new(&password);
        let mut out = [0xee; 400];
        let len = StunBuilder::new(&mut out, Class::Error, BINDING, &id)
            .username(receiver.as_bytes(), sender.as_bytes())
            .priority(priority)
            .use_candidate()
            .ice_controlling(tie_breaker)
            .ice_controlled(!tie_breaker)
            .xor_mapped_address(address)
            .error_code(code, &reason)
            .finish(signed.then_some(&key))
            .expect("fits");
        let message = StunMessage::parse(&out[..len]).expect("what is built is valid");
        let fragments = (receiver.as_bytes(), sender.as_bytes());
        prop_assert_eq!(message.transaction_id(), &id);
        prop_assert_eq!(message.username_fragments(), Some(fragments));
        prop_assert_eq!(message.priority(), Some(priority));
        prop_assert!(message.use_candidate());
        prop_assert_eq!(message.ice_controlling(), Some(tie_breaker));
        prop_assert_eq!(message.ice_controlled(), Some(!tie_breaker));
        let same = SocketAddr::new(address.ip(), address.port());
        prop_assert_eq!(message.xor_mapped_address(), Some(same));
        prop_assert_eq!(message.error_code(), Some(code));
        prop_assert_eq!(message.fingerprint_matches(), Some(true));
        prop_assert_eq!(message.integrity_matches(&key), signed);
    }
}
