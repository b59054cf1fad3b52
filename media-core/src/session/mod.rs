//! Calls, participants, media and streams: turns offers and answers into engine commands.
//!
//! Knows addresses, tags and keys, never packets. Sockets come through [`crate::engine::MediaPlane`].

mod binding;
mod call;
mod config;
mod digits;
mod dtls;
mod entropy;
mod error;
mod hold;
mod ice;
mod identity;
mod interfaces;
mod lifecycle;
mod limits;
mod mux;
mod observer;
mod options;
mod parties;
mod placement;
mod plan;
mod ports;
mod registry;
mod report;
mod request;
mod routes;
mod sdes;
mod secure;
mod secured;
mod security;
mod sessions;
mod signal;
mod snapshot;
mod statistics;
mod tally;
mod transcode;
mod trigger;
mod verdict;

pub use config::{InterfaceConfig, SessionConfig, TimeoutsConfig};
pub use entropy::{Entropy, SystemEntropy};
pub use error::SessionError;
pub use limits::Limit;
pub use observer::{CallEnded, DialledDigit, EndReason, SessionObserver};
pub use options::{
    DeleteOptions, DtlsOption, DtmfRequest, Flows, IceLite, Options, SdesOptions, SecureProfile,
    Selector, TransportProtocol,
};
pub use plan::MediaPlan;
pub use report::{
    CallReport, MediaReport, QualityReport, RtcpReport, SsrcReport, StreamReport, StreamTotals,
    SubscriptionReport, TagReport,
};
pub use request::{
    AnswerRequest, DeleteOutcome, DeleteRequest, OfferRequest, QueryRequest, Rewritten, Warning,
};
pub use security::{
    DtlsRole, DtlsSettings, Ice, IceSettings, SdesKeys, Security, SecurityFault, is_same_protection,
};
pub use sessions::Sessions;
pub use statistics::{
    CurrentStatistics, InterfaceStatistics, IntervalStatistics, SessionStatistics, TotalStatistics,
};
pub use trigger::{DigitSequence, DtmfTrigger};
pub use verdict::Verdict;

#[cfg(test)]
mod tests;
