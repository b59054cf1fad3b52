//! Which codecs the two sides of a section are told, and what becomes of packets that then differ.

use std::sync::Arc;

use super::call::Media;
use super::digits::Needs;
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
        (said.agreed, told.agreed) = (None, None);
        if params.rejected {
            said.set_transcode(None);
            told.set_transcode(None);
            return told.offered.refused(&params.codecs);
        }
        let mut answer = told.offered.answer(&params.codecs, &self.options.sdp.codec);
        let ptimes = [said.ptime_ms, told.ptime_ms];
        let is_live = is_audio(params) && !told.rejected;
        let plan = |from, to, ptimes| is_live.then(|| plan(from, to, ptimes)).flatten();
        said.set_transcode(plan(&answer.answerer, &answer.offerer, ptimes));
        let ptimes = [ptimes[1], ptimes[0]];
        told.set_transcode(plan(&answer.offerer, &answer.answerer, ptimes));
        if is_live {
            answer.offerer.shrink_to_fit();
            answer.answerer.shrink_to_fit();
            let lists = Arc::new([answer.offerer, answer.answerer]);
            told.agreed = Some((Arc::clone(&lists), 0));
            said.agreed = Some((lists, 1));
        }
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
    told.agreed = None;
}

fn is_audio(params: &MediaParams) -> bool {
    params.media_type.eq_ignore_ascii_case(b"audio")
}

impl Media {
    /// What the codecs alone need.
    fn set_transcode(&mut self, plan: Option<Arc<Plan>>) {
        self.recodes = plan.is_some();
        self.set_work(plan);
    }

    /// The shard is not told of a plan again that it has.
    pub(super) fn set_work(&mut self, plan: Option<Arc<Plan>>) {
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
    plan_for(from, to, ptimes_ms, &Needs::default())
}

/// The same where more is to be done than to change codecs.
pub(super) fn plan_for(
    from: &[Listed],
    to: &[Listed],
    ptimes_ms: [Option<u32>; 2],
    needs: &Needs,
) -> Option<Arc<Plan>> {
    let [from_ms, to_ms] = ptimes_ms.map(|ms| ms.unwrap_or(DEFAULT_PTIME_MS));
    let made = target(to);
    let dials_in_audio = !from.iter().any(|listed| listed.codec.is_events());
    let decode_all = made.is_some()
        && (from_ms != to_ms || differ_in_audio(from, to) || needs.audio(dials_in_audio));
    let mut rules = Vec::with_capacity(from.len());
    let mut decodes = false;
    let mut changes = needs.change();
    for Listed { codec, .. } in from.iter().filter(|l| !l.codec.is_supplemental()) {
        let number = codec.payload_type;
        let decoded = codec_use(codec, None, ptimes_ms[0]);
        let rule = match (sink(codec, to), decoded) {
            (Sink::Target(_), Some(decoded)) => Rule::Decode(decoded),
            (Sink::Same(_), Some(decoded)) if decode_all => Rule::Decode(decoded),
            // What cannot be decoded cannot be silenced.
            _ if needs.silenced => Rule::Drop,
            (Sink::Same(same), Some(decoded)) if needs.dtmf.detect => {
                Rule::Overhear(same.codec.payload_type, decoded)
            }
            (Sink::Same(same), _) => Rule::Forward(same.codec.payload_type),
            _ => Rule::Forward(number),
        };
        decodes |= matches!(rule, Rule::Decode(_));
        changes |= rule != Rule::Forward(number);
        rules.push((number, rule));
    }
    for Listed { codec, .. } in from.iter().filter(|l| l.codec.is_supplemental()) {
        let number = codec.payload_type;
        let rule = match (codec.clock_rate, sink(codec, to)) {
            (Some(clock), _) if codec.is_events() && (decodes || changes && needs.events()) => {
                Rule::Events(clock)
            }
            (Some(clock), _) if decodes && !codec.is_events() => Rule::ComfortNoise(clock),
            (_, Sink::Same(same)) => Rule::Forward(same.codec.payload_type),
            // There is no audio of ours to put it into.
            _ => Rule::Forward(number),
        };
        changes |= rule != Rule::Forward(number);
        rules.push((number, rule));
    }
    if !changes {
        return None;
    }
    let mut plan = Plan::new(rules);
    let events = |codec: &Codec| Some((codec.payload_type, codec.clock_rate?));
    if let Some(made) = made.filter(|_| decodes) {
        let wish = made.wish.as_deref();
        let ptime_ms = wish.and_then(|wish| wish.ptime_ms).or(ptimes_ms[1]);
        let fmtp = wish.map(|wish| &*wish.fmtp);
        plan.target = codec_use(&made.codec, fmtp, ptime_ms);
        plan.events = beside(to, made, true).and_then(events);
        plan.comfort_noise = beside(to, made, false).map(|codec| codec.payload_type);
    } else {
        let mut theirs = to.iter().map(|listed| &listed.codec);
        plan.events = theirs.find(|codec| codec.is_events()).and_then(events);
    }
    plan.hold = needs.hold;
    if needs.holds() {
        let clocks = from.iter().map(|listed| &listed.codec);
        plan.clocks = clocks
            .filter_map(|codec| Some((codec.payload_type, codec.clock_rate?)))
            .collect();
    }
    plan.dtmf = needs.dtmf;
    plan.dtmf.tones_to_events = decodes && dials_in_audio && plan.events.is_some();
    plan.silenced = needs.silenced;
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
