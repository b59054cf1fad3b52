//! The transport of a section.

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
    /// Does it have RTCP feedback (RFC 4585)?
    #[must_use]
    pub const fn has_feedback(&self) -> bool {
        matches!(
            self,
            Protocol::RtpAvpf | Protocol::RtpSavpf | Protocol::UdpTlsRtpSavpf
        )
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
