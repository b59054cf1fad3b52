//! Kamailio and sipp, started on free ports with the templates of this directory.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::support::daemon::{Daemon, Program, test_file};
use crate::support::ng::int_at;
use crate::support::ports::PortBlock;
use crate::support::process::{Guard, TempDir};
use crate::support::query::{query, relay_of, rtp_streams, stream_of};
use crate::support::rtp::Endpoint;
use crate::support::{sip, wait_for};

/// A proxy with its media daemons, and ports for the parties.
pub(crate) struct Network {
    // Dropped in this order: the proxy ends before its daemons.
    proxy: Guard,
    pub(crate) daemons: Vec<Daemon>,
    ports: PortBlock,
    runs: u16,
    dir: TempDir,
}

/// What a caller does between answer and hang-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nothing.
    Plain,
    /// Sends its INVITE twice.
    Retransmits,
    /// Holds the call, then takes it back, each on a sign of the test.
    Holds,
    /// Cancels on a sign of the test.
    Cancels,
    /// Plays a file of [`STREAMED_PACKETS`] packets from sipp's own sockets, to a callee that echoes.
    Streams,
}

/// Length of what [`Caller::Streams`] plays: 2 seconds of 20 ms each.
pub(crate) const STREAMED_PACKETS: i64 = 100;

/// A group of calls made by one sipp.
pub(crate) struct Calls {
    sipp: Guard,
    name: String,
    sip_port: u16,
    log: PathBuf,
    pub(crate) parties: Vec<Parties>,
}

/// The two media endpoints of a call.
pub(crate) struct Parties {
    pub(crate) call_id: String,
    pub(crate) caller: Endpoint,
    pub(crate) callee: Endpoint,
}

const FLAGS: &str = "replace-origin replace-session-connection";

const PROXY_PORT: u16 = 0;
const CALLEE_PORT: u16 = 1;
const SECOND_CALLEE_PORT: u16 = 2;
const FIRST_CALLER_PORT: u16 = 3;
/// sipp echoes RTP here and two ports above.
const ECHO_PORT: u16 = 20;

impl Network {
    /// Starts one daemon per item of `daemons`, with these additional arguments, and the proxy.
    pub(crate) fn start(name: &str, daemons: &[&[&str]]) -> Self {
        let dir = TempDir::new(&format!("kamailio-{name}"));
        let program = Program::under_test();
        let daemons: Vec<Daemon> = daemons
            .iter()
            .enumerate()
            .map(|(at, extra)| {
                let arguments = [&["--interface=127.0.0.1"], *extra].concat();
                Daemon::start(&program, &format!("daemon{at}"), 298, &arguments, &dir)
            })
            .collect();
        let ports = PortBlock::take(50);
        let proxy = start_proxy(&dir, &ports, &daemons);
        Self {
            proxy,
            daemons,
            ports,
            runs: 0,
            dir,
        }
    }

    fn port(&self, offset: u16) -> u16 {
        self.ports.first() + offset
    }

    /// Starts a callee that takes `count` calls.
    pub(crate) fn callee(&self, count: usize) -> Guard {
        self.sipp("callee", "uas.xml", CALLEE_PORT, count, &[])
    }
    /// Starts a callee that takes `count` calls and echoes their RTP.
    pub(crate) fn echoing_callee(&self, count: usize) -> Guard {
        let port = self.port(ECHO_PORT).to_string();
        let echo = ["-rtp_echo", "-mp", port.as_str()];
        self.sipp("echo", "uas.xml", CALLEE_PORT, count, &echo)
    }
    /// Starts a callee that rings `count` times and is cancelled.
    pub(crate) fn ringing_callee(&self, count: usize) -> Guard {
        self.sipp("ringing", "uas_cancelled.xml", CALLEE_PORT, count, &[])
    }
    /// The same beside another callee, as the second branch of a fork.
    pub(crate) fn second_ringing_callee(&self, count: usize) -> Guard {
        self.sipp(
            "second",
            "uas_cancelled.xml",
            SECOND_CALLEE_PORT,
            count,
            &[],
        )
    }

    fn sipp(&self, name: &str, scenario: &str, port: u16, count: usize, extra: &[&str]) -> Guard {
        let path = test_file("kamailio").join(scenario);
        let mut command = sip::sipp(&path, self.port(port), count);
        command.args(extra);
        let guard = Guard::start(
            command,
            "sip-tester",
            &self.dir.join(&format!("{name}.log")),
        );
        sip::await_sipp(self.port(port));
        guard
    }

    /// Starts `count` calls to `user` at once.
    pub(crate) fn call(&mut self, user: &str, count: usize, caller: Caller) -> Calls {
        let run = self.runs;
        self.runs += 1;
        let name = format!("{user}{run}");
        let mut parties = Vec::new();
        let mut fields = String::from("SEQUENTIAL\n");
        for number in 1..=count {
            let loopback = Ipv4Addr::LOCALHOST.into();
            let party = Parties {
                call_id: format!("{name}-{number}"),
                caller: Endpoint::bind(loopback, 0xa000_0000),
                callee: Endpoint::bind(loopback, 0xb000_0000),
            };
            let a = party.caller.port();
            let b = match caller {
                Caller::Streams => self.port(ECHO_PORT),
                _ => party.callee.port(),
            };
            writeln!(fields, "{user};{a};{b}").expect("a string can be written");
            parties.push(party);
        }
        let csv = self.dir.join(&format!("{name}.csv"));
        std::fs::write(&csv, fields).expect("the injection file can be written");
        let scenario = self.dir.join(&format!("{name}.xml"));
        let text = caller.scenario(&self.dir);
        std::fs::write(&scenario, text).expect("the scenario can be written");
        let log = self.dir.join(&format!("{name}.signs"));
        let sip_port = self.port(FIRST_CALLER_PORT + run);
        let mut command = sip::sipp(&scenario, sip_port, count);
        command
            .arg(format!("127.0.0.1:{}", self.port(PROXY_PORT)))
            .arg("-inf")
            .arg(&csv)
            .args(["-r", &count.to_string(), "-l", &count.to_string()])
            .args(["-cid_str", &format!("{name}-%u")])
            .arg("-trace_logs")
            .arg("-log_file")
            .arg(&log);
        let sipp = Guard::start(
            command,
            "sip-tester",
            &self.dir.join(&format!("{name}.log")),
        );
        Calls {
            sipp,
            name,
            sip_port,
            log,
            parties,
        }
    }

    /// The end of the proxy's log.
    pub(crate) fn proxy_log(&self) -> String {
        self.proxy.log_tail()
    }
}

impl Caller {
    fn scenario(self, dir: &TempDir) -> String {
        let text = |name: &str| {
            let path = test_file("kamailio").join(name);
            std::fs::read_to_string(path).expect("the scenario is there")
        };
        let reinvite = |cseq: &str, direction: &str| {
            text("uac_reinvite.xml")
                .replace("{cseq}", cseq)
                .replace("{direction}", direction)
        };
        let (retransmission, reinvites) = match self {
            Self::Cancels => return text("uac_cancel.xml"),
            Self::Streams => {
                let file = dir.join("media.raw");
                let samples = usize::try_from(STREAMED_PACKETS).unwrap_or(0) * 160;
                std::fs::write(&file, vec![0xd5; samples]).expect("the media can be written");
                let play = format!("rtp_stream=\"{},1,0\"", file.display());
                return text("uac.xml")
                    .replace("[field1]", "[rtpstream_audio_port]")
                    .replace("{retransmission}", "")
                    .replace(
                        "{reinvites}",
                        &text("uac_stream.xml").replace("{play}", &play),
                    );
            }
            Self::Plain => (String::new(), String::new()),
            Self::Retransmits => (text("uac_retransmission.xml"), String::new()),
            Self::Holds => (
                String::new(),
                reinvite("2", "inactive") + &reinvite("3", "sendrecv"),
            ),
        };
        text("uac.xml")
            .replace("{retransmission}", &retransmission)
            .replace("{reinvites}", &reinvites)
    }
}

impl Calls {
    /// Waits until every call has written `sign` (`up`, `ringing`, `inactive`, `sendrecv`).
    pub(crate) fn await_sign(&mut self, sign: &str, network: &Network) {
        let count = self.parties.len();
        let sign = format!("{sign} {}-", self.name);
        wait_for(&format!("{count} × {sign:?}"), || {
            if let Some(status) = self.sipp.exit_status() {
                panic!(
                    "sipp ended early with {status}\n{}\n{}",
                    self.sipp.log_tail(),
                    network.proxy_log()
                );
            }
            let signs = std::fs::read_to_string(&self.log).unwrap_or_default();
            (signs.matches(&sign).count() == count).then_some(())
        });
    }

    /// Lets every call do its next step, by an OPTIONS in its Call-ID.
    pub(crate) fn go_on(&self) {
        for party in &self.parties {
            sip::go_on(self.sip_port, &party.call_id);
        }
    }

    /// Waits until sipp is done, and all calls were as the scenario says.
    pub(crate) fn await_success(mut self, network: &Network) {
        let status = self.sipp.wait();
        assert!(
            status.success(),
            "the callers ended with {status}\n{}\n{}",
            self.sipp.log_tail(),
            network.proxy_log()
        );
    }
}

impl Parties {
    /// Where caller and callee have to send their RTP: the daemon's ports, by its `query`.
    pub(crate) fn relay_ports(&self, daemon: &Daemon) -> (SocketAddr, SocketAddr) {
        let call = query(daemon, &self.call_id);
        let port = |party: &Endpoint| {
            relay_of(&call, party.port()).unwrap_or_else(|| {
                panic!("{}: no stream to {}: {call:?}", self.call_id, party.port())
            })
        };
        (port(&self.caller), port(&self.callee))
    }

    /// RTP packets that the daemon has had from each party, and its errors.
    pub(crate) fn streamed(&self, daemon: &Daemon) -> (Vec<i64>, Option<i64>) {
        let call = query(daemon, &self.call_id);
        let packets = rtp_streams(&call)
            .filter_map(|stream| int_at(stream, &["stats", "packets"]))
            .collect();
        (packets, int_at(&call, &["totals", "RTP", "errors"]))
    }

    /// Packets that the daemon has had from caller and callee.
    pub(crate) fn packets(&self, daemon: &Daemon) -> (i64, i64) {
        let call = query(daemon, &self.call_id);
        let packets = |party: &Endpoint| {
            stream_of(&call, party.port())
                .and_then(|stream| int_at(stream, &["stats", "packets"]))
                .unwrap_or(-1)
        };
        (packets(&self.caller), packets(&self.callee))
    }
}

fn start_proxy(dir: &TempDir, ports: &PortBlock, daemons: &[Daemon]) -> Guard {
    let sockets: Vec<String> = daemons
        .iter()
        .map(|daemon| format!("udp:{}", daemon.control()))
        .collect();
    let template = std::fs::read_to_string(test_file("kamailio/kamailio.cfg"));
    let config = template
        .expect("the template is there")
        .replace("{modules}", &sip::module_path("rtpengine.so", "kamailio"))
        .replace("{daemons}", &sockets.join(" "))
        .replace("{flags}", FLAGS)
        .replace("{answer_flags}", FLAGS)
        .replace("{delete_flags}", "delete-delay=0")
        .replace("{sip_port}", &(ports.first() + PROXY_PORT).to_string())
        .replace("{uas_port}", &(ports.first() + CALLEE_PORT).to_string())
        .replace(
            "{second_uas_port}",
            &(ports.first() + SECOND_CALLEE_PORT).to_string(),
        );
    sip::start_kamailio(&config, ports.first() + PROXY_PORT, dir)
}
