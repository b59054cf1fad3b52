//! ICE agents against each other, in virtual time: no sockets, no sleeping.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod failures;
mod limits;
mod net;
mod pairs;
mod secrets;
