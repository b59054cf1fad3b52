//! G.711 to G.711 without samples: each code has one code of the other law.
//!
//! What the decoder would have heard is kept as codes, and given to it when it is needed after all: so what it
//! invents for lost packets is the same as if it had decoded every packet.

use codecs::Decoder;
use codecs::g711::translation;

use super::CodecUse;

/// Codes kept: three packets of 20 ms, and more than the 49 ms that a [`codecs::plc::Concealer`] looks back.
const KEPT: usize = 480;

/// The table, and what the decoder has not heard yet.
pub(super) struct Direct {
    table: &'static [u8; 256],
    kept: [u8; KEPT],
    /// Where the next code goes.
    at: usize,
    /// Codes that the decoder has not heard, those that have been overwritten left out.
    unheard: usize,
}

impl Direct {
    /// `None` unless both are laws of G.711.
    pub(super) fn new(from: &CodecUse, to: &CodecUse) -> Option<Self> {
        let table = translation(from.codec.name, to.codec.name)?;
        Some(Self {
            table,
            kept: [0; KEPT],
            at: 0,
            unheard: 0,
        })
    }

    /// Translates a payload in place.
    pub(super) fn translate(&mut self, payload: &mut [u8]) {
        let last = &payload[payload.len().saturating_sub(KEPT)..];
        let (front, back) = last.split_at(last.len().min(KEPT - self.at));
        self.kept[self.at..][..front.len()].copy_from_slice(front);
        self.kept[..back.len()].copy_from_slice(back);
        self.at = (self.at + last.len()) % KEPT;
        self.unheard = (self.unheard + last.len()).min(KEPT);
        for code in payload {
            *code = self.table[usize::from(*code)];
        }
    }

    /// Lets the decoder hear what it has not.
    #[cold]
    pub(super) fn catch_up(&mut self, decoder: &mut dyn Decoder) {
        let from = (self.at + KEPT - self.unheard) % KEPT;
        let mut samples = [0; KEPT];
        let front = self.unheard.min(KEPT - from);
        for codes in [
            &self.kept[from..from + front],
            &self.kept[..self.unheard - front],
        ] {
            // Any number of codes can be decoded, and there is room.
            let _ = decoder.decode(codes, &mut samples);
        }
        self.unheard = 0;
    }

    /// Reads where the next codes will go.
    #[inline]
    pub(super) fn warm(&self) -> usize {
        let far = (self.at + 64) % KEPT;
        usize::from(self.kept[self.at % KEPT] ^ self.kept[far])
    }

    /// Whether the decoder has heard everything.
    pub(super) const fn is_heard(&self) -> bool {
        self.unheard == 0
    }
}
