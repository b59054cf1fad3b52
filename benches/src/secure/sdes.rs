//! Keys in SDP: `a=crypto` (RFC 4568).

use media_core::sdp::CryptoAttribute;
use media_core::srtp::{CryptoSuite, MasterKey};

use crate::sdp::{SdpError, attributes};

/// The only line's tag.
const TAG: u32 = 1;

/// The attribute that offers one key, without `a=`.
#[must_use]
pub fn offer(key: &MasterKey) -> String {
    let mut line = b"crypto:".to_vec();
    CryptoAttribute::new(TAG, key.clone()).write(true, &mut line);
    String::from_utf8_lossy(&line).into_owned()
}

/// The key that answers [`offer`].
///
/// # Errors
/// [`SdpError::Attribute`] unless there is exactly one line, with our tag, this suite and a key for it.
pub fn answer(text: &str, suite: CryptoSuite) -> Result<MasterKey, SdpError> {
    let mut lines = attributes(text, "crypto");
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(SdpError::Attribute("crypto"));
    };
    let line = CryptoAttribute::parse(line.as_bytes()).ok();
    line.filter(|line| line.tag == TAG && line.suite == suite)
        .map(|line| line.key.key)
        .ok_or(SdpError::Attribute("crypto"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;

    #[test]
    fn an_offered_key_reads_back() {
        let key = MasterKey::generate(SUITE);
        let line = offer(&key);
        assert_eq!(answer(&format!("a={line}\r\n"), SUITE), Ok(key.clone()));
        let unpadded = line.trim_end_matches('=');
        assert_eq!(answer(&format!("a={unpadded}|2^20\r\n"), SUITE), Ok(key));
    }

    #[test]
    fn anything_but_the_one_answer_is_refused() {
        let line = format!("a={}\r\n", offer(&MasterKey::generate(SUITE)));
        let refused = Err(SdpError::Attribute("crypto"));
        for text in [
            String::new(),
            line.repeat(2),
            line.replace("crypto:1", "crypto:2"),
            line.replace("SHA1_80", "SHA1_32"),
            line.replace("inline:", "inline:AAAA"),
            line.replace("inline:", "uri:"),
        ] {
            assert_eq!(answer(&text, SUITE), refused, "{text}");
        }
    }
}
