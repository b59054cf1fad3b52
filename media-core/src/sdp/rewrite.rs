//! From a parsed description, and what we put in its place, to the text for the other side.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::codec::{self, Codec};
use super::error::RewriteError;
use super::local::LocalSecurity;
use super::media::MediaDescription;
use super::options::{Edits, IceOption, RtcpAttribute, SdpOptions};
use super::parse::{Line, LineKind, Origin, SessionDescription};
use super::protocol::Protocol;
use super::sent::SentDescription;
use super::text;
use crate::ice::{Candidate, CandidateType};

/// What we put into one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMedia<'a> {
    /// The address in `c=`.
    pub address: IpAddr,
    /// The port in `m=`; 0 rejects the section.
    pub port: u16,
    /// How RTCP is announced; not looked at where there is no RTP.
    pub rtcp: LocalRtcp,
    /// The protocol in `m=`.
    pub protocol: &'a Protocol,
    /// The codecs shown, in a rejected section too; not looked at where there is no RTP.
    pub codecs: &'a [Codec],
    /// `a=ptime` in milliseconds.
    pub ptime_ms: Option<u32>,
    /// `a=mid`: in an offer that of the description (or else, with `generate_mid`, a
    /// [`generated_mid`]), in an answer that of the offer.
    pub mid: Option<&'a [u8]>,
    /// Keys, certificate and ICE.
    pub security: LocalSecurity<'a>,
}

/// One section of the description to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section<'a> {
    /// The next section of the description read, with ours in it.
    Shown(LocalMedia<'a>),
    /// The next section of the description read is not written (`sdp-media-remove`).
    LeftOut,
    /// A section that only the listener knows, with this [`MediaDescription::rejection`].
    Rejected(&'a [u8]),
}

/// How RTCP is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRtcp {
    /// The port in `a=rtcp`; the RTP port when RTCP shares it.
    pub port: u16,
    /// `a=rtcp-mux`, whether on the same port or with a fall-back port.
    pub mux: bool,
}

impl LocalRtcp {
    /// Is there nothing to fall back to?
    const fn shares(self, rtp_port: u16) -> bool {
        self.mux && self.port == rtp_port
    }
}

/// The `a=mid` of the section with this number, counted from 1, where `generate_mid` asks for one and
/// the offer has none. A call keeps it for the section's later offers; answers get none.
#[must_use]
pub fn generated_mid(number: usize) -> Box<[u8]> {
    number.to_string().into_bytes().into()
}

/// Writes the description for the other side.
///
/// `address` is ours, for the session level. `sections` has one entry for each section of
/// `description`, in order, and those that it lacks in their places. `loop_id` is our instance's
/// mark for `loop-protect`. `sent` belongs to the party that wrote the description and lives as long
/// as the party.
///
/// # Errors
/// - [`RewriteError::NoMedia`]: there is no section.
/// - [`RewriteError::SectionCount`]: `sections` does not match.
pub fn rewrite(
    description: &SessionDescription<'_>,
    options: &SdpOptions,
    address: IpAddr,
    sections: &[Section<'_>],
    loop_id: &str,
    sent: &mut SentDescription,
) -> Result<Vec<u8>, RewriteError> {
    let wanted = description.media.len();
    if wanted == 0 {
        return Err(RewriteError::NoMedia);
    }
    let is_read = |section: &&Section<'_>| !matches!(section, Section::Rejected(_));
    let given = sections.iter().filter(is_read).count();
    if given != wanted {
        return Err(RewriteError::SectionCount { given, wanted });
    }
    let mut writer = Writer {
        out: Vec::with_capacity(1024 + 256 * sections.len()),
        options,
    };
    let ice_lite = sections.iter().any(|section| match section {
        Section::Shown(local) => local.port != 0 && local.security.ice.is_some_and(|ice| ice.lite),
        _ => false,
    });
    let passes = sections.iter().any(|section| match section {
        Section::Shown(local) => local.security.passthrough,
        _ => false,
    });
    let version_at = writer.session(description, address, passes, loop_id, sent);
    if ice_lite {
        writer.line(b"a=ice-lite");
    }
    writer.add(0, writer.session_edits());
    let mut read = description.media.iter();
    for section in sections {
        match section {
            Section::Rejected(line) => writer.rejected(line, description, address),
            Section::LeftOut => drop(read.next()),
            Section::Shown(local) => {
                if let Some(media) = read.next() {
                    writer.media(description, media, local);
                }
            }
        }
    }
    let mut out = writer.out;
    if let Some(at) = version_at.filter(|_| options.replace.counts_version()) {
        let version = sent.count_version(&out, options.replace.force_increment_sdp_version);
        out.splice(at..at, version.to_string().into_bytes());
    }
    Ok(out)
}

pub(super) struct Writer<'o> {
    out: Vec<u8>,
    options: &'o SdpOptions,
}

impl<'o> Writer<'o> {
    /// The edits of the session level, if there are any.
    fn session_edits(&self) -> Option<&'o Edits> {
        Some(&self.options.attributes.session).filter(|edits| !edits.is_empty())
    }
    /// Are addresses and ports to stay what they were (`ICE=force-relay`)?
    const fn keeps_addresses(&self) -> bool {
        matches!(self.options.ice, IceOption::ForceRelay)
    }
    fn put(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }
    /// A line that `write` writes, without its end.
    pub(super) fn attribute_with(
        &mut self,
        edits: Option<&Edits>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.out.len();
        write(&mut self.out);
        self.put(b"\r\n");
        self.edit_written(start, edits);
    }
    fn line(&mut self, line: &[u8]) {
        self.put(line);
        self.put(b"\r\n");
    }
    fn line_fmt(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(line);
        self.put(b"\r\n");
    }
    /// An attribute, unless an edit of this section takes it out.
    fn attribute(&mut self, line: &[u8], edits: Option<&Edits>) {
        let Some(edits) = edits else {
            return self.line(line);
        };
        let value = line.get(2..).unwrap_or_default();
        let substitute = edits
            .substitute
            .iter()
            .find(|(from, _)| from.as_bytes() == value);
        if let Some((_, to)) = substitute {
            self.put(b"a=");
            self.line(to.as_bytes());
        } else if !edits.remove.iter().any(|word| removes(word, value)) {
            self.line(line);
        }
    }
    /// As [`Writer::attribute`], for a line just written from `start` on.
    fn edit_written(&mut self, start: usize, edits: Option<&Edits>) {
        if edits.is_some() {
            let end = self.out.len().saturating_sub(2);
            let line = self.out.get(start..end).unwrap_or_default().to_vec();
            self.out.truncate(start);
            self.attribute(&line, edits);
        }
    }
    pub(super) fn attribute_fmt(&mut self, line: std::fmt::Arguments<'_>, edits: Option<&Edits>) {
        let start = self.out.len();
        self.line_fmt(line);
        self.edit_written(start, edits);
    }
    /// What is there already, in what was written from `start` on, is not written again.
    fn add(&mut self, start: usize, edits: Option<&Edits>) {
        for attribute in edits.iter().flat_map(|edits| &edits.add) {
            let line = [b"a=", attribute.as_bytes()].concat();
            let written = self.out.get(start..).unwrap_or_default();
            if !written
                .split(|&b| b == b'\n')
                .any(|l| l.trim_ascii_end() == line)
            {
                self.line(&line);
            }
        }
    }

    /// The session level. Returns where the version belongs if we count it.
    fn session(
        &mut self,
        description: &SessionDescription<'_>,
        address: IpAddr,
        passes: bool,
        loop_id: &str,
        sent: &mut SentDescription,
    ) -> Option<usize> {
        let edits = self.session_edits();
        let mut version_at = None;
        for line in description.session() {
            match line.kind {
                LineKind::Origin => {
                    if let Some(origin) = description.origin() {
                        version_at = Some(self.origin(origin, address, sent));
                    }
                }
                LineKind::SessionName => {
                    let name = sent.first_session_name(line.text);
                    if self.options.replace.session_name {
                        self.out.extend_from_slice(name);
                        self.put(b"\r\n");
                    } else {
                        self.line(line.text);
                    }
                }
                LineKind::Connection => self.session_connection(description, address, line.text),
                LineKind::Direction(_) if !self.options.original_sendrecv => {}
                LineKind::Ice | LineKind::Dtls | LineKind::Bundle if !passes => {}
                LineKind::Other => self.line(line.text),
                _ => self.attribute(line.text, edits),
            }
        }
        if self.options.loop_protect {
            self.line_fmt(format_args!("a=rtpengine:{loop_id}"));
        }
        version_at
    }

    fn origin(
        &mut self,
        origin: &Origin<'_>,
        address: IpAddr,
        sent: &mut SentDescription,
    ) -> usize {
        let replace = self.options.replace;
        let username = sent.first_username(origin);
        self.out.extend_from_slice(b"o=");
        if replace.username || replace.origin_full {
            self.out.extend_from_slice(username);
        } else {
            self.out.extend_from_slice(origin.username);
        }
        self.put(b" ");
        self.put(origin.session_id);
        self.put(b" ");
        let version_at = self.out.len();
        if !replace.counts_version() {
            self.put(origin.version);
        }
        self.put(b" ");
        if (replace.origin || replace.origin_full) && !self.keeps_addresses() {
            self.connection_value(address);
        } else {
            self.put(origin.network);
            self.put(b" ");
            self.put(origin.address);
        }
        self.line(origin.rest);
        version_at
    }

    fn connection_value(&mut self, address: IpAddr) {
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, "IN {} {address}", text::family_name(address));
    }

    /// Replaced only if a section relies on it, or by wish.
    fn session_connection(
        &mut self,
        description: &SessionDescription<'_>,
        address: IpAddr,
        line: &[u8],
    ) {
        let inherited = self.options.replace.session_connection
            || description.media.iter().any(|m| m.own_connection.is_none());
        let inherited = inherited && !self.keeps_addresses();
        match (description.connection, description.media.first()) {
            (Some(connection), Some(media)) if inherited => {
                self.connection(media, address, connection.rest);
            }
            _ => self.line(line),
        }
    }

    /// Ours, or still zero if it was and is not to be replaced.
    fn connection(&mut self, media: &MediaDescription<'_>, address: IpAddr, rest: &[u8]) {
        self.put(b"c=");
        // With ICE it says nothing: candidates do.
        let held = media.has_zero_address() && !media.has_ice();
        if held && !self.options.replace.zero_address {
            self.connection_value(zero_of(address));
        } else {
            self.connection_value(address);
        }
        self.line(rest);
    }

    fn media(
        &mut self,
        description: &SessionDescription<'_>,
        media: &MediaDescription<'_>,
        local: &LocalMedia<'_>,
    ) {
        if media.goes_direct() {
            return self.untouched(description, media);
        }
        let attributes = &self.options.attributes;
        let edits = match media.media_type() {
            b"audio" => Some(&attributes.audio),
            b"video" => Some(&attributes.video),
            _ => None,
        }
        .filter(|edits| !edits.is_empty());
        let rejected = local.port == 0;
        let rtp = local.protocol.carries_rtp();
        let show_codecs = rtp && !local.codecs.is_empty();
        let keeps = self.keeps_addresses();
        let passes = local.security.passthrough;
        let mut end_of_candidates = false;
        let start = self.out.len();
        self.media_line(media, local);
        for line in description.lines_of(media) {
            match line.kind {
                LineKind::Connection if !keeps => {
                    if let Some(connection) = media.own_connection {
                        self.connection(media, local.address, connection.rest);
                    }
                }
                LineKind::Direction(_) if !self.options.original_sendrecv => {}
                LineKind::Rtpmap | LineKind::Fmtp | LineKind::RtcpFb
                    if show_codecs && codec::is_understood(line) => {}
                LineKind::Ptime if media.ptime_ms().is_some() => {}
                LineKind::EndOfCandidates => end_of_candidates = true,
                LineKind::Rtcp | LineKind::RtcpMux if !keeps => {}
                LineKind::Ice | LineKind::Dtls | LineKind::Crypto if !passes => {}
                // Media is to come through us, not through other relays.
                LineKind::Ice if keeps && is_relay(line) => {}
                LineKind::Mid => {}
                LineKind::Other | LineKind::Connection => self.line(line.text),
                _ => self.attribute(line.text, edits),
            }
        }
        self.mid(local, edits);
        if !rejected {
            if show_codecs {
                self.codecs(local.codecs, edits);
            }
            if !self.options.original_sendrecv {
                self.attribute_fmt(format_args!("a={}", media.direction().name()), edits);
            }
            if rtp && (!keeps || local.rtcp.shares(local.port)) {
                self.rtcp(local, edits);
            }
            self.keys(&local.security, edits);
            if let Some(ptime) = local.ptime_ms.filter(|_| rtp) {
                self.attribute_fmt(format_args!("a=ptime:{ptime}"), edits);
            }
            if let Some(ice) = &local.security.ice {
                self.ice(ice, edits);
                end_of_candidates |= ice.trickle;
            }
        }
        if end_of_candidates {
            // rtpengine keeps it, without candidates too.
            self.attribute(b"a=end-of-candidates", edits);
        }
        self.add(start, edits);
    }

    /// As written, with the address that it meant.
    fn untouched(&mut self, description: &SessionDescription<'_>, media: &MediaDescription<'_>) {
        self.put(b"m=");
        self.line(media.value());
        let mut lines = description.lines_of(media);
        while let Some((title, rest)) = lines.split_first()
            && title.text.starts_with(b"i=")
        {
            self.line(title.text);
            lines = rest;
        }
        if media.own_connection.is_none() {
            self.put(b"c=");
            self.connection_value(media.address());
            self.put(b"\r\n");
        }
        for line in lines {
            self.line(line.text);
        }
    }

    fn rejected(&mut self, line: &[u8], description: &SessionDescription<'_>, address: IpAddr) {
        self.line(line);
        if description.connection.is_none() {
            // Each section needs one then (RFC 8866 §5.7).
            self.put(b"c=");
            self.connection_value(address);
            self.put(b"\r\n");
        }
    }

    fn media_line(&mut self, media: &MediaDescription<'_>, local: &LocalMedia<'_>) {
        self.put(b"m=");
        self.put(media.media_type());
        let (port, protocol) = if self.keeps_addresses() {
            (media.port(), media.protocol())
        } else {
            (local.port, local.protocol.name())
        };
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, " {port} ");
        self.put(protocol);
        if local.protocol.carries_rtp() {
            if local.codecs.is_empty() && media.has_format_space() {
                self.put(b" ");
            }
            for codec in local.codecs {
                let _ = write!(self.out, " {}", codec.payload_type.get());
            }
        } else {
            for format in text::words(media.formats()) {
                self.put(b" ");
                self.put(format);
            }
        }
        self.put(b"\r\n");
    }

    fn mid(&mut self, local: &LocalMedia<'_>, edits: Option<&Edits>) {
        if let Some(mid) = local.mid {
            let start = self.out.len();
            self.put(b"a=mid:");
            self.line(mid);
            self.edit_written(start, edits);
        }
    }

    fn codecs(&mut self, codecs: &[Codec], edits: Option<&Edits>) {
        for codec in codecs {
            let number = codec.payload_type.get();
            let start = self.out.len();
            // Writing to a Vec cannot fail.
            let _ = write!(self.out, "a=rtpmap:{number} ");
            codec.write_encoding(&mut self.out);
            self.put(b"\r\n");
            self.edit_written(start, edits);
            let fmtp = codec.fmtp.iter().map(|value| ("fmtp", value));
            let feedback = codec.feedback.iter().map(|value| ("rtcp-fb", value));
            for (name, value) in fmtp.chain(feedback) {
                let start = self.out.len();
                let _ = write!(self.out, "a={name}:{number} ");
                self.line(value);
                self.edit_written(start, edits);
            }
        }
    }

    fn rtcp(&mut self, local: &LocalMedia<'_>, edits: Option<&Edits>) {
        let port = local.rtcp.port;
        let address = local.address;
        match self.options.rtcp_attribute {
            RtcpAttribute::Omit => {}
            RtcpAttribute::PortOnly => self.attribute_fmt(format_args!("a=rtcp:{port}"), edits),
            RtcpAttribute::Full => {
                let family = text::family_name(address);
                self.attribute_fmt(format_args!("a=rtcp:{port} IN {family} {address}"), edits);
            }
        }
        if local.rtcp.mux {
            self.attribute_fmt(format_args!("a=rtcp-mux"), edits);
        }
    }
}

fn is_relay(line: &Line<'_>) -> bool {
    let candidate = line.named_value("candidate").map(Candidate::parse);
    candidate.is_some_and(|said| said.is_ok_and(|said| said.typ == CandidateType::Relayed))
}

/// The zero address of the same family.
const fn zero_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// A name alone, or with its colon, removes the attribute whatever its value.
fn removes(word: &str, attribute: &[u8]) -> bool {
    let rest = attribute.strip_prefix(word.as_bytes());
    rest.is_some_and(|rest| {
        let name = word.ends_with(':') || (rest.starts_with(b":") && !word.contains(':'));
        rest.is_empty() || name
    })
}
