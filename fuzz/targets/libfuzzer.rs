//! libFuzzer around the target that the environment variable `FUZZ_TARGET` names. Start it with
//! `cargo xtask fuzz <target>`, which builds it instrumented and gives it its corpus.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| {
        eprintln!(
            "FUZZ_TARGET={name:?} is none of {:?}",
            fuzz::TARGETS.iter().map(|t| t.0).collect::<Vec<_>>()
        );
        std::process::exit(2)
    })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
