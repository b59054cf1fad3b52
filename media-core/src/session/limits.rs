//! Which limit, if any, keeps new calls out.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// A limit that new calls ran into. Display is the NG text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// `max-sessions`.
    #[error("Parallel session limit reached")]
    Sessions,
    /// `max-cpu`.
    #[error("CPU usage limit exceeded")]
    Cpu,
    /// `max-load`.
    #[error("Load limit exceeded")]
    Load,
    /// `max-bandwidth`.
    #[error("Bandwidth limit exceeded")]
    Bandwidth,
}

/// Limits as they stand; changed at run time by the program, which measures.
#[derive(Debug)]
pub(super) struct Limits {
    /// [`Limits::UNLIMITED`]: none.
    max_sessions: AtomicU32,
    /// 0: none; else the discriminant of the limit that is exceeded, plus 1.
    exceeded: AtomicU8,
}

impl Limits {
    const UNLIMITED: u32 = u32::MAX;

    pub(super) fn new(max_sessions: Option<u32>) -> Self {
        Self {
            max_sessions: AtomicU32::new(max_sessions.unwrap_or(Self::UNLIMITED)),
            exceeded: AtomicU8::new(0),
        }
    }

    pub(super) fn set_max_sessions(&self, max: Option<u32>) {
        self.max_sessions
            .store(max.unwrap_or(Self::UNLIMITED), Ordering::Relaxed);
    }

    pub(super) fn max_sessions(&self) -> Option<u32> {
        let max = self.max_sessions.load(Ordering::Relaxed);
        (max != Self::UNLIMITED).then_some(max)
    }

    pub(super) fn set_exceeded(&self, limit: Option<Limit>) {
        let code = match limit {
            None => 0,
            Some(Limit::Sessions) => 1,
            Some(Limit::Cpu) => 2,
            Some(Limit::Load) => 3,
            Some(Limit::Bandwidth) => 4,
        };
        self.exceeded.store(code, Ordering::Relaxed);
    }

    /// The limit that refuses a new call when `sessions` are there already.
    pub(super) fn refusal(&self, sessions: u64) -> Option<Limit> {
        if self
            .max_sessions()
            .is_some_and(|max| sessions >= u64::from(max))
        {
            return Some(Limit::Sessions);
        }
        match self.exceeded.load(Ordering::Relaxed) {
            1 => Some(Limit::Sessions),
            2 => Some(Limit::Cpu),
            3 => Some(Limit::Load),
            4 => Some(Limit::Bandwidth),
            _ => None,
        }
    }
}
