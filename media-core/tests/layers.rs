//! The house rules that a compiler does not check: layering, hidden imports, file size.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test reads clocks, opens sockets and fails by panic"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the lowest layer up (see the map in `src/lib.rs`). `driver` and `session` share a layer
/// and must not name each other.
const LAYERS: [(&str, u8); 13] = [
    ("units", 0),
    ("wire", 1),
    ("buf", 1),
    ("srtp", 2),
    ("ice", 2),
    ("dtls", 3),
    ("media", 3),
    ("voice", 3),
    ("sdp", 4),
    ("engine", 4),
    ("driver", 5),
    ("session", 5),
    ("testing", 6),
];
const MAX_LINES: usize = 800;

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if path
                .file_name()
                .is_some_and(|n| n != "target" && n != ".git")
            {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|l| l.0 == module).map(|l| l.1)
}

#[test]
fn no_module_names_a_higher_layer() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let module = inside
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        let Some(own) = layer(module) else {
            assert_eq!(module, "lib", "{module} is not in the table of layers");
            continue;
        };
        for (n, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if code.contains("crate::{") || code.contains("super::super") {
                wrong.push(format!(
                    "{}:{}: hides a path from this test",
                    inside.display(),
                    n + 1
                ));
            }
            for (at, _) in code.match_indices("crate::") {
                seen += 1;
                let named: String = code[at + 7..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let allowed = named == module || layer(&named).is_none_or(|l| l < own);
                if !allowed {
                    wrong.push(format!(
                        "{}:{}: {module} names {named}",
                        inside.display(),
                        n + 1
                    ));
                }
            }
        }
    }
    assert!(seen > 20, "the test looks at the code");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_its_reader() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    sources(root, &mut files);
    let long: Vec<_> = files
        .iter()
        .map(|f| (f, fs::read_to_string(f).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    assert!(
        files.len() > 20 && long.is_empty(),
        "over {MAX_LINES} lines: {long:?}"
    );
}
