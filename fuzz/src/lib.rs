//! Fuzz targets: whatever the bytes, a parser ends, does not panic, and keeps its promises.
//!
//! To add one: write its function below or in a module, add its name to the `targets!` line, and
//! put seeds (small files named for what they are) in `fuzz/corpus/<name>/`. `cargo xtask fuzz <name>`
//! then fuzzes it, and `cargo test` replays its seeds on a stable compiler.

mod audio;
mod audiosocket;
mod codecs;
mod dtls;
mod fmtp;
mod ice;
mod media;
mod ng;
mod sdp;
mod srtp;
mod voice;
mod wire;

use daemon_rtpengine::ng::bencode as ng_bencode;

pub use self::codecs::{codec_cn, codec_decode};
pub use audio::{resample, tone};
pub use audiosocket::{audiosocket, pipecat_frame, pipecat_rtvi};
pub use dtls::dtls;
pub use fmtp::codec_fmtp;
pub use ice::{ice, ice_candidate};
pub use media::{dtmf, jitter, transcode};
pub use ng::{ng_framer, ng_json, ng_request, rtpp_flags};
pub use sdp::{sdp, sdp_attributes};
pub use srtp::{srtcp, srtp};
pub use voice::{voice_intake, voice_playout, voice_uplink};
pub use wire::{demux, rtcp, rtp, stun};

/// A target: judges one input, panics when a promise is broken.
pub type Target = fn(&[u8]);

/// Lists the targets under the names of their functions.
macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        /// Every target by name.
        pub const TARGETS: &[(&str, Target)] = &[$((stringify!($name), $name)),+];
    };
}

targets!(
    audiosocket,
    bencode,
    codec_cn,
    codec_decode,
    codec_fmtp,
    demux,
    ice,
    ice_candidate,
    ng_framer,
    ng_json,
    ng_request,
    rtcp,
    rtp,
    rtpp_flags,
    sdp,
    sdp_attributes,
    stun,
    dtls,
    srtp,
    srtcp,
    resample,
    tone,
    dtmf,
    jitter,
    transcode,
    pipecat_frame,
    pipecat_rtvi,
    voice_intake,
    voice_playout,
    voice_uplink
);

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
}

/// NG's bencode: a document read and written again reads the same, and takes no more bytes than there
/// are.
pub fn bencode(data: &[u8]) {
    let Ok((value, used)) = ng_bencode::decode(data) else {
        return;
    };
    assert!(used <= data.len(), "took {used} of {} bytes", data.len());
    let mut written = Vec::new();
    ng_bencode::encode(&value, &mut written);
    let (again, length) = ng_bencode::decode(&written).expect("what was written reads");
    assert_eq!((again, length), (value, written.len()));
}
