//! One `m=` section: typed access, and the summary that a call keeps.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::codec::{self, Codec};
use super::parse::{Connection, Line, LineKind, SessionDescription};
use super::text;
use crate::units::PayloadType;

/// One media section (RFC 8866 §5.14), borrowed from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription<'a> {
    media_type: &'a [u8],
    port: u16,
    port_count: u16,
    protocol: &'a [u8],
    formats: &'a [u8],
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
    /// Consecutive port pairs, 1 unless `m=` says more.
    #[must_use]
    pub const fn port_count(&self) -> u16 {
        self.port_count
    }
    /// The protocol as written.
    #[must_use]
    pub const fn protocol(&self) -> &'a [u8] {
        self.protocol
    }
    /// Formats as written.
    #[must_use]
    pub const fn formats(&self) -> &'a [u8] {
        self.formats
    }
    /// The formats as payload types; `None` for what is not one.
    pub fn payload_types(&self) -> impl Iterator<Item = Option<PayloadType>> {
        text::words(self.formats)
            .map(|word| PayloadType::new(u8::try_from(text::number(word)?).ok()?))
    }
    /// Where media goes: the section's `c=`, or else the session's.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
    /// The direction: the section's, or else the session's, or else `sendrecv`; with `c=0.0.0.0` it
    /// loses its receiving half (RFC 2543 §B.5).
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
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
    /// Held by `c=0.0.0.0` or `::`.
    #[must_use]
    pub fn has_zero_address(&self) -> bool {
        self.address.is_unspecified()
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
        let (protocol, formats) = text::split_once(rest, b' ').unwrap_or((rest, b""));
        let (number, after) = text::leading_u32(port)?;
        let port_count = match after.strip_prefix(b"/") {
            Some(count) => u16::try_from(text::number(count)?)
                .ok()
                .filter(|count| (1..=MAX_PORT_COUNT).contains(count))?,
            None => 1,
        };
        if protocol.is_empty() {
            return None;
        }
        Some(Self {
            media_type,
            port: u16::try_from(number).ok()?,
            port_count,
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
            LineKind::Mid if self.mid.is_none() => self.mid = argument(),
            LineKind::Label if self.label.is_none() => self.label = argument(),
            LineKind::Ice => self.ice = true,
            LineKind::Crypto => self.crypto = true,
            LineKind::Dtls => self.dtls = true,
            _ => {}
        }
    }
}

/// Most port pairs of one section that are accepted.
const MAX_PORT_COUNT: u16 = 32;

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

/// Who sends (RFC 8866 §6.7), from the view of the description's author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The author sends.
    SendOnly,
    /// The author receives.
    RecvOnly,
    /// Nobody sends.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// Does the author send?
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    /// Does the author receive?
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
    /// Without its receiving half.
    pub(super) const fn held(self) -> Self {
        if self.sends() {
            Direction::SendOnly
        } else {
            Direction::Inactive
        }
    }
}

/// The transport of a section, by what we do with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `RTP/AVP`.
    RtpAvp,
    /// `RTP/AVPF` (RFC 4585).
    RtpAvpf,
    /// `RTP/SAVP` (RFC 3711).
    RtpSavp,
    /// `RTP/SAVPF` (RFC 5124).
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764).
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    UdpTlsRtpSavpf,
    /// `udptl` (T.38).
    Udptl,
    /// Anything else, as written: relayed as plain UDP.
    Other(Box<[u8]>),
}

impl Protocol {
    const KNOWN: [(&'static str, Protocol); 7] = [
        ("RTP/AVP", Protocol::RtpAvp),
        ("RTP/AVPF", Protocol::RtpAvpf),
        ("RTP/SAVP", Protocol::RtpSavp),
        ("RTP/SAVPF", Protocol::RtpSavpf),
        ("UDP/TLS/RTP/SAVP", Protocol::UdpTlsRtpSavp),
        ("UDP/TLS/RTP/SAVPF", Protocol::UdpTlsRtpSavpf),
        ("udptl", Protocol::Udptl),
    ];

    /// Known names match in any case.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
            .map_or_else(|| Protocol::Other(name.into()), |(_, protocol)| protocol)
    }
    /// The name as it is written; always that of the standard for those known.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Protocol::Other(name) => name,
            known => Self::KNOWN
                .iter()
                .find(|(_, protocol)| protocol == known)
                .map_or(b"", |(name, _)| name.as_bytes()),
        }
    }
    /// Does a protocol of this name carry RTP?
    #[must_use]
    pub fn is_rtp(name: &[u8]) -> bool {
        Self::KNOWN
            .iter()
            .take(6)
            .any(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }
    /// Does it carry RTP?
    #[must_use]
    pub const fn carries_rtp(&self) -> bool {
        !matches!(self, Protocol::Udptl | Protocol::Other(_))
    }
    /// Does it carry SRTP?
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(
            self,
            Protocol::RtpSavp
                | Protocol::RtpSavpf
                | Protocol::UdpTlsRtpSavp
                | Protocol::UdpTlsRtpSavpf
        )
    }
}

/// What a call remembers of one media section. Owned; the text may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaParams {
    /// `audio`, `video`, … as written.
    pub media_type: Box<[u8]>,
    /// The transport.
    pub protocol: Protocol,
    /// Where RTP (or whatever it is) goes; `None` when rejected or held with a zero address.
    pub rtp: Option<SocketAddr>,
    /// Where RTCP goes: `a=rtcp`, or the next port (RFC 3550 §11), or with `rtcp_mux` the same.
    /// `None` where `rtp` is, and for what is not RTP.
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// Who sends.
    pub direction: Direction,
    /// Port 0.
    pub rejected: bool,
    /// The codecs, in order of preference; empty for what is not RTP.
    pub codecs: Vec<Codec>,
    /// `a=ptime`, milliseconds.
    pub ptime_ms: Option<u32>,
    /// `a=mid`.
    pub mid: Option<Box<[u8]>>,
    /// `a=label`.
    pub label: Option<Box<[u8]>>,
}

impl SessionDescription<'_> {
    /// What a call remembers of each media section, in order.
    #[must_use]
    pub fn params(&self) -> Vec<MediaParams> {
        self.media.iter().map(|media| media.params(self)).collect()
    }
}

impl<'a> MediaDescription<'a> {
    fn params(&self, of: &SessionDescription<'a>) -> MediaParams {
        let protocol = Protocol::new(self.protocol);
        let reachable = !self.is_rejected() && !self.has_zero_address();
        let rtp = reachable.then(|| SocketAddr::new(self.address, self.port));
        let rtcp =
            rtp.filter(|_| protocol.carries_rtp())
                .map(|rtp| match (self.rtcp_mux, self.rtcp) {
                    (true, _) => rtp,
                    (false, Some(own)) => {
                        SocketAddr::new(own.address.unwrap_or(rtp.ip()), own.port)
                    }
                    (false, None) => SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
                });
        MediaParams {
            media_type: self.media_type.into(),
            protocol,
            rtp,
            rtcp,
            rtcp_mux: self.rtcp_mux,
            direction: self.direction,
            rejected: self.is_rejected(),
            codecs: self.codecs(of),
            ptime_ms: self.ptime_ms,
            mid: self.mid.map(Into::into),
            label: self.label.map(Into::into),
        }
    }
}

/// Is this line one that a codec list replaces?
pub(super) const fn is_codec_line(line: &Line<'_>) -> bool {
    matches!(
        line.kind,
        LineKind::Rtpmap | LineKind::Fmtp | LineKind::RtcpFb
    )
}
