//! A peer connection in Chromium whose descriptions the test itself takes to the daemon: what DTLS agrees on, in
//! both roles. The daemon chooses the version: Chromium 156 has both, and no switch for them any more (its trial
//! `WebRTC-ForceDtls13` of versions before is gone).

use std::cell::Cell;

use serde_json::{Value, json};

use crate::support::call::{audio_address, sdp};
use crate::support::daemon::{Daemon, Program};
use crate::support::phone::Phone;
use crate::support::ports::PortBlock;
use crate::support::process::{TempDir, tail};

use super::chromium::Chromium;
use super::judge::{self, BROWSER_TONE, PHONE_TONE};

/// The daemon's `--dtls-version`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Auto,
    V12,
    V13,
}

impl Version {
    const ALL: [&str; 3] = ["auto", "1.2", "1.3"];

    const fn place(self) -> usize {
        match self {
            Self::Auto => 0,
            Self::V12 => 1,
            Self::V13 => 2,
        }
    }
}

/// The daemon's role: the values of NG's `DTLS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OurRole {
    Active,
    Passive,
}

/// A browser, and a daemon for each value of the option.
pub(crate) struct Direct {
    browser: Chromium,
    daemons: [Daemon; 3],
    calls: Cell<u32>,
    _ports: PortBlock,
    _dir: TempDir,
}

/// Of the block's; the first is held by the block itself.
const DRIVER_PORT: u16 = 1;

impl Direct {
    /// Starts the daemons and the browser.
    pub(crate) fn start() -> Self {
        let dir = TempDir::new("direct");
        let daemons = Version::ALL.map(|version| {
            let option = format!("--dtls-version={version}");
            let arguments = ["--interface=127.0.0.1", "--delete-delay=0", &option];
            Daemon::start(&Program::ours(), version, 48, &arguments, &dir)
        });
        let ports = PortBlock::take(50);
        let driver = ports.first() + DRIVER_PORT;
        let mut browser = Chromium::start(&dir, driver, "direct.html");
        let tone = json!({
            "frequency": BROWSER_TONE.frequency_hz,
            "amplitude": BROWSER_TONE.amplitude,
        });
        browser.ask("start", &tone);
        Self {
            browser,
            daemons,
            calls: Cell::new(0),
            _ports: ports,
            _dir: dir,
        }
    }

    const fn daemon(&self, version: Version) -> &Daemon {
        &self.daemons[version.place()]
    }

    /// Offers from the browser, answers from `phone`.
    fn set_up(&mut self, version: Version, role: OurRole, phone: &Phone) -> String {
        self.calls.set(self.calls.get() + 1);
        let id = format!("direct-{}", self.calls.get());
        let offer = self.browser.ask("offer", &json!(null));
        let offer = json!({
            "command": "offer", "call-id": id, "from-tag": "browser", "sdp": offer,
            "transport-protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"],
        });
        let role = match role {
            OurRole::Active => "active",
            OurRole::Passive => "passive",
        };
        let answer = json!({
            "command": "answer", "call-id": id, "from-tag": "browser", "to-tag": "phone",
            "sdp": sdp(phone.port()), "ICE": "force", "DTLS": role,
        });
        let client = self.daemon(version).client();
        let ask = |request: &Value| {
            let reply = client.request_json(request);
            let text = reply["sdp"].as_str().map(str::to_owned);
            text.unwrap_or_else(|| panic!("no description in {reply}"))
        };
        phone.talk_to(audio_address(&ask(&offer)));
        let answer = ask(&answer);
        assert!(answer.contains(&format!("a=setup:{role}\r\n")), "{answer}");
        self.browser.ask("accept", &json!({ "sdp": answer }));
        id
    }

    fn query(&self, version: Version, id: &str) -> Value {
        let query = json!({ "command": "query", "call-id": id });
        let call = self.daemon(version).client().request_json(&query);
        call["tags"]["browser"]["medias"][0]["streams"][0].clone()
    }

    fn hang_up(&mut self, version: Version, id: &str) {
        self.browser.ask("hangUp", &json!(null));
        let delete = json!({ "command": "delete", "call-id": id });
        self.daemon(version).client().request_json(&delete);
        self.daemon(version).await_bound_media_ports(0);
    }

    /// A call in which the daemon has this role. Audio must go both ways, and both sides must name this version
    /// (`1.2` or `1.3`), these roles, and the same suite.
    pub(crate) fn expect_call(&mut self, version: Version, role: OurRole, agreed: &str) {
        let phone = Phone::new(PHONE_TONE);
        let id = self.set_up(version, role, &phone);
        judge::expect_audio_both_ways(&mut self.browser, &phone);
        let stats = judge::expect_stats(&mut self.browser, &phone, "PCMU");
        let (ours, theirs) = match role {
            OurRole::Active => ("active", "server"),
            OurRole::Passive => ("passive", "client"),
        };
        let on_the_wire = match agreed {
            "1.2" => "FEFD",
            _ => "FEFC",
        };
        assert_eq!(stats.dtls_role(), theirs);
        assert_eq!(stats.tls_version(), on_the_wire);
        let stream = self.query(version, &id);
        let agreed = json!({ "version": agreed, "role": ours });
        assert_eq!(stream["DTLS"], agreed, "{stream}");
        assert_eq!(stream["verdict"], "flowing", "{stream}");
        assert_eq!(stream["crypto suite"], stats.srtp_cipher(), "{stream}");
        self.hang_up(version, &id);
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let console = self.browser.log();
        eprintln!(
            "---- the browser's console (the end)\n{}",
            tail(&console, 120)
        );
        for (version, daemon) in Version::ALL.iter().zip(&self.daemons) {
            let log = daemon.log();
            eprintln!(
                "---- the daemon's log, {version} (the end)\n{}",
                tail(&log, 120)
            );
        }
    }
}
