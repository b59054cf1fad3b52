//! Settings: from command line and configuration file to typed values. rtpengine's names and
//! defaults; [`options::OPTIONS`] is the one table of them.

mod file;
mod interface;
pub mod options;
mod values;

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use media_core::driver::{DriverConfig, DtlsConfig, IoChoice};
use media_core::dtls::{ClientOffer, DtlsVersion};
use media_core::media::jitter::{Hold, MAX_DELAY_MS};
use media_core::session::{InterfaceConfig, SessionConfig, TimeoutsConfig};

use interface::Written;
use values::{Values, bad};

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

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Syslog's levels, 0–7: nothing above this.
    pub level: u8,
    /// One JSON object per line.
    pub json: bool,
    /// The time in front of each line.
    pub timestamps: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// To run.
    Run(Box<Config>),
    /// To print this and end well: help, version, codecs.
    Print(String),
}

/// Why the settings are no good. Display is for the person who wrote them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line does not parse; the text says where and suggests the nearest option.
    #[error("{0}")]
    Arguments(String),
    /// The file cannot be read.
    #[error("cannot read configuration file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is neither comment, section nor `key = value`.
    #[error("configuration file, line {number}: neither `key = value` nor `[section]`")]
    Line {
        /// Counted from 1.
        number: usize,
    },
    /// The section is not in the file.
    #[error("configuration file has no section [{section}]")]
    NoSection {
        /// The section.
        section: String,
    },
    /// A key that is no option.
    #[error("unknown option {key:?} in the configuration file; did you mean {nearest:?}?")]
    UnknownKey {
        /// As written.
        key: String,
        /// What may have been meant.
        nearest: &'static str,
    },
    /// A value that does not fit.
    #[error("option --{option}: {value:?} is not {expected}")]
    BadValue {
        /// Its option.
        option: &'static str,
        /// As written.
        value: String,
        /// What fits.
        expected: String,
    },
    /// An interface that cannot be used.
    #[error("option --interface: {value:?}: {reason}")]
    Interface {
        /// As written.
        value: String,
        /// Why not.
        reason: String,
    },
    /// Something that must be given.
    #[error("{0} is missing; see --help")]
    Missing(&'static str),
}

impl Config {
    /// Reads the command line (program name first) and the configuration file that it names.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Outcome, ConfigError> {
        let mut values = match Values::from_args(args) {
            Ok(values) => values,
            Err(error) if error.use_stderr() => {
                return Err(ConfigError::Arguments(error.render().to_string()));
            }
            Err(help) => return Ok(Outcome::Print(help.render().to_string())),
        };
        if values.flag("codecs")? {
            return Ok(Outcome::Print(
                "Every codec is relayed; none is transcoded yet.\n".into(),
            ));
        }
        read_file(&mut values)?;
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
            listen_ng: listeners(values, "listen-ng")?,
            listen_tcp_ng: listeners(values, "listen-tcp-ng")?,
            listen_http: listeners(values, "listen-http")?,
            control_tos: octet(values, "control-tos")?,
            num_threads,
            driver: driver(values)?,
            dtmf_log_dest: destination(values, "dtmf-log-dest")?,
            limits: limits(values)?,
            log: LogConfig {
                level: u8::try_from(unsigned(values, "log-level", 8)?).unwrap_or(6),
                json: match values.text("log-format") {
                    Some("json") => true,
                    Some("text" | "default" | "parsable") | None => false,
                    Some(other) => return Err(bad("log-format", other, "text or json")),
                },
                timestamps: !values.flag("no-log-timestamps")?,
            },
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

fn read_file(values: &mut Values) -> Result<(), ConfigError> {
    let path = values.text("config-file").unwrap_or("none").to_owned();
    if path == "none" {
        return Ok(());
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound && !values.is_given("config-file") => {
            return Ok(());
        }
        Err(source) => {
            let path = path.into();
            return Err(ConfigError::File { path, source });
        }
    };
    let section = values.text("config-section").unwrap_or("rtpengine");
    let keys = file::parse(&text, section)?;
    values.add_file(&keys)
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
            media: seconds(values, "timeout")?,
            silent: seconds(values, "silent-timeout")?,
            offer: seconds(values, "offer-timeout")?,
            lifetime: seconds(values, "final-timeout")?,
        },
        delete_delay: seconds(values, "delete-delay")?,
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
    let packets = unsigned(values, "jitter-buffer", i64::from(MAX_DELAY_MS / 20))?;
    let length_ms = unsigned(values, "jb-length", i64::from(MAX_DELAY_MS))?;
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
        tick: Duration::from_micros(unsigned(values, "io-tick-us", 1_000_000)?),
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

fn unsigned(values: &Values, long: &'static str, max: i64) -> Result<u64, ConfigError> {
    let n = values.int(long, 0..=max)?;
    Ok(n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

fn seconds(values: &Values, long: &'static str) -> Result<Duration, ConfigError> {
    unsigned(values, long, i64::from(u32::MAX)).map(Duration::from_secs)
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

/// `[ADDRESS:]PORT`; without an address all of them, IPv4 and IPv6.
fn listeners(values: &Values, long: &'static str) -> Result<Vec<SocketAddr>, ConfigError> {
    let mut all = Vec::new();
    for text in values.list(long) {
        if let Ok(port) = text.parse::<u16>() {
            all.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into());
            all.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into());
            continue;
        }
        let resolved = text
            .to_socket_addrs()
            .map_err(|_| bad(long, text, "[ADDRESS:]PORT"))?;
        for address in resolved {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
