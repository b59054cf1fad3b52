//! Sessions on the real driver: a call's packets go from party to party over loopback sockets, and its
//! ports come back.
#![cfg(feature = "driver")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media_core::driver::{Driver, DriverConfig, IoChoice};
use media_core::session::{
    AnswerRequest, DeleteOptions, DeleteRequest, InterfaceConfig, OfferRequest, Options,
    QueryRequest, Selector, SessionConfig, Sessions, Verdict,
};

mod common;

const PATIENCE: Duration = Duration::from_secs(5);

struct Party {
    socket: UdpSocket,
    relay: SocketAddr,
    sent: u16,
}

impl Party {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            relay: socket.local_addr().unwrap(),
            socket,
            sent: 0,
        }
    }
    fn sdp(&self) -> String {
        let port = self.socket.local_addr().unwrap().port();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\n"
        )
    }
    fn told(&mut self, sdp: &[u8]) {
        let sdp = str::from_utf8(sdp).unwrap();
        let line = sdp.lines().find(|line| line.starts_with("m=")).unwrap();
        let port = line.split(' ').nth(1).unwrap().parse().unwrap();
        self.relay.set_port(port);
    }
    /// Sends a PCMU packet with this mark.
    fn send(&mut self, mark: u8) {
        let mut packet = vec![mark; 172];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&self.sent.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sent) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&[0, 0, 0, mark]);
        self.sent += 1;
        self.socket.send_to(&packet, self.relay).unwrap();
    }
    /// The mark of the next packet.
    fn receive(&self) -> u8 {
        let mut packet = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut packet).unwrap();
        assert_eq!((len, from), (172, self.relay));
        packet[171]
    }
    fn hears_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let silent =
            matches!(self.socket.recv(&mut [0; 16]), Err(e) if e.kind() == ErrorKind::WouldBlock);
        self.socket.set_nonblocking(false).unwrap();
        silent
    }
}

fn relay(io: IoChoice, port_min: u16) {
    let epoch = Instant::now();
    let config = DriverConfig {
        io,
        shards: Some(1),
        ..DriverConfig::default()
    };
    let driver = match Driver::start(&config, epoch) {
        Ok(driver) => driver,
        Err(error) => {
            common::refused_by_the_kernel(&error);
            return;
        }
    };
    let interface = InterfaceConfig {
        name: "default".into(),
        address: "127.0.0.1".parse().unwrap(),
        advertised: None,
        port_min,
        port_max: port_min + 99,
    };
    let sessions = Sessions::new(
        SessionConfig {
            interfaces: vec![interface],
            ..SessionConfig::default()
        },
        driver.plane(),
        epoch,
    );
    let (mut caller, mut callee) = (Party::new(), Party::new());
    let options = Options::default();

    let offered = sessions
        .offer(
            Driver::now(),
            &OfferRequest {
                call_id: "c",
                from_tag: "f",
                to_tag: None,
                via_branch: None,
                sdp: caller.sdp().as_bytes(),
                options: &options,
            },
        )
        .unwrap();
    callee.told(&offered.sdp);
    let query = || {
        let request = QueryRequest {
            call_id: "c",
            from_tag: None,
            to_tag: None,
        };
        sessions.query(Driver::now(), &request).unwrap()
    };
    caller.relay = query().tags[0].medias[0].streams[0].local.unwrap();
    // Early media.
    callee.send(1);
    assert_eq!(caller.receive(), 1);

    let answered = sessions
        .answer(
            Driver::now(),
            &AnswerRequest {
                call_id: "c",
                from_tag: "f",
                to_tag: "t",
                via_branch: None,
                sdp: callee.sdp().as_bytes(),
                options: &options,
            },
        )
        .unwrap();
    caller.told(&answered.sdp);
    for mark in 2..12 {
        caller.send(mark);
        assert_eq!(callee.receive(), mark);
        callee.send(mark);
        assert_eq!(caller.receive(), mark);
    }
    let report = query();
    assert_eq!((report.rtp.packets, report.rtp.octets), (21, 21 * 172));
    for tag in &report.tags {
        assert_eq!(tag.medias[0].streams[0].verdict, Verdict::Flowing);
        assert_eq!(tag.medias[0].codec.as_deref(), Some("PCMU/8000"));
    }
    assert_eq!(report.tags[1].medias[0].streams[0].ssrc.unwrap().get(), 11);

    // What the caller sends while it is blocked is lost; what it sends after is not.
    let caller_only = Selector {
        from_tag: Some("f".into()),
        ..Selector::default()
    };
    sessions
        .block_media(Driver::now(), "c", &caller_only)
        .unwrap();
    caller.send(50);
    let deadline = Instant::now() + PATIENCE;
    while query().tags[0].medias[0].streams[0].received.packets < 11 {
        assert!(Instant::now() < deadline, "the blocked packet is counted");
        std::thread::yield_now();
    }
    assert!(callee.hears_nothing());
    sessions
        .unblock_media(Driver::now(), "c", &caller_only)
        .unwrap();
    caller.send(51);
    assert_eq!(callee.receive(), 51);

    let now = DeleteOptions {
        delete_delay: Some(Duration::ZERO),
        ..DeleteOptions::default()
    };
    let delete = DeleteRequest {
        call_id: "c",
        from_tag: Some("f"),
        to_tag: None,
        via_branch: None,
        options: &now,
    };
    sessions.delete(Driver::now(), &delete).unwrap();
    let used = || sessions.statistics(Driver::now()).interfaces[0].used;
    let deadline = Instant::now() + PATIENCE;
    while used() > 0 {
        assert!(Instant::now() < deadline, "every port comes back");
        if let Some(event) = driver.next_event(Duration::from_millis(100)) {
            sessions.handle_event(Driver::now(), event);
        }
    }
    UdpSocket::bind(caller.relay).expect("the kernel has let go of the port");
    driver.shutdown();
}

#[test]
fn call_is_relayed_by_io_uring() {
    relay(IoChoice::Uring, 23600);
}

#[test]
fn call_is_relayed_by_epoll() {
    relay(IoChoice::Epoll, 23700);
}
