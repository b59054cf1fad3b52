//! DTLS records, as a peer's handshake sees them.

use std::sync::LazyLock;
use std::time::Duration;

use media_core::dtls::{Association, AssociationConfig, Certificate, ClientOffer, DtlsEvent, Role};
use media_core::testing::start;
use media_core::units::Now;
use media_core::wire::dtls::{
    ClientHello, HANDSHAKE_HEADER_LEN, HandshakeFragments, RECORD_HEADER_LEN, Records,
    is_client_hello,
};

/// Keys and randoms differ from run to run; what is promised holds with all of them.
static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let now = Now {
        monotonic: start(),
        unix: Duration::from_secs(1_800_000_000),
    };
    Certificate::generate(now).expect("random bytes")
});

/// DTLS: whatever comes, from whoever it may be, nothing panics, nobody is believed without keys, and no
/// more is sent than a few flights.
///
/// The input is datagrams, each behind its length in 16 bits; what is longer than the rest is the rest.
pub fn dtls(data: &[u8]) {
    let mut datagrams = Vec::new();
    let mut rest = data;
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(behind.len());
        let (datagram, behind) = behind.split_at(len);
        datagrams.push(datagram);
        rest = behind;
    }
    for datagram in &datagrams {
        views(datagram);
    }
    let roles = [
        (Role::Passive, ClientOffer::Compatible),
        (Role::Active, ClientOffer::Compatible),
        (Role::Active, ClientOffer::Modern),
    ];
    for (role, offer) in roles {
        association(role, offer, &datagrams);
    }
}

/// The views stay within what they view.
fn views(datagram: &[u8]) {
    let mut len = 0;
    for record in Records::new(datagram) {
        len += RECORD_HEADER_LEN + record.fragment.len();
        let mut inner = 0;
        for fragment in HandshakeFragments::new(record.fragment) {
            inner += HANDSHAKE_HEADER_LEN + fragment.data.len();
            assert!(fragment.offset + fragment.data.len() <= fragment.message_len);
            if let Ok(hello) = ClientHello::parse(fragment.data) {
                let extensions: usize = hello.extensions().map(|(_, body)| 4 + body.len()).sum();
                assert!(extensions <= fragment.data.len());
                assert!(hello.cipher_suites().count() * 2 <= fragment.data.len());
            }
        }
        assert!(inner <= record.fragment.len());
    }
    assert!(len <= datagram.len());
}

fn association(role: Role, offer: ClientOffer, datagrams: &[&[u8]]) {
    let mut now = start();
    let mut config = AssociationConfig::new(role, CERTIFICATE.clone());
    config.client_offer = offer;
    let mut side = Association::new(config, now).expect("random bytes");
    let mut sent = 0;
    for datagram in datagrams {
        side.handle_datagram(now, datagram);
        while side.poll_transmit().is_some() {
            sent += 1;
        }
        if let Some(event) = side.poll_event() {
            let believed = matches!(event, DtlsEvent::Connected { .. } | DtlsEvent::Closed);
            assert!(!believed, "{role:?} {offer:?}: {event:?}");
        }
        // Less than it takes for a retransmission.
        now += Duration::from_millis(1);
    }
    let heard = datagrams.iter().any(|datagram| is_client_hello(datagram));
    assert!(role == Role::Active || heard || sent == 0, "answers nobody");
    assert!(sent <= 3 + 4 * datagrams.len(), "{sent} datagrams sent");
}
