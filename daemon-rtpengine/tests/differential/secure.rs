//! The lines that make a description a secure one, from a word on the request's line.
//!
//! ```text
//! +sdes(tag=7 suite=AEAD_AES_128_GCM key=b rest=|2^20,KDR=1)   a=crypto; `,` stands for a blank
//! +dtls(setup=active hash=sha-1 byte=CD)                       a=setup and a=fingerprint; setup=none, hash=none
//! +ice(ufrag=abcd pwd=… components=1)                          a=ice-ufrag, a=ice-pwd, a=candidate
//! +mux  +trickle                                               a=rtcp-mux, a=ice-options:trickle
//! ```
//! They are added to each section whose port is not 0, or to the one that `section=1` names.

use crate::support::sdp::Sdp;

/// Such a word with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    name: String,
    arguments: Vec<(String, String)>,
}

impl Feature {
    /// # Panics
    /// When the word, or the name of an argument, is not one of those above.
    pub(crate) fn new(name: &str, arguments: Vec<(String, String)>) -> Self {
        let known: &[&str] = match name {
            "sdes" => &["section", "tag", "suite", "key", "rest"],
            "dtls" => &["section", "setup", "hash", "byte"],
            "ice" => &["section", "ufrag", "pwd", "components"],
            "mux" | "trickle" => &["section"],
            _ => panic!("what is +{name}?"),
        };
        for (key, _) in &arguments {
            assert!(known.contains(&key.as_str()), "+{name} knows no {key}");
        }
        let name = name.to_owned();
        Self { name, arguments }
    }

    /// Adds its lines.
    pub(crate) fn apply(&self, sdp: &mut Sdp) {
        let only = self.argument("section").map(|n| n.parse().expect("0, 1…"));
        sdp.add_to_sections(only, |address, port| self.lines(address, port));
    }

    fn argument(&self, key: &str) -> Option<&str> {
        let found = self.arguments.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    fn lines(&self, address: &str, port: u16) -> Vec<String> {
        match self.name.as_str() {
            "sdes" => vec![self.crypto()],
            "dtls" => self.dtls(),
            "ice" => self.ice(address, port),
            "mux" => vec!["a=rtcp-mux".to_owned()],
            _ => vec!["a=ice-options:trickle".to_owned()],
        }
    }

    /// The key is one letter over and over, as long as the suite wants it.
    fn crypto(&self) -> String {
        let tag = self.argument("tag").unwrap_or("1");
        let suite = self.argument("suite").unwrap_or("AES_CM_128_HMAC_SHA1_80");
        let key = self.argument("key").unwrap_or("k");
        let rest = self.argument("rest").unwrap_or("");
        let octets = if suite.starts_with("AEAD_AES_256") {
            44
        } else if suite.starts_with("AEAD_AES_128") {
            28
        } else if suite.starts_with("AES_256") {
            46
        } else if suite.starts_with("AES_192") {
            38
        } else {
            30
        };
        let mut text = key.repeat(octets * 8 / 6);
        // `A` is six zero bits, and so right for what is left over.
        if octets % 3 != 0 {
            text.push('A');
        }
        format!("a=crypto:{tag} {suite} inline:{text}{rest}")
    }

    fn dtls(&self) -> Vec<String> {
        let setup = self.argument("setup").unwrap_or("actpass");
        let hash = self.argument("hash").unwrap_or("sha-256");
        let byte = self.argument("byte").unwrap_or("AB");
        let octets = match hash.to_ascii_lowercase().as_str() {
            "sha-1" => 20,
            "sha-224" => 28,
            "sha-384" => 48,
            "sha-512" => 64,
            "md5" => 16,
            _ => 32,
        };
        let mut lines = Vec::new();
        if setup != "none" {
            lines.push(format!("a=setup:{setup}"));
        }
        if hash != "none" {
            let value = vec![byte; octets].join(":");
            lines.push(format!("a=fingerprint:{hash} {value}"));
        }
        lines
    }

    fn ice(&self, address: &str, port: u16) -> Vec<String> {
        let ufrag = self.argument("ufrag").unwrap_or("abcd");
        let pwd = self.argument("pwd").unwrap_or("passwordpasswordpassword");
        let components = self.argument("components").unwrap_or("2");
        let components: u16 = components.parse().expect("0, 1 or 2");
        let mut lines = vec![format!("a=ice-ufrag:{ufrag}"), format!("a=ice-pwd:{pwd}")];
        lines.extend((0..components).map(|at| {
            format!(
                "a=candidate:1 {} UDP {} {address} {} typ host",
                at + 1,
                2_130_706_431 - u32::from(at),
                port + at
            )
        }));
        lines
    }
}
