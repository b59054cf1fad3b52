//! DTMF (RFC 4733) and comfort noise (RFC 3389) have a payload type for each clock rate of the codecs
//! that they go with.

use super::Codec;
use super::list::{Listed, supplemental};
use super::select::Touched;
use super::word::Encoding;
use crate::units::{ClockRate, PayloadType};

/// The member of `list` that goes with codecs of this clock rate.
pub(super) fn of_clock(
    list: &[Listed],
    is_events: bool,
    clock: Option<ClockRate>,
) -> Option<&Listed> {
    supplemental(list, is_events).find(|listed| listed.codec.clock_rate == clock)
}

/// Clock rates of the codecs proper, ascending.
fn clocks(list: &[Listed]) -> Vec<ClockRate> {
    let codecs = list.iter().map(|listed| &listed.codec);
    let mut clocks: Vec<ClockRate> = codecs
        .filter(|codec| !codec.is_supplemental())
        .filter_map(|codec| codec.clock_rate)
        .collect();
    clocks.sort_unstable_by_key(|clock| clock.get());
    clocks.dedup();
    clocks
}

/// Adds DTMF and comfort noise for the clock rates that codecs have brought, and takes out those that
/// have lost their last codec; new ones stand in front of the `anchor`. Only where there are any, and where anything has changed.
pub(super) fn follow(
    list: &mut Vec<Listed>,
    touched: &Touched,
    anchor: Option<PayloadType>,
    is_free: impl Fn(&[Listed], PayloadType, &Codec) -> bool,
) {
    let clocks = clocks(list);
    let at_anchor = |l: &Listed| Some(l.codec.payload_type) == anchor;
    let first = |l: &Listed| l.codec.is_supplemental();
    let place = list.iter().position(at_anchor);
    let place = place.or_else(|| list.iter().position(first));
    let mut place = place.unwrap_or(list.len());
    for is_events in [false, true] {
        if supplemental(list, is_events).next().is_none() {
            continue;
        }
        let missing = clocks.iter().filter(|&&clock| {
            touched.contains(Some(clock)) && of_clock(list, is_events, Some(clock)).is_none()
        });
        for clock in missing.copied().collect::<Vec<_>>() {
            let encoding = Encoding::supplemental(is_events, clock);
            let codec = encoding.codec(None, |number, codec| is_free(list, number, codec));
            if let Some(codec) = codec {
                let mut listed = Listed::new(codec);
                listed.added = true;
                list.insert(place, listed);
                place += 1;
            }
        }
        list.retain(|Listed { codec, .. }| {
            let stray = codec
                .clock_rate
                .is_none_or(|clock| !clocks.contains(&clock));
            let alike = codec.is_supplemental() && codec.is_events() == is_events;
            !(alike && stray && touched.contains(codec.clock_rate))
        });
    }
}
