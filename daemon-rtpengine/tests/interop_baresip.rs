//! A plain SIP phone (sipp, with PCMU from the test's own sockets) calls baresip, which wants SRTP with keys
//! from SDES: the media daemon, steered by Kamailio, bridges the two. baresip says what it hears, so the
//! phone's tone comes back only if the daemon protects and unprotects.
//!
//! `VOXPLANE_TEST_DAEMON` names the daemon: ours, or `/usr/bin/rtpengine`, which tests the test.

mod support;

use support::baresip::{self, Setup};
use support::daemon::{Daemon, Program, test_file};
use support::phone::Phone;
use support::ports::PortBlock;
use support::process::{Guard, TempDir};
use support::query::{query, relay_of};
use support::tone::Tone;
use support::{sip, wait_for};

const TONE: Tone = Tone {
    frequency_hz: 1000.0,
    amplitude: 0.25,
};
/// How far the level may be off.
const TOLERANCE_DB: f64 = 3.0;
const CALL_ID: &str = "to-baresip";

const COMMON_FLAGS: &str = "replace-origin replace-session-connection";

const PROXY_PORT: u16 = 0;
const PHONE_PORT: u16 = 1;
const BARESIP_PORT: u16 = 2;
/// Ten ports for its media.
const BARESIP_RTP_PORT: u16 = 10;

fn filled(file: &str, values: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(test_file(file)).expect("the template is there");
    values.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

fn start_proxy(dir: &TempDir, first: u16, daemon: &Daemon, flags: &str) -> Guard {
    let port = |offset: u16| (first + offset).to_string();
    let values = [
        ("modules", &*sip::module_path("rtpengine.so", "kamailio")),
        ("daemons", &*format!("udp:{}", daemon.control())),
        ("flags", flags),
        ("answer_flags", COMMON_FLAGS),
        ("delete_flags", "delete-delay=0"),
        ("sip_port", &*port(PROXY_PORT)),
        ("uas_port", &*port(BARESIP_PORT)),
        ("second_uas_port", &*port(BARESIP_PORT)),
    ];
    let config = filled("kamailio/kamailio.cfg", &values);
    sip::start_kamailio(&config, first + PROXY_PORT, dir)
}

/// Starts baresip, which takes calls with SRTP only, and says what it hears.
fn start_baresip(dir: &TempDir, first: u16) -> Guard {
    let setup = Setup {
        sip_port: first + BARESIP_PORT,
        rtp_port: first + BARESIP_RTP_PORT,
        account: "mediaenc=srtp-mand;answermode=auto;audio_codecs=PCMU/8000/1",
        modules: &["g711.so", "aubridge.so", "srtp.so"],
        config: "audio_player aubridge,loop\naudio_source aubridge,loop",
    };
    baresip::start(dir, &setup)
}

fn start_phone(dir: &TempDir, first: u16, media_port: u16) -> Guard {
    let scenario = dir.join("caller.xml");
    let media_port = media_port.to_string();
    let values = [("user", "baresip"), ("media_port", &*media_port)];
    std::fs::write(&scenario, filled("browser/caller.xml", &values))
        .expect("the scenario can be written");
    let mut command = sip::sipp(&scenario, first + PHONE_PORT, 1);
    command
        .arg(format!("127.0.0.1:{}", first + PROXY_PORT))
        .args(["-cid_str", CALL_ID, "-trace_logs", "-log_file"])
        .arg(dir.join("sipp.signs"));
    Guard::start(command, "sip-tester", &dir.join("sipp.log"))
}

#[test]
fn phone_calls_baresip_with_aead() {
    // baresip 1.0 takes no key without its padding, which rtpengine leaves out unless told so.
    call_baresip("SDES-pad", "AEAD_AES_256_GCM");
}

#[test]
fn phone_calls_baresip_with_counter_mode() {
    let flags = "SDES-no-AEAD_AES_256_GCM SDES-no-AEAD_AES_128_GCM";
    call_baresip(flags, "AES_CM_128_HMAC_SHA1_80");
}

/// A call with these flags in addition, in which baresip must choose this suite (RFC 4568 §6.2).
fn call_baresip(flags: &str, suite: &str) {
    let dir = TempDir::new(&format!("baresip-{suite}"));
    let program = Program::under_test();
    let daemon = Daemon::start(&program, "daemon", 48, &["--interface=127.0.0.1"], &dir);
    let ports = PortBlock::take(50);
    let first = ports.first();
    // DTLS is off, so that there is no way but SDES.
    let flags = format!("{COMMON_FLAGS} RTP/SAVP DTLS=off ICE=remove {flags}");
    let proxy = start_proxy(&dir, first, &daemon, &flags);
    let baresip = start_baresip(&dir, first);
    let phone = Phone::new(TONE);
    let mut sipp = start_phone(&dir, first, phone.port());
    let logs = || format!("{}\n{}\n{}", proxy.log_tail(), daemon.log(), baresip.log());
    wait_for("the answer", || {
        if let Some(status) = sipp.exit_status() {
            panic!("sipp ended early with {status}\n{}", logs());
        }
        let signs = std::fs::read_to_string(dir.join("sipp.signs")).unwrap_or_default();
        signs.contains("up ").then_some(())
    });

    let call = query(&daemon, CALL_ID);
    let relay = relay_of(&call, phone.port()).unwrap_or_else(|| panic!("no stream: {call:?}"));
    phone.talk_to(relay);
    let mut level = f64::NEG_INFINITY;
    // The first second may hold the silence before.
    for _ in 0..5 {
        let heard = phone.record();
        let heard = heard.unwrap_or_else(|| panic!("{:?}\n{}", phone.complaints(), logs()));
        level = TONE.gain_db(&heard);
        if level.abs() <= TOLERANCE_DB {
            break;
        }
    }
    assert!(level.abs() <= TOLERANCE_DB, "{level:.1} dB\n{}", logs());
    assert!(phone.complaints().is_empty(), "{:?}", phone.complaints());
    let enabled = format!("SRTP is Enabled (cryptosuite={suite})");
    assert!(baresip.log().contains(&enabled), "{}", logs());

    sip::go_on(first + PHONE_PORT, CALL_ID);
    let status = sipp.wait();
    assert!(status.success(), "sipp ended with {status}\n{}", logs());
    daemon.await_bound_media_ports(0);
}
