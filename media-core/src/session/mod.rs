//! Calls, participants, media and streams: turns offers and answers into engine commands.
//!
//! Knows addresses and tags, never packets. Sockets come through [`crate::engine::MediaPlane`].

mod config;
mod error;
mod limits;
mod observer;
mod options;
mod report;
mod request;
mod sessions;
mod statistics;
mod verdict;

pub use config::{InterfaceConfig, SessionConfig, TimeoutsConfig};
pub use error::SessionError;
pub use limits::Limit;
pub use observer::{CallEnded, EndReason, SessionObserver};
pub use options::{DeleteOptions, Options, SecureProfile, Selector, TransportProtocol};
pub use report::{
    CallReport, MediaReport, SsrcReport, StreamReport, StreamTotals, SubscriptionReport, TagReport,
};
pub use request::{
    AnswerRequest, DeleteOutcome, DeleteRequest, OfferRequest, QueryRequest, Rewritten, Warning,
};
pub use sessions::Sessions;
pub use statistics::{
    CurrentStatistics, InterfaceStatistics, IntervalStatistics, SessionStatistics, TotalStatistics,
};
pub use verdict::Verdict;
