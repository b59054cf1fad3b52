//! Logical interfaces: names, their local addresses, and which one a party gets.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ports::PortPool;
use super::{InterfaceConfig, InterfaceStatistics};

/// Place of a logical interface in [`Interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct InterfaceId(u16);

/// Place of a local address in [`Interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolId(u16);

impl PoolId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All of them. The first is the default.
pub(super) struct Interfaces {
    logical: Vec<Logical>,
    pools: Vec<LocalAddress>,
    names: HashMap<Box<str>, Choice>,
}

struct Logical {
    name: Box<str>,
    pools: Vec<PoolId>,
}

struct LocalAddress {
    interface: InterfaceId,
    advertised: Option<IpAddr>,
    ports: PortPool,
}

enum Choice {
    One(InterfaceId),
    /// Members of `base:suffix`, taken in turn.
    Turns(Vec<InterfaceId>, AtomicUsize),
}

/// Where a party's ports are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) interface: InterfaceId,
    /// The request itself names the interface: rather another family than another interface.
    pub(super) named: bool,
    pub(super) v6: bool,
}

/// What a name in a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) interface: InterfaceId,
    /// `internal` and `external` name a family where no interface bears the name.
    pub(super) family_v6: Option<bool>,
}

impl Interfaces {
    /// # Panics
    /// Without any interface, or with more than 65535.
    pub(super) fn new(configs: &[InterfaceConfig], aliases: &[(String, String)]) -> Self {
        assert!(!configs.is_empty(), "at least one interface is needed");
        let mut this = Self {
            logical: Vec::new(),
            pools: Vec::new(),
            names: HashMap::new(),
        };
        let random = RandomState::new();
        for config in configs {
            let pool = PoolId(u16::try_from(this.pools.len()).expect("fewer than 65536 addresses"));
            let at = this.logical.iter().position(|l| *l.name == config.name);
            let at = at.unwrap_or_else(|| {
                this.logical.push(Logical {
                    name: config.name.as_str().into(),
                    pools: Vec::new(),
                });
                this.logical.len() - 1
            });
            this.logical[at].pools.push(pool);
            let interface = InterfaceId(u16::try_from(at).expect("fewer than 65536 interfaces"));
            this.pools.push(LocalAddress {
                interface,
                advertised: config.advertised,
                ports: PortPool::new(
                    config.address,
                    config.port_min,
                    config.port_max,
                    random.hash_one(pool.0),
                ),
            });
        }
        this.name(aliases);
        this
    }

    /// Local addresses.
    pub(super) const fn len(&self) -> usize {
        self.pools.len()
    }

    fn name(&mut self, aliases: &[(String, String)]) {
        for (at, logical) in self.logical.iter().enumerate() {
            let id = InterfaceId(u16::try_from(at).unwrap_or(0));
            if let Some((base, _)) = logical.name.split_once(':') {
                let turns = self
                    .names
                    .entry(base.into())
                    .or_insert_with(|| Choice::Turns(Vec::new(), AtomicUsize::new(0)));
                if let Choice::Turns(members, _) = turns {
                    members.push(id);
                }
            }
            self.names.insert(logical.name.clone(), Choice::One(id));
        }
        for (alias, name) in aliases {
            if let Some(Choice::One(id)) = self.names.get(name.as_str()) {
                let id = *id;
                self.names
                    .entry(alias.as_str().into())
                    .or_insert(Choice::One(id));
            }
        }
    }

    /// The interface that `name` means now. A party that already has a member of the group keeps it.
    pub(super) fn choose(&self, name: &str, current: Option<InterfaceId>) -> Option<Chosen> {
        let interface = match self.names.get(name) {
            Some(Choice::One(id)) => *id,
            Some(Choice::Turns(members, turn)) => match current {
                Some(current) if members.contains(&current) => current,
                _ => members[turn.fetch_add(1, Ordering::Relaxed) % members.len()],
            },
            None => {
                return match name {
                    "internal" => Some(Chosen {
                        interface: InterfaceId::default(),
                        family_v6: Some(false),
                    }),
                    "external" => Some(Chosen {
                        interface: InterfaceId::default(),
                        family_v6: Some(true),
                    }),
                    _ => None,
                };
            }
        };
        Some(Chosen {
            interface,
            family_v6: None,
        })
    }

    /// Local addresses to try for a party: those of the interface in the family wanted, else of an
    /// interface just named its others, else the other interfaces' of that family.
    pub(super) fn candidates(&self, wanted: Wanted) -> impl Iterator<Item = PoolId> {
        let own = &self.logical[usize::from(wanted.interface.0)].pools;
        let fits = move |pool: &PoolId| self.ports(*pool).address().is_ipv6() == wanted.v6;
        let own_fits = own.iter().any(fits);
        let elsewhere = !wanted.named
            && self
                .logical
                .iter()
                .flat_map(|logical| &logical.pools)
                .any(fits);
        let all = (0..self.pools.len()).map(|at| PoolId(u16::try_from(at).unwrap_or(0)));
        all.filter(move |pool| {
            let is_own = self.pools[usize::from(pool.0)].interface == wanted.interface;
            if own_fits {
                is_own && fits(pool)
            } else if elsewhere {
                fits(pool)
            } else {
                is_own
            }
        })
    }

    /// The other local addresses of a pool's interface, those of its family first.
    pub(super) fn beside(&self, pool: PoolId) -> impl Iterator<Item = PoolId> + use<'_> {
        let own = &self.pools[usize::from(pool.0)];
        let all = &self.logical[usize::from(own.interface.0)].pools;
        let is_same = move |&other: &PoolId| {
            self.ports(other).address().is_ipv6() == own.ports.address().is_ipv6()
        };
        let same = all.iter().copied().filter(is_same);
        let rest = all.iter().copied().filter(move |other| !is_same(other));
        same.chain(rest).filter(move |&other| other != pool)
    }

    /// The address that a party would be shown without any port.
    pub(super) fn first(&self, wanted: Wanted) -> PoolId {
        let mut candidates = self.candidates(wanted);
        candidates.next().unwrap_or(PoolId(0))
    }
    pub(super) fn ports(&self, pool: PoolId) -> &PortPool {
        &self.pools[usize::from(pool.0)].ports
    }
    /// What is written into descriptions.
    pub(super) fn advertised(&self, pool: PoolId) -> IpAddr {
        let local = &self.pools[usize::from(pool.0)];
        local.advertised.unwrap_or(local.ports.address())
    }
    /// Is the pool one of those to try?
    pub(super) fn serves(&self, pool: PoolId, wanted: Wanted) -> bool {
        self.candidates(wanted).any(|candidate| candidate == pool)
    }
    pub(super) fn statistics(&self) -> Vec<InterfaceStatistics> {
        self.pools
            .iter()
            .map(|local| {
                let (used, last) = local.ports.usage();
                let (port_min, port_max) = local.ports.range();
                InterfaceStatistics {
                    name: self.logical[usize::from(local.interface.0)]
                        .name
                        .to_string(),
                    address: local.ports.address(),
                    port_min,
                    port_max,
                    used,
                    last,
                }
            })
            .collect()
    }
}
