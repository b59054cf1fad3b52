//! Transcodes between two UDP peers that have no codec in common, DTMF events included.
//!
//! `cargo run --example transcode -- 9 127.0.0.1:7000 0 127.0.0.1:8000` listens on ports 40000 and 40002 of the
//! loopback: a peer that speaks G.722 (payload type 9) and one that speaks PCMU (0) understand each other; 8 is
//! PCMA, 111 Opus. Events go under payload type 101. To hear it: `ffmpeg -re -i speech.wav -ar 16000 -c:a g722
//! -f rtp rtp://127.0.0.1:40000?localport=7000`, and `ffplay -f rtp rtp://127.0.0.1:8000`, or any phone.
#![allow(
    clippy::disallowed_methods,
    reason = "the program gives the core its time"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecs::registry;
use media_core::driver::{Driver, DriverConfig};
use media_core::engine::{Command, Route, SinkAction, SocketOptions, StreamCounters};
use media_core::media::transcode::{CodecUse, Plan, Rule, Unlisted};
use media_core::units::{CallKey, ClockRate, PayloadType, ShardId};

/// What a peer speaks, under its payload type, in packets of 20 ms.
fn codec(payload_type: &str) -> Result<CodecUse, Box<dyn Error>> {
    let codec = match payload_type {
        "0" => registry::by_name("PCMU", 8000, 1),
        "8" => registry::by_name("PCMA", 8000, 1),
        "9" => registry::by_name("G722", 8000, 1),
        "111" => registry::by_name("opus", 48_000, 2),
        _ => None,
    };
    Ok(CodecUse {
        codec: codec.ok_or("payload types are 0 (PCMU), 8 (PCMA), 9 (G722) and 111 (opus)")?,
        payload_type: PayloadType::new(payload_type.parse()?).ok_or("no payload type")?,
        fmtp: "".into(),
        ptime_ms: 20,
    })
}

/// What is to be done to the packets of one peer before the other gets them.
fn plan(from: &CodecUse, to: &CodecUse) -> Result<Plan, Box<dyn Error>> {
    let events = PayloadType::new(101).ok_or("no payload type")?;
    let clock = ClockRate::new(8000).ok_or("no clock rate")?;
    let decode = Rule::Decode(from.clone());
    let mut plan = Plan::new(vec![
        (from.payload_type, decode),
        (events, Rule::Events(clock)),
    ]);
    plan.target = Some(to.clone());
    plan.events = Some((events, clock));
    plan.unlisted = Unlisted::Drop;
    Ok(plan)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [left, left_peer, right, right_peer] = &args[..] else {
        return Err("usage: transcode PAYLOAD_TYPE IP:PORT PAYLOAD_TYPE IP:PORT".into());
    };
    let peers: [SocketAddr; 2] = [left_peer.parse()?, right_peer.parse()?];
    let codecs = [codec(left)?, codec(right)?];
    let config = DriverConfig {
        shards: Some(1),
        ..DriverConfig::default()
    };
    let driver = Driver::start(&config, Instant::now())?;
    let (plane, shard) = (driver.plane(), ShardId::new(0));
    let options = SocketOptions::default();
    let sockets = [
        plane.bind(shard, "127.0.0.1:40000".parse()?, options)?,
        plane.bind(shard, "127.0.0.1:40002".parse()?, options)?,
    ];
    let counters: [Arc<StreamCounters>; 2] = [Arc::default(), Arc::default()];
    for n in [0, 1] {
        let sink = SinkAction {
            socket: sockets[1 - n],
        };
        let route = Box::new(Route {
            transcode: Some(Arc::new(plan(&codecs[n], &codecs[1 - n])?)),
            counters: Arc::clone(&counters[n]),
            ..Route::relay(CallKey::new(1), Some(peers[n]), sink)
        });
        let socket = sockets[n];
        plane.commands(shard, vec![Command::Route { socket, route }]);
    }
    loop {
        while let Some(event) = driver.next_event(Duration::from_secs(1)) {
            println!("{event:?}");
        }
        for (codec, c) in codecs.iter().zip(&counters) {
            let (packets, sent, invented) =
                (c.packets.get(), c.packets_sent.get(), c.concealed.get());
            let name = codec.codec.name;
            println!("{name:>4}: {packets} packets in, {sent} sent, {invented} gaps filled");
        }
    }
}
