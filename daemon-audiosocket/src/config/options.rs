//! The table of options: command line, configuration file and help all come from here.

use daemon_base::{Kind, Program, Spec};

/// Headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `heading`")]
pub enum Group {
    Caller,
    Bot,
    Playout,
    Limits,
    Process,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Group::Caller => "Callers (Asterisk)",
            Group::Bot => "Bots (Pipecat)",
            Group::Playout => "What the bot says, and being interrupted",
            Group::Limits => "Limits and timeouts",
            Group::Process => "Configuration, operations, process",
        }
    }
}

/// The daemon.
pub static PROGRAM: Program = Program {
    name: "daemon-audiosocket",
    version: env!("CARGO_PKG_VERSION"),
    about: "Joins callers of Asterisk's AudioSocket with Pipecat bots on WebSockets.",
    usage: "daemon-audiosocket --bot-url=URL [OPTIONS]\n       \
            daemon-audiosocket --listen-bot=[ADDRESS:]PORT [OPTIONS]\n       \
            daemon-audiosocket --config-file=FILE",
    examples: "Example, for a bot on this machine:\n  \
               daemon-audiosocket --listen-audiosocket=127.0.0.1:9000 --bot-url=ws://127.0.0.1:8765/ws/{uuid}\n\n\
               AudioSocket has no passwords: listen on addresses that only Asterisk reaches.\n",
    heading: Group::Process.heading(),
    options: OPTIONS,
};

#[rustfmt::skip] // a table: one row per option
const fn row(
    group: Group, long: &'static str, kind: Kind, value: &'static str, default: &'static str, help: &'static str,
) -> Spec {
    Spec { long, short: None, kind, value, default, heading: group.heading(), help, inert: None }
}

use Group::{Bot, Caller, Limits, Playout, Process};
use Kind::{Flag, Int, List, Text};

/// All options.
#[rustfmt::skip] // a table: one row per option
pub static OPTIONS: &[Spec] = &[
    row(Caller, "listen-audiosocket", List, "[ADDRESS:]PORT", "9000", "AudioSocket over TCP; repeat it for more. A port alone is every address, IPv4 and IPv6"),
    row(Caller, "caller-rate", Int, "HZ", "0", "Rate of the samples sent to callers; 0 is the rate received. Asterisk before 20.17, 21.12 and 22.7 takes 8000 alone"),
    row(Caller, "caller-encoding", Text, "HOW", "auto", "What callers' samples of 8000 Hz are: linear, ulaw, alaw, or auto, which finds µ-law under a linear label"),
    row(Caller, "announced-only", Flag, "", "false", "Refuse callers whose UUID was not announced by PUT /calls/UUID within the last minute"),

    row(Bot, "bot-url", Text, "URL", "", "The bot's WebSocket, dialled once per call; {uuid} stands for the call's UUID"),
    row(Bot, "bot-header", List, "NAME: VALUE", "", "Header of that request; {uuid} as above; repeat it for more"),
    row(Bot, "listen-bot", List, "[ADDRESS:]PORT", "", "Instead, bots dial /ws/UUID here"),
    row(Bot, "bot-rate", Int, "HZ", "16000", "Rate of the samples sent to bots: the pipeline's audio_in_sample_rate"),
    row(Bot, "bot-connect-timeout", Int, "MS", "5000", "Longest that one attempt to reach the bot may take"),
    row(Bot, "bot-patience", Int, "SECONDS", "10", "A call without its bot, which never came or is lost, ends after this long"),
    row(Bot, "webhook-url", Text, "URL", "", "Functions that bots call are POSTed here as JSON; the JSON answer is the result"),
    row(Bot, "webhook-header", List, "NAME: VALUE", "", "Header of these requests; repeat it for more"),
    row(Bot, "webhook-timeout", Int, "MS", "5000", "A function without a result after this long has failed, and the bot is told so"),
    row(Bot, "ca-file", Text, "FILE", "", "Authorities trusted for wss and https, as PEM, instead of the system's"),
    row(Bot, "dtmf", Text, "HOW", "rtvi", "How digits are told: rtvi (a `dtmf` message), or client-message, for bots from before June 2026"),

    row(Playout, "playout-target", Int, "MS", "80", "Talk that is queued before it is played"),
    row(Playout, "playout-stall", Int, "MS", "600", "Stalls of the bot that the target grows to bridge"),
    row(Playout, "playout-cap", Int, "MS", "1000", "Most talk that is queued; the oldest gives way"),
    row(Playout, "playout-fade", Int, "MS", "8", "Fade of talk that is cut off"),
    row(Playout, "vad", Flag, "", "false", "Interrupt the bot when the caller's energy says that they speak, for bots that do not say so themselves"),

    row(Limits, "max-calls", Int, "N", "1000", "Most calls at a time"),
    row(Limits, "max-pending", Int, "N", "512", "Most connections at a time that have not yet said which call they are"),
    row(Limits, "uuid-timeout", Int, "MS", "2000", "A caller says its UUID within this time"),
    row(Limits, "idle-timeout", Int, "SECONDS", "60", "A caller that sends nothing for this long is gone"),
    row(Limits, "stuck-timeout", Int, "MS", "2000", "A caller that takes nothing for this long is gone"),
    row(Limits, "max-duration", Int, "SECONDS", "0", "Longest life of a call; 0 is no limit"),
    row(Limits, "drain-timeout", Int, "SECONDS", "30", "On SIGTERM new calls are refused, and calls may go on for this long"),

    row(Process, "listen-http", List, "[ADDRESS:]PORT", "8080", "GET /health, /ready, /calls; PUT and DELETE /calls/UUID"),
    row(Process, "listen-metrics", List, "[ADDRESS:]PORT", "2112", "GET /metrics, for Prometheus"),
    row(Process, "threads", Int, "N", "0", "Threads; 0 is one per core"),
    row(Process, "config-file", Text, "FILE", "none", "Configuration file with these options as keys; `none` reads no file"),
    row(Process, "config-section", Text, "NAME", "audiosocket", "Section of that file"),
    row(Process, "log-level", Int, "0-7", "6", "What is logged, up to: 3 errors, 4 warnings, 6 calls, 7 everything"),
    row(Process, "log-format", Text, "FORMAT", "json", "json or text"),
    row(Process, "no-log-timestamps", Flag, "", "false", "Leave the time out of log lines"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names = HashSet::new();
        for spec in OPTIONS {
            assert!(names.insert(spec.long), "{} is there twice", spec.long);
        }
    }

    #[test]
    fn command_definition_is_sound() {
        PROGRAM.command().debug_assert();
    }
}
