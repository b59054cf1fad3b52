//! The configuration file: sections of `key = value`, as GLib's key files are written.

use crate::ConfigError;

/// The keys of `section`, in order. `#` starts a comment line.
pub(crate) fn parse(text: &str, section: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut keys = Vec::new();
    let mut inside = false;
    let mut found = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = name == section;
            found |= inside;
        } else if let Some((key, value)) = line.split_once('=') {
            if inside {
                keys.push((key.trim().to_owned(), unescape(value.trim())));
            }
        } else {
            return Err(ConfigError::Line { number: number + 1 });
        }
    }
    if !found {
        return Err(ConfigError::NoSection {
            section: section.to_owned(),
        });
    }
    Ok(keys)
}

/// Splits at semicolons; `\;` is a literal one. Empty parts are left out.
pub(crate) fn split_list(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&';') {
            chars.next();
            parts.last_mut().expect("starts with one").push(';');
        } else if c == ';' {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("starts with one").push(c);
        }
    }
    parts.iter_mut().for_each(|p| *p = p.trim().to_owned());
    parts.retain(|p| !p.is_empty());
    parts
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('s') => out.push(' '),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_section_alone_are_read() {
        let text = "[other]\na = 1\n# comment\n[rtpengine]\n b=2 \n\nc = x;y\n[third]\nd = 4\n";
        assert_eq!(
            parse(text, "rtpengine").unwrap(),
            [("b".into(), "2".into()), ("c".into(), "x;y".into())]
        );
        assert!(matches!(
            parse(text, "missing"),
            Err(ConfigError::NoSection { .. })
        ));
    }

    #[test]
    fn line_without_sense_is_named() {
        assert!(matches!(
            parse("[rtpengine]\nnonsense\n", "rtpengine"),
            Err(ConfigError::Line { number: 2 })
        ));
    }

    #[test]
    fn lists_are_split_at_semicolons() {
        assert_eq!(split_list("a/1; b/2;"), ["a/1", "b/2"]);
        assert_eq!(split_list("a\\;b"), ["a;b"]);
    }
}
