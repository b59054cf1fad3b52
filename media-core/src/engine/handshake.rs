//! DTLS on a stream: datagrams go to whoever shakes hands, keys come back. Nothing of DTLS runs here: a
//! handshake takes a thousand times as long as a packet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Agreement, DropReason, Egress, Engine, Event, Handshake, Protection, Transmit, Verdict,
};
use crate::buf::PacketBuf;
use crate::dtls::{DtlsFailure, DtlsVersion, Role};
use crate::srtp::CryptoSuite;
use crate::units::SocketId;
use crate::wire::dtls::is_client_hello;

/// What whoever shakes hands is told of a stream.
#[derive(Clone, Debug)]
pub struct HandshakeEvent {
    /// The stream's socket.
    pub socket: SocketId,
    /// What the association is made of.
    pub handshake: Arc<Handshake>,
    /// What to do.
    pub step: HandshakeStep,
}

impl PartialEq for HandshakeEvent {
    /// Of the same settings, not of equal ones.
    fn eq(&self, other: &Self) -> bool {
        self.socket == other.socket
            && Arc::ptr_eq(&self.handshake, &other.handshake)
            && self.step == other.step
    }
}

impl Eq for HandshakeEvent {}

/// See [`HandshakeEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeStep {
    /// Begin, if ours is the active role: the way to this address is open.
    Begin(SocketAddr),
    /// A datagram came from this address.
    Datagram(SocketAddr, Box<[u8]>),
    /// The same from whom neither ICE nor a description vouches for: it must show that it receives there
    /// before it is answered at length.
    Stranger(SocketAddr, Box<[u8]>),
    /// The party's fingerprints have become known or are others.
    Restate,
    /// The stream has ended, or has other keys.
    End,
}

/// Datagrams of one stream that are passed on within [`BUDGET_SPAN`]: what a handshake over two
/// components with losses needs, many times over. Strangers cannot buy more work than that.
const BUDGET: u8 = 64;
const BUDGET_SPAN: Duration = Duration::from_secs(1);

/// A stream's part in its handshake.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// The association that has been begun.
    begun: Option<u32>,
    spent: u8,
    since: Option<Instant>,
    /// Who was heard last, and on which of the stream's sockets.
    heard: Option<(SocketAddr, SocketId)>,
    /// Who has sent a ClientHello, most recent first; the last is forgotten for the next.
    greeters: [Option<SocketAddr>; GREETERS],
}

/// Without ICE: sources that may shake hands at a time, besides the endpoint.
const GREETERS: usize = 4;

impl Greeting {
    fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now >= since + BUDGET_SPAN) {
            self.since = Some(now);
            self.spent = 0;
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= BUDGET
    }

    fn knows(&self, from: SocketAddr) -> bool {
        self.greeters.contains(&Some(from))
    }

    fn note(&mut self, from: SocketAddr) {
        if !self.knows(from) {
            self.greeters.rotate_right(1);
            self.greeters[0] = Some(from);
        }
    }
}

impl Engine {
    /// A DTLS datagram.
    #[cold]
    pub(super) fn handle_dtls(
        &mut self,
        now: Instant,
        socket: SocketId,
        arrived: SocketId,
        from: SocketAddr,
        packet: &PacketBuf,
    ) -> Verdict {
        let Some(stream) = self.stream_mut(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let Protection::Dtls(handshake) = stream.guard.protection() else {
            return Verdict::Dropped(DropReason::NotMedia);
        };
        let is_known = match &stream.path {
            Some(path) => path.nominated() == Some(from) || path.is_checked(from),
            None => stream.endpoint() == Some(from) || stream.greeting.knows(from),
        };
        // Without ICE, whoever begins may be the party, behind a NAT.
        let greets = stream.path.is_none() && is_client_hello(packet.as_slice());
        if !is_known && !greets {
            return Verdict::Dropped(DropReason::WrongSource);
        }
        if !stream.greeting.take(now) {
            return Verdict::Dropped(DropReason::NoBuffer);
        }
        stream.greeting.heard = Some((from, arrived));
        if !is_known {
            stream.greeting.note(from);
        }
        let is_stranger = stream.path.is_none() && stream.endpoint() != Some(from);
        let step = match packet.as_slice().into() {
            datagram if is_stranger => HandshakeStep::Stranger(from, datagram),
            datagram => HandshakeStep::Datagram(from, datagram),
        };
        let handshake = Arc::clone(handshake);
        self.greet(socket, handshake, step);
        Verdict::Consumed
    }

    /// Lets the handshake begin as soon as the way is open, once for each association.
    pub(super) fn begin_handshake(&mut self, socket: SocketId) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        let to = match &stream.path {
            Some(path) => path.nominated(),
            None => stream.endpoint(),
        };
        let (Some(to), Protection::Dtls(handshake)) = (to, stream.guard.protection()) else {
            return;
        };
        if stream.greeting.begun == Some(handshake.association) || handshake.role.is_none() {
            return;
        }
        let handshake = Arc::clone(handshake);
        stream.greeting.begun = Some(handshake.association);
        self.greet(socket, handshake, HandshakeStep::Begin(to));
    }

    /// The stream's protection was `before`; says what that means for its handshake.
    pub(super) fn restate_handshake(&mut self, socket: SocketId, before: &Protection) {
        let Some(stream) = self.stream(socket) else {
            return;
        };
        let now = stream.guard.protection().clone();
        match (before, now) {
            (Protection::Dtls(before), Protection::Dtls(now)) => {
                let same = Arc::ptr_eq(before, &now);
                if !same {
                    if before.association != now.association {
                        self.note_dtls(socket, DtlsState::Waiting);
                    }
                    self.greet(socket, now, HandshakeStep::Restate);
                }
            }
            (Protection::Dtls(before), _) => {
                let before = Arc::clone(before);
                self.note_dtls(socket, DtlsState::Off);
                self.greet(socket, before, HandshakeStep::End);
            }
            (_, Protection::Dtls(_)) => self.note_dtls(socket, DtlsState::Waiting),
            _ => {}
        }
        self.begin_handshake(socket);
    }

    /// A handshake's datagram, to be sent from the stream: answers from the socket that the party wrote to.
    pub(super) fn send_from(
        &mut self,
        socket: SocketId,
        to: SocketAddr,
        datagram: &[u8],
        out: &mut Egress,
    ) {
        let Some(stream) = self.stream(socket) else {
            return;
        };
        let heard = stream.greeting.heard.filter(|(from, _)| *from == to);
        let socket = heard.map_or(stream.via, |(_, arrived)| arrived);
        // Without a slot it is lost, as on the network.
        if let Some(mut packet) = self.slab.allocate()
            && packet.fill(datagram)
        {
            out.transmit(Transmit::new(socket, to, packet));
        }
    }

    /// How the handshake of an association has ended.
    pub(super) fn handshake_ended(
        &mut self,
        socket: SocketId,
        association: u32,
        outcome: Result<&Agreement, DtlsFailure>,
    ) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        let Protection::Dtls(handshake) = stream.guard.protection() else {
            return;
        };
        if handshake.association != association {
            return;
        }
        match outcome {
            Ok(agreement) => stream.guard.install(&agreement.keys),
            Err(_) => stream.guard.shut(),
        }
        let state = outcome.map_or_else(DtlsState::Failed, |_| DtlsState::Connected);
        let terms = outcome.ok().map(DtlsTerms::of);
        stream.counters.set_dtls(state, terms);
    }

    /// There are no keys (yet).
    fn note_dtls(&self, socket: SocketId, state: DtlsState) {
        if let Some(stream) = self.stream(socket) {
            stream.counters.set_dtls(state, None);
        }
    }

    pub(super) fn greet(
        &mut self,
        socket: SocketId,
        handshake: Arc<Handshake>,
        step: HandshakeStep,
    ) {
        self.events.push_back(Event::Handshake(HandshakeEvent {
            socket,
            handshake,
            step,
        }));
    }
}

/// Where a stream's handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsState {
    /// There is none.
    Off,
    /// It has not ended.
    Waiting,
    /// There are keys.
    Connected,
    /// There are none.
    Failed(DtlsFailure),
}

impl DtlsState {
    /// Failures by their number in a counter; an alert carries its own number.
    const FAILURES: [DtlsFailure; 12] = [
        DtlsFailure::FingerprintMismatch,
        DtlsFailure::UnsupportedHash,
        DtlsFailure::NoCommonProfile,
        DtlsFailure::NoSrtpKeys,
        DtlsFailure::NoPeerCertificate,
        DtlsFailure::UnsupportedCertificate,
        DtlsFailure::Timeout,
        DtlsFailure::NoCommonVersion,
        DtlsFailure::NoCommonCipher,
        DtlsFailure::BadSignature,
        DtlsFailure::Protocol,
        DtlsFailure::Internal,
    ];
    const FIRST_FAILURE: u64 = 16;
    const FIRST_ALERT: u64 = 256;

    pub(super) fn code(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Waiting => 1,
            Self::Connected => 2,
            Self::Failed(DtlsFailure::Alert(alert)) => Self::FIRST_ALERT + u64::from(alert),
            Self::Failed(failure) => {
                let known = Self::FAILURES.iter().position(|f| *f == failure);
                Self::FIRST_FAILURE + known.map_or(u64::from(u8::MAX), |n| n as u64)
            }
        }
    }

    pub(super) fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Off,
            1 => Self::Waiting,
            2 => Self::Connected,
            _ => {
                let alert = code.checked_sub(Self::FIRST_ALERT);
                let alert = alert.and_then(|n| u8::try_from(n).ok());
                let known = code.checked_sub(Self::FIRST_FAILURE);
                let known = known.and_then(|n| Self::FAILURES.get(usize::try_from(n).ok()?));
                Self::Failed(match alert {
                    Some(alert) => DtlsFailure::Alert(alert),
                    None => known.copied().unwrap_or(DtlsFailure::Protocol),
                })
            }
        }
    }
}

/// What a handshake has agreed on, without the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsTerms {
    /// The version.
    pub version: DtlsVersion,
    /// Ours.
    pub role: Role,
    /// The protection profile, as a suite.
    pub suite: CryptoSuite,
}

impl DtlsTerms {
    fn of(agreement: &Agreement) -> Self {
        Self {
            version: agreement.version,
            role: agreement.role,
            suite: agreement.keys.send.suite(),
        }
    }

    /// All that there are; each has its number in a counter by its place.
    fn all() -> impl Iterator<Item = Self> {
        let of_suite = |suite| {
            [DtlsVersion::V1_2, DtlsVersion::V1_3]
                .into_iter()
                .flat_map(move |version| {
                    [Role::Active, Role::Passive].map(|role| Self {
                        version,
                        role,
                        suite,
                    })
                })
        };
        CryptoSuite::ALL.into_iter().flat_map(of_suite)
    }

    /// 0: there are none.
    pub(super) fn code(terms: Option<Self>) -> u64 {
        let known = Self::all().zip(1..).find(|(one, _)| Some(*one) == terms);
        known.map_or(0, |(_, code)| code)
    }

    pub(super) fn from_code(code: u64) -> Option<Self> {
        let at = usize::try_from(code.checked_sub(1)?).ok()?;
        Self::all().nth(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_survive_their_counter() {
        assert_eq!(DtlsTerms::from_code(DtlsTerms::code(None)), None);
        assert_eq!(DtlsTerms::all().count(), 4 * CryptoSuite::ALL.len());
        for terms in DtlsTerms::all() {
            let code = DtlsTerms::code(Some(terms));
            assert_eq!(DtlsTerms::from_code(code), Some(terms));
        }
    }

    #[test]
    fn states_survive_their_counter() {
        let failures = DtlsState::FAILURES.into_iter();
        let alerts = [0, 40, 255].map(DtlsFailure::Alert);
        let failed = failures.chain(alerts).map(DtlsState::Failed);
        let others = [DtlsState::Off, DtlsState::Waiting, DtlsState::Connected];
        for state in failed.chain(others) {
            assert_eq!(DtlsState::from_code(state.code()), state);
        }
    }
}
