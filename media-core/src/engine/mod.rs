//! One shard's brain: takes datagrams, commands and time, gives datagrams and events. No I/O.
//!
//! `handle_*` takes input and `now`; `poll_*` yields until `None`. Drain events after every
//! `handle_*`. `now` never goes backwards.

mod command;
mod counters;
mod event;
mod plane;

pub use command::{
    CallTimeouts, Command, Component, LearnMode, Learning, PayloadClocks, Route, SinkAction,
};
pub use counters::{Counter, DropReason, ShardCounters, SsrcCounters, StreamCounters};
pub use event::{Event, TimeoutReason};
pub use plane::{BindError, MediaPlane, SocketOptions};
