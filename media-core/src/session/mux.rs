//! RTCP on the RTP port (RFC 5761): what each side is told, as rtpengine does.

use super::call::{MuxReply, MuxState};
use crate::sdp::RtcpMuxOptions;

/// What the listener of a description is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    /// `a=rtcp-mux` is written.
    pub(super) mux: bool,
    /// `a=rtcp` names the RTP port: there is nothing to fall back to.
    pub(super) same_port: bool,
}

/// An offer came, with `a=rtcp-mux` or without. A listener that muxes already (`far_on`) is offered
/// the same again, whatever the speaker does and `demux` says. Accepting goes before `reject`.
pub(super) fn hear_offer(
    state: &mut MuxState,
    far_on: bool,
    offered: bool,
    options: RtcpMuxOptions,
) -> Announced {
    let passed = offered && !options.demux;
    let far = Announced {
        mux: options.offer || options.require || passed || far_on,
        same_port: options.require || far_on,
    };
    state.offered = offered;
    state.far_single = options.require;
    state.reply = match () {
        () if options.demux || options.accept => MuxReply::Accept,
        () if options.reject => MuxReply::Reject,
        () => MuxReply::Follow,
    };
    state.on = offered && (state.on || state.reply == MuxReply::Accept);
    far
}

/// An answer came, with `a=rtcp-mux` or without: `answerer` sent it, `offerer` gets it.
pub(super) fn hear_answer(
    offerer: &mut MuxState,
    answerer: &mut MuxState,
    accepted: bool,
) -> Announced {
    answerer.on = accepted;
    offerer.on = offerer.offered
        && match offerer.reply {
            MuxReply::Follow => accepted,
            MuxReply::Accept => true,
            MuxReply::Reject => false,
        };
    Announced {
        mux: offerer.on,
        same_port: offerer.on,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(offered: bool, options: RtcpMuxOptions, answered: bool) -> (Announced, bool, bool) {
        let (mut a, mut b) = (MuxState::default(), MuxState::default());
        let far = hear_offer(&mut a, b.on, offered, options);
        hear_answer(&mut a, &mut b, answered);
        (far, a.on, b.on)
    }
    const NONE: RtcpMuxOptions = RtcpMuxOptions {
        offer: false,
        require: false,
        demux: false,
        accept: false,
        reject: false,
    };
    const BOTH: Announced = Announced {
        mux: true,
        same_port: false,
    };
    const ONE: Announced = Announced {
        mux: true,
        same_port: true,
    };
    const NO: Announced = Announced {
        mux: false,
        same_port: false,
    };

    #[test]
    fn mux_is_passed_through_and_follows_the_answer() {
        assert_eq!(run(true, NONE, true), (BOTH, true, true));
        assert_eq!(run(true, NONE, false), (BOTH, false, false));
        assert_eq!(run(false, NONE, false), (NO, false, false));
    }
    #[test]
    fn demux_and_accept_mux_towards_the_offerer_alone() {
        let demux = RtcpMuxOptions {
            demux: true,
            ..NONE
        };
        let accept = RtcpMuxOptions {
            accept: true,
            ..NONE
        };
        assert_eq!(run(true, demux, false), (NO, true, false));
        assert_eq!(run(true, accept, false), (BOTH, true, false));
        assert_eq!(run(true, demux, true), (NO, true, true));
    }
    #[test]
    fn offer_and_require_mux_towards_the_answerer_alone() {
        let offer = RtcpMuxOptions {
            offer: true,
            ..NONE
        };
        let require = RtcpMuxOptions {
            require: true,
            ..NONE
        };
        assert_eq!(run(false, offer, true), (BOTH, false, true));
        assert_eq!(run(false, require, true), (ONE, false, true));
        assert_eq!(run(false, require, false), (ONE, false, false));
    }
    #[test]
    fn reject_refuses_towards_the_offerer() {
        let reject = RtcpMuxOptions {
            reject: true,
            ..NONE
        };
        assert_eq!(run(true, reject, true), (BOTH, false, true));
        let both = RtcpMuxOptions {
            accept: true,
            ..reject
        };
        assert_eq!(run(true, both, false), (BOTH, true, false));
    }

    #[test]
    fn established_mux_is_offered_again_without_fallback() {
        let (mut a, mut b) = (MuxState::default(), MuxState::default());
        hear_offer(&mut a, b.on, true, NONE);
        hear_answer(&mut a, &mut b, true);
        assert_eq!(hear_offer(&mut a, b.on, true, NONE), ONE);
        assert_eq!(hear_offer(&mut a, b.on, false, NONE), ONE);
        let demux = RtcpMuxOptions {
            demux: true,
            ..NONE
        };
        assert_eq!(hear_offer(&mut a, b.on, true, demux), ONE);
        assert_eq!(hear_offer(&mut a, b.on, false, NONE), ONE);
        hear_answer(&mut a, &mut b, false);
        assert_eq!((a.on, b.on), (false, false));
        assert_eq!(hear_offer(&mut a, b.on, false, NONE), NO);
    }
}
