//! Keys, certificates and ICE: what can be read, and that what is written reads the same.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::SESSION;
use crate::dtls::{Fingerprint, HashFunction};
use crate::ice::{
    Candidate, CandidateAddress, CandidateType, Component, RemoteCandidates, Transport,
};
use crate::sdp::{
    CryptoAttribute, CryptoError, FecOrder, IceCredentials, KeyParam, Lifetime, LocalDtls,
    LocalIce, LocalMedia, LocalRtcp, LocalSecurity, MediaParams, Protocol, SdpOptions, Section,
    SentDescription, SessionParams, Setup, parse, read_fingerprint, rewrite, write_fingerprint,
};
use crate::srtp::{CryptoSuite, MasterKey, Mki};

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn crypto(line: &str) -> Result<CryptoAttribute, CryptoError> {
    CryptoAttribute::parse(line.as_bytes())
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("is text")
}

/// RFC 4568 §4's example, and what devices make of it.
#[test]
fn crypto_lines_are_read_and_normalised() {
    let name = "AES_CM_128_HMAC_SHA1_80";
    for (line, expected) in [
        ("1 {} inline:{k}|2^20|1:4", "1 {} inline:{k}|2^20|1:4"),
        ("99999 {} inline:{k}", "99999 {} inline:{k}"),
        ("0  {}  inline:{k}==", "0 {} inline:{k}"),
        ("1 {} inline:{k}|1048576", "1 {} inline:{k}|1048576"),
        ("1 {} inline:{k}|66051:4", "1 {} inline:{k}|66051:4"),
        ("1 {} inline:{k}|2^20|1:4|x", "1 {} inline:{k}|2^20|1:4"),
        (
            "1 {} inline:{k} UNENCRYPTED_SRTCP FOO UNENCRYPTED_SRTP KDR=5 WSH=60 WSH=128",
            "1 {} inline:{k} UNENCRYPTED_SRTP UNENCRYPTED_SRTCP KDR=5 WSH=128",
        ),
        (
            "1 {} inline:{k}|1:1;inline:{k}|2:1 FEC_ORDER=SRTP_FEC",
            "1 {} inline:{k}|1:1;inline:{k}|2:1 FEC_ORDER=SRTP_FEC",
        ),
    ] {
        let fill = |text: &str| text.replace("{}", name).replace("{k}", KEY);
        let read = crypto(&fill(line)).expect(line);
        assert_eq!(written(|out| read.write(false, out)), fill(expected));
    }
    let lower = crypto(&format!("1 aes_cm_128_hmac_sha1_32 inline:{KEY}")).expect("any case");
    assert_eq!(lower.suite, CryptoSuite::AesCm128HmacSha1_32);
}

#[test]
fn crypto_lines_that_say_nothing_usable_are_refused() {
    use CryptoError as E;
    let long = "a".repeat(43);
    for (line, error) in [
        ("1 AES_CM_128_HMAC_SHA1_80", E::Incomplete),
        ("x AES_CM_128_HMAC_SHA1_80 inline:{k}", E::Tag),
        ("1x AES_CM_128_HMAC_SHA1_80 inline:{k}", E::Tag),
        ("4294967297 AES_CM_128_HMAC_SHA1_80 inline:{k}", E::Tag),
        ("1 FOO inline:{k}", E::Suite),
        ("1 AES_CM_128_HMAC_SHA1_80 key:{k}", E::Key),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k};x", E::Key),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:QUJD", E::KeyLength(3)),
        ("1 AEAD_AES_128_GCM inline:{k}", E::KeyLength(30)),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|x", E::Lifetime),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|2^49", E::Lifetime),
        (
            "1 AES_CM_128_HMAC_SHA1_80 inline:{k}|281474976710657",
            E::Lifetime,
        ),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|1:33", E::Mki),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|256:1", E::Mki),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|:4", E::Mki),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|1:0", E::Mki),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{k};inline:{k}", E::Keys),
        (
            "1 AES_CM_128_HMAC_SHA1_80 inline:{k}|1:1;inline:{k}|2:1;inline:{k}|3:1;inline:{k}|4:1;inline:{k}|5:1",
            E::Keys,
        ),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:{l}", E::KeyLength(32)),
    ] {
        let line = line.replace("{k}", KEY).replace("{l}", &long);
        assert_eq!(crypto(&line), Err(error), "{line}");
    }
}

#[test]
fn keys_are_not_shown() {
    let line = crypto(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4")).expect("is well");
    let shown = format!("{line:?}");
    assert!(
        shown.contains("MasterKey {") && !shown.contains("WVN"),
        "{shown}"
    );
    assert!(!shown.contains("89, 83"), "{shown}");
    let credentials = IceCredentials {
        ufrag: "abcd".into(),
        pwd: "secret".into(),
    };
    assert_eq!(format!("{credentials:?}"), "IceCredentials(abcd)");
}

#[test]
fn fingerprints_are_checked_against_their_function() {
    let sha1 = ["aB"; 20].join(":");
    let read = read_fingerprint(format!("SHA-1 {sha1}").as_bytes()).expect("is one");
    assert_eq!(
        written(|out| write_fingerprint(&read, out)),
        format!("sha-1 {}", sha1.to_uppercase())
    );
    for bad in [
        format!("md5 {}", ["AA"; 16].join(":")),
        format!("sha-1 {}", ["AA"; 19].join(":")),
        format!("sha-1 {}", ["AA"; 21].join(":")),
        format!("sha-512 {}", ["AA"; 65].join(":")),
        format!("sha-1 {} x", ["AA"; 20].join(":")),
        format!("sha-1 {}", ["A"; 20].join(":")),
        format!("sha-1 {}", ["+A"; 20].join(":")),
        "sha-1".to_owned(),
        String::new(),
    ] {
        assert_eq!(read_fingerprint(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn sections_inherit_certificate_and_credentials_but_no_options() {
    let sha1 = ["AA"; 20].join(":");
    let text = format!(
        "{SESSION}c=IN IP4 192.0.2.1\na=group:BUNDLE 0 1\na=ice-lite\na=setup:actpass\n\
         a=fingerprint:sha-1 {sha1}\na=ice-ufrag:abcd\na=ice-pwd:sessionpassword0123456\n\
         a=ice-options:trickle\nm=audio 4000 RTP/SAVP 0\na=mid:0\n\
         a=remote-candidates:1 192.0.2.9 5 2 192.0.2.9 6\n\
         m=audio 4002 RTP/SAVP 0\na=mid:1\na=setup:passive\na=ice-ufrag:own\na=tls-id:x\n\
         a=ice-options:ice2 trickle\na=end-of-candidates\n"
    );
    let description = parse(text.as_bytes()).expect("is well-formed");
    assert_eq!(description.bundle(), [b"0", b"1"]);
    let params = description.params();
    let [first, second] = params.as_slice() else {
        panic!("two sections");
    };
    assert_eq!(first.dtls.setup, Some(Setup::ActPass));
    assert_eq!(second.dtls.setup, Some(Setup::Passive));
    assert_eq!(second.dtls.tls_id.as_deref(), Some(&b"x"[..]));
    for section in [first, second] {
        assert_eq!(section.dtls.fingerprints.len(), 1);
        assert!(section.ice.lite);
        assert_eq!(section.ice.pwd.as_deref(), Some("sessionpassword0123456"));
    }
    assert_eq!(first.ice.ufrag.as_deref(), Some("abcd"));
    assert_eq!(second.ice.ufrag.as_deref(), Some("own"));
    assert_eq!((first.ice.trickle, second.ice.trickle), (false, true));
    assert!(second.ice.end_of_candidates && !first.ice.end_of_candidates);
    let remote = first.ice.remote_candidates.as_ref().unwrap();
    assert!(remote.component(Component::RTCP).is_some());
}

#[test]
fn zero_address_with_trickle_ice_is_not_on_hold() {
    let text = format!(
        "{SESSION}c=IN IP4 0.0.0.0\nm=audio 9 RTP/SAVP 0\na=ice-options:trickle\n\
         m=audio 9 RTP/SAVP 0\n"
    );
    let params = parse(text.as_bytes()).expect("is well-formed").params();
    assert!(params[0].direction.receives() && !params[1].direction.receives());
}

prop_compose! {
    fn crypto_lines()(
        tag: u32,
        suite in select(CryptoSuite::ALL.to_vec()),
        key: [u8; 46],
        lifetime in of(prop_oneof![
            (0..=48u8).prop_map(Lifetime::PowerOfTwo),
            (0..=1u64 << 48).prop_map(Lifetime::Packets),
        ]),
        mki in of(vec(any::<u8>(), 1..=Mki::MAX_LEN)),
        more in vec((any::<[u8; 46]>(), vec(any::<u8>(), 1..=Mki::MAX_LEN)), 0..3),
        flags: [bool; 3],
        kdr in of(0..=24u8),
        fec_order in of(select(vec![FecOrder::FecSrtp, FecOrder::SrtpFec])),
        wsh in of(64..100_000u32),
    ) -> CryptoAttribute {
        let inline = |octets: [u8; 46]| {
            MasterKey::new(suite, &octets[..suite.key_len() + suite.salt_len()]).expect("as long")
        };
        let mut line = CryptoAttribute::new(tag, inline(key));
        line.key.lifetime = lifetime;
        line.key.mki = mki.as_deref().and_then(Mki::new);
        if line.key.mki.is_some() {
            line.more_keys = more
                .into_iter()
                .map(|(key, mki)| KeyParam {
                    key: inline(key),
                    lifetime: None,
                    mki: Mki::new(&mki),
                })
                .collect();
        }
        line.session = SessionParams {
            unencrypted_srtp: flags[0],
            unencrypted_srtcp: flags[1],
            unauthenticated_srtp: flags[2],
            kdr,
            fec_order,
            wsh,
        };
        line
    }
}

prop_compose! {
    fn fingerprints()(
        hash in select(HashFunction::SUPPORTED.to_vec()),
        certificate: [u8; 32],
    ) -> Fingerprint {
        Fingerprint::of(hash, &certificate).expect("is supported")
    }
}

prop_compose! {
    fn remote_candidates()(
        addresses in vec((r"192\.0\.2\.7|::1", any::<u16>()), 1..3),
    ) -> RemoteCandidates {
        let at = |(ip, port): (String, u16)| SocketAddr::new(ip.parse().expect("literal"), port);
        let addresses = addresses.into_iter().map(at);
        let all: Vec<_> = [Component::RTP, Component::RTCP].into_iter().zip(addresses).collect();
        RemoteCandidates::new(&all)
    }
}

prop_compose! {
    fn candidates()(
        foundation in "[a-zA-Z0-9+/]{1,32}",
        component in select(vec![Component::RTP, Component::RTCP]),
        transport in select(vec![Transport::Udp, Transport::Tcp]),
        priority: u32,
        address in addresses(),
        port: u16,
        typ in select(vec![
            CandidateType::Host,
            CandidateType::ServerReflexive,
            CandidateType::PeerReflexive,
            CandidateType::Relayed,
        ]),
        related in of((addresses(), any::<u16>())),
        extensions in vec(("[a-z-]{1,9}", "[a-z0-9]{1,9}"), 0..4),
    ) -> Candidate {
        Candidate { foundation, component, transport, priority, address, port, typ, related, extensions }
    }
}

fn addresses() -> impl Strategy<Value = CandidateAddress> {
    select(vec![
        CandidateAddress::Ip(Ipv4Addr::LOCALHOST.into()),
        CandidateAddress::Ip(Ipv6Addr::LOCALHOST.into()),
        CandidateAddress::Name("x.local".to_owned()),
    ])
}

/// A description of one section with these lines in it, as it reads afterwards.
fn through_a_description(security: LocalSecurity<'_>) -> MediaParams {
    let text = format!("{SESSION}c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n");
    let description = parse(text.as_bytes()).expect("is well-formed");
    let protocol = Protocol::UdpTlsRtpSavpf;
    let local = LocalMedia {
        address: "192.0.2.2".parse().expect("literal"),
        port: 5000,
        rtcp: LocalRtcp {
            port: 5001,
            mux: false,
        },
        protocol: &protocol,
        codecs: &[],
        ptime_ms: None,
        mid: None,
        security,
    };
    let out = rewrite(
        &description,
        &SdpOptions::default(),
        local.address,
        &[Section::Shown(local)],
        "loop",
        &mut SentDescription::default(),
    );
    let out = out.expect("rewrites");
    let mut params = parse(&out).expect("was written by us").params();
    params.remove(0)
}

proptest! {
    #[test]
    fn crypto_lines_read_as_they_were_written(line in crypto_lines(), padded: bool) {
        let text = written(|out| line.write(padded, out));
        prop_assert_eq!(crypto(&text), Ok(line));
    }

    #[test]
    fn fingerprints_read_as_they_were_written(fingerprint in fingerprints()) {
        let text = written(|out| write_fingerprint(&fingerprint, out));
        prop_assert_eq!(read_fingerprint(text.as_bytes()), Some(fingerprint));
    }

    #[test]
    fn sections_read_as_they_were_written(
        lines in vec(crypto_lines(), 0..4),
        fingerprint in fingerprints(),
        setup in select(vec![Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn]),
        own in vec(candidates(), 0..4),
        theirs in of(remote_candidates()),
        ufrag in "[a-zA-Z0-9]{4,9}",
        pwd in "[a-zA-Z0-9]{22,30}",
        flags: [bool; 3],
    ) {
        let [padded, trickle, lite] = flags;
        let credentials = IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() };
        let read = through_a_description(LocalSecurity {
            crypto: &lines,
            padded,
            dtls: Some(LocalDtls { setup, fingerprint }),
            ice: Some(LocalIce {
                credentials: Some(&credentials),
                candidates: &own,
                remote_candidates: theirs.as_ref(),
                trickle,
                lite,
            }),
            passthrough: false,
        });
        prop_assert_eq!(read.crypto, lines);
        prop_assert_eq!(read.dtls.setup, Some(setup));
        prop_assert_eq!(read.dtls.fingerprints, [fingerprint]);
        prop_assert_eq!(read.ice.credentials(), Some(credentials));
        prop_assert_eq!((read.ice.trickle, read.ice.lite), (trickle, lite));
        prop_assert_eq!(read.ice.candidates, own);
        prop_assert_eq!(read.ice.remote_candidates, theirs);
        prop_assert_eq!(read.ice.end_of_candidates, trickle);
    }

    #[test]
    fn junk_is_no_attribute_and_no_panic(text in "[ -~]{0,80}") {
        let _ = crypto(&text);
        let _ = crypto(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{text}"));
        let _ = read_fingerprint(text.as_bytes());
        let _ = Candidate::parse(text.as_bytes());
    }
}
