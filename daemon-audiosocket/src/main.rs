//! The daemon.

use std::process::ExitCode;

use anyhow::Context as _;
use daemon_audiosocket::Daemon;
use daemon_audiosocket::config::{Config, ConfigError, Outcome};
use daemon_base::logs;

fn main() -> ExitCode {
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
    let daemon = Daemon::start(config)?;
    let addresses = daemon.addresses();
    tracing::info!(
        audiosocket = ?addresses.audiosocket, bot = ?addresses.bot, http = ?addresses.http,
        metrics = ?addresses.metrics, "ready for calls"
    );
    let signal = daemon
        .wait_for_signal()
        .context("cannot wait for signals")?;
    tracing::info!(signal, calls = daemon.calls().len(), "stopping");
    daemon.stop();
    Ok(())
}

/// One line with all causes, whatever the log level.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("daemon-audiosocket: {error:#}");
    ExitCode::FAILURE
}
