//! Where random values come from: keys, ICE credentials, candidate foundations.

/// A source of random octets. Tests put a predictable one in its place.
pub trait Entropy: Send + Sync {
    /// Fills `out` with octets that nobody can foretell.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the system has none to give: without secrets nothing here can be done safely.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system gives random octets");
    }
}

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A word of letters and digits, all equally likely.
pub(super) fn alphanumeric(entropy: &dyn Entropy, len: usize) -> Box<str> {
    let mut word = String::with_capacity(len);
    let mut octets = [0; 32];
    while word.len() < len {
        entropy.fill(&mut octets);
        for octet in octets {
            // 248 is the largest multiple of 62: what is above would make some letters likelier.
            let letter = (octet < 248).then(|| ALPHANUMERIC[usize::from(octet) % 62]);
            if let Some(letter) = letter.filter(|_| word.len() < len) {
                word.push(char::from(letter));
            }
        }
    }
    word.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// Counts.
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    #[test]
    fn words_have_their_length_and_all_letters_alike() {
        let counting = Counting(AtomicU8::new(0));
        assert_eq!(&*alphanumeric(&counting, 26), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        // 248 octets of 256 count, each letter four times.
        let word = alphanumeric(&Counting(AtomicU8::new(0)), 248);
        for letter in ALPHANUMERIC {
            let times = word.bytes().filter(|b| b == letter).count();
            assert_eq!(times, 4);
        }
    }

    #[test]
    fn the_systems_octets_differ() {
        let word = alphanumeric(&SystemEntropy, 26);
        assert_ne!(word, alphanumeric(&SystemEntropy, 26));
    }
}
