//! What the program learns without asking.

use std::time::Duration;

use super::CallReport;

/// Gets the calls' ends. Called on the thread that ends the call, with no lock held: be quick.
pub trait SessionObserver: Send + Sync {
    /// A call is over; its ports go back as the kernel lets go of them.
    fn call_ended(&self, ended: &CallEnded);
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
