//! The boundary that `session` calls and `driver` implements.

use std::net::SocketAddr;
use std::time::Duration;

use super::Command;
use crate::units::{ShardId, SocketId};

/// Sockets and shards, as the control side sees them. Waits for a shard only while that one is thousands
/// of messages behind.
pub trait MediaPlane: Send + Sync {
    /// How many shards there are, at least 1. Ids run from 0.
    fn shards(&self) -> u8;

    /// Binds a UDP socket to exactly `local` and hands it to the shard. Packets that arrive before
    /// its first [`Command::Route`] wait in the kernel until then.
    ///
    /// # Errors
    /// See [`BindError`]. Nothing is left behind then.
    fn bind(
        &self,
        shard: ShardId,
        local: SocketAddr,
        options: SocketOptions,
    ) -> Result<SocketId, BindError>;

    /// Queues commands for the shard, all or none of which it sees at a time: no packet is handled
    /// between them. Commands of one caller arrive in order.
    fn commands(&self, shard: ShardId, commands: Vec<Command>);

    /// How much a shard has to do, as it said itself not long ago.
    fn load(&self, shard: ShardId) -> ShardLoad {
        let _ = shard;
        ShardLoad::default()
    }
}

/// How much a shard has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardLoad {
    /// Part of the last second or so that its thread ran, thousandths.
    pub cpu_permille: u32,
    /// When that was, since the engine's epoch. An idle shard does not look.
    pub sampled: Duration,
    /// How long its transcoding has been too slow for what comes; zero: it keeps up.
    pub behind: Duration,
}

/// What a socket is bound with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// IP TOS / traffic class octet of what is sent; `None` leaves the system's default.
    pub tos: Option<u8>,
}

/// Why a socket could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another socket has the port: try the next one.
    #[error("port {0} is in use")]
    InUse(u16),
    /// The shard's table or the process's descriptors are exhausted.
    #[error("no descriptor left for another socket")]
    TooManySockets,
    /// Anything else the operating system said.
    #[error("cannot bind {local}: errno {errno}")]
    Os {
        /// What was to be bound.
        local: SocketAddr,
        /// The operating system's error number.
        errno: i32,
    },
}
