//! What a controller may ask of a rewritten session description, in NG's vocabulary.

use super::media::MediaDescription;

/// Everything that concerns the text of an offer or answer alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SdpOptions {
    /// `replace`: which parts of the session level become ours.
    pub replace: Replace,
    /// `codec`: which payload types the other side gets to see.
    pub codec: CodecOptions,
    /// `rtcp-mux`.
    pub rtcp_mux: RtcpMuxOptions,
    /// `sdp-attr`: attribute lines added, removed and substituted last of all.
    pub attributes: AttributeEdits,
    /// `sdp-media-remove`: media types (`audio`, `video`, …) whose sections the other side does not
    /// get to see. Means nothing in an answer.
    pub media_remove: Vec<String>,
    /// `ICE`.
    pub ice: IceOption,
    /// `generate-mid`: numbers the media sections when the offer had no `a=mid`
    /// ([`super::generated_mid`]). Means nothing in an answer.
    pub generate_mid: bool,
    /// `original-sendrecv`: leaves the direction attributes as they came.
    pub original_sendrecv: bool,
    /// `no-rtcp-attribute`, `full-rtcp-attribute`.
    pub rtcp_attribute: RtcpAttribute,
    /// `loop-protect`: marks descriptions as ours, and leaves marked ones alone.
    pub loop_protect: bool,
    /// `ptime`: milliseconds written towards the other side.
    pub ptime_ms: Option<u32>,
    /// `ptime-reverse`: milliseconds written towards the side that asks.
    pub ptime_reverse_ms: Option<u32>,
}

impl SdpOptions {
    /// Does [`SdpOptions::media_remove`] name the section's type?
    #[must_use]
    pub fn removes(&self, section: &MediaDescription<'_>) -> bool {
        let kind = section.media_type();
        let mut kinds = self.media_remove.iter();
        kinds.any(|removed| removed.as_bytes().eq_ignore_ascii_case(kind))
    }
}

/// `replace` words; only the parts listed are rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent words of the protocol"
)]
pub struct Replace {
    /// `origin`: the address in `o=`.
    pub origin: bool,
    /// `origin-full`: user name, session id, version and address in `o=`.
    pub origin_full: bool,
    /// `session-connection`: the session's `c=` even where every section has its own.
    pub session_connection: bool,
    /// `SDP-version`: the version in `o=` is counted by us, one up with each change.
    pub sdp_version: bool,
    /// `force-increment-sdp-ver`: one up each time.
    pub force_increment_sdp_version: bool,
    /// `username`: the user name in `o=`.
    pub username: bool,
    /// `session-name`: `s=`.
    pub session_name: bool,
    /// `zero-address`: 0.0.0.0 becomes our address too.
    pub zero_address: bool,
}

impl Replace {
    /// Is the version in `o=` ours to count?
    pub(super) const fn counts_version(self) -> bool {
        self.sdp_version || self.force_increment_sdp_version || self.origin_full
    }
}

impl CodecOptions {
    /// May what these words lead to have payloads encoded anew?
    #[must_use]
    pub fn may_transcode(&self) -> bool {
        let lists = [&self.transcode, &self.mask, &self.consume, &self.accept];
        self.always_transcode || lists.iter().any(|list| !list.is_empty())
    }
}

/// `codec` lists, each entry as written: `name[/clock[/channels[/bitrate[/ptime[/fmtp[/opts]]]]]]`,
/// `all` or `full`; and flags about codecs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent flags of the protocol"
)]
pub struct CodecOptions {
    /// Hidden from the other side and not usable.
    pub strip: Vec<String>,
    /// Hidden from the other side, usable for transcoding.
    pub mask: Vec<String>,
    /// Shown again in this order, if another list took them away.
    pub offer: Vec<String>,
    /// Exempt from `strip` and `mask`.
    pub except: Vec<String>,
    /// As `mask`, and the offerer gets it whatever the other side answers.
    pub consume: Vec<String>,
    /// The offerer gets it whatever the other side answers.
    pub accept: Vec<String>,
    /// Added towards the other side.
    pub transcode: Vec<String>,
    /// Parameters for codecs already there.
    pub set: Vec<String>,
    /// `always-transcode`: `accept` for all.
    pub always_transcode: bool,
    /// `single-codec`: the offerer is told the first of the answered codecs alone.
    pub single_codec: bool,
    /// `reuse-codecs`: in a further offer, what was answered before comes first.
    pub reuse_codecs: bool,
    /// `static-codecs`: in a further offer, the other side is shown what it has answered before.
    pub static_codecs: bool,
    /// `allow-asymmetric-codecs`: in an answer, an offered codec under another number counts.
    pub allow_asymmetric_codecs: bool,
    /// `allow-no-codec-media`: a section without a codec is rejected, not restored.
    pub allow_no_codec_media: bool,
}

/// `rtcp-mux` words (RFC 5761).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent words of the protocol"
)]
pub struct RtcpMuxOptions {
    /// Offer muxing with a fall-back port.
    pub offer: bool,
    /// Offer muxing alone.
    pub require: bool,
    /// Separate ports towards the other side although this side muxes.
    pub demux: bool,
    /// Accept muxing that this side offered although the other side does not mux.
    pub accept: bool,
    /// Refuse muxing that this side offered.
    pub reject: bool,
}

/// `ICE` values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceOption {
    /// As offered: ours where there was ICE, nothing where not.
    #[default]
    Default,
    /// Take ICE out.
    Remove,
    /// Put ours in.
    Force,
    /// Leave the description, add ourselves as a relay candidate.
    ForceRelay,
    /// Add ourselves with a low priority.
    Optional,
}

/// How `a=rtcp` (RFC 3605) is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpAttribute {
    /// Port only.
    #[default]
    PortOnly,
    /// Port and address.
    Full,
    /// Not at all.
    Omit,
}

/// `sdp-attr`: edits per section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeEdits {
    /// `none`/`global`: the session level.
    pub session: Edits,
    /// Audio sections.
    pub audio: Edits,
    /// Video sections.
    pub video: Edits,
}

/// Edits of attribute lines, without the leading `a=`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Appended, unless there is such a line already.
    pub add: Vec<String>,
    /// Taken out; a name alone matches with any value.
    pub remove: Vec<String>,
    /// First replaced by second.
    pub substitute: Vec<(String, String)>,
}

impl Edits {
    /// Nothing to do?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.substitute.is_empty()
    }
}
