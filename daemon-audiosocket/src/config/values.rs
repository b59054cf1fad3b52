//! What was given on the command line and in the configuration file, before it has a type.

use std::collections::HashMap;
use std::str::FromStr;

use clap::builder::{Arg, ArgAction, Command, ValueParser};

use super::ConfigError;
use super::options::{Kind, OPTIONS, Spec, find};

/// Given values by long name, in the order given.
#[derive(Debug, Default)]
pub(super) struct Values {
    given: HashMap<&'static str, Vec<String>>,
}

impl Values {
    /// Reads the command line; `Err` also stands for `--help` and `--version`, as text to print.
    pub(super) fn from_args(
        args: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Values, clap::Error> {
        let matches = command().try_get_matches_from(args)?;
        let mut values = Values::default();
        for spec in OPTIONS {
            if let Some(given) = matches.get_many::<String>(spec.long) {
                values.given.insert(spec.long, given.cloned().collect());
            }
        }
        Ok(values)
    }

    /// Adds the file's keys that the command line did not give.
    pub(super) fn add_file(&mut self, keys: &[(String, String)]) -> Result<(), ConfigError> {
        let mut from_file: HashMap<&'static str, Vec<String>> = HashMap::new();
        for (key, value) in keys {
            let spec = find(key).ok_or_else(|| ConfigError::UnknownKey {
                key: key.clone(),
                nearest: nearest(key),
            })?;
            let values = match spec.kind {
                Kind::List => super::file::split_list(value),
                _ => vec![value.clone()],
            };
            from_file.insert(spec.long, values);
        }
        for (long, values) in from_file {
            self.given.entry(long).or_insert(values);
        }
        Ok(())
    }

    /// All that was given, or nothing: defaults do not count.
    pub(super) fn list(&self, long: &str) -> &[String] {
        self.given.get(long).map_or(&[], Vec::as_slice)
    }

    /// The last value given, or the default; `None` if there is neither.
    pub(super) fn text(&self, long: &str) -> Option<&str> {
        let default = find(long).map_or("", |spec| spec.default);
        let default = (!default.is_empty()).then_some(default);
        self.list(long).last().map(String::as_str).or(default)
    }

    pub(super) fn flag(&self, long: &'static str) -> Result<bool, ConfigError> {
        match self.text(long) {
            None | Some("false" | "0" | "no") => Ok(false),
            Some("true" | "1" | "yes") => Ok(true),
            Some(value) => Err(bad(long, value, "true or false")),
        }
    }

    /// A number in `range`; `None` if there is neither value nor default.
    pub(super) fn int(
        &self,
        long: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, ConfigError> {
        let Some(value) = self.text(long) else {
            return Ok(None);
        };
        let expected = || format!("a number from {} to {}", range.start(), range.end());
        match i64::from_str(value.trim()) {
            Ok(n) if range.contains(&n) => Ok(Some(n)),
            _ => Err(bad(long, value, expected())),
        }
    }
}

/// The error for a value that does not fit its option.
pub(super) fn bad(option: &'static str, value: &str, expected: impl Into<String>) -> ConfigError {
    ConfigError::BadValue {
        option,
        value: value.to_owned(),
        expected: expected.into(),
    }
}

fn command() -> Command {
    let mut command = Command::new("daemon-audiosocket")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Joins callers of Asterisk's AudioSocket with Pipecat bots on WebSockets.")
        .override_usage(
            "daemon-audiosocket --bot-url=URL [OPTIONS]\n       \
             daemon-audiosocket --listen-bot=[ADDRESS:]PORT [OPTIONS]\n       \
             daemon-audiosocket --config-file=FILE",
        )
        .after_help(
            "Example, for a bot on this machine:\n  \
             daemon-audiosocket --listen-audiosocket=127.0.0.1:9000 --bot-url=ws://127.0.0.1:8765/ws/{uuid}\n\n\
             AudioSocket has no passwords: listen on addresses that only Asterisk reaches.\n",
        )
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_version_flag(true);
    for spec in OPTIONS {
        command = command.arg(argument(spec));
    }
    command.args([
        Arg::new("help")
            .short('h')
            .long("help")
            .action(ArgAction::Help)
            .help_heading(super::options::Group::Process.heading())
            .help("Print this help"),
        Arg::new("version")
            .short('v')
            .long("version")
            .action(ArgAction::Version)
            .help_heading(super::options::Group::Process.heading())
            .help("Print the version"),
    ])
}

fn argument(spec: &'static Spec) -> Arg {
    let help = match spec.default {
        "" | "false" => spec.help.to_owned(),
        default => format!("{} [default: {default}]", spec.help),
    };
    let arg = Arg::new(spec.long)
        .long(spec.long)
        .help(help)
        .help_heading(spec.group.heading())
        .value_parser(ValueParser::string());
    let arg = match spec.kind {
        Kind::List => arg.action(ArgAction::Append),
        _ => arg.action(ArgAction::Set).overrides_with(spec.long),
    };
    match spec.kind {
        Kind::Flag => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_possible_values(true)
            .value_name("BOOL"),
        Kind::Int => arg.value_name(spec.value).allow_negative_numbers(true),
        Kind::Text | Kind::List => arg.value_name(spec.value),
    }
}

/// The option whose name takes the fewest edits to reach.
fn nearest(name: &str) -> &'static str {
    let distances = OPTIONS.iter().map(|spec| (edits(name, spec.long), spec));
    distances
        .min_by_key(|(distance, _)| *distance)
        .map_or("", |(_, spec)| spec.long)
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_found() {
        assert_eq!(nearest("bot_url"), "bot-url");
        assert_eq!(nearest("max-call"), "max-calls");
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn command_definition_is_sound() {
        command().debug_assert();
    }
}
