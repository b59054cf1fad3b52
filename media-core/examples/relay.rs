//! Relays RTP between two UDP peers, with what it sees printed once a second.
//!
//! `cargo run --example relay -- 127.0.0.1:7000 127.0.0.1:8000` listens on ports 40000 and 40002 of the
//! loopback: what comes in on one leaves through the other, to that side's peer.
#![allow(
    clippy::disallowed_methods,
    reason = "the program gives the core its time"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::driver::{Driver, DriverConfig};
use media_core::engine::{
    Command, Component, LearnMode, Learning, PayloadClocks, Route, SinkAction, SocketOptions,
    StreamCounters,
};
use media_core::units::{CallKey, ClockRate, PayloadType, ShardId};

fn main() -> Result<(), Box<dyn Error>> {
    let peers: Vec<SocketAddr> = std::env::args()
        .skip(1)
        .map(|a| a.parse())
        .collect::<Result<_, _>>()?;
    let [left, right] = peers[..] else {
        return Err("usage: relay LEFT_IP:PORT RIGHT_IP:PORT".into());
    };

    let driver = Driver::start(
        &DriverConfig {
            shards: Some(1),
            ..DriverConfig::default()
        },
        Instant::now(),
    )?;
    let (io, why) = driver.io_in_use();
    println!("relaying on {} ({why})", io.name());

    let (plane, shard) = (driver.plane(), ShardId::new(0));
    let local = ["127.0.0.1:40000".parse()?, "127.0.0.1:40002".parse()?];
    let sockets = [
        plane.bind(shard, local[0], SocketOptions::default())?,
        plane.bind(shard, local[1], SocketOptions::default())?,
    ];
    let pcmu = PayloadType::new(0).ok_or("payload type")?;
    let clocks = Arc::new(PayloadClocks::new(vec![(pcmu, ClockRate::HZ_8000)]));
    let counters: [Arc<StreamCounters>; 2] = [Arc::default(), Arc::default()];
    let mut routes = Vec::new();
    for (n, endpoint) in [left, right].into_iter().enumerate() {
        let route = Route {
            call: CallKey::new(1),
            component: Component::RtpAndRtcp,
            endpoint: Some(endpoint),
            learning: Learning {
                mode: LearnMode::Delayed,
                strict_source: false,
                media_handover: false,
            },
            learn_epoch: 0,
            blocked: false,
            pierce_nat: false,
            protection: media_core::engine::Protection::None,
            untouched: false,
            drops_feedback: false,
            transcode: None,
            ice: None,
            alternates: Box::default(),
            media: None,
            rtcp_interval: None,
            rtp_sinks: SinkAction {
                socket: sockets[1 - n],
            }
            .into(),
            rtcp_sinks: SinkAction {
                socket: sockets[1 - n],
            }
            .into(),
            clocks: Arc::clone(&clocks),
            counters: Arc::clone(&counters[n]),
        };
        routes.push(Command::Route {
            socket: sockets[n],
            route: Box::new(route),
        });
    }
    plane.commands(shard, routes);
    loop {
        while let Some(event) = driver.next_event(Duration::from_secs(1)) {
            println!("{event:?}");
        }
        for (side, c) in ["left", "right"].iter().zip(&counters) {
            let source = &c.ssrcs[0];
            println!(
                "{side:>5}: {} packets in, {} out, {} lost, jitter {} µs, {} dropped",
                c.packets.get(),
                c.packets_sent.get(),
                source.lost.get(),
                source.jitter_us.get(),
                c.dropped_total()
            );
        }
    }
}
