//! DTLS handshakes of one shard's streams, on a thread of their own that yields to media.
//!
//! ```text
//! shard ──HandshakeEvent, bounded queue──▶ here: one Association per stream
//!   ▲                                        │
//!   └──── Command::SendFrom, HandshakeEnded ─┘
//! ```
//! A datagram that does not fit the queue is lost: peers repeat themselves. An association is kept for a while after
//! its handshake, to repeat our last words should they have been lost, and then until its stream ends only
//! as a note.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::DtlsConfig;
use super::agenda::Agenda;
use super::plane::{Message, ShardPort};
use super::sys;
use crate::dtls::{Association, AssociationConfig, DtlsEvent, DtlsFailure, KeyingMaterial, Role};
use crate::engine::{Agreement, Command, Handshake, HandshakeEvent, HandshakeStep, SrtpKeys};
use crate::srtp::{CryptoSuite, MasterKey, SrtpParams};
use crate::units::SocketId;
use crate::wire::dtls::{HANDSHAKE_HEADER_LEN, RECORD_HEADER_LEN, is_client_hello};

/// Events waiting for the thread; a handshake takes about ten.
const QUEUE: usize = 4096;
/// Handshakes of one stream at a time; one more takes the place of the oldest.
const MAX_ATTEMPTS: usize = 4;
/// Bytes of a ClientHello's random (RFC 5246 §7.4.1.2).
const RANDOM_LEN: usize = 32;
/// Handshakes going on at a time; a stranger's ClientHello beyond that is not answered. Those that have
/// ended do not count, nor does it hold up ours, which signalling has asked for.
const MAX_ASSOCIATIONS: usize = 8192;
/// How long an association can repeat its last flight.
const LINGER: Duration = Duration::from_secs(60);
/// Events handled between two looks at the clock's deadlines.
const BATCH: usize = 64;

/// Starts the thread. It ends when the sender is dropped.
pub(super) fn start(
    shard: u8,
    config: DtlsConfig,
    port: Arc<ShardPort>,
) -> io::Result<(SyncSender<HandshakeEvent>, JoinHandle<()>)> {
    let (sender, events) = mpsc::sync_channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name(format!("dtls-{shard}"))
        .spawn(move || {
            sys::yield_to_media();
            Handshakes {
                config,
                port,
                entries: HashMap::new(),
                agenda: Agenda::default(),
                due: Vec::new(),
                at_work: 0,
                commands: Vec::new(),
            }
            .run(&events);
        })?;
    Ok((sender, thread))
}

struct Handshakes {
    config: DtlsConfig,
    port: Arc<ShardPort>,
    entries: HashMap<SocketId, Entry>,
    /// When each entry is next to be looked at.
    agenda: Agenda,
    /// Scratch.
    due: Vec<SocketId>,
    /// Attempts of all entries that have not ended.
    at_work: usize,
    commands: Vec<Message>,
}

/// A stream's association, and whoever tries to be its party. Without ICE anybody may send the first
/// ClientHello; the one whose handshake ends in keys is the party.
struct Entry {
    association: u32,
    /// Most recent last.
    attempts: Vec<Attempt>,
    /// There were keys: nobody else may begin.
    settled: bool,
    /// How many of the attempts are in [`Handshakes::at_work`].
    counted: usize,
}

/// One handshake.
struct Attempt {
    state: Box<Association>,
    to: SocketAddr,
    /// The client's, if ours is the server; the same from wherever it comes.
    random: Option<[u8; RANDOM_LEN]>,
    /// When to let go of the state of a handshake that has ended.
    until: Option<Instant>,
}

impl Handshakes {
    fn run(mut self, events: &Receiver<HandshakeEvent>) {
        loop {
            let now = Instant::now();
            let next = self
                .agenda
                .next()
                .map(|at| at.saturating_duration_since(now));
            let first = match next {
                Some(wait) => events.recv_timeout(wait),
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let now = Instant::now();
            match first {
                Ok(event) => {
                    self.handle(now, event);
                    for event in events.try_iter().take(BATCH) {
                        self.handle(now, event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.run_due(now);
            if !self.commands.is_empty() {
                self.port.send(self.commands.drain(..));
            }
        }
    }

    fn run_due(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        self.agenda.take_due(now, &mut due);
        for socket in due.drain(..) {
            if let Some(entry) = self.entries.get_mut(&socket) {
                entry.handle_timeout(now);
            }
            self.attend(now, socket);
        }
        self.due = due;
    }

    /// After anything has happened to a stream's entry: takes what it has to say, and notes when to look
    /// at it again.
    fn attend(&mut self, now: Instant, socket: SocketId) {
        let Some(entry) = self.entries.get_mut(&socket) else {
            return self.agenda.set(socket, None);
        };
        entry.drain(now, socket, &mut self.commands);
        let at_work = entry.at_work();
        self.at_work = self.at_work + at_work - entry.counted;
        entry.counted = at_work;
        self.agenda.set(socket, entry.next_timeout());
    }

    fn remove(&mut self, socket: SocketId) {
        if let Some(entry) = self.entries.remove(&socket) {
            self.at_work -= entry.counted;
            self.agenda.set(socket, None);
        }
    }

    fn handle(&mut self, now: Instant, event: HandshakeEvent) {
        let HandshakeEvent {
            socket,
            handshake,
            step,
        } = event;
        if let HandshakeStep::End = step {
            self.remove(socket);
            return;
        }
        let other = |entry: &Entry| entry.association != handshake.association;
        if self.entries.get(&socket).is_some_and(other) {
            self.remove(socket);
        }
        match step {
            HandshakeStep::Begin(to)
                if handshake.role == Some(Role::Active) && !self.entries.contains_key(&socket) =>
            {
                self.begin(now, socket, &handshake, to, None, false);
            }
            HandshakeStep::Datagram(from, datagram) => {
                self.datagram(now, socket, &handshake, from, &datagram, false);
            }
            HandshakeStep::Stranger(from, datagram) => {
                self.datagram(now, socket, &handshake, from, &datagram, true);
            }
            HandshakeStep::Restate => {
                let entry = self.entries.get_mut(&socket);
                for attempt in entry.into_iter().flat_map(|entry| &mut entry.attempts) {
                    let fingerprints = handshake.fingerprints.clone();
                    attempt.state.set_remote_fingerprints(now, fingerprints);
                }
            }
            HandshakeStep::Begin(_) | HandshakeStep::End => {}
        }
        self.attend(now, socket);
    }

    fn datagram(
        &mut self,
        now: Instant,
        socket: SocketId,
        handshake: &Handshake,
        from: SocketAddr,
        datagram: &[u8],
        verify_address: bool,
    ) {
        // Whoever gets our offer may begin before its answer tells us so.
        let random = match handshake.role {
            Some(Role::Active) => None,
            _ => client_random(datagram),
        };
        let known = self
            .entries
            .get(&socket)
            .is_some_and(|entry| entry.settled || entry.place(from, random).is_some());
        if !known && random.is_some() && self.at_work < MAX_ASSOCIATIONS {
            self.begin(now, socket, handshake, from, random, verify_address);
        }
        let Some(entry) = self.entries.get_mut(&socket) else {
            return;
        };
        // What is no beginning and comes from elsewhere is of a party that ICE has led to another pair:
        // without ICE the engine passes on nothing of the kind.
        let place = entry.place(from, random);
        let latest = entry.attempts.len().checked_sub(1);
        let place = place.or(latest.filter(|_| random.is_none()));
        if let Some(attempt) = place.and_then(|n| entry.attempts.get_mut(n)) {
            attempt.to = from;
            attempt.state.handle_datagram(now, datagram);
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        socket: SocketId,
        handshake: &Handshake,
        to: SocketAddr,
        random: Option<[u8; RANDOM_LEN]>,
        verify_address: bool,
    ) {
        let role = match random {
            Some(_) => Role::Passive,
            None => Role::Active,
        };
        let config = AssociationConfig {
            remote_fingerprints: handshake.fingerprints.clone(),
            // For whom ICE or signalling has pointed to, a round trip at the start of every call would cost
            // more than it saves.
            verify_address,
            client_offer: self.config.client_offer,
            max_version: self.config.max_version,
            ..AssociationConfig::new(role, handshake.certificate.clone())
        };
        let association = handshake.association;
        let entry = self.entries.entry(socket).or_insert_with(|| Entry {
            association,
            attempts: Vec::new(),
            settled: false,
            counted: 0,
        });
        match Association::new(config, now) {
            Ok(state) => {
                if entry.attempts.len() >= MAX_ATTEMPTS {
                    entry.attempts.remove(0);
                }
                entry.attempts.push(Attempt {
                    state: Box::new(state),
                    to,
                    random,
                    until: None,
                });
            }
            Err(failure) => self.commands.push(ended(socket, association, Err(failure))),
        }
    }
}

impl Entry {
    /// Whose datagram is it? A ClientHello is told by its random, whatever way it comes.
    fn place(&self, from: SocketAddr, random: Option<[u8; RANDOM_LEN]>) -> Option<usize> {
        self.attempts.iter().position(|attempt| match random {
            Some(_) => attempt.random == random,
            None => attempt.to == from,
        })
    }

    /// Attempts that have not ended.
    fn at_work(&self) -> usize {
        let attempts = self.attempts.iter();
        attempts.filter(|attempt| attempt.until.is_none()).count()
    }

    /// When to call [`Entry::handle_timeout`].
    fn next_timeout(&self) -> Option<Instant> {
        let attempts = self.attempts.iter();
        attempts
            .filter_map(|attempt| {
                let timeout = attempt.state.poll_timeout();
                timeout.into_iter().chain(attempt.until).min()
            })
            .min()
    }

    /// Lets go of what has lingered, and lets the others do what is due.
    fn handle_timeout(&mut self, now: Instant) {
        let over = |attempt: &Attempt| attempt.until.is_some_and(|until| until <= now);
        self.attempts.retain(|attempt| !over(attempt));
        for attempt in &mut self.attempts {
            if attempt.state.poll_timeout().is_some_and(|at| at <= now) {
                attempt.state.handle_timeout(now);
            }
        }
    }

    /// Takes what the associations have to send and to say.
    fn drain(&mut self, now: Instant, socket: SocketId, commands: &mut Vec<Message>) {
        let mut failed = None;
        let mut n = 0;
        while let Some(attempt) = self.attempts.get_mut(n) {
            while let Some(datagram) = attempt.state.poll_transmit() {
                commands.push(Message::Engine(Command::SendFrom {
                    socket,
                    to: attempt.to,
                    datagram: datagram.into(),
                }));
            }
            match attempt.state.poll_event() {
                Some(DtlsEvent::Connected { suite, keys }) => {
                    attempt.until = Some(now + LINGER);
                    // Others have lost their chance.
                    self.attempts.swap(0, n);
                    self.attempts.truncate(1);
                    n = 0;
                    self.settled = true;
                    failed = None;
                    let agreement = agreement(&self.attempts[0].state, suite, &keys);
                    let outcome = agreement.ok_or(DtlsFailure::Internal);
                    commands.push(ended(socket, self.association, outcome));
                }
                Some(event) => {
                    failed = Some(match event {
                        DtlsEvent::Failed(failure) => failure,
                        // The party is done with this association, and so are its keys.
                        _ => DtlsFailure::Alert(CLOSE_NOTIFY),
                    });
                    self.attempts.remove(n);
                }
                None => n += 1,
            }
        }
        // One of several that fails was perhaps not the party.
        if let Some(failure) = failed
            && self.attempts.is_empty()
        {
            commands.push(ended(socket, self.association, Err(failure)));
        }
    }
}

/// The random of a datagram that begins a handshake.
fn client_random(datagram: &[u8]) -> Option<[u8; RANDOM_LEN]> {
    /// Record header, handshake header, version.
    const AT: usize = RECORD_HEADER_LEN + HANDSHAKE_HEADER_LEN + 2;
    if !is_client_hello(datagram) {
        return None;
    }
    datagram.get(AT..)?.first_chunk().copied()
}

/// RFC 5246 §7.2.1.
const CLOSE_NOTIFY: u8 = 0;

fn ended(
    socket: SocketId,
    association: u32,
    outcome: Result<Box<Agreement>, DtlsFailure>,
) -> Message {
    Message::Engine(Command::HandshakeEnded {
        socket,
        association,
        outcome,
    })
}

/// What an association has agreed on, keys and salts as the SRTP layer takes them.
fn agreement(
    state: &Association,
    suite: CryptoSuite,
    keys: &KeyingMaterial,
) -> Option<Box<Agreement>> {
    let params = |key: &[u8], salt: &[u8]| {
        let bytes = zeroize::Zeroizing::new([key, salt].concat());
        MasterKey::new(suite, &bytes).ok().map(SrtpParams::new)
    };
    Some(Box::new(Agreement {
        version: state.version()?,
        role: state.role(),
        keys: SrtpKeys {
            send: params(keys.local_key(), keys.local_salt())?,
            receive: params(keys.remote_key(), keys.remote_salt())?,
        },
    }))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::dtls::{Certificate, HashFunction};
    use crate::units::{Now, ShardId};

    /// A client that shakes hands with the stream of one socket.
    struct Client {
        socket: SocketId,
        address: SocketAddr,
        handshake: Arc<Handshake>,
        state: Association,
    }

    impl Client {
        fn new(index: u16, certificate: &Certificate, now: Instant) -> Self {
            let fingerprint = certificate.fingerprint(HashFunction::Sha256).unwrap();
            let config = AssociationConfig {
                remote_fingerprints: vec![fingerprint],
                ..AssociationConfig::new(Role::Active, certificate.clone())
            };
            Self {
                socket: SocketId::new(ShardId::new(0), index.into(), 0),
                address: ([127, 0, 0, 1], 4000 + index).into(),
                handshake: Arc::new(Handshake {
                    association: 1,
                    role: Some(Role::Passive),
                    certificate: certificate.clone(),
                    fingerprints: vec![fingerprint],
                }),
                state: Association::new(config, now).unwrap(),
            }
        }

        /// Sends what the client has to say.
        fn speak(&mut self, to: &mut Handshakes, now: Instant) {
            while let Some(datagram) = self.state.poll_transmit() {
                let step = HandshakeStep::Datagram(self.address, datagram.into());
                to.handle(now, self.event(step));
            }
        }

        /// Goes on until both have nothing to say.
        fn finish(&mut self, with: &mut Handshakes, now: Instant) {
            while !with.commands.is_empty() {
                for message in std::mem::take(&mut with.commands) {
                    if let Message::Engine(Command::SendFrom { datagram, .. }) = message {
                        self.state.handle_datagram(now, &datagram);
                    }
                }
                self.speak(with, now);
            }
            let event = self.state.poll_event();
            assert!(matches!(event, Some(DtlsEvent::Connected { .. })));
        }

        fn event(&self, step: HandshakeStep) -> HandshakeEvent {
            HandshakeEvent {
                socket: self.socket,
                handshake: Arc::clone(&self.handshake),
                step,
            }
        }
    }

    #[test]
    fn handshakes_that_have_ended_keep_no_stranger_out() {
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let certificate = Certificate::generate(Now {
            monotonic: now,
            unix: unix.unwrap(),
        });
        let certificate = certificate.unwrap();
        let mut handshakes = Handshakes {
            config: DtlsConfig::default(),
            port: Arc::new(ShardPort::new(0, 16).unwrap()),
            entries: HashMap::new(),
            agenda: Agenda::default(),
            due: Vec::new(),
            // There is room for one more.
            at_work: MAX_ASSOCIATIONS - 1,
            commands: Vec::new(),
        };
        let mut clients = [1, 2].map(|index| Client::new(index, &certificate, now));
        let [first, second] = &mut clients;

        first.speak(&mut handshakes, now);
        second.speak(&mut handshakes, now);
        assert!(!handshakes.entries.contains_key(&second.socket));
        first.finish(&mut handshakes, now);
        assert_eq!(handshakes.agenda.next(), Some(now + LINGER));

        let later = now + Duration::from_secs(1);
        second.state.handle_timeout(later);
        second.speak(&mut handshakes, later);
        second.finish(&mut handshakes, later);
        assert_eq!(handshakes.at_work, MAX_ASSOCIATIONS - 1);

        // One is forgotten in time, the other with its stream.
        handshakes.run_due(now + LINGER);
        assert!(handshakes.entries[&first.socket].attempts.is_empty());
        assert_eq!(handshakes.agenda.next(), Some(later + LINGER));
        handshakes.handle(later, second.event(HandshakeStep::End));
        assert_eq!(handshakes.agenda.next(), None);
        assert_eq!(handshakes.at_work, MAX_ASSOCIATIONS - 1);
    }
}
