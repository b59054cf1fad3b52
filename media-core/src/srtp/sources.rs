//! The sources of a context: per SSRC, what was taken of its indices.

use super::index::{IndexError, Window};
use crate::units::{Roc, Ssrc};

/// Sources that a context keeps apart.
pub const SOURCES: usize = 8;

/// SRTP packets under one master key (RFC 3711 §9.2).
const MAX_RTP_PACKETS: u64 = 1 << 48;
/// SRTCP packets under one master key; their index has 31 bits (RFC 3711 §3.4, §9.2).
pub(super) const MAX_RTCP_PACKETS: u64 = 1 << 31;

/// What a source has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Source {
    rtp: Window,
    rtcp: Window,
    /// Packets that the context had accepted when it accepted this source's last.
    last_used: u64,
}

/// A table of [`SOURCES`] places, filled from the front.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Sources {
    ssrcs: [Ssrc; SOURCES],
    used: usize,
    rtp_packets: u64,
    rtcp_packets: u64,
    sources: [Source; SOURCES],
}

impl Sources {
    /// The SRTP window of a source; an empty one if it is not known.
    #[inline]
    pub(super) fn rtp(&self, ssrc: Ssrc) -> Result<Window, IndexError> {
        if self.rtp_packets >= MAX_RTP_PACKETS {
            return Err(IndexError::Exhausted);
        }
        Ok(self.find(ssrc).map_or(Window::default(), |s| s.rtp))
    }

    /// The SRTCP window of a source; an empty one if it is not known.
    #[inline]
    pub(super) fn rtcp(&self, ssrc: Ssrc) -> Result<Window, IndexError> {
        if self.rtcp_packets >= MAX_RTCP_PACKETS {
            return Err(IndexError::Exhausted);
        }
        Ok(self.find(ssrc).map_or(Window::default(), |s| s.rtcp))
    }

    /// Takes note of an SRTP packet: its source's window is now `window`.
    #[inline]
    pub(super) fn accept_rtp(&mut self, ssrc: Ssrc, window: Window) {
        self.rtp_packets += 1;
        self.touch(ssrc).rtp = window;
    }

    /// Takes note of an SRTCP packet: its source's window is now `window`.
    #[inline]
    pub(super) fn accept_rtcp(&mut self, ssrc: Ssrc, window: Window) {
        self.rtcp_packets += 1;
        self.touch(ssrc).rtcp = window;
    }

    /// Sets the rollover counter that a source begins with; `false` if it has begun.
    pub(super) fn seed(&mut self, ssrc: Ssrc, roc: Roc) -> bool {
        if self.find(ssrc).is_some_and(|s| !s.rtp.is_empty()) {
            return false;
        }
        self.touch(ssrc).rtp = Window::starting_from(u64::from(roc.get()) << 16);
        true
    }

    /// Sets the SRTCP index that a source begins with; `false` if it has begun.
    pub(super) fn seed_rtcp(&mut self, ssrc: Ssrc, index: u32) -> bool {
        if self.find(ssrc).is_some_and(|s| !s.rtcp.is_empty()) {
            return false;
        }
        self.touch(ssrc).rtcp = Window::starting_from(index.into());
        true
    }

    /// The rollover counter of a source; `None` if it is not known.
    pub(super) fn roc(&self, ssrc: Ssrc) -> Option<Roc> {
        self.find(ssrc).map(|s| s.rtp.roc())
    }

    /// The SRTCP index that follows a source's last; `None` if it is not known.
    pub(super) fn next_rtcp(&self, ssrc: Ssrc) -> Option<u64> {
        self.find(ssrc).map(|s| s.rtcp.next())
    }

    #[inline]
    fn find(&self, ssrc: Ssrc) -> Option<&Source> {
        self.place(ssrc).map(|place| &self.sources[place])
    }

    /// Almost every context has one source only, so the first place is looked at first.
    #[inline]
    fn place(&self, ssrc: Ssrc) -> Option<usize> {
        if self.used > 0 && self.ssrcs[0] == ssrc {
            return Some(0);
        }
        self.ssrcs[..self.used].iter().position(|s| *s == ssrc)
    }

    /// A source's place, made if it has none, marked as used just now.
    #[inline]
    fn touch(&mut self, ssrc: Ssrc) -> &mut Source {
        let place = self.place(ssrc);
        let place = place.unwrap_or_else(|| self.make_place(ssrc));
        let source = &mut self.sources[place];
        source.last_used = self.rtp_packets + self.rtcp_packets;
        source
    }

    #[cold]
    fn make_place(&mut self, ssrc: Ssrc) -> usize {
        let place = if self.used < SOURCES {
            self.used += 1;
            self.used - 1
        } else {
            let places = self.sources.iter().enumerate();
            let stalest = places.min_by_key(|(_, source)| source.last_used);
            stalest.map_or(0, |(place, _)| place)
        };
        self.ssrcs[place] = ssrc;
        self.sources[place] = Source::default();
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(sources: &mut Sources, ssrc: u32, index: u64) {
        let ssrc = Ssrc::new(ssrc);
        let window = sources.rtp(ssrc).unwrap().with(index).unwrap();
        sources.accept_rtp(ssrc, window);
    }

    #[test]
    fn stalest_source_makes_room() {
        let mut sources = Sources::default();
        for ssrc in 0..8 {
            accept(&mut sources, ssrc, 1 << 16);
        }
        // 0 is fresh again, so 1 is the stalest.
        accept(&mut sources, 0, 1 << 16 | 1);
        accept(&mut sources, 100, 2 << 16);
        assert_eq!(sources.roc(Ssrc::new(1)), None);
        for ssrc in [0, 2, 3, 4, 5, 6, 7] {
            assert_eq!(sources.roc(Ssrc::new(ssrc)), Some(Roc::new(1)), "{ssrc}");
        }
        assert_eq!(sources.roc(Ssrc::new(100)), Some(Roc::new(2)));
    }

    #[test]
    fn key_expires_after_as_many_packets_as_rfc3711_allows() {
        let ssrc = Ssrc::new(1);
        let mut sources = Sources {
            rtp_packets: (1 << 48) - 1,
            rtcp_packets: (1 << 31) - 1,
            ..Sources::default()
        };
        let window = sources.rtp(ssrc).unwrap().with(5).unwrap();
        sources.accept_rtp(ssrc, window);
        assert_eq!(sources.rtp(ssrc), Err(IndexError::Exhausted));
        let window = sources.rtcp(ssrc).unwrap().with(5).unwrap();
        sources.accept_rtcp(ssrc, window);
        assert_eq!(sources.rtcp(ssrc), Err(IndexError::Exhausted));
    }

    #[test]
    fn seeds_are_for_sources_that_have_not_begun() {
        let ssrc = Ssrc::new(1);
        let mut sources = Sources::default();
        assert!(sources.seed(ssrc, Roc::new(3)) && sources.seed(ssrc, Roc::new(2)));
        assert_eq!(sources.roc(ssrc), Some(Roc::new(2)));
        accept(&mut sources, 1, 2 << 16 | 5);
        assert!(!sources.seed(ssrc, Roc::new(9)));
        assert_eq!(sources.roc(ssrc), Some(Roc::new(2)));
        assert!(sources.seed_rtcp(ssrc, 4));
        assert_eq!(sources.next_rtcp(ssrc), Some(4));
    }
}
