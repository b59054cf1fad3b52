//! What the program learns without asking.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::CallReport;
use crate::media::transcode::Heard;

/// Gets the calls' ends. Called on the thread that ends the call, with no lock held: be quick.
pub trait SessionObserver: Send + Sync {
    /// A call is over; its ports go back as the kernel lets go of them.
    fn call_ended(&self, ended: &CallEnded);
    /// A party has dialled a digit. Told of calls that asked for it, or of all as
    /// [`super::SessionConfig::reports_digits`] says.
    fn digit_dialled(&self, _dialled: &DialledDigit) {}
}

/// A digit, as soon as it is known to have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialledDigit {
    /// `call-id`.
    pub call_id: String,
    /// Who has dialled.
    pub source_tag: String,
    /// Its label.
    pub source_label: Option<String>,
    /// All tags of the call, in order of their coming.
    pub tags: Vec<String>,
    /// When, since 1970.
    pub at: Duration,
    /// Where the dialling party's packets come from.
    pub source: Option<IpAddr>,
    /// What.
    pub digit: Heard,
    /// `DTMF-log-dest` of the call.
    pub log_dest: Option<SocketAddr>,
}

/// A call's end, with everything that a log line may want.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnded {
    /// `call-id`.
    pub call_id: String,
    /// Why it ended.
    pub reason: EndReason,
    /// From the first offer to the end of the media.
    pub duration: Duration,
    /// Its last state, with a verdict per stream.
    pub report: CallReport,
}

/// Why a call ended. Display names it as metrics do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// `delete`, after its delay.
    #[error("terminated")]
    Deleted,
    /// No packet for the media timeout.
    #[error("timeout")]
    MediaTimeout,
    /// No packet for the silent timeout, all media on hold.
    #[error("silent_timeout")]
    SilentTimeout,
    /// No answer and no packet for the offer timeout.
    #[error("offer_timeout")]
    OfferTimeout,
    /// The longest life was reached.
    #[error("final_timeout")]
    FinalTimeout,
    /// Handling one of its packets panicked.
    #[error("fault")]
    Fault,
    /// The program stops, or an operator ended the call.
    #[error("forced")]
    Forced,
}
