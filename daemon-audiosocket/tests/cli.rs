//! The program itself: what it prints, and how it stops.

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::caller::Caller;
use support::{id, run};

fn daemon(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daemon-audiosocket"));
    command.args(args);
    command
}

#[test]
fn help_and_mistakes_are_for_people() {
    let help = daemon(&["--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for word in [
        "--bot-url",
        "--listen-audiosocket",
        "[default: 9000]",
        "Example",
    ] {
        assert!(text.contains(word), "{word}");
    }
    for (args, named) in [
        (&[][..], "--bot-url"),
        (
            &["--bot-url=wss://h/", "--ca-file=/nonexistent"],
            "/nonexistent",
        ),
        (&["--bot-ulr=ws://h/"], "--bot-url"),
        (&["--config-file=/nonexistent"], "/nonexistent"),
    ] {
        let wrong = daemon(args).output().unwrap();
        let text = String::from_utf8(wrong.stderr).unwrap();
        assert!(!wrong.status.success() && text.contains(named), "{text}");
    }
}

#[test]
fn configuration_file_is_read_and_sigterm_ends_calls_after_their_time() {
    let directory =
        std::env::temp_dir().join(format!("voxplane-audiosocket-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("audiosocket.conf");
    let settings = "[audiosocket]\nlisten-audiosocket = 127.0.0.1:0\nlisten-http = 127.0.0.1:0\n\
                    listen-metrics = 127.0.0.1:0\nlisten-bot = 127.0.0.1:0\ndrain-timeout = 1\n";
    std::fs::write(&file, settings).unwrap();
    let file = format!("--config-file={}", file.display());
    let mut process = daemon(&[&file]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let ready = next();
    assert_eq!(ready["message"], "ready for calls");
    let address = ready["audiosocket"].as_str().unwrap();
    let address = address.trim_matches(['[', ']']).parse().unwrap();
    let frames = run(async {
        let mut caller = Caller::call(address, id(1)).await;
        caller.hear().await;
        let pid = process.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        caller.wait_for_end().await
    });
    assert!(frames >= 40, "{frames} frames in the second that it had");
    assert!(process.wait().unwrap().success());
    let mut ends = std::iter::from_fn(|| Some(next())).filter(|l| l["message"] == "call ends");
    let end = ends.next().unwrap();
    assert_eq!(
        [&end["reason"], &end["uuid"]],
        ["stopped", &id(1).to_string()]
    );
    std::fs::remove_dir_all(directory).unwrap();
}
