//! Which codecs the two sides of a section are told, and what becomes of packets that then differ.

use std::sync::Arc;

use super::call::Media;
use super::signal::Signal;
use crate::media::transcode::{CodecUse, Plan, Rule};
use crate::sdp::{
    Codec, Listed, MediaParams, OfferedCodecs, Sink, beside, differ_in_audio, sink, target,
};
use crate::units::PayloadType;

/// Length of a packet where nobody says otherwise, ms (RFC 3551 §4.2).
const DEFAULT_PTIME_MS: u32 = 20;

impl Signal<'_> {
    /// Hears an offer's codecs; what the listener is shown of them comes out.
    pub(super) fn offer_codecs(
        &self,
        said: &mut Media,
        told: &Media,
        params: &MediaParams,
    ) -> Vec<Codec> {
        let options = &self.options.sdp.codec;
        let is_audio = is_audio(params) && params.protocol.carries_rtp();
        let mut offered = OfferedCodecs::new(&params.codecs, options, is_audio);
        if told.described && (options.reuse_codecs || options.static_codecs) {
            let before: Vec<PayloadType> = told.payload_types().collect();
            if options.static_codecs {
                offered.keep(&said.offered, &before);
            } else {
                offered.prefer(&before);
            }
        }
        said.offered = offered;
        said.offered.shown()
    }

    /// Hears an answer's codecs; what the offerer is told of them comes out. Both sides' packets are
    /// treated accordingly from now on.
    pub(super) fn answer_codecs(
        &self,
        said: &mut Media,
        told: &mut Media,
        params: &MediaParams,
    ) -> Vec<Codec> {
        if params.rejected {
            said.set_transcode(None);
            told.set_transcode(None);
            return told.offered.refused(&params.codecs);
        }
        let answer = told.offered.answer(&params.codecs, &self.options.sdp.codec);
        let ptimes = [said.ptime_ms, told.ptime_ms];
        let is_live = is_audio(params) && !told.rejected;
        let plan = |from, to, ptimes| is_live.then(|| plan(from, to, ptimes)).flatten();
        said.set_transcode(plan(&answer.answerer, &answer.offerer, ptimes));
        let ptimes = [ptimes[1], ptimes[0]];
        told.set_transcode(plan(&answer.offerer, &answer.answerer, ptimes));
        answer.shown
    }
}

/// Early media: whoever gets the offer may use all that it is shown.
pub(super) fn plan_early(said: &Media, told: &mut Media) {
    let is_live = !said.rejected && &*said.kind == "audio";
    let ptimes = [told.ptime_ms, said.ptime_ms];
    let offered = &said.offered;
    let early = is_live.then(|| plan(offered.listener(), offered.offerer(), ptimes));
    told.set_transcode(early.flatten());
}

fn is_audio(params: &MediaParams) -> bool {
    params.media_type.eq_ignore_ascii_case(b"audio")
}

impl Media {
    /// The shard is not told of a plan again that it has.
    fn set_transcode(&mut self, plan: Option<Arc<Plan>>) {
        if self.transcode != plan {
            self.transcode = plan;
        }
    }

    /// What the party has described last.
    fn payload_types(&self) -> impl Iterator<Item = PayloadType> {
        self.encodings.lines().filter_map(|line| {
            let (number, _) = line.split_once(' ')?;
            PayloadType::new(number.parse().ok()?)
        })
    }
}

/// What has to be done to the packets of a party that has the codecs `from`, so that one that has the
/// codecs `to` can take them; `None`: nothing. `ptimes_ms`: what each gets its packets with.
///
/// All that is decoded is encoded as one codec, the one that the receiver is to get or likes best. A
/// codec that both have goes on as it is, unless something has to be put into the audio, or found in it:
/// DTMF or comfort noise that only one of them has a payload type for, or another length of packets.
pub(super) fn plan(
    from: &[Listed],
    to: &[Listed],
    ptimes_ms: [Option<u32>; 2],
) -> Option<Arc<Plan>> {
    let [from_ms, to_ms] = ptimes_ms.map(|ms| ms.unwrap_or(DEFAULT_PTIME_MS));
    let made = target(to);
    let decode_all = made.is_some() && (from_ms != to_ms || differ_in_audio(from, to));
    let mut rules = Vec::with_capacity(from.len());
    let mut decodes = false;
    let mut renumbers = false;
    for Listed { codec, .. } in from.iter().filter(|l| !l.codec.is_supplemental()) {
        let number = codec.payload_type;
        let decoded = codec_use(codec, None, ptimes_ms[0]);
        let rule = match (sink(codec, to), decoded) {
            (Sink::Target(_), Some(decoded)) => Rule::Decode(decoded),
            (Sink::Same(_), Some(decoded)) if decode_all => Rule::Decode(decoded),
            (Sink::Same(same), _) => Rule::Forward(same.codec.payload_type),
            _ => Rule::Forward(number),
        };
        decodes |= matches!(rule, Rule::Decode(_));
        renumbers |= rule != Rule::Forward(number);
        rules.push((number, rule));
    }
    for Listed { codec, .. } in from.iter().filter(|l| l.codec.is_supplemental()) {
        let number = codec.payload_type;
        let rule = match (codec.clock_rate, sink(codec, to)) {
            (Some(clock), _) if decodes && codec.is_events() => Rule::Events(clock),
            (Some(clock), _) if decodes => Rule::ComfortNoise(clock),
            (_, Sink::Same(same)) => Rule::Forward(same.codec.payload_type),
            // There is no audio of ours to put it into.
            _ => Rule::Forward(number),
        };
        renumbers |= rule != Rule::Forward(number);
        rules.push((number, rule));
    }
    if !renumbers {
        return None;
    }
    let mut plan = Plan::new(rules);
    if let Some(made) = made.filter(|_| decodes) {
        let wish = made.wish.as_deref();
        let ptime_ms = wish.and_then(|wish| wish.ptime_ms).or(ptimes_ms[1]);
        let fmtp = wish.map(|wish| &*wish.fmtp);
        plan.target = codec_use(&made.codec, fmtp, ptime_ms);
        let events = beside(to, made, true);
        plan.events = events.and_then(|codec| Some((codec.payload_type, codec.clock_rate?)));
        plan.comfort_noise = beside(to, made, false).map(|codec| codec.payload_type);
    }
    Some(Arc::new(plan))
}

/// `wished`: format parameters that count where `codec` does not say otherwise.
fn codec_use(codec: &Codec, wished: Option<&str>, ptime_ms: Option<u32>) -> Option<CodecUse> {
    let implementation = codec.implementation()?;
    let said = String::from_utf8_lossy(codec.fmtp.as_deref().unwrap_or_default());
    let name = |parameter: &str| {
        let name = parameter
            .split_once('=')
            .map_or(parameter, |(name, _)| name);
        name.trim().to_ascii_lowercase()
    };
    let is_said = |wish: &&str| said.split(';').any(|said| name(said) == name(wish));
    let mut fmtp: Vec<&str> = Vec::new();
    fmtp.extend(Some(&*said).filter(|said| !said.is_empty()));
    let wishes = wished.into_iter().flat_map(|wished| wished.split(';'));
    fmtp.extend(wishes.filter(|wish| !wish.is_empty() && !is_said(wish)));
    Some(CodecUse {
        codec: implementation,
        payload_type: codec.payload_type,
        fmtp: fmtp.join(";").into(),
        ptime_ms: ptime_ms.unwrap_or(implementation.default_ptime_ms),
    })
}
