//! Offer and answer of keys, certificates and ICE: what the texts say is tested against rtpengine (the
//! daemon's differential test); here, what is agreed on.

use super::*;
use crate::dtls::{DtlsFailure, DtlsVersion, Role};
use crate::engine::{DtlsState, DtlsTerms};
use crate::sdp::{IceOption, Setup};
use crate::srtp::CryptoSuite;

const KEY_A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
const KEY_B: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";
const CM_80: &str = "AES_CM_128_HMAC_SHA1_80";
const CM_32: &str = "AES_CM_128_HMAC_SHA1_32";

fn crypto(tag: u32, suite: &str, key: &str) -> String {
    format!("a=crypto:{tag} {suite} inline:{key}\r\n")
}

fn certificate(setup: &str, octet: &str) -> String {
    let digest = [octet; 32].join(":");
    format!("a=setup:{setup}\r\na=fingerprint:sha-256 {digest}\r\n")
}

pub(super) fn ice(ufrag: &str) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n\
         a=candidate:1 1 UDP 2130706431 127.0.0.9 4000 typ host\r\n"
    )
}

pub(super) fn secured(port: u16, more: &str) -> String {
    sdp_at("127.0.0.9", port, more).replace("RTP/AVP", "RTP/SAVP")
}

fn towards(protocol: TransportProtocol) -> Options {
    Options {
        transport_protocol: Some(protocol),
        ..Options::default()
    }
}

const SAVP: TransportProtocol = TransportProtocol::Secure(SecureProfile::RtpSavp);

impl Desk {
    /// An offer of `f` with these options, and the answer of `t`; both as they were written.
    fn dialogue(&self, options: Options, offer: &str, answer: &str) -> [Rewritten; 2] {
        let offered = self.offer(Said {
            options,
            ..said("f", "", offer)
        });
        let answered = self.answer(said("f", "t", answer));
        [offered.unwrap(), answered.unwrap()]
    }

    fn plan(&self, tag: &str) -> MediaPlan {
        let plans = self.sessions.plans("c").unwrap();
        plans.into_iter().find(|plan| plan.tag == tag).unwrap()
    }

    fn sdes(&self, tag: &str) -> SdesKeys {
        match self.plan(tag).security {
            Security::Sdes(keys) => *keys,
            other => panic!("{tag}: {other:?}"),
        }
    }

    fn dtls(&self, tag: &str) -> DtlsSettings {
        match self.plan(tag).security {
            Security::Dtls(settings) => *settings,
            other => panic!("{tag}: {other:?}"),
        }
    }

    fn ice(&self, tag: &str) -> IceSettings {
        match self.plan(tag).ice {
            Ice::Agent(settings) => *settings,
            other => panic!("{tag}: {other:?}"),
        }
    }
}

#[test]
fn one_key_on_both_sides_passes_untouched() {
    let desk = Desk::new();
    let lines = [crypto(4, CM_80, KEY_A), crypto(9, CM_32, KEY_B)].concat();
    let answer = secured(5000, &crypto(9, CM_32, KEY_B));
    let [_, answered] = desk.dialogue(Options::default(), &secured(4000, &lines), &answer);
    let line = format!("9 {CM_32} inline:{KEY_B}");
    assert_eq!(lines_of(&answered, "a=crypto:"), [line]);
    let (f, t) = (desk.sdes("f"), desk.sdes("t"));
    assert_eq!(
        (f.receive.tag, f.receive.suite),
        (9, CryptoSuite::AesCm128HmacSha1_32)
    );
    assert_eq!((&f.receive, &f.send), (&t.send, &t.receive));
    assert!(desk.plan("f").untouched && desk.plan("t").untouched);
}

fn lines_of(rewritten: &Rewritten, prefix: &str) -> Vec<String> {
    let found = lines(&rewritten.sdp, prefix);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn recrypt_and_other_parameters_need_work() {
    let answer = secured(5000, &crypto(1, CM_80, KEY_B));
    for (offer, recrypt) in [
        (crypto(1, CM_80, KEY_A), true),
        (crypto(1, CM_80, KEY_A).replace("\r\n", "|1:4\r\n"), false),
    ] {
        let desk = Desk::new();
        let options = Options {
            recrypt,
            ..Options::default()
        };
        desk.dialogue(options, &secured(4000, &offer), &answer);
        // What f sends comes with an identifier that t was told of, or must not pass.
        assert_eq!(desk.plan("f").untouched, !recrypt);
        assert_eq!(desk.plan("t").untouched, !recrypt);
    }
}

#[test]
fn keys_towards_plain_rtp_are_ours_and_last() {
    let desk = Desk::new();
    let offer = secured(4000, &crypto(1, CM_80, KEY_A));
    let [offered, first] = desk.dialogue(towards(TransportProtocol::RtpAvp), &offer, &sdp(5000));
    assert!(lines(&offered.sdp, "a=crypto").is_empty());
    assert_eq!(desk.plan("t").security, Security::Plain);
    assert!(!desk.plan("f").untouched);
    let ours = desk.sdes("f").send;
    assert_ne!(ours, desk.sdes("f").receive);
    let [_, second] = desk.dialogue(towards(TransportProtocol::RtpAvp), &offer, &sdp(5000));
    assert_eq!(lines_of(&first, "a=crypto"), lines_of(&second, "a=crypto"));
    // A new key of the party is taken, ours stays.
    let renewed = secured(4000, &crypto(1, CM_80, KEY_B));
    desk.dialogue(towards(TransportProtocol::RtpAvp), &renewed, &sdp(5000));
    assert_eq!(desk.sdes("f").send, ours);
    assert_ne!(desk.sdes("f").receive.key, desk.sdes("f").send.key);
    // While an offer is open, what was agreed on before holds.
    let before = desk.plan("f").security;
    desk.offer(Said {
        options: towards(TransportProtocol::RtpAvp),
        ..said("f", "t", &offer)
    })
    .unwrap();
    assert_eq!(desk.plan("f").security, before);
}

#[test]
fn unusable_answers_are_refused_not_taken_for_plain() {
    for (answer, fault) in [
        (secured(5000, ""), SecurityFault::NoKeys),
        (sdp(5000), SecurityFault::NoKeys),
        (
            secured(5000, &crypto(33, CM_80, KEY_B)),
            SecurityFault::NoMatchingKey,
        ),
        (
            secured(5000, &certificate("holdconn", "AA")),
            SecurityFault::NoKeys,
        ),
    ] {
        let desk = Desk::new();
        desk.dialogue(towards(SAVP), &sdp(4000), &answer);
        assert_eq!(
            desk.plan("t").security,
            Security::Refused(fault),
            "{answer}"
        );
        assert_eq!(desk.plan("f").security, Security::Plain);
        assert!(!desk.plan("f").untouched && !desk.plan("t").untouched);
    }
}

#[test]
fn opportunistic_offers_may_be_answered_plainly() {
    let desk = Desk::new();
    let options = Options {
        osrtp_offer: true,
        ..Options::default()
    };
    let [offered, _] = desk.dialogue(options.clone(), &sdp(4000), &sdp(5000));
    assert_eq!(lines(&offered.sdp, "a=crypto").len(), 12);
    assert!(lines(&offered.sdp, "m=")[0].contains(" RTP/AVP "));
    assert_eq!(desk.plan("t").security, Security::Plain);
    let taken = sdp_at("127.0.0.9", 5000, &crypto(7, CM_80, KEY_B));
    desk.dialogue(options, &sdp(4000), &taken);
    assert_eq!(desk.sdes("t").receive.tag, 7);
}

#[test]
fn certificates_decide_before_keys_and_associations_are_counted() {
    let desk = Desk::new();
    let both = |octet| [certificate("actpass", octet), crypto(1, CM_80, KEY_A)].concat();
    let plain = || towards(TransportProtocol::RtpAvp);
    let [_, answered] = desk.dialogue(plain(), &secured(4000, &both("AA")), &sdp(5000));
    assert_eq!(lines(&answered.sdp, "a=setup:"), [Setup::Active.name()]);
    assert!(lines(&answered.sdp, "a=crypto").is_empty());
    let first = desk.dtls("f");
    assert_eq!(
        (first.role, first.fingerprints.len()),
        (DtlsRole::Client, 1)
    );
    // Hold and the like: the same association.
    desk.dialogue(plain(), &secured(4000, &both("AA")), &sdp(5000));
    assert_eq!(desk.dtls("f"), first);
    // Another certificate: another association.
    desk.dialogue(plain(), &secured(4000, &both("BB")), &sdp(5000));
    let second = desk.dtls("f");
    assert_ne!(second.association, first.association);
    // Another role: another one again.
    let active = secured(4000, &certificate("active", "BB"));
    desk.dialogue(plain(), &active, &sdp(5000));
    let third = desk.dtls("f");
    assert_eq!(third.role, DtlsRole::Server);
    assert_ne!(third.association, second.association);
}

#[test]
fn offerer_begins_where_the_configuration_says_so() {
    for (dtls_passive, setup, role) in [
        (false, Setup::Active, DtlsRole::Client),
        (true, Setup::Passive, DtlsRole::Server),
    ] {
        let desk = Desk::with(SessionConfig {
            dtls_passive,
            ..config()
        });
        let offer = secured(4000, &certificate("actpass", "AA"));
        let plain = towards(TransportProtocol::RtpAvp);
        let [_, answered] = desk.dialogue(plain, &offer, &sdp(5000));
        assert_eq!(lines(&answered.sdp, "a=setup:"), [setup.name()]);
        assert_eq!(desk.dtls("f").role, role);
    }
}

#[test]
fn handshake_may_begin_before_the_answer_but_nobody_is_believed() {
    let desk = Desk::new();
    let options = towards(SAVP);
    desk.offer(Said {
        options,
        ..said("f", "", &sdp(4000))
    })
    .unwrap();
    let early = desk.dtls("");
    assert_eq!(early.role, DtlsRole::Undecided);
    assert!(early.fingerprints.is_empty());
    desk.answer(said("f", "t", &secured(5000, &certificate("active", "CC"))))
        .unwrap();
    let settled = desk.dtls("t");
    assert_eq!(
        (settled.role, settled.fingerprints.len()),
        (DtlsRole::Server, 1)
    );
    // What began early goes on.
    assert_eq!(settled.association, early.association);
}

#[test]
fn certificates_are_renewed_for_new_calls_and_kept_by_running_ones() {
    let desk = Desk::new();
    let shown = |call: &'static str| {
        let text = sdp(4000);
        let offer = Said {
            options: towards(SAVP),
            call_id: call,
            ..said("f", "", &text)
        };
        let offered = desk.offer(offer).unwrap();
        lines(&offered.sdp, "a=fingerprint:")[0].to_owned()
    };
    let first = shown("running");
    assert_eq!(shown("second"), first);
    desk.wait(Duration::from_secs(28 * 86_400));
    assert_ne!(shown("third"), first);
    assert_eq!(shown("running"), first);
}

#[test]
fn certificates_nobody_asked_for_count_for_nothing() {
    let desk = Desk::new();
    let options = Options {
        dtls: Some(DtlsOption::Off),
        ..towards(SAVP)
    };
    let lines = [certificate("active", "AA"), crypto(7, CM_80, KEY_B)].concat();
    let [offered, _] = desk.dialogue(options, &sdp(4000), &secured(5000, &lines));
    assert!(super::lines(&offered.sdp, "a=fingerprint").is_empty());
    assert_eq!(desk.sdes("t").receive.tag, 7);
}

#[test]
fn ice_restarts_with_the_partys_credentials_alone() {
    let desk = Desk::new();
    let offer = |ufrag| sdp_at("127.0.0.9", 4000, &ice(ufrag));
    let answer = sdp_at("127.0.0.9", 5000, &ice("tttt"));
    desk.dialogue(Options::default(), &offer("ffff"), &answer);
    let (f, t) = (desk.ice("f"), desk.ice("t"));
    assert!(!f.controlling && t.controlling);
    assert_eq!((f.local.ufrag.len(), f.local.pwd.len()), (8, 26));
    assert_ne!(f.local, t.local);
    assert_eq!(f.remote.as_ref().map(|remote| &*remote.ufrag), Some("ffff"));
    assert_eq!(f.candidates.len(), 1);
    desk.dialogue(Options::default(), &offer("ffff"), &answer);
    assert_eq!((desk.ice("f"), desk.ice("t")), (f.clone(), t.clone()));
    // Until the restart is answered, media goes on where it went.
    desk.offer(said("f", "t", &offer("gggg"))).unwrap();
    let told = desk
        .plane
        .lock()
        .routes
        .values()
        .filter(|r| r.ice.is_some())
        .count();
    assert_eq!(told, 4, "both components of both parties keep their agents");
    desk.answer(said("f", "t", &answer)).unwrap();
    let restarted = desk.ice("f");
    assert_ne!(restarted.local, f.local);
    assert_ne!(restarted.session, f.session);
    assert_eq!(desk.ice("t"), t);
}

#[test]
fn endpoint_of_an_ice_peer_is_not_moved_by_a_description() {
    let desk = Desk::new();
    let at = |port| sdp_at("127.0.0.9", port, &ice("ffff"));
    let [first, _] = desk.dialogue(Options::default(), &at(4000), &sdp(5000));
    let [second, _] = desk.dialogue(Options::default(), &at(4100), &sdp(5000));
    assert_eq!(port(&first), port(&second));
    let report = desk.query("c");
    let stream = &report.tags[0].medias[0].streams[0];
    assert_eq!(stream.endpoint.map(|at| at.port()), Some(4000));
    assert_eq!(stream.advertised_endpoint.map(|at| at.port()), Some(4100));
}

#[test]
fn passed_ice_is_the_parties_own_and_so_are_their_keys() {
    let desk = Desk::new();
    let options = || {
        let mut options = Options::default();
        options.sdp.ice = IceOption::Optional;
        options
    };
    let lines = [ice("ffff"), certificate("actpass", "AA")].concat();
    let offered = desk.offer(Said {
        options: options(),
        ..said("f", "", &secured(4000, &lines))
    });
    let offered = offered.unwrap();
    assert!(super::lines(&offered.sdp, "a=fingerprint:")[0].contains("AA:AA"));
    assert_eq!(super::lines(&offered.sdp, "a=candidate:").len(), 3);
    let lines = [ice("tttt"), certificate("active", "BB")].concat();
    desk.answer(Said {
        options: options(),
        ..said("f", "t", &secured(5000, &lines))
    })
    .unwrap();
    for tag in ["f", "t"] {
        let plan = desk.plan(tag);
        assert_eq!(
            (plan.security, plan.ice),
            (Security::PassThrough, Ice::PassThrough)
        );
        assert!(plan.untouched);
    }
}

#[test]
fn without_a_certificate_there_is_no_dtls() {
    let desk = Desk::new();
    let start = desk.start;
    let sessions = Sessions::new(config(), desk.plane.clone(), start);
    let desk = Desk { sessions, ..desk };
    let offer = secured(4000, &certificate("actpass", "AA"));
    let [offered, answered] = desk.dialogue(towards(SAVP), &offer, &sdp(5000));
    for text in [&offered, &answered] {
        assert!(lines(&text.sdp, "a=fingerprint").is_empty());
    }
    assert_eq!(
        desk.plan("f").security,
        Security::Refused(SecurityFault::NoKeys)
    );
}

#[test]
fn reports_tell_what_became_of_a_handshake() {
    let desk = Desk::new();
    let answer = secured(5000, &certificate("active", "AA"));
    let [offered, _] = desk.dialogue(towards(SAVP), &sdp(4000), &answer);
    let counters = desk.route(port(&offered)).counters;
    let stream = || {
        let mut report = desk.query("c");
        let party = report.tags.iter().position(|tag| tag.tag == "t").unwrap();
        report.tags[party].medias[0].streams.remove(0)
    };
    let verified = || stream().flags.contains(&"DTLS fingerprint verified");
    counters.set_dtls(DtlsState::Waiting, None);
    assert_eq!(stream().verdict, Verdict::DtlsWaiting);
    let offered_first = Some(CryptoSuite::AeadAes256Gcm.name());
    assert_eq!((stream().crypto_suite, verified()), (offered_first, false));
    let mismatch = DtlsFailure::FingerprintMismatch;
    counters.set_dtls(DtlsState::Failed(mismatch), None);
    assert_eq!(stream().verdict, Verdict::DtlsFailed(mismatch));
    assert!(!verified());
    assert_eq!(stream().dtls, None);
    let suite = CryptoSuite::AeadAes128Gcm;
    let terms = DtlsTerms {
        version: DtlsVersion::V1_3,
        role: Role::Active,
        suite,
    };
    counters.set_dtls(DtlsState::Connected, Some(terms));
    assert_eq!(stream().verdict, Verdict::NeverAPacket);
    assert_eq!(stream().dtls, Some(terms));
    assert_eq!(
        (stream().crypto_suite, verified()),
        (Some(suite.name()), true)
    );
    desk.wait(Duration::from_secs(5));
    counters.unauthentic_since_us.set(2_000_000);
    let since = Duration::from_secs(3);
    let failing = Verdict::SrtpAuthenticationFailing { since };
    assert_eq!(stream().verdict, failing);
    counters.packets.set(5);
    counters.packets_sent.set(5);
    counters.last_packet_us.set(4_900_000);
    assert_eq!(stream().verdict, Verdict::Flowing);
}

#[test]
fn reports_tell_why_there_are_no_keys() {
    let desk = Desk::new();
    let verdict = |tag: &str| {
        let report = desk.query("c");
        let party = report.tags.into_iter().find(|party| party.tag == tag);
        party.unwrap().medias[0].streams[0].verdict
    };
    let offer = secured(4000, &crypto(1, CM_80, KEY_A));
    desk.offer(Said {
        options: towards(SAVP),
        ..said("f", "", &offer)
    })
    .unwrap();
    assert_eq!(verdict("f"), Verdict::NoKeys);
    desk.answer(said("f", "t", &secured(5000, ""))).unwrap();
    let fault = SecurityFault::NoKeys;
    assert_eq!(verdict("t"), Verdict::SecurityRefused(fault));
}
