//! What the daemons share, so that they look alike: one table of options from which command line, configuration
//! file and help come ([`Program`]), logs ([`logs`]), and listeners ([`bind`]).

pub mod bind;
mod error;
mod file;
pub mod logs;
mod options;
mod values;

pub use error::ConfigError;
pub use options::{Kind, Program, Spec};
pub use values::{Given, Values, bad};
