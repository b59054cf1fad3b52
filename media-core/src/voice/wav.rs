//! WAV headers, which some bots put in front of every chunk of samples.

/// `bytes` behind its WAV header, up to the end of the data chunk; all of it if there is no header, or one
/// that is broken. Looks at no more than eight chunks.
#[must_use]
pub fn strip(bytes: &[u8]) -> &[u8] {
    samples(bytes).unwrap_or(bytes)
}

fn samples(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?;
    let mut rest = rest.strip_prefix(b"WAVE")?;
    for _ in 0..8 {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (len, body) = behind.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        if name == b"data" {
            // Whoever streams does not know the length, and writes 0 or the largest.
            return Some(if len == 0 {
                body
            } else {
                body.get(..len).unwrap_or(body)
            });
        }
        // Chunks of an odd length are padded.
        rest = body.get(len.checked_add(len % 2)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(data: &[u8], len: u32) -> Vec<u8> {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        wav.extend([1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0]);
        wav.extend(b"LIST\x03\0\0\0abc\0data");
        wav.extend(len.to_le_bytes());
        wav.extend(data);
        wav
    }

    #[test]
    fn header_is_taken_off() {
        assert_eq!(strip(&wav(b"sounds", 6)), b"sounds");
        assert_eq!(strip(&wav(b"sounds", 0)), b"sounds");
        assert_eq!(strip(&wav(b"sounds", u32::MAX)), b"sounds");
        assert_eq!(strip(&wav(b"soundsLIST", 6)), b"sounds");
    }

    #[test]
    fn what_is_no_header_stays() {
        for other in [&b""[..], b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"plain"] {
            assert_eq!(strip(other), other);
        }
        let mut endless = b"RIFF\0\0\0\0WAVE".to_vec();
        for _ in 0..9 {
            endless.extend(b"junk\0\0\0\0");
        }
        assert_eq!(strip(&endless), endless);
    }
}
