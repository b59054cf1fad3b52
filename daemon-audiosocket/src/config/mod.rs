//! Settings: from command line and configuration file to typed values. [`options::OPTIONS`] is the one table.

pub mod options;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use codecs::SampleRate;
use daemon_base::logs::LogConfig;
use daemon_base::{Given, Values, bad};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};

use crate::audiosocket::{CallId, RATES_HZ};

pub use daemon_base::ConfigError;

/// Everything the daemon needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// AudioSocket.
    pub listen_audiosocket: Vec<SocketAddr>,
    /// Bots' WebSockets; empty if we dial.
    pub listen_bot: Vec<SocketAddr>,
    /// Health and calls.
    pub listen_http: Vec<SocketAddr>,
    /// Metrics.
    pub listen_metrics: Vec<SocketAddr>,
    /// How each call is handled.
    pub call: CallConfig,
    /// When calls are refused.
    pub limits: LimitsConfig,
    /// How long calls may go on once the daemon is told to stop.
    pub drain_timeout: Duration,
    /// Threads, at least 1.
    pub threads: usize,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// How each call is handled.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// Where the bot is; `None` if it dials us.
    pub dial: Option<DialConfig>,
    /// Where functions are called; `None`: nowhere.
    pub webhook: Option<WebhookConfig>,
    /// PEM file of authorities; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Rate of samples to callers; `None`: as received.
    pub caller_rate: Option<SampleRate>,
    /// What their samples are.
    pub caller_encoding: CallerEncoding,
    /// Rate of samples to bots.
    pub bot_rate: SampleRate,
    /// A call without a bot ends after this long.
    pub bot_patience: Duration,
    /// How digits are told.
    pub dtmf: DtmfStyle,
    /// Queued before it is played.
    pub playout_target: Duration,
    /// Most that the target grows to.
    pub playout_stall: Duration,
    /// Most that is queued.
    pub playout_cap: Duration,
    /// Fade of talk that is cut off.
    pub playout_fade: Duration,
    /// Interrupt the bot by the caller's energy.
    pub vad: bool,
    /// A caller says its UUID within this time.
    pub uuid_timeout: Duration,
    /// A caller that sends nothing for this long is gone.
    pub idle_timeout: Duration,
    /// A caller that takes nothing for this long is gone.
    pub stuck_timeout: Duration,
    /// Longest life of a call.
    pub max_duration: Option<Duration>,
}

/// Where the bot is.
#[derive(Clone)]
pub struct DialConfig {
    /// With `{uuid}` for the call's UUID.
    pub url: String,
    /// Headers of the request, values with `{uuid}` as well.
    pub headers: Vec<(String, String)>,
    /// Longest that one attempt may take.
    pub timeout: Duration,
}

/// Where functions are called.
#[derive(Clone)]
pub struct WebhookConfig {
    /// `http` or `https`.
    pub url: Uri,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
    /// Longest that an answer may take.
    pub timeout: Duration,
}

impl CallConfig {
    /// Whether anything is spoken to over TLS.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        let bot = self.dial.as_ref().map(|dial| dial.url.starts_with("wss:"));
        let webhook = self
            .webhook
            .as_ref()
            .map(|w| w.url.scheme_str() == Some("https"));
        bot == Some(true) || webhook == Some(true)
    }
}

/// What callers' samples of 8000 Hz are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerEncoding {
    /// Linear, unless they sound like µ-law.
    Auto,
    /// As told.
    Is(media_core::voice::Encoding),
}

/// How digits are told to bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfStyle {
    /// RTVI's `dtmf`.
    Rtvi,
    /// A `client-message`.
    ClientMessage,
}

/// When calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Calls at a time.
    pub max_calls: usize,
    /// Connections without a UUID at a time.
    pub max_pending: usize,
    /// Only UUIDs that were announced.
    pub announced_only: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// To run.
    Run(Box<Config>),
    /// To print this and end well: help, version.
    Print(String),
}

/// What [`ConfigError::NotOne`] says.
const NO_BOT: &str = "either --bot-url or --listen-bot says where bots are";

impl Config {
    /// Reads the command line (program name first) and the configuration file that it names.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Outcome, ConfigError> {
        let mut values = match Values::from_args(&options::PROGRAM, args)? {
            Given::Values(values) => values,
            Given::Print(text) => return Ok(Outcome::Print(text)),
        };
        values.read_file()?;
        Config::from_values(&values).map(|config| Outcome::Run(Box::new(config)))
    }

    fn from_values(values: &Values) -> Result<Config, ConfigError> {
        let call = call(values)?;
        let listen_bot = values.listeners("listen-bot")?;
        if call.dial.is_some() != listen_bot.is_empty() {
            return Err(ConfigError::NotOne(NO_BOT));
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Config {
            listen_audiosocket: values.listeners("listen-audiosocket")?,
            listen_bot,
            listen_http: values.listeners("listen-http")?,
            listen_metrics: values.listeners("listen-metrics")?,
            call,
            limits: LimitsConfig {
                max_calls: number(values, "max-calls", 1_000_000)?,
                max_pending: number(values, "max-pending", 1_000_000)?,
                announced_only: values.flag("announced-only")?,
            },
            drain_timeout: values.seconds("drain-timeout")?,
            threads: match number(values, "threads", 1024)? {
                0 => cores,
                n => n,
            },
            log: values.log()?,
        })
    }
}

fn call(values: &Values) -> Result<CallConfig, ConfigError> {
    use media_core::voice::Encoding;
    Ok(CallConfig {
        dial: dial(values)?,
        webhook: webhook(values)?,
        ca_file: values.text("ca-file").map(PathBuf::from),
        caller_rate: match number(values, "caller-rate", 192_000)? {
            0 => None,
            hz => Some(rate("caller-rate", hz, &RATES_HZ)?),
        },
        caller_encoding: match values.text("caller-encoding").unwrap_or("auto") {
            "auto" => CallerEncoding::Auto,
            "linear" => CallerEncoding::Is(Encoding::Linear),
            "ulaw" => CallerEncoding::Is(Encoding::MuLaw),
            "alaw" => CallerEncoding::Is(Encoding::ALaw),
            other => return Err(bad("caller-encoding", other, "auto, linear, ulaw or alaw")),
        },
        bot_rate: rate(
            "bot-rate",
            number(values, "bot-rate", 192_000)?,
            &[8000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000],
        )?,
        bot_patience: values.seconds("bot-patience")?,
        dtmf: match values.text("dtmf").unwrap_or("rtvi") {
            "rtvi" => DtmfStyle::Rtvi,
            "client-message" => DtmfStyle::ClientMessage,
            other => return Err(bad("dtmf", other, "rtvi or client-message")),
        },
        playout_target: millis(values, "playout-target")?,
        playout_stall: millis(values, "playout-stall")?,
        playout_cap: millis(values, "playout-cap")?,
        playout_fade: millis(values, "playout-fade")?,
        vad: values.flag("vad")?,
        uuid_timeout: millis(values, "uuid-timeout")?,
        idle_timeout: values.seconds("idle-timeout")?,
        stuck_timeout: millis(values, "stuck-timeout")?,
        max_duration: Some(values.seconds("max-duration")?).filter(|d| !d.is_zero()),
    })
}

fn dial(values: &Values) -> Result<Option<DialConfig>, ConfigError> {
    let Some(url) = values.text("bot-url") else {
        return Ok(None);
    };
    let expected = "a ws:// or wss:// URL";
    let example = CallId::new([0; 16]).to_string();
    let uri: Uri = url
        .replace("{uuid}", &example)
        .parse()
        .map_err(|_| bad("bot-url", url, expected))?;
    if !matches!(uri.scheme_str(), Some("ws" | "wss")) || uri.host().is_none() {
        return Err(bad("bot-url", url, expected));
    }
    Ok(Some(DialConfig {
        url: url.to_owned(),
        headers: headers(values, "bot-header")?,
        timeout: millis(values, "bot-connect-timeout")?,
    }))
}

fn webhook(values: &Values) -> Result<Option<WebhookConfig>, ConfigError> {
    let headers = headers(values, "webhook-header")?;
    let Some(text) = values.text("webhook-url") else {
        return Ok(None);
    };
    let url = text.parse::<Uri>().ok();
    let url =
        url.filter(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some());
    Ok(Some(WebhookConfig {
        url: url.ok_or_else(|| bad("webhook-url", text, "an http:// or https:// URL"))?,
        headers,
        timeout: millis(values, "webhook-timeout")?,
    }))
}

fn headers(values: &Values, long: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
    let example = CallId::new([0; 16]).to_string();
    let mut headers = Vec::new();
    for header in values.list(long) {
        let parts = header.split_once(':').map(|(n, v)| (n.trim(), v.trim()));
        let valid = |(name, value): &(&str, &str)| {
            let filled = value.replace("{uuid}", &example);
            name.parse::<HeaderName>().is_ok() && filled.parse::<HeaderValue>().is_ok()
        };
        let (name, value) = parts
            .filter(valid)
            // Its value may be a password: only the name is shown.
            .ok_or_else(|| bad(long, parts.map_or("", |p| p.0), "`name: value`"))?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(headers)
}

// Headers and URLs may hold passwords: both stay out of logs.
impl fmt::Debug for DialConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialConfig").finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig").finish_non_exhaustive()
    }
}

fn rate(option: &'static str, hz: usize, known: &[u32]) -> Result<SampleRate, ConfigError> {
    let hz = u32::try_from(hz).unwrap_or(0);
    let rate = known.contains(&hz).then(|| SampleRate::new(hz)).flatten();
    rate.ok_or_else(|| bad(option, &hz.to_string(), format!("one of {known:?}")))
}

fn number(values: &Values, long: &'static str, most: i64) -> Result<usize, ConfigError> {
    let number = values.int(long, 0..=most)?.unwrap_or(0);
    Ok(usize::try_from(number).unwrap_or(0))
}

fn millis(values: &Values, long: &'static str) -> Result<Duration, ConfigError> {
    let number = number(values, long, 60_000)?;
    Ok(Duration::from_millis(u64::try_from(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Config, ConfigError> {
        let args = ["daemon-audiosocket"].iter().chain(args);
        match Config::from_args(args.map(OsString::from))? {
            Outcome::Run(config) => Ok(*config),
            Outcome::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn url_is_enough() {
        let config = read(&["--bot-url=ws://localhost:8765/ws/{uuid}"]).unwrap();
        assert_eq!(
            config.listen_audiosocket[0],
            "0.0.0.0:9000".parse().unwrap()
        );
        assert_eq!(config.listen_audiosocket[1], "[::]:9000".parse().unwrap());
        assert_eq!(config.listen_http[0].port(), 8080);
        assert_eq!(config.listen_metrics[0].port(), 2112);
        assert_eq!(config.call.bot_rate, SampleRate::HZ_16000);
        assert_eq!(config.call.caller_rate, None);
        assert!(config.log.json);
    }

    #[test]
    fn bots_are_dialled_or_dial() {
        assert!(matches!(read(&[]), Err(ConfigError::NotOne(NO_BOT))));
        let both = read(&["--bot-url=ws://h/", "--listen-bot=1"]);
        assert!(matches!(both, Err(ConfigError::NotOne(NO_BOT))));
        let config = read(&["--listen-bot=127.0.0.1:8765"]).unwrap();
        assert!(config.call.dial.is_none());
    }

    #[test]
    fn nonsense_is_named() {
        let url = "--bot-url=ws://h/";
        for (arg, option) in [
            ("--caller-rate=11025", "caller-rate"),
            ("--bot-rate=0", "bot-rate"),
            ("--dtmf=loud", "dtmf"),
            ("--caller-encoding=gsm", "caller-encoding"),
            ("--playout-cap=99999999", "playout-cap"),
            ("--bot-header=secret", "bot-header"),
            ("--bot-url=http://h/", "bot-url"),
            ("--bot-url=ws:/{uuid}", "bot-url"),
            ("--webhook-url=ws://h/", "webhook-url"),
            ("--webhook-url=/functions", "webhook-url"),
            ("--webhook-header=secret", "webhook-header"),
            ("--listen-http=here", "listen-http"),
        ] {
            match read(&[url, arg]) {
                Err(ConfigError::BadValue { option: named, .. }) => assert_eq!(named, option),
                other => panic!("{arg}: {other:?}"),
            }
        }
        let error = read(&[url, "--max-call=1"]).unwrap_err().to_string();
        assert!(error.contains("--max-calls"), "{error}");
    }
}
