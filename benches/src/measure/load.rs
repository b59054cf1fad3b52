//! Media load through a number of calls.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Bench, MeasureError, Phases};
use crate::calls::{Call, Leftovers};
use crate::host;
use crate::load::{self, Job, Live, Plan, StreamConfig, Tally};
use crate::process::{Sample, Usage, udp_ports};

/// Generator lag (99th percentile) above which a run says nothing about the daemon.
pub(super) const LAG_LIMIT: Duration = Duration::from_millis(2);
/// Part of its cores above which a generator that naps is its own limit. One that spins uses all of them
/// always; only its lag tells.
const CPU_LIMIT: f64 = 0.95;

/// How the generator itself fared.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// Cores it used.
    pub cores: f64,
    /// Media threads it had.
    pub threads: usize,
    /// How late it sent, 99th percentile.
    pub lag_p99: Duration,
    /// Packets its own sockets had no room for.
    pub drops: u64,
    /// It never sleeps.
    pub spins: bool,
}

impl Generator {
    /// Whether the run says more about the generator than about the daemon.
    #[must_use]
    pub fn limited(&self) -> bool {
        self.limited_beyond(LAG_LIMIT)
    }

    /// The same with another limit of how late it may send, 99th percentile.
    pub(super) fn limited_beyond(&self, lag: Duration) -> bool {
        (!self.spins && self.cores > CPU_LIMIT * self.threads as f64)
            || self.lag_p99 > lag
            || self.drops > 0
    }
}

/// What came of a load run.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Calls that carried media both ways.
    pub calls: usize,
    /// What was counted.
    pub tally: Tally,
    /// What the daemon used in the measured phase.
    pub usage: Usage,
    /// How the generator fared.
    pub generator: Generator,
    /// Growth of the daemon's resident memory from before the calls to the end of the measured phase.
    pub rss_growth_bytes: u64,
    /// Datagrams that the daemon's sockets had no room for.
    pub daemon_drops: u64,
    /// What was left after deleting the calls.
    pub leftovers: Leftovers,
}

impl LoadReport {
    /// The daemon's CPU time per packet it relayed.
    #[must_use]
    pub fn cpu_per_packet(&self) -> Duration {
        self.usage.cpu().div_f64(self.tally.relayed.max(1) as f64)
    }

    /// Added latency at a quantile, 0 to 1.
    #[must_use]
    pub fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.tally.latency().value_at_quantile(quantile))
    }

    /// Everything that a correct daemon never causes, loss and reordering apart.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.tally.faults() + self.leftovers.total()
    }
}

impl Bench {
    /// Sends media through `count` calls. `watch` is called on this thread when the measured phase begins
    /// and may look at the live counts; it must return before that phase ends.
    ///
    /// # Errors
    /// When the calls cannot be set up or the daemon is gone.
    pub fn load(
        &mut self,
        count: usize,
        phases: Phases,
        watch: impl FnOnce(&Live, &Plan),
    ) -> Result<LoadReport, MeasureError> {
        let idle = Sample::of(self.config.pid)?;
        let calls = self
            .caller
            .establish(count)
            .map_err(|source| MeasureError::Calls { count, source })?;
        let generator_before = self.drops(&[]);
        let live = Arc::new(Live::default());
        let mut plan = Plan::new(
            self.config.media.clone(),
            phases.rampup,
            phases.warmup,
            phases.measured,
        );
        plan.voices = self.voices.clone();
        plan.burst = self.config.burst;
        let spins = self.config.spins();
        plan.nap = plan.nap.filter(|_| !spins);
        let threads = self.start(&calls, &plan, &live);
        plan.wait_until(plan.steady.start);
        let own_pid = std::process::id();
        let begin = (Sample::of(self.config.pid)?, Sample::of(own_pid)?);
        watch(&live, &plan);
        plan.wait_until(plan.steady.end);
        let end = (Sample::of(self.config.pid)?, Sample::of(own_pid)?);
        let mut tally = Tally::default();
        let thread_count = threads.len();
        for thread in threads {
            tally.add(&thread.join().map_err(|_| MeasureError::Worker)?);
        }
        let daemon_drops = self.drops(&calls);
        let generator = Generator {
            cores: end.1.since(&begin.1).cores(),
            threads: thread_count,
            lag_p99: Duration::from_micros(tally.lag_us.value_at_quantile(0.99)),
            drops: self.drops(&[]).saturating_sub(generator_before),
            spins,
        };
        Ok(LoadReport {
            calls: count,
            tally,
            usage: end.0.since(&begin.0),
            generator,
            rss_growth_bytes: end.0.rss_bytes.saturating_sub(idle.rss_bytes),
            daemon_drops,
            leftovers: self.caller.release(&calls),
        })
    }

    /// Starts one media thread per core with its share of the calls.
    fn start(
        &self,
        calls: &[Call],
        plan: &Plan,
        live: &Arc<Live>,
    ) -> Vec<thread::JoinHandle<Tally>> {
        let mut threads = Vec::new();
        for (number, sockets) in self.sockets.iter().enumerate() {
            let index_of = |port| sockets.iter().position(|pair| pair.port() == port);
            let streams: Vec<StreamConfig> = calls
                .iter()
                .flat_map(|call| {
                    let keys = [call.keys.clone(), None];
                    call.local.into_iter().zip(call.daemon).zip(keys)
                })
                // A port of another thread's socket: that thread has the call.
                .filter_map(|((port, daemon), keys)| {
                    let socket = index_of(port)?;
                    Some(StreamConfig {
                        socket,
                        daemon,
                        keys,
                    })
                })
                .collect();
            if streams.is_empty() {
                continue;
            }
            let job = Job {
                sockets: sockets.clone(),
                streams,
                plan: plan.clone(),
                live: Arc::clone(live),
            };
            let cpu = self.config.cpus.get(number).copied();
            threads.push(thread::spawn(move || {
                if let Some(cpu) = cpu {
                    // Not being pinned costs accuracy only; the lag tells.
                    let _ = host::pin(&[cpu]);
                }
                load::run(job)
            }));
        }
        threads
    }

    /// Datagrams dropped by the daemon's sockets of these calls, or by our own if there are none.
    fn drops(&self, calls: &[Call]) -> u64 {
        let drops = udp_ports();
        let of = |port: u16| drops.get(&port).copied().unwrap_or(0);
        if calls.is_empty() {
            return self
                .sockets
                .iter()
                .flatten()
                .map(|pair| of(pair.port()))
                .sum();
        }
        calls
            .iter()
            .flat_map(|call| call.daemon)
            .map(|address| of(address.port()))
            .sum()
    }
}
