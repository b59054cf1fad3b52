//! Callers and bots by the hundred, for any bridge between AudioSocket and Pipecat's WebSockets: `load` measures
//! one, `demo` shows one. `cargo xtask compare-bot` and `cargo xtask demo-bot` run them.
//!
//! Bots are served on the first address; the bridge dials them as `ws://ADDRESS/UUID` when callers come.

mod bot;
mod caller;
mod demo;
mod figures;
mod link;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use tokio::net::TcpListener;

/// Callers and bots, for a bridge that stands between them.
#[derive(Parser)]
enum Command {
    /// Makes calls and prints what was measured, as JSON
    Load(load::Options),
    /// Makes one call and shows it live
    Demo {
        /// Where bots are served
        #[arg(long)]
        bots: SocketAddr,
        /// The bridge's AudioSocket
        #[arg(long)]
        bridge: SocketAddr,
        /// Seconds
        #[arg(long, default_value_t = 16)]
        seconds: u64,
        /// What the caller hears is written here
        #[arg(long)]
        wav: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    // What is missing will show.
    let _ = media_core::driver::raise_nofile();
    // One thread: it has a core to itself, and times are taken in one place.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Times are taken when a task runs: it must not wait long behind others.
        .event_interval(16)
        .build()?;
    match Command::parse() {
        Command::Load(options) => runtime.block_on(load::run(options)),
        Command::Demo {
            bots,
            bridge,
            seconds,
            wav,
        } => runtime.block_on(async {
            let listener = TcpListener::bind(bots).await?;
            demo::run(listener, bridge, seconds, &wav).await
        }),
    }
}
