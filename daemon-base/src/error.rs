//! Why settings are no good.

use std::io;
use std::path::PathBuf;

/// Why the settings are no good. Display is for the person who wrote them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line does not parse; the text says where and suggests the nearest option.
    #[error("{0}")]
    Arguments(String),
    /// The file cannot be read.
    #[error("cannot read configuration file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is neither comment, section nor `key = value`.
    #[error("configuration file, line {number}: neither `key = value` nor `[section]`")]
    Line {
        /// Counted from 1.
        number: usize,
    },
    /// The section is not in the file.
    #[error("configuration file has no section [{section}]")]
    NoSection {
        /// The section.
        section: String,
    },
    /// A key that is no option.
    #[error("unknown option {key:?} in the configuration file; did you mean {nearest:?}?")]
    UnknownKey {
        /// As written.
        key: String,
        /// What may have been meant.
        nearest: &'static str,
    },
    /// A value that does not fit.
    #[error("option --{option}: {value:?} is not {expected}")]
    BadValue {
        /// Its option.
        option: &'static str,
        /// As written.
        value: String,
        /// What fits.
        expected: String,
    },
    /// A value that fits, and cannot be used.
    #[error("option --{option}: {value:?}: {reason}")]
    Unusable {
        /// Its option.
        option: &'static str,
        /// As written.
        value: String,
        /// Why not.
        reason: String,
    },
    /// Something that must be given.
    #[error("{0} is missing; see --help")]
    Missing(&'static str),
    /// Of several options one must be given, and one alone.
    #[error("{0}; see --help")]
    NotOne(&'static str),
}
