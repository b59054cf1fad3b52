//! What the program decides once for all calls.

use std::net::IpAddr;
use std::time::Duration;

use crate::engine::LearnMode;
use crate::media::jitter::Hold;

/// Settings of [`super::Sessions`], with rtpengine's defaults.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Local addresses, in order of preference; the first one's name is the default interface.
    /// Several entries with one name give the interface several addresses (IPv4 and IPv6, say).
    /// Names `base:suffix` form a group: a request for `base` takes its members in turn.
    pub interfaces: Vec<InterfaceConfig>,
    /// Further names of interfaces: (alias, name of an entry of `interfaces`).
    pub interface_aliases: Vec<(String, String)>,
    /// When calls are given up.
    pub timeouts: TimeoutsConfig,
    /// How long a deleted call lives on, unless the request says otherwise.
    pub delete_delay: Duration,
    /// How endpoints are learned, unless the call says otherwise.
    pub endpoint_learning: LearnMode,
    /// TOS octet of the packets sent, unless the call says otherwise; `None`: the system's.
    pub tos: Option<u8>,
    /// Most calls at a time; `Some(0)` takes no new one (drain), `None` is no limit.
    pub max_sessions: Option<u32>,
    /// Endpoints come from the SDP (`true`, rtpengine's default) or from `received-from`.
    pub trust_address: bool,
    /// A changed endpoint in a re-offer keeps the port, unless the request says otherwise.
    pub port_latching: bool,
    /// An offerer that leaves the choice to us is to begin the DTLS handshake, whatever the request says.
    pub dtls_passive: bool,
    /// How often, about, we report by RTCP where `generate RTCP` asks for it.
    pub rtcp_interval: Duration,
    /// How audio is held back, unless the call says otherwise; [`Hold::Order`]: only what has to be decoded, and
    /// only to be put in order.
    pub hold: Hold,
    /// Digits of every call are told to the observer, not only of calls that ask for it.
    pub reports_digits: bool,
    /// Longest pause between two digits of a sequence that begins or ends the hiding of digits.
    pub dtmf_pause: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            interface_aliases: Vec::new(),
            timeouts: TimeoutsConfig::default(),
            delete_delay: Duration::from_secs(30),
            endpoint_learning: LearnMode::Delayed,
            tos: None,
            max_sessions: None,
            trust_address: true,
            port_latching: false,
            dtls_passive: false,
            rtcp_interval: Duration::from_secs(5),
            hold: Hold::Order,
            reports_digits: false,
            dtmf_pause: Duration::from_millis(2500),
        }
    }
}

/// One local address of a logical interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Logical name; `default` where the command line gave none.
    pub name: String,
    /// Address that sockets are bound to.
    pub address: IpAddr,
    /// Address written into descriptions in its place (`ip!advertised`), of the same family.
    pub advertised: Option<IpAddr>,
    /// Lowest port.
    pub port_min: u16,
    /// Highest port, included.
    pub port_max: u16,
}

/// When a call is given up. Zero is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutsConfig {
    /// Without a packet while media is expected (`timeout`).
    pub media: Duration,
    /// Without a packet while all media is held (`silent-timeout`).
    pub silent: Duration,
    /// Without a packet before the answer (`offer-timeout`).
    pub offer: Duration,
    /// Since the call began, whatever happens (`final-timeout`).
    pub lifetime: Duration,
}

impl Default for TimeoutsConfig {
    fn default() -> Self {
        Self {
            media: Duration::from_secs(60),
            silent: Duration::from_secs(3600),
            offer: Duration::from_secs(3600),
            lifetime: Duration::ZERO,
        }
    }
}
