//! The summary of a section that a call keeps.

use std::net::SocketAddr;

use super::codec::Codec;
use super::direction::Direction;
use super::media::MediaDescription;
use super::parse::SessionDescription;
use super::protocol::Protocol;

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
        }
    }
}
