//! Username fragments and passwords (RFC 8445 §5.3, RFC 8839 §5.4).

use std::fmt;

use crate::wire::stun::IntegrityKey;

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

/// Why credentials are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The username fragment must have 4–119 characters. RFC 8839 allows 256, but no USERNAME longer
    /// than 128 can be sent to whoever has such.
    #[error("username fragment of {0} characters, not 4 to {max}", max = Credentials::MAX_UFRAG)]
    UfragLength(usize),
    /// The password must have 22–256 characters.
    #[error("password of {0} characters, not 22 to 256")]
    PwdLength(usize),
    /// Only letters, digits, `+` and `/` are allowed; for the peer's, some gear's `-`, `_`, `=` too.
    #[error("credentials hold the byte {0:#04x}")]
    NotIceChar(u8),
}

/// A username fragment and the password that goes with it. The password never shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    ufrag: String,
    pwd: String,
}

impl Credentials {
    /// Characters of a username fragment of ours (48 bits of randomness).
    pub const UFRAG_LEN: usize = 8;
    /// Characters of a password of ours (154 bits of randomness).
    pub const PWD_LEN: usize = 26;
    /// The longest username fragment of a peer, characters.
    pub const MAX_UFRAG: usize = 119;

    /// New credentials from the operating system's randomness.
    ///
    /// # Errors
    /// [`NoRandomness`], which on Linux does not happen after boot.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut failed = false;
        let credentials = Self::from_random(|out| failed |= getrandom::fill(out).is_err());
        if failed {
            Err(NoRandomness)
        } else {
            Ok(credentials)
        }
    }

    /// New credentials from a source of random bytes, which fills what it is given. It must not be
    /// constant: bytes are drawn until enough of them are fit.
    pub fn from_random(mut fill: impl FnMut(&mut [u8])) -> Self {
        Self {
            ufrag: alphanumerics(&mut fill, Self::UFRAG_LEN),
            pwd: alphanumerics(&mut fill, Self::PWD_LEN),
        }
    }

    /// Credentials as signalled by a peer.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn new(ufrag: &[u8], pwd: &[u8]) -> Result<Self, CredentialsError> {
        if !(4..=Self::MAX_UFRAG).contains(&ufrag.len()) {
            return Err(CredentialsError::UfragLength(ufrag.len()));
        }
        if !(22..=256).contains(&pwd.len()) {
            return Err(CredentialsError::PwdLength(pwd.len()));
        }
        Ok(Self {
            ufrag: checked(ufrag)?,
            pwd: checked(pwd)?,
        })
    }

    /// The value of `a=ice-ufrag`.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The value of `a=ice-pwd`: a secret.
    #[must_use]
    pub fn pwd(&self) -> &str {
        &self.pwd
    }

    /// What signs and verifies messages with this password.
    #[must_use]
    pub fn key(&self) -> IntegrityKey {
        IntegrityKey::new(self.pwd.as_bytes())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

fn checked(text: &[u8]) -> Result<String, CredentialsError> {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(b);
    match text.iter().find(|b| !fine(b)) {
        Some(byte) => Err(CredentialsError::NotIceChar(*byte)),
        None => Ok(text.iter().map(|b| char::from(*b)).collect()),
    }
}

/// `len` characters, each of 62 equally likely: draws of 62 and 63 are thrown away.
fn alphanumerics(fill: &mut impl FnMut(&mut [u8]), len: usize) -> String {
    const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    /// Without a source worth the name, an end must come.
    const MOST_DRAWS: usize = 64;
    let mut text = String::with_capacity(len);
    let mut draw = [0; 32];
    for _ in 0..MOST_DRAWS {
        fill(&mut draw);
        let fit = draw
            .iter()
            .filter_map(|b| CHARACTERS.get(usize::from(b & 63)));
        text.extend(fit.take(len - text.len()).map(|b| char::from(*b)));
        if text.len() == len {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn generated_credentials_have_the_usual_shape_and_differ() {
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            let credentials = Credentials::random().expect("a running system");
            assert_eq!(credentials.ufrag().len(), 8);
            assert_eq!(credentials.pwd().len(), 26);
            let both = [credentials.ufrag(), credentials.pwd()].concat();
            assert!(both.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(seen.insert(both));
        }
    }

    #[test]
    fn every_character_is_as_likely_as_another() {
        let mut counts = [0_u32; 128];
        for _ in 0..6200 {
            let credentials = Credentials::random().expect("a running system");
            for b in credentials.pwd().bytes() {
                counts[usize::from(b)] += 1;
            }
        }
        // 2600 each, with a standard deviation of 51.
        let used: Vec<u32> = counts.into_iter().filter(|c| *c > 0).collect();
        assert_eq!(used.len(), 62);
        assert!(used.iter().all(|c| (2200..3000).contains(c)), "{used:?}");
    }

    #[test]
    fn password_does_not_show() {
        let credentials = Credentials::new(b"abcd", b"0123456789012345678901").expect("fine");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("abcd") && !shown.contains("0123"), "{shown}");
    }

    #[test]
    fn peers_credentials_are_checked() {
        let pwd = [b'x'; 22];
        let error = |ufrag: &[u8], pwd: &[u8]| Credentials::new(ufrag, pwd).expect_err("wrong");
        assert_eq!(error(b"abc", &pwd), CredentialsError::UfragLength(3));
        assert_eq!(
            error(&[b'a'; 120], &pwd),
            CredentialsError::UfragLength(120)
        );
        assert_eq!(error(b"abcd", &pwd[1..]), CredentialsError::PwdLength(21));
        assert_eq!(
            error(b"abcd", &[b'x'; 257]),
            CredentialsError::PwdLength(257)
        );
        assert_eq!(error(b"ab:d", &pwd), CredentialsError::NotIceChar(b':'));
        assert!(Credentials::new(&[b'a'; 119], &[b'x'; 256]).is_ok());
    }
}
