//! The few lines of SDP (RFC 8866) that a generated call needs.
//!
//! Written and read apart from `media_core::sdp` on purpose: a generator that shared the daemon's parser
//! would share its mistakes.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::load::Media;

/// Why a daemon's SDP cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// No `m=` line.
    #[error("no media description")]
    NoMedia,
    /// An `m=` or `c=` line does not say what it must.
    #[error("unreadable m= or c= line")]
    Unreadable,
    /// Port 0: the media was rejected.
    #[error("media rejected (port 0)")]
    Rejected,
    /// Another payload type than the one offered comes first.
    #[error("payload type {got} in place of {want}")]
    PayloadType {
        /// What the daemon wrote.
        got: u8,
        /// What the other side had written.
        want: u8,
    },
    /// An attribute that must be there is not, or cannot be read or used.
    #[error("no usable a={0}")]
    Attribute(&'static str),
}

/// One session with one audio section of this profile, `RTP/AVP` or another. `attributes` are those of
/// the section beyond the codec's, without `a=`.
#[must_use]
pub fn write(local: SocketAddrV4, media: &Media, profile: &str, attributes: &[String]) -> String {
    let (ip, port) = (local.ip(), local.port());
    let Media {
        payload_type,
        rtpmap,
        fmtp,
        ptime_ms,
        ..
    } = media;
    let mut text = format!(
        "v=0\r\no=bench 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} {payload_type}\r\na=rtpmap:{payload_type} {rtpmap}\r\n\
         a=ptime:{ptime_ms}\r\na=sendrecv\r\n"
    );
    if !fmtp.is_empty() {
        text.push_str(&format!("a=fmtp:{payload_type} {fmtp}\r\n"));
    }
    for attribute in attributes {
        text.push_str("a=");
        text.push_str(attribute);
        text.push_str("\r\n");
    }
    text
}

/// Values of an attribute, those of the session first, then those of the first media section.
pub fn attributes<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let mut sections = 0;
    text.lines()
        .map(str::trim_end)
        .take_while(move |line| {
            sections += u32::from(line.starts_with("m="));
            sections < 2
        })
        .filter_map(move |line| {
            line.strip_prefix("a=")?
                .strip_prefix(name)?
                .strip_prefix(':')
        })
}

/// Where the first media section wants its packets, after checking its payload type.
///
/// # Errors
/// See [`SdpError`].
pub fn endpoint(text: &str, media: &Media) -> Result<SocketAddrV4, SdpError> {
    let mut address: Option<Ipv4Addr> = None;
    let mut section: Option<(u16, u8)> = None;
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("m=") {
            if section.is_some() {
                break;
            }
            section = Some(media_line(value).ok_or(SdpError::Unreadable)?);
        } else if let Some(value) = line.strip_prefix("c=IN IP4 ") {
            let ip = value.trim_end().split('/').next().unwrap_or_default();
            address = Some(ip.parse().map_err(|_| SdpError::Unreadable)?);
        }
    }
    let (port, payload_type) = section.ok_or(SdpError::NoMedia)?;
    if port == 0 {
        return Err(SdpError::Rejected);
    }
    if payload_type != media.payload_type {
        return Err(SdpError::PayloadType {
            got: payload_type,
            want: media.payload_type,
        });
    }
    Ok(SocketAddrV4::new(
        address.ok_or(SdpError::Unreadable)?,
        port,
    ))
}

/// Port and first payload type of an `m=` line's value.
fn media_line(value: &str) -> Option<(u16, u8)> {
    let mut fields = value.trim_end().split(' ');
    let port = fields.nth(1)?.split('/').next()?.parse().ok()?;
    let payload_type = fields.nth(1)?.parse().ok()?;
    Some((port, payload_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4000);
        let text = write(local, &Media::PCMU, "RTP/SAVP", &["crypto:1 x".to_owned()]);
        assert_eq!(endpoint(&text, &Media::PCMU), Ok(local));
        assert_eq!(attributes(&text, "crypto").collect::<Vec<_>>(), ["1 x"]);
    }

    #[test]
    fn attributes_are_those_of_the_session_and_its_first_section() {
        let text = "a=setup:a\r\na=set:x\r\nm=audio 1 RTP/AVP 0\r\na=setup:b\r\na=setup\r\nm=video 1 RTP/AVP 96\r\na=setup:c\r\n";
        assert_eq!(attributes(text, "setup").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(attributes(text, "fingerprint").count(), 0);
    }

    #[test]
    fn a_media_level_address_wins() {
        let text = "c=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.9\r\nm=video 0 RTP/AVP 96\r\n";
        assert_eq!(
            endpoint(text, &Media::PCMU),
            Ok("127.0.0.9:4000".parse().unwrap())
        );
    }

    #[test]
    fn unusable_answers_are_named() {
        let at = |m: &str| endpoint(&format!("c=IN IP4 127.0.0.1\r\n{m}"), &Media::PCMU);
        assert_eq!(at(""), Err(SdpError::NoMedia));
        assert_eq!(at("m=audio"), Err(SdpError::Unreadable));
        assert_eq!(at("m=audio 0 RTP/AVP 0"), Err(SdpError::Rejected));
        assert_eq!(
            at("m=audio 4000 RTP/AVP 8 0"),
            Err(SdpError::PayloadType { got: 8, want: 0 })
        );
    }
}
