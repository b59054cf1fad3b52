//! Associations against each other, in virtual time over links as bad as they come.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panic, wherever it stands"
)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use media_core::dtls::{
    Association, AssociationConfig, Certificate, ClientOffer, DtlsEvent, DtlsFailure, DtlsVersion,
    Fingerprint, HashFunction, KeyingMaterial, Role, SUITES,
};
use media_core::srtp::CryptoSuite;
use media_core::testing::{Link, LinkConfig, Rng, start};
use media_core::units::Now;
use media_core::wire::dtls::{HandshakeFragments, Records, is_client_hello};

const VERSIONS: [(ClientOffer, DtlsVersion); 2] = [
    (ClientOffer::Compatible, DtlsVersion::V1_2),
    (ClientOffer::Modern, DtlsVersion::V1_3),
];
const SECONDS: Duration = Duration::from_secs(1);

static CERTIFICATES: LazyLock<[Certificate; 2]> = LazyLock::new(|| {
    let now = Now {
        monotonic: start(),
        unix: Duration::from_secs(1_800_000_000),
    };
    [now; 2].map(|now| Certificate::generate(now).unwrap())
});

fn fingerprint(side: usize, hash: HashFunction) -> Fingerprint {
    CERTIFICATES[side].fingerprint(hash).unwrap()
}

/// The active side, then the passive side, each expecting the other.
fn configs(offer: ClientOffer) -> [AssociationConfig; 2] {
    let config = |role, own: usize| {
        let mut config = AssociationConfig::new(role, CERTIFICATES[own].clone());
        config.client_offer = offer;
        config.remote_fingerprints = vec![fingerprint(1 - own, HashFunction::Sha256)];
        config
    };
    [config(Role::Active, 0), config(Role::Passive, 1)]
}

fn honest(_: usize, _: usize, datagram: Vec<u8>) -> Vec<Vec<u8>> {
    vec![datagram]
}

struct Pair {
    now: Instant,
    sides: [Association; 2],
    links: [Link<Vec<u8>>; 2],
    sent: [usize; 2],
    events: [Vec<DtlsEvent>; 2],
}

impl Pair {
    fn new(configs: [AssociationConfig; 2], link: LinkConfig, seed: u64) -> Self {
        let now = start();
        Self {
            now,
            sides: configs.map(|config| Association::new(config, now).unwrap()),
            links: [0, 1].map(|side| Link::new(link, 2 * seed + side)),
            sent: [0; 2],
            events: [Vec::new(), Vec::new()],
        }
    }

    /// Until nothing happens any more, or both have events, or a minute is over. `meddle` is what
    /// somebody on the path makes of a datagram: from which side, the how manieth, its bytes.
    fn run(&mut self, meddle: &mut dyn FnMut(usize, usize, Vec<u8>) -> Vec<Vec<u8>>) {
        let end = self.now + 60 * SECONDS;
        loop {
            for side in 0..2 {
                while let Some(datagram) = self.sides[side].poll_transmit() {
                    self.sent[side] += 1;
                    for datagram in meddle(side, self.sent[side], datagram) {
                        self.links[side].send(self.now, datagram);
                    }
                }
                while let Some(event) = self.sides[side].poll_event() {
                    self.events[side].push(event);
                }
            }
            let timeouts = self.sides.iter().filter_map(Association::poll_timeout);
            let arrivals = self.links.iter().filter_map(Link::next_arrival);
            let Some(next) = timeouts.chain(arrivals).min() else {
                return;
            };
            let done = self.events.iter().all(|events| !events.is_empty());
            if next > end || (done && self.links.iter().all(|l| l.next_arrival().is_none())) {
                return;
            }
            self.now = self.now.max(next);
            for side in 0..2 {
                while let Some((_, datagram)) = self.links[side].poll(self.now) {
                    self.sides[1 - side].handle_datagram(self.now, &datagram);
                }
                if self.sides[side]
                    .poll_timeout()
                    .is_some_and(|t| t <= self.now)
                {
                    self.sides[side].handle_timeout(self.now);
                }
            }
        }
    }

    /// The keys of both sides, which must have nothing but keys to tell.
    fn keys(&self) -> [&KeyingMaterial; 2] {
        [0, 1].map(|side| match self.events[side].as_slice() {
            [DtlsEvent::Connected { keys, .. }] => keys,
            events => panic!(
                "side {side}: {events:?}, other {:?} after {:?}: {:?}",
                self.events[1 - side],
                self.elapsed(),
                self.sides[side]
            ),
        })
    }

    fn failure(&self, side: usize) -> DtlsFailure {
        match self.events[side].as_slice() {
            [.., DtlsEvent::Failed(failure)] => *failure,
            events => panic!("side {side}: {events:?}"),
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - start()
    }
}

fn perfect(configs: [AssociationConfig; 2]) -> Pair {
    let link = LinkConfig {
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    let mut pair = Pair::new(configs, link, 0);
    pair.run(&mut honest);
    pair
}

fn assert_same_keys(pair: &Pair) {
    let [active, passive] = pair.keys();
    assert_eq!(active.as_bytes(), passive.as_bytes());
    assert_eq!(active.local_key(), passive.remote_key());
    assert_eq!(active.remote_key(), passive.local_key());
    assert_eq!(active.local_salt(), passive.remote_salt());
    assert_eq!(active.remote_salt(), passive.local_salt());
    assert_ne!(active.local_key(), active.remote_key());
}

#[test]
fn both_versions_give_both_roles_the_same_keys() {
    for (offer, version) in VERSIONS {
        for verify_address in [true, false] {
            let mut configs = configs(offer);
            configs[1].verify_address = verify_address;
            let pair = perfect(configs);
            assert_same_keys(&pair);
            assert_eq!(pair.keys()[0].suite(), CryptoSuite::AeadAes256Gcm);
            for side in &pair.sides {
                assert_eq!(side.version(), Some(version));
            }
            // Two round trips, and one more to verify the address.
            let trips = if verify_address { 3 } else { 2 };
            let elapsed = pair.elapsed();
            assert!(elapsed <= Duration::from_millis(20 * trips), "{elapsed:?}");
        }
    }
}

#[test]
fn every_suite_is_negotiated_and_the_servers_favourite_wins() {
    for suite in SUITES {
        for (offer, _) in VERSIONS {
            let mut configs = configs(offer);
            configs[1].suites = vec![suite];
            if (offer, suite) == (ClientOffer::Modern, CryptoSuite::AesCm128HmacSha1_32) {
                continue; // it does not offer it
            }
            // To a modern hello we answer in 1.2 where we do not want the client's favourite.
            let pair = perfect(configs);
            assert_same_keys(&pair);
            assert_eq!(pair.keys()[0].suite(), suite, "{offer:?}");
        }
    }
    let mut configs = configs(ClientOffer::Compatible);
    configs[1].suites = vec![CryptoSuite::AesCm128HmacSha1_32, CryptoSuite::AeadAes128Gcm];
    let pair = perfect(configs);
    assert_eq!(pair.keys()[1].suite(), CryptoSuite::AesCm128HmacSha1_32);
}

#[test]
fn handshakes_end_whatever_is_lost() {
    for (offer, version) in VERSIONS {
        for nth in 2..7 {
            for side in 0..2 {
                let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
                pair.run(&mut |from, number, datagram| {
                    if from == side && number % nth == 0 {
                        vec![]
                    } else {
                        vec![datagram]
                    }
                });
                assert_same_keys(&pair);
                assert_eq!(pair.sides[0].version(), Some(version));
            }
        }
        for seed in 0..100 {
            let link = LinkConfig {
                loss: 0.25,
                duplicate: 0.1,
                reorder: 0.2,
                reorder_hold: Duration::from_millis(80),
                delay: Duration::from_millis(30),
                jitter: Duration::from_millis(10),
            };
            let mut configs = configs(offer);
            if offer == ClientOffer::Compatible {
                // More datagrams, more to lose.
                configs[0].mtu = 300;
                configs[1].mtu = 400;
            }
            let mut pair = Pair::new(configs, link, seed);
            pair.run(&mut honest);
            assert_same_keys(&pair);
        }
    }
}

/// The one handshake message of a datagram, in as many datagrams as it takes at this length.
fn in_pieces(datagram: &[u8], len: usize) -> Vec<Vec<u8>> {
    let record = Records::new(datagram).next().unwrap();
    let whole = HandshakeFragments::new(record.fragment).next().unwrap();
    assert!(whole.is_whole() && whole.data.len() + 25 == datagram.len());
    let u24 = |n: usize| u32::try_from(n).unwrap().to_be_bytes()[1..].to_vec();
    let pieces = whole.data.chunks(len).enumerate();
    pieces
        .map(|(n, piece)| {
            let mut out = datagram[..17].to_vec();
            // A record number of its own, and the length of the record.
            out[9] = u8::try_from(n + 1).unwrap();
            let length = u16::try_from(piece.len() + 12).unwrap();
            out[11..13].copy_from_slice(&length.to_be_bytes());
            out.extend(whole.message_seq.to_be_bytes());
            out.extend(u24(n * len));
            out.extend(u24(piece.len()));
            out.extend_from_slice(piece);
            out
        })
        .collect()
}

#[test]
fn hello_in_pieces_is_put_together_in_any_order() {
    for (offer, version) in VERSIONS {
        for len in [100, 700] {
            for turn in 0..3 {
                let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
                pair.run(&mut |from, _, datagram| {
                    if from == 0 && is_client_hello(&datagram) {
                        let mut pieces = in_pieces(&datagram, len);
                        let turn = turn % pieces.len();
                        pieces.rotate_left(turn);
                        pieces
                    } else {
                        vec![datagram]
                    }
                });
                assert_same_keys(&pair);
                assert_eq!(pair.sides[1].version(), Some(version));
            }
        }
    }
}

#[test]
fn no_datagram_is_longer_than_the_mtu() {
    for (offer, _) in VERSIONS {
        for mtu in [256, 500, 1199, 1200, 1400] {
            let mut configs = configs(offer);
            configs[0].mtu = mtu;
            configs[1].mtu = mtu;
            let mut pair = Pair::new(configs, LinkConfig::default(), 0);
            pair.run(&mut |_, _, datagram| {
                assert!(datagram.len() <= mtu, "{} > {mtu}", datagram.len());
                vec![datagram]
            });
            assert_same_keys(&pair);
            let is_modern = offer == ClientOffer::Modern && mtu >= 1200;
            let version = VERSIONS[usize::from(is_modern)].1;
            assert_eq!(pair.sides[0].version(), Some(version));
        }
    }
}

#[test]
fn junk_and_cut_datagrams_change_nothing() {
    for (offer, version) in VERSIONS {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
            pair.run(&mut |_, _, datagram| {
                let mut all = Vec::new();
                for _ in 0..rng.below(4) {
                    all.push(junk(&mut rng, &datagram));
                }
                all.push(datagram);
                all
            });
            assert_same_keys(&pair);
            assert_eq!(pair.sides[0].version(), Some(version));
        }
    }
}

/// Noise, noise with a good first byte, the datagram without its end, or a record of an epoch to come.
fn junk(rng: &mut Rng, datagram: &[u8]) -> Vec<u8> {
    let mut noise = vec![0; usize::try_from(rng.below(90)).unwrap()];
    rng.fill(&mut noise);
    match rng.below(4) {
        0 => noise,
        1 => {
            if let Some(first) = noise.first_mut() {
                *first = 20 + *first % 44;
            }
            noise
        }
        2 => {
            let end = rng.below(u64::try_from(datagram.len()).unwrap());
            datagram[..usize::try_from(end).unwrap()].to_vec()
        }
        _ => {
            let len = u16::try_from(noise.len()).unwrap().to_be_bytes();
            let head = [
                22,
                0xfe,
                0xfd,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                noise.len().to_le_bytes()[0],
            ];
            [&head[..], &len, &noise].concat()
        }
    }
}

#[test]
fn changed_datagrams_never_give_keys_that_differ() {
    for (offer, _) in VERSIONS {
        let mut refused = 0;
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let side = usize::try_from(rng.below(2)).unwrap();
            let (place, bit) = (rng.next_u64(), rng.below(8));
            let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
            // Each time in the same place, so that it is no accident that a retransmission heals.
            pair.run(&mut |from, _, mut datagram| {
                if from == side {
                    let len = u64::try_from(datagram.len()).unwrap();
                    datagram[usize::try_from(place % len).unwrap()] ^= 1 << bit;
                }
                vec![datagram]
            });
            let connected = |side: usize| {
                pair.events[side]
                    .iter()
                    .any(|event| matches!(event, DtlsEvent::Connected { .. }))
            };
            // At most an acknowledgement every 20 ms.
            assert!(pair.sent.iter().all(|sent| *sent < 3200), "{:?}", pair.sent);
            if connected(0) && connected(1) {
                assert_same_keys(&pair);
            } else {
                refused += 1;
            }
        }
        assert!(refused > 150, "{refused}");
    }
}

#[test]
fn certificate_must_match_its_fingerprint() {
    for (offer, _) in VERSIONS {
        for side in 0..2 {
            let mut configs = configs(offer);
            // Its own instead of the other's.
            configs[side].remote_fingerprints = vec![fingerprint(side, HashFunction::Sha256)];
            let pair = perfect(configs);
            assert_eq!(pair.failure(side), DtlsFailure::FingerprintMismatch);
            assert!(pair.sides[side].is_over());
            assert_eq!(
                pair.sides[side].peer_certificate(),
                Some(CERTIFICATES[1 - side].der())
            );
            let keys = pair.events[side]
                .iter()
                .any(|event| matches!(event, DtlsEvent::Connected { .. }));
            assert!(!keys, "no keys for an impostor");
        }
    }
}

#[test]
fn each_hash_function_is_good_for_a_fingerprint() {
    for hash in HashFunction::SUPPORTED {
        let mut configs = configs(ClientOffer::Compatible);
        configs[0].remote_fingerprints = vec![fingerprint(1, hash)];
        assert_same_keys(&perfect(configs));
    }
    let mut configs = configs(ClientOffer::Compatible);
    configs[0].remote_fingerprints = vec![Fingerprint::parse(b"md5", b"00:01").unwrap()];
    let pair = perfect(configs);
    assert_eq!(pair.failure(0), DtlsFailure::UnsupportedHash);
}

#[test]
fn keys_wait_for_the_fingerprint() {
    for (offer, _) in VERSIONS {
        let mut configs = configs(offer);
        configs[0].remote_fingerprints.clear();
        let mut pair = perfect(configs);
        assert!(pair.events[0].is_empty(), "{:?}", pair.events[0]);
        assert_eq!(pair.sides[0].poll_timeout(), None, "it may take its time");
        pair.sides[0].set_remote_fingerprints(pair.now, Vec::new());
        assert!(
            !pair.sides[0].is_over(),
            "a description without any says nothing"
        );
        let right = vec![fingerprint(1, HashFunction::Sha512)];
        pair.now += 100 * SECONDS;
        pair.sides[0].set_remote_fingerprints(pair.now, right.clone());
        pair.run(&mut honest);
        assert_same_keys(&pair);
        pair.sides[0].set_remote_fingerprints(pair.now, right);
        assert!(pair.sides[0].poll_event().is_none(), "nothing new");
        // A later description says that it was somebody else.
        let wrong = vec![fingerprint(0, HashFunction::Sha256)];
        pair.sides[0].set_remote_fingerprints(pair.now, wrong);
        pair.run(&mut honest);
        assert_eq!(pair.failure(0), DtlsFailure::FingerprintMismatch);
        assert!(pair.sides[1].is_over(), "the peer is told");
    }
}

#[test]
fn sides_without_a_common_profile_say_so() {
    for (offer, _) in VERSIONS {
        let mut configs = configs(offer);
        configs[0].suites = vec![CryptoSuite::AesCm128HmacSha1_80];
        configs[1].suites = vec![CryptoSuite::AesCm128HmacSha1_32];
        let pair = perfect(configs);
        assert_eq!(pair.failure(1), DtlsFailure::NoCommonProfile);
        assert!(matches!(pair.failure(0), DtlsFailure::Alert(_)));
    }
    let mut config = configs(ClientOffer::Compatible)[0].clone();
    config.suites = vec![CryptoSuite::NullHmacSha1_80];
    let made = Association::new(config, start());
    assert_eq!(made.err(), Some(DtlsFailure::NoCommonProfile));
}

/// A fatal alert that nothing protects.
const ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];

#[test]
fn an_alert_ends_a_handshake_if_silence_follows_and_a_plain_one_no_association() {
    for (offer, _) in VERSIONS {
        let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
        // The first may say that the hello is too modern: once more, in the old way.
        for _ in 0..2 {
            pair.sides[0].handle_datagram(pair.now, &ALERT);
            assert!(!pair.sides[0].is_over());
        }
        pair.run(&mut |_, _, _| vec![]);
        assert!(pair.sides[0].is_over());
        assert_eq!(pair.failure(0), DtlsFailure::Alert(40));
        assert!(pair.elapsed() <= 2 * SECONDS, "{:?}", pair.elapsed());

        let mut pair = perfect(configs(offer));
        for side in &mut pair.sides {
            side.handle_datagram(pair.now, &ALERT);
            assert!(!side.is_over() && side.poll_event().is_none());
        }
    }
}

#[test]
fn an_alert_of_whomever_ends_no_handshake_of_1_2() {
    let link = LinkConfig {
        delay: Duration::from_millis(200),
        ..LinkConfig::default()
    };
    let mut pair = Pair::new(configs(ClientOffer::Compatible), link, 0);
    pair.run(&mut |_, _, datagram| vec![ALERT.to_vec(), datagram, ALERT.to_vec()]);
    assert_same_keys(&pair);
    // Its last is no reason to give up what has ended well.
    for side in &mut pair.sides {
        side.handle_timeout(pair.now + 100 * SECONDS);
        assert!(!side.is_over());
    }
}

#[test]
fn a_hello_with_a_forged_address_buys_little() {
    let mut configs = configs(ClientOffer::Compatible);
    configs[1].verify_address = false;
    let mut pair = Pair::new(configs, LinkConfig::default(), 0);
    let mut bytes = [0; 2];
    pair.run(&mut |from, number, datagram| {
        if from == 0 && number > 1 {
            return vec![];
        }
        bytes[from] += datagram.len();
        if from == 0 { vec![datagram] } else { vec![] }
    });
    assert_eq!(pair.failure(1), DtlsFailure::Timeout);
    assert!(bytes[1] <= 30 * bytes[0], "{bytes:?}");

    configs = self::configs(ClientOffer::Compatible);
    let mut pair = Pair::new(configs, LinkConfig::default(), 0);
    let mut bytes = [0; 2];
    pair.run(&mut |from, _, datagram| {
        bytes[from] += datagram.len();
        if from == 0 { vec![datagram] } else { vec![] }
    });
    assert!(bytes[1] <= bytes[0], "{bytes:?}");
}

#[test]
fn a_refused_modern_hello_is_followed_by_a_compatible_one() {
    let mut pair = Pair::new(configs(ClientOffer::Modern), LinkConfig::default(), 0);
    while pair.sides[0].poll_transmit().is_some() {}
    pair.sides[0].handle_datagram(pair.now, &ALERT);
    pair.run(&mut honest);
    assert_same_keys(&pair);
    assert_eq!(pair.sides[0].version(), Some(DtlsVersion::V1_2));
}

#[test]
fn no_later_version_than_allowed_is_agreed_on() {
    for side in 0..2 {
        let mut configs = configs(ClientOffer::Modern);
        configs[side].max_version = DtlsVersion::V1_2;
        let mut pair = Pair::new(configs, LinkConfig::default(), 0);
        pair.run(&mut honest);
        assert_same_keys(&pair);
        for side in &pair.sides {
            assert_eq!(side.version(), Some(DtlsVersion::V1_2));
        }
    }
}

#[test]
fn a_silent_peer_is_given_up_in_time() {
    for (offer, _) in VERSIONS {
        let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
        pair.run(&mut |_, _, _| vec![]);
        assert_eq!(pair.failure(0), DtlsFailure::Timeout);
        assert!(
            (25..=30).contains(&pair.elapsed().as_secs()),
            "{:?}",
            pair.elapsed()
        );
        assert!((6..20).contains(&pair.sent[0]), "{} hellos", pair.sent[0]);
        assert!(!pair.sides[1].is_over(), "it knows of nothing");
    }
    // The server's answers never arrive.
    for (offer, _) in VERSIONS {
        let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
        pair.run(&mut |from, _, d| if from == 1 { vec![] } else { vec![d] });
        assert_eq!(pair.failure(1), DtlsFailure::Timeout);
        let bytes = pair.sent[1];
        assert!(
            bytes <= 2 * pair.sent[0],
            "{bytes} answers to {} hellos",
            pair.sent[0]
        );
    }
}

#[test]
fn half_a_hello_is_forgotten() {
    let configs = configs(ClientOffer::Compatible);
    let mut pair = Pair::new(configs, LinkConfig::default(), 0);
    let hello = pair.sides[0].poll_transmit().unwrap();
    pair.sides[1].handle_datagram(pair.now, &in_pieces(&hello, 100)[0]);
    let deadline = pair.sides[1].poll_timeout().expect("it does not stay");
    assert_eq!(deadline - pair.now, 30 * SECONDS);
    pair.sides[1].handle_timeout(deadline);
    assert!(pair.sides[1].poll_timeout().is_none() && !pair.sides[1].is_over());
    pair.run(&mut honest);
    assert_same_keys(&pair);
}

#[test]
fn close_is_told_to_the_peer() {
    for (offer, _) in VERSIONS {
        for side in 0..2 {
            let mut pair = perfect(configs(offer));
            pair.sides[side].close(pair.now);
            pair.run(&mut honest);
            assert!(pair.sides.iter().all(Association::is_over));
            assert_eq!(pair.events[side].len(), 1, "whoever closes knows");
            let events = &pair.events[1 - side];
            assert!(
                matches!(events[..], [DtlsEvent::Connected { .. }, DtlsEvent::Closed]),
                "{events:?}"
            );
        }
    }
}

#[test]
fn a_server_takes_only_the_beginning_of_a_hello() {
    for (offer, _) in VERSIONS {
        let mut pair = Pair::new(configs(offer), LinkConfig::default(), 0);
        let mut first = true;
        pair.run(&mut |from, _, datagram| {
            assert!(!first || is_client_hello(&datagram));
            assert!(from == 0 || !is_client_hello(&datagram));
            first = false;
            vec![datagram]
        });
    }
    let mut passive = Association::new(configs(ClientOffer::Modern)[1].clone(), start()).unwrap();
    let mut rng = Rng::new(5);
    for _ in 0..1000 {
        let mut noise = vec![0; 64];
        rng.fill(&mut noise);
        noise[..4].copy_from_slice(&[22, 0xfe, 0xfd, 0]);
        passive.handle_datagram(start(), &noise);
    }
    assert!(passive.poll_transmit().is_none() && passive.poll_timeout().is_none());
}

#[test]
fn an_association_may_move_between_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Association>();
    is_send::<Certificate>();
    is_send::<DtlsEvent>();
}
