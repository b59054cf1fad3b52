//! Counts requests by controller and command.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::ng::request::Command;

/// Controllers beyond this count together, under 0.0.0.0: addresses are the peer's to choose.
const MAX_PROXIES: usize = 256;

/// Counters of all controllers.
#[derive(Debug, Default)]
pub struct RequestCounters {
    proxies: RwLock<HashMap<IpAddr, Arc<Proxy>>>,
}

#[derive(Debug, Default)]
struct Proxy {
    commands: [Served; Command::ALL.len()],
    errors: AtomicU64,
}

#[derive(Debug, Default)]
struct Served {
    count: AtomicU64,
    nanos: AtomicU64,
}

/// One controller's requests so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySnapshot {
    /// Its address.
    pub address: IpAddr,
    /// Requests and the time they took, in the order of [`Command::ALL`].
    pub commands: [(u64, Duration); Command::ALL.len()],
    /// Requests refused.
    pub errors: u64,
}

impl RequestCounters {
    /// Counts a request that was understood, whatever became of it.
    pub fn count(&self, proxy: IpAddr, command: Command, took: Duration) {
        let proxy = self.proxy(proxy);
        let served = &proxy.commands[command as usize];
        served.count.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        served.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Counts a reply of `error`.
    pub fn count_error(&self, proxy: IpAddr) {
        self.proxy(proxy).errors.fetch_add(1, Ordering::Relaxed);
    }

    /// All controllers, sorted by address.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ProxySnapshot> {
        let proxies = self.proxies.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = proxies
            .iter()
            .map(|(address, proxy)| ProxySnapshot {
                address: *address,
                commands: Command::ALL.map(|command| {
                    let served = &proxy.commands[command as usize];
                    let nanos = served.nanos.load(Ordering::Relaxed);
                    (
                        served.count.load(Ordering::Relaxed),
                        Duration::from_nanos(nanos),
                    )
                }),
                errors: proxy.errors.load(Ordering::Relaxed),
            })
            .collect();
        all.sort_by_key(|proxy| proxy.address);
        all
    }

    fn proxy(&self, address: IpAddr) -> Arc<Proxy> {
        let address = address.to_canonical();
        let proxies = self.proxies.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(proxy) = proxies.get(&address) {
            return Arc::clone(proxy);
        }
        drop(proxies);
        let mut proxies = self.proxies.write().unwrap_or_else(PoisonError::into_inner);
        let address = if proxies.len() < MAX_PROXIES {
            address
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        Arc::clone(proxies.entry(address).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_controller_and_command() {
        let counters = RequestCounters::default();
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        counters.count(two, Command::Offer, Duration::from_millis(3));
        counters.count(one, Command::Ping, Duration::from_millis(1));
        counters.count(one, Command::Ping, Duration::from_millis(1));
        counters.count_error(one);
        let all = counters.snapshot();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].address, all[0].errors), (one, 1));
        assert_eq!(
            all[0].commands[Command::Ping as usize],
            (2, Duration::from_millis(2))
        );
        assert_eq!(all[1].commands[Command::Offer as usize].0, 1);
    }

    #[test]
    fn controllers_are_bounded() {
        let counters = RequestCounters::default();
        for n in 0..1000u32 {
            counters.count_error(IpAddr::V4(n.into()));
        }
        assert!(counters.snapshot().len() <= MAX_PROXIES + 1);
    }
}
