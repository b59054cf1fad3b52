//! What a process used: CPU by thread, memory, descriptors, context switches.
//!
//! CPU time is each thread's own clock (`/proc/<pid>/task/<tid>/schedstat`). `/proc/stat` samples at
//! ticks and misses most of a daemon that sleeps and wakes in step with them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Why a process could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("cannot read /proc/{pid}")]
pub struct ProcessError {
    /// The process.
    pub pid: u32,
    /// What the system said.
    pub source: io::Error,
}

/// What one thread has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Time on a core.
    pub run: Duration,
    /// Time ready to run but waiting for a core.
    pub wait: Duration,
    /// Switches because it slept.
    pub voluntary: u64,
    /// Switches because another took the core.
    pub involuntary: u64,
}

/// What a process had used at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    at: Instant,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Open descriptors.
    pub descriptors: usize,
    threads: HashMap<u32, Thread>,
}

/// What a process used between two samples.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Time between the samples.
    pub wall: Duration,
    /// Its threads, the busiest first. A thread that ended in between is not seen.
    pub threads: Vec<Thread>,
}

impl Sample {
    /// Looks at a process.
    ///
    /// # Errors
    /// [`ProcessError`] when it is gone or belongs to someone else.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let fail = |source| ProcessError { pid, source };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(fail)?;
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(tid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            // A thread may end between the listing and here.
            let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let schedstat = read("schedstat");
            let mut times = schedstat
                .split_whitespace()
                .map(|ns| Duration::from_nanos(ns.parse().unwrap_or(0)));
            let status = read("status");
            threads.insert(
                tid,
                Thread {
                    name: read("comm").trim_end().to_owned(),
                    run: times.next().unwrap_or_default(),
                    wait: times.next().unwrap_or_default(),
                    voluntary: field(&status, "voluntary_ctxt_switches:"),
                    involuntary: field(&status, "nonvoluntary_ctxt_switches:"),
                },
            );
        }
        Ok(Self {
            at: Instant::now(),
            rss_bytes: field(&status, "VmRSS:") * 1024,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))
                .map_err(fail)?
                .count(),
            threads,
        })
    }

    /// What was used since an earlier sample of the same process.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Usage {
        let unborn = Thread::default();
        let mut threads: Vec<Thread> = self
            .threads
            .iter()
            .map(|(tid, now)| {
                let then = earlier.threads.get(tid).unwrap_or(&unborn);
                Thread {
                    name: now.name.clone(),
                    run: now.run.saturating_sub(then.run),
                    wait: now.wait.saturating_sub(then.wait),
                    voluntary: now.voluntary.saturating_sub(then.voluntary),
                    involuntary: now.involuntary.saturating_sub(then.involuntary),
                }
            })
            .collect();
        threads.sort_by_key(|thread| std::cmp::Reverse(thread.run));
        Usage {
            wall: self.at - earlier.at,
            threads,
        }
    }
}

impl Usage {
    /// CPU time of all threads.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.threads.iter().map(|t| t.run).sum()
    }

    /// CPU time per wall time: 1.0 is one core kept busy.
    #[must_use]
    pub fn cores(&self) -> f64 {
        self.cpu().as_secs_f64() / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Time that threads were ready but had to wait for a core, per wall time.
    #[must_use]
    pub fn waiting_cores(&self) -> f64 {
        let waited: Duration = self.threads.iter().map(|t| t.wait).sum();
        waited.as_secs_f64() / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Context switches of all threads, voluntary and not.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.threads
            .iter()
            .map(|t| t.voluntary + t.involuntary)
            .sum()
    }
}

/// UDP ports bound in this network namespace, with the datagrams each dropped for want of room.
#[must_use]
pub fn udp_ports() -> HashMap<u16, u64> {
    ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"]
        .iter()
        .flat_map(|path| parse_udp(&fs::read_to_string(path).unwrap_or_default()))
        .fold(HashMap::new(), |mut ports, (port, drops)| {
            *ports.entry(port).or_default() += drops;
            ports
        })
}

/// Local port and last column (drops) of each line but the heading.
fn parse_udp(table: &str) -> Vec<(u16, u64)> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let local = line.split_whitespace().nth(1)?;
            let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
            Some((port, line.split_whitespace().last()?.parse().ok()?))
        })
        .collect()
}

/// The number behind a name in a `status` file; 0 where it is missing (a thread just ended).
fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_charged_by_name() {
        let pid = std::process::id();
        let before = Sample::of(pid).unwrap();
        let (done, finished) = std::sync::mpsc::channel();
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::Builder::new()
            .name("spinner".into())
            .spawn(move || {
                let end = Instant::now() + Duration::from_millis(50);
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                done.send(()).unwrap();
                hold.recv().unwrap();
            })
            .unwrap();
        finished.recv().unwrap();
        let usage = Sample::of(pid).unwrap().since(&before);
        release.send(()).unwrap();
        worker.join().unwrap();
        let spinner = usage.threads.iter().find(|t| t.name == "spinner").unwrap();
        assert!(spinner.run > Duration::from_millis(1), "{spinner:?}");
        assert!(usage.cpu() >= spinner.run && usage.cores() > 0.0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Sample::of(u32::MAX).is_err());
    }

    #[test]
    fn bound_ports_are_seen() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(udp_ports().get(&port), Some(&0));
    }
}
