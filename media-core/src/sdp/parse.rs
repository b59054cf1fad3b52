//! From octets to sections of lines.

use std::net::IpAddr;

use super::direction::Direction;
use super::dtls::read_fingerprint;
use super::error::ParseError;
use super::media::MediaDescription;
use super::protocol::Protocol;
use super::text;

/// A session description (RFC 8866), borrowed from its text. Every line is kept, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription<'a> {
    pub(super) origin: Option<Origin<'a>>,
    pub(super) connection: Option<Connection<'a>>,
    pub(super) direction: Option<Direction>,
    /// Session lines first, then each section's.
    pub(super) lines: Vec<Line<'a>>,
    pub(super) session_lines: usize,
    pub(super) media: Vec<MediaDescription<'a>>,
}

impl<'a> SessionDescription<'a> {
    /// Longest text that is parsed, in octets.
    pub const MAX_LEN: usize = 65536;
    /// Most media sections that are parsed.
    pub const MAX_MEDIA: usize = 128;

    /// The media sections, in order.
    #[must_use]
    pub fn media(&self) -> &[MediaDescription<'a>] {
        &self.media
    }
    /// `o=`, if there is one.
    #[must_use]
    pub const fn origin(&self) -> Option<&Origin<'a>> {
        self.origin.as_ref()
    }
    /// The session's `c=`, if there is one.
    #[must_use]
    pub const fn connection(&self) -> Option<&Connection<'a>> {
        self.connection.as_ref()
    }
    /// Takes `source`, where the text came from, for every address that it says media is expected
    /// at. A zero address does not mean hold then.
    pub fn set_source(&mut self, source: IpAddr) {
        for media in &mut self.media {
            if media.has_zero_address() {
                media.direction = media.stated_direction(self.direction);
            }
            media.set_address(source);
        }
    }
    /// Lines above the first `m=`.
    pub(super) fn session(&self) -> &[Line<'a>] {
        self.lines.get(..self.session_lines).unwrap_or_default()
    }
    /// Lines below a section's `m=`.
    pub(super) fn lines_of(&self, media: &MediaDescription<'a>) -> &[Line<'a>] {
        self.lines.get(media.lines.clone()).unwrap_or_default()
    }
    /// The `a=mid`s of the sections that are to share one transport (`a=group:BUNDLE`, RFC 9143); those
    /// of the first such group, empty without one.
    #[must_use]
    pub fn bundle(&self) -> Vec<&'a [u8]> {
        let group = self
            .session()
            .iter()
            .find(|line| line.kind == LineKind::Bundle);
        let words = group.and_then(Line::attribute_value).unwrap_or_default();
        text::words(words).skip(1).take(Self::MAX_MEDIA).collect()
    }
    /// Is there an `a=rtpengine:` line with this value? Then the text has passed through us before
    /// (`loop-protect`).
    #[must_use]
    pub fn has_loop_mark(&self, id: &str) -> bool {
        self.session().iter().any(|line| {
            line.kind == LineKind::LoopMark && line.attribute_value() == Some(id.as_bytes())
        })
    }
}

/// `o=` (RFC 8866 §5.2), fields as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// User name.
    pub username: &'a [u8],
    /// Session id.
    pub session_id: &'a [u8],
    /// Session version.
    pub version: &'a [u8],
    /// Network and address type, such as `IN IP4`.
    pub network: &'a [u8],
    /// Address or host name.
    pub address: &'a [u8],
    /// What follows the address (nothing, by the RFC), with its leading space.
    pub rest: &'a [u8],
}

/// `c=` (RFC 8866 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The address; multicast suffixes and host names are refused.
    pub address: IpAddr,
    /// What follows the address (nothing, by the RFC), with its leading space.
    pub rest: &'a [u8],
}

/// One line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// What the rewriter does with it.
    pub(super) kind: LineKind,
    /// The whole line, `x=` included.
    pub(super) text: &'a [u8],
}

impl<'a> Line<'a> {
    /// What follows the colon of an attribute.
    pub(super) fn attribute_value(&self) -> Option<&'a [u8]> {
        text::split_once(self.text, b':').map(|(_, value)| value)
    }
    /// As [`Line::attribute_value`], of the attribute with this name alone.
    pub(super) fn named_value(&self, name: &str) -> Option<&'a [u8]> {
        let rest = self.text.strip_prefix(b"a=")?;
        let rest = rest.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b":")
    }
}

/// Lines that the rewriter treats in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    /// Copied: a line that is no attribute.
    Other,
    Origin,
    SessionName,
    Connection,
    /// Copied: an attribute without meaning to us.
    Attribute,
    Direction(Direction),
    Rtpmap,
    Fmtp,
    RtcpFb,
    Rtcp,
    RtcpMux,
    Ptime,
    Mid,
    Label,
    /// `candidate`, `ice-*`, `remote-candidates`.
    Ice,
    EndOfCandidates,
    Crypto,
    /// `setup`, `fingerprint`.
    Dtls,
    /// `group:BUNDLE` (RFC 9143).
    Bundle,
    LoopMark,
}

/// Parses a description.
///
/// Line ends may be CRLF or LF, and an empty line ends the description, as with rtpengine; so do the
/// errors agree with it. Octets that are not UTF-8 are kept as they are.
///
/// # Errors
/// See [`ParseError`]; those with [`ParseError::is_incomplete`] are about what is missing.
pub fn parse(input: &[u8]) -> Result<SessionDescription<'_>, ParseError> {
    if input.len() > SessionDescription::MAX_LEN {
        return Err(ParseError::TooLong(input.len()));
    }
    let mut out = SessionDescription {
        origin: None,
        connection: None,
        direction: None,
        lines: Vec::with_capacity(input.len() / 24 + 8),
        session_lines: 0,
        media: Vec::new(),
    };
    for (number, raw) in input.split(|&b| b == b'\n').enumerate() {
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        if line.is_empty() {
            break;
        }
        if number == 0 && line != b"v=0" {
            return Err(ParseError::Version);
        }
        add_line(&mut out, line, number + 1)?;
    }
    if out.lines.is_empty() {
        return Err(ParseError::Empty);
    }
    finish(out)
}

fn add_line<'a>(
    out: &mut SessionDescription<'a>,
    line: &'a [u8],
    number: usize,
) -> Result<(), ParseError> {
    let &[letter, b'=', ref value @ ..] = line else {
        return Err(ParseError::Line(number));
    };
    let kind = match letter {
        b'm' => return add_media(out, value, number),
        b'a' => attribute_kind(value),
        b'c' => {
            let slot = match out.media.last_mut() {
                Some(media) => &mut media.own_connection,
                None => &mut out.connection,
            };
            let connection = parse_connection(value).filter(|_| slot.is_none());
            *slot = Some(connection.ok_or(ParseError::Connection(number))?);
            LineKind::Connection
        }
        b'o' if out.media.is_empty() => {
            let origin = parse_origin(value).filter(|_| out.origin.is_none());
            out.origin = Some(origin.ok_or(ParseError::Origin(number))?);
            LineKind::Origin
        }
        b'o' => return Err(ParseError::Origin(number)),
        b's' if out.media.is_empty() => LineKind::SessionName,
        b'v' | b's' | b'i' | b'u' | b'e' | b'p' | b'b' | b't' | b'r' | b'z' | b'k' => {
            LineKind::Other
        }
        _ => return Err(ParseError::Line(number)),
    };
    if let LineKind::Direction(direction) = kind {
        let slot = match out.media.last_mut() {
            Some(media) => &mut media.own_direction,
            None => &mut out.direction,
        };
        *slot = Some(direction.over(*slot));
    }
    out.lines.push(Line { kind, text: line });
    match out.media.last_mut() {
        Some(media) => {
            media.lines.end = out.lines.len();
            media.note(kind, value);
        }
        None => out.session_lines = out.lines.len(),
    }
    Ok(())
}

fn add_media<'a>(
    out: &mut SessionDescription<'a>,
    value: &'a [u8],
    number: usize,
) -> Result<(), ParseError> {
    if out.media.len() == SessionDescription::MAX_MEDIA {
        return Err(ParseError::TooManyMedia(SessionDescription::MAX_MEDIA));
    }
    let start = out.lines.len();
    let media = MediaDescription::parse(value, start).ok_or(ParseError::Media(number))?;
    out.media.push(media);
    Ok(())
}

/// Inherits what the session level says, and checks what only the whole text shows.
fn finish(mut out: SessionDescription<'_>) -> Result<SessionDescription<'_>, ParseError> {
    for (index, media) in out.media.iter_mut().enumerate() {
        let connection = media.own_connection.or(out.connection);
        media.address = connection
            .ok_or(ParseError::NoConnection(index + 1))?
            .address;
        media.direction = media.stated_direction(out.direction);
        if media.has_zero_address() {
            media.direction = media.direction.held();
        }
        if Protocol::is_rtp(media.protocol()) && media.payload_types().any(|pt| pt.is_none()) {
            return Err(ParseError::PayloadType(index + 1));
        }
    }
    Ok(out)
}

fn parse_connection(value: &[u8]) -> Option<Connection<'_>> {
    let (family, rest) = text::split_once(value.strip_prefix(b"IN ")?, b' ')?;
    let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
    let (address, rest) = rest.split_at(end);
    Some(Connection {
        address: text::address(family, address)?,
        rest,
    })
}

fn parse_origin(value: &[u8]) -> Option<Origin<'_>> {
    let (username, rest) = text::split_once(value, b' ')?;
    let (session_id, rest) = text::split_once(rest, b' ')?;
    let (version, rest) = text::split_once(rest, b' ')?;
    let (net, after_net) = text::split_once(rest, b' ')?;
    let (kind, address) = text::split_once(after_net, b' ')?;
    let network = rest.get(..net.len() + 1 + kind.len())?;
    let end = address
        .iter()
        .position(|&b| b == b' ')
        .unwrap_or(address.len());
    let (address, rest) = address.split_at(end);
    Some(Origin {
        username,
        session_id,
        version,
        network,
        address,
        rest,
    })
}

/// What an attribute is; those whose value makes no sense are copied, as rtpengine does.
fn attribute_kind(value: &[u8]) -> LineKind {
    let (name, argument) = text::split_once(value, b':').unwrap_or((value, b""));
    match name {
        b"rtpmap" => LineKind::Rtpmap,
        b"fmtp" => LineKind::Fmtp,
        b"rtcp-fb" => LineKind::RtcpFb,
        b"sendrecv" => LineKind::Direction(Direction::SendRecv),
        b"sendonly" => LineKind::Direction(Direction::SendOnly),
        b"recvonly" => LineKind::Direction(Direction::RecvOnly),
        b"inactive" => LineKind::Direction(Direction::Inactive),
        b"rtcp" if is_rtcp(argument) => LineKind::Rtcp,
        b"rtcp-mux" => LineKind::RtcpMux,
        b"ptime" => LineKind::Ptime,
        b"mid" => LineKind::Mid,
        b"label" => LineKind::Label,
        b"candidate" if text::words(argument).count() < 8 => LineKind::Attribute,
        b"candidate" | b"ice-ufrag" | b"ice-pwd" | b"ice-options" | b"ice-lite"
        | b"ice-mismatch" | b"remote-candidates" => LineKind::Ice,
        b"end-of-candidates" => LineKind::EndOfCandidates,
        b"crypto" if text::words(argument).count() > 2 => LineKind::Crypto,
        b"fingerprint" if read_fingerprint(argument).is_some() => LineKind::Dtls,
        b"setup" => LineKind::Dtls,
        b"group" if text::words(argument).next() == Some(b"BUNDLE") => LineKind::Bundle,
        b"rtpengine" => LineKind::LoopMark,
        _ => LineKind::Attribute,
    }
}

/// An address after the port has to be literal.
fn is_rtcp(argument: &[u8]) -> bool {
    let mut words = text::words(argument).skip(1);
    match (words.next(), words.next(), words.next()) {
        (None, _, _) => true,
        (Some(b"IN"), Some(family), Some(address)) => text::address(family, address).is_some(),
        _ => false,
    }
}
