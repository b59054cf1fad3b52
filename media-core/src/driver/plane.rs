//! The control side of the shards: binds sockets, queues messages, wakes threads.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem};

use super::sys::{self, WakeFd};
use crate::engine::{BindError, Command, MediaPlane, ShardCounters, ShardLoad, SocketOptions};
use crate::units::{ShardId, SocketId};

/// Messages that a shard may be behind before its callers have to wait for it. It takes them all at each
/// tick, so this is some hundred calls set up within a millisecond.
const QUEUE_LIMIT: usize = 2048;
/// How long a caller waits at most.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

/// What travels to a shard.
#[derive(Debug)]
pub(super) enum Message {
    /// A bound socket to serve.
    Open(SocketId, OwnedFd),
    /// For the engine.
    Engine(Command),
    /// Close everything and end the thread.
    Shutdown,
}

/// One shard as seen from outside.
pub(super) struct ShardPort {
    shard: ShardId,
    sockets: Mutex<Places>,
    queue: Mutex<VecDeque<Message>>,
    /// Told when the queue has been emptied.
    drained: Condvar,
    /// Set with each message, cleared when the shard takes them: one wake-up per batch of messages.
    pending: AtomicBool,
    pub(super) wake: WakeFd,
}

/// Places in the shard's socket table.
struct Places {
    free: Vec<u32>,
    generations: Vec<u32>,
    max: u32,
}

impl ShardPort {
    pub(super) fn new(shard: u8, max_sockets: u32) -> io::Result<Self> {
        Ok(Self {
            shard: ShardId::new(shard),
            sockets: Mutex::new(Places {
                free: Vec::new(),
                generations: Vec::new(),
                max: max_sockets,
            }),
            queue: Mutex::new(VecDeque::new()),
            drained: Condvar::new(),
            pending: AtomicBool::new(false),
            wake: WakeFd::new()?,
        })
    }

    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(super) fn send(&self, messages: impl IntoIterator<Item = Message>) {
        let mut queue = lock(&self.queue);
        if queue.len() >= QUEUE_LIMIT {
            // A timeout, so that a shard that has died cannot hold up its callers for ever.
            let behind = |queue: &mut VecDeque<Message>| queue.len() >= QUEUE_LIMIT;
            let waited = self
                .drained
                .wait_timeout_while(queue, QUEUE_PATIENCE, behind);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.extend(messages);
        drop(queue);
        // Release: a shard that sees the flag sees the message.
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.wake.wake();
        }
    }

    /// All messages queued so far, in order; `into` is emptied first. Cheap when there are none.
    pub(super) fn take(&self, into: &mut VecDeque<Message>) {
        into.clear();
        if self.pending.load(Ordering::Relaxed) {
            self.pending.store(false, Ordering::Release);
            mem::swap(&mut *lock(&self.queue), into);
            if into.len() >= QUEUE_LIMIT {
                self.drained.notify_all();
            }
        }
    }

    fn allocate(&self) -> Option<SocketId> {
        let mut places = lock(&self.sockets);
        let index = match places.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(places.generations.len())
                    .ok()
                    .filter(|n| *n < places.max)?;
                places.generations.push(0);
                index
            }
        };
        Some(SocketId::new(
            self.shard,
            index,
            places.generations[index as usize],
        ))
    }

    /// Gives the place to the next tenant. The driver calls it once per socket, when it is closed.
    pub(super) fn release(&self, socket: SocketId) {
        let mut places = lock(&self.sockets);
        let Some(generation) = places.generations.get_mut(socket.index() as usize) else {
            return;
        };
        if *generation == socket.generation() {
            *generation = (*generation + 1) & sys::GENERATION_MASK;
            places.free.push(socket.index());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All shards.
#[derive(Default)]
pub(super) struct Plane {
    shards: Vec<Arc<ShardPort>>,
    counters: Vec<Arc<ShardCounters>>,
}

impl Plane {
    pub(super) fn new(shards: Vec<Arc<ShardPort>>, counters: Vec<Arc<ShardCounters>>) -> Self {
        Self { shards, counters }
    }

    pub(super) fn shutdown(&self) {
        for shard in &self.shards {
            shard.send([Message::Shutdown]);
        }
    }

    fn shard(&self, shard: ShardId) -> Option<&ShardPort> {
        self.shards.get(usize::from(shard.get())).map(|s| &**s)
    }
}

impl MediaPlane for Plane {
    fn shards(&self) -> u8 {
        u8::try_from(self.shards.len()).unwrap_or(u8::MAX)
    }

    fn bind(
        &self,
        shard: ShardId,
        local: SocketAddr,
        options: SocketOptions,
    ) -> Result<SocketId, BindError> {
        let port = self.shard(shard).ok_or(BindError::TooManySockets)?;
        let socket =
            sys::bind_udp(local, options.tos).map_err(|error| bind_error(local, &error))?;
        let id = port.allocate().ok_or(BindError::TooManySockets)?;
        port.send([Message::Open(id, socket)]);
        Ok(id)
    }

    fn commands(&self, shard: ShardId, commands: Vec<Command>) {
        if let Some(port) = self.shard(shard) {
            port.send(commands.into_iter().map(Message::Engine));
        }
    }

    fn load(&self, shard: ShardId) -> ShardLoad {
        let counters = self.counters.get(usize::from(shard.get()));
        counters.map_or_else(ShardLoad::default, |counters| ShardLoad {
            cpu_permille: u32::try_from(counters.cpu_permille.get()).unwrap_or(1000),
            sampled: Duration::from_micros(counters.cpu_sampled_us.get()),
            behind: Duration::from_micros(counters.transcode_behind_us.get()),
        })
    }
}

fn bind_error(local: SocketAddr, error: &io::Error) -> BindError {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => BindError::InUse(local.port()),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
            BindError::TooManySockets
        }
        errno => BindError::Os {
            local,
            errno: errno.unwrap_or(0),
        },
    }
}
