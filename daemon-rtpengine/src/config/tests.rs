use super::*;

fn run(args: &[&str]) -> Result<Config, ConfigError> {
    let args = ["daemon-rtpengine"].iter().chain(args).map(OsString::from);
    match Config::from_args(args)? {
        Outcome::Run(config) => Ok(*config),
        Outcome::Print(text) => panic!("should run, prints {text}"),
    }
}

fn with(args: &[&str]) -> Result<Config, ConfigError> {
    let base = ["--config-file=none", "-i", "127.0.0.1", "-n", "2223"];
    run(&[&base[..], args].concat())
}

#[test]
fn rtpengines_command_line_is_understood() {
    let config = run(&[
        "--config-file=none",
        "-f",
        "--table=-1",
        "-i",
        "127.0.0.1",
        "--listen-ng=127.0.0.1:2223",
        "--port-min=10000",
        "--port-max=29999",
        "--log-level=3",
        "-E",
        "--delete-delay=0",
    ])
    .unwrap();
    assert_eq!(config.listen_ng, ["127.0.0.1:2223".parse().unwrap()]);
    assert_eq!(config.session.interfaces.len(), 1);
    assert_eq!(config.session.interfaces[0].port_min, 10000);
    assert_eq!(config.session.interfaces[0].port_max, 29999);
    assert_eq!(config.session.delete_delay, Duration::ZERO);
    assert_eq!(config.log.level, 3);
    assert_eq!(config.notices.len(), 1, "{:?}", config.notices);
}

#[test]
fn short_letters_negative_values_and_false_flags() {
    let config = run(&[
        "--config-file=none",
        "-fE",
        "-t",
        "-1",
        "-i",
        "a/127.0.0.1",
        "-i",
        "b/127.0.0.2!192.0.2.1",
        "-n",
        "127.0.0.1:1",
        "-n",
        "[::1]:1",
        "-m",
        "30000",
        "-M",
        "31000",
        "--no-fallback=false",
        "-o",
        "10",
        "-s",
        "20",
        "-a",
        "30",
        "-d",
        "5",
        "-T",
        "184",
        "-L7",
    ])
    .unwrap();
    assert_eq!(config.session.interfaces[1].name, "b");
    assert_eq!(
        config.session.interfaces[1].advertised,
        "192.0.2.1".parse().ok()
    );
    assert_eq!(config.listen_ng.len(), 2);
    assert_eq!(config.session.timeouts.media, Duration::from_secs(10));
    assert_eq!(config.session.timeouts.silent, Duration::from_secs(20));
    assert_eq!(config.session.timeouts.lifetime, Duration::from_secs(30));
    assert_eq!(config.session.tos, Some(184));
    assert_eq!(config.log.level, 7);
}

#[test]
fn defaults_are_rtpengines() {
    let config = with(&[]).unwrap();
    let session = &config.session;
    assert_eq!(
        (
            session.interfaces[0].port_min,
            session.interfaces[0].port_max
        ),
        (30000, 40000)
    );
    assert_eq!(session.timeouts, TimeoutsConfig::default());
    assert_eq!(session.delete_delay, Duration::from_secs(30));
    assert_eq!(session.max_sessions, None);
    assert!(session.trust_address);
    assert_eq!(config.log.level, 6);
    assert_eq!(config.limits, LimitsConfig::default());
    assert_eq!(config.driver.tick, Duration::from_millis(1));
    assert!(config.num_threads >= 4);
    assert_eq!(
        config.listen_ng.len(),
        2,
        "a port alone listens on IPv4 and IPv6"
    );
    assert_eq!(
        config.notices.len(),
        1,
        "staying in the foreground is told: {:?}",
        config.notices
    );
}

#[test]
fn limits_are_read() {
    let config = with(&[
        "--max-sessions=0",
        "--max-cpu=80.5",
        "--max-load=4",
        "--max-bandwidth=1000",
    ])
    .unwrap();
    assert_eq!(config.session.max_sessions, Some(0));
    assert_eq!(config.limits.max_cpu_percent, Some(80.5));
    assert_eq!(config.limits.max_load, Some(4.0));
    assert_eq!(config.limits.max_bandwidth_bytes, Some(1000));
    assert_eq!(
        with(&["--max-sessions=-1"]).unwrap().session.max_sessions,
        None
    );
}

#[test]
fn dtls_version_is_read() {
    let dtls = |args: &[&str]| with(args).unwrap().driver.dtls;
    assert_eq!(dtls(&[]), DtlsConfig::default());
    assert_eq!(dtls(&["--dtls-version=auto"]), DtlsConfig::default());
    for (version, client_offer, max_version) in [
        ("1.2", ClientOffer::Compatible, DtlsVersion::V1_2),
        ("1.3", ClientOffer::Modern, DtlsVersion::V1_3),
    ] {
        let wanted = DtlsConfig {
            client_offer,
            max_version,
        };
        assert_eq!(dtls(&[&format!("--dtls-version={version}")]), wanted);
    }
    assert!(with(&["--dtls-version=1.1"]).is_err());
}

#[test]
fn unknown_option_names_the_nearest() {
    let error = with(&["--listen-nq=1"]).unwrap_err().to_string();
    assert!(
        error.contains("--listen-nq") && error.contains("--listen-ng"),
        "{error}"
    );
}

#[test]
fn bad_values_name_their_option() {
    for (arg, option) in [
        ("--port-min=x", "port-min"),
        ("--port-max=70000", "port-max"),
        ("--io=magic", "io"),
        ("--endpoint-learning=never", "endpoint-learning"),
        ("--listen-http=nowhere", "listen-http"),
        ("--max-cpu=much", "max-cpu"),
        ("--sip-source=perhaps", "sip-source"),
        ("--log-format=xml", "log-format"),
    ] {
        let error = with(&[arg]).unwrap_err().to_string();
        assert!(error.contains(option), "{arg}: {error}");
    }
    assert!(with(&["-m", "5000", "-M", "4000"]).is_err());
}

#[test]
fn interface_and_listener_are_required() {
    assert!(matches!(
        run(&["--config-file=none", "-n", "1"]),
        Err(ConfigError::Missing("--interface"))
    ));
    assert!(matches!(
        run(&["--config-file=none", "-i", "127.0.0.1"]),
        Err(ConfigError::Missing(_))
    ));
}

#[test]
fn file_gives_what_the_command_line_does_not() {
    let path = std::env::temp_dir().join(format!("voxplane-config-{}.conf", std::process::id()));
    std::fs::write(
        &path,
        "[rtpengine]\ntable = 0\ninterface = a/127.0.0.1;b/127.0.0.2\nlisten-ng = localhost:2223\n\
         port-min = 1000\ntimeout = 7\nforeground = true\n[bad]\nprot-min = 1\n",
    )
    .unwrap();
    let file = format!("--config-file={}", path.display());
    let config = run(&[&file, "--port-min=2000"]).unwrap();
    let bad = run(&[&file, "--config-section=bad"])
        .unwrap_err()
        .to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(config.session.interfaces.len(), 2);
    assert_eq!(config.session.interfaces[0].port_min, 2000);
    assert_eq!(config.session.timeouts.media, Duration::from_secs(7));
    assert!(
        bad.contains("prot-min") && bad.contains("port-min"),
        "{bad}"
    );
}

#[test]
fn help_is_grouped_and_leaves_out_what_has_no_effect() {
    let args = ["x", "--help"].map(OsString::from);
    let Outcome::Print(help) = Config::from_args(args).unwrap() else {
        panic!("--help prints")
    };
    assert!(
        help.contains("Control listeners") && help.contains("--listen-ng"),
        "{help}"
    );
    assert!(!help.contains("redis"), "{help}");
}

#[test]
fn jitter_buffer_has_a_length_in_packets_or_milliseconds() {
    let hold = |args: &[&str]| with(args).map(|config| config.session.hold);
    let fixed = |ms| Hold::Delay {
        min_ms: ms,
        max_ms: ms,
    };
    assert_eq!(hold(&[]).unwrap(), Hold::Order);
    assert_eq!(hold(&["--jitter-buffer=5"]).unwrap(), fixed(100));
    let both = ["--jitter-buffer=5", "--jb-length=60", "--jb-clock-drift"];
    assert_eq!(hold(&both).unwrap(), fixed(60));
    for (args, max_ms) in [
        (&["--jb-adaptive"][..], 300),
        (&["--jb-adaptive", "--jb-length=200"], 200),
    ] {
        assert_eq!(hold(args).unwrap(), Hold::Delay { min_ms: 0, max_ms });
    }
    assert!(hold(&["--jb-length=1001"]).is_err());
    assert!(hold(&["--jitter-buffer=51"]).is_err());
}
