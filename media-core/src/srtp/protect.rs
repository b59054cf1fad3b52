//! The sending direction.

use std::fmt;

use super::layer::Layer;
use super::sources::Sources;
use super::{CryptoSuite, ProtectError, SrtpParams, rtcp_ssrc};
use crate::buf::PacketBuf;
use crate::units::{ExtSeqNo, Roc, Ssrc};
use crate::wire::rtp::RtpHeader;

/// Protects the packets of one direction under one master key.
///
/// Two contexts must never share a master key for the same SSRC: both would use the same keystream.
/// Where one replaces another, hand over [`Protector::roc`] and [`Protector::next_rtcp_index`].
pub struct Protector {
    suite: CryptoSuite,
    pub(super) sources: Sources,
    rtp: Layer,
    rtcp: Layer,
}

impl Protector {
    /// Derives the session keys.
    #[must_use]
    pub fn new(params: &SrtpParams) -> Self {
        Self {
            suite: params.suite(),
            sources: Sources::default(),
            rtp: Layer::rtp(params),
            rtcp: Layer::rtcp(params),
        }
    }

    /// The suite of its key.
    #[must_use]
    pub fn suite(&self) -> CryptoSuite {
        self.suite
    }

    /// Protects an RTP packet in place (RFC 3711 §3.3); it grows by MKI and tag.
    ///
    /// Sequence numbers may be reordered within the replay window, and wrap. A source that begins to count
    /// anew, as plain senders do, goes on behind its highest number: from then on its numbers are shifted.
    /// It is told by a jump back of 1000 numbers or more, or by two packets in a row behind the window
    /// (RFC 3550 Appendix A.1). What the other side reports by RTCP then speaks of shifted numbers.
    ///
    /// # Errors
    /// The packet is then unchanged.
    /// - [`ProtectError::Malformed`]: not an RTP packet.
    /// - [`ProtectError::NoRoom`]: no room behind it; a packet that was received always has room.
    /// - [`ProtectError::Replayed`], [`ProtectError::TooOld`]: its sequence number was used, or may have
    ///   been.
    /// - [`ProtectError::KeyExpired`]: 2^48 packets, or the rollover counter is at its end, or there are
    ///   more than [`SOURCES`](super::SOURCES) + [`OTHERS`](super::OTHERS) sources.
    pub fn protect_rtp(&mut self, packet: &mut PacketBuf) -> Result<(), ProtectError> {
        let bytes = packet.as_slice();
        let header = RtpHeader::parse(bytes).map_err(|_| ProtectError::Malformed)?;
        let header_len = header
            .header_len(bytes)
            .map_err(|_| ProtectError::Malformed)?;
        let given = header.sequence_number();
        let (index, window, shift) = self.sources.number(header.ssrc(), given)?;
        if !packet.grow(self.rtp.trailer_len()) {
            return Err(ProtectError::NoRoom);
        }
        let bytes = packet.as_mut_slice();
        if shift != 0 {
            let number = ExtSeqNo::new(index).sequence_number();
            bytes[2..4].copy_from_slice(&number.get().to_be_bytes());
        }
        self.rtp.seal_rtp(bytes, header_len, index);
        self.sources.accept_numbered(header.ssrc(), window, shift);
        Ok(())
    }

    /// Protects an RTCP datagram in place (RFC 3711 §3.4); it grows by index, MKI and tag.
    ///
    /// # Errors
    /// The packet is then unchanged.
    /// - [`ProtectError::Malformed`]: shorter than 8 bytes, or not of version 2.
    /// - [`ProtectError::NoRoom`]: no room behind it; a packet that was received always has room.
    /// - [`ProtectError::KeyExpired`]: 2^31 packets, or too many sources.
    pub fn protect_rtcp(&mut self, packet: &mut PacketBuf) -> Result<(), ProtectError> {
        let ssrc = rtcp_ssrc(packet.as_slice()).ok_or(ProtectError::Malformed)?;
        let (index, window) = self.sources.number_rtcp(ssrc)?;
        if !packet.grow(self.rtcp.rtcp_trailer_len()) {
            return Err(ProtectError::NoRoom);
        }
        self.rtcp.seal_rtcp(packet.as_mut_slice(), index);
        self.sources.accept_rtcp(ssrc, window);
        Ok(())
    }

    /// The rollover counter of a source; `None` if it has not sent.
    #[must_use]
    pub fn roc(&self, ssrc: Ssrc) -> Option<Roc> {
        self.sources.roc(ssrc)
    }

    /// Sets the rollover counter of a source's first packet, 0 otherwise; `false` and unchanged if it has
    /// sent already.
    pub fn seed_roc(&mut self, ssrc: Ssrc, roc: Roc) -> bool {
        self.sources.seed(ssrc, roc)
    }

    /// The SRTCP index of a source's next packet; `None` if it has not sent.
    #[must_use]
    pub fn next_rtcp_index(&self, ssrc: Ssrc) -> Option<u32> {
        u32::try_from(self.sources.next_rtcp(ssrc)?).ok()
    }

    /// Sets the SRTCP index of a source's first packet, 0 otherwise; `false` and unchanged if it has sent
    /// already.
    pub fn seed_rtcp_index(&mut self, ssrc: Ssrc, index: u32) -> bool {
        self.sources.seed_rtcp(ssrc, index)
    }
}

impl fmt::Debug for Protector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protector")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
