//! Linear samples and their format.

use std::fmt;

/// Samples per second and channel in Hz. Not RTP's clock rate: G.722 has 16,000 here, 8000 there
/// (RFC 3551 §4.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SampleRate(u32);

impl SampleRate {
    /// 8000 Hz, narrowband telephony.
    pub const HZ_8000: SampleRate = SampleRate(8000);
    /// 12,000 Hz, Opus's medium band.
    pub const HZ_12000: SampleRate = SampleRate(12_000);
    /// 16,000 Hz, wideband telephony.
    pub const HZ_16000: SampleRate = SampleRate(16_000);
    /// 24,000 Hz, Opus's super-wideband.
    pub const HZ_24000: SampleRate = SampleRate(24_000);
    /// 48,000 Hz, all that is heard.
    pub const HZ_48000: SampleRate = SampleRate(48_000);

    /// `None` for 0.
    #[must_use]
    pub const fn new(hz: u32) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }
    /// Hz, never 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// How samples are to be understood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PcmFormat {
    /// Per channel.
    pub sample_rate: SampleRate,
    /// 1 for mono; more are interleaved.
    pub channels: u8,
}

impl PcmFormat {
    /// One channel of 8000 Hz.
    pub const MONO_8000: PcmFormat = PcmFormat {
        sample_rate: SampleRate::HZ_8000,
        channels: 1,
    };
    /// One channel of 16,000 Hz.
    pub const MONO_16000: PcmFormat = PcmFormat {
        sample_rate: SampleRate::HZ_16000,
        channels: 1,
    };
}

impl fmt::Display for PcmFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz × {}", self.sample_rate.get(), self.channels)
    }
}

/// A run of signed 16-bit samples, interleaved by channel, and their format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pcm<'a> {
    /// Rate and channels of `samples`.
    pub format: PcmFormat,
    /// Sample by sample, and within each the channels in order.
    pub samples: &'a [i16],
}

impl<'a> Pcm<'a> {
    /// Mono samples of 8000 Hz.
    #[must_use]
    pub const fn mono_8000(samples: &'a [i16]) -> Self {
        Self {
            format: PcmFormat::MONO_8000,
            samples,
        }
    }
}
