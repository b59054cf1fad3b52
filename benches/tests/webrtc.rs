//! The WebRTC-like client against the real rtpengine, which does ICE and DTLS with browsers, and against
//! a daemon that promises and does not keep.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper fails by panicking, too"
)]

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::Duration;

use benches::daemon::{Daemon, DaemonConfig};
use benches::load::Media;
use benches::measure::{Bench, BenchConfig, Phases};
use benches::secure::SecureError;
use benches::secure::peer::Setup;
use benches::secure::webrtc::{CallOptions, WebrtcCaller};
use daemon_rtpengine::ng::bencode;
use daemon_rtpengine::ng::value::Value;

fn start(ports: u16) -> Daemon {
    let mut config = DaemonConfig::new("rtpengine");
    config.ports = ports..=ports + 99;
    Daemon::start(&config)
        .unwrap_or_else(|e| panic!("{e}; is the package rtpengine-daemon installed?"))
}

#[test]
fn audio_flows_both_ways_in_either_role_with_ice_and_without() {
    let daemon = start(33_000);
    let mut caller = WebrtcCaller::new(daemon.ng()).unwrap();
    for ice in [true, false] {
        for setup in [Setup::ActPass, Setup::Active, Setup::Passive] {
            let options = CallOptions {
                ice,
                setup,
                ..CallOptions::BROWSER
            };
            let times = caller
                .place(&options)
                .unwrap_or_else(|e| panic!("{options:?}: {e}"));
            assert_eq!(times.ice.is_some(), ice);
            assert!(times.ice.unwrap_or_default() <= times.dtls);
            assert!(times.audio >= times.dtls && times.phone_audio >= times.dtls);
        }
    }
}

#[test]
fn calls_with_dtls_are_set_up_and_timed() {
    let daemon = start(33_200);
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.first_port = 33_400;
    let mut bench = Bench::new(config).unwrap();
    let run = bench.dtls_setups(Duration::from_millis(300)).unwrap();
    let setups = &run.setups;
    assert!(setups.completed > 0, "{run:?}");
    assert_eq!(setups.handshake_us.len(), setups.completed);
    assert!(run.cpu_per_call() > Duration::ZERO);
    let first = bench.first_audio(3).unwrap();
    for histogram in [&first.ice_us, &first.dtls_us, &first.audio_us] {
        assert_eq!(histogram.len(), 3);
    }
}

#[test]
fn calls_with_dtls_keep_their_pace_beside_media() {
    let daemon = start(33_600);
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.first_port = 33_800;
    let mut bench = Bench::new(config).unwrap();
    let phases = Phases {
        rampup: Duration::from_millis(20),
        warmup: Duration::from_millis(100),
        measured: Duration::from_millis(800),
    };
    let (load, setups) = bench.load_during_setups(5, phases, 40).unwrap();
    assert_eq!(load.faults(), 0, "{load:?}");
    assert!(load.tally.received() > 0);
    // Half a second of them: the first at once, then one each 25 ms. A busy machine may miss the last.
    assert!((10..=20).contains(&setups.completed), "{setups:?}");
    assert_eq!(setups.handshake_us.len(), setups.completed);
}

#[test]
fn a_daemon_that_does_no_dtls_is_reported_with_how_far_it_came() {
    let options = CallOptions {
        ice: false,
        limit: Duration::from_millis(200),
        ..CallOptions::BROWSER
    };
    let silent = "a=setup:active\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
                  00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
    let mut caller = WebrtcCaller::new(promising(silent)).unwrap();
    let error = caller.place(&options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "after 200ms the client has no audio and the phone no audio \
         (DTLS not done, 0 packets early, 0 refused)"
    );
    let mut caller = WebrtcCaller::new(promising("")).unwrap();
    let error = caller.place(&options).unwrap_err();
    let SecureError::Call(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.source.to_string(), "unusable SDP in the reply");
}

/// A daemon that answers one call's requests, with these lines in its descriptions, and relays nothing.
fn promising(lines: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let ng = socket.local_addr().unwrap();
    thread::spawn(move || {
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = media.local_addr().unwrap().port();
        let local = SocketAddrV4::new([127, 0, 0, 1].into(), port);
        let text = benches::sdp::write(local, &Media::PCMU, "RTP/AVP", &[]);
        let mut buffer = [0; 4096];
        loop {
            let (len, peer) = socket.recv_from(&mut buffer).unwrap();
            let space = buffer[..len].iter().position(|&c| c == b' ').unwrap();
            let (request, _) = bencode::decode(&buffer[space + 1..len]).unwrap();
            let ended = request.get("command").and_then(Value::as_str) == Some("delete");
            let mut reply = Value::dict();
            reply
                .push("result", Value::str("ok"))
                .push("sdp", Value::string(format!("{text}{lines}")));
            let mut datagram = buffer[..=space].to_vec();
            bencode::encode(&reply, &mut datagram);
            socket.send_to(&datagram, peer).unwrap();
            if ended {
                return;
            }
        }
    });
    ng
}
