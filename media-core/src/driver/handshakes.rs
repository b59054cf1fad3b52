//! DTLS handshakes of one shard's streams, on a thread of their own that yields to media.
//!
//! ```text
//! shard ──HandshakeEvent, bounded queue──▶ here: one Association per stream
//!   ▲                                        │
//!   └──── Command::SendFrom, HandshakeEnded ─┘
//! ```
//! What does not fit the queue is lost: peers repeat themselves. An association is kept for a while after
//! its handshake, to repeat our last words should they have been lost, and then until its stream ends only
//! as a note.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::plane::{Message, ShardPort};
use super::sys;
use crate::dtls::{Association, AssociationConfig, DtlsEvent, DtlsFailure, KeyingMaterial, Role};
use crate::engine::{Command, Handshake, HandshakeEvent, HandshakeStep, SrtpKeys};
use crate::srtp::{CryptoSuite, MasterKey, SrtpParams};
use crate::units::SocketId;
use crate::wire::dtls::is_client_hello;

/// Events waiting for the thread; a handshake takes about ten.
const QUEUE: usize = 4096;
/// Associations at work at a time; a stranger's ClientHello beyond that is not answered.
const MAX_ASSOCIATIONS: usize = 8192;
/// How long an association can repeat its last flight.
const LINGER: Duration = Duration::from_secs(60);
/// Events handled between two looks at the clock's deadlines.
const BATCH: usize = 64;

/// Starts the thread. It ends when the sender is dropped.
pub(super) fn start(
    shard: u8,
    port: Arc<ShardPort>,
) -> io::Result<(SyncSender<HandshakeEvent>, JoinHandle<()>)> {
    let (sender, events) = mpsc::sync_channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name(format!("dtls-{shard}"))
        .spawn(move || {
            sys::yield_to_media();
            Handshakes {
                port,
                entries: HashMap::new(),
                commands: Vec::new(),
            }
            .run(&events);
        })?;
    Ok((sender, thread))
}

struct Handshakes {
    port: Arc<ShardPort>,
    entries: HashMap<SocketId, Entry>,
    commands: Vec<Message>,
}

struct Entry {
    association: u32,
    /// `None`: over.
    state: Option<Box<Association>>,
    to: SocketAddr,
    /// When to let go of the state of a handshake that has ended.
    until: Option<Instant>,
}

impl Handshakes {
    fn run(mut self, events: &Receiver<HandshakeEvent>) {
        loop {
            let now = Instant::now();
            let next = self
                .next_timeout()
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

    fn next_timeout(&self) -> Option<Instant> {
        let wanted = |entry: &Entry| {
            let state = entry.state.as_ref()?;
            state.poll_timeout().into_iter().chain(entry.until).min()
        };
        self.entries.values().filter_map(wanted).min()
    }

    fn run_due(&mut self, now: Instant) {
        for (socket, entry) in &mut self.entries {
            if entry.until.is_some_and(|until| until <= now) {
                entry.state = None;
                entry.until = None;
            }
            if let Some(state) = &mut entry.state
                && state.poll_timeout().is_some_and(|at| at <= now)
            {
                state.handle_timeout(now);
                entry.drain(now, *socket, &mut self.commands);
            }
        }
    }

    fn handle(&mut self, now: Instant, event: HandshakeEvent) {
        let HandshakeEvent {
            socket,
            handshake,
            step,
        } = event;
        if let HandshakeStep::End = step {
            self.entries.remove(&socket);
            return;
        }
        let other = |entry: &Entry| entry.association != handshake.association;
        if self.entries.get(&socket).is_some_and(other) {
            self.entries.remove(&socket);
        }
        match step {
            HandshakeStep::Begin(to) if handshake.role == Some(Role::Active) => {
                self.begin(now, socket, &handshake, Role::Active, to);
            }
            HandshakeStep::Datagram(from, datagram) => {
                if !self.entries.contains_key(&socket) {
                    // Whoever gets our offer may begin before its answer tells us so.
                    if handshake.role == Some(Role::Active) || !is_client_hello(&datagram) {
                        return;
                    }
                    self.begin(now, socket, &handshake, Role::Passive, from);
                }
                if let Some(entry) = self.entries.get_mut(&socket)
                    && let Some(state) = &mut entry.state
                {
                    entry.to = from;
                    state.handle_datagram(now, &datagram);
                }
            }
            HandshakeStep::Restate => {
                if let Some(Entry {
                    state: Some(state), ..
                }) = self.entries.get_mut(&socket)
                {
                    state.set_remote_fingerprints(now, handshake.fingerprints.clone());
                }
            }
            HandshakeStep::Begin(_) | HandshakeStep::End => {}
        }
        if let Some(entry) = self.entries.get_mut(&socket) {
            entry.drain(now, socket, &mut self.commands);
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        socket: SocketId,
        handshake: &Handshake,
        role: Role,
        to: SocketAddr,
    ) {
        if self.entries.contains_key(&socket) || self.entries.len() >= MAX_ASSOCIATIONS {
            return;
        }
        let config = AssociationConfig {
            remote_fingerprints: handshake.fingerprints.clone(),
            // The engine lets through only whom ICE or signalling has pointed to, and counts; a round
            // trip at the start of every call would cost more than it saves.
            verify_address: false,
            ..AssociationConfig::new(role, handshake.certificate.clone())
        };
        let association = handshake.association;
        let state = match Association::new(config, now) {
            Ok(state) => Some(Box::new(state)),
            Err(failure) => {
                self.commands.push(ended(socket, association, Err(failure)));
                None
            }
        };
        let entry = Entry {
            association,
            state,
            to,
            until: None,
        };
        self.entries.insert(socket, entry);
    }
}

impl Entry {
    /// Takes what an association has to send and to say.
    fn drain(&mut self, now: Instant, socket: SocketId, commands: &mut Vec<Message>) {
        let Some(state) = &mut self.state else {
            return;
        };
        while let Some(datagram) = state.poll_transmit() {
            commands.push(Message::Engine(Command::SendFrom {
                socket,
                to: self.to,
                datagram: datagram.into(),
            }));
        }
        let mut over = false;
        while let Some(event) = state.poll_event() {
            let outcome = match event {
                DtlsEvent::Connected { suite, keys } => {
                    self.until = Some(now + LINGER);
                    srtp_keys(suite, &keys).ok_or(DtlsFailure::Internal)
                }
                DtlsEvent::Failed(failure) => {
                    over = true;
                    Err(failure)
                }
                // The party is done with this association, and so are its keys.
                DtlsEvent::Closed => {
                    over = true;
                    Err(DtlsFailure::Alert(CLOSE_NOTIFY))
                }
            };
            commands.push(ended(socket, self.association, outcome));
        }
        if over {
            self.state = None;
        }
    }
}

/// RFC 5246 §7.2.1.
const CLOSE_NOTIFY: u8 = 0;

fn ended(
    socket: SocketId,
    association: u32,
    outcome: Result<Box<SrtpKeys>, DtlsFailure>,
) -> Message {
    Message::Engine(Command::HandshakeEnded {
        socket,
        association,
        outcome,
    })
}

/// Keys and salts as the SRTP layer takes them.
fn srtp_keys(suite: CryptoSuite, keys: &KeyingMaterial) -> Option<Box<SrtpKeys>> {
    let params = |key: &[u8], salt: &[u8]| {
        let bytes = zeroize::Zeroizing::new([key, salt].concat());
        MasterKey::new(suite, &bytes).ok().map(SrtpParams::new)
    };
    Some(Box::new(SrtpKeys {
        send: params(keys.local_key(), keys.local_salt())?,
        receive: params(keys.remote_key(), keys.remote_salt())?,
    }))
}
