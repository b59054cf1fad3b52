//! Plain RTP all the way, and a codec between the daemons that neither phone has:
//!
//! ```text
//! phone 0 ── its codec ── ours ── another, listened to ── rtpengine ── its codec ── phone 1
//! ```

use daemon_rtpengine::ng::value::Value;

use super::{Daemons, NAMES, OURS, Pair, RTPENGINE};
use crate::support::call::{audio_address, formats};
use crate::support::limits::{CLEAN, Limits, VOICE, VOICE_FROM_RTPENGINE, expect_tone, judge};
use crate::support::line::{Coding, Sound};
use crate::support::phone::Phone;
use crate::support::tap::{Heard, Running, Tap};
use crate::support::tone::Tone;
use crate::support::wait_for;

/// What each phone plays.
const TONES: [Tone; 2] = [
    Tone {
        frequency_hz: 1000.0,
        amplitude: 0.3,
    },
    Tone {
        frequency_hz: 620.0,
        amplitude: 0.2,
    },
];
/// Bytes of an RTP header without extensions (RFC 3550 §5.1).
const RTP_HEADER: usize = 12;

/// An answered call through both.
pub(crate) struct Transcoded<'d> {
    daemons: &'d Daemons,
    id: String,
    phones: [Phone; 2],
    wire: Running,
    /// Who offered what goes over the wire.
    offerer: usize,
    middle: Coding,
}

impl<'d> Transcoded<'d> {
    /// Sets the call up. Each daemon is told to show the other side one codec only, which the side that asks
    /// does not have.
    ///
    /// # Panics
    /// When one is shown or told another.
    pub(crate) fn new(
        daemons: &'d Daemons,
        offerer: usize,
        ends: [Coding; 2],
        middle: Coding,
    ) -> Self {
        let answerer = 1 - offerer;
        let id = format!("{} offered by {}", middle.codec.name, NAMES[offerer]);
        let phones = [0, 1].map(|which: usize| {
            let sound = Sound::tone(TONES[which], ends[which].sample_rate_hz());
            Phone::with(ends[which], sound)
        });
        let sdp = |which: usize| ends[which].sdp(phones[which].port());
        let expect = |sdp: &str, coding: &Coding| {
            let names: Vec<String> = formats(sdp);
            let [format] = &names[..] else {
                panic!("{id}: not one format: {names:?}");
            };
            assert!(format.contains(coding.codec.name), "{id}: {format}");
            format
                .split(' ')
                .next()
                .and_then(|number| number.parse().ok())
        };

        let mut tap = Tap::new();
        let offer = daemons.ask(offerer, "offer", &id, &sdp(offerer), &only(&middle));
        let number = expect(&offer, &middle).expect("a payload type");
        let through = tap.through(&offer);
        let shown = daemons.ask(answerer, "offer", &id, &through, &only(&ends[answerer]));
        expect(&shown, &ends[answerer]);
        phones[answerer].talk_to(audio_address(&shown));
        let answer = daemons.ask(answerer, "answer", &id, &sdp(answerer), &[]);
        expect(&answer, &middle);
        let through = tap.through(&answer);
        let wire = tap.run();
        let told = daemons.ask(offerer, "answer", &id, &through, &[]);
        expect(&told, &ends[offerer]);
        phones[offerer].talk_to(audio_address(&told));
        Self {
            daemons,
            id,
            phones,
            wire,
            offerer,
            middle: Coding {
                payload_type: number,
                ..middle
            },
        }
    }

    /// Both phones talk until each has heard the other's tone; then all that was said must have come, over
    /// the wire in the codec of the middle.
    ///
    /// # Panics
    /// When it is otherwise.
    pub(crate) fn expect_tones(self) {
        println!("{}", self.id);
        for (hears, speaks) in [(RTPENGINE, OURS), (OURS, RTPENGINE)] {
            let who = format!("phone behind {}", NAMES[hears]);
            expect_tone(
                &self.phones[hears],
                TONES[speaks],
                limits(&self.middle, speaks),
                &who,
            );
        }
        for phone in &self.phones {
            phone.fall_silent();
        }
        for (hears, speaks) in [(RTPENGINE, OURS), (OURS, RTPENGINE)] {
            self.expect_all(&self.phones[hears], self.phones[speaks].sent());
        }
        self.daemons.delete(&self.id);
        let mut heard = self.wire.end();
        for heard in &mut heard {
            heard.from ^= self.offerer;
        }
        for maker in [OURS, RTPENGINE] {
            let sent = self.phones[maker].sent();
            expect_on_the_wire(&heard, maker, &self.middle, sent);
        }
    }

    /// Each packet has become one packet, but for the last samples: rtpengine keeps those that its resampler
    /// has not done with, and sends no packet that is not full.
    fn expect_all(&self, phone: &Phone, sent: u32) {
        let all = usize::try_from(sent).unwrap_or(0);
        wait_for(&format!("{sent} packets, or all but one"), || {
            (phone.heard() + 1 >= all).then_some(())
        });
        println!("{sent} packets sent, {} heard", phone.heard());
        assert!(phone.heard() <= all);
        assert!(phone.complaints().is_empty(), "{:?}", phone.complaints());
    }
}

/// Of what this daemon makes.
fn limits(coding: &Coding, maker: usize) -> Limits {
    match (coding.codec.name, maker) {
        ("opus", RTPENGINE) => VOICE_FROM_RTPENGINE,
        ("opus", _) => VOICE,
        _ => CLEAN,
    }
}

/// What came from this daemon was the phone's tone behind it, in this codec.
fn expect_on_the_wire(heard: &[Heard], maker: usize, coding: &Coding, sent: u32) {
    let of_maker = heard.iter().filter(|h| h.from == maker && !h.beside);
    let payloads: Vec<&[u8]> = of_maker
        .map(|heard| {
            assert_eq!(
                heard.bytes[1] & 0x7f,
                coding.payload_type,
                "from {}",
                NAMES[maker]
            );
            &heard.bytes[RTP_HEADER..]
        })
        .collect();
    println!(
        "{} makes {} of {sent} packets",
        NAMES[maker],
        payloads.len()
    );
    let recording = coding.decode(payloads.into_iter()).last_second(0.1);
    let who = format!("who listens to {}, to {},", NAMES[maker], coding.codec.name);
    judge(&recording, TONES[maker], limits(coding, maker), &who);
}

/// That the other side is shown this codec and no other.
fn only(coding: &Coding) -> [Pair; 2] {
    let mut codec = Value::dict();
    codec.push("mask", Value::List(vec![Value::str("all")]));
    codec.push(
        "transcode",
        Value::List(vec![Value::str(coding.codec.name)]),
    );
    [
        ("codec", codec),
        ("transport-protocol", Value::str("RTP/AVP")),
    ]
}
