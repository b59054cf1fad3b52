//! What was given on the command line and in the configuration file, before it has a type.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use crate::logs::LogConfig;
use crate::{ConfigError, Kind, Program, Spec, file};

/// What a command line comes to.
#[derive(Debug)]
pub enum Given {
    /// Options.
    Values(Values),
    /// A wish to see this: help or version.
    Print(String),
}

/// Given values by long name, in the order given.
#[derive(Debug)]
pub struct Values {
    program: &'static Program,
    given: HashMap<&'static str, Vec<String>>,
}

impl Values {
    /// Reads the command line, program name first.
    ///
    /// # Errors
    /// [`ConfigError::Arguments`].
    pub fn from_args(
        program: &'static Program,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Given, ConfigError> {
        let matches = match program.command().try_get_matches_from(args) {
            Ok(matches) => matches,
            Err(error) if error.use_stderr() => {
                return Err(ConfigError::Arguments(error.render().to_string()));
            }
            Err(help) => return Ok(Given::Print(help.render().to_string())),
        };
        let mut given = HashMap::new();
        for spec in program.options {
            if let Some(values) = matches.get_many::<String>(spec.long) {
                given.insert(spec.long, values.cloned().collect());
            }
        }
        Ok(Given::Values(Self { program, given }))
    }

    /// Adds what `config-file` says. One that is not there matters only if it was asked for.
    ///
    /// # Errors
    /// [`ConfigError::File`], [`ConfigError::Line`], [`ConfigError::NoSection`], [`ConfigError::UnknownKey`].
    pub fn read_file(&mut self) -> Result<(), ConfigError> {
        let path = self.text("config-file").unwrap_or("none").to_owned();
        if path == "none" {
            return Ok(());
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.is_given("config-file") => {
                return Ok(());
            }
            Err(source) => {
                let path = path.into();
                return Err(ConfigError::File { path, source });
            }
        };
        let section = self.text("config-section").unwrap_or(self.program.name);
        let keys = file::parse(&text, section)?;
        self.add_file(&keys)
    }

    /// Adds the file's keys that the command line did not give.
    fn add_file(&mut self, keys: &[(String, String)]) -> Result<(), ConfigError> {
        let mut from_file: HashMap<&'static str, Vec<String>> = HashMap::new();
        for (key, value) in keys {
            let spec = self
                .program
                .find(key)
                .ok_or_else(|| ConfigError::UnknownKey {
                    key: key.clone(),
                    nearest: self.program.nearest(key),
                })?;
            let values = match spec.kind {
                Kind::List => file::split_list(value),
                _ => vec![value.clone()],
            };
            from_file.insert(spec.long, values);
        }
        for (long, values) in from_file {
            self.given.entry(long).or_insert(values);
        }
        Ok(())
    }

    /// Options given that change nothing here.
    pub fn inert(&self) -> impl Iterator<Item = &'static Spec> {
        let options = self.program.options.iter();
        options.filter(|spec| spec.inert.is_some() && self.given.contains_key(spec.long))
    }

    /// Was it given, on the command line or in the file?
    #[must_use]
    pub fn is_given(&self, long: &str) -> bool {
        self.given.contains_key(long)
    }

    /// All that was given, or nothing: defaults do not count.
    #[must_use]
    pub fn list(&self, long: &str) -> &[String] {
        self.given.get(long).map_or(&[], Vec::as_slice)
    }

    /// The last value given, or the default; `None` if there is neither.
    #[must_use]
    pub fn text(&self, long: &str) -> Option<&str> {
        let default = self.program.find(long).map_or("", |spec| spec.default);
        let default = (!default.is_empty()).then_some(default);
        self.list(long).last().map(String::as_str).or(default)
    }

    /// Whether it is set.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn flag(&self, long: &'static str) -> Result<bool, ConfigError> {
        match self.text(long) {
            None | Some("false" | "0" | "no") => Ok(false),
            Some("true" | "1" | "yes") => Ok(true),
            Some(value) => Err(bad(long, value, "true or false")),
        }
    }

    /// A number in `range`; `None` if there is neither value nor default.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn int(
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

    /// A finite number; 0 if there is neither value nor default.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn float(&self, long: &'static str) -> Result<f64, ConfigError> {
        let value = self.text(long).unwrap_or("0");
        match f64::from_str(value.trim()) {
            Ok(n) if n.is_finite() => Ok(n),
            _ => Err(bad(long, value, "a number")),
        }
    }

    /// A number up to `most`; 0 if there is neither value nor default.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn unsigned(&self, long: &'static str, most: i64) -> Result<u64, ConfigError> {
        let n = self.int(long, 0..=most)?;
        Ok(n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    /// Seconds.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn seconds(&self, long: &'static str) -> Result<Duration, ConfigError> {
        self.unsigned(long, i64::from(u32::MAX))
            .map(Duration::from_secs)
    }

    /// Addresses, or those of the default, as `[ADDRESS:]PORT`. A port alone stands for every address, IPv4 and
    /// IPv6.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn listeners(&self, long: &'static str) -> Result<Vec<SocketAddr>, ConfigError> {
        let default: Vec<String> = self.text(long).map(str::to_owned).into_iter().collect();
        let given = self.list(long);
        let mut all = Vec::new();
        for text in if given.is_empty() { &default } else { given } {
            if let Ok(port) = text.parse::<u16>() {
                all.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into());
                all.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into());
                continue;
            }
            let resolved = text
                .to_socket_addrs()
                .map_err(|_| bad(long, text, "[ADDRESS:]PORT"))?;
            for address in resolved {
                if !all.contains(&address) {
                    all.push(address);
                }
            }
        }
        Ok(all)
    }

    /// What is logged, and how.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub fn log(&self) -> Result<LogConfig, ConfigError> {
        Ok(LogConfig {
            level: u8::try_from(self.unsigned("log-level", 8)?).unwrap_or(6),
            json: match self.text("log-format") {
                Some("json") => true,
                Some("text" | "default" | "parsable") | None => false,
                Some(other) => return Err(bad("log-format", other, "text or json")),
            },
            timestamps: !self.flag("no-log-timestamps")?,
        })
    }
}

/// The error for a value that does not fit its option.
#[must_use]
pub fn bad(option: &'static str, value: &str, expected: impl Into<String>) -> ConfigError {
    ConfigError::BadValue {
        option,
        value: value.to_owned(),
        expected: expected.into(),
    }
}
