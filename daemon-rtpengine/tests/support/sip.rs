//! Kamailio and sipp, and the SIP that the test itself says to them.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::line::Coding;
use super::process::{Guard, TempDir};
use super::wait_for;

/// Starts Kamailio with this configuration, written and logging into `dir`; returns when it answers at
/// UDP port `sip_port`.
///
/// # Panics
/// When it does not come up, with the end of its log.
pub(crate) fn start_kamailio(config: &str, sip_port: u16, dir: &TempDir) -> Guard {
    let path = dir.join("kamailio.cfg");
    std::fs::write(&path, config).expect("the configuration can be written");
    let mut command = Command::new("kamailio");
    command
        .arg("-f")
        .arg(&path)
        .args(["-DD", "-E", "-m", "64", "-M", "8"])
        .arg("-Y")
        .arg(dir.path());
    let log = dir.join("kamailio.log");
    let mut guard = Guard::start(command, "kamailio", &log).with_children();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket can be bound");
    let round = Some(Duration::from_millis(100));
    socket
        .set_read_timeout(round)
        .expect("a timeout above zero");
    wait_for("Kamailio's first answer", || {
        if let Some(status) = guard.exit_status() {
            panic!("Kamailio ended with {status}\n{}", guard.log_tail());
        }
        let request = options(sip_port, "ready");
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, sip_port));
        socket.send_to(request.as_bytes(), to).ok()?;
        let mut reply = [0; 2048];
        let len = socket.recv(&mut reply).ok()?;
        reply[..len].starts_with(b"SIP/2.0 405").then_some(())
    });
    guard
}

/// Where Debian keeps Kamailio's modules; the directory is named after the architecture.
///
/// # Panics
/// When `module` is not there, naming the Debian `package` that has it.
pub(crate) fn module_path(module: &str, package: &str) -> String {
    std::fs::read_dir("/usr/lib")
        .expect("/usr/lib is there")
        .filter_map(|entry| Some(entry.ok()?.path().join("kamailio/modules")))
        .find(|path| path.join(module).exists())
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_else(|| {
            panic!("no {module} for Kamailio: it is in the Debian package {package}")
        })
}

/// A scenario whose plain media section is this one instead.
///
/// # Panics
/// When it has none.
pub(crate) fn with_media(scenario: &str, coding: &Coding, port: u16) -> String {
    const PLAIN: &str = "m=audio {media_port} RTP/AVP 0\n      a=ptime:20";
    assert!(scenario.contains(PLAIN), "no {PLAIN:?} in {scenario}");
    // Where its lines end, sipp sends what ends a line of SIP.
    let section = coding.section(port);
    let section = section.trim_end().replace("\r\n", "\n      ");
    scenario.replace(PLAIN, &section)
}

/// sipp with this scenario for `count` calls, at `sip_port` of 127.0.0.1.
pub(crate) fn sipp(scenario: &Path, sip_port: u16, count: usize) -> Command {
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(scenario)
        .args(["-i", "127.0.0.1", "-p", &sip_port.to_string()])
        .args(["-m", &count.to_string()])
        // A lost message is sent again; a call that hangs ends the run.
        .args(["-nostdin", "-timeout", "60s", "-timeout_error"]);
    command
}

/// Waits until sipp has taken its port. It answers nothing that is no call: there is no more to see.
pub(crate) fn await_sipp(sip_port: u16) {
    wait_for("sipp's socket", || {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, sip_port))
            .is_err()
            .then_some(())
    });
}

/// Sends an OPTIONS in this call to a sipp at `sip_port`: its scenario waits for it to go on.
pub(crate) fn go_on(sip_port: u16, call_id: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket can be bound");
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, sip_port));
    socket
        .send_to(options(sip_port, call_id).as_bytes(), to)
        .expect("loopback takes it");
}

/// An OPTIONS request (RFC 3261 §11).
fn options(port: u16, call_id: &str) -> String {
    format!(
        "OPTIONS sip:test@127.0.0.1:{port} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-{call_id};rport\r\n\
         From: <sip:test@127.0.0.1>;tag=test\r\n\
         To: <sip:test@127.0.0.1:{port}>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 10\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
