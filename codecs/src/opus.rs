//! Opus (RFC 6716, RFC 7587) by libopus, at the rate and with the channels that whatever is at the other end
//! of the transcoder can carry: a call between Opus and G.711 encodes and decodes at 8000 Hz, for a third of
//! the time that 48,000 Hz take and without a resampler. Packets sound at any rate, whichever they were
//! made at.
//!
//! No multistream (RFC 7845 §5.1.1), no deep learning parts of libopus (DRED, OSCE). State is allocated by
//! `new` and never after.

mod fmtp;
mod packet;

use ::opus::{
    Application, Bitrate, Channels, Decoder as LibDecoder, Encoder as LibEncoder, ErrorCode,
};

use super::registry::Settings;
use super::{CodecError, Decoder, Encoder, Pcm, PcmFormat, SampleRate};

pub use fmtp::OpusParameters;
pub use packet::{OpusMode, OpusPacket};

/// Lengths of the packets that [`OpusEncoder`] makes, µs.
pub(crate) const PACKET_LENGTHS_US: [u32; 9] = [
    2500, 5000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 120_000,
];

/// Rates that Opus works at, ascending.
const RATES: [SampleRate; 5] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_12000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

/// Samples of one channel in the longest packet: 120 ms of 48,000 Hz.
const MAX_PACKET_SAMPLES: usize = 5760;
/// Samples in 2.5 ms of two channels of 48,000 Hz.
const MAX_STEP: usize = 240;
/// Longer than any packet that RTP can carry.
const MAX_PAYLOAD: usize = 65_535;

/// Opus as an [`Encoder`].
#[derive(Debug)]
pub struct OpusEncoder {
    library: LibEncoder,
    format: PcmFormat,
    look_ahead: usize,
    bitrate_bps: u32,
    dtx: bool,
}

impl OpusEncoder {
    /// For a receiver that says `settings.fmtp` of itself.
    ///
    /// * Rate: [`Settings::sample_rate`], 48,000 Hz if it is absent, and no more than `maxplaybackrate`.
    /// * Two channels if it says `stereo=1` and [`Settings::channels`] is not 1.
    /// * Bitrate: [`Settings::bitrate_bps`], else 28,000 b/s at 8000 Hz up to 40,000 b/s at 48,000 Hz; no
    ///   more than `maxaveragebitrate`.
    /// * Complexity: [`Settings::complexity`], else 3 at 8000 Hz up to 8 at 48,000 Hz.
    /// * Variable within bounds unless `cbr=1`; packets left out in silence if `usedtx=1`; forward error
    ///   correction if `useinbandfec=1`, as soon as [`Encoder::expect_loss`] tells of losses.
    ///
    /// # Errors
    /// [`CodecError::Library`] if there is no memory.
    pub fn new(settings: &Settings<'_>) -> Result<Self, CodecError> {
        let receiver = OpusParameters::parse(settings.fmtp);
        let wanted = rate_from(settings.sample_rate.map(SampleRate::get));
        let rendered = rate_from(receiver.max_playback_rate_hz);
        let format = PcmFormat {
            sample_rate: wanted.min(rendered),
            channels: channels_from(receiver.stereo, settings.channels),
        };
        let bitrate_bps = settings
            .bitrate_bps
            .unwrap_or_else(|| default_bitrate_bps(format))
            .min(receiver.max_average_bitrate_bps.unwrap_or(u32::MAX))
            .clamp(6000, 510_000);
        let complexity = settings
            .complexity
            .unwrap_or_else(|| default_complexity(format.sample_rate, bitrate_bps))
            .min(10);
        let mut library = LibEncoder::new(
            format.sample_rate.get(),
            library_channels(format),
            Application::Voip,
        )
        .map_err(library_error)?;
        let bits = Bitrate::Bits(i32::try_from(bitrate_bps).unwrap_or(i32::MAX));
        library.set_bitrate(bits).map_err(library_error)?;
        library
            .set_complexity(i32::from(complexity))
            .map_err(library_error)?;
        library.set_vbr(!receiver.cbr).map_err(library_error)?;
        library
            .set_inband_fec(receiver.use_inband_fec)
            .map_err(library_error)?;
        library.set_dtx(receiver.use_dtx).map_err(library_error)?;
        let look_ahead = library.get_lookahead().map_err(library_error)?;
        Ok(Self {
            library,
            format,
            look_ahead: usize::try_from(look_ahead).unwrap_or(0),
            bitrate_bps,
            dtx: receiver.use_dtx,
        })
    }

    /// Bits per second that packets have on average, silence apart.
    #[must_use]
    pub const fn bitrate_bps(&self) -> u32 {
        self.bitrate_bps
    }

    /// Samples per channel by which decoded sound is behind what was encoded: 6.5 ms.
    #[must_use]
    pub const fn look_ahead(&self) -> usize {
        self.look_ahead
    }

    /// Bytes of a packet of `samples` samples per channel at the average bitrate.
    fn average_bytes(&self, samples: usize) -> usize {
        let bits = u64::try_from(samples).unwrap_or(u64::MAX) * u64::from(self.bitrate_bps);
        let bytes = bits / u64::from(self.format.sample_rate.get()) / 8;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl Encoder for OpusEncoder {
    fn format(&self) -> PcmFormat {
        self.format
    }

    /// Takes 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms. `out` bounds the packet, and must have room for one
    /// of average size; twice as much is room enough for any.
    fn encode(&mut self, pcm: Pcm<'_>, out: &mut [u8]) -> Result<usize, CodecError> {
        if pcm.format != self.format {
            return Err(CodecError::WrongFormat {
                expected: self.format,
                given: pcm.format,
            });
        }
        let channels = usize::from(self.format.channels);
        let samples = pcm.samples.len() / channels;
        if !pcm.samples.len().is_multiple_of(channels) || !is_packet(samples, self.format) {
            return Err(CodecError::BadLength { samples });
        }
        // Below three bytes libopus writes a packet without sound.
        let needed = self.average_bytes(samples).max(3);
        let available = out.len().min(MAX_PAYLOAD);
        if available < needed {
            return Err(CodecError::BufferTooSmall { needed, available });
        }
        let written = self
            .library
            .encode(pcm.samples, &mut out[..available])
            .map_err(library_error)?;
        // Two bytes are a packet without sound, which need not be sent (RFC 7587 §3.1.3, opus_encode).
        Ok(if self.dtx && written <= 2 { 0 } else { written })
    }

    fn expect_loss(&mut self, percent: u8) {
        // Cannot fail: the value is in range. Without FEC it makes packets depend less on each other.
        let _ = self.library.set_packet_loss_perc(percent.min(100).into());
    }
}

/// Opus as a [`Decoder`].
#[derive(Debug)]
pub struct OpusDecoder {
    library: LibDecoder,
    format: PcmFormat,
}

impl OpusDecoder {
    /// For a sender that says `settings.fmtp` of itself.
    ///
    /// * Rate: [`Settings::sample_rate`], else `sprop-maxcapturerate`, else 48,000 Hz.
    /// * Two channels if it says `sprop-stereo=1` and [`Settings::channels`] is not 1.
    ///
    /// # Errors
    /// [`CodecError::Library`] if there is no memory.
    pub fn new(settings: &Settings<'_>) -> Result<Self, CodecError> {
        let sender = OpusParameters::parse(settings.fmtp);
        let wanted = settings.sample_rate.map(SampleRate::get);
        let format = PcmFormat {
            sample_rate: rate_from(wanted.or(sender.sprop_max_capture_rate_hz)),
            channels: channels_from(sender.sprop_stereo, settings.channels),
        };
        let library = LibDecoder::new(format.sample_rate.get(), library_channels(format))
            .map_err(library_error)?;
        Ok(Self { library, format })
    }

    /// Samples in 2.5 ms, all channels counted: what libopus conceals multiples of.
    fn step(&self) -> usize {
        let samples = self.format.sample_rate.get() / 400 * u32::from(self.format.channels);
        usize::try_from(samples).unwrap_or(MAX_STEP)
    }

    /// Conceals `out`, at most a packet and a multiple of [`Self::step`]. An empty `next` is none.
    fn conceal_packet(&mut self, next: &[u8], out: &mut [i16]) {
        let done = self.library.decode(next, out, !next.is_empty());
        let channels = usize::from(self.format.channels);
        if done.is_ok_and(|samples| samples * channels == out.len()) {
            return;
        }
        if next.is_empty() {
            out.fill(0);
        } else {
            self.conceal_packet(&[], out);
        }
    }
}

impl Decoder for OpusDecoder {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn samples_in(&self, payload: &[u8]) -> usize {
        parse(payload).map_or(0, |packet| packet.samples(self.format.sample_rate))
    }

    /// At most two bytes (RFC 7587 §3.1.3, opus_encode).
    fn is_pause(&self, payload: &[u8]) -> bool {
        matches!(payload.len(), 1 | 2)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let bad = CodecError::BadPayload { len: payload.len() };
        let channels = usize::from(self.format.channels);
        let needed = self.samples_in(payload) * channels;
        let available = out.len();
        match out.get_mut(..needed) {
            None => Err(CodecError::BufferTooSmall { needed, available }),
            Some([]) => Err(bad),
            Some(out) => match self.library.decode(payload, out, false) {
                Ok(samples) => Ok(samples * channels),
                Err(_) => Err(bad),
            },
        }
    }

    /// The copy in `next`, if it holds one, fills the end of `out`: as much as one of its frames lasts. The
    /// rest, and all of it without a copy, is extrapolated.
    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) {
        let step = self.step();
        let max = MAX_PACKET_SAMPLES.min(step * 48);
        let whole = out.len() - out.len() % step;
        let (packets, rest) = out.split_at_mut(whole);
        let next = next.filter(|n| parse(n).is_some()).unwrap_or(&[]);
        let mut chunks = packets.chunks_mut(max).peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            self.conceal_packet(if is_last { next } else { &[] }, chunk);
        }
        if !rest.is_empty() {
            let mut scratch = [0; MAX_STEP];
            self.conceal_packet(&[], &mut scratch[..step]);
            rest.copy_from_slice(&scratch[..rest.len()]);
        }
    }
}

/// Whether `samples` samples per channel make a packet.
fn is_packet(samples: usize, format: PcmFormat) -> bool {
    PACKET_LENGTHS_US.iter().any(|us| {
        let length = u64::from(*us) * u64::from(format.sample_rate.get()) / 1_000_000;
        u64::try_from(samples) == Ok(length)
    })
}

fn parse(payload: &[u8]) -> Option<OpusPacket> {
    OpusPacket::parse(payload).filter(|_| payload.len() <= MAX_PAYLOAD)
}

/// The nearest rate not below; the highest for what is above it or absent.
fn rate_from(hz: Option<u32>) -> SampleRate {
    let enough = |rate: &SampleRate| hz.is_some_and(|hz| rate.get() >= hz);
    RATES
        .into_iter()
        .find(enough)
        .unwrap_or(SampleRate::HZ_48000)
}

fn channels_from(stereo: bool, other_end: Option<u8>) -> u8 {
    if stereo && other_end != Some(1) { 2 } else { 1 }
}

/// What rtpengine's packets have on average or a little more; RFC 7587 §3.1.1 recommends less for the lower
/// rates. Bits cost less than the time to do without them: `docs/decisions/012-opus-settings.md`. Twice that
/// for two channels.
const fn default_bitrate_bps(format: PcmFormat) -> u32 {
    let mono = match format.sample_rate.get() {
        0..=8000 => 28_000,
        8001..=12_000 => 30_000,
        12_001..=16_000 => 32_000,
        16_001..=24_000 => 36_000,
        _ => 40_000,
    };
    mono * format.channels as u32
}

/// The least that sounds no worse than more does, as `docs/decisions/012-opus-settings.md` measured.
const fn default_complexity(rate: SampleRate, bitrate_bps: u32) -> u8 {
    match rate.get() {
        0..=8000 if bitrate_bps >= 24_000 => 3,
        0..=8000 => 5,
        8001..=16_000 => 6,
        _ => 8,
    }
}

const fn library_channels(format: PcmFormat) -> Channels {
    if format.channels == 2 {
        Channels::Stereo
    } else {
        Channels::Mono
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn library_error(error: ::opus::Error) -> CodecError {
    let code: ErrorCode = error.code();
    CodecError::Library { code: code as i32 }
}

#[cfg(test)]
mod tests;
