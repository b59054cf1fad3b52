//! Writing RTP packets.

use super::{
    EXTENSION_BIT, Extension, FIXED_HEADER_LEN, MAX_CSRCS, PADDING_BIT, RtpHeader, VERSION,
};
use crate::units::Ssrc;
use crate::wire::{EmitError, Writer};

/// What [`RtpBuilder::emit`] makes a packet of.
#[derive(Clone, Copy, Debug)]
pub struct RtpBuilder<'a> {
    header: RtpHeader,
    csrcs: &'a [Ssrc],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
    padding_len: u8,
}

impl<'a> RtpBuilder<'a> {
    /// A packet of a header and a payload. Of `header` only marker, payload type, sequence number,
    /// timestamp and SSRC count: the builder knows the rest.
    #[must_use]
    pub const fn new(header: RtpHeader, payload: &'a [u8]) -> Self {
        Self {
            header,
            csrcs: &[],
            extension: None,
            payload,
            padding_len: 0,
        }
    }
    /// Names contributing sources, at most [`MAX_CSRCS`].
    #[must_use]
    pub const fn csrcs(mut self, csrcs: &'a [Ssrc]) -> Self {
        self.csrcs = csrcs;
        self
    }
    /// Adds a header extension; its data fills whole 32-bit words.
    #[must_use]
    pub const fn extension(mut self, extension: Extension<'a>) -> Self {
        self.extension = Some(extension);
        self
    }
    /// Appends this many bytes of padding, the length byte included; 0 for none.
    #[must_use]
    pub const fn padding(mut self, len_bytes: u8) -> Self {
        self.padding_len = len_bytes;
        self
    }
    /// Length of the packet in bytes.
    #[must_use]
    pub fn packet_len(&self) -> usize {
        FIXED_HEADER_LEN
            + self.csrcs.len() * 4
            + self.extension.map_or(0, |e| 4 + e.data.len())
            + self.payload.len()
            + usize::from(self.padding_len)
    }

    /// Writes the packet to the front of `out` and returns its length.
    ///
    /// # Errors
    /// - [`EmitError::BufferTooSmall`]: `out` is shorter than [`RtpBuilder::packet_len`].
    /// - [`EmitError::TooMany`]: more than [`MAX_CSRCS`] contributing sources.
    /// - [`EmitError::Unaligned`], [`EmitError::TooLong`]: the extension's data.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let count = self.csrcs.len();
        let csrc_count = match u8::try_from(count) {
            Ok(n) if count <= MAX_CSRCS => n,
            _ => {
                return Err(EmitError::TooMany {
                    count,
                    max: MAX_CSRCS,
                });
            }
        };
        let mut header = self.header;
        header.flags = (VERSION << 6) | csrc_count;
        if self.padding_len != 0 {
            header.flags |= PADDING_BIT;
        }
        if self.extension.is_some() {
            header.flags |= EXTENSION_BIT;
        }

        let mut writer = Writer::new(out, self.packet_len())?;
        writer.put(&header.to_bytes());
        for csrc in self.csrcs {
            writer.put_u32(csrc.get());
        }
        if let Some(Extension { profile, data }) = self.extension {
            if !data.len().is_multiple_of(4) {
                return Err(EmitError::Unaligned(data.len()));
            }
            let words = u16::try_from(data.len() / 4).map_err(|_| EmitError::TooLong {
                len: data.len(),
                max: usize::from(u16::MAX) * 4,
            })?;
            writer.put_u16(profile);
            writer.put_u16(words);
            writer.put(data);
        }
        writer.put(self.payload);
        if let Some(zeros) = self.padding_len.checked_sub(1) {
            writer.zeros(usize::from(zeros));
            writer.put(&[self.padding_len]);
        }
        Ok(writer.written())
    }

    /// The packet in a buffer of its own, for those who may allocate.
    ///
    /// # Errors
    /// As [`RtpBuilder::emit`], but never [`EmitError::BufferTooSmall`].
    pub fn to_vec(&self) -> Result<Vec<u8>, EmitError> {
        let mut out = vec![0; self.packet_len()];
        self.emit(&mut out)?;
        Ok(out)
    }
}
