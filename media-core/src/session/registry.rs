//! Finding calls by call-id and by key, and the owner of a socket's port. Sharded, so that requests
//! on different calls do not wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::Call;
use super::interfaces::PoolId;
use crate::units::{CallKey, SocketId};

/// One call and its lock. Never taken while a lock of the [`Registry`] is held.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) call_id: Box<str>,
    pub(super) key: CallKey,
    call: Mutex<Call>,
}

impl Entry {
    pub(super) fn lock(&self) -> MutexGuard<'_, Call> {
        // A panic while a call was locked leaves that call's model in doubt, not the others.
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All calls, and all ports in use.
pub(super) struct Registry {
    hasher: RandomState,
    by_id: Sharded<Box<str>, Arc<Entry>>,
    by_key: Sharded<CallKey, Arc<Entry>>,
    leases: Sharded<SocketId, Lease>,
    next_key: AtomicU64,
    count: AtomicU64,
}

/// Where a socket's port goes back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) pool: PoolId,
    pub(super) port: u16,
}

struct Sharded<K, V> {
    shards: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    const SHARDS: usize = 64;

    fn new() -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
    fn shard(&self, hash: u64) -> MutexGuard<'_, HashMap<K, V>> {
        // The map itself uses the low bits.
        let at = (hash >> 58) as usize % Self::SHARDS;
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
    fn each(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<K, V>>> {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            by_id: Sharded::new(),
            by_key: Sharded::new(),
            leases: Sharded::new(),
            next_key: AtomicU64::new(1),
            count: AtomicU64::new(0),
        }
    }

    pub(super) fn find(&self, call_id: &str) -> Option<Arc<Entry>> {
        let shard = self.by_id.shard(self.hasher.hash_one(call_id));
        shard.get(call_id).map(Arc::clone)
    }

    pub(super) fn find_key(&self, key: CallKey) -> Option<Arc<Entry>> {
        let shard = self.by_key.shard(self.hasher.hash_one(key));
        shard.get(&key).map(Arc::clone)
    }

    /// The call, made by `create` if there is none. `admit` sees the number of calls before and may
    /// refuse another one, or says what `create` needs.
    pub(super) fn find_or_create<P, E>(
        &self,
        call_id: &str,
        admit: impl FnOnce(u64) -> Result<P, E>,
        create: impl FnOnce(CallKey, P) -> Call,
    ) -> Result<Arc<Entry>, E> {
        let mut shard = self.by_id.shard(self.hasher.hash_one(call_id));
        if let Some(entry) = shard.get(call_id) {
            return Ok(Arc::clone(entry));
        }
        // Counted first, so that several threads together cannot exceed a limit.
        let place = admit(self.count.fetch_add(1, Ordering::Relaxed)).inspect_err(|_| {
            self.count.fetch_sub(1, Ordering::Relaxed);
        })?;
        let key = CallKey::new(self.next_key.fetch_add(1, Ordering::Relaxed));
        let entry = Arc::new(Entry {
            call_id: call_id.into(),
            key,
            call: Mutex::new(create(key, place)),
        });
        shard.insert(call_id.into(), Arc::clone(&entry));
        drop(shard);
        let mut by_key = self.by_key.shard(self.hasher.hash_one(key));
        by_key.insert(key, Arc::clone(&entry));
        Ok(entry)
    }

    /// Takes the call out. Only whoever moved it to [`super::call::Phase::Ended`] does so.
    pub(super) fn remove(&self, entry: &Entry) {
        let id_hash = self.hasher.hash_one(&*entry.call_id);
        let removed = self.by_id.shard(id_hash).remove(&entry.call_id);
        let key_hash = self.hasher.hash_one(entry.key);
        self.by_key.shard(key_hash).remove(&entry.key);
        if removed.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn call_ids(&self, limit: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for shard in self.by_id.each() {
            let room = limit - ids.len();
            if room == 0 {
                break;
            }
            ids.extend(shard.keys().take(room).map(ToString::to_string));
        }
        ids
    }

    /// Every call of the moment, shard by shard; no lock is held between two of them.
    pub(super) fn entries(&self) -> impl Iterator<Item = Arc<Entry>> {
        self.by_id
            .each()
            .flat_map(|shard| shard.values().map(Arc::clone).collect::<Vec<_>>())
    }

    pub(super) fn lease(&self, socket: SocketId, lease: Lease) {
        let mut shard = self.leases.shard(self.hasher.hash_one(socket));
        shard.insert(socket, lease);
    }
    pub(super) fn end_lease(&self, socket: SocketId) -> Option<Lease> {
        let mut shard = self.leases.shard(self.hasher.hash_one(socket));
        shard.remove(&socket)
    }
    /// Ports in use.
    pub(super) fn leased(&self) -> u64 {
        self.leases.each().map(|shard| shard.len() as u64).sum()
    }
}
