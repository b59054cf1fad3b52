//! Calls between SIP.js in headless Chromium, registered at Kamailio over WebSocket, and a plain SIP phone
//! (sipp, with PCMU from the test's own sockets): the media daemon bridges DTLS-SRTP with ICE to RTP.
//!
//! What each side hears is judged by the tone or the sentence in it; what the browser says of the connection by getStats.
//!
//! `VOXPLANE_TEST_DAEMON` names the daemon: ours, or `/usr/bin/rtpengine`, which tests the test.

mod browser;
mod support;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use browser::{Direct, OurRole, Version, World};
use support::network::in_own_network;
use support::query::listed;

/// A test by this name, in a network of its own: Chromium would offer the machine's other addresses, too.
/// One at a time, as a browser wants a processor for itself.
fn call(test: &str, body: impl FnOnce()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    in_own_network(test, Duration::from_secs(120), body);
}

#[test]
fn browser_calls_a_phone() {
    call("browser_calls_a_phone", || {
        let mut world = World::start("out", &[]);
        world.browser_calls();
        world.expect_audio_both_ways();
        let begin = world.expect_good_stats();
        world.expect_audio_both_ways();
        let end = world.expect_good_stats();
        assert!(end.packets_received() > begin.packets_received());
        assert!(end.packets_sent() > begin.packets_sent());
        world.browser_hangs_up();
    });
}

#[test]
fn phone_calls_a_browser() {
    call("phone_calls_a_browser", || {
        let mut world = World::start("in", &[]);
        world.phone_calls();
        world.expect_audio_both_ways();
        world.expect_good_stats();
        world.phone_hangs_up();
    });
}

#[test]
fn browser_holds_and_resumes() {
    call("browser_holds_and_resumes", || {
        let mut world = World::start("hold", &[]);
        world.browser_calls();
        world.expect_audio_both_ways();
        let before = world.expect_good_stats();
        world.browser_holds();
        world.browser_resumes();
        world.expect_audio_both_ways();
        let after = world.expect_good_stats();
        assert_eq!(after.ufrags(), before.ufrags(), "a hold is no ICE restart");
        assert_eq!(after.dtls_role(), before.dtls_role());
        world.browser_hangs_up();
    });
}

#[test]
fn ice_restart_keeps_the_audio() {
    call("ice_restart_keeps_the_audio", || {
        let mut world = World::start("restart", &[]);
        world.browser_calls();
        world.expect_audio_both_ways();
        let before = world.expect_good_stats();
        world.browser_restarts_ice();
        world.expect_audio_both_ways();
        // Chromium checks from its new port before the offer is out, with the old password. If the daemon
        // says yes to that, as rtpengine does, Chromium never takes the new password: media goes on, but
        // half a minute later ICE has failed.
        if world.has_our_daemon() {
            // Nothing is lost: media goes on over the old pair until there is another.
            let after = world.expect_good_stats();
            let (ours, peers) = after.ufrags();
            assert_ne!(ours, before.ufrags().0, "the browser restarted");
            assert_ne!(peers, before.ufrags().1, "the daemon restarted with it");
            assert_eq!(after.dtls_role(), before.dtls_role());
        }
        world.browser_hangs_up();
    });
}

#[test]
fn call_of_a_dead_page_ends_with_its_media() {
    call("call_of_a_dead_page_ends_with_its_media", || {
        const TIMEOUT: Duration = Duration::from_secs(3);
        let mut world = World::start("dead", &["--timeout=3"]);
        world.browser_calls();
        world.expect_audio_both_ways();
        world.expect_good_stats();
        world.browser_dies();
        assert_eq!(listed(&world.daemon).len(), 1, "nobody said goodbye");
        let since = world.phone_falls_silent();
        world.await_no_call();
        let lasted = since.elapsed();
        // rtpengine looks once a second.
        let earliest = TIMEOUT - Duration::from_secs(1);
        assert!(lasted > earliest, "it ended after {lasted:?} already");
    });
}

#[test]
fn sentences_go_from_opus_to_pcmu_and_back() {
    call("sentences_go_from_opus_to_pcmu_and_back", || {
        let mut world = World::start_with_opus("speech");
        world.browser_calls();
        world.expect_audio_both_ways();
        world.expect_keys_from_browser("1590*#");
        world.expect_sentences_both_ways();
        world.expect_good_stats();
        world.browser_hangs_up();
    });
}

#[test]
fn phone_with_pcmu_calls_a_browser_with_opus() {
    call("phone_with_pcmu_calls_a_browser_with_opus", || {
        let mut world = World::start_with_opus("opus-in");
        world.phone_calls();
        world.expect_audio_both_ways();
        world.expect_keys_from_browser("2684");
        world.expect_sentences_both_ways();
        world.expect_good_stats();
        world.phone_hangs_up();
    });
}

#[test]
fn dtls_1_2_and_1_3_in_both_roles() {
    call("dtls_1_2_and_1_3_in_both_roles", || {
        let mut direct = Direct::start();
        direct.expect_call(Version::V12, OurRole::Passive, "1.2");
        direct.expect_call(Version::V12, OurRole::Active, "1.2");
        direct.expect_call(Version::V13, OurRole::Passive, "1.3");
        direct.expect_call(Version::V13, OurRole::Active, "1.3");
        // As server we take the later one, as client we do not ask for it.
        direct.expect_call(Version::Auto, OurRole::Passive, "1.3");
        direct.expect_call(Version::Auto, OurRole::Active, "1.2");
    });
}
