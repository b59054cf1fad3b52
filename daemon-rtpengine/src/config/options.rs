//! The table of options: command line, configuration file, help and notices all come from here.
//!
//! Names, short letters and defaults are rtpengine's (its man page); ours stand beside them.

use daemon_base::{Kind, Program, Spec};

/// Headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `heading`")]
pub enum Group {
    Media,
    Control,
    Calls,
    Limits,
    Performance,
    Process,
    Inert,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Group::Media => "Media addresses and ports",
            Group::Control => "Control listeners",
            Group::Calls => "Calls",
            Group::Limits => "Limits on new calls",
            Group::Performance => "Threads and I/O",
            Group::Process => "Configuration, logs, process",
            Group::Inert => "Accepted for compatibility with rtpengine, without effect here",
        }
    }
}

/// The daemon.
pub static PROGRAM: Program = Program {
    name: "daemon-rtpengine",
    version: env!("CARGO_PKG_VERSION"),
    about: "Relays the media of SIP calls. Takes rtpengine's options, configuration file and NG protocol.",
    usage: "daemon-rtpengine --interface=IP --listen-ng=[ADDRESS:]PORT [OPTIONS]\n       \
            daemon-rtpengine --config-file=FILE",
    examples: "Example, for a Kamailio on this machine and media on 192.0.2.1:\n  \
               daemon-rtpengine --interface=192.0.2.1 --listen-ng=127.0.0.1:2223 --listen-http=127.0.0.1:2225\n\n\
               rtpengine's other options are accepted too; at the start, a line for each one given says why it has \
               no effect.\n",
    heading: Group::Process.heading(),
    options: OPTIONS,
};

#[rustfmt::skip] // a table: one row per option
const fn row(
    group: Group, long: &'static str, short: Option<char>, kind: Kind,
    value: &'static str, default: &'static str, help: &'static str,
) -> Spec {
    Spec { long, short, kind, value, default, heading: group.heading(), help, inert: None }
}

const fn inert(long: &'static str, short: Option<char>, kind: Kind, why: &'static str) -> Spec {
    Spec {
        long,
        short,
        kind,
        value: "X",
        default: "",
        heading: Group::Inert.heading(),
        help: why,
        inert: Some(why),
    }
}

use Group::{Calls, Control, Limits, Media, Performance, Process};
use Kind::{Flag, Float, Int, List, Text};

const KERNEL: &str = "there is no kernel module: packets are relayed in user space";
const REDIS: &str = "state is not kept in Redis";
const RECORDING: &str = "recording is not supported yet";
const SYSLOG: &str = "logs go to standard error";
const PAUSES: &str =
    "pauses are filled as the sender describes them, or stay pauses, without this setting";
const DTMF: &str = "digits are told by UDP alone, to --dtmf-log-dest";
const SRTP: &str = "SRTP and DTLS work without this setting, which has no effect";
const MQTT: &str = "MQTT is not supported";
const MYSQL: &str = "playing media is not supported yet";
const GRAPHITE: &str = "Graphite is not supported; see /metrics of listen-http";
const HOMER: &str = "Homer is not supported yet";
const LEGACY: &str = "this obsolete control protocol is not served; use listen-ng";
const THREADS: &str = "threads are arranged by --shards and --num-threads";
const XMLRPC: &str = "XMLRPC callbacks are not supported yet";
const TLS: &str = "HTTPS is not supported yet; use listen-http";

/// All options.
#[rustfmt::skip] // a table: one row per option
pub static OPTIONS: &[Spec] = &[
    row(Media, "interface", Some('i'), List, "[NAME/]IP[!ADVERTISED]", "",
        "Local address for media; repeat it for more. IP may be an address, an interface name such as eth0, a host name, or `any`"),
    row(Media, "port-min", Some('m'), Int, "PORT", "30000", "Lowest port for media"),
    row(Media, "port-max", Some('M'), Int, "PORT", "40000", "Highest port for media"),
    row(Media, "tos", Some('T'), Int, "TOS", "", "TOS octet of media packets, for instance 184; else the system's"),
    row(Media, "endpoint-learning", None, Text, "MODE", "delayed",
        "How a party's true address is learned: delayed, immediate, heuristic or off"),

    row(Media, "dtls-passive", None, Flag, "", "false",
        "As DTLS=passive in every request: whoever leaves the choice to us begins the handshake"),
    row(Media, "dtls-version", None, Text, "VERSION", "auto",
        "auto: as DTLS client 1.2, which every peer has, as server 1.3 or 1.2; 1.2: nothing later; \
         1.3: 1.3 or 1.2 as client, too, for browsers, as it takes no RSA certificates"),

    row(Control, "listen-ng", Some('n'), List, "[ADDRESS:]PORT", "", "NG protocol over UDP"),
    row(Control, "listen-tcp-ng", Some('N'), List, "[ADDRESS:]PORT", "", "NG protocol over TCP"),
    row(Control, "listen-http", None, List, "[ADDRESS:]PORT", "",
        "HTTP: POST /ng and /ng-plain, GET /ping, /health, /ready, /metrics"),
    row(Control, "dtmf-log-dest", None, Text, "ADDRESS:PORT", "",
        "Who is told of each dialled digit: JSON over UDP, one datagram per digit; calls may say otherwise"),
    row(Control, "control-tos", None, Int, "TOS", "", "TOS octet of replies of listen-ng"),

    row(Calls, "timeout", Some('o'), Int, "SECONDS", "60", "A call without any packet ends after this long"),
    row(Calls, "silent-timeout", Some('s'), Int, "SECONDS", "3600", "The same while all its media is on hold"),
    row(Calls, "offer-timeout", None, Int, "SECONDS", "3600", "The same before it is answered"),
    row(Calls, "final-timeout", Some('a'), Int, "SECONDS", "0", "Longest life of a call; 0 is no limit"),
    row(Calls, "delete-delay", Some('d'), Int, "SECONDS", "30", "A deleted call lives on for this long"),
    row(Calls, "rtcp-interval", None, Int, "MILLISECONDS", "5000", "About how often we report by RTCP where generate-RTCP asks for it"),
    row(Calls, "dtmf-digit-delay", None, Int, "MILLISECONDS", "2500",
        "Longest pause between two digits of a trigger of `block DTMF`"),
    row(Calls, "sip-source", None, Flag, "", "false",
        "Trust the signalling's source address instead of the address in the SDP"),

    row(Calls, "jitter-buffer", None, Int, "PACKETS", "0",
        "Audio is held back for so many packets of 20 ms, so that it leaves evenly; 0 is off"),
    row(Calls, "jb-length", None, Int, "MILLISECONDS", "0", "The same in milliseconds, at most 1000"),
    row(Calls, "jb-adaptive", None, Flag, "", "false",
        "Audio is held back no longer than its jitter asks, and at most for that long, or for 300 ms"),

    row(Limits, "max-sessions", None, Int, "N", "-1", "Most calls at a time; 0 takes no new one, -1 is no limit"),
    row(Limits, "max-load", None, Float, "LOAD", "0", "No new call while the 1-minute load average is above this; 0 is off"),
    row(Limits, "max-cpu", None, Float, "PERCENT", "0", "No new call while the machine's CPU use is above this; 0 is off"),
    row(Limits, "max-bandwidth", None, Int, "BYTES/S", "0", "No new call while more than this is received; 0 is off"),

    row(Performance, "shards", None, Int, "N", "0", "Media threads, each pinned to a core; 0 is one per core"),
    row(Performance, "num-threads", None, Int, "N", "0", "Threads per UDP control listener; 0 is one per core, at least 4"),
    row(Performance, "io", None, Text, "HOW", "auto", "How media threads do I/O: uring, epoll, or auto (uring where the kernel allows it)"),
    row(Performance, "io-tick-us", None, Int, "MICROSECONDS", "1000",
        "Media threads gather packets for this long before they handle them; 0 handles each at once, at more CPU"),

    row(Process, "config-file", None, Text, "FILE", "/etc/rtpengine/rtpengine.conf",
        "Configuration file with these options as keys; `none` reads no file"),
    row(Process, "config-section", None, Text, "NAME", "rtpengine", "Section of that file"),
    row(Process, "log-level", Some('L'), Int, "0-7", "6", "What is logged, up to: 3 errors, 4 warnings, 6 calls, 7 everything"),
    row(Process, "log-format", None, Text, "FORMAT", "text", "text or json (rtpengine's default and parsable are text)"),
    row(Process, "no-log-timestamps", None, Flag, "", "false", "Leave the time out of log lines"),
    row(Process, "log-stderr", Some('E'), Flag, "", "true", "Log to standard error, which is always so"),
    row(Process, "foreground", Some('f'), Flag, "", "true", "Stay in the foreground, which is always so: let systemd or a shell put it in the background"),
    row(Process, "pidfile", Some('p'), Text, "FILE", "", "Write the process id there, and remove the file at the end"),
    row(Process, "codecs", None, Flag, "", "", "List the codecs and exit"),

    inert("table", Some('t'), Int, KERNEL),
    inert("no-fallback", Some('F'), Flag, KERNEL),
    inert("save-interface-ports", Some('S'), Flag, "ports are only bound on the address in use anyway"),
    inert("subscribe-keyspace", Some('k'), List, REDIS),
    inert("listen-tcp", Some('l'), Text, LEGACY),
    inert("listen-udp", Some('u'), Text, LEGACY),
    inert("listen-cli", Some('c'), List, "the command-line interface is not served yet"),
    inert("graphite", Some('g'), Text, GRAPHITE),
    inert("graphite-interval", Some('G'), Int, GRAPHITE),
    inert("graphite-prefix", None, Text, GRAPHITE),
    inert("graphite-timeout", None, Int, GRAPHITE),
    inert("redis", Some('r'), Text, REDIS),
    inert("redis-write", Some('w'), Text, REDIS),
    inert("redis-subscribe", None, Text, REDIS),
    inert("redis-format", None, Text, REDIS),
    inert("redis-num-threads", None, Int, REDIS),
    inert("redis-expires", None, Int, REDIS),
    inert("no-redis-required", Some('q'), Flag, REDIS),
    inert("redis-allowed-errors", None, Int, REDIS),
    inert("redis-disable-time", None, Int, REDIS),
    inert("redis-cmd-timeout", None, Int, REDIS),
    inert("redis-connect-timeout", None, Int, REDIS),
    inert("redis-delete-async", Some('y'), Flag, REDIS),
    inert("redis-delete-async-interval", None, Int, REDIS),
    inert("active-switchover", None, Flag, REDIS),
    inert("b2b-url", Some('b'), Text, XMLRPC),
    inert("xmlrpc-format", Some('x'), Int, XMLRPC),
    inert("log-facility", None, Text, SYSLOG),
    inert("log-facility-cdr", None, Text, SYSLOG),
    inert("log-facility-rtcp", None, Text, SYSLOG),
    inert("log-facility-dtmf", None, Text, SYSLOG),
    inert("log-level-core", None, Int, "all parts log at --log-level"),
    inert("log-level-spandsp", None, Int, "all parts log at --log-level"),
    inert("log-level-ffmpeg", None, Int, "all parts log at --log-level"),
    inert("log-level-transcoding", None, Int, "all parts log at --log-level"),
    inert("log-level-codec", None, Int, "all parts log at --log-level"),
    inert("log-level-rtcp", None, Int, "all parts log at --log-level"),
    inert("log-level-ice", None, Int, "all parts log at --log-level"),
    inert("log-level-crypto", None, Int, "all parts log at --log-level"),
    inert("log-level-srtp", None, Int, "all parts log at --log-level"),
    inert("log-level-internals", None, Int, "all parts log at --log-level"),
    inert("log-level-http", None, Int, "all parts log at --log-level"),
    inert("log-level-control", None, Int, "all parts log at --log-level"),
    inert("log-level-dtx", None, Int, "all parts log at --log-level"),
    inert("split-logs", None, Flag, "log entries have one line"),
    inert("max-log-line-length", None, Int, "log entries have one line"),
    inert("log-mark-prefix", None, Text, "log fields are named"),
    inert("log-mark-suffix", None, Text, "log fields are named"),
    inert("log-srtp-keys", None, Flag, SRTP),
    inert("debug-srtp", None, Flag, SRTP),
    inert("dtmf-log-ng-tcp", None, Flag, DTMF),
    inert("dtmf-no-suppress", None, Flag, "audio beside a DTMF event goes on unless digits are hidden or looked for"),
    inert("thread-stack", None, Int, THREADS),
    inert("media-num-threads", None, Int, THREADS),
    inert("http-threads", None, Int, THREADS),
    inert("poller-per-thread", None, Flag, THREADS),
    inert("scheduling", None, Text, THREADS),
    inert("priority", None, Int, THREADS),
    inert("idle-scheduling", None, Text, THREADS),
    inert("idle-priority", None, Int, THREADS),
    inert("socket-cpu-affinity", None, Int, THREADS),
    inert("dtls-rsa-key-size", None, Int, SRTP),
    inert("dtls-cert-cipher", None, Text, SRTP),
    inert("dtls-mtu", None, Int, SRTP),
    inert("dtls-ciphers", None, Text, SRTP),
    inert("dtls-signature", None, Text, SRTP),
    inert("homer", None, Text, HOMER),
    inert("homer-protocol", None, Text, HOMER),
    inert("homer-id", None, Int, HOMER),
    inert("recording-dir", None, Text, RECORDING),
    inert("recording-method", None, Text, RECORDING),
    inert("recording-format", None, Text, RECORDING),
    inert("record-egress", None, Flag, RECORDING),
    inert("iptables-chain", None, Text, "firewall rules are not managed: open the port range instead"),
    inert("mysql-host", None, Text, MYSQL),
    inert("mysql-port", None, Int, MYSQL),
    inert("mysql-user", None, Text, MYSQL),
    inert("mysql-pass", None, Text, MYSQL),
    inert("mysql-query", None, Text, MYSQL),
    inert("audio-player", None, Text, MYSQL),
    inert("audio-buffer-length", None, Int, MYSQL),
    inert("audio-buffer-delay", None, Int, MYSQL),
    inert("jb-clock-drift", None, Flag, "the jitter buffer follows the sender's clock in any case"),
    inert("reject-invalid-sdp", None, Flag, "what cannot be read is always refused"),
    inert("listen-https", None, List, TLS),
    inert("https-cert", None, Text, TLS),
    inert("https-key", None, Text, TLS),
    inert("software-id", None, Text, "only ICE would show it, which is not supported yet"),
    inert("dtx-delay", None, Int, PAUSES),
    inert("max-dtx", None, Int, PAUSES),
    inert("dtx-buffer", None, Int, PAUSES),
    inert("dtx-lag", None, Int, PAUSES),
    inert("dtx-shift", None, Int, PAUSES),
    inert("dtx-cn-params", None, List, PAUSES),
    inert("amr-dtx", None, Text, PAUSES),
    inert("silence-detect", None, Float, PAUSES),
    inert("cn-payload", None, List, PAUSES),
    inert("mqtt-host", None, Text, MQTT),
    inert("mqtt-port", None, Int, MQTT),
    inert("mqtt-id", None, Text, MQTT),
    inert("mqtt-keepalive", None, Int, MQTT),
    inert("mqtt-user", None, Text, MQTT),
    inert("mqtt-pass", None, Text, MQTT),
    inert("mqtt-cafile", None, Text, MQTT),
    inert("mqtt-capath", None, Text, MQTT),
    inert("mqtt-certfile", None, Text, MQTT),
    inert("mqtt-keyfile", None, Text, MQTT),
    inert("mqtt-publish-qos", None, Int, MQTT),
    inert("mqtt-publish-topic", None, Text, MQTT),
    inert("mqtt-publish-interval", None, Int, MQTT),
    inert("mqtt-publish-scope", None, Text, MQTT),
    inert("mos", None, Text, "scores count the round-trip time where it is known, and do without where it is not"),
    inert("ssrc-reporting", None, Text, "there is one layout of reports"),
    inert("templates", None, Text, "templates are not supported yet"),
    inert("janus-secret", None, Text, "the Janus protocol is not served"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_letters_are_unique() {
        let mut names = HashSet::new();
        let mut letters = HashSet::from(['h', 'v']);
        for spec in OPTIONS {
            assert!(names.insert(spec.long), "{} is there twice", spec.long);
            if let Some(letter) = spec.short {
                assert!(letters.insert(letter), "-{letter} is there twice");
            }
        }
    }

    #[test]
    fn command_definition_is_sound() {
        PROGRAM.command().debug_assert();
    }
}
