//! Settings: from command line and configuration file to typed values. rtpengine's names and
//! defaults; [`options::OPTIONS`] is the one table of them.

mod interface;
pub mod options;

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use daemon_base::logs::LogConfig;
use daemon_base::{Given, Values, bad};
use media_core::driver::{DriverConfig, DtlsConfig, IoChoice};
use media_core::dtls::{ClientOffer, DtlsVersion};
use media_core::media::jitter::{Hold, MAX_DELAY_MS};
use media_core::session::{InterfaceConfig, SessionConfig, TimeoutsConfig};

pub use daemon_base::ConfigError;
use interface::Written;

/// Longest delay of an adaptive jitter buffer that is given no length, ms: rtpengine's.
const ADAPTIVE_MS: u16 = 300;

/// Everything the daemon needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Media addresses, ports and the life of calls.
    pub session: SessionConfig,
    /// NG over UDP.
    pub listen_ng: Vec<SocketAddr>,
    /// NG over TCP.
    pub listen_tcp_ng: Vec<SocketAddr>,
    /// HTTP.
    pub listen_http: Vec<SocketAddr>,
    /// TOS octet of replies over UDP.
    pub control_tos: Option<u8>,
    /// Threads per UDP listener, at least 1.
    pub num_threads: usize,
    /// Media threads.
    pub driver: DriverConfig,
    /// Who is told of each dialled digit, unless a call says otherwise.
    pub dtmf_log_dest: Option<SocketAddr>,
    /// When new calls are refused.
    pub limits: LimitsConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Holds the process id while the daemon runs.
    pub pidfile: Option<PathBuf>,
    /// What people should know about what they asked for, one line each.
    pub notices: Vec<String>,
}

/// Limits that are measured; `None`: off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LimitsConfig {
    /// `max-cpu`, percent of all cores.
    pub max_cpu_percent: Option<f64>,
    /// `max-load`, 1-minute load average.
    pub max_load: Option<f64>,
    /// `max-bandwidth`, octets received per second.
    pub max_bandwidth_bytes: Option<u64>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// To run.
    Run(Box<Config>),
    /// To print this and end well: help, version, codecs.
    Print(String),
}

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
        if values.flag("codecs")? {
            return Ok(Outcome::Print(codecs()));
        }
        values.read_file()?;
        Config::from_values(&values).map(|config| Outcome::Run(Box::new(config)))
    }

    fn from_values(values: &Values) -> Result<Config, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let num_threads = match values.int("num-threads", 0..=1024)? {
            Some(n @ 1..) => usize::try_from(n).unwrap_or(4),
            _ => cores.max(4),
        };
        let config = Config {
            session: session(values)?,
            listen_ng: values.listeners("listen-ng")?,
            listen_tcp_ng: values.listeners("listen-tcp-ng")?,
            listen_http: values.listeners("listen-http")?,
            control_tos: octet(values, "control-tos")?,
            num_threads,
            driver: driver(values)?,
            dtmf_log_dest: destination(values, "dtmf-log-dest")?,
            limits: limits(values)?,
            log: values.log()?,
            pidfile: values.text("pidfile").map(PathBuf::from),
            notices: notices(values)?,
        };
        if config.listen_ng.is_empty()
            && config.listen_tcp_ng.is_empty()
            && config.listen_http.is_empty()
        {
            return Err(ConfigError::Missing(
                "--listen-ng, --listen-tcp-ng or --listen-http",
            ));
        }
        Ok(config)
    }
}

/// The codecs that are transcoded; all others are relayed.
fn codecs() -> String {
    let mut text = String::new();
    let events = ["telephone-event", "CN"];
    let names = codecs::registry::CODECS.iter().map(|codec| codec.name);
    for name in names.chain(events) {
        let line = format!("{name:>20}: fully supported\n");
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    text
}

fn session(values: &Values) -> Result<SessionConfig, ConfigError> {
    let port_min = port(values, "port-min")?;
    let port_max = port(values, "port-max")?;
    if port_min > port_max {
        let max = port_max.to_string();
        return Err(bad("port-max", &max, "at least --port-min"));
    }
    let mut config = SessionConfig {
        timeouts: TimeoutsConfig {
            media: values.seconds("timeout")?,
            silent: values.seconds("silent-timeout")?,
            offer: values.seconds("offer-timeout")?,
            lifetime: values.seconds("final-timeout")?,
        },
        delete_delay: values.seconds("delete-delay")?,
        endpoint_learning: match values.text("endpoint-learning") {
            None => SessionConfig::default().endpoint_learning,
            Some(mode) => crate::ng::flags::learn_mode(mode).ok_or_else(|| {
                bad(
                    "endpoint-learning",
                    mode,
                    "delayed, immediate, heuristic or off",
                )
            })?,
        },
        rtcp_interval: {
            let ms = values.int("rtcp-interval", 100..=i64::from(u32::MAX))?;
            let ms = ms.and_then(|ms| u64::try_from(ms).ok());
            ms.map_or(
                SessionConfig::default().rtcp_interval,
                Duration::from_millis,
            )
        },
        tos: octet(values, "tos")?,
        max_sessions: values
            .int("max-sessions", -1..=i64::from(u32::MAX - 1))?
            .and_then(|n| u32::try_from(n).ok()),
        trust_address: !values.flag("sip-source")?,
        dtls_passive: values.flag("dtls-passive")?,
        hold: hold(values)?,
        dtmf_pause: {
            let ms = values.int("dtmf-digit-delay", 0..=i64::from(u32::MAX))?;
            let ms = ms.and_then(|ms| u64::try_from(ms).ok());
            ms.map_or(SessionConfig::default().dtmf_pause, Duration::from_millis)
        },
        reports_digits: values.text("dtmf-log-dest").is_some(),
        ..SessionConfig::default()
    };
    for text in values.list("interface") {
        match interface::resolve(text)? {
            Written::Alias { alias, name } => config.interface_aliases.push((alias, name)),
            Written::Addresses {
                name,
                addresses,
                advertised,
            } => config
                .interfaces
                .extend(addresses.into_iter().map(|address| InterfaceConfig {
                    name: name.clone(),
                    address,
                    advertised,
                    port_min,
                    port_max,
                })),
        }
    }
    if config.interfaces.is_empty() {
        return Err(ConfigError::Missing("--interface"));
    }
    Ok(config)
}

/// How audio is held back.
fn hold(values: &Values) -> Result<Hold, ConfigError> {
    let packets = values.unsigned("jitter-buffer", i64::from(MAX_DELAY_MS / 20))?;
    let length_ms = values.unsigned("jb-length", i64::from(MAX_DELAY_MS))?;
    let wanted_ms = if length_ms > 0 {
        length_ms
    } else {
        packets * 20
    };
    let max_ms = u16::try_from(wanted_ms).unwrap_or(MAX_DELAY_MS);
    Ok(match (values.flag("jb-adaptive")?, max_ms) {
        (true, max_ms) => Hold::Delay {
            min_ms: 0,
            max_ms: if max_ms > 0 { max_ms } else { ADAPTIVE_MS },
        },
        (false, 0) => Hold::Order,
        (false, max_ms) => Hold::Delay {
            min_ms: max_ms,
            max_ms,
        },
    })
}

fn driver(values: &Values) -> Result<DriverConfig, ConfigError> {
    let shards = values.int("shards", 0..=255)?;
    Ok(DriverConfig {
        shards: shards.and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 0),
        io: match values.text("io") {
            Some("uring") => IoChoice::Uring,
            Some("epoll") => IoChoice::Epoll,
            Some("auto") | None => IoChoice::Auto,
            Some(other) => return Err(bad("io", other, "uring, epoll or auto")),
        },
        dtls: match values.text("dtls-version") {
            Some("auto") | None => DtlsConfig::default(),
            Some("1.2") => DtlsConfig {
                client_offer: ClientOffer::Compatible,
                max_version: DtlsVersion::V1_2,
            },
            Some("1.3") => DtlsConfig {
                client_offer: ClientOffer::Modern,
                max_version: DtlsVersion::V1_3,
            },
            Some(other) => return Err(bad("dtls-version", other, "auto, 1.2 or 1.3")),
        },
        tick: Duration::from_micros(values.unsigned("io-tick-us", 1_000_000)?),
        ..DriverConfig::default()
    })
}

fn limits(values: &Values) -> Result<LimitsConfig, ConfigError> {
    let positive = |n: f64| (n > 0.0).then_some(n);
    Ok(LimitsConfig {
        max_cpu_percent: positive(values.float("max-cpu")?),
        max_load: positive(values.float("max-load")?),
        max_bandwidth_bytes: values
            .int("max-bandwidth", -1..=i64::MAX)?
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| *n > 0),
    })
}

fn notices(values: &Values) -> Result<Vec<String>, ConfigError> {
    let mut notices: Vec<String> = values
        .inert()
        .map(|spec| format!("--{} has no effect: {}", spec.long, spec.help))
        .collect();
    if !values.is_given("foreground") || !values.flag("foreground")? {
        notices.push(
            "this daemon stays in the foreground: let systemd or a shell put it in the background"
                .into(),
        );
    }
    Ok(notices)
}

fn port(values: &Values, long: &'static str) -> Result<u16, ConfigError> {
    let n = values.int(long, 1..=65535)?;
    Ok(n.and_then(|n| u16::try_from(n).ok()).unwrap_or(1))
}

fn octet(values: &Values, long: &'static str) -> Result<Option<u8>, ConfigError> {
    // -1 and what lies above an octet mean "leave it", as in rtpengine.
    let n = values.int(long, -1..=256)?;
    Ok(n.and_then(|n| u8::try_from(n).ok()))
}

/// `ADDRESS:PORT`.
fn destination(values: &Values, long: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = values.text(long) else {
        return Ok(None);
    };
    let resolved = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    let address = resolved.filter(|address| address.port() != 0);
    address
        .map(Some)
        .ok_or_else(|| bad(long, text, "ADDRESS:PORT"))
}

#[cfg(test)]
mod tests;
