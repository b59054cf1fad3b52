//! One `m=` section: typed access to what it says.

use std::net::IpAddr;
use std::ops::Range;

use super::codec::{self, Codec};
use super::direction::Direction;
use super::parse::{Connection, Line, LineKind, SessionDescription};
use super::protocol::Protocol;
use super::text;
use crate::ice::has_option;
use crate::units::PayloadType;

/// One media section (RFC 8866 §5.14), borrowed from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription<'a> {
    /// What follows `m=`.
    value: &'a [u8],
    media_type: &'a [u8],
    port: u16,
    protocol: &'a [u8],
    /// `None` when `m=` ends with the protocol.
    formats: Option<&'a [u8]>,
    pub(super) own_connection: Option<Connection<'a>>,
    pub(super) address: IpAddr,
    pub(super) own_direction: Option<Direction>,
    pub(super) direction: Direction,
    rtcp: Option<RtcpAddress>,
    rtcp_mux: bool,
    ptime_ms: Option<u32>,
    mid: Option<&'a [u8]>,
    label: Option<&'a [u8]>,
    ice: bool,
    trickle: bool,
    crypto: bool,
    dtls: bool,
    /// Its lines below `m=` in [`SessionDescription::lines`].
    pub(super) lines: Range<usize>,
}

/// `a=rtcp` (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpAddress {
    /// The port.
    pub port: u16,
    /// The address; `None`: that of the section.
    pub address: Option<IpAddr>,
}

impl<'a> MediaDescription<'a> {
    pub(super) const fn value(&self) -> &'a [u8] {
        self.value
    }
    /// Is it left to the parties to talk without us, as messages are (MSRP, RFC 4975, is TCP)?
    #[must_use]
    pub fn goes_direct(&self) -> bool {
        self.media_type == b"message"
    }
    /// `audio`, `video`, `image`, … as written.
    #[must_use]
    pub const fn media_type(&self) -> &'a [u8] {
        self.media_type
    }
    /// The port in `m=`; 0: the section is rejected.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
    /// The protocol as written.
    #[must_use]
    pub const fn protocol(&self) -> &'a [u8] {
        self.protocol
    }
    /// Formats as written.
    #[must_use]
    pub fn formats(&self) -> &'a [u8] {
        self.formats.unwrap_or_default()
    }
    /// Does the protocol in `m=` end with a space, formats or not?
    pub(super) const fn has_format_space(&self) -> bool {
        self.formats.is_some()
    }
    /// The formats as payload types; `None` for what is not one.
    pub fn payload_types(&self) -> impl Iterator<Item = Option<PayloadType>> {
        text::words(self.formats())
            .map(|word| PayloadType::new(u8::try_from(text::number(word)?).ok()?))
    }
    /// Where media goes: the section's `c=`, or else the session's.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
    /// The direction: the section's, or else the session's, or else `sendrecv`. Of several, there or
    /// here, `recvonly` counts before `sendonly` before `inactive`. With `c=0.0.0.0` it loses its
    /// receiving half (RFC 2543 §B.5).
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }
    /// What the lines say, whatever the address; `session` is the session's.
    pub(super) fn stated_direction(&self, session: Option<Direction>) -> Direction {
        self.own_direction
            .map_or(session, |own| Some(own.over(session)))
            .unwrap_or_default()
    }
    pub(super) const fn set_address(&mut self, address: IpAddr) {
        self.address = address;
        if let Some(rtcp) = &mut self.rtcp {
            rtcp.address = None;
        }
    }
    /// `a=rtcp`.
    #[must_use]
    pub const fn rtcp(&self) -> Option<RtcpAddress> {
        self.rtcp
    }
    /// `a=rtcp-mux` (RFC 5761).
    #[must_use]
    pub const fn rtcp_mux(&self) -> bool {
        self.rtcp_mux
    }
    /// `a=ptime` in milliseconds, never 0.
    #[must_use]
    pub const fn ptime_ms(&self) -> Option<u32> {
        self.ptime_ms
    }
    /// `a=mid` (RFC 5888).
    #[must_use]
    pub const fn mid(&self) -> Option<&'a [u8]> {
        self.mid
    }
    /// `a=label` (RFC 4574).
    #[must_use]
    pub const fn label(&self) -> Option<&'a [u8]> {
        self.label
    }
    /// Does the section itself carry ICE attributes?
    #[must_use]
    pub const fn has_ice(&self) -> bool {
        self.ice
    }
    /// Is there `a=crypto` (RFC 4568)?
    #[must_use]
    pub const fn has_crypto(&self) -> bool {
        self.crypto
    }
    /// Is there `a=setup` or `a=fingerprint` (RFC 8122)?
    #[must_use]
    pub const fn has_dtls(&self) -> bool {
        self.dtls
    }
    /// Port 0 (RFC 3264 §6).
    #[must_use]
    pub const fn is_rejected(&self) -> bool {
        self.port == 0
    }
    /// The `m=` line that rejects the section (RFC 3264 §6), without its end.
    #[must_use]
    pub fn rejection(&self) -> Box<[u8]> {
        let formats = [b" ", self.formats()].concat();
        let formats = if self.formats.is_some() {
            formats
        } else {
            Vec::new()
        };
        [b"m=", self.media_type, b" 0 ", self.protocol, &formats]
            .concat()
            .into()
    }
    /// Held by `c=0.0.0.0` or `::`. With trickle ICE such an address only says that there is none yet
    /// (RFC 8840 §4.1.1).
    #[must_use]
    pub fn has_zero_address(&self) -> bool {
        self.address.is_unspecified() && !self.trickle
    }
    /// The codecs of an RTP section, in the order of `m=`; empty for any other protocol.
    #[must_use]
    pub fn codecs(&self, of: &SessionDescription<'a>) -> Vec<Codec> {
        if Protocol::is_rtp(self.protocol) {
            codec::collect(self.payload_types().flatten(), of.lines_of(self))
        } else {
            Vec::new()
        }
    }

    /// Reads what follows `m=`.
    pub(super) fn parse(value: &'a [u8], first_line: usize) -> Option<Self> {
        let (media_type, rest) = text::split_once(value, b' ')?;
        let rest = rest.trim_ascii_start();
        let (port, rest) = text::split_once(rest, b' ')?;
        let rest = rest.trim_ascii_start();
        let (protocol, formats) = match text::split_once(rest, b' ') {
            Some((protocol, formats)) => (protocol, Some(formats)),
            None => (rest, None),
        };
        let (number, after) = text::leading_u32(port)?;
        // Read for its errors alone: one pair is all that a section gets.
        let well_formed = after.strip_prefix(b"/").is_none_or(|count| {
            text::number(count).is_some_and(|count| (1..=MAX_PORT_COUNT).contains(&count))
        });
        if protocol.is_empty() || !well_formed {
            return None;
        }
        Some(Self {
            value,
            media_type,
            port: u16::try_from(number).ok()?,
            protocol,
            formats,
            own_connection: None,
            address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            own_direction: None,
            direction: Direction::SendRecv,
            rtcp: None,
            rtcp_mux: false,
            ptime_ms: None,
            mid: None,
            label: None,
            ice: false,
            trickle: false,
            crypto: false,
            dtls: false,
            lines: first_line..first_line,
        })
    }

    /// Remembers what a line below `m=` says; the first of its kind counts.
    pub(super) fn note(&mut self, kind: LineKind, value: &'a [u8]) {
        let argument = || text::split_once(value, b':').map(|(_, argument)| argument);
        match kind {
            LineKind::Rtcp if self.rtcp.is_none() => self.rtcp = argument().and_then(parse_rtcp),
            LineKind::RtcpMux => self.rtcp_mux = true,
            LineKind::Ptime if self.ptime_ms.is_none() => {
                self.ptime_ms = argument().and_then(text::number).filter(|&ms| ms > 0);
            }
            LineKind::Mid if self.mid.is_none() => {
                self.mid = argument().filter(|mid| !mid.is_empty());
            }
            LineKind::Label if self.label.is_none() => self.label = argument(),
            LineKind::Ice => {
                self.ice = true;
                let options = value.strip_prefix(b"ice-options:");
                self.trickle |= options.is_some_and(|said| has_option(said, "trickle"));
            }
            LineKind::Crypto => self.crypto = true,
            LineKind::Dtls => self.dtls = true,
            _ => {}
        }
    }
}

/// Most port pairs of one section that are accepted: rtpengine's own limit.
const MAX_PORT_COUNT: u32 = 10;

fn parse_rtcp(value: &[u8]) -> Option<RtcpAddress> {
    let (port, rest) = text::leading_u32(value)?;
    let mut words = text::words(rest);
    let address = match (words.next(), words.next(), words.next()) {
        (Some(b"IN"), Some(family), Some(address)) => text::address(family, address),
        _ => None,
    };
    let port = u16::try_from(port).ok().filter(|&port| port != 0)?;
    Some(RtcpAddress { port, address })
}

/// Is this line one that a codec list replaces?
pub(super) const fn is_codec_line(line: &Line<'_>) -> bool {
    matches!(
        line.kind,
        LineKind::Rtpmap | LineKind::Fmtp | LineKind::RtcpFb
    )
}
