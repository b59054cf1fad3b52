//! Session descriptions for tests: a named template, and what is different this time.

use super::daemon::test_file;

/// A description being built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sdp {
    lines: Vec<String>,
    lf_only: bool,
}

impl Sdp {
    /// The template `tests/differential/sdp/<name>.sdp`. Its `{name}` are filled with `values`, else
    /// with the defaults from the template's `@name=value` lines; `{family}` follows `ip`.
    ///
    /// # Panics
    /// When there is no such template or a value is unknown to it.
    pub(crate) fn template(name: &str, values: &[(String, String)]) -> Self {
        let path = test_file("differential/sdp").join(format!("{name}.sdp"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, body): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with('@'));
        let mut all: Vec<(String, String)> = head
            .iter()
            .filter_map(|line| line[1..].split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for (key, value) in values {
            let slot = all
                .iter_mut()
                .find(|(known, _)| known == key)
                .unwrap_or_else(|| panic!("template {name} knows no {key}"));
            slot.1.clone_from(value);
        }
        let ip = all.iter().find(|(key, _)| key == "ip");
        let family = ip.map_or(
            "IP4",
            |(_, ip)| if ip.contains(':') { "IP6" } else { "IP4" },
        );
        all.push(("family".to_owned(), family.to_owned()));
        let fill = |line: &str| {
            all.iter().fold(line.to_owned(), |line, (key, value)| {
                line.replace(&format!("{{{key}}}"), value)
            })
        };
        Self {
            lines: body.into_iter().map(fill).collect(),
            lf_only: false,
        }
    }

    /// The lines of a text.
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
            lf_only: false,
        }
    }

    /// Appends a line.
    pub(crate) fn add(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
    /// Appends lines to each section whose port is not 0, or to the one with the number `only`, as
    /// told by its address and port.
    ///
    /// # Panics
    /// When there is no such section.
    pub(crate) fn add_to_sections(
        &mut self,
        only: Option<usize>,
        lines: impl Fn(&str, u16) -> Vec<String>,
    ) {
        let mut all = std::mem::take(&mut self.lines);
        let mut starts: Vec<usize> = (0..all.len())
            .filter(|&at| all[at].starts_with("m="))
            .collect();
        let session = starts.first().map_or(&all[..], |&first| &all[..first]);
        let address = |lines: &[String]| -> Option<String> {
            let connection = lines.iter().find(|line| line.starts_with("c="))?;
            connection.split(' ').nth(2).map(str::to_owned)
        };
        let of_session = address(session);
        starts.push(all.len());
        let mut more = Vec::new();
        for (number, range) in starts.windows(2).enumerate() {
            let section = &all[range[0]..range[1]];
            let port = section[0].split(' ').nth(1).and_then(|p| p.parse().ok());
            let port: u16 = port.unwrap_or(0);
            if only.map_or(port != 0, |only| only == number) {
                let address = address(section).or_else(|| of_session.clone());
                more.push((range[1], lines(&address.unwrap_or_default(), port)));
            }
        }
        assert!(!more.is_empty(), "no section to add to");
        for (end, lines) in more.into_iter().rev() {
            all.splice(end..end, lines);
        }
        self.lines = all;
    }
    /// Takes out the lines that start with `prefix`.
    ///
    /// # Panics
    /// When there is none: the test would not test what it says.
    pub(crate) fn remove(&mut self, prefix: &str) {
        let before = self.lines.len();
        self.lines.retain(|line| !line.starts_with(prefix));
        assert!(self.lines.len() < before, "no line starts with {prefix:?}");
    }
    /// Replaces a part of each line that contains it.
    ///
    /// # Panics
    /// When no line does.
    pub(crate) fn substitute(&mut self, old: &str, new: &str) {
        assert!(
            self.lines.iter().any(|line| line.contains(old)),
            "no line contains {old:?}"
        );
        for line in &mut self.lines {
            *line = line.replace(old, new);
        }
    }
    /// Lines end in LF instead of CRLF.
    pub(crate) fn lf_only(&mut self) {
        self.lf_only = true;
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        let end = if self.lf_only { "\n" } else { "\r\n" };
        self.lines
            .iter()
            .map(|line| format!("{line}{end}"))
            .collect()
    }
}
