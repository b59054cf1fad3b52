//! The table of all names.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use media_core::dtls::HashFunction;
use media_core::engine::LearnMode;
use media_core::sdp::{Edits, IceOption, RtcpAttribute};
use media_core::session::{Flows, SecureProfile, TransportProtocol};

use super::{Family, Flags, dtmf, secure};

/// One name.
pub(super) struct Word {
    /// Lower case, hyphens.
    name: &'static str,
    /// What it does as a word of `flags`.
    pub(super) flag: Option<fn(&mut Flags)>,
    /// What it does as a key of the dictionary (and so as a word `name-item` of `flags`).
    pub(super) key: Key,
}

/// A key's meaning.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Not a key.
    None,
    /// Known and without effect here; why not, or empty if nobody needs to know.
    Inert(&'static str),
    /// One text.
    Text(fn(&mut Flags, &str)),
    /// One text or number.
    Value(fn(&mut Flags, &str)),
    /// Any number of texts, one call each.
    Items(fn(&mut Flags, &str)),
    /// Any number of numbers, in a list or in one text with commas.
    Numbers(fn(&mut Flags, &str)),
    /// Pairs of texts.
    Pairs(fn(&mut Flags, &str, &str)),
}

const fn flag(name: &'static str, apply: fn(&mut Flags)) -> Word {
    Word {
        name,
        flag: Some(apply),
        key: Key::None,
    }
}
const fn value(name: &'static str, apply: fn(&mut Flags, &str)) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Value(apply),
    }
}
const fn text(name: &'static str, apply: fn(&mut Flags, &str)) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Text(apply),
    }
}
const fn items(name: &'static str, apply: fn(&mut Flags, &str)) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Items(apply),
    }
}
const fn numbers(name: &'static str, apply: fn(&mut Flags, &str)) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Numbers(apply),
    }
}
const fn pairs(name: &'static str, apply: fn(&mut Flags, &str, &str)) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Pairs(apply),
    }
}
const fn both(name: &'static str, apply: fn(&mut Flags), key: fn(&mut Flags, &str)) -> Word {
    Word {
        name,
        flag: Some(apply),
        key: Key::Text(key),
    }
}
/// Key, flag and prefix of flags, all without effect.
const fn inert(name: &'static str, why: &'static str) -> Word {
    Word {
        name,
        flag: None,
        key: Key::Inert(why),
    }
}

/// The row of this name.
pub(super) fn find(name: &str) -> Option<&'static Word> {
    let at = WORDS.binary_search_by(|word| word.name.cmp(name)).ok()?;
    WORDS.get(at)
}

const INJECT: &str = "digits can be played into every call";
const RECORDING: &str = "recording is not supported yet";
const PUBSUB: &str = "subscriptions are not supported yet";
const NO_MATTER: &str = "";

/// All names, sorted.
pub(super) static WORDS: &[Word] = &[
    text("address", |f, v| match v.parse::<IpAddr>() {
        Ok(address) => f.selector.address = Some(address),
        Err(_) => f.bad_address = true,
    }),
    text("address-family", |f, v| {
        f.options.address_family_v6 = match v {
            "IP6" => Some(true),
            "IP4" => Some(false),
            _ => f.options.address_family_v6,
        };
    }),
    both(
        "all",
        |f| f.selector.all = true,
        |f, v| {
            f.selector.flows = match v {
                "all" => Some(Flows::All),
                "offer-answer" => Some(Flows::OfferAnswer),
                "except-offer-answer" => Some(Flows::ExceptOfferAnswer),
                "flows" => Some(Flows::Any),
                _ => f.selector.flows,
            };
        },
    ),
    flag("allow-asymmetric-codecs", |f| {
        f.options.sdp.codec.allow_asymmetric_codecs = true;
    }),
    flag("allow-no-codec-media", |f| {
        f.options.sdp.codec.allow_no_codec_media = true;
    }),
    inert("allow-transcoding", NO_MATTER),
    flag("always-transcode", |f| {
        f.options.sdp.codec.always_transcode = true;
    }),
    flag("asymmetric", |f| f.options.asymmetric = true),
    inert("asymmetric-codecs", NO_MATTER),
    inert("audio-player", "playing media is not supported yet"),
    flag("block-dtmf", |f| f.dtmf.request.block = true),
    inert("bundle", NO_MATTER),
    text("call-id", |f, v| {
        f.call_id = Some(v.to_owned());
    }),
    value("code", dtmf::code),
    items("codec-accept", |f, v| {
        f.options.sdp.codec.accept.push(codec(v));
    }),
    items("codec-consume", |f, v| {
        f.options.sdp.codec.consume.push(codec(v));
    }),
    items("codec-except", |f, v| {
        f.options.sdp.codec.except.push(codec(v));
    }),
    items("codec-mask", |f, v| {
        f.options.sdp.codec.mask.push(codec(v));
    }),
    items("codec-offer", |f, v| {
        f.options.sdp.codec.offer.push(codec(v));
    }),
    items("codec-set", |f, v| f.options.sdp.codec.set.push(codec(v))),
    items("codec-strip", |f, v| {
        f.options.sdp.codec.strip.push(codec(v));
    }),
    items("codec-transcode", |f, v| {
        f.options.sdp.codec.transcode.push(codec(v));
    }),
    inert("debug", NO_MATTER),
    value("delay-buffer", |f, v| {
        if let Ok(ms) = v.trim().parse::<u16>() {
            f.options.delay_buffer_ms = Some(ms);
        }
    }),
    value("delete-delay", |f, v| {
        if let Ok(seconds) = v.trim().parse::<u32>() {
            let delay = Duration::from_secs(seconds.into());
            f.options.delete_delay = Some(delay);
            f.delete.delete_delay = Some(delay);
        }
    }),
    flag("detect-dtmf", |f| f.dtmf.request.detect = true),
    value("digit", dtmf::code),
    items("direction", direction),
    inert("directional", NO_MATTER),
    inert("discard-recording", RECORDING),
    inert("drop-traffic", "dropping traffic is not supported yet"),
    text("dtls", secure::dtls),
    text("dtls-fingerprint", |f, v| {
        f.options.dtls_fingerprint = HashFunction::from_name(v.as_bytes());
    }),
    text("dtls-reverse", |f, v| {
        f.options.dtls_reverse_passive = v == "passive";
    }),
    value("dtmf-delay", dtmf::delay),
    text("dtmf-log-dest", dtmf::log_dest),
    text("dtmf-security", dtmf::security),
    text("dtmf-security-trigger", dtmf::trigger_security),
    text("dtmf-security-trigger-end", dtmf::end_security),
    value("duration", dtmf::duration),
    inert("early-media", NO_MATTER),
    inert("egress", RECORDING),
    text("end-trigger", dtmf::end),
    value("end-trigger-digits", dtmf::end_digits),
    value("end-trigger-time", dtmf::end_time),
    text("endpoint-learning", |f, v| {
        if let Some(mode) = learn_mode(v) {
            f.options.endpoint_learning = Some(mode);
        }
    }),
    flag("external", |f| direction(f, "external")),
    inert("extmap", NO_MATTER),
    flag("fatal", |f| f.delete.fatal = true),
    flag("force-increment-sdp-ver", |f| {
        f.options.sdp.replace.force_increment_sdp_version = true;
    }),
    inert("force-relay", NO_MATTER),
    numbers("frequencies", dtmf::frequency),
    numbers("frequency", dtmf::frequency),
    text("from-interface", |f, v| {
        f.options.from_interface = Some(v.to_owned());
    }),
    text("from-label", |f, v| f.selector.label = Some(v.to_owned())),
    text("from-tag", |f, v| {
        f.from_tag = Some(v.to_owned());
    }),
    inert("from-tags", PUBSUB),
    flag("full-rtcp-attribute", |f| {
        f.options.sdp.rtcp_attribute = RtcpAttribute::Full;
    }),
    flag("generate-mid", |f| f.options.sdp.generate_mid = true),
    both(
        "generate-rtcp",
        |f| f.options.generate_rtcp = Some(true),
        |f, v| {
            f.options.generate_rtcp = match v {
                "on" => Some(true),
                "off" => Some(false),
                _ => f.options.generate_rtcp,
            };
        },
    ),
    text("ice", |f, v| {
        f.options.sdp.ice = match v.replace('_', "-").to_ascii_lowercase().as_str() {
            "remove" => IceOption::Remove,
            "force" => IceOption::Force,
            "force-relay" => IceOption::ForceRelay,
            "optional" => IceOption::Optional,
            _ => IceOption::Default,
        };
    }),
    text("ice-lite", secure::ice_lite),
    inert("inactive", PUBSUB),
    inert("inject-dtmf", INJECT),
    text("interface", |f, v| {
        f.options.from_interface = Some(v.to_owned());
    }),
    flag("internal", |f| direction(f, "internal")),
    text("label", |f, v| {
        f.options.label = Some(v.to_owned());
        f.selector.label = Some(v.to_owned());
    }),
    value("limit", |f, v| f.limit = v.trim().parse().ok()),
    flag("loop-protect", |f| f.options.sdp.loop_protect = true),
    text("media-address", |f, v| {
        if let Ok(address) = v.parse() {
            f.options.media_address = Some(address);
        }
    }),
    inert("media-echo", "media echo is not supported yet"),
    flag("media-handover", |f| f.options.media_handover = true),
    text("metadata", |f, v| f.options.metadata = Some(v.to_owned())),
    inert("mirror-rtcp", PUBSUB),
    inert("moh", "music on hold is not supported yet"),
    inert("new-branch", NO_MATTER),
    flag("no-jitter-buffer", |f| f.options.no_jitter_buffer = true),
    flag("no-port-latching", |f| {
        f.options.port_latching = Some(false);
    }),
    inert("no-redis-update", NO_MATTER),
    flag("no-rtcp-attribute", |f| {
        f.options.sdp.rtcp_attribute = RtcpAttribute::Omit;
    }),
    inert("no-tls-id", NO_MATTER),
    flag("original-sendrecv", |f| {
        f.options.sdp.original_sendrecv = true;
    }),
    items("osrtp", secure::osrtp),
    inert("passthrough", NO_MATTER),
    value("pause", dtmf::pause),
    flag("pierce-nat", |f| f.options.pierce_nat = true),
    flag("port-latching", |f| f.options.port_latching = Some(true)),
    flag("prefer-sdes", |f| f.options.sdes.prefer = true),
    inert("provisional", NO_MATTER),
    value("ptime", |f, v| {
        if let Some(ms) = v.trim().parse().ok().filter(|ms| *ms > 0) {
            f.options.sdp.ptime_ms = Some(ms);
        }
    }),
    value("ptime-reverse", |f, v| {
        if let Some(ms) = v.trim().parse().ok().filter(|ms| *ms > 0) {
            f.options.sdp.ptime_reverse_ms = Some(ms);
        }
    }),
    items("received-from", |f, v| {
        // A list: `IP4` or `IP6`, then an address of that family.
        match (v, f.received_family, v.parse::<IpAddr>()) {
            ("IP4", Family::Any, _) => f.received_family = Family::V4,
            ("IP6", Family::Any, _) => f.received_family = Family::V6,
            (_, Family::Any | Family::V4, Ok(IpAddr::V4(address))) => {
                f.options.received_from = Some(address.into());
            }
            (_, Family::Any | Family::V6, Ok(IpAddr::V6(address))) => {
                f.options.received_from = Some(address.into());
            }
            _ => f.received_family = Family::Odd,
        }
    }),
    inert("record-call", RECORDING),
    inert("recording-announcement", RECORDING),
    inert("recording-dir", RECORDING),
    inert("recording-file", RECORDING),
    inert("recording-pattern", RECORDING),
    flag("recrypt", |f| f.options.recrypt = true),
    flag("reject-ice", |f| f.options.reject_ice = true),
    items("replace", |f, v| {
        let replace = &mut f.options.sdp.replace;
        match v.replace(' ', "-").as_str() {
            "origin" => replace.origin = true,
            "origin-full" => replace.origin_full = true,
            "session-connection" => replace.session_connection = true,
            "SDP-version" | "sdp-version" => replace.sdp_version = true,
            "force-increment-sdp-ver" => replace.force_increment_sdp_version = true,
            "username" => replace.username = true,
            "session-name" => replace.session_name = true,
            "zero-address" => replace.zero_address = true,
            other => super::once::unknown("`replace` word", other),
        }
    }),
    flag("reset", |f| f.options.reset = true),
    flag("reuse-codecs", |f| {
        f.options.sdp.codec.reuse_codecs = true;
    }),
    items("rtcp-mux", |f, v| {
        let mux = &mut f.options.sdp.rtcp_mux;
        match v.to_ascii_lowercase().as_str() {
            "offer" => mux.offer = true,
            "require" => mux.require = true,
            "demux" => mux.demux = true,
            "accept" => mux.accept = true,
            "reject" => mux.reject = true,
            other => super::once::unknown("`rtcp-mux` word", other),
        }
    }),
    inert("rtpp-flags", NO_MATTER),
    items("sdes", secure::sdes),
    items("sdp-attr-add-audio", |f, v| {
        edits_audio(f).add.push(v.to_owned())
    }),
    items("sdp-attr-add-global", |f, v| {
        edits_none(f).add.push(v.to_owned())
    }),
    items("sdp-attr-add-none", |f, v| {
        edits_none(f).add.push(v.to_owned())
    }),
    items("sdp-attr-add-video", |f, v| {
        edits_video(f).add.push(v.to_owned())
    }),
    items("sdp-attr-audio-add", |f, v| {
        edits_audio(f).add.push(v.to_owned())
    }),
    items("sdp-attr-audio-remove", |f, v| {
        edits_audio(f).remove.push(v.to_owned())
    }),
    pairs("sdp-attr-audio-substitute", |f, a, b| {
        edits_audio(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    items("sdp-attr-global-add", |f, v| {
        edits_none(f).add.push(v.to_owned())
    }),
    items("sdp-attr-global-remove", |f, v| {
        edits_none(f).remove.push(v.to_owned())
    }),
    pairs("sdp-attr-global-substitute", |f, a, b| {
        edits_none(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    items("sdp-attr-none-add", |f, v| {
        edits_none(f).add.push(v.to_owned())
    }),
    items("sdp-attr-none-remove", |f, v| {
        edits_none(f).remove.push(v.to_owned())
    }),
    pairs("sdp-attr-none-substitute", |f, a, b| {
        edits_none(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    items("sdp-attr-remove-audio", |f, v| {
        edits_audio(f).remove.push(v.to_owned())
    }),
    items("sdp-attr-remove-global", |f, v| {
        edits_none(f).remove.push(v.to_owned())
    }),
    items("sdp-attr-remove-none", |f, v| {
        edits_none(f).remove.push(v.to_owned())
    }),
    items("sdp-attr-remove-video", |f, v| {
        edits_video(f).remove.push(v.to_owned())
    }),
    pairs("sdp-attr-substitute-audio", |f, a, b| {
        edits_audio(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    pairs("sdp-attr-substitute-global", |f, a, b| {
        edits_none(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    pairs("sdp-attr-substitute-none", |f, a, b| {
        edits_none(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    pairs("sdp-attr-substitute-video", |f, a, b| {
        edits_video(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    items("sdp-attr-video-add", |f, v| {
        edits_video(f).add.push(v.to_owned())
    }),
    items("sdp-attr-video-remove", |f, v| {
        edits_video(f).remove.push(v.to_owned())
    }),
    pairs("sdp-attr-video-substitute", |f, a, b| {
        edits_video(f).substitute.push((a.to_owned(), b.to_owned()));
    }),
    items("sdp-media-remove", |f, v| {
        f.options.sdp.media_remove.push(v.to_owned());
    }),
    flag("sdp-version", |f| f.options.sdp.replace.sdp_version = true),
    text("set-label", |f, v| {
        f.options.set_label = Some(v.to_owned());
        f.selector.set_label = Some(v.to_owned());
    }),
    flag("single-codec", |f| {
        f.options.sdp.codec.single_codec = true;
    }),
    flag("sip-source-address", |f| {
        f.options.trust_address = Some(false);
    }),
    inert("siprec", PUBSUB),
    flag("static-codecs", |f| {
        f.options.sdp.codec.static_codecs = true;
    }),
    flag("strict-source", |f| f.options.strict_source = true),
    items("supports", |f, v| {
        if v.replace(['-', '_'], " ")
            .eq_ignore_ascii_case("load limit")
        {
            f.options.supports_load_limit = true;
        }
    }),
    inert("symmetric", NO_MATTER),
    inert("t-38", "T.38 is not supported yet"),
    inert("t.38", "T.38 is not supported yet"),
    inert("t38", "T.38 is not supported yet"),
    inert("template", "templates are not supported yet"),
    text("to-interface", |f, v| {
        f.options.to_interface = Some(v.to_owned());
    }),
    text("to-label", |f, v| f.selector.to_label = Some(v.to_owned())),
    both(
        "to-tag",
        |f| f.delete.match_to_tag = true,
        |f, v| {
            f.to_tag = Some(v.to_owned());
        },
    ),
    value("tos", |f, v| {
        f.options.tos = match v.trim().parse::<i64>() {
            Ok(n @ 0..=255) => u8::try_from(n).ok().map(Some),
            Ok(256..) => Some(None),
            _ => f.options.tos,
        };
    }),
    items("transcode", |f, v| {
        f.options.sdp.codec.transcode.push(codec(v));
    }),
    text("transport-protocol", |f, v| {
        if let Some(protocol) = transport_protocol(v) {
            f.options.transport_protocol = Some(protocol);
        }
    }),
    flag("trickle-ice", |f| f.options.trickle_ice = true),
    text("trigger", dtmf::trigger),
    text("trigger-end", dtmf::end),
    value("trigger-end-digits", dtmf::end_digits),
    value("trigger-end-time", dtmf::end_time),
    flag("trust-address", |f| f.options.trust_address = Some(true)),
    flag("unidirectional", |f| f.options.unidirectional = true),
    text("via-branch", |f, v| {
        f.via_branch = Some(v.to_owned());
    }),
    value("volume", dtmf::volume),
    flag("webrtc", |f| f.webrtc = true),
    inert("xmlrpc-callback", "XMLRPC callbacks are not supported yet"),
];

/// `transport-protocol` values, in any case.
pub(super) fn transport_protocol(name: &str) -> Option<TransportProtocol> {
    use SecureProfile as S;
    use TransportProtocol as T;
    let known = [
        ("RTP/AVP", T::RtpAvp),
        ("RTP/AVPF", T::RtpAvpf),
        ("accept", T::Accept),
        ("RTP/SAVP", T::Secure(S::RtpSavp)),
        ("RTP/SAVPF", T::Secure(S::RtpSavpf)),
        ("UDP/TLS/RTP/SAVP", T::Secure(S::UdpTlsRtpSavp)),
        ("UDP/TLS/RTP/SAVPF", T::Secure(S::UdpTlsRtpSavpf)),
    ];
    known
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, protocol)| protocol)
}

/// `endpoint-learning` values.
pub(crate) fn learn_mode(name: &str) -> Option<LearnMode> {
    match name {
        "delayed" => Some(LearnMode::Delayed),
        "immediate" => Some(LearnMode::Immediate),
        "heuristic" => Some(LearnMode::Heuristic),
        "off" => Some(LearnMode::Off),
        _ => None,
    }
}

fn direction(flags: &mut Flags, name: &str) {
    if let Some(slot) = flags.options.direction.iter_mut().find(|s| s.is_none()) {
        *slot = Some(name.to_owned());
    }
}

/// Codec names come with `--` for `=` from every kind of controller.
fn codec(name: &str) -> String {
    match super::rtpp::unescape(name) {
        Cow::Borrowed(name) => name.to_owned(),
        Cow::Owned(name) => name,
    }
}

fn edits_none(flags: &mut Flags) -> &mut Edits {
    &mut flags.options.sdp.attributes.session
}
fn edits_audio(flags: &mut Flags) -> &mut Edits {
    &mut flags.options.sdp.attributes.audio
}
fn edits_video(flags: &mut Flags) -> &mut Edits {
    &mut flags.options.sdp.attributes.video
}

#[cfg(test)]
impl Word {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}
