//! Numbers over all calls, for `statistics` and metrics.

use std::net::IpAddr;
use std::time::Duration;

use super::StreamTotals;

/// What all calls did. Rates and delays of requests are the program's to measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionStatistics {
    /// `currentstatistics`.
    pub current: CurrentStatistics,
    /// `totalstatistics`, since the start.
    pub total: TotalStatistics,
    /// `intervalstatistics`, of the last whole minute.
    pub interval: IntervalStatistics,
    /// `interfaces`: one entry per local address, in order of configuration.
    pub interfaces: Vec<InterfaceStatistics>,
}

/// Numbers of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentStatistics {
    /// `sessionsown`, `sessionstotal`: calls, draining ones included.
    pub sessions: u64,
    /// Calls among them that are deleted and drain.
    pub draining: u64,
    /// `media_userspace`: media sections with a port.
    pub media: u64,
    /// Local ports bound.
    pub sockets: u64,
}

/// Numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TotalStatistics {
    /// Calls begun.
    pub created: u64,
    /// `managedsessions`: calls ended.
    pub managed: u64,
    /// `rejectedsessions`: calls refused by a limit.
    pub rejected: u64,
    /// `timeoutsessions`.
    pub timeout: u64,
    /// `silenttimeoutsessions`.
    pub silent_timeout: u64,
    /// `finaltimeoutsessions`.
    pub final_timeout: u64,
    /// `offertimeoutsessions`.
    pub offer_timeout: u64,
    /// `regularterminatedsessions`: by `delete`.
    pub regular: u64,
    /// `forcedterminatedsessions`: by shutdown, exhaustion of ports or a fault.
    pub forced: u64,
    /// `relayedpackets`, `relayedbytes`, `relayedpacketerrors`: live and ended calls.
    pub relayed: StreamTotals,
    /// `zerowaystreams`: ended calls without a packet in either direction.
    pub zero_way: u64,
    /// `onewaystreams`: ended calls with packets in one direction only.
    pub one_way: u64,
    /// `totalcallsduration`; `avgcallduration` is this over `managed`.
    pub duration: Duration,
    /// `totalcallsduration2`: sum of the squares, in s².
    pub duration_squared: f64,
}

/// Numbers of the last whole minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalStatistics {
    /// `totalcallsduration`: of the calls ended in it.
    pub duration: Duration,
    /// `minmanagedsessions`: fewest calls at a time.
    pub min_sessions: u64,
    /// `maxmanagedsessions`: most calls at a time.
    pub max_sessions: u64,
}

/// Ports of one local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// `name` of the logical interface.
    pub name: String,
    /// `address`.
    pub address: IpAddr,
    /// `ports.min`.
    pub port_min: u16,
    /// `ports.max`.
    pub port_max: u16,
    /// `ports.used`.
    pub used: u32,
    /// `ports.last`: where the search for the next port begins.
    pub last: u16,
}

impl InterfaceStatistics {
    /// `ports.totals`.
    #[must_use]
    pub fn total(&self) -> u32 {
        u32::from(self.port_max - self.port_min) + 1
    }
    /// `ports.free`.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.total().saturating_sub(self.used)
    }
}
