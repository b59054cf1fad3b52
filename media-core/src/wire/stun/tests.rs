use proptest::prelude::*;

use super::*;

/// RFC 5769 §2.1: request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, integrity and
/// fingerprint.
pub(super) const RFC5769_REQUEST: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

#[test]
fn rfc5769_sample_request_is_read() {
    let message = StunMessage::parse(&RFC5769_REQUEST).expect("the RFC's own");
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.method(), BINDING);
    assert_eq!(message.transaction_id()[..2], [0xb7, 0xe7]);
    let types: Vec<_> = message.attributes().map(|a| a.attribute_type).collect();
    assert_eq!(types, [0x8022, 0x0024, 0x8029, 0x0006, 0x0008, 0x8028]);
    assert_eq!(message.attribute(0x0006), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.attribute(0x0007), None);
    assert_eq!(message.fingerprint_matches(), Some(true));
}

#[test]
fn any_changed_bit_breaks_the_fingerprint() {
    // The value of USERNAME, so that the structure stays sound.
    for byte in 64..73 {
        let mut bytes = RFC5769_REQUEST;
        bytes[byte] ^= 0x10;
        let message = StunMessage::parse(&bytes).expect("structure is sound");
        assert_eq!(message.fingerprint_matches(), Some(false));
    }
}

#[test]
fn crc_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn defects_have_distinct_errors() {
    let parse = |bytes: &[u8]| StunMessage::parse(bytes).map(|_| ());
    assert_eq!(parse(&RFC5769_REQUEST[..19]), Err(StunError::TooShort(19)));
    let mut bytes = RFC5769_REQUEST;
    bytes[0] = 0x80;
    assert_eq!(parse(&bytes), Err(StunError::BadType(0x80)));
    bytes = RFC5769_REQUEST;
    bytes[4] = 0;
    assert_eq!(parse(&bytes), Err(StunError::BadCookie(0x0012_a442)));
    assert_eq!(
        parse(&RFC5769_REQUEST[..104]),
        Err(StunError::BadLength(88))
    );
    bytes = RFC5769_REQUEST;
    bytes[103] = 5;
    assert_eq!(parse(&bytes), Err(StunError::TruncatedAttribute(0x8028)));
}

#[test]
fn message_without_fingerprint_has_none_to_match() {
    let mut out = [0; 64];
    let len = emit(&mut out, Class::Request, BINDING, &[7; 12], &[], false).expect("fits");
    let message = StunMessage::parse(&out[..len]).expect("what is emitted is valid");
    assert_eq!(message.fingerprint_matches(), None);
}

proptest! {
    #[test]
    fn emitted_messages_parse_back(
        class in prop::sample::select(vec![Class::Request, Class::Indication, Class::Success, Class::Error]),
        method in 0_u16..0x1000,
        transaction_id: [u8; 12],
        attributes in prop::collection::vec((0_u16..0x8028, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        fingerprint: bool,
    ) {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(attribute_type, value)| Attribute { attribute_type: *attribute_type, value })
            .collect();
        let mut out = [0xee; 1000];
        let len = emit(&mut out, class, method, &transaction_id, &attributes, fingerprint).expect("fits");
        let message = StunMessage::parse(&out[..len]).expect("what is emitted is valid");
        prop_assert_eq!(message.class(), class);
        prop_assert_eq!(message.method(), method);
        prop_assert_eq!(message.transaction_id(), &transaction_id);
        prop_assert!(message.attributes().take(attributes.len()).eq(attributes.iter().copied()));
        prop_assert_eq!(message.attributes().count(), attributes.len() + usize::from(fingerprint));
        prop_assert_eq!(message.fingerprint_matches(), fingerprint.then_some(true));
    }

    #[test]
    fn attributes_of_any_accepted_bytes_fill_the_message(body in prop::collection::vec(0_u8..12, 0..80)) {
        let mut bytes = RFC5769_REQUEST[..20].to_vec();
        bytes[3] = u8::try_from(body.len()).expect("below 80");
        bytes.extend(&body);
        if let Ok(message) = StunMessage::parse(&bytes) {
            let len: usize = message.attributes().map(|a| 4 + a.value.len().next_multiple_of(4)).sum();
            prop_assert_eq!(len, body.len());
            prop_assert_eq!(message.fingerprint_matches(), None);
        }
    }
}
