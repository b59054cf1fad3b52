//! The sources of a context: per SSRC, what was taken of its indices, and under what numbers it is sent.

use super::index::{IndexError, Window};
use crate::units::{ExtSeqNo, Roc, SeqNo, Ssrc};

/// Sources that a context finds at once.
pub const SOURCES: usize = 8;
/// Sources that it remembers besides, should they come back. An announcement with an SSRC of its own every 30 s
/// takes eight hours to fill them.
pub const OTHERS: usize = 1024;

/// A sequence number that is so far behind is of a source that has restarted. One that is behind the window
/// but nearer may be late: only the second in a row tells (RFC 3550 Appendix A.1).
const RESTART: u16 = 1000;

/// SRTP packets under one master key (RFC 3711 §9.2).
const MAX_RTP_PACKETS: u64 = 1 << 48;
/// The last index that there is: rollover counter and sequence number at their ends.
const MAX_INDEX: u64 = (1 << 48) - 1;
/// SRTCP packets under one master key; their index has 31 bits (RFC 3711 §3.4, §9.2).
const MAX_RTCP_PACKETS: u64 = 1 << 31;

/// What a source has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Source {
    rtp: Window,
    rtcp: Window,
    /// Packets that the context had accepted when it accepted this source's last.
    last_used: u64,
    /// What is added to its sequence numbers where we send it: 0 until it restarts.
    shift: u16,
    /// The sequence number that would show that it has restarted.
    restart: Option<SeqNo>,
}

/// A table of [`SOURCES`] places, filled from the front, and those who had to leave theirs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Sources {
    ssrcs: [Ssrc; SOURCES],
    used: usize,
    rtp_packets: u64,
    rtcp_packets: u64,
    sources: [Source; SOURCES],
    /// Most recent last; nobody leaves who sends.
    others: Vec<(Ssrc, Source)>,
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

    /// What an outgoing packet is to become: its index, the window once that is taken, and what is to be
    /// added to its sequence number.
    #[inline]
    pub(super) fn number(
        &mut self,
        ssrc: Ssrc,
        sequence_number: SeqNo,
    ) -> Result<(u64, Window, u16), IndexError> {
        if self.rtp_packets >= MAX_RTP_PACKETS {
            return Err(IndexError::Exhausted);
        }
        let (window, shift) = match self.find(ssrc) {
            Some(source) => (source.rtp, source.shift),
            None if self.is_full() => return Err(IndexError::Exhausted),
            None => (Window::default(), 0),
        };
        let index = window.guess(shifted(sequence_number, shift));
        match index.and_then(|index| Ok((index, window.with(index)?, shift))) {
            Err(IndexError::TooOld) => self.restart(ssrc, window, sequence_number, shift),
            result => result,
        }
    }

    /// A packet from behind the window: late, or of a source that counts anew. The latter goes on behind the
    /// highest index, as none may be used twice.
    #[cold]
    fn restart(
        &mut self,
        ssrc: Ssrc,
        window: Window,
        sequence_number: SeqNo,
        shift: u16,
    ) -> Result<(u64, Window, u16), IndexError> {
        let next = window.next();
        let next_number = ExtSeqNo::new(next).sequence_number().get();
        let behind = next_number.wrapping_sub(shifted(sequence_number, shift).get());
        let source = self.touch(ssrc);
        if behind < RESTART && source.restart != Some(sequence_number) {
            source.restart = Some(shifted(sequence_number, 1));
            return Err(IndexError::TooOld);
        }
        if next > MAX_INDEX {
            return Err(IndexError::Exhausted);
        }
        let shift = next_number.wrapping_sub(sequence_number.get());
        Ok((next, window.with(next)?, shift))
    }

    /// The index of an outgoing SRTCP packet, and the window once that is taken.
    #[inline]
    pub(super) fn number_rtcp(&self, ssrc: Ssrc) -> Result<(u32, Window), IndexError> {
        if self.is_full() && self.find(ssrc).is_none() {
            return Err(IndexError::Exhausted);
        }
        let window = self.rtcp(ssrc)?;
        match u32::try_from(window.next()) {
            Ok(index) if u64::from(index) < MAX_RTCP_PACKETS => {
                Ok((index, window.with(index.into())?))
            }
            _ => Err(IndexError::Exhausted),
        }
    }

    /// Nobody else can be remembered, so nobody new may send: whoever is forgotten could use its indices
    /// again.
    fn is_full(&self) -> bool {
        self.others.len() >= OTHERS
    }

    /// Takes note of an outgoing SRTP packet.
    #[inline]
    pub(super) fn accept_numbered(&mut self, ssrc: Ssrc, window: Window, shift: u16) {
        self.rtp_packets += 1;
        let source = self.touch(ssrc);
        source.rtp = window;
        source.shift = shift;
        source.restart = None;
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
        match self.place(ssrc) {
            Some(place) => Some(&self.sources[place]),
            None => self.other(ssrc).map(|at| &self.others[at].1),
        }
    }

    #[cold]
    fn other(&self, ssrc: Ssrc) -> Option<usize> {
        self.others.iter().rposition(|(other, _)| *other == ssrc)
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
        let source = self.other(ssrc).map(|at| self.others.remove(at).1);
        let place = if self.used < SOURCES {
            self.used += 1;
            self.used - 1
        } else {
            let places = self.sources.iter().enumerate();
            let stalest = places.min_by_key(|(_, source)| source.last_used);
            let place = stalest.map_or(0, |(place, _)| place);
            if self.others.len() == OTHERS {
                self.others.remove(0);
            }
            self.others.push((self.ssrcs[place], self.sources[place]));
            place
        };
        self.ssrcs[place] = ssrc;
        self.sources[place] = source.unwrap_or_default();
        place
    }
}

fn shifted(sequence_number: SeqNo, by: u16) -> SeqNo {
    SeqNo::new(sequence_number.get().wrapping_add(by))
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
    fn stalest_source_makes_room_and_is_remembered() {
        let mut sources = Sources::default();
        for ssrc in 0..8 {
            accept(&mut sources, ssrc, 1 << 16);
        }
        // 0 is fresh again, so 1 is the stalest.
        accept(&mut sources, 0, 1 << 16 | 1);
        accept(&mut sources, 100, 2 << 16);
        assert_eq!(sources.place(Ssrc::new(1)), None);
        for ssrc in 0..8 {
            assert_eq!(sources.roc(Ssrc::new(ssrc)), Some(Roc::new(1)), "{ssrc}");
        }
        assert_eq!(sources.roc(Ssrc::new(100)), Some(Roc::new(2)));
        let window = sources.rtp(Ssrc::new(1)).unwrap();
        assert_eq!(window.with(1 << 16), Err(IndexError::Replayed));
        accept(&mut sources, 1, 1 << 16 | 1);
        assert_eq!(sources.place(Ssrc::new(2)), None);
        assert_eq!(sources.others.len(), 1);
    }

    #[test]
    fn whoever_sends_is_never_forgotten() {
        let mut sources = Sources::default();
        for n in 0..2000 {
            let result = sources.number(Ssrc::new(n), SeqNo::new(7));
            if usize::try_from(n).unwrap() < SOURCES + OTHERS {
                let (_, window, shift) = result.unwrap();
                sources.accept_numbered(Ssrc::new(n), window, shift);
            } else {
                assert_eq!(result, Err(IndexError::Exhausted));
            }
        }
        for n in 0..1000 {
            let again = sources.number(Ssrc::new(n), SeqNo::new(7));
            assert_eq!(again, Err(IndexError::Replayed));
            let (index, window, _) = sources.number(Ssrc::new(n), SeqNo::new(8)).unwrap();
            assert_eq!(index, 8);
            sources.accept_numbered(Ssrc::new(n), window, 0);
        }
        // Whoever is received may be forgotten: the longest silent first.
        let silent = sources.others[0].0;
        accept(&mut sources, 3000, 5);
        assert_eq!(sources.roc(silent), None);
        assert_eq!(sources.others.len(), OTHERS);
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
