use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Result<Candidate, CandidateError> {
    Candidate::parse(line.as_bytes())
}

#[test]
fn chromiums_host_candidate_is_read() {
    let line = "candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0 \
                ufrag EsAw network-id 1 network-cost 10";
    let candidate = parse(line).expect("a browser's own");
    assert_eq!(candidate.foundation, "1467250027");
    assert_eq!(candidate.component, Component::RTP);
    assert_eq!(candidate.transport, Transport::Udp);
    assert_eq!(candidate.priority, 2_122_260_223);
    assert_eq!(candidate.socket_addr(), "192.168.0.196:46243".parse().ok());
    assert_eq!(candidate.typ, CandidateType::Host);
    assert_eq!(candidate.related, None);
    assert_eq!(candidate.extension("ufrag"), Some("EsAw"));
    assert_eq!(candidate.extension("network-cost"), Some("10"));
    assert_eq!(candidate.extension("tcptype"), None);
    let written = line.replace("candidate:", "").replace("udp", "UDP");
    assert_eq!(candidate.to_string(), written);
}

#[test]
fn mdns_name_and_tcp_are_read_but_have_no_use() {
    let line =
        "candidate:1 1 UDP 2113937151 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 43210 typ host";
    let candidate = parse(line).expect("a browser's own");
    assert_eq!(candidate.socket_addr(), None);
    let line = "a=candidate:2 1 tcp 1518280447 10.0.0.1 9 typ host tcptype active";
    let candidate = parse(line).expect("a browser's own");
    assert_eq!(candidate.transport, Transport::Tcp);
    assert_eq!(candidate.extension("tcptype"), Some("active"));
}

#[test]
fn related_address_is_read_wherever_it_stands() {
    let line =
        "4 2 UDP 1677729534 203.0.113.7 3479 typ srflx generation 0 raddr 10.0.0.1 rport 8999";
    let candidate = parse(line).expect("in order");
    assert_eq!(candidate.component, Component::RTCP);
    let base = CandidateAddress::Ip([10, 0, 0, 1].into());
    assert_eq!(candidate.related, Some((base, 8999)));
    assert_eq!(candidate.extensions.len(), 1);
}

#[test]
fn priorities_are_rtpengines() {
    let first = |component| priority(&CandidateType::Host, 65_535, component);
    assert_eq!(first(Component::RTP), 2_130_706_431);
    assert_eq!(first(Component::RTCP), 2_130_706_430);
    let relay = priority(&CandidateType::Relayed, 65_535, Component::RTP);
    assert_eq!(relay, 16_777_215);
    let address = "192.0.2.1:30000".parse().expect("an address");
    let ours = Candidate::host(address, Component::RTP, 65_535, "Yx0Mhd1P8KiHqZQ4");
    let written = "Yx0Mhd1P8KiHqZQ4 1 UDP 2130706431 192.0.2.1 30000 typ host";
    assert_eq!(ours.to_string(), written);
}

#[test]
fn defects_have_distinct_errors() {
    use CandidateError as E;
    let cases = [
        ("", E::Incomplete),
        ("1 1 UDP 1 10.0.0.1 5 typ", E::Incomplete),
        ("1 0 UDP 1 10.0.0.1 5 typ host", E::BadComponent),
        ("1 257 UDP 1 10.0.0.1 5 typ host", E::BadComponent),
        ("1 +1 UDP 1 10.0.0.1 5 typ host", E::BadComponent),
        ("1 1 UDP 4294967296 10.0.0.1 5 typ host", E::BadPriority),
        ("1 1 UDP 1 10.0.0.1 65536 typ host", E::BadPort),
        (
            "1 1 UDP 1 10.0.0.1 5 typ srflx raddr 1.1.1.1 rport x",
            E::BadPort,
        ),
        ("1 1 UDP 1 10.0.0.1 5 host", E::NoType),
        ("1 1 UDP 1 10.0.0.1 5 host typ", E::NoType),
        ("1 1 UDP 1 10.0.0.1 5 typ höst", E::NotText(0xc3)),
        (
            "123456789012345678901234567890123 1 UDP 1 10.0.0.1 5 typ host",
            E::LongFoundation(33),
        ),
    ];
    for (line, error) in cases {
        assert_eq!(parse(line), Err(error), "{line}");
    }
    let line = format!("1 1 UDP 1 10.0.0.1 5 typ host{}", " a b".repeat(17));
    assert_eq!(parse(&line), Err(E::TooManyExtensions));
    assert_eq!(parse(&"1".repeat(1025)), Err(E::TooLong(1025)));
}

fn address() -> impl Strategy<Value = CandidateAddress> {
    prop_oneof![
        any::<IpAddr>().prop_map(CandidateAddress::Ip),
        "[a-f0-9-]{1,36}\\.local".prop_map(CandidateAddress::Name),
    ]
}

prop_compose! {
    fn candidate()(
        foundation in "[A-Za-z0-9+/]{1,32}",
        component in (1_u16..=256).prop_map(|n| Component::new(n).expect("in range")),
        transport in prop::sample::select(vec![
            Transport::Udp, Transport::Tcp, Transport::Other("DCCP".into()),
        ]),
        priority: u32,
        address in address(),
        port: u16,
        typ in prop::sample::select(vec![
            CandidateType::Host, CandidateType::ServerReflexive, CandidateType::PeerReflexive,
            CandidateType::Relayed, CandidateType::Other("foo".into()),
        ]),
        related in prop::option::of((address(), any::<u16>())),
        extensions in prop::collection::vec(("[a-qs-z][a-z-]{0,10}", "[!-~]{1,20}"), 0..16),
    ) -> Candidate {
        Candidate { foundation, component, transport, priority, address, port, typ, related, extensions }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(candidate in candidate()) {
        let line = candidate.to_string();
        prop_assert_eq!(Candidate::parse(line.as_bytes()), Ok(candidate.clone()));
        let line = format!("a=candidate:{line}");
        prop_assert_eq!(Candidate::parse(line.as_bytes()), Ok(candidate));
    }

    #[test]
    fn junk_does_not_panic_and_what_is_accepted_can_be_written(
        line in "(candidate:)?([ -~]{1,8} ){0,6}(1 udp 5 1.1.1.1 5 typ host )?([ -~]{0,8} ){0,9}",
    ) {
        if let Ok(candidate) = Candidate::parse(line.as_bytes()) {
            let again = Candidate::parse(candidate.to_string().as_bytes());
            prop_assert_eq!(again, Ok(candidate));
        }
    }

    #[test]
    fn any_bytes_end(line: Vec<u8>) {
        let _ = Candidate::parse(&line);
    }
}

/// What pjsip, Asterisk and Chromium's mDNS write.
#[test]
fn candidates_of_the_field_are_written_as_they_were_read() {
    for line in [
        "1853887674 2 UDP 1518280447 47.61.61.61 36768 typ srflx raddr 192.168.0.196 rport 36768",
        "x 1 UDP 5 3f1d4a3e-0b61-4a60-9d02-2bdc9d2e4d4b.local 50000 typ host",
        "H1 2 UDP 1 ::1 5 typ relay raddr :: rport 0 generation 0",
    ] {
        let read = Candidate::parse(line.as_bytes()).expect(line);
        assert_eq!(read.to_string(), line);
    }
}
