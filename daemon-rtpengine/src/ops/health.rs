//! Whether the process works (`/health`) and whether it wants new calls (`/ready`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use media_core::driver::Driver;
use media_core::session::{Limit, Sessions};

/// Answers both questions.
pub struct Health {
    driver: Arc<Driver>,
    sessions: Arc<Sessions>,
    stopping: AtomicBool,
    exceeded: Mutex<Option<Limit>>,
}

/// Why new calls are not welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The process is being stopped.
    #[error("stopping")]
    Stopping,
    /// A media thread has died.
    #[error("a media thread has died")]
    Dead,
    /// `max-sessions` is 0.
    #[error("draining: max-sessions is 0")]
    Draining,
    /// A limit is reached.
    #[error("{0}")]
    Limit(Limit),
}

impl Health {
    /// Watches these two.
    #[must_use]
    pub fn new(driver: Arc<Driver>, sessions: Arc<Sessions>) -> Self {
        Self {
            driver,
            sessions,
            stopping: AtomicBool::new(false),
            exceeded: Mutex::new(None),
        }
    }

    /// All media threads run.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.driver.is_alive()
    }

    /// New calls are welcome.
    ///
    /// # Errors
    /// [`NotReady`] says why they are not.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(NotReady::Stopping);
        }
        if !self.is_alive() {
            return Err(NotReady::Dead);
        }
        match self.sessions.max_sessions() {
            Some(0) => return Err(NotReady::Draining),
            Some(max) if self.sessions.sessions() >= u64::from(max) => {
                return Err(NotReady::Limit(Limit::Sessions));
            }
            _ => {}
        }
        if !self.sessions.has_room(Driver::now()) {
            return Err(NotReady::Limit(Limit::Load));
        }
        let exceeded = *self.exceeded.lock().unwrap_or_else(PoisonError::into_inner);
        exceeded.map_or(Ok(()), |limit| Err(NotReady::Limit(limit)))
    }

    /// From now on no new calls are welcome.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Passes a measured limit on to the sessions, and logs it when it changes.
    pub(crate) fn set_exceeded(&self, limit: Option<Limit>) {
        let mut exceeded = self.exceeded.lock().unwrap_or_else(PoisonError::into_inner);
        if *exceeded == limit {
            return;
        }
        match limit {
            Some(limit) => tracing::warn!("{limit}: new calls are refused"),
            None => tracing::info!("below all limits again: new calls are welcome"),
        }
        *exceeded = limit;
        self.sessions.set_exceeded(limit);
    }
}
