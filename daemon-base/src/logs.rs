//! Logs, through `tracing`, to standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

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

/// Sends this process's logs to standard error. The first call counts, so tests may call it freely.
pub fn start(config: LogConfig) {
    let builder = fmt::Subscriber::builder()
        .with_max_level(filter(config.level))
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr);
    // An error means that someone set logging up before: then it is theirs.
    let _ = match (config.json, config.timestamps) {
        (true, true) => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
        (true, false) => tracing::subscriber::set_global_default(
            builder.json().flatten_event(true).without_time().finish(),
        ),
        (false, true) => tracing::subscriber::set_global_default(builder.finish()),
        (false, false) => tracing::subscriber::set_global_default(builder.without_time().finish()),
    };
}

/// Syslog has eight levels, `tracing` five: notices count as information.
const fn filter(level: u8) -> LevelFilter {
    match level {
        0..=3 => LevelFilter::ERROR,
        4 => LevelFilter::WARN,
        5 | 6 => LevelFilter::INFO,
        7 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}
