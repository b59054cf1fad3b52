//! Debian packages that building and testing need: cmake, the real peers, a C++ compiler for libFuzzer. What comes from
//! npm and PyPI is installed behind them.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use benches::host;

use crate::{npm, python, shell};

/// Package, and a program of it to look for where there is no dpkg.
const NEEDED: [(&str, &str); 15] = [
    // The daemon we replace: oracle of the NG tests, other side of `compare`.
    ("rtpengine-daemon", "rtpengine"),
    // The SIP proxy that drives us, with its rtpengine module.
    ("kamailio", "kamailio"),
    ("kamailio-extra-modules", "kamailio"),
    ("kamailio-websocket-modules", "kamailio"),
    // SIPp, which places the calls.
    ("sip-tester", "sipp"),
    // The other side of DTLS handshakes.
    ("openssl", "openssl"),
    // The phone with SRTP.
    ("baresip-core", "baresip"),
    // The browser that calls.
    ("chromium", "chromium"),
    // Brings up the network of its own that its test runs in.
    ("iproute2", "ip"),
    // Builds libopus, which the codecs bring along as source.
    ("cmake", "cmake"),
    // Speaks the sentences that go through codecs, and that must not be taken for DTMF.
    ("espeak-ng", "espeak-ng"),
    // The other G.722. A library; where no dpkg knows of it, its test finds out.
    ("libspandsp-dev", "cc"),
    // Environments for pipecat-ai, whose bots are called, and for PESQ, which judges speech and is built here.
    ("python3-venv", "python3"),
    ("python3-dev", "python3"),
    // Builds libFuzzer.
    ("g++", "g++"),
];

/// Package and program, where any package's program will do: NodeSource's nodejs holds npm and forbids
/// Debian's.
const NEEDED_FROM_ANYWHERE: [(&str, &str); 2] = [("nodejs", "node"), ("npm", "npm")];

/// Where Debian's maintainer scripts ask whether they may start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing, without starting any service.
///
/// Without root or apt-get, fails with the line to run.
pub(crate) fn install() -> Result<()> {
    let packages = NEEDED
        .iter()
        .filter(|(package, program)| !is_installed(package, program));
    let programs = NEEDED_FROM_ANYWHERE
        .iter()
        .filter(|(_, program)| !is_on_path(program));
    let missing: Vec<&str> = packages
        .chain(programs)
        .map(|(package, _)| *package)
        .collect();
    if !missing.is_empty() {
        install_debian(&missing)?;
    }
    npm::install()?;
    python::install_pipecat().map(drop)
}

fn install_debian(missing: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_on_path("apt-get") {
        bail!(
            "these Debian packages are missing, or their like here: {}",
            missing.join(" ")
        );
    }
    if !host::is_root() {
        bail!("packages are missing; run this once, then again:\n    sudo {line}");
    }
    let _policy = NoServices::begin().context("cannot keep services from starting")?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        shell::run(&mut command)
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], missing].concat())
}

fn is_installed(package: &str, program: &str) -> bool {
    let status = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output();
    match status {
        Ok(output) => output.stdout == b"installed",
        Err(_) => is_on_path(program),
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Daemons live in sbin, which a user's path may leave out.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(program).is_file())
}

/// While this lives, installing a package starts no service: the policy answers 101, "forbidden". A
/// policy that is there already stays, and is trusted to have its reasons.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        match file {
            Ok(mut file) => {
                io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n")?;
                // The mode above passed through the umask.
                fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
                Ok(Self { ours: true })
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                eprintln!("{POLICY} exists and decides about services");
                Ok(Self { ours: false })
            }
            Err(e) => Err(e),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours && Path::new(POLICY).exists() {
            let _ = fs::remove_file(POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_packages_are_found() {
        assert!(is_on_path("sh") && !is_on_path("no-such-program"));
        assert!(!is_installed("no-such-package", "no-such-program"));
    }
}
