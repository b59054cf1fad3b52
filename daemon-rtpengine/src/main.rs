//! The daemon.

use std::process::ExitCode;

use anyhow::Context as _;
use daemon_base::logs;
use daemon_rtpengine::Daemon;
use daemon_rtpengine::config::{Config, ConfigError, Outcome};

fn main() -> ExitCode {
    daemon_rtpengine::tune_allocator();
    let config = match Config::from_args(std::env::args_os()) {
        Ok(Outcome::Run(config)) => config,
        Ok(Outcome::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(ConfigError::Arguments(text)) => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
        Err(error) => return fail(&error.into()),
    };
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(config: &Config) -> anyhow::Result<()> {
    logs::start(config.log);
    for notice in &config.notices {
        tracing::info!("{notice}");
    }
    let daemon = Daemon::start(config)?;
    let addresses = daemon.addresses();
    tracing::info!(
        ng = ?addresses.ng, tcp_ng = ?addresses.tcp_ng, http = ?addresses.http, "ready for requests"
    );
    let signal = daemon
        .wait_for_signal()
        .context("cannot wait for signals")?;
    tracing::info!(signal, calls = daemon.sessions().sessions(), "stopping");
    daemon.stop();
    Ok(())
}

/// One line with all causes, whatever the log level.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("daemon-rtpengine: {error:#}");
    ExitCode::FAILURE
}
