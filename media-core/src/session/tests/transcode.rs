//! What is to be done to packets whose codecs the two sides do not share.

use super::*;
use crate::media::jitter::Hold;
use crate::media::transcode::{Plan, Rule, Unlisted};
use crate::sdp::{CodecOptions, SdpOptions};
use crate::units::{ClockRate, PayloadType};

fn options(codec: CodecOptions) -> Options {
    Options {
        sdp: SdpOptions {
            codec,
            ..SdpOptions::default()
        },
        ..Options::default()
    }
}

fn adding(list: &[&str]) -> Options {
    options(CodecOptions {
        transcode: list.iter().map(ToString::to_string).collect(),
        ..CodecOptions::default()
    })
}

fn audio(port: u16, formats: &str, more: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=rtpmap:120 telephone-event/8000\r\na=rtpmap:99 X/8000\r\n{more}"
    )
}

impl Desk {
    fn offered(&self, options: Options, formats: &str, more: &str) {
        let sdp = audio(4000, formats, more);
        let offer = Said {
            options,
            ..said("f", "", &sdp)
        };
        self.offer(offer).unwrap();
    }
    fn answered(&self, formats: &str, more: &str) {
        self.answer(said("f", "t", &audio(5000, formats, more)))
            .unwrap();
    }
    /// The plans of the offerer's and of the answerer's packets.
    fn transcodings(&self) -> [Option<Arc<Plan>>; 2] {
        let plans = self.sessions.plans("c").unwrap();
        let of = |plan: &MediaPlan| plan.transcode.clone();
        [of(&plans[0]), of(&plans[1])]
    }
}

fn number(payload_type: u8) -> PayloadType {
    PayloadType::new(payload_type).unwrap()
}

/// `8>` is decoded, `8>0` goes on under another number, `e101`, `c13` are DTMF and comfort noise.
fn rules(plan: &Plan) -> String {
    let rule = |(from, rule): &(PayloadType, Rule)| match rule {
        Rule::Forward(to) => format!("{}>{}", from.get(), to.get()),
        Rule::Decode(decoded) => format!("{}>", decoded.payload_type.get()),
        Rule::Overhear(to, _) => format!("{}>{}?", from.get(), to.get()),
        Rule::Events(_) => format!("e{}", from.get()),
        Rule::ComfortNoise(_) => format!("c{}", from.get()),
        Rule::Drop => format!("{}x", from.get()),
    };
    let rules: Vec<String> = plan.rules().iter().map(rule).collect();
    let target = plan.target.as_ref().map(|target| {
        let name = target.codec.name;
        format!("{name} {} {}", target.payload_type.get(), target.ptime_ms)
    });
    format!("{}: {}", target.unwrap_or_default(), rules.join(" "))
}

#[test]
fn nothing_is_planned_for_what_both_sides_have() {
    let desk = Desk::new();
    desk.offered(Options::default(), "0 8 101 99", "");
    assert_eq!(desk.transcodings(), [None, None]);
    desk.answered("8 0 101 99", "");
    assert_eq!(desk.transcodings(), [None, None]);
    let desk = Desk::new();
    desk.offered(adding(&["PCMA"]), "0 101", "");
    desk.answered("0 101", "");
    assert_eq!(desk.transcodings(), [None, None]);
}

#[test]
fn each_direction_becomes_what_the_receiver_has() {
    let desk = Desk::new();
    desk.offered(adding(&["PCMA"]), "0 101", "");
    // Early media: the answerer may send all that it was shown.
    let [offerer, answerer] = desk.transcodings();
    assert_eq!(offerer, None);
    assert_eq!(rules(&answerer.unwrap()), "PCMU 0 20: 0>0 8> e101");
    desk.answered("8 101", "");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    assert_eq!(rules(&offerer), "PCMA 8 20: 0> e101");
    assert_eq!(rules(&answerer), "PCMU 0 20: 8> e101");
    let rate = ClockRate::new(8000).unwrap();
    for plan in [offerer, answerer] {
        assert_eq!(plan.events, Some((number(101), rate)));
        assert_eq!(plan.comfort_noise, None);
        assert_eq!(plan.unlisted, Unlisted::Forward);
    }
}

#[test]
fn dtmf_goes_into_the_audio_of_a_side_without_it() {
    let desk = Desk::new();
    desk.offered(adding(&["telephone-event"]), "0", "");
    desk.answered("0 96", "a=rtpmap:96 telephone-event/8000\r\n");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    // The offerer's is to be found in its audio.
    assert_eq!(rules(&offerer), "PCMU 0 20: 0>");
    assert_eq!(offerer.events.unwrap().0, number(96));
    assert_eq!(rules(&answerer), "PCMU 0 20: 0> e96");
    assert_eq!(answerer.events, None);
}

#[test]
fn other_numbers_for_the_same_are_translated() {
    let desk = Desk::new();
    desk.offered(Options::default(), "0 101", "");
    desk.answered("119 120", "a=rtpmap:119 PCMU/8000\r\n");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    assert_eq!(rules(&offerer), ": 0>119 101>120");
    assert_eq!(rules(&answerer), ": 119>0 120>101");
}

#[test]
fn lengths_of_packets_that_differ_by_wish_are_changed() {
    let desk = Desk::new();
    let mut wish = Options::default();
    wish.sdp.ptime_ms = Some(40);
    desk.offered(wish, "0 101", "a=ptime:20\r\n");
    desk.answered("0 101", "a=ptime:30\r\n");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    assert_eq!(rules(&offerer), "PCMU 0 40: 0> e101");
    assert_eq!(rules(&answerer), "PCMU 0 20: 0> e101");
    // What the sides say themselves is theirs to keep.
    let desk = Desk::new();
    desk.offered(Options::default(), "0 101", "a=ptime:20\r\n");
    desk.answered("0 101", "a=ptime:40\r\n");
    assert_eq!(desk.transcodings(), [None, None]);
}

#[test]
fn accepted_codec_is_what_its_side_sends_and_gets() {
    let desk = Desk::new();
    let accept = CodecOptions {
        accept: vec!["PCMA".into()],
        ..CodecOptions::default()
    };
    desk.offered(options(accept), "0 8 101", "");
    desk.answered("0 101", "");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    assert_eq!(rules(&offerer), "PCMU 0 20: 8> e101");
    assert_eq!(rules(&answerer), "PCMA 8 20: 0> e101");
}

#[test]
fn new_offers_and_rejections_end_what_was_planned() {
    let desk = Desk::new();
    desk.offered(adding(&["PCMA"]), "0 101", "");
    desk.answered("8 101", "");
    let sdp = audio(4000, "8 101", "");
    desk.offer(said("f", "t", &sdp)).unwrap();
    let [offerer, answerer] = desk.transcodings();
    // Until there is an answer, the offerer may still send what it was told.
    assert!(offerer.is_some());
    assert_eq!(answerer, None);
    desk.answered("8 101", "");
    assert_eq!(desk.transcodings(), [None, None]);
    desk.offered(adding(&["PCMU"]), "8 101", "");
    desk.answer(said("f", "t", &audio(0, "0 101", ""))).unwrap();
    assert_eq!(desk.transcodings(), [None, None]);
}

#[test]
fn encoder_wishes_of_the_controller_give_way_to_what_the_receiver_says() {
    let desk = Desk::new();
    desk.offered(adding(&["PCMA/8000/1/24000/60//CBR=1"]), "0 101", "");
    desk.answered("8 101", "a=fmtp:8 maxaveragebitrate=16000\r\n");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    let target = offerer.target.as_ref().unwrap();
    assert_eq!(&*target.fmtp, "maxaveragebitrate=16000;cbr=1");
    assert_eq!(target.ptime_ms, 60);
    assert_eq!(&*answerer.target.as_ref().unwrap().fmtp, "");
}

#[test]
fn listener_of_a_further_offer_keeps_its_codecs_by_wish() {
    let shown = |codec: CodecOptions| {
        let desk = Desk::new();
        desk.offered(adding(&["PCMA"]), "0 101", "");
        desk.answered("8 101", "");
        let sdp = audio(4000, "0 8 101", "");
        let offer = Said {
            options: options(codec),
            ..said("f", "t", &sdp)
        };
        let rewritten = desk.offer(offer).unwrap();
        let line = lines(&rewritten.sdp, "m=").remove(0);
        line.split_once("RTP/AVP ").unwrap().1.to_owned()
    };
    assert_eq!(shown(CodecOptions::default()), "0 8 101");
    let reuse_codecs = CodecOptions {
        reuse_codecs: true,
        ..CodecOptions::default()
    };
    assert_eq!(shown(reuse_codecs), "8 101 0");
    let static_codecs = CodecOptions {
        static_codecs: true,
        ..CodecOptions::default()
    };
    assert_eq!(shown(static_codecs), "8 101");
}

#[test]
fn routes_carry_the_plans_and_are_restated_only_with_others() {
    let desk = Desk::new();
    desk.offered(adding(&["PCMA"]), "0 101", "");
    desk.answered("8 101", "");
    let routed = |desk: &Desk| {
        let inner = desk.plane.lock();
        let plans = inner
            .routes
            .values()
            .filter_map(|route| route.transcode.clone());
        let touched = inner.routes.values().filter(|route| !route.untouched);
        let mut targets: Vec<&str> = Vec::new();
        targets.extend(plans.map(|plan| plan.target.as_ref().unwrap().codec.name));
        targets.sort_unstable();
        (targets, touched.count() >= 2, inner.restated)
    };
    let (targets, touched, before) = routed(&desk);
    assert_eq!((targets, touched), (vec!["PCMA", "PCMU"], true));
    desk.answered("8 101", "");
    assert_eq!(routed(&desk).2, before, "nothing has changed");
    desk.answered("0 101", "");
    let (targets, _, after) = routed(&desk);
    assert!(targets.is_empty());
    assert!(after > before);
}

fn delayed(ms: u16) -> Options {
    Options {
        delay_buffer_ms: Some(ms),
        ..Options::default()
    }
}

const fn fixed(ms: u16) -> Hold {
    Hold::Delay {
        min_ms: ms,
        max_ms: ms,
    }
}

#[test]
fn audio_is_held_back_until_that_is_taken_back() {
    let desk = Desk::new();
    desk.offered(delayed(200), "0 101", "");
    desk.answered("0 101", "");
    let check = |ms| {
        for plan in desk.transcodings().map(Option::unwrap) {
            assert_eq!(plan.hold, fixed(ms));
            assert_eq!(rules(&plan), ": 0>0 101>101", "nothing is decoded for it");
            assert_eq!(plan.clocks.len(), 2);
        }
    };
    check(200);
    // Who does not mention it keeps it; nobody gets more than the longest.
    desk.offered(Options::default(), "0 101", "");
    check(200);
    desk.offered(delayed(60_000), "0 101", "");
    check(1000);
    desk.offered(delayed(0), "0 101", "");
    desk.answered("0 101", "");
    assert_eq!(desk.transcodings(), [None, None]);
}

#[test]
fn what_is_decoded_is_held_back_as_well() {
    let desk = Desk::new();
    let options = Options {
        delay_buffer_ms: Some(100),
        ..adding(&["PCMA"])
    };
    desk.offered(options, "0 101", "");
    desk.answered("8 101", "");
    let [offerer, answerer] = desk.transcodings().map(Option::unwrap);
    assert_eq!([offerer.hold, answerer.hold], [fixed(100); 2]);
    assert_eq!(rules(&offerer), "PCMA 8 20: 0> e101");
}

#[test]
fn jitter_buffer_of_all_calls_can_be_declined() {
    let mut config = config();
    config.hold = fixed(60);
    let desk = Desk::with(config);
    desk.offered(Options::default(), "0 101", "");
    desk.answered("0 101", "");
    let holds = desk.transcodings().map(|plan| plan.unwrap().hold);
    assert_eq!(holds, [fixed(60); 2]);
    let without = Options {
        no_jitter_buffer: true,
        ..Options::default()
    };
    desk.offered(without, "0 101", "");
    desk.answered("0 101", "");
    assert_eq!(desk.transcodings(), [None, None]);
}
