//! The daemon.

use anyhow::Context as _;
use daemon_rtpengine::Daemon;
use daemon_rtpengine::config::{Config, ConfigError, Outcome};
use daemon_rtpengine::ops::logs;

fn main() -> anyhow::Result<()> {
    let config = match Config::from_args(std::env::args_os()) {
        Ok(Outcome::Run(config)) => config,
        Ok(Outcome::Print(text)) => {
            print!("{text}");
            return Ok(());
        }
        Err(ConfigError::Arguments(text)) => {
            eprint!("{text}");
            std::process::exit(1);
        }
        Err(error) => return Err(error.into()),
    };
    logs::start(config.log);
    for notice in &config.notices {
        tracing::info!("{notice}");
    }
    let daemon = Daemon::start(&config).context("cannot start")?;
    let addresses = daemon.addresses();
    tracing::info!(
        ng = ?addresses.ng, tcp_ng = ?addresses.tcp_ng, http = ?addresses.http, "ready for requests"
    );
    let signal = daemon.wait_for_signal()?;
    tracing::info!(signal, calls = daemon.sessions().sessions(), "stopping");
    daemon.stop();
    Ok(())
}
