//! SRTP and SRTCP (RFC 3711), in place.

mod suite;

pub use suite::CryptoSuite;
