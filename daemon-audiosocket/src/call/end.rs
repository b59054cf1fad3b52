//! Why calls end, and callers are refused.

/// Every end has one of these names, in logs, metrics and the list of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EndReason {
    /// The caller hung up: 0x00, end of file, or a reset, which Asterisk causes when data waits for it.
    CallerHungUp,
    /// The caller's connection failed, or its machine is gone.
    CallerLost,
    /// The caller does not speak AudioSocket.
    CallerProtocol,
    /// The caller sent nothing for too long.
    CallerIdle,
    /// The caller took nothing for too long.
    CallerStuck,
    /// The caller reported an error.
    CallerError,
    /// The caller did not say which call it is.
    NoUuid,
    /// The call is there already.
    DuplicateUuid,
    /// The call was not announced.
    UnknownUuid,
    /// There are as many calls, or connections without a UUID, as are allowed.
    TooManyCalls,
    /// The daemon is being stopped.
    Draining,
    /// The daemon was stopped, and the call took longer than it may.
    Stopped,
    /// Somebody deleted the call.
    Deleted,
    /// The call reached its longest life.
    MaxDuration,
    /// The bot closed its connection normally.
    BotHungUp,
    /// The bot asked for the call's end, by a message or a function call.
    BotEndedCall,
    /// The bot never came.
    NoBot,
    /// The bot was lost and did not come back.
    BotLost,
    /// A fault of ours.
    Internal,
}

impl EndReason {
    /// All of them.
    pub const ALL: [EndReason; 19] = [
        EndReason::CallerHungUp,
        EndReason::CallerLost,
        EndReason::CallerProtocol,
        EndReason::CallerIdle,
        EndReason::CallerStuck,
        EndReason::CallerError,
        EndReason::NoUuid,
        EndReason::DuplicateUuid,
        EndReason::UnknownUuid,
        EndReason::TooManyCalls,
        EndReason::Draining,
        EndReason::Stopped,
        EndReason::Deleted,
        EndReason::MaxDuration,
        EndReason::BotHungUp,
        EndReason::BotEndedCall,
        EndReason::NoBot,
        EndReason::BotLost,
        EndReason::Internal,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EndReason::CallerHungUp => "caller_hung_up",
            EndReason::CallerLost => "caller_lost",
            EndReason::CallerProtocol => "caller_protocol",
            EndReason::CallerIdle => "caller_idle",
            EndReason::CallerStuck => "caller_stuck",
            EndReason::CallerError => "caller_error",
            EndReason::NoUuid => "no_uuid",
            EndReason::DuplicateUuid => "duplicate_uuid",
            EndReason::UnknownUuid => "unknown_uuid",
            EndReason::TooManyCalls => "too_many_calls",
            EndReason::Draining => "draining",
            EndReason::Stopped => "stopped",
            EndReason::Deleted => "deleted",
            EndReason::MaxDuration => "max_duration",
            EndReason::BotHungUp => "bot_hung_up",
            EndReason::BotEndedCall => "bot_ended_call",
            EndReason::NoBot => "no_bot",
            EndReason::BotLost => "bot_lost",
            EndReason::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_reasons() {
        for (n, reason) in EndReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n, "{}", reason.name());
        }
    }
}
