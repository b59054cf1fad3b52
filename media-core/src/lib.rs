//! A media plane to embed: RTP switching, one pinned thread per core, on io_uring or epoll.
//!
//! # Map, lowest layer first
//!
//! A module imports from its own layer or below, never from above (`tests/layers.rs` checks it).
//!
//! | layer | module | one job |
//! |---|---|---|
//! | 0 | [`units`] | numbers that must not be mixed up |
//! | 1 | [`wire`] | views of packets: RTP, RTCP, STUN, demultiplexing. No state |
//! | 1 | [`buf`] | packet slots and their single owner. No syscalls |
//! | 2 | [`srtp`] | SRTP and SRTCP in place: suites, keys, replay |
//! | 2 | [`ice`] | the agent that finds, and keeps, a way to the peer |
//! | 3 | [`dtls`] | DTLS-SRTP: handshakes that end in SRTP keys |
//! | 3 | [`media`] | per-SSRC statistics; order and codec of packets |
//! | 3 | [`voice`] | samples between a caller and a talking program: clock, buffers |
//! | 4 | [`sdp`] | parse, rewrite and write session descriptions |
//! | 4 | [`engine`] | one shard's brain: datagrams in, datagrams out, no I/O |
//! | 5 | [`driver`] | sockets and threads: io_uring and epoll with one contract |
//! | 5 | [`session`] | calls, participants, media: turns offers into engine commands |
//!
//! `driver` and `session` never name each other: both know [`engine::MediaPlane`], and the program
//! joins them. See `examples/relay.rs` for the smallest such program.
#![deny(unsafe_code)]

pub mod buf;
#[cfg(feature = "driver")]
pub mod driver;
pub mod dtls;
pub mod engine;
pub mod ice;
pub mod media;
pub mod sdp;
pub mod session;
pub mod srtp;
#[cfg(feature = "testing")]
pub mod testing;
pub mod units;
pub mod voice;
pub mod wire;
