//! The table of options, and the command line that it makes.

use clap::builder::{Arg, ArgAction, Command, ValueParser};

/// One option.
#[derive(Debug)]
pub struct Spec {
    /// `--long`, and the key in the configuration file.
    pub long: &'static str,
    /// `-s`.
    pub short: Option<char>,
    /// What follows it.
    pub kind: Kind,
    /// Placeholder in the help.
    pub value: &'static str,
    /// What holds when it is not given; empty if that is nothing.
    pub default: &'static str,
    /// Where the help lists it.
    pub heading: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Why it changes nothing here; `None` if it works.
    pub inert: Option<&'static str>,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=true` or `=false`.
    Flag,
    /// A whole number, negative ones too.
    Int,
    /// A number with a fraction.
    Float,
    /// Text; the last one given counts.
    Text,
    /// Text, any number of times; in the file separated by semicolons.
    List,
}

/// A program, for its command line, its help and its configuration file.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// What the help ends with.
    pub examples: &'static str,
    /// Where the help lists `--help` and `--version`.
    pub heading: &'static str,
    /// All of its options. `config-file` and `config-section` name the file that [`crate::Values::read_file`] reads;
    /// `log-level`, `log-format` and `no-log-timestamps` are [`crate::Values::log`].
    pub options: &'static [Spec],
}

impl Program {
    /// The option of this long name.
    #[must_use]
    pub fn find(&self, long: &str) -> Option<&'static Spec> {
        self.options.iter().find(|spec| spec.long == long)
    }

    /// The command line. Its definition is checked by `debug_assert`, in a test.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.name)
            .version(self.version)
            .about(self.about)
            .override_usage(self.usage)
            .after_help(self.examples)
            .max_term_width(100)
            .disable_help_flag(true)
            .disable_version_flag(true);
        for spec in self.options {
            command = command.arg(argument(spec));
        }
        command.args([
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::Help)
                .help_heading(self.heading)
                .help("Print this help"),
            Arg::new("version")
                .short('v')
                .long("version")
                .action(ArgAction::Version)
                .help_heading(self.heading)
                .help("Print the version"),
        ])
    }

    /// The option whose name takes the fewest edits to reach.
    pub(crate) fn nearest(&self, name: &str) -> &'static str {
        let distances = self
            .options
            .iter()
            .map(|spec| (edits(name, spec.long), spec));
        distances
            .min_by_key(|(distance, spec)| (*distance, spec.inert.is_some()))
            .map_or("", |(_, spec)| spec.long)
    }
}

fn argument(spec: &'static Spec) -> Arg {
    let help = match spec.default {
        "" | "false" => spec.help.to_owned(),
        default => format!("{} [default: {default}]", spec.help),
    };
    let arg = Arg::new(spec.long)
        .long(spec.long)
        .help(help)
        .help_heading(spec.heading)
        .hide(spec.inert.is_some())
        .value_parser(ValueParser::string());
    let arg = match spec.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
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
        Kind::Int | Kind::Float => arg.value_name(spec.value).allow_negative_numbers(true),
        Kind::Text | Kind::List => arg.value_name(spec.value),
    }
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
    fn distance_is_counted_in_edits() {
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
