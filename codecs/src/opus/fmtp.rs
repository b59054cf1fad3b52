//! What `a=fmtp` says of Opus (RFC 7587 §6.1).

use crate::fmtp::{Fmtp, number};

/// The parameters, as whoever writes them states them of itself. None is ever binding for a decoder, which
/// takes whatever packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpusParameters {
    /// `maxplaybackrate`: it renders no more than this, Hz.
    pub max_playback_rate_hz: Option<u32>,
    /// `sprop-maxcapturerate`: it records no more than this, Hz.
    pub sprop_max_capture_rate_hz: Option<u32>,
    /// `maxaveragebitrate`: it wants no more than this on average, bits per second. 6000–510,000; others
    /// count as the nearer end.
    pub max_average_bitrate_bps: Option<u32>,
    /// `stereo`: it prefers two channels.
    pub stereo: bool,
    /// `sprop-stereo`: it is likely to send two channels.
    pub sprop_stereo: bool,
    /// `cbr`: it wants packets of one size.
    pub cbr: bool,
    /// `useinbandfec`: it makes use of forward error correction.
    pub use_inband_fec: bool,
    /// `usedtx`: it wants nothing in silence.
    pub use_dtx: bool,
    /// `minptime`: it wants no shorter packets, ms. 3–120; others count as absent.
    pub min_ptime_ms: Option<u32>,
    /// `maxptime`, which belongs into an attribute of its own (RFC 8866 §6.4) but is seen here, ms. 3–120;
    /// others count as absent.
    pub max_ptime_ms: Option<u32>,
}

impl OpusParameters {
    /// Reads the text behind the payload type. Unknown parameters and values that are no number count as
    /// absent; the last of a name counts.
    #[must_use]
    pub fn parse(fmtp: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in Fmtp::new(fmtp).iter() {
            if let Some(value) = number(value) {
                parameters.set(name, value);
            }
        }
        parameters
    }

    fn set(&mut self, name: &str, value: u32) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let ptime = (3..=120).contains(&value).then_some(value);
        if is("maxplaybackrate") {
            self.max_playback_rate_hz = Some(value);
        } else if is("sprop-maxcapturerate") {
            self.sprop_max_capture_rate_hz = Some(value);
        } else if is("maxaveragebitrate") {
            self.max_average_bitrate_bps = Some(value.clamp(6000, 510_000));
        } else if is("stereo") {
            self.stereo = value == 1;
        } else if is("sprop-stereo") {
            self.sprop_stereo = value == 1;
        } else if is("cbr") {
            self.cbr = value == 1;
        } else if is("useinbandfec") {
            self.use_inband_fec = value == 1;
        } else if is("usedtx") {
            self.use_dtx = value == 1;
        } else if is("minptime") {
            self.min_ptime_ms = ptime;
        } else if is("maxptime") {
            self.max_ptime_ms = ptime;
        }
    }

    /// The length of a packet nearest to `wanted_ms` that is neither too short nor too long for it. Where
    /// the two contradict each other, the longest allowed wins.
    #[must_use]
    pub fn ptime_ms(&self, wanted_ms: u32) -> u32 {
        wanted_ms
            .max(self.min_ptime_ms.unwrap_or(0))
            .min(self.max_ptime_ms.unwrap_or(120))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7587_examples_are_read() {
        let parameters = OpusParameters::parse(
            "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; \
             useinbandfec=1; usedtx=0",
        );
        let expected = OpusParameters {
            max_playback_rate_hz: Some(16_000),
            sprop_max_capture_rate_hz: Some(16_000),
            max_average_bitrate_bps: Some(20_000),
            stereo: true,
            use_inband_fec: true,
            ..OpusParameters::default()
        };
        assert_eq!(parameters, expected);
        let chromium = OpusParameters::parse("minptime=10;useinbandfec=1");
        assert_eq!(chromium.min_ptime_ms, Some(10));
        assert!(chromium.use_inband_fec && !chromium.stereo);
    }

    #[test]
    fn rubbish_counts_as_absent() {
        let rubbish = "cbr;stereo=2;usedtx=yes;minptime=1;maxptime=500;maxplaybackrate=-8000;;=1";
        assert_eq!(OpusParameters::parse(rubbish), OpusParameters::default());
        let greedy = OpusParameters::parse("maxaveragebitrate=4000000000");
        assert_eq!(greedy.max_average_bitrate_bps, Some(510_000));
        let stingy = OpusParameters::parse("maxaveragebitrate=1");
        assert_eq!(stingy.max_average_bitrate_bps, Some(6000));
    }

    #[test]
    fn packet_lengths_are_bounded_by_both() {
        let both = OpusParameters::parse("minptime=10;maxptime=40");
        assert_eq!([5, 20, 60].map(|ms| both.ptime_ms(ms)), [10, 20, 40]);
        let contradiction = OpusParameters::parse("minptime=60;maxptime=20");
        assert_eq!(contradiction.ptime_ms(10), 20);
        assert_eq!(OpusParameters::default().ptime_ms(200), 120);
    }
}
