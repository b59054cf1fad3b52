//! Measures what `max-cpu`, `max-load` and `max-bandwidth` limit, once a second, while one is set.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_core::session::Limit;

use crate::config::LimitsConfig;
use crate::ops::health::Health;
use crate::ops::traffic::Traffic;

/// Time between measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// The measuring thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Limits {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Limits {
    /// Starts measuring; with no limit set there is nothing to do and no thread.
    pub(crate) fn start(
        config: LimitsConfig,
        traffic: Arc<Traffic>,
        health: Arc<Health>,
    ) -> std::io::Result<Limits> {
        if config == LimitsConfig::default() {
            return Ok(Limits {
                stop: None,
                thread: None,
            });
        }
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("limits".into())
            .spawn(move || {
                let mut meter = Meter::new(&traffic);
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    health.set_exceeded(meter.measure(&traffic).exceeded(&config));
                }
            })?;
        Ok(Limits {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What was last read.
struct Meter {
    at: Instant,
    octets: u64,
    cpu: CpuTimes,
}

/// What is limited. Unknown (not measurable here) is `None`, and exceeds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Measured {
    cpu_percent: Option<f64>,
    load: Option<f64>,
    bandwidth: u64,
}

impl Measured {
    fn exceeded(&self, limits: &LimitsConfig) -> Option<Limit> {
        let over = |value: Option<f64>, limit: Option<f64>| match (value, limit) {
            (Some(value), Some(limit)) => value > limit,
            _ => false,
        };
        if over(self.cpu_percent, limits.max_cpu_percent) {
            Some(Limit::Cpu)
        } else if over(self.load, limits.max_load) {
            Some(Limit::Load)
        } else if limits
            .max_bandwidth_bytes
            .is_some_and(|max| self.bandwidth > max)
        {
            Some(Limit::Bandwidth)
        } else {
            None
        }
    }
}

impl Meter {
    fn new(traffic: &Traffic) -> Self {
        Self {
            at: Instant::now(),
            octets: traffic.totals().octets,
            cpu: CpuTimes::read().unwrap_or_default(),
        }
    }

    fn measure(&mut self, traffic: &Traffic) -> Measured {
        let (now, octets) = (Instant::now(), traffic.totals().octets);
        let millis = (now - self.at).as_millis().max(1);
        let bandwidth = u128::from(octets.saturating_sub(self.octets)) * 1000 / millis;
        let cpu = CpuTimes::read();
        let measured = Measured {
            cpu_percent: cpu.and_then(|cpu| cpu.percent_since(&self.cpu)),
            load: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split(' ').next()?.parse().ok()),
            bandwidth: u64::try_from(bandwidth).unwrap_or(u64::MAX),
        };
        *self = Meter {
            at: now,
            octets,
            cpu: cpu.unwrap_or(self.cpu),
        };
        measured
    }
}

/// The machine's CPU times, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CpuTimes {
    idle: u64,
    total: u64,
}

impl CpuTimes {
    fn read() -> Option<CpuTimes> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, and
    /// guest times that are part of user time already.
    fn parse(text: &str) -> Option<CpuTimes> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Some(CpuTimes {
            idle: ticks.get(3)?.saturating_add(*ticks.get(4).unwrap_or(&0)),
            total: ticks.iter().sum(),
        })
    }

    fn percent_since(&self, earlier: &CpuTimes) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|n| *n > 0)?;
        let idle = self.idle.saturating_sub(earlier.idle).min(total);
        #[expect(clippy::cast_precision_loss, reason = "a second has few ticks")]
        Some((total - idle) as f64 * 100.0 / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_use_is_what_was_not_idle() {
        let one = CpuTimes::parse("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let two = CpuTimes::parse("cpu  130 0 120 740 110 0 0 0 5 0\n").unwrap();
        assert_eq!(two.percent_since(&one), Some(50.0));
        assert_eq!(one.percent_since(&one), None);
        assert_eq!(CpuTimes::parse("intr 1"), None);
        assert!(CpuTimes::read().is_some());
    }

    #[test]
    fn each_limit_is_told_by_its_name() {
        let limits = LimitsConfig {
            max_cpu_percent: Some(80.0),
            max_load: Some(4.0),
            max_bandwidth_bytes: Some(1000),
        };
        let calm = Measured {
            cpu_percent: Some(80.0),
            load: Some(4.0),
            bandwidth: 1000,
        };
        assert_eq!(calm.exceeded(&limits), None);
        let cpu_percent = Some(80.1);
        assert_eq!(
            Measured {
                cpu_percent,
                ..calm
            }
            .exceeded(&limits),
            Some(Limit::Cpu)
        );
        let load = Some(4.1);
        assert_eq!(
            Measured { load, ..calm }.exceeded(&limits),
            Some(Limit::Load)
        );
        let bandwidth = 1001;
        assert_eq!(
            Measured { bandwidth, ..calm }.exceeded(&limits),
            Some(Limit::Bandwidth)
        );
        assert_eq!(calm.exceeded(&LimitsConfig::default()), None);
    }
}
