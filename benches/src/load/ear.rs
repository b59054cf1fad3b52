//! What a stream hears of the other party through a transcoder.
//!
//! ```text
//! said   … | 41 | 42 | 43 | …      packets of the voice, sent at known times
//! heard      … | 41 | 42 | …       numbered by timestamp, received at known times
//!          ├─────┤                 content: by how much the sound lies later on this time line
//! ```
//! What is added to a word's way is its packet's latency and that. A transcoder that counts anew, or begins a
//! packet late, changes both, and not their sum.

use std::collections::VecDeque;

use super::Media;
use super::packet::Header;
use super::voice::{HEARD_HZ, Listener, PACKET_SAMPLES, Voice};

/// Packets kept of each stream.
const KEPT: usize = 40;
/// Those whose sound is not looked at: a decoder that begins in the middle needs time.
const SETTLING: usize = 10;
/// Sound that is compared, samples: 500 ms.
const COMPARED: usize = 4000;
/// Earliest and latest place where it is looked for, samples: 100 ms too early to 420 ms late.
const EARLIEST: usize = 800;
const LATEST: usize = 3360;
const _: () = assert!((KEPT - SETTLING) * PACKET_SAMPLES >= COMPARED);

/// What a stream's last packets sound like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// By how much what is heard lies behind what was said in packets of the same number, µs.
    pub lag_us: i64,
    /// Correlation with what a party with the sender's codec would have heard, from −1000 to 1000.
    pub similarity_permille: i16,
    /// Louder than that by so many tenths of a decibel.
    pub gain_tenth_db: i16,
}

impl Content {
    /// Whether it is what was said, and about as loud. Opus for narrowband leaves 820 to 920 of the likeness,
    /// what is something else has 300 at most; one channel made two is 3 dB less in each.
    #[must_use]
    pub const fn is_faithful(&self) -> bool {
        self.similarity_permille >= 600 && self.gain_tenth_db.unsigned_abs() <= 40
    }
}

/// A header that does not follow from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// One stream's ear.
#[derive(Default)]
pub(super) struct Ear {
    /// Sequence number, timestamp and number of the newest packet.
    newest: Option<(Header, u64)>,
    /// Number and payload of the last packets, in the order of arrival.
    kept: VecDeque<(u64, Vec<u8>)>,
}

impl Ear {
    /// The number of a packet of this stream: packet times since its first. `Broken`: timestamp and sequence
    /// number do not go together, or the source is another one.
    pub(super) fn hear(
        &mut self,
        header: Header,
        payload: &[u8],
        media: &Media,
    ) -> Result<u64, Broken> {
        let number = match &self.newest {
            None => 0,
            Some((newest, number)) => {
                let steps = header.sequence.wrapping_sub(newest.sequence).cast_signed();
                let ticks = header
                    .timestamp
                    .wrapping_sub(newest.timestamp)
                    .cast_signed();
                let step = i64::from(media.ticks());
                if i64::from(ticks) != i64::from(steps) * step || header.ssrc != newest.ssrc {
                    // From here on, lest one jump is counted with every packet after it.
                    let number = number + 1;
                    self.newest = Some((header, number));
                    self.kept.clear();
                    return Err(Broken);
                }
                number.checked_add_signed(steps.into()).ok_or(Broken)?
            }
        };
        if self.newest.is_none_or(|(_, newest)| number > newest) {
            self.newest = Some((header, number));
            let mut slot = match self.kept.len() < KEPT {
                true => Vec::with_capacity(256),
                false => self.kept.pop_front().map(|kept| kept.1).unwrap_or_default(),
            };
            slot.clear();
            slot.extend_from_slice(payload);
            self.kept.push_back((number, slot));
        }
        Ok(number)
    }

    /// Looks for what was heard in what was said, `said` shifted by so many packets. `None` if too little came
    /// without a gap.
    pub(super) fn content(&self, media: &Media, said: &Voice, shift: u64) -> Option<Content> {
        let (first, _) = self.kept.front()?;
        let in_order = |(at, kept): (u64, &(u64, Vec<u8>))| kept.0 == first + at;
        if self.kept.len() < KEPT || !(0..).zip(&self.kept).all(in_order) {
            return None;
        }
        let payloads = self.kept.iter().map(|kept| kept.1.as_slice());
        let heard = Listener::new(media)?.hear(payloads);
        let heard = heard.get(SETTLING * PACKET_SAMPLES..)?.get(..COMPARED)?;
        // One loop is longer than all this, and where the voice begins does not matter in a loop.
        let loops = super::voice::LOOP_PACKETS as u64 * 2;
        let from = first + SETTLING as u64 + shift + loops - (LATEST / PACKET_SAMPLES) as u64;
        let said: Vec<f32> = said
            .heard_from(from)
            .take(LATEST + EARLIEST + COMPARED)
            .collect();
        Some(compare(heard, &said))
    }
}

/// Finds `heard` in `said`; without lag it is at [`LATEST`] there.
fn compare(heard: &[f32], said: &[f32]) -> Content {
    let loudness = energy(heard);
    let mut best = (f32::NEG_INFINITY, 0, 0.0);
    for (at, window) in said.windows(COMPARED).enumerate() {
        let there = energy(window);
        let likeness = product(heard, window) / (loudness * there).sqrt().max(f32::MIN_POSITIVE);
        if likeness > best.0 {
            best = (likeness, at, there);
        }
    }
    let (likeness, at, there) = best;
    let gain = 10.0 * (loudness / there.max(f32::MIN_POSITIVE)).max(1e-9).log10();
    let late = i64::try_from(LATEST).unwrap_or(0) - i64::try_from(at).unwrap_or(0);
    Content {
        lag_us: late * 1_000_000 / i64::from(HEARD_HZ),
        similarity_permille: whole(likeness * 1000.0),
        gain_tenth_db: whole(gain * 10.0),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(number: f32) -> i16 {
    number as i16
}

fn energy(samples: &[f32]) -> f32 {
    product(samples, samples)
}

/// Lane by lane, so that the compiler uses vectors.
fn product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u32, media: &Media) -> Header {
        Header {
            payload_type: media.payload_type,
            marker: false,
            sequence: ((65_530 + number) & 0xffff) as u16,
            timestamp: 0xffff_f000_u32.wrapping_add(number * media.ticks()),
            ssrc: 1,
        }
    }

    /// What an ear makes of packets `from..` of a voice, changed by `change`.
    fn heard(media: &Media, from: u64, change: impl Fn(u32, &mut Vec<u8>)) -> Option<Content> {
        let voice = Voice::new(media).unwrap();
        let mut ear = Ear::default();
        for number in 0..60_u32 {
            let mut payload = voice.payload(from + u64::from(number)).to_vec();
            change(number, &mut payload);
            let heard = ear.hear(header(number, media), &payload, media);
            assert_eq!(heard, Ok(number.into()));
        }
        ear.content(media, &voice, 3)
    }

    #[test]
    fn what_comes_as_it_was_said_is_faithful_and_has_no_lag() {
        for media in [Media::PCMU, Media::PCMA, Media::G722, Media::OPUS] {
            let content = heard(&media, 3, |_, _| ()).unwrap();
            assert!(content.is_faithful(), "{}: {content:?}", media.rtpmap);
            assert_eq!(content.lag_us, 0, "{}", media.rtpmap);
        }
    }

    #[test]
    fn sound_that_lies_later_or_earlier_has_that_lag() {
        assert_eq!(heard(&Media::PCMU, 1, |_, _| ()).unwrap().lag_us, 40_000);
        assert_eq!(heard(&Media::G722, 5, |_, _| ()).unwrap().lag_us, -40_000);
        let late = |number: u32, payload: &mut Vec<u8>| {
            let voice = Voice::new(&Media::PCMA).unwrap();
            let before = voice.payload(u64::from(number) + 2);
            let mut both = before[150..].to_vec();
            both.extend_from_slice(&payload[..150]);
            *payload = both;
        };
        assert_eq!(heard(&Media::PCMA, 3, late).unwrap().lag_us, 1250);
    }

    #[test]
    fn silence_noise_and_another_level_are_not_faithful() {
        let silence = heard(&Media::PCMU, 3, |_, payload| payload.fill(0xff)).unwrap();
        assert!(!silence.is_faithful(), "{silence:?}");
        let noise = heard(&Media::PCMU, 3, |number, payload| {
            for (at, byte) in (number * 160..).zip(payload) {
                *byte = at.wrapping_mul(2_654_435_761).to_be_bytes()[0];
            }
        });
        assert!(!noise.unwrap().is_faithful());
        // A segment of µ-law is 6 dB.
        let loud = heard(&Media::PCMU, 3, |_, payload| {
            payload
                .iter_mut()
                .for_each(|b| *b = (*b & 0x80) | (*b & 0x7f).saturating_sub(16));
        });
        let loud = loud.unwrap();
        assert!(!loud.is_faithful() && loud.gain_tenth_db > 40, "{loud:?}");
    }

    #[test]
    fn a_jump_is_broken_once_and_nothing_is_said_of_less_than_enough() {
        let media = &Media::G722;
        let voice = Voice::new(media).unwrap();
        let mut ear = Ear::default();
        let mut hear = |number: u32, jump: u32| {
            let mut header = header(number, media);
            header.timestamp = header.timestamp.wrapping_add(jump);
            ear.hear(header, voice.payload(number.into()), media)
        };
        assert_eq!(hear(0, 0), Ok(0));
        assert_eq!(hear(3, 0), Ok(3));
        assert_eq!(hear(2, 0), Ok(2));
        assert_eq!(hear(4, 80), Err(Broken));
        assert_eq!(hear(5, 80), Ok(5));
        assert_eq!(ear.content(media, &voice, 0), None);
    }
}
