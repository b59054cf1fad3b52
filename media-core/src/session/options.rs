//! What a controller may ask of a call, in NG's vocabulary. The daemon fills these from its request.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::dtls::HashFunction;
use crate::engine::LearnMode;
use crate::media::transcode::DtmfOptions;
use crate::sdp::{CryptoAttribute, Protocol, SdpOptions};
use crate::srtp::CryptoSuite;

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
    /// `SDES`.
    pub sdes: SdesOptions,
    /// `OSRTP` with `offer`: SRTP is offered over a profile without it (RFC 8643). What is offered to us
    /// so is accepted in any case.
    pub osrtp_offer: bool,
    /// `DTLS`.
    pub dtls: Option<DtlsOption>,
    /// `DTLS-reverse` with `passive`: the sender of this offer is to begin.
    pub dtls_reverse_passive: bool,
    /// `DTLS-fingerprint`: how a receiver that has not shown one gets ours; `None`: SHA-256.
    pub dtls_fingerprint: Option<HashFunction>,
    /// `recrypt`: packets do not pass untouched even where both sides have one key.
    pub recrypt: bool,
    /// `ICE-lite`.
    pub ice_lite: Option<IceLite>,
    /// `trickle ICE`: the receiver of this offer is told that it may add candidates.
    pub trickle_ice: bool,
    /// `reject ICE`: the sender's ICE does not count.
    pub reject_ice: bool,
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
    /// `generate RTCP`: both sides get reports of ours and not each other's (`on`), or do not (`off`); `None`:
    /// as before.
    pub generate_rtcp: Option<bool>,
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
    /// `delay-buffer`: all audio of the call comes later by so many ms, at most 1000; 0: no longer.
    pub delay_buffer_ms: Option<u16>,
    /// `no-jitter-buffer`: the daemon's does not count in this call.
    pub no_jitter_buffer: bool,
    /// What concerns DTMF.
    pub dtmf: DtmfRequest,
    /// `supports` names `load limit`.
    pub supports_load_limit: bool,
    /// `new-branch`, `provisional` and other words that change nothing here are not listed.
    pub reset: bool,
}

/// `SDES` words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent words of the protocol"
)]
pub struct SdesOptions {
    /// `off`: no keys are offered in the description.
    pub off: bool,
    /// `no-…`: suites that are neither offered nor accepted.
    pub no: Vec<CryptoSuite>,
    /// `only-…`: if there are any, no others are.
    pub only: Vec<CryptoSuite>,
    /// `order:…`: these first, offering and answering.
    pub order: Vec<CryptoSuite>,
    /// `offerer_pref`: the offerer's order goes before `order`.
    pub offerer_preference: bool,
    /// `nonew`: no suites beyond those that the other side offers.
    pub no_new: bool,
    /// `static`: in an answer to a further offer, the suite of before.
    pub keep: bool,
    /// `prefer`: keys before certificates, where the offer has both.
    pub prefer: bool,
    /// `pad`: base64 ends with its `=`.
    pub pad: bool,
    /// `lifetime`: keys are said to be good for 2³¹ packets.
    pub lifetime: bool,
    /// `unencrypted_srtp` (`Some(true)`), `encrypted_srtp`.
    pub unencrypted_srtp: Option<bool>,
    /// `unencrypted_srtcp` (`Some(true)`), `encrypted_srtcp`.
    pub unencrypted_srtcp: Option<bool>,
    /// `unauthenticated_srtp` (`Some(true)`), `authenticated_srtp`.
    pub unauthenticated_srtp: Option<bool>,
}

impl SdesOptions {
    /// May the suite be used?
    pub(super) fn allows(&self, suite: CryptoSuite) -> bool {
        !self.no.contains(&suite) && (self.only.is_empty() || self.only.contains(&suite))
    }

    /// Its place in `order`; the same for all that are not in it.
    pub(super) fn rank(&self, suite: CryptoSuite) -> usize {
        let place = self.order.iter().position(|&other| other == suite);
        place.unwrap_or(self.order.len())
    }

    /// Brings an offer's lines into `order`.
    pub(super) fn sort(&self, lines: &mut [CryptoAttribute]) {
        lines.sort_by_key(|line| self.rank(line.suite));
    }

    /// An offer's line with the session parameters that are asked for.
    pub(super) fn edited(&self, mut line: CryptoAttribute) -> CryptoAttribute {
        let session = &mut line.session;
        for (to, from) in [
            (&mut session.unencrypted_srtp, self.unencrypted_srtp),
            (&mut session.unencrypted_srtcp, self.unencrypted_srtcp),
            (&mut session.unauthenticated_srtp, self.unauthenticated_srtp),
        ] {
            *to = from.unwrap_or(*to);
        }
        line
    }
}

/// `DTLS` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsOption {
    /// `off`: no certificate is offered; an offer with keys, too, is answered with keys.
    Off,
    /// `passive`: the offerer that leaves the choice to us is to begin.
    Passive,
    /// `active`: the default.
    Active,
}

/// `ICE-lite` words: towards whom we are lite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceLite {
    /// Nobody.
    Off,
    /// The receiver of an offer.
    Forward,
    /// The receiver of an answer.
    Backward,
    /// Both.
    Both,
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
    /// A profile with SRTP.
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

impl TransportProtocol {
    /// The protocol in `m=`; `None`: [`TransportProtocol::Accept`].
    #[must_use]
    pub const fn protocol(self) -> Option<Protocol> {
        Some(match self {
            TransportProtocol::RtpAvp => Protocol::RtpAvp,
            TransportProtocol::RtpAvpf => Protocol::RtpAvpf,
            TransportProtocol::Secure(SecureProfile::RtpSavp) => Protocol::RtpSavp,
            TransportProtocol::Secure(SecureProfile::RtpSavpf) => Protocol::RtpSavpf,
            TransportProtocol::Secure(SecureProfile::UdpTlsRtpSavp) => Protocol::UdpTlsRtpSavp,
            TransportProtocol::Secure(SecureProfile::UdpTlsRtpSavpf) => Protocol::UdpTlsRtpSavpf,
            TransportProtocol::Accept => return None,
        })
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
    /// The flag `all`; goes before everything else.
    pub all: bool,
    /// `to-tag`: of a selected party's flows the one to this party.
    pub to_tag: Option<String>,
    /// `to-label`: the same by label.
    pub to_label: Option<String>,
    /// `all=`.
    pub flows: Option<Flows>,
    /// `set-label`: the label that the selected party has from now on.
    pub set_label: Option<String>,
}

/// `all=`: which flows of media a command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flows {
    /// `all`: as the flag, if no party is named.
    All,
    /// `offer-answer`: those between the two sides of an offer.
    OfferAnswer,
    /// `except-offer-answer`: all others.
    ExceptOfferAnswer,
    /// `flows`: all that there are.
    Any,
}

/// What an offer or an answer asks for about the DTMF of whoever made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtmfRequest {
    /// The flag `block-DTMF`.
    pub block: bool,
    /// The flag `detect-DTMF`: digits are looked for in the audio of both sides, too.
    pub detect: bool,
    /// `DTMF-security` and what goes with it; `DTMF-delay` counts without [`DtmfRequest::block`], too.
    pub options: DtmfOptions,
    /// `DTMF-log-dest` of the call.
    pub log_dest: Option<SocketAddr>,
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
