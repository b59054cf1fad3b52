//! Calls that are transcoded, between real peers: sipp and baresip steered through Kamailio with the flags of
//! VoIPBIN. Callers come with G.722, Opus and PCMA; inside there is PCMU and telephone events.
//!
//! What is heard is judged by the tone in it, its level and all that is not the tone; what is dialled by the
//! events that arrive.
//!
//! `VOXPLANE_TEST_DAEMON` names the daemon: ours, or `/usr/bin/rtpengine`, which tests the test.

mod support;
mod transcode;

use support::baresip::Control;
use support::call::formats;
use support::digits::{Dialled, dialled, expect_keys, expect_keys_in_time};
use support::limits::{CLEAN, Limits, VOICE, VOICE_FROM_RTPENGINE, expect_tone, judge};
use support::line::{Coding, Sound};
use support::phone::Phone;
use support::tone::Tone;
use support::wait_for;
use transcode::{Baresip, Network, Role};

/// What the caller plays.
const CALLER_TONE: Tone = Tone {
    frequency_hz: 1000.0,
    amplitude: 0.3,
};
/// What the callee plays.
const CALLEE_TONE: Tone = Tone {
    frequency_hz: 620.0,
    amplitude: 0.2,
};
const CALLER_KEYS: &str = "1234567890*#ABCD";
const CALLEE_KEYS: &str = "#0099*D";

fn phone(coding: Coding, tone: Tone) -> Phone {
    Phone::with(coding, Sound::tone(tone, coding.sample_rate_hz()))
}

/// Towards a party with this codec, or from there.
fn limits(codec: &str, towards_it: bool, network: &Network) -> Limits {
    match (
        codec.contains("opus"),
        towards_it && !network.has_our_daemon(),
    ) {
        (true, true) => VOICE_FROM_RTPENGINE,
        (true, false) => VOICE,
        (false, _) => CLEAN,
    }
}

/// Dials from one phone to the other.
fn expect_dialling(from: &Phone, to: &Phone, keys: &str, who: &str) {
    from.dial(keys);
    wait_for("the keys to be sent", || from.has_dialled().then_some(()));
    // Sound goes on behind the last event.
    let count = to.heard();
    wait_for("sound behind the keys", || {
        (to.heard() > count + 10).then_some(())
    });
    let events = dialled(&to.packets(), &to.coding());
    println!("the {who} dials {keys}: {} events", events.len());
    expect_keys_in_time(&events, keys);
}

/// One stream, in unbroken numbers, whose time goes on and never back.
fn expect_unbroken(phone: &Phone) {
    assert!(phone.complaints().is_empty(), "{:?}", phone.complaints());
    let packets = phone.packets();
    for pair in packets.windows(2) {
        assert_eq!(pair[0].from, pair[1].from);
        assert_eq!(pair[0].ssrc, pair[1].ssrc);
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        // A digit's 100 ms at most, in ticks.
        let most = phone.coding().codec.clock_rate_hz / 10;
        assert!(step <= most, "time makes a step of {step} in {pair:?}");
    }
}

/// A call of sipp to sipp.
fn call(name: &str, outside: Coding, inside: Coding, offered: &[&str], told: &[&str]) {
    let network = Network::start(name);
    let caller = phone(outside, CALLER_TONE);
    let callee = phone(inside, CALLEE_TONE);
    let mut callee_sipp = network.sipp(Role::Callee, &callee);
    let mut caller_sipp = network.sipp(Role::Caller, &caller);
    let offer = callee_sipp.connect(&callee);
    let answer = caller_sipp.connect(&caller);
    println!("the callee is offered {:?}", formats(&offer));
    println!("the caller is told {:?}", formats(&answer));
    assert_eq!(formats(&offer), offered);
    assert_eq!(formats(&answer), told);

    let name = outside.codec.name;
    let to_callee = limits(name, false, &network);
    let to_caller = limits(name, true, &network);
    expect_tone(&callee, CALLER_TONE, to_callee, "callee");
    expect_tone(&caller, CALLEE_TONE, to_caller, "caller");
    expect_dialling(&caller, &callee, CALLER_KEYS, "caller");
    expect_dialling(&callee, &caller, CALLEE_KEYS, "callee");
    expect_tone(&callee, CALLER_TONE, to_callee, "callee");
    expect_tone(&caller, CALLEE_TONE, to_caller, "caller");
    expect_unbroken(&callee);
    expect_unbroken(&caller);

    caller_sipp.hang_up();
    caller_sipp.await_end();
    callee_sipp.await_end();
    network.await_no_call();
}

/// What the inside is always offered.
const OFFERED: [&str; 3] = ["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"];

fn inside() -> Coding {
    Coding::pcmu().with_events(101, 8000)
}

#[test]
fn g722_reaches_the_inside_as_pcmu() {
    let outside = Coding::g722().with_events(101, 8000);
    let told = ["9 G722/8000", "101 telephone-event/8000"];
    call("g722", outside, inside(), &OFFERED, &told);
}

#[test]
fn pcma_reaches_the_inside_as_pcmu() {
    let outside = Coding::pcma().with_events(101, 8000);
    let told = ["8 PCMA/8000", "101 telephone-event/8000"];
    call("pcma", outside, inside(), &OFFERED, &told);
}

/// The events of Opus have its clock (RFC 7587 §4.1, RFC 4733 §2.1): the inside's are others.
#[test]
fn opus_reaches_the_inside_as_pcmu() {
    let outside = Coding::opus(111).with_events(110, 48_000);
    let inside = Coding::pcmu().with_events(96, 8000);
    let offered = ["0 PCMU/8000", "8 PCMA/8000", "96 telephone-event/8000"];
    let told = ["111 opus/48000/2", "110 telephone-event/48000"];
    call("opus", outside, inside, &offered, &told);
}

/// The other way round: who is inside calls, and is told its own codec, whatever the answer.
#[test]
fn inside_calls_pcma() {
    let callee = Coding::pcma().with_events(101, 8000);
    let told = ["0 PCMU/8000", "101 telephone-event/8000"];
    call("out", inside(), callee, &OFFERED, &told);
}

/// baresip, with codecs of its own, calls the inside.
fn baresip_calls(name: &str, codec: &Baresip, has_events: bool) {
    let network = Network::start(name);
    let callee = phone(inside(), CALLEE_TONE);
    callee.begin_at_0();
    let mut callee_sipp = network.sipp(Role::Callee, &callee);
    let (baresip, mut control) = network.baresip(codec, CALLER_TONE);
    control.command("dial", &format!("sip:bob@{}", network.proxy_address()));
    let offer = callee_sipp.connect(&callee);
    assert_eq!(formats(&offer), OFFERED);
    control.await_event("CALL_ESTABLISHED");

    let to_callee = limits(codec.name, false, &network);
    expect_tone(&callee, CALLER_TONE, to_callee, "callee");
    if has_events {
        // rtpengine passes on each of the three ends that baresip sends as a key of its own.
        if network.has_our_daemon() {
            baresip_dials(&mut control, &callee);
        }
        baresip_is_dialled(&mut control, &callee);
    }
    expect_tone(&callee, CALLER_TONE, to_callee, "callee");
    assert!(callee.complaints().is_empty(), "{:?}", callee.complaints());

    // What it has heard is whole in its file when the call has ended.
    control.command("hangup", "");
    callee_sipp.await_end();
    control.await_event("CALL_CLOSED");
    let heard = network.heard_by_baresip().last_second(0.3);
    let to_baresip = limits(codec.name, true, &network);
    let who = format!("baresip, with {},", codec.name);
    judge(&heard, CALLEE_TONE, to_baresip, &who);
    drop(baresip);
    network.await_no_call();
}

/// It sends an event until the next command: each key must have come before the next is pressed.
fn baresip_dials(control: &mut Control, callee: &Phone) {
    let events = || dialled(&callee.packets(), &callee.coding());
    for (at, key) in CALLER_KEYS.char_indices() {
        control.command("sndcode", &key.to_string());
        wait_for(&format!("{key} at the callee"), || {
            let ended = events().get(at).is_some_and(Dialled::has_ended);
            ended.then_some(())
        });
    }
    println!("baresip dials {CALLER_KEYS}: {} events", events().len());
    expect_keys(&events(), CALLER_KEYS);
}

fn baresip_is_dialled(control: &mut Control, callee: &Phone) {
    callee.dial(CALLEE_KEYS);
    let ends = wait_for("the callee's keys", || {
        let ends = control.events("CALL_DTMF_END").len();
        (ends >= CALLEE_KEYS.len() && callee.has_dialled()).then_some(ends)
    });
    let heard = control.events("CALL_DTMF_START").concat();
    println!("the callee dials {CALLEE_KEYS}: baresip hears {heard}, {ends} ends");
    assert_eq!(heard, CALLEE_KEYS);
    assert_eq!(ends, CALLEE_KEYS.len());
}

#[test]
fn baresip_calls_with_opus() {
    let codec = Baresip {
        name: "opus/48000/2",
        module: "opus.so",
        sample_rate_hz: 48_000,
        channels: 2,
    };
    // It offers events at 8000 Hz only: as from rtpengine, it is told none beside Opus.
    baresip_calls("baresip-opus", &codec, false);
}

#[test]
fn baresip_calls_with_g722() {
    let codec = Baresip {
        name: "G722/16000/1",
        module: "g722.so",
        sample_rate_hz: 16_000,
        channels: 1,
    };
    baresip_calls("baresip-g722", &codec, true);
}

#[test]
fn baresip_calls_with_pcma() {
    let codec = Baresip {
        name: "PCMA/8000/1",
        module: "g711.so",
        sample_rate_hz: 8000,
        channels: 1,
    };
    baresip_calls("baresip-pcma", &codec, true);
}
