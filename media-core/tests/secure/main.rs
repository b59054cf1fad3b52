//! Protected calls through the engine, in virtual time: SDES, DTLS and ICE as the engine sees them.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod addresses;
mod bench;
mod dtls;
mod ice;
mod rollover;
mod sdes;
