//! What operators see: counters, metrics, health, logs.

pub mod calls;
pub mod dtmf_log;
pub mod health;
pub mod metrics;
pub mod requests;
pub mod statistics;
pub mod traffic;
