//! Calls go to the shard with the least to do, and to none that cannot keep up.

use super::*;
use crate::sdp::{CodecOptions, SdpOptions};

const G722: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 9\r\n";

fn transcoded(call_id: &str) -> Said<'_> {
    let codec = CodecOptions {
        mask: vec!["all".into()],
        transcode: vec!["PCMU".into()],
        ..CodecOptions::default()
    };
    let options = Options {
        sdp: SdpOptions {
            codec,
            ..SdpOptions::default()
        },
        ..Options::default()
    };
    Said {
        call_id,
        options,
        ..said("f", "", G722)
    }
}

impl Desk {
    /// Offers a call from G.722 to PCMU; its shard.
    fn transcode(&self, call_id: &str) -> Result<u8, SessionError> {
        self.place(transcoded(call_id))
    }

    fn relay(&self, call_id: &str) -> Result<u8, SessionError> {
        let sdp = sdp(4000);
        self.place(Said {
            call_id,
            ..said("f", "", &sdp)
        })
    }

    fn place(&self, offer: Said<'_>) -> Result<u8, SessionError> {
        let before: Vec<SocketId> = self.plane.lock().open.keys().copied().collect();
        self.offer(offer)?;
        let inner = self.plane.lock();
        let is_new = |socket: &&SocketId| !before.contains(socket);
        let new = inner.open.keys().find(is_new).unwrap();
        Ok(new.shard().get())
    }

    /// What a shard said of itself just now.
    fn load(&self, shard: usize, cpu_permille: u32, behind_ms: u64) {
        self.plane.loads.lock().unwrap()[shard] = ShardLoad {
            cpu_permille,
            sampled: *self.passed.lock().unwrap(),
            behind: Duration::from_millis(behind_ms),
        };
    }
}

#[test]
fn calls_spread_by_what_they_cost() {
    let desk = Desk::new();
    let first = desk.transcode("a").unwrap();
    let other = 1 - first;
    // G.722 costs more than one relayed call.
    assert_eq!(desk.relay("b"), Ok(other));
    assert_eq!(desk.transcode("c"), Ok(other));
    assert_eq!(desk.transcode("d"), Ok(first));
    for n in 0..20 {
        desk.transcode(&format!("e{n}")).unwrap();
    }
    let of_shard = |shard| {
        let inner = desk.plane.lock();
        inner
            .open
            .keys()
            .filter(|s| s.shard().get() == shard)
            .count()
    };
    assert!(of_shard(0).abs_diff(of_shard(1)) <= 4, "within a call");
}

#[test]
fn what_ends_makes_room() {
    let desk = Desk::new();
    let first = desk.transcode("a").unwrap();
    desk.transcode("b").unwrap();
    desk.delete("a", None, 0);
    assert_eq!(desk.transcode("c"), Ok(first));
    // One that fails has never been there.
    desk.plane.full.store(true, Ordering::Relaxed);
    assert_eq!(desk.transcode("d"), Err(SessionError::OutOfPorts));
    desk.plane.full.store(false, Ordering::Relaxed);
    desk.delete("c", None, 0);
    assert_eq!(desk.transcode("e"), Ok(first));
}

#[test]
fn a_shard_that_is_behind_gets_no_calls_and_both_refuse_them() {
    let desk = Desk::new();
    desk.call("old");
    desk.load(0, 990, 199);
    desk.load(1, 500, 200);
    for n in 0..4 {
        assert_eq!(
            desk.relay(&format!("r{n}")),
            Ok(0),
            "a stall is no overload"
        );
    }
    desk.load(0, 990, 1000);
    let full = Err(SessionError::Limit(Limit::Load));
    assert!(!desk.sessions.has_room(desk.now()));
    assert_eq!((desk.relay("x"), desk.transcode("x")), (full.clone(), full));
    assert_eq!(
        SessionError::Limit(Limit::Load).to_string(),
        "Load limit exceeded"
    );
    assert_eq!(desk.sessions.statistics(desk.now()).total.rejected, 2);
    let sdp = sdp(4000);
    let again = Said {
        call_id: "old",
        ..said("f", "t", &sdp)
    };
    assert!(desk.offer(again).is_ok(), "calls that are there go on");
    desk.load(1, 500, 0);
    assert!(desk.sessions.has_room(desk.now()));
    assert_eq!(desk.transcode("y"), Ok(1));
}

#[test]
fn calls_that_will_be_too_many_are_refused_before_they_send() {
    let desk = Desk::with(SessionConfig {
        interfaces: vec![InterfaceConfig {
            port_min: 10_000,
            port_max: 59_999,
            ..interface("default", "127.0.0.1")
        }],
        ..SessionConfig::default()
    });
    let full = SessionError::Limit(Limit::Load);
    let place_all = |name: &str| {
        let mut placed = 0_u32;
        loop {
            match desk.offer(transcoded(&format!("{name}{placed}"))) {
                Ok(_) => placed += 1,
                Err(error) => {
                    assert_eq!(error, full);
                    return placed;
                }
            }
        }
    };
    desk.load(0, 660, 0);
    desk.load(1, 660, 0);
    let calls = place_all("c");
    // Of each shard 240 thousandths are left, and a call takes almost one: a quarter of that is transcoding,
    // which must have reached a tenth of the processor.
    assert!((750..850).contains(&calls), "{calls}");
    // All of them measured, there is room for as many as the 120 thousandths that are left now.
    desk.wait(Duration::from_secs(1));
    desk.load(0, 780, 0);
    desk.load(1, 780, 0);
    let more = place_all("d");
    assert!((240..340).contains(&more), "{more}");
    // Nobody has sent for a while: what they will cost is estimated, and the whole processor is there for it.
    desk.wait(Duration::from_secs(10));
    assert!(desk.transcode("e").is_ok());
}

#[test]
fn shards_that_only_relay_may_be_as_busy_as_they_like() {
    let desk = Desk::new();
    desk.load(0, 1000, 0);
    desk.load(1, 1000, 0);
    assert!(desk.relay("a").is_ok() && desk.transcode("b").is_ok());
}
