//! Relays between an SRTP peer, whose keys are known (SDES), and a plain RTP peer.
//!
//! `cargo run --example srtp_bridge -- 127.0.0.1:7000 127.0.0.1:8000` listens on port 40000 of the loopback
//! for SRTP and on 40002 for RTP, and prints the keys. Keys of your own may follow, the peer's and ours,
//! in 60 hexadecimal digits each: key and salt of `AES_CM_128_HMAC_SHA1_80`.
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
    Command, Component, LearnMode, Learning, Protection, Route, SinkAction, SocketOptions,
    SrtpKeys, StreamCounters,
};
use media_core::srtp::{CryptoSuite, MasterKey, SrtpParams};
use media_core::units::{CallKey, ShardId};

/// The key of these digits; without any, a new one, which is shown.
fn key(whose: &str, hex: Option<String>) -> Result<SrtpParams, Box<dyn Error>> {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let Some(hex) = hex else {
        let key = MasterKey::generate(suite);
        let bytes = key.key_and_salt().iter();
        let hex: Vec<_> = bytes.map(|b| format!("{b:02x}")).collect();
        println!("{whose} key and salt: {}", hex.concat());
        return Ok(SrtpParams::new(key));
    };
    let digits: Vec<_> = hex.chars().collect();
    let pairs = digits.chunks(2).map(String::from_iter);
    let bytes: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(&pair, 16))
        .collect::<Result<_, _>>()?;
    Ok(SrtpParams::new(MasterKey::new(suite, &bytes)?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(secure), Some(plain)) = (args.next(), args.next()) else {
        return Err("usage: srtp_bridge SRTP_IP:PORT RTP_IP:PORT [PEERS_KEY [OUR_KEY]]".into());
    };
    let peers: [SocketAddr; 2] = [secure.parse()?, plain.parse()?];
    let receive = key("the peer's", args.next())?;
    let send = key("our", args.next())?;
    let keys = Arc::new(SrtpKeys { send, receive });
    let config = DriverConfig {
        shards: Some(1),
        ..DriverConfig::default()
    };
    let driver = Driver::start(&config, Instant::now())?;
    let (plane, shard) = (driver.plane(), ShardId::new(0));
    let local = ["127.0.0.1:40000".parse()?, "127.0.0.1:40002".parse()?];
    let sockets = [
        plane.bind(shard, local[0], SocketOptions::default())?,
        plane.bind(shard, local[1], SocketOptions::default())?,
    ];
    let counters: [Arc<StreamCounters>; 2] = [Arc::default(), Arc::default()];
    for (n, protection) in [(0, Protection::Srtp(keys)), (1, Protection::None)] {
        let socket = sockets[1 - n];
        let route = Box::new(Route {
            call: CallKey::new(1),
            component: Component::RtpAndRtcp,
            endpoint: Some(peers[n]),
            learning: Learning {
                mode: LearnMode::Delayed,
                strict_source: false,
                media_handover: false,
            },
            learn_epoch: 0,
            blocked: false,
            pierce_nat: false,
            protection,
            untouched: false,
            drops_feedback: false,
            transcode: None,
            ice: None,
            alternates: Box::default(),
            media: None,
            rtcp_interval: None,
            rtp_sinks: SinkAction { socket }.into(),
            rtcp_sinks: SinkAction { socket }.into(),
            clocks: Arc::default(),
            counters: Arc::clone(&counters[n]),
        });
        let socket = sockets[n];
        plane.commands(shard, vec![Command::Route { socket, route }]);
    }
    loop {
        while let Some(event) = driver.next_event(Duration::from_secs(1)) {
            println!("{event:?}");
        }
        for (side, c) in ["srtp", "rtp"].iter().zip(&counters) {
            let (packets, sent) = (c.packets.get(), c.packets_sent.get());
            let dropped = c.dropped_total();
            println!("{side:>4}: {packets} packets in, {sent} out, {dropped} dropped");
        }
    }
}
