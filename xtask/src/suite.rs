//! Every test, on both ways to the network.
//!
//! Tests that open sockets choose by the environment variable `VOXPLANE_IO` (`uring` or `epoll`).

use anyhow::Result;
use benches::host;

use crate::{packages, shell};

/// Packages whose tests open the driver's sockets, and so run once for each way.
const ON_BOTH: [&str; 2] = ["media-core", shell::DAEMON];

/// Installs what is missing and runs the tests.
pub(crate) fn run() -> Result<()> {
    packages::install()?;
    let mut everything = shell::cargo(["test", "--workspace"]);
    match host::io_uring_refusal() {
        None => {
            shell::run(everything.env("VOXPLANE_IO", "uring"))?;
            let mut again = shell::cargo(["test"]);
            for package in ON_BOTH {
                again.args(["--package", package]);
            }
            shell::run(again.env("VOXPLANE_IO", "epoll"))
        }
        Some(reason) => {
            eprintln!(
                "SKIPPED io_uring: this kernel refuses it ({reason}); testing with epoll alone"
            );
            shell::run(everything.env("VOXPLANE_IO", "epoll"))
        }
    }
}
