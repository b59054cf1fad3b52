//! NG client and load generator for any media proxy that speaks NG, ours or rtpengine.
//!
//! | module | one job |
//! |---|---|
//! | [`ng`] | requests over UDP: cookies, a window of them in flight, retransmission |
//! | [`sdp`] | the few lines of SDP that a call needs |
//! | [`calls`] | offer, answer and delete many calls, and check what the daemon says |
//! | [`load`] | paced RTP both ways through those calls; checks each packet that comes back |
//! | [`secure`] | SDES, DTLS-SRTP and ICE at the generator's end |
//! | [`piece`] | one packet's transcoding, for micro-benchmarks |
//! | [`process`] | what a process used: CPU by thread, memory, descriptors, context switches |
//! | [`daemon`] | starts a daemon on chosen cores and ends it |
//! | [`host`] | cores, priorities, limits and the network namespace of the generator |
//! | [`measure`] | the experiments: load, capacity, idle, signalling rate |
//!
//! The generator refuses to judge a daemon by its own faults: when it sent late or ran out of CPU, the
//! report says so ([`measure::Generator::limited`]).
//!
//! A call's media is described in one place ([`load::Media`]). The generator's own end of SRTP, DTLS and
//! ICE is `media_core`'s: that what it says is what the RFCs say is tested there, against other stacks.

#![deny(unsafe_code)]

pub use media_core::srtp::CryptoSuite;

pub mod calls;
pub mod daemon;
pub mod host;
pub mod load;
pub mod measure;
pub mod ng;
pub mod piece;
pub mod process;
pub mod sdp;
pub mod secure;
