//! The summary of a section that a call keeps.

use std::net::SocketAddr;

use super::codec::Codec;
use super::crypto::CryptoAttribute;
use super::direction::Direction;
use super::dtls::{Setup, read_fingerprint};
use super::ice::{self, IceParams};
use super::media::MediaDescription;
use super::parse::{Line, LineKind, SessionDescription};
use super::protocol::Protocol;
use crate::dtls::Fingerprint;
use crate::ice::{Candidate, RemoteCandidates, has_option};

/// Most fingerprints of one section that are read.
const MAX_FINGERPRINTS: usize = 8;

/// What a call remembers of one media section. Owned; the text may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaParams {
    /// `audio`, `video`, … as written.
    pub media_type: Box<[u8]>,
    /// The transport.
    pub protocol: Protocol,
    /// Where RTP (or whatever it is) goes, as said: no destination when the port is 0 (rejected) or
    /// the address is zero (on hold).
    pub rtp: SocketAddr,
    /// Where RTCP goes unless it shares the RTP port: `a=rtcp`, or else the next port (RFC 3550
    /// §11). `None`: there is no next port.
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux`, or an `a=rtcp` that names the RTP port, which says the same.
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
    /// `a=crypto`: the lines that can be read, in order; at most [`CryptoAttribute::MAX_LINES`].
    pub crypto: Vec<CryptoAttribute>,
    /// DTLS.
    pub dtls: DtlsParams,
    /// ICE.
    pub ice: IceParams,
}

/// What a section says about DTLS, with what it inherits from the session level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtlsParams {
    /// `a=setup`; `None`: missing, or a word that is none.
    pub setup: Option<Setup>,
    /// `a=fingerprint`: those that can be read, in order; at most eight.
    pub fingerprints: Vec<Fingerprint>,
    /// `a=tls-id` (RFC 8842).
    pub tls_id: Option<Box<[u8]>>,
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
        let protocol = Protocol::new(self.protocol());
        let rtp = SocketAddr::new(self.address(), self.port());
        let rtcp = match self.rtcp() {
            Some(own) => {
                // `a=rtcp:9 IN IP4 0.0.0.0` is what browsers write.
                let address = own.address.filter(|address| !address.is_unspecified());
                Some(SocketAddr::new(address.unwrap_or(rtp.ip()), own.port))
            }
            None => {
                let next = rtp.port().checked_add(1);
                next.map(|port| SocketAddr::new(rtp.ip(), port))
            }
        };
        let on_rtp_port = protocol.carries_rtp() && rtcp == Some(rtp);
        MediaParams {
            media_type: self.media_type().into(),
            protocol,
            rtp,
            rtcp,
            rtcp_mux: self.rtcp_mux() || on_rtp_port,
            direction: self.direction(),
            rejected: self.is_rejected(),
            codecs: self.codecs(of),
            ptime_ms: self.ptime_ms(),
            mid: self.mid().map(Into::into),
            label: self.label().map(Into::into),
            crypto: crypto(of.lines_of(self)),
            dtls: dtls(of.session(), of.lines_of(self)),
            ice: ice(of.session(), of.lines_of(self)),
        }
    }
}

fn crypto(lines: &[Line<'_>]) -> Vec<CryptoAttribute> {
    lines
        .iter()
        .filter(|line| line.kind == LineKind::Crypto)
        .filter_map(|line| CryptoAttribute::parse(line.attribute_value()?).ok())
        .take(CryptoAttribute::MAX_LINES)
        .collect()
}

/// The section's own lines go before the session's.
fn dtls(session: &[Line<'_>], own: &[Line<'_>]) -> DtlsParams {
    let fingerprints = |lines: &[Line<'_>]| -> Vec<Fingerprint> {
        let readable = lines
            .iter()
            .filter_map(|line| read_fingerprint(line.named_value("fingerprint")?));
        readable.take(MAX_FINGERPRINTS).collect()
    };
    let mut all = fingerprints(own);
    if all.is_empty() {
        all = fingerprints(session);
    }
    let mut lines = own.iter().chain(session);
    DtlsParams {
        fingerprints: all,
        setup: lines
            .clone()
            .find_map(|line| line.named_value("setup"))
            .and_then(Setup::parse),
        tls_id: lines
            .find_map(|line| line.named_value("tls-id"))
            .map(Into::into),
    }
}

/// As for DTLS; candidates and options are the section's alone.
fn ice(session: &[Line<'_>], own: &[Line<'_>]) -> IceParams {
    let mut ice = IceParams {
        lite: session.iter().any(|line| line.text == b"a=ice-lite"),
        ..IceParams::default()
    };
    for line in own.iter().chain(session) {
        let value = |name: &str| line.named_value(name);
        if let Some(ufrag) = value("ice-ufrag").and_then(ice::token) {
            ice.ufrag.get_or_insert(ufrag);
        } else if let Some(pwd) = value("ice-pwd").and_then(ice::token) {
            ice.pwd.get_or_insert(pwd);
        }
    }
    for line in own {
        let value = |name: &str| line.named_value(name);
        match line.kind {
            LineKind::EndOfCandidates => ice.end_of_candidates = true,
            LineKind::Ice => {
                if ice.candidates.len() < IceParams::MAX_CANDIDATES {
                    let said = value("candidate").map(Candidate::parse);
                    ice.candidates.extend(said.and_then(Result::ok));
                }
                ice.trickle |= value("ice-options").is_some_and(|o| has_option(o, "trickle"));
                if let Some(remote) = value("remote-candidates") {
                    ice.remote_candidates = RemoteCandidates::parse(remote);
                }
            }
            _ => {}
        }
    }
    ice
}
