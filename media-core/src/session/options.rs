//! What a controller may ask of a call, in NG's vocabulary. The daemon fills these from its request.

use std::net::IpAddr;
use std::time::Duration;

use crate::engine::LearnMode;
use crate::sdp::SdpOptions;

/// Options of one offer or answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent flags of the protocol"
)]
pub struct Options {
    /// What concerns the text alone.
    pub sdp: SdpOptions,
    /// `transport-protocol`.
    pub transport_protocol: Option<TransportProtocol>,
    /// `direction`: logical interfaces towards the sender and the receiver of this description.
    pub direction: [Option<String>; 2],
    /// `interface`/`from-interface`: logical interface towards the sender alone.
    pub from_interface: Option<String>,
    /// `to-interface`.
    pub to_interface: Option<String>,
    /// `address family`: family towards the receiver; `true` is IPv6.
    pub address_family_v6: Option<bool>,
    /// `media address`: written in place of our own.
    pub media_address: Option<IpAddr>,
    /// `received from`: where the signalling came from.
    pub received_from: Option<IpAddr>,
    /// `trust-address` (`Some(true)`), `SIP-source-address` (`Some(false)`); `None`: the default.
    pub trust_address: Option<bool>,
    /// `asymmetric`: never learn the sender's endpoint.
    pub asymmetric: bool,
    /// `strict-source`.
    pub strict_source: bool,
    /// `media-handover`.
    pub media_handover: bool,
    /// `port-latching` (`Some(true)`), `no-port-latching` (`Some(false)`).
    pub port_latching: Option<bool>,
    /// `unidirectional`: noted in reports; packets pass each way in any case.
    pub unidirectional: bool,
    /// `pierce-NAT`.
    pub pierce_nat: bool,
    /// `endpoint-learning` of this call; `None`: the daemon's.
    pub endpoint_learning: Option<LearnMode>,
    /// `TOS`: `Some(None)` keeps the system's.
    pub tos: Option<Option<u8>>,
    /// `label`.
    pub label: Option<String>,
    /// `set-label`.
    pub set_label: Option<String>,
    /// `metadata`.
    pub metadata: Option<String>,
    /// `delete delay` of this call.
    pub delete_delay: Option<Duration>,
    /// `supports` names `load limit`.
    pub supports_load_limit: bool,
    /// `new-branch`, `provisional` and other words that change nothing here are not listed.
    pub reset: bool,
}

/// `transport-protocol` towards the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportProtocol {
    /// `RTP/AVP`.
    RtpAvp,
    /// `RTP/AVPF`.
    RtpAvpf,
    /// `accept`: as the answerer has it.
    Accept,
    /// `RTP/SAVP`, `UDP/TLS/RTP/SAVPF` and what else has no plain-RTP meaning, by its name.
    Secure(SecureProfile),
}

/// Profiles with SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureProfile {
    /// `RTP/SAVP`.
    RtpSavp,
    /// `RTP/SAVPF`.
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP`.
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    UdpTlsRtpSavpf,
}

impl SecureProfile {
    /// The name in `m=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SecureProfile::RtpSavp => "RTP/SAVP",
            SecureProfile::RtpSavpf => "RTP/SAVPF",
            SecureProfile::UdpTlsRtpSavp => "UDP/TLS/RTP/SAVP",
            SecureProfile::UdpTlsRtpSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }
}

/// Which participants a command means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `from-tag`.
    pub from_tag: Option<String>,
    /// `address`.
    pub address: Option<IpAddr>,
    /// `label`.
    pub label: Option<String>,
    /// `all`.
    pub all: bool,
}

/// Options of `delete`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// `delete delay`; `None`: the daemon's.
    pub delete_delay: Option<Duration>,
    /// `fatal`: a miss is an error, not a warning.
    pub fatal: bool,
    /// `to-tag` of the request is to be honoured.
    pub match_to_tag: bool,
}
