//! Kamailio with VoIPBIN's flags, a media daemon with the two interfaces that these name, and sipp or baresip as
//! the parties.
//!
//! ```text
//! outside: caller ── priv, 127.0.0.1 ── daemon ── pub, 127.0.0.2 ── callee
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::support::baresip::{self, Control, Setup, read_wav, write_wav};
use crate::support::daemon::{Daemon, Program, test_file};
use crate::support::phone::Phone;
use crate::support::ports::PortBlock;
use crate::support::process::{Guard, TempDir, tail};
use crate::support::query::listed;
use crate::support::tone::{Recording, Tone};
use crate::support::{sip, wait_for};

/// What VoIPBIN has Kamailio say of a SIP leg, word for word; `<transport>` is the profile of the other side.
const VOIPBIN: &str = "replace-origin replace-session-connection direction=priv direction=pub codec-mask=all \
                       codec-transcode=PCMU codec-transcode=PCMA codec-transcode-telephone-event \
                       codec-except=VP8 codec-offer=telephone-event ICE=remove <transport> rtcp-mux-accept";

/// The daemon's addresses, in the order of `direction`.
pub(crate) const SIDES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

const PROXY_PORT: u16 = 0;
const CALLER_PORT: u16 = 1;
const CALLEE_PORT: u16 = 2;
/// Where baresip takes commands.
const CONTROL_PORT: u16 = 3;
/// Ten ports for its media.
const RTP_PORT: u16 = 10;

/// The Call-ID of the calls that sipp makes.
const CALL_ID: &str = "transcoded";

/// Who calls and who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Caller,
    Callee,
}

impl Role {
    const fn port(self) -> u16 {
        match self {
            Self::Caller => CALLER_PORT,
            Self::Callee => CALLEE_PORT,
        }
    }
    const fn scenario(self) -> &'static str {
        match self {
            Self::Caller => "browser/caller.xml",
            Self::Callee => "browser/callee.xml",
        }
    }
    /// How the message begins that brings the daemon's description to this party.
    const fn message(self) -> &'static str {
        match self {
            Self::Caller => "SIP/2.0 200 OK",
            Self::Callee => "INVITE ",
        }
    }
    /// The daemon's address towards this party.
    const fn side(self) -> &'static str {
        match self {
            Self::Caller => SIDES[0],
            Self::Callee => SIDES[1],
        }
    }
}

/// A codec of baresip's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baresip {
    /// As in its accounts.
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u16,
}

/// A proxy and its daemon.
pub(crate) struct Network {
    // Dropped in this order: the proxy ends before its daemon.
    proxy: Guard,
    pub(crate) daemon: Daemon,
    program: Program,
    ports: PortBlock,
    dir: TempDir,
}

impl Network {
    /// Starts both.
    pub(crate) fn start(name: &str) -> Self {
        let dir = TempDir::new(&format!("transcode-{name}"));
        let interfaces = ["priv", "pub"].iter().zip(SIDES);
        let interfaces = interfaces.map(|(name, address)| format!("--interface={name}/{address}"));
        let interfaces: Vec<String> = interfaces.collect();
        let arguments: Vec<&str> = interfaces.iter().map(String::as_str).collect();
        let program = Program::under_test();
        let daemon = Daemon::start(&program, "daemon", 48, &arguments, &dir);
        let ports = PortBlock::take(50);
        let port = |offset: u16| (ports.first() + offset).to_string();
        let flags = VOIPBIN.replace("<transport>", "RTP/AVP");
        // From whom a description comes to whom it goes: in an answer that is the other way round.
        let answer_flags = flags.replace(
            "direction=priv direction=pub",
            "direction=pub direction=priv",
        );
        let config = filled(
            "kamailio/kamailio.cfg",
            &[
                ("modules", &sip::module_path("rtpengine.so", "kamailio")),
                ("daemons", &format!("udp:{}", daemon.control())),
                ("flags", &flags),
                ("answer_flags", &answer_flags),
                ("delete_flags", "delete-delay=0"),
                ("sip_port", &port(PROXY_PORT)),
                ("uas_port", &port(CALLEE_PORT)),
                ("second_uas_port", &port(CALLEE_PORT)),
            ],
        );
        let proxy = sip::start_kamailio(&config, ports.first() + PROXY_PORT, &dir);
        Self {
            proxy,
            daemon,
            program,
            ports,
            dir,
        }
    }

    /// Whether the daemon is ours, and not the one to compare with.
    pub(crate) const fn has_our_daemon(&self) -> bool {
        matches!(self.program, Program::Ours(_))
    }
    fn port(&self, offset: u16) -> u16 {
        self.ports.first() + offset
    }
    /// Whom callers call.
    pub(crate) fn proxy_address(&self) -> String {
        format!("127.0.0.1:{}", self.port(PROXY_PORT))
    }
    fn sip_port(&self, role: Role) -> u16 {
        self.port(role.port())
    }

    /// Starts baresip as the caller, with this codec (a name as in baresip's accounts), whose voice is `tone`.
    pub(crate) fn baresip(&self, codec: &Baresip, tone: Tone) -> (Guard, Control) {
        let rate = codec.sample_rate_hz;
        let voice = self.dir.join("voice.wav");
        // Longer than any call: at its end it would hang up.
        let samples = tone.samples(rate, rate).repeat(60);
        write_wav(&voice, rate, codec.channels, &samples);
        let channels = codec.channels;
        let config = format!(
            "audio_source aufile,{}\naudio_player aubridge,nobody\nsnd_path {}\n\
             ausrc_srate {rate}\nausrc_channels {channels}\nauplay_srate {rate}\n\
             auplay_channels {channels}\nctrl_tcp_listen 127.0.0.1:{}",
            voice.display(),
            self.dir.path().display(),
            self.port(CONTROL_PORT),
        );
        let setup = Setup {
            sip_port: self.sip_port(Role::Caller),
            rtp_port: self.port(RTP_PORT),
            account: &format!("audio_codecs={}", codec.name),
            modules: &[
                codec.module,
                "aufile.so",
                "aubridge.so",
                "sndfile.so",
                "ctrl_tcp.so",
            ],
            config: &config,
        };
        let guard = baresip::start(&self.dir, &setup);
        (guard, Control::connect(self.port(CONTROL_PORT)))
    }

    /// What baresip has decoded, once its call is over.
    pub(crate) fn heard_by_baresip(&self) -> Recording {
        let files = std::fs::read_dir(self.dir.path()).expect("the directory is there");
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let path = paths
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .last();
        let bytes = std::fs::read(path.expect("what baresip has heard"));
        read_wav(&bytes.expect("it can be read"))
    }

    /// Starts sipp in this role, with the media of `phone`.
    pub(crate) fn sipp(&self, role: Role, phone: &Phone) -> Sipp {
        let name = format!("{role:?}").to_lowercase();
        let path = |extension: &str| self.dir.join(&format!("{name}.{extension}"));
        let text = filled(role.scenario(), &[("user", "bob")]);
        let text = sip::with_media(&text, &phone.coding(), phone.port());
        std::fs::write(path("xml"), text).expect("the scenario can be written");

        let mut command = sip::sipp(&path("xml"), self.sip_port(role), 1);
        if role == Role::Caller {
            command
                .arg(self.proxy_address())
                .args(["-cid_str", CALL_ID]);
        }
        command
            .arg("-trace_logs")
            .arg("-log_file")
            .arg(path("signs"));
        command
            .arg("-trace_msg")
            .arg("-message_file")
            .arg(path("messages"));
        let guard = Guard::start(command, "sip-tester", &path("log"));
        if role == Role::Callee {
            sip::await_sipp(self.sip_port(role));
        }
        Sipp {
            guard,
            role,
            port: self.sip_port(role),
            signs: path("signs"),
            messages: path("messages"),
        }
    }

    /// Waits until the daemon has forgotten the call and given back its ports.
    pub(crate) fn await_no_call(&self) {
        wait_for("the end of the call in the daemon", || {
            listed(&self.daemon).is_empty().then_some(())
        });
        self.daemon.await_bound_media_ports(0);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- Kamailio\n{}", self.proxy.log_tail());
            eprintln!("---- the daemon\n{}", tail(&self.daemon.log(), 60));
        }
    }
}

/// A party's signalling.
pub(crate) struct Sipp {
    guard: Guard,
    role: Role,
    port: u16,
    signs: PathBuf,
    messages: PathBuf,
}

impl Sipp {
    /// Waits until the call is up, and lets `phone` talk to where the daemon wants it; the description that
    /// came from there.
    pub(crate) fn connect(&mut self, phone: &Phone) -> String {
        wait_for("an answered call", || {
            if let Some(status) = self.guard.exit_status() {
                panic!("sipp ended early with {status}\n{}", self.guard.log_tail());
            }
            let signs = std::fs::read_to_string(&self.signs).unwrap_or_default();
            signs.contains("up ").then_some(())
        });
        // Its own file may be behind.
        let sdp = wait_for("the daemon's description", || self.description());
        phone.talk_to(relay(&sdp, self.role));
        sdp
    }

    /// The last description that came to it.
    fn description(&self) -> Option<String> {
        let messages = std::fs::read_to_string(&self.messages).ok()?;
        let messages = messages.replace("\r\n", "\n");
        let received = messages.split("message received").filter_map(|message| {
            let (_, message) = message.split_once("\n\n")?;
            message.starts_with(self.role.message()).then_some(message)
        });
        // Behind the message stands a line of dashes.
        let (_, body) = received.last()?.split_once("\n\n")?;
        let body = body.split("\n\n").next()?;
        body.contains("m=audio").then(|| body.to_owned())
    }

    /// Hangs up, if it is the caller.
    pub(crate) fn hang_up(&self) {
        sip::go_on(self.port, CALL_ID);
    }

    /// Waits for its end, which must be as the scenario says.
    pub(crate) fn await_end(&mut self) {
        let status = self.guard.wait();
        let log = || self.guard.log_tail();
        assert!(status.success(), "sipp ended with {status}\n{}", log());
    }
}

/// Where a description wants audio from the party in this role: at the daemon's address of its side.
fn relay(sdp: &str, role: Role) -> SocketAddr {
    let word = |prefix: &str| {
        let line = sdp.lines().find_map(|line| line.strip_prefix(prefix));
        let word = line.and_then(|line| line.split(' ').next());
        word.unwrap_or_else(|| panic!("no {prefix:?} in {sdp}"))
    };
    let address = word("c=IN IP4 ");
    assert_eq!(address, role.side(), "{sdp}");
    let ip = address.parse().expect("an address");
    SocketAddr::new(ip, word("m=audio ").parse().expect("a port"))
}

/// A template of the tests, with its `{words}` filled in.
pub(crate) fn filled(file: &str, values: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(test_file(file)).expect("the template is there");
    values.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}
