//! Calls with DTLS-SRTP: how many are set up, how soon there is audio.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Bench, LoadReport, MeasureError, Phases};
use crate::host;
use crate::load::{SocketPair, histogram};
use crate::process::{Sample, Usage};
use crate::secure::setups::{Pace, SetupCaller, Setups};
use crate::secure::webrtc::{CallOptions, WebrtcCaller};

/// A daemon that only sets up and ends calls with DTLS on one side.
#[derive(Clone, Debug)]
pub struct DtlsSetups {
    /// The calls.
    pub setups: Setups,
    /// What the daemon used meanwhile.
    pub usage: Usage,
    /// Cores that the generator used.
    pub generator_cores: f64,
}

impl DtlsSetups {
    /// Calls set up and ended per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.setups.per_second()
    }

    /// The daemon's CPU time per call.
    #[must_use]
    pub fn cpu_per_call(&self) -> Duration {
        self.usage
            .cpu()
            .div_f64(self.setups.completed.max(1) as f64)
    }

    /// Whether the run says more about the generator than about the daemon.
    #[must_use]
    pub fn limited(&self) -> bool {
        self.generator_cores > 0.95
    }
}

/// How soon calls of a WebRTC-like party had what they need, in µs from the last SDP.
#[derive(Clone, Debug)]
pub struct FirstAudio {
    /// A nominated pair.
    pub ice_us: Histogram<u64>,
    /// SRTP keys.
    pub dtls_us: Histogram<u64>,
    /// Decrypted audio at the WebRTC side.
    pub audio_us: Histogram<u64>,
    /// Audio at the phone.
    pub phone_audio_us: Histogram<u64>,
}

/// RTP sockets of side A for calls beside a load.
const SETUP_SOCKETS: usize = 4;
/// What is left of the measured phase for those that have begun.
const SETUP_RUNOUT: Duration = Duration::from_millis(300);

impl Bench {
    /// Sets up and ends calls with DTLS on side A for `span`, as fast as the daemon can.
    ///
    /// # Errors
    /// When a call fails or the daemon is gone.
    pub fn dtls_setups(&mut self, span: Duration) -> Result<DtlsSetups, MeasureError> {
        let sockets = self.sockets.first().map_or(&[][..], Vec::as_slice);
        let caller = SetupCaller::new(self.config.ng, sockets)?;
        let own_pid = std::process::id();
        let begin = (Sample::of(self.config.pid)?, Sample::of(own_pid)?);
        let setups = caller.run(span, Pace::Fastest)?;
        Ok(DtlsSetups {
            setups,
            usage: Sample::of(self.config.pid)?.since(&begin.0),
            generator_cores: Sample::of(own_pid)?.since(&begin.1).cores(),
        })
    }

    /// Media load through `count` plain calls, while `per_second` calls with DTLS on side A are set up and
    /// ended each second of the measured phase. The peer of their handshakes shares the generator's
    /// first core: let it nap ([`BenchConfig::shared`](super::BenchConfig::shared)).
    ///
    /// # Errors
    /// When a call fails or the daemon is gone.
    pub fn load_during_setups(
        &mut self,
        count: usize,
        phases: Phases,
        per_second: u32,
    ) -> Result<(LoadReport, Setups), MeasureError> {
        let mut next = self.last_port().saturating_add(1);
        let pairs: Result<Vec<_>, _> = (0..SETUP_SOCKETS * 2)
            .map(|_| SocketPair::bind(Ipv4Addr::LOCALHOST, &mut next).map(Arc::new))
            .collect();
        let (ng, pairs) = (self.config.ng, pairs?);
        let cpu = self.config.cpus.first().copied();
        let pace = Pace::PerSecond(per_second);
        // The last calls must be over before the phase is.
        let span = phases.measured.saturating_sub(SETUP_RUNOUT);
        let mut setups = None;
        let report = self.load(count, phases, |_, _| {
            let run = move || {
                if let Some(cpu) = cpu {
                    // Not being pinned costs accuracy only; the lag tells.
                    let _ = host::pin(&[cpu]);
                }
                SetupCaller::new(ng, &pairs)?.run(span, pace)
            };
            setups = Some(thread::spawn(run).join());
        })?;
        let setups = setups.ok_or(MeasureError::Worker)?;
        Ok((report, setups.map_err(|_| MeasureError::Worker)??))
    }

    /// Places `count` calls, one after another, from a party with ICE and DTLS-SRTP to a phone with
    /// plain RTP. The phone sends each 20 ms, beginning anywhere in that time.
    ///
    /// # Errors
    /// When a call fails or the daemon is gone.
    pub fn first_audio(&mut self, count: u32) -> Result<FirstAudio, MeasureError> {
        let mut caller = WebrtcCaller::new(self.config.ng)?;
        let mut report = FirstAudio {
            ice_us: histogram(),
            dtls_us: histogram(),
            audio_us: histogram(),
            phone_audio_us: histogram(),
        };
        for number in 0..count {
            let times = caller.place(&CallOptions {
                // 7 is prime to 20: all phases come, neighbours in calls far apart.
                phase: Duration::from_millis(u64::from(number * 7 % 20)),
                ..CallOptions::BROWSER
            })?;
            let record = |histogram: &mut Histogram<u64>, time: Duration| {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                histogram.saturating_record(micros);
            };
            record(&mut report.ice_us, times.ice.unwrap_or_default());
            record(&mut report.dtls_us, times.dtls);
            record(&mut report.audio_us, times.audio);
            record(&mut report.phone_audio_us, times.phone_audio);
        }
        Ok(report)
    }
}
