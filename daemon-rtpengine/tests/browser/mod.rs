//! A SIP.js phone in Chromium, Kamailio with WebSocket, a media daemon, and sipp with a plain phone's
//! media behind: started on free ports with the files of this directory.

mod chromium;
mod direct;
mod judge;
mod speech;
mod stats;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use crate::support::daemon::{Daemon, Program, test_file};
use crate::support::line::{Coding, Sound};
use crate::support::phone::Phone;
use crate::support::ports::PortBlock;
use crate::support::process::{Guard, TempDir, tail};
use crate::support::query::{listed, query, relay_of};
use crate::support::{sip, wait_for};

use chromium::Chromium;
pub(crate) use direct::{Direct, OurRole, Version};
use judge::{BROWSER_TONE, PHONE_TONE, SILENCE_DB};
pub(crate) use stats::Stats;

/// What a browser needs (RFC 8827 §6.5, RFC 8834 §5.1).
const TO_BROWSER: &str = "replace-origin replace-session-connection UDP/TLS/RTP/SAVPF ICE=force \
                          SDES-off rtcp-mux-offer rtcp-mux-require generate-mid no-rtcp-attribute";
/// What a plain phone needs.
const TO_PLAIN: &str =
    "replace-origin replace-session-connection RTP/AVP ICE=remove rtcp-mux-demux";

/// With this in addition the browser is offered Opus, and told it whatever the phone answers.
const TO_BROWSER_WITH_OPUS: &str =
    "codec-mask=all codec-transcode=opus codec-transcode=telephone-event";
/// The same for the phone and PCMU. Kamailio 5.6 has no list for `consume`: the daemon takes it from a flag.
const TO_PHONE_WITH_PCMU: &str =
    "codec-mask=all codec-consume-opus codec-transcode=PCMU codec-transcode=telephone-event";
/// The number of Chromium's telephone events at 8000 Hz, which come back with PCMU.
const CHROMIUM_EVENTS: u8 = 126;

const PROXY_PORT: u16 = 0;
const PHONE_PORT: u16 = 1;
const WS_PORT: u16 = 2;
const DRIVER_PORT: u16 = 3;

/// Everything, with the browser registered.
pub(crate) struct World {
    // Dropped in this order: who uses a thing ends before it.
    browser: Chromium,
    sipp: Option<Guard>,
    phone: Phone,
    /// What the browser speaks.
    codec: &'static str,
    proxy: Guard,
    pub(crate) daemon: Daemon,
    program: Program,
    ports: PortBlock,
    signs: PathBuf,
    dir: TempDir,
}

impl World {
    /// Starts all but sipp, the daemon with these additional arguments. Both parties speak PCMU.
    pub(crate) fn start(name: &str, extra: &[&str]) -> Self {
        let phone = Phone::new(PHONE_TONE);
        Self::start_with(name, extra, phone, "PCMU", &[TO_BROWSER, TO_PLAIN])
    }

    /// The same with Opus in the browser, and PCMU and telephone events in the phone.
    pub(crate) fn start_with_opus(name: &str) -> Self {
        let coding = Coding::pcmu().with_events(CHROMIUM_EVENTS, 8000);
        let tone = Sound::tone(PHONE_TONE, coding.sample_rate_hz());
        let flags = [
            &format!("{TO_BROWSER} {TO_BROWSER_WITH_OPUS}"),
            &*format!("{TO_PLAIN} {TO_PHONE_WITH_PCMU}"),
        ];
        Self::start_with(name, &[], Phone::with(coding, tone), "opus", &flags)
    }

    fn start_with(
        name: &str,
        extra: &[&str],
        phone: Phone,
        codec: &'static str,
        flags: &[&str; 2],
    ) -> Self {
        let dir = TempDir::new(&format!("browser-{name}"));
        let arguments = [&["--interface=127.0.0.1"], extra].concat();
        let program = Program::under_test();
        let daemon = Daemon::start(&program, "daemon", 48, &arguments, &dir);
        let ports = PortBlock::take(50);
        let proxy = start_proxy(&dir, &ports, &daemon, flags);
        let browser = Chromium::start(&dir, ports.first() + DRIVER_PORT, "page.html");
        let mut world = Self {
            browser,
            sipp: None,
            phone,
            codec,
            proxy,
            daemon,
            program,
            signs: dir.join("sipp.signs"),
            ports,
            dir,
        };
        let start = json!({
            "server": format!("ws://127.0.0.1:{}", world.port(WS_PORT)),
            "user": "browser",
            "domain": "127.0.0.1",
            "frequency": BROWSER_TONE.frequency_hz,
            "amplitude": BROWSER_TONE.amplitude,
        });
        world.browser.ask("start", &start);
        world
    }

    fn port(&self, offset: u16) -> u16 {
        self.ports.first() + offset
    }
    /// Whether the daemon is ours, and not the one to compare with.
    pub(crate) const fn has_our_daemon(&self) -> bool {
        matches!(self.program, Program::Ours(_))
    }

    /// The browser calls the plain phone, which answers.
    pub(crate) fn browser_calls(&mut self) {
        self.start_sipp("callee.xml", &[]);
        sip::await_sipp(self.port(PHONE_PORT));
        let target = json!({ "target": "sip:phone@127.0.0.1" });
        self.browser.ask("call", &target);
        self.await_sign("up");
        self.connect_phone();
    }

    /// The plain phone calls the browser, which answers.
    pub(crate) fn phone_calls(&mut self) {
        let proxy = format!("127.0.0.1:{}", self.port(PROXY_PORT));
        self.start_sipp("caller.xml", &[&proxy, "-cid_str", CALL_ID]);
        self.browser.ask("answer", &json!(null));
        self.await_sign("up");
        self.connect_phone();
    }

    fn start_sipp(&mut self, scenario: &str, extra: &[&str]) {
        let text = std::fs::read_to_string(test_file("browser").join(scenario))
            .expect("the scenario is there")
            .replace("{user}", "browser");
        let text = sip::with_media(&text, &self.phone.coding(), self.phone.port());
        let path = self.dir.join(scenario);
        std::fs::write(&path, text).expect("the scenario can be written");
        let mut command = sip::sipp(&path, self.port(PHONE_PORT), 1);
        command.args(extra);
        command.arg("-trace_logs").arg("-log_file").arg(&self.signs);
        command.arg("-trace_msg").arg("-message_file");
        command.arg(self.dir.join("sipp.messages"));
        let log = self.dir.join("sipp.log");
        self.sipp = Some(Guard::start(command, "sip-tester", &log));
    }

    /// Waits until sipp's scenario has logged `sign` (`up`, `held`, `two-way`).
    fn await_sign(&mut self, sign: &str) {
        let sipp = self.sipp.as_mut().expect("sipp was started");
        wait_for(&format!("sipp's {sign:?}"), || {
            if let Some(status) = sipp.exit_status() {
                panic!("sipp ended early with {status}");
            }
            let signs = std::fs::read_to_string(&self.signs).unwrap_or_default();
            signs.contains(&format!("{sign} ")).then_some(())
        });
        // The next one is a new one.
        std::fs::File::options()
            .write(true)
            .truncate(true)
            .open(&self.signs)
            .expect("the signs are there");
    }

    /// Lets the plain phone talk to the daemon's port for it.
    fn connect_phone(&self) {
        let calls = listed(&self.daemon);
        assert_eq!(calls.len(), 1, "{calls:?}");
        let call = query(&self.daemon, &calls[0]);
        let relay = relay_of(&call, self.phone.port());
        let relay = relay.unwrap_or_else(|| panic!("no stream to the phone: {call:?}"));
        self.phone.talk_to(relay);
    }

    /// Waits until the browser hears the phone, the phone the browser, and nobody himself.
    pub(crate) fn expect_audio_both_ways(&mut self) {
        judge::expect_audio_both_ways(&mut self.browser, &self.phone);
    }

    /// Holds the call from the browser. The phone, told so, falls silent; the browser's tone goes on.
    pub(crate) fn browser_holds(&mut self) {
        self.browser.ask("hold", &json!({ "hold": true }));
        self.await_sign("held");
        self.phone.fall_silent();
        let browser = &mut self.browser;
        wait_for("silence in the browser", || {
            let recording = browser.record();
            (PHONE_TONE.gain_db(&recording) < SILENCE_DB).then_some(())
        });
        judge::expect_phone_hears_browser(&self.phone);
    }

    /// Takes the call back.
    pub(crate) fn browser_resumes(&mut self) {
        self.browser.ask("hold", &json!({ "hold": false }));
        self.await_sign("two-way");
        self.connect_phone();
    }

    /// Restarts ICE from the browser.
    pub(crate) fn browser_restarts_ice(&mut self) {
        self.browser.ask("restartIce", &json!(null));
        self.await_sign("two-way");
    }

    /// The page dies in the middle of the call, without a word.
    pub(crate) fn browser_dies(&mut self) {
        self.browser.ask("crash", &json!(null));
    }

    /// The phone falls silent; since then.
    pub(crate) fn phone_falls_silent(&self) -> Instant {
        let since = Instant::now();
        self.phone.fall_silent();
        since
    }

    /// The browser says a sentence and the phone hears it, then the other way. They say nothing behind it.
    pub(crate) fn expect_sentences_both_ways(&mut self) {
        let ours = self.has_our_daemon();
        speech::expect_sentences_both_ways(&mut self.browser, &self.phone, ours);
    }

    /// The browser dials, and the phone hears each key once and in order.
    pub(crate) fn expect_keys_from_browser(&mut self, keys: &str) {
        speech::expect_keys_from_browser(&mut self.browser, &self.phone, keys);
    }

    /// Waits until the browser's statistics are those of a good call with its codec, and no packet was lost
    /// in either direction; logs what DTLS agreed on.
    pub(crate) fn expect_good_stats(&mut self) -> Stats {
        judge::expect_stats(&mut self.browser, &self.phone, self.codec)
    }

    /// The browser hangs up.
    pub(crate) fn browser_hangs_up(&mut self) {
        self.browser.ask("hangUp", &json!(null));
        self.await_end();
    }

    /// The phone hangs up.
    pub(crate) fn phone_hangs_up(&mut self) {
        sip::go_on(self.port(PHONE_PORT), CALL_ID);
        self.browser.ask("awaitEnd", &json!(null));
        self.await_end();
    }

    fn await_end(&mut self) {
        let sipp = self.sipp.as_mut().expect("sipp was started");
        let status = sipp.wait();
        assert!(status.success(), "sipp ended with {status}");
        self.await_no_call();
    }

    /// Waits until the daemon has forgotten the call and given back its ports.
    pub(crate) fn await_no_call(&self) {
        wait_for("the end of the call in the daemon", || {
            listed(&self.daemon).is_empty().then_some(())
        });
        self.daemon.await_bound_media_ports(0);
    }
}

const CALL_ID: &str = "to-the-browser";

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let sipp = std::fs::read_to_string(self.dir.join("sipp.messages")).unwrap_or_default();
        for (name, text) in [
            ("the browser's console", self.browser.log()),
            ("Kamailio's log", self.proxy.log()),
            ("the daemon's log", self.daemon.log()),
            ("sipp's messages", sipp),
        ] {
            eprintln!("---- {name} (the end)\n{}", tail(&text, 120));
        }
    }
}

fn start_proxy(
    dir: &TempDir,
    ports: &PortBlock,
    daemon: &Daemon,
    [to_browser, to_plain]: &[&str; 2],
) -> Guard {
    let port = |offset: u16| (ports.first() + offset).to_string();
    let modules = sip::module_path("websocket.so", "kamailio-websocket-modules");
    let config = std::fs::read_to_string(test_file("browser/kamailio.cfg"))
        .expect("the template is there")
        .replace("{modules}", &modules)
        .replace("{daemon}", &daemon.control().to_string())
        .replace("{to_browser}", to_browser)
        .replace("{to_plain}", to_plain)
        .replace("{sip_port}", &port(PROXY_PORT))
        .replace("{callee_port}", &port(PHONE_PORT))
        .replace("{ws_port}", &port(WS_PORT));
    sip::start_kamailio(&config, ports.first() + PROXY_PORT, dir)
}
