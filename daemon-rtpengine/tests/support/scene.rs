//! A daemon that logs everything, with a plain call beside the one that a test is about.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use media_core::srtp::MasterKey;
use serde_json::{Value, json};

use super::call::{Call, audio_address, sdp};
use super::daemon::{Daemon, Program};
use super::ng::NgClient;
use super::ports::PortBlock;
use super::process::TempDir;
use super::rtp::Endpoint;
use super::secure::{first_key, secured, spellings};
use super::tcp;
use super::wait_for;

/// See the [module](self).
pub(crate) struct Scene {
    daemon: Daemon,
    client: NgClient,
    http: SocketAddr,
    bystander: RefCell<Call>,
    /// What must not be in the log.
    secrets: RefCell<Vec<String>>,
    _http_ports: PortBlock,
    _dir: TempDir,
}

/// A call between a party "a" and a party "b".
pub(crate) struct Sides {
    /// Where a sends to.
    pub(crate) to_a: SocketAddr,
    /// Where b sends to.
    pub(crate) to_b: SocketAddr,
    /// What a is answered.
    pub(crate) answer: String,
}

impl Scene {
    /// Starts our daemon with room for `media_ports`, and sets up the bystander's call.
    pub(crate) fn start(name: &str, media_ports: u16) -> Self {
        let dir = TempDir::new(&format!("secure-{name}"));
        let http_ports = PortBlock::take(50);
        // The block itself holds its first port.
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, http_ports.first() + 1));
        let arguments = [
            "--interface=127.0.0.1",
            "--delete-delay=0",
            "--log-level=7",
            &format!("--listen-http={http}"),
        ];
        let daemon = Daemon::start(&Program::ours(), name, media_ports, &arguments, &dir);
        let client = daemon.client();
        let bystander = Call::new(&client, "bystander");
        let scene = Self {
            daemon,
            client,
            http,
            bystander: RefCell::new(bystander),
            secrets: RefCell::default(),
            _http_ports: http_ports,
            _dir: dir,
        };
        scene.bystander_talks();
        scene
    }

    /// The bystander's call goes on, both ways, and hears nobody else.
    pub(crate) fn bystander_talks(&self) {
        self.bystander.borrow_mut().talks();
    }

    /// What the daemon must never log.
    pub(crate) fn keep_secret(&self, key: &MasterKey) {
        self.secrets.borrow_mut().extend(spellings(key));
    }

    /// The keys and passwords in a description.
    fn keep_secrets_of(&self, description: &str) {
        let mut secrets = self.secrets.borrow_mut();
        for line in description.lines() {
            if let Some(password) = line.strip_prefix("a=ice-pwd:") {
                secrets.push(password.to_owned());
            }
            if line.starts_with("a=crypto:") {
                secrets.extend(spellings(&first_key(line)));
            }
        }
    }

    /// Asks the daemon.
    pub(crate) fn ask(&self, request: &Value) -> Value {
        self.client.request_json(request)
    }

    /// An offer or an answer of this call, with further keys; the description that comes back.
    pub(crate) fn describe(
        &self,
        command: &str,
        id: &str,
        description: &str,
        more: &Value,
    ) -> String {
        let mut request = json!({
            "command": command, "call-id": id, "from-tag": "a", "sdp": description,
            "replace": ["origin"],
        });
        let fields = request.as_object_mut().expect("it is one");
        if command == "answer" {
            fields.insert("to-tag".to_owned(), json!("b"));
        }
        let more = more.as_object().expect("keys and values");
        fields.extend(more.clone());
        let reply = self.ask(&request);
        let text = reply["sdp"].as_str();
        let text = text.unwrap_or_else(|| panic!("no description in {reply}"));
        self.keep_secrets_of(description);
        self.keep_secrets_of(text);
        text.to_owned()
    }

    /// Sets up a call: a offers this profile with these lines and is answered with `more` asked of the daemon;
    /// b has plain RTP.
    pub(crate) fn secured_to_plain(
        &self,
        id: &str,
        (a, profile, lines): (&Endpoint, &str, &[String]),
        b: &Endpoint,
        more: &Value,
    ) -> Sides {
        let plain = json!({
            "transport-protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"],
        });
        let offer = secured(a.port(), profile, lines);
        let offered = self.describe("offer", id, &offer, &plain);
        assert!(offered.contains(" RTP/AVP "), "{offered}");
        let answer = self.describe("answer", id, &sdp(b.port()), more);
        Sides {
            to_a: audio_address(&answer),
            to_b: audio_address(&offered),
            answer,
        }
    }

    /// What `query` says of the RTP stream of a party.
    pub(crate) fn stream(&self, id: &str, tag: &str) -> Value {
        let call = self.ask(&json!({ "command": "query", "call-id": id }));
        call["tags"][tag]["medias"][0]["streams"][0].clone()
    }

    /// Waits until `query` gives a party this verdict.
    pub(crate) fn await_verdict(&self, id: &str, tag: &str, verdict: &str) -> Value {
        self.await_verdict_for(Duration::ZERO, id, tag, verdict)
    }

    /// The same, where that takes `longer` than what happens at once.
    pub(crate) fn await_verdict_for(
        &self,
        longer: Duration,
        id: &str,
        tag: &str,
        verdict: &str,
    ) -> Value {
        let until = Instant::now() + longer + super::PATIENCE;
        loop {
            let stream = self.stream(id, tag);
            if stream["verdict"] == verdict {
                return stream;
            }
            assert!(Instant::now() < until, "{id}: not {verdict} but {stream}");
            // Gives the processor to the daemon; correctness does not depend on it.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The sum of the metric's values with this label.
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        let (_, _, page) = tcp::http(self.http, "GET /metrics", "");
        let values = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let ours = series.starts_with(&format!("{name}{{")) && series.contains(label);
            ours.then(|| value.parse::<u64>().expect("a count"))
        });
        values.sum()
    }

    /// Datagrams dropped for this reason.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.metric("voxplane_dropped_total", &format!("reason=\"{reason}\""))
    }

    /// Waits until exactly so many datagrams have been dropped for this reason.
    pub(crate) fn await_dropped(&self, reason: &str, count: u64) {
        let mut last = 0;
        let reached = super::poll(|| {
            last = self.dropped(reason);
            (last >= count).then_some(())
        });
        assert!(
            reached.is_some() && last == count,
            "{last} dropped as {reason}, not {count}"
        );
    }

    /// Ends a call. What `delete` and the log say of the party must be `sentence`; whoever is not in the call
    /// must not have noticed, and nothing secret may have been logged.
    pub(crate) fn end(&self, id: &str, tag: &str, sentence: &str) {
        let delete = json!({ "command": "delete", "call-id": id, "from-tag": "a" });
        let deleted = self.ask(&delete);
        let stream = &deleted["tags"][tag]["medias"][0]["streams"][0];
        let reason = stream["reason"].as_str().unwrap_or("media flows both ways");
        assert!(reason.contains(sentence), "{id}: {stream}");
        let line = self.logged_end(id);
        let mut streams = line.split("; ").filter(|part| part.contains(" RTP "));
        let told =
            |part: &str| part.contains(&format!("{tag} audio RTP ")) && part.contains(sentence);
        assert!(streams.any(told), "{line}");
        self.is_well();
    }

    /// The log's line on the end of a call.
    pub(crate) fn logged_end(&self, id: &str) -> String {
        wait_for(&format!("the end of {id} in the log"), || {
            let log = self.daemon.log();
            let of_call =
                |line: &&str| line.contains("call ended") && line.contains(&format!("\"{id}\""));
            log.lines().find(of_call).map(str::to_owned)
        })
    }

    /// The daemon answers, has ended no call by a fault of its own, and has kept its secrets; the bystander's call
    /// goes on.
    pub(crate) fn is_well(&self) {
        assert!(self.client.pings(super::PATIENCE), "no pong");
        assert_eq!(self.metric("voxplane_shard_panics_total", "shard="), 0);
        self.bystander_talks();
        let log = self.daemon.log();
        // Else the log would be no evidence.
        assert!(log.contains("DEBUG"), "not everything is logged:\n{log}");
        for secret in self.secrets.borrow().iter() {
            let found = log.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "a key in the log");
        }
    }

    /// The daemon.
    pub(crate) const fn daemon(&self) -> &Daemon {
        &self.daemon
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- the daemon's log (the end)\n{}",
                self.daemon.log_tail()
            );
        }
    }
}
