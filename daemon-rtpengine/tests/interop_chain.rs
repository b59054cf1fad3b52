//! Ours and rtpengine back to back in one call: plain phones at both ends, and between the two daemons
//! every SRTP suite, with keys in SDP and by DTLS. What the phones send must come out at the other end,
//! byte for byte, RTP and RTCP, both ways; and the leg between, which is listened to, must be protected as
//! was agreed.
//!
//! And with a codec between the two that neither phone has: each transcodes what the other has made.
//!
//! `CHAIN=text` runs only the chains whose name contains the text.

mod chain;
mod support;

use media_core::wire::dtls::is_client_hello;

use chain::packets::{Protection, only, word};
use chain::transcode::Transcoded;
use chain::{Chain, Daemons, NAMES, OURS, RTPENGINE, Wishes, twice, words};
use support::line::Coding;

/// All that both daemons have, NULL apart.
const SUITES: [&str; 10] = [
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "F8_128_HMAC_SHA1_80",
    "F8_128_HMAC_SHA1_32",
];
const NULL_SUITES: [&str; 2] = ["NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32"];

/// Whether a chain is to be run; says so.
fn wanted(name: &str) -> bool {
    let filter = std::env::var("CHAIN").unwrap_or_default();
    let wanted = name.contains(&filter);
    if wanted {
        println!("{name}");
    }
    wanted
}

/// An offer of one suite with keys in SDP.
fn sdes(suite: &str, offerer: usize, parameters: &[&str]) -> Wishes {
    let mut list = only(suite, offerer == OURS);
    list.extend(parameters.iter().map(|&p| p.to_owned()));
    Wishes {
        offerer: vec![
            word("transport-protocol", "RTP/SAVP"),
            word("DTLS", "off"),
            words("SDES", &list),
        ],
        answerer: Vec::new(),
    }
}

/// What stands behind `a=crypto:` in a description.
fn crypto(sdp: &str) -> Vec<&str> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("a=crypto:"))
        .collect()
}

#[test]
fn every_suite_goes_through_both_with_keys_in_sdp() {
    let daemons = Daemons::start("chain-sdes", &[]);
    for suite in SUITES {
        for offerer in [OURS, RTPENGINE] {
            let name = format!("{suite} offered by {}", NAMES[offerer]);
            if !wanted(&name) {
                continue;
            }
            let chain = Chain::new(&daemons, &name, offerer, &sdes(suite, offerer, &[]));
            for said in [&chain.offer, &chain.answer] {
                let [line] = crypto(said)[..] else {
                    panic!("one suite is left: {said}");
                };
                assert!(line.starts_with(&format!("1 {suite} inline:")), "{line}");
            }
            chain.await_suite(suite, 2);
            let sent = chain.talk();
            Protection::of(suite).expect(&sent, &chain.end(), false);
        }
    }
}

#[test]
fn session_parameters_are_honoured_by_both() {
    let daemons = Daemons::start("chain-parameters", &[]);
    let sets: [&[&str]; 5] = [
        &["unencrypted_srtcp"],
        &["unencrypted_srtp"],
        &["unauthenticated_srtp"],
        &["unencrypted_srtp", "unencrypted_srtcp"],
        &[
            "unencrypted_srtp",
            "unencrypted_srtcp",
            "unauthenticated_srtp",
        ],
    ];
    let suites = [
        "AES_CM_128_HMAC_SHA1_80",
        "AES_256_CM_HMAC_SHA1_32",
        "F8_128_HMAC_SHA1_80",
    ];
    for suite in suites {
        for parameters in sets {
            for offerer in [OURS, RTPENGINE] {
                let name = format!("{suite} {parameters:?} offered by {}", NAMES[offerer]);
                if !wanted(&name) {
                    continue;
                }
                let wishes = sdes(suite, offerer, parameters);
                let chain = Chain::new(&daemons, &name, offerer, &wishes);
                for said in [&chain.offer, &chain.answer] {
                    for parameter in parameters {
                        let parameter = parameter.to_ascii_uppercase();
                        assert!(crypto(said)[0].contains(&parameter), "{said}");
                    }
                }
                let sent = chain.talk();
                let has = |parameter| parameters.contains(&parameter);
                let mut protection = Protection::of(suite);
                protection.encrypts = !has("unencrypted_srtp");
                protection.encrypts_rtcp = !has("unencrypted_srtcp");
                if has("unauthenticated_srtp") {
                    protection.tag = 0;
                }
                protection.expect(&sent, &chain.end(), false);
            }
        }
    }
}

/// rtpengine 10.5 dies of the first packet that it must protect or open under a NULL suite, whichever side
/// has offered it, with session parameters or without: after it has derived the authentication key, when
/// it comes to the cipher. Where it has one key on both sides it opens RTCP all the same, but passes RTP
/// on as it is: that is what goes through it here, with RTCP only between ours and ours.
///
/// That ours makes and opens NULL as others do is seen in `srtp_peers::libsrtp_and_we_understand_each_other`
/// of `media-core`.
#[test]
fn null_suites_go_through_ours_twice_and_through_rtpengine_untouched() {
    let daemons = Daemons::start("chain-null", &[]);
    for suite in NULL_SUITES {
        for through in [false, true] {
            let id = format!("{suite} through rtpengine: {through}");
            let chain = twice(&daemons, &id, suite, through);
            for said in [&chain.offer, &chain.answer] {
                let expected = format!("1 {suite} inline:");
                assert!(crypto(said)[0].starts_with(&expected), "{said}");
            }
            let sent = chain.talk();
            Protection::of(suite).expect(&sent, &chain.end(), false);
        }
    }
}

/// The reason for the test above: when this one fails, rtpengine can be among the [`SUITES`]' peers with
/// NULL, too.
#[test]
fn rtpengine_dies_of_its_first_packet_under_a_null_suite() {
    const SIGSEGV: i32 = 11;
    for (suite, offerer, speaker, rtcp) in [
        (NULL_SUITES[0], OURS, RTPENGINE, false),
        (NULL_SUITES[0], RTPENGINE, OURS, false),
        (NULL_SUITES[1], OURS, OURS, true),
        (NULL_SUITES[1], RTPENGINE, RTPENGINE, true),
    ] {
        let mut daemons = Daemons::start("chain-dies", &[]);
        let wishes = sdes(suite, offerer, &[]);
        // All is well until somebody speaks.
        let chain = Chain::new(&daemons, suite, offerer, &wishes);
        chain.await_suite(suite, 2);
        chain.say(speaker, rtcp);
        daemons.await_silence();
        assert_eq!(daemons.signal_of_rtpengine(), Some(SIGSEGV));
    }
}

/// What both prefer: neither can be told to leave it out, so the other profiles are tried against
/// OpenSSL, which is what rtpengine has, in `dtls_openssl::every_profile_and_key_works_in_both_roles` of
/// `media-core`.
const DTLS_SUITE: &str = "AEAD_AES_256_GCM";

#[test]
fn keys_by_dtls_go_through_both_in_both_roles() {
    let daemons = Daemons::start("chain-dtls", &[]);
    for (offerer, role) in [
        (OURS, "active"),
        (RTPENGINE, "active"),
        (RTPENGINE, "passive"),
    ] {
        dtls(&daemons, offerer, role);
    }
}

/// With `DTLS=passive` in the request rtpengine 10.5 says `passive` and begins all the same, as soon as it
/// is offered `actpass`; with this option it does as it says.
#[test]
fn rtpengine_is_the_server_of_ours() {
    let daemons = Daemons::start("chain-passive", &["--dtls-passive"]);
    dtls(&daemons, OURS, "passive");
}

/// Calls with RTCP muxed and not, in which the answerer takes this role.
fn dtls(daemons: &Daemons, offerer: usize, role: &'static str) {
    for muxed in [false, true] {
        let mux = if muxed { "muxed" } else { "not muxed" };
        let name = format!("DTLS offered by {}, answered {role}, {mux}", NAMES[offerer]);
        if !wanted(&name) {
            continue;
        }
        let mut wishes = Wishes {
            offerer: vec![
                word("transport-protocol", "UDP/TLS/RTP/SAVP"),
                words("SDES", &["off".to_owned()]),
            ],
            answerer: vec![word("DTLS", role)],
        };
        if muxed {
            let list = |list: &[&str]| {
                let list: Vec<String> = list.iter().map(|&w| w.to_owned()).collect();
                words("rtcp-mux", &list)
            };
            wishes.offerer.push(list(&["offer"]));
            wishes.answerer.push(list(&["accept", "demux"]));
        }
        let chain = Chain::new(daemons, &name, offerer, &wishes);
        assert!(chain.offer.contains("a=setup:actpass"), "{}", chain.offer);
        let setup = format!("a=setup:{role}");
        assert!(chain.answer.contains(&setup), "{}", chain.answer);
        assert_eq!(
            chain.answer.contains("a=rtcp-mux"),
            muxed,
            "{}",
            chain.answer
        );
        chain.await_suite(DTLS_SUITE, if muxed { 1 } else { 2 });
        let sent = chain.talk();
        let heard = chain.end();
        Protection::of(DTLS_SUITE).expect(&sent, &heard, muxed);
        let client = if role == "active" {
            1 - offerer
        } else {
            offerer
        };
        let hello = heard.iter().find(|heard| is_client_hello(&heard.bytes));
        assert_eq!(
            hello.map(|hello| hello.from),
            Some(client),
            "the DTLS client"
        );
    }
}

/// PCMA behind ours, PCMU behind rtpengine, both ways.
#[test]
fn each_transcodes_what_the_other_has_made() {
    let daemons = Daemons::start("chain-transcode", &[]);
    for middle in [Coding::opus(96), Coding::g722()] {
        for offerer in [OURS, RTPENGINE] {
            let ends = [Coding::pcma(), Coding::pcmu()];
            Transcoded::new(&daemons, offerer, ends, middle).expect_tones();
        }
    }
}
