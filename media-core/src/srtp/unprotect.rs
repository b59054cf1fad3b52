//! The receiving direction.

use std::fmt;

use super::index::{IndexError, Window};
use super::layer::Layer;
use super::sources::Sources;
use super::{CryptoSuite, SrtpParams, UnprotectError, rtcp_ssrc};
use crate::buf::{PAYLOAD_MAX, PacketBuf, TAILROOM};
use crate::units::{ExtSeqNo, Roc, SeqNo, Ssrc};
use crate::wire::rtp::RtpHeader;

/// Authenticates and decrypts the packets of one direction under one master key.
pub struct Unprotector {
    suite: CryptoSuite,
    pub(super) sources: Sources,
    rtp: Layer,
    rtcp: Layer,
}

impl Unprotector {
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

    /// Removes SRTP protection in place (RFC 3711 §3.3) and returns the packet's index.
    ///
    /// `packet` is header ‖ ciphertext ‖ MKI ‖ tag (AEAD suites: tag before MKI, RFC 7714); on success it
    /// shrinks to header ‖ plaintext. On error its bytes are unspecified: drop it.
    ///
    /// The first packet of a source has the rollover counter of [`Unprotector::seed_roc`], 0 without; if
    /// its sequence number is in the lower half and its tag does not match, the counter may have gone up
    /// before we heard of the source (packets lost, or sent before the keys were there), so the next one
    /// is tried too.
    ///
    /// # Errors
    /// The context is then unchanged.
    /// - [`UnprotectError::TooShort`], [`UnprotectError::Malformed`]: not an SRTP packet.
    /// - [`UnprotectError::UnknownMki`]: not under our key.
    /// - [`UnprotectError::Replayed`], [`UnprotectError::TooOld`]: seen, or behind the replay window
    ///   (§3.3.2).
    /// - [`UnprotectError::BadTag`]: authentication failed.
    /// - [`UnprotectError::KeyExpired`]: 2^48 packets, or the rollover counter is at its end.
    pub fn unprotect_rtp(&mut self, packet: &mut PacketBuf) -> Result<ExtSeqNo, UnprotectError> {
        let bytes = packet.as_mut_slice();
        let header = RtpHeader::parse(bytes).map_err(|_| not_rtp(bytes))?;
        let header_len = header
            .header_len(bytes)
            .map_err(|_| UnprotectError::Malformed)?;
        self.rtp.check_rtp(bytes, header_len)?;
        let window = self.sources.rtp(header.ssrc())?;
        let seq = header.sequence_number();
        let (len, index, window) = if window.is_empty() {
            self.open_first(bytes, header_len, seq, window)?
        } else {
            let index = window.guess(seq)?;
            let window = self.replay_checked(window, index)?;
            (self.rtp.open_rtp(bytes, header_len, index)?, index, window)
        };
        packet.truncate(len);
        self.sources.accept_rtp(header.ssrc(), window);
        Ok(ExtSeqNo::new(index))
    }

    /// Removes SRTCP protection in place (RFC 3711 §3.4): the packet shrinks to its RTCP.
    ///
    /// A packet says itself whether it is encrypted (E); either is accepted, if authentic.
    ///
    /// # Errors
    /// The context is then unchanged; the packet's bytes are unspecified.
    /// - [`UnprotectError::TooShort`], [`UnprotectError::Malformed`]: not an SRTCP packet.
    /// - [`UnprotectError::UnknownMki`]: not under our key.
    /// - [`UnprotectError::Replayed`], [`UnprotectError::TooOld`]: seen, or behind the replay window.
    /// - [`UnprotectError::BadTag`]: authentication failed.
    /// - [`UnprotectError::KeyExpired`]: 2^31 packets.
    pub fn unprotect_rtcp(&mut self, packet: &mut PacketBuf) -> Result<(), UnprotectError> {
        let bytes = packet.as_mut_slice();
        let word = self.rtcp.rtcp_word(bytes)?;
        let ssrc = rtcp_ssrc(bytes).ok_or(UnprotectError::Malformed)?;
        let index = u64::from(word & (u32::MAX >> 1));
        let window = self.sources.rtcp(ssrc)?.with(index)?;
        let len = self.rtcp.open_rtcp(bytes, word)?;
        packet.truncate(len);
        self.sources.accept_rtcp(ssrc, window);
        Ok(())
    }

    /// The rollover counter of a source; `None` if nothing authentic came from it, or it was forgotten.
    #[must_use]
    pub fn roc(&self, ssrc: Ssrc) -> Option<Roc> {
        self.sources.roc(ssrc)
    }

    /// Sets the rollover counter of a source's first packet, for who joins late (RFC 3711 §3.3.1);
    /// `false` and unchanged if a packet of it was accepted already.
    pub fn seed_roc(&mut self, ssrc: Ssrc, roc: Roc) -> bool {
        self.sources.seed(ssrc, roc)
    }

    /// The first packet of a source, under the rollover counter that was set or under the next.
    #[cold]
    fn open_first(
        &self,
        bytes: &mut [u8],
        header_len: usize,
        seq: SeqNo,
        window: Window,
    ) -> Result<(usize, u64, Window), UnprotectError> {
        let index = window.guess(seq)?;
        // A failed attempt may leave the bytes changed.
        let mut before = [0; PAYLOAD_MAX + TAILROOM];
        let before = &mut before[..bytes.len()];
        before.copy_from_slice(bytes);
        let open = |bytes: &mut [u8], index| {
            let len = self.rtp.open_rtp(bytes, header_len, index)?;
            Ok((len, index, window.with(index)?))
        };
        match open(bytes, index) {
            Err(UnprotectError::BadTag) if seq.get() < 0x8000 => {
                let roc = window.roc().get().checked_add(1);
                let roc = Roc::new(roc.ok_or(UnprotectError::BadTag)?);
                bytes.copy_from_slice(before);
                open(bytes, ExtSeqNo::from_parts(roc, seq).get())
            }
            result => result,
        }
    }

    /// The window once `index` is taken. Without authentication nothing is a replay: a stranger could
    /// otherwise close the window to the true packets.
    #[inline]
    fn replay_checked(&self, window: Window, index: u64) -> Result<Window, UnprotectError> {
        match window.with(index) {
            Ok(window) => Ok(window),
            Err(IndexError::Replayed | IndexError::TooOld) if !self.rtp.authenticates() => {
                Ok(window)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Why there is no RTP header.
fn not_rtp(bytes: &[u8]) -> UnprotectError {
    if bytes.len() < crate::wire::rtp::FIXED_HEADER_LEN {
        UnprotectError::TooShort
    } else {
        UnprotectError::Malformed
    }
}

impl fmt::Debug for Unprotector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unprotector")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
