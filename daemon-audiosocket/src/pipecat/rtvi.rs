//! RTVI (protocol 2.1.0): JSON documents `{"label":"rtvi-ai","type":…,"id":…,"data":…}` in frames of kind
//! `message`. They work only where the bot's pipeline holds an RTVI processor.

use std::time::Duration;

use serde_json::{Value, json};

/// The protocol's version, as told in `client-ready`.
pub const VERSION: &str = "2.1.0";
/// Longest document that is read, bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
const LABEL: &str = "rtvi-ai";

/// What a bot says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromBot {
    /// The model wants a function called.
    FunctionCall(FunctionCall),
    /// The caller interrupted: `bot-interrupted`.
    Interrupted,
    /// The caller speaks: `user-started-speaking`. Of bots from before frames of kind `interruption` this is the
    /// first that is heard of one; of later ones it may be nothing of the kind.
    UserStartedSpeaking,
    /// A response begins.
    StartedSpeaking,
    /// A response has ended.
    StoppedSpeaking,
    /// The pipeline runs.
    Ready {
        /// It sends frames of kind `interruption`: pipecat-ai 1.3 or later.
        interrupts: bool,
    },
    /// The bot wants the call to end.
    Hangup,
    /// The bot reports an error.
    Error {
        /// Its words.
        message: String,
        /// It cannot go on.
        fatal: bool,
    },
    /// Anything else of RTVI's: metrics, transcripts, messages between the bot and its own clients.
    Other,
}

/// A function that the model wants called.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCall {
    /// Pairs call and result.
    pub tool_call_id: String,
    /// Which function.
    pub function_name: String,
    /// An object, most likely; null if there are none.
    pub arguments: Value,
}

/// Why a document was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RtviError {
    /// Too long.
    #[error("document of {len} bytes")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Not JSON, or nested deeper than 128 levels.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON, but not RTVI's.
    #[error("no RTVI message")]
    NotRtvi,
    /// Something that its type needs is missing.
    #[error("message without {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
}

/// Reads a document.
///
/// # Errors
/// See [`RtviError`].
pub fn parse(document: &str) -> Result<FromBot, RtviError> {
    let len = document.len();
    if len > MAX_DOCUMENT {
        return Err(RtviError::TooLong { len });
    }
    let mut document: Value = serde_json::from_str(document)?;
    if document["label"] != LABEL {
        return Err(RtviError::NotRtvi);
    }
    let mut data = document
        .get_mut("data")
        .map(Value::take)
        .unwrap_or_default();
    let kind = document["type"].as_str().ok_or(RtviError::NotRtvi)?;
    Ok(match kind {
        "llm-function-call-in-progress" | "llm-function-call" => {
            // Pipecat's default is to report calls without saying which: those it carries out itself.
            if kind == "llm-function-call-in-progress" && data["function_name"].is_null() {
                return Ok(FromBot::Other);
            }
            let mut text = |what| match data.get_mut(what).map(Value::take) {
                Some(Value::String(text)) => Ok(text),
                _ => Err(RtviError::Missing { what }),
            };
            FromBot::FunctionCall(FunctionCall {
                tool_call_id: text("tool_call_id")?,
                function_name: text("function_name")?,
                arguments: ["arguments", "args"]
                    .iter()
                    .find_map(|name| data.get_mut(name).map(Value::take))
                    .unwrap_or_default(),
            })
        }
        "bot-interrupted" => FromBot::Interrupted,
        "user-started-speaking" => FromBot::UserStartedSpeaking,
        "bot-started-speaking" => FromBot::StartedSpeaking,
        "bot-stopped-speaking" => FromBot::StoppedSpeaking,
        "bot-ready" => FromBot::Ready {
            interrupts: interrupts(&data["about"]),
        },
        "server-message" if matches!(verb(&data), Some("hangup" | "end_call")) => FromBot::Hangup,
        "error" => FromBot::Error {
            message: ["error", "message"]
                .iter()
                .find_map(|name| data[*name].as_str())
                .unwrap_or_default()
                .to_owned(),
            fatal: data["fatal"].as_bool().unwrap_or(false),
        },
        _ => FromBot::Other,
    })
}

/// Whether the library that a bot is made of knows frames of kind `interruption`.
fn interrupts(about: &Value) -> bool {
    let version = about["library_version"].as_str().unwrap_or_default();
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    about["library"] == "pipecat-ai" && version >= (1, 3)
}

fn verb(data: &Value) -> Option<&str> {
    data["type"].as_str().or_else(|| data["t"].as_str())
}

/// What we say. Each has its own id, counted per connection.
#[derive(Clone, Debug, PartialEq)]
pub enum ToBot<'a> {
    /// The call is up.
    ClientReady,
    /// The call is over.
    DisconnectBot,
    /// The caller pressed a key.
    Dtmf(char),
    /// A key again, for bots from before `dtmf`: a `client-message` of that type.
    DtmfMessage(char),
    /// What a function gave.
    FunctionResult {
        /// The call.
        call: &'a FunctionCall,
        /// Any JSON.
        result: &'a Value,
    },
    /// Talk was cut off: how much of it the caller heard, so that the model's context can be cut to that.
    PlaybackInterrupted {
        /// Heard.
        played: Duration,
        /// Not heard.
        dropped: Duration,
    },
}

impl ToBot<'_> {
    /// The document.
    #[must_use]
    pub fn document(&self, id: u64) -> String {
        let (kind, data) = self.parts();
        json!({"label": LABEL, "type": kind, "id": id.to_string(), "data": data}).to_string()
    }

    fn parts(&self) -> (&'static str, Value) {
        let client = |kind: &str, data| ("client-message", json!({"t": kind, "d": data}));
        match self {
            ToBot::ClientReady => {
                let about =
                    json!({"library": "voxplane", "library_version": env!("CARGO_PKG_VERSION")});
                ("client-ready", json!({"version": VERSION, "about": about}))
            }
            ToBot::DisconnectBot => ("disconnect-bot", json!({})),
            ToBot::Dtmf(digit) => ("dtmf", json!({"buttons": [digit.to_string()]})),
            ToBot::DtmfMessage(digit) => client("dtmf", json!({"button": digit.to_string()})),
            ToBot::FunctionResult { call, result } => (
                "llm-function-call-result",
                json!({
                    "function_name": call.function_name,
                    "tool_call_id": call.tool_call_id,
                    "arguments": call.arguments,
                    "result": result,
                }),
            ),
            ToBot::PlaybackInterrupted { played, dropped } => {
                let ms = |d: &Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
                let data = json!({"played_ms": ms(played), "dropped_ms": ms(dropped)});
                client("playback-interrupted", data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, data: Value) -> FromBot {
        parse(&json!({"label": "rtvi-ai", "type": kind, "id": "1", "data": data}).to_string())
            .unwrap()
    }

    #[test]
    fn bots_messages_are_understood() {
        let call = json!({"tool_call_id": "t1", "function_name": "transfer_call", "arguments": {"to": "100"}});
        let FromBot::FunctionCall(call) = of("llm-function-call-in-progress", call) else {
            panic!("no function call");
        };
        assert_eq!(call.function_name, "transfer_call");
        assert_eq!(call.arguments["to"], "100");
        let old = json!({"tool_call_id": "t1", "function_name": "f", "args": [1]});
        assert!(
            matches!(of("llm-function-call", old), FromBot::FunctionCall(c) if c.arguments == json!([1]))
        );
        let secret = json!({"tool_call_id": "t1"});
        assert_eq!(of("llm-function-call-in-progress", secret), FromBot::Other);
        assert_eq!(of("bot-interrupted", Value::Null), FromBot::Interrupted);
        assert_eq!(
            of("user-started-speaking", Value::Null),
            FromBot::UserStartedSpeaking
        );
        for (library, version, interrupts) in [
            ("pipecat-ai", "1.14.0", true),
            ("pipecat-ai", "1.3.0", true),
            ("pipecat-ai", "1.2.9", false),
            ("pipecat-ai", "0.0.108", false),
            ("pipecat-ai", "x", false),
            ("another", "9.9", false),
        ] {
            let about = json!({"about": {"library": library, "library_version": version}});
            assert_eq!(of("bot-ready", about), FromBot::Ready { interrupts });
        }
        assert_eq!(
            of("bot-ready", json!({"version": "2.1.0"})),
            FromBot::Ready { interrupts: false }
        );
        assert_eq!(
            of("server-message", json!({"type": "hangup"})),
            FromBot::Hangup
        );
        assert_eq!(
            of("server-message", json!({"t": "end_call"})),
            FromBot::Hangup
        );
        assert_eq!(of("server-message", json!("hangup")), FromBot::Other);
        assert_eq!(of("metrics", json!({"ttfb": []})), FromBot::Other);
        let error = json!({"error": "no key", "fatal": true});
        assert!(
            matches!(of("error", error), FromBot::Error { fatal: true, message } if message == "no key")
        );
    }

    #[test]
    fn what_is_not_rtvi_is_named() {
        assert!(matches!(parse("{"), Err(RtviError::Json(_))));
        assert!(matches!(parse(&"[".repeat(5000)), Err(RtviError::Json(_))));
        let long = " ".repeat(MAX_DOCUMENT + 1);
        assert!(matches!(parse(&long), Err(RtviError::TooLong { .. })));
        for other in [
            "{}",
            "[]",
            "7",
            r#"{"label":"rtvi-ai"}"#,
            r#"{"label":"x","type":"bot-ready"}"#,
        ] {
            assert!(matches!(parse(other), Err(RtviError::NotRtvi)), "{other}");
        }
        let nameless =
            r#"{"label":"rtvi-ai","type":"llm-function-call","data":{"tool_call_id":"1"}}"#;
        let missing = RtviError::Missing {
            what: "function_name",
        };
        assert_eq!(
            parse(nameless).unwrap_err().to_string(),
            missing.to_string()
        );
    }

    #[test]
    fn our_messages_have_rtvis_shape() {
        let read =
            |message: ToBot<'_>| -> Value { serde_json::from_str(&message.document(7)).unwrap() };
        let ready = read(ToBot::ClientReady);
        assert_eq!(
            [&ready["label"], &ready["type"], &ready["id"]],
            ["rtvi-ai", "client-ready", "7"]
        );
        assert_eq!(ready["data"]["version"], "2.1.0");
        assert_eq!(read(ToBot::Dtmf('#'))["data"], json!({"buttons": ["#"]}));
        let call = FunctionCall {
            tool_call_id: "t".into(),
            function_name: "f".into(),
            arguments: json!({}),
        };
        let result = ToBot::FunctionResult {
            call: &call,
            result: &json!({"ok": 1}),
        };
        assert_eq!(read(result)["data"]["result"]["ok"], 1);
        let ms = Duration::from_millis;
        let played = ToBot::PlaybackInterrupted {
            played: ms(1240),
            dropped: ms(80),
        };
        assert_eq!(
            read(played)["data"]["d"],
            json!({"played_ms": 1240, "dropped_ms": 80})
        );
    }
}
