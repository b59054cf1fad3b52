//! Who reports on whose media, and what `query` says of how well it is received.

use super::*;
use crate::media::quality::Sample;
use crate::units::Ssrc;

fn asking(generate_rtcp: Option<bool>) -> Options {
    Options {
        generate_rtcp,
        ..Options::default()
    }
}

/// A call whose offer and answer ask so; the ports that offerer and answerer see.
fn call(desk: &Desk, asked: [Option<bool>; 2]) -> [u16; 2] {
    let [from_f, from_t] = [sdp(4000), sdp(5000)];
    let offer = Said {
        options: asking(asked[0]),
        ..said("f", "", &from_f)
    };
    let to_t = port(&desk.offer(offer).unwrap());
    let answer = Said {
        options: asking(asked[1]),
        ..said("f", "t", &from_t)
    };
    let to_f = port(&desk.answer(answer).unwrap());
    [to_f, to_t]
}

#[test]
fn rtcp_knows_its_rtp_and_nobody_reports_unasked() {
    let desk = Desk::new();
    for port in call(&desk, [None, None]) {
        let [rtp, rtcp] = [desk.route(port), desk.route(port + 1)];
        assert_eq!((rtp.media, rtp.rtcp_interval), (None, None));
        assert_eq!(
            (rtcp.component, rtcp.rtcp_interval),
            (Component::Rtcp, None)
        );
        let socket = rtcp.media.unwrap();
        assert_eq!(desk.plane.lock().open[&socket].port(), port);
    }
}

#[test]
fn either_description_has_both_sides_reported_on() {
    for asked in [[Some(true), None], [None, Some(true)], [Some(true); 2]] {
        let desk = Desk::with(SessionConfig {
            rtcp_interval: Duration::from_millis(700),
            ..config()
        });
        for port in call(&desk, asked) {
            let interval = Some(Duration::from_millis(700));
            assert_eq!(desk.route(port).rtcp_interval, interval);
            assert_eq!(desk.route(port + 1).rtcp_interval, None);
            // Under one key or none, our own reports must get in between.
            assert!(!desk.route(port).untouched && !desk.route(port + 1).untouched);
        }
        // What is not said again stays, until it is taken back.
        call(&desk, [None; 2]);
        let [to_f, to_t] = call(&desk, [None; 2]);
        assert!(desk.route(to_f).rtcp_interval.is_some());
        assert!(desk.route(to_t).rtcp_interval.is_some());
        let [to_f, to_t] = call(&desk, [Some(false), None]);
        assert_eq!(desk.route(to_f).rtcp_interval, None);
        assert_eq!(desk.route(to_t).rtcp_interval, None);
    }
}

#[test]
fn what_is_not_rtp_has_no_reports() {
    let desk = Desk::new();
    let t38 = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n\
               m=image 4000 udptl t38\r\n";
    let offer = Said {
        options: asking(Some(true)),
        ..said("f", "", t38)
    };
    let to_t = port(&desk.offer(offer).unwrap());
    assert_eq!(desk.route(to_t).rtcp_interval, None);
}

#[test]
fn qualities_are_dated_and_thinned_out_to_ten_or_so() {
    let desk = Desk::new();
    let [to_f, _] = call(&desk, [None; 2]);
    assert_eq!(desk.query("c").qualities, []);
    let counters = desk.route(to_f).counters;
    let ssrc = Ssrc::new(77);
    for n in 0..20_u8 {
        let sample = Sample::new(n, 5, 40_000, 20_000, 100 + 5 * u32::from(n));
        counters.add_quality(ssrc, sample, 3, true);
    }
    // The desk's clock shows later than the samples.
    desk.wait(Duration::from_secs(1000));
    let report = desk.query("c");
    let [quality] = &report.qualities[..] else {
        panic!("{:?}", report.qualities)
    };
    assert_eq!((quality.ssrc, quality.lost, quality.samples), (ssrc, 3, 20));
    assert_eq!(quality.interval, Duration::from_secs(9));
    let began = desk.now().unix_at(desk.sessions.epoch).as_secs();
    let at: Vec<u64> = quality
        .progression
        .iter()
        .map(|sample| u64::from(sample.at_s) - began)
        .collect();
    assert_eq!(at, [100, 110, 120, 130, 140, 150, 160, 170, 180, 190]);
    // 18 of 256 are the first 7 %.
    assert_eq!(u64::from(quality.lowest.at_s), began + 190);
    assert_eq!(u64::from(quality.highest.at_s), began + 100);
    assert_eq!(quality.average.at_s, 0);
    // `delete` of a party tells the same.
    let deleted = desk.delete("c", Some("t"), 30);
    assert_eq!(deleted.report.unwrap().qualities, report.qualities);
}
