//! Associations against OpenSSL's `s_client` and `s_server`, over loopback.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use media_core::dtls::{
    Association, AssociationConfig, Certificate, ClientOffer, DtlsEvent, DtlsFailure, Fingerprint,
    HashFunction, KeyingMaterial, Role,
};
use media_core::srtp::CryptoSuite;
use media_core::units::Now;

const DEADLINE: Duration = Duration::from_secs(20);
/// OpenSSL's names, ours, and bytes of keying material.
const PROFILES: [(&str, CryptoSuite, usize); 4] = [
    (
        "SRTP_AES128_CM_SHA1_80",
        CryptoSuite::AesCm128HmacSha1_80,
        60,
    ),
    (
        "SRTP_AES128_CM_SHA1_32",
        CryptoSuite::AesCm128HmacSha1_32,
        60,
    ),
    ("SRTP_AEAD_AES_128_GCM", CryptoSuite::AeadAes128Gcm, 56),
    ("SRTP_AEAD_AES_256_GCM", CryptoSuite::AeadAes256Gcm, 88),
];
/// Options of `openssl req` for each kind of key that a peer may have.
const KEYS: [(&str, &[&str]); 4] = [
    ("rsa2048", &["-newkey", "rsa:2048"]),
    ("rsa3072", &["-newkey", "rsa:3072"]),
    (
        "p256",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "p384",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
];

/// Configuration file of an OpenSSL without extended master secret and X25519.
const OLD: &str = "old.cnf";

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dtls_openssl");
    fs::create_dir_all(&directory).unwrap();
    for (name, options) in KEYS {
        openssl()
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=peer"])
            .args(options)
            .arg("-keyout")
            .arg(directory.join(format!("{name}.key")))
            .arg("-out")
            .arg(directory.join(format!("{name}.pem")))
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
    directory
});

fn openssl() -> Command {
    let found = Command::new("openssl").arg("version").output();
    assert!(found.is_ok(), "install the Debian package openssl");
    Command::new("openssl")
}

/// What OpenSSL says that a certificate's fingerprint is.
fn fingerprint(name: &str, hash: HashFunction) -> Fingerprint {
    let output = openssl()
        .args(["x509", "-noout", "-fingerprint", "-in"])
        .arg(DIRECTORY.join(format!("{name}.pem")))
        .arg(format!("-{}", hash.name().replace('-', "")))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = text.trim().split('=').nth(1).expect("a fingerprint");
    Fingerprint::parse(hash.name().as_bytes(), value.as_bytes()).unwrap()
}

fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        unix: SystemTime::UNIX_EPOCH.elapsed().unwrap(),
    }
}

fn config(role: Role, peer: &str) -> AssociationConfig {
    let mut config = AssociationConfig::new(role, Certificate::generate(now()).unwrap());
    config.remote_fingerprints = vec![fingerprint(peer, HashFunction::Sha256)];
    config
}

/// An `s_client` or `s_server` and the lines that it prints.
struct Peer {
    child: Child,
    lines: Receiver<String>,
}

impl Peer {
    fn start(verb: &str, address: [&str; 2], key: Option<&str>, options: &[&str]) -> Self {
        let mut command = openssl();
        // An option of ours: the others do not reach the extension.
        let (old, options): (Vec<&str>, Vec<&str>) = options.iter().partition(|o| **o == OLD);
        if !old.is_empty() {
            command.env("OPENSSL_CONF", DIRECTORY.join(OLD));
        }
        command
            .args([verb, "-dtls1_2", "-mtu", "1200"])
            .args(address);
        if let Some(name) = key {
            command
                .arg("-cert")
                .arg(DIRECTORY.join(format!("{name}.pem")))
                .arg("-key")
                .arg(DIRECTORY.join(format!("{name}.key")));
        }
        let mut child = command
            .args(["-keymatexport", "EXTRACTOR-dtls_srtp"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The keying material that it exports.
    fn keying_material(&self) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("keying material");
            if let Some(hex) = line.trim().strip_prefix("Keying material: ") {
                return hex.to_owned();
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an association on a socket until it has something to tell.
fn run(association: &mut Association, socket: &UdpSocket, mut to: Option<SocketAddr>) -> DtlsEvent {
    let end = Instant::now() + DEADLINE;
    let mut buffer = [0; 4096];
    loop {
        if let Some(to) = to {
            while let Some(datagram) = association.poll_transmit() {
                // Refused until the server is up; sent again when the timer says so.
                let _ = socket.send_to(&datagram, to);
            }
        }
        if let Some(event) = association.poll_event() {
            return event;
        }
        let now = Instant::now();
        assert!(now < end, "nothing happens: {association:?}");
        let wait = association.poll_timeout().unwrap_or(end).min(end);
        let wait = wait.saturating_duration_since(now);
        socket
            .set_read_timeout(Some(wait.max(Duration::from_millis(1))))
            .unwrap();
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                to = Some(from);
                association.handle_datagram(Instant::now(), &buffer[..len]);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => panic!("{e}"),
        }
        let now = Instant::now();
        if association.poll_timeout().is_some_and(|at| at <= now) {
            association.handle_timeout(now);
        }
    }
}

/// We are the client.
fn with_server(config: AssociationConfig, key: &str, options: &[&str]) -> (DtlsEvent, Peer) {
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let accept = port.to_string();
    let peer = Peer::start("s_server", ["-accept", &accept], Some(key), options);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut association = Association::new(config, Instant::now()).unwrap();
    let event = run(&mut association, &socket, Some(port));
    (event, peer)
}

/// We are the server.
fn with_client(
    config: AssociationConfig,
    key: Option<&str>,
    options: &[&str],
) -> (DtlsEvent, Peer) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let peer = Peer::start("s_client", ["-connect", &address], key, options);
    let mut association = Association::new(config, Instant::now()).unwrap();
    let event = run(&mut association, &socket, None);
    (event, peer)
}

fn keys((event, peer): (DtlsEvent, Peer), suite: CryptoSuite) -> KeyingMaterial {
    let DtlsEvent::Connected {
        suite: chosen,
        keys,
    } = event
    else {
        panic!("{event:?}");
    };
    assert_eq!(chosen, suite);
    let mut ours = String::new();
    for byte in keys.as_bytes() {
        write!(ours, "{byte:02X}").unwrap();
    }
    assert_eq!(peer.keying_material(), ours);
    keys
}

fn failure((event, _): (DtlsEvent, Peer)) -> DtlsFailure {
    match event {
        DtlsEvent::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_profile_and_key_works_in_both_roles() {
    for (name, _) in KEYS {
        for (profile, suite, len) in PROFILES {
            let len = len.to_string();
            let options = ["-use_srtp", profile, "-keymatexportlen", &len];
            let server = [&options[..], &["-Verify", "1"]].concat();
            let active = keys(
                with_server(config(Role::Active, name), name, &server),
                suite,
            );
            let passive = with_client(config(Role::Passive, name), Some(name), &options);
            let passive = keys(passive, suite);
            assert_ne!(active.as_bytes(), passive.as_bytes(), "fresh each time");
        }
    }
}

#[test]
fn modern_hello_reaches_ecdsa_servers_and_gives_way_to_rsa_ones() {
    for name in ["p256", "rsa2048"] {
        let mut config = config(Role::Active, name);
        config.client_offer = ClientOffer::Modern;
        let options = [
            "-use_srtp",
            "SRTP_AEAD_AES_128_GCM",
            "-keymatexportlen",
            "56",
        ];
        keys(
            with_server(config, name, &options),
            CryptoSuite::AeadAes128Gcm,
        );
    }
}

#[test]
fn peers_without_extended_master_secret_or_x25519_are_served() {
    let text = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n\
        Options = -ExtendedMasterSecret\nGroups = P-384:P-256\n";
    fs::write(DIRECTORY.join(OLD), text).unwrap();
    let cipher = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384";
    let profile = "SRTP_AES128_CM_SHA1_80";
    let options = [
        "-use_srtp",
        profile,
        "-keymatexportlen",
        "60",
        "-cipher",
        cipher,
    ];
    let old = [&options[..], &[OLD]].concat();
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let name = "rsa2048";
    for (options, extended) in [(&old[..], "no"), (&options, "yes")] {
        keys(
            with_server(config(Role::Active, name), name, options),
            suite,
        );
        let (event, peer) = with_client(config(Role::Passive, name), Some(name), options);
        let says = |line: &String| line.contains("Extended master secret");
        let line = peer.lines.iter().find(says).expect("what it negotiated");
        assert!(line.ends_with(extended), "{line}");
        keys((event, peer), suite);
    }
}

#[test]
fn each_way_to_fail_has_its_reason() {
    let srtp = [
        "-use_srtp",
        "SRTP_AES128_CM_SHA1_80",
        "-keymatexportlen",
        "60",
    ];
    let plain = ["-keymatexportlen", "60"];
    let wrong = |role| {
        let mut config = config(role, "p256");
        config.remote_fingerprints = vec![fingerprint("p384", HashFunction::Sha1)];
        config
    };
    let only_gcm = |role| {
        let mut config = config(role, "p256");
        config.suites = vec![CryptoSuite::AeadAes128Gcm];
        config
    };
    let (active, passive) = (Role::Active, Role::Passive);
    let key = "p256";
    let cases = [
        (
            with_server(wrong(active), key, &srtp),
            DtlsFailure::FingerprintMismatch,
        ),
        (
            with_client(wrong(passive), Some(key), &srtp),
            DtlsFailure::FingerprintMismatch,
        ),
        (
            with_server(config(active, key), key, &plain),
            DtlsFailure::NoSrtpKeys,
        ),
        (
            with_client(config(passive, key), Some(key), &plain),
            DtlsFailure::NoSrtpKeys,
        ),
        (
            with_client(only_gcm(passive), Some(key), &srtp),
            DtlsFailure::NoCommonProfile,
        ),
        (
            with_client(config(passive, key), None, &srtp),
            DtlsFailure::NoPeerCertificate,
        ),
        (
            with_client(
                config(passive, key),
                Some(key),
                &[&srtp[..], &["-cipher", "ECDHE-ECDSA-AES128-SHA"]].concat(),
            ),
            DtlsFailure::NoCommonCipher,
        ),
        (
            with_server(
                config(active, key),
                key,
                &[&srtp[..], &["-cipher", "ECDHE-ECDSA-AES128-SHA"]].concat(),
            ),
            DtlsFailure::Alert(40),
        ),
    ];
    for (at, (got, expected)) in cases.into_iter().enumerate() {
        assert_eq!(failure(got), expected, "case {at}");
    }
}

#[test]
fn our_certificate_is_one_to_openssl() {
    let certificate = Certificate::generate(now()).unwrap();
    let der = DIRECTORY.join("ours.der");
    fs::write(&der, certificate.der()).unwrap();
    let pem = DIRECTORY.join("ours.pem");
    let read = |options: &[&str]| {
        let output = openssl()
            .args(["x509", "-inform", "DER", "-in"])
            .arg(&der)
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    fs::write(&pem, read(&[])).unwrap();
    for hash in HashFunction::SUPPORTED {
        let theirs = fingerprint("ours", hash);
        assert_eq!(certificate.fingerprint(hash), Some(theirs));
    }
    let days = |n: u64| (n * 86_400).to_string();
    read(&["-noout", "-checkend", &days(29)]);
    let text = read(&["-noout", "-subject", "-enddate"]);
    assert!(text.contains("CN = voxplane"), "{text}");
    let verified = openssl()
        .args(["verify", "-check_ss_sig", "-partial_chain", "-trusted"])
        .args([&pem, &pem])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
