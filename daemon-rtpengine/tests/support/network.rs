//! A test in a network of its own, with nothing but a loopback.

use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{Guard, TempDir};

/// Set in the environment of the test that runs inside.
const INSIDE: &str = "VOXPLANE_TEST_INSIDE";

/// Runs `body` of the test named `test` in a network namespace of its own (Linux namespaces(7)), by way of
/// running that test alone in another process. Without root it gets a user namespace with it.
///
/// # Panics
/// When the test fails there or takes longer than `patience`, with all that it wrote; when the kernel or
/// the container refuses the namespace.
pub(crate) fn in_own_network(test: &str, patience: Duration, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let program = std::env::current_exe().expect("the test's own path");
    let mut command = Command::new("unshare");
    if !is_root() {
        command.arg("--map-root-user");
    }
    command
        .args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec \"$@\"",
            "sh",
        ])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1");
    let dir = TempDir::new(&format!("network-{test}"));
    let mut inside = Guard::start(command, "util-linux", &dir.join("log")).with_children();
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = inside.exit_status() {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let log = inside.log();
    // A wrong name would run no test, successfully.
    let passed = status.is_some_and(|status| status.success()) && log.contains("1 passed");
    assert!(passed, "{test} in its own network: {status:?}\n{log}");
    println!("{log}");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
