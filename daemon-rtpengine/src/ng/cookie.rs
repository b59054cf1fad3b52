//! Replies that are kept for retransmissions: a repeated cookie gets the same reply, and nothing
//! runs twice.
//!
//! Two generations, swapped every [`Cache::LIFETIME`]: a reply lives that long to twice that long.
//! Unlike rtpengine's, a cookie counts only together with its sender, so two controllers that
//! happen to use the same cookie do not get each other's replies.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A whole reply datagram: cookie, space, document.
pub type Reply = Arc<Vec<u8>>;

/// What to do with a request.
#[derive(Debug)]
pub enum Begin<'a> {
    /// It is new: run it and call [`Execution::finish`].
    Execute(Execution<'a>),
    /// It was answered: send this again.
    Answered(Reply),
    /// It is being executed right now by another thread.
    Executing(Pending),
}

/// The retransmission cache.
#[derive(Debug)]
pub struct Cache {
    generations: Mutex<Generations>,
}

#[derive(Debug)]
struct Generations {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
    young_bytes: usize,
    swapped: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    peer: SocketAddr,
    cookie: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Entry {
    Executing(Pending),
    Answered(Reply),
}

/// A request that runs; its reply can be waited for.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    slot: Arc<(Mutex<Outcome>, Condvar)>,
}

#[derive(Debug, Default)]
enum Outcome {
    #[default]
    Running,
    Finished(Reply),
    Abandoned,
}

/// The right to answer one request. Dropped without an answer (a panic), the request is forgotten,
/// and its retransmission runs anew.
#[derive(Debug)]
pub struct Execution<'a> {
    cache: &'a Cache,
    key: Option<Key>,
    pending: Pending,
}

impl Cache {
    /// Age at which a generation becomes the old one.
    pub const LIFETIME: Duration = Duration::from_secs(30);
    /// A generation that outgrows this becomes the old one early: memory is bounded by twice that.
    pub const MAX_BYTES: usize = 64 << 20;
    /// What an entry costs besides its bytes, roughly.
    const OVERHEAD: usize = 192;

    /// An empty cache; `now` starts the first generation.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                young_bytes: 0,
                swapped: now,
            }),
        }
    }

    /// Looks the request up and, if it is new, notes that it runs.
    pub fn begin(&self, now: Instant, peer: SocketAddr, cookie: &[u8]) -> Begin<'_> {
        let key = Key {
            peer,
            cookie: cookie.to_vec(),
        };
        let mut generations = self.lock();
        generations.age(now);
        let found = generations
            .young
            .get(&key)
            .or_else(|| generations.old.get(&key));
        match found {
            Some(Entry::Answered(reply)) => Begin::Answered(Arc::clone(reply)),
            Some(Entry::Executing(pending)) => Begin::Executing(pending.clone()),
            None => {
                let pending = Pending::default();
                generations.put(key.clone(), Entry::Executing(pending.clone()), 0);
                Begin::Execute(Execution {
                    cache: self,
                    key: Some(key),
                    pending,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn age(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.swapped);
        if age < Cache::LIFETIME && self.young_bytes < Cache::MAX_BYTES {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= Cache::LIFETIME * 2 {
            self.old = HashMap::new();
        }
        self.young_bytes = 0;
        self.swapped = now;
    }

    fn put(&mut self, key: Key, entry: Entry, reply_bytes: usize) {
        self.young_bytes += key.cookie.len() + reply_bytes + Cache::OVERHEAD;
        self.young.insert(key, entry);
    }
}

impl Execution<'_> {
    /// Keeps the reply and wakes whoever waits for it.
    pub fn finish(mut self, mut reply: Vec<u8>) -> Reply {
        // It is kept for a minute: not with the room that was left for it to grow.
        reply.shrink_to_fit();
        let reply = Arc::new(reply);
        if let Some(key) = self.key.take() {
            let mut generations = self.cache.lock();
            // The generations may have been swapped meanwhile: only one may hold the key.
            generations.old.remove(&key);
            generations.put(key, Entry::Answered(Arc::clone(&reply)), reply.len());
        }
        self.pending.settle(Outcome::Finished(Arc::clone(&reply)));
        reply
    }
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let mut generations = self.cache.lock();
            generations.young.remove(&key);
            generations.old.remove(&key);
            drop(generations);
            self.pending.settle(Outcome::Abandoned);
        }
    }
}

impl Pending {
    /// Blocks until the reply is there; `None` if it took longer than `timeout` or never comes.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Reply> {
        let (outcome, settled) = &*self.slot;
        let guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = settled
            .wait_timeout_while(guard, timeout, |o| matches!(o, Outcome::Running))
            .unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Outcome::Finished(reply) => Some(Arc::clone(reply)),
            Outcome::Running | Outcome::Abandoned => None,
        }
    }

    fn settle(&self, with: Outcome) {
        let (outcome, settled) = &*self.slot;
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = with;
        settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn execute<'a>(cache: &'a Cache, now: Instant, port: u16, cookie: &[u8]) -> Execution<'a> {
        match cache.begin(now, peer(port), cookie) {
            Begin::Execute(execution) => execution,
            other => panic!("should execute, got {other:?}"),
        }
    }

    fn is_answered(cache: &Cache, now: Instant, port: u16, cookie: &[u8]) -> bool {
        matches!(cache.begin(now, peer(port), cookie), Begin::Answered(_))
    }

    #[test]
    fn repeated_cookie_gets_the_same_reply_and_runs_nothing() {
        let now = Instant::now();
        let cache = Cache::new(now);
        execute(&cache, now, 1, b"c").finish(b"c reply".to_vec());
        match cache.begin(now, peer(1), b"c") {
            Begin::Answered(reply) => assert_eq!(reply.as_slice(), b"c reply"),
            other => panic!("should be answered, got {other:?}"),
        }
    }

    #[test]
    fn same_cookie_of_another_peer_is_another_request() {
        let now = Instant::now();
        let cache = Cache::new(now);
        execute(&cache, now, 1, b"c").finish(b"one".to_vec());
        execute(&cache, now, 2, b"c").finish(b"two".to_vec());
    }

    #[test]
    fn reply_outlives_one_swap_but_not_two() {
        let start = Instant::now();
        let cache = Cache::new(start);
        let late = start + Cache::LIFETIME - Duration::from_secs(1);
        execute(&cache, late, 1, b"c").finish(b"r".to_vec());
        assert!(is_answered(&cache, start + Cache::LIFETIME, 1, b"c"));
        execute(&cache, start + Cache::LIFETIME * 2, 1, b"c").finish(b"r".to_vec());
    }

    #[test]
    fn a_long_silence_forgets_both_generations() {
        let start = Instant::now();
        let cache = Cache::new(start);
        execute(&cache, start, 1, b"c").finish(b"r".to_vec());
        execute(&cache, start + Cache::LIFETIME * 3, 1, b"c").finish(b"r".to_vec());
    }

    #[test]
    fn duplicate_waits_for_the_original() {
        let now = Instant::now();
        let cache = Cache::new(now);
        let original = execute(&cache, now, 1, b"c");
        let Begin::Executing(pending) = cache.begin(now, peer(1), b"c") else {
            panic!("the original still runs")
        };
        let waiter = std::thread::spawn(move || pending.wait(Duration::from_secs(10)));
        original.finish(b"r".to_vec());
        assert_eq!(waiter.join().unwrap().unwrap().as_slice(), b"r");
    }

    #[test]
    fn original_that_dies_lets_the_duplicate_run() {
        let now = Instant::now();
        let cache = Cache::new(now);
        let original = execute(&cache, now, 1, b"c");
        let Begin::Executing(pending) = cache.begin(now, peer(1), b"c") else {
            panic!("the original still runs")
        };
        drop(original);
        assert!(pending.wait(Duration::from_secs(10)).is_none());
        execute(&cache, now, 1, b"c").finish(b"r".to_vec());
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let cache = Cache::new(now);
        let big = Cache::MAX_BYTES / 4;
        for n in 0..20u8 {
            execute(&cache, now, 1, &[n]).finish(vec![0; big]);
        }
        let held: usize = {
            let generations = cache.lock();
            generations.young.len() + generations.old.len()
        };
        assert!(held <= 10, "{held} replies of {big} bytes are held");
    }
}
