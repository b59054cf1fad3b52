//! Digits that begin and end the hiding of digits.

use std::time::Instant;

use serde_json::json;

use super::support::PATIENCE;
use super::{EVENTS, QUIET, Scene, assert_unbroken, is_quiet, keys};

impl Scene {
    /// A dials these, each once the one before was told.
    fn a_dials(&mut self, keys: &str) {
        for key in keys.chars() {
            let code = "0123456789*#ABCD".find(key).expect("a key");
            self.a.dials(u8::try_from(code).expect("small"));
            self.a.says(QUIET, 1);
            self.told(&key.to_string());
        }
    }
}

#[test]
fn digits_between_a_trigger_and_its_end_are_hidden() {
    let card = "4111111111111111";
    let zeros = "0".repeat(17);
    let end = json!({"trigger-end": "#"});
    let digits = json!({"end-trigger-digits": 17});
    for (mode, more, expected) in [
        ("drop", &end, "2*197".to_owned()),
        ("drop", &digits, "2*197".to_owned()),
        ("silence", &end, "2*197".to_owned()),
        ("zero", &end, format!("2*1{zeros}97")),
    ] {
        let mut scene = Scene::start();
        scene.a.says(QUIET, 2);
        let mut block = json!({"from-tag": "A", "trigger": "*1", "DTMF-security-trigger": mode});
        let fields = block.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        scene.tell("block DTMF", &block);
        scene.a_dials("2*1");
        scene.a_dials(card);
        scene.a_dials("#97");
        scene.a.says(0x2a, 1);
        let heard = scene.b.hears_up_to(0x2a);
        assert_unbroken(&heard);
        // Each with all of its ends, which `keys` checks.
        assert_eq!(keys(&heard, EVENTS), expected, "{mode} {more}");
        // The other side dials as before.
        let sent = scene.b.dials(5);
        assert_eq!(scene.a.hears(7), sent);
    }
}

#[test]
fn hidden_digits_are_heard_again_in_time() {
    let mut scene = Scene::start();
    let block = json!({
        "from-tag": "A", "DTMF-security": "zero", "trigger": "*1", "DTMF-security-trigger": "drop",
        "trigger-end-time": 300, "DTMF-security-trigger-end": "DTMF", "digit": "7",
    });
    scene.tell("block DTMF", &block);
    scene.a_dials("2*1");
    let began = Instant::now();
    let mut shown = String::new();
    while !shown.ends_with('7') {
        assert!(began.elapsed() < PATIENCE, "still hidden: {shown}");
        scene.a_dials("5");
        scene.a.says(0x2a, 1);
        shown += &keys(&scene.b.hears_up_to(0x2a), EVENTS);
    }
    assert_eq!(shown, "0007");
}

#[test]
fn trigger_in_tones_hides_tones() {
    let mut scene = Scene::with("0", "0", &json!({}));
    let block = json!({"from-tag": "A", "trigger": "*1", "DTMF-security-trigger": "drop"});
    scene.tell("block DTMF", &block);
    for key in ['*', '1', '5'] {
        let sent = scene.a.sings(key);
        scene.told(&key.to_string());
        let heard = scene.b.hears(sent.len());
        let quiet = heard[7..].iter().all(is_quiet);
        assert_eq!(quiet, key == '5', "{key}: {heard:?}");
    }
}
