//! What makes this program one's own on the wire: random values, certificate, foundations.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::entropy::{Entropy, SystemEntropy, alphanumeric};
use super::interfaces::{Interfaces, PoolId};
use crate::dtls::Certificate;
use crate::units::Now;

/// Of one program, for all its calls.
pub(super) struct Identity {
    pub(super) entropy: Arc<dyn Entropy>,
    /// For new associations. Without one there is no DTLS.
    certificate: Option<Mutex<Certificate>>,
    /// Of the candidates at each local address (RFC 8445 §5.1.1.3), beside others of IPv4 first and beside
    /// others of IPv6 first: as rtpengine has it, an address has two.
    foundations: OnceLock<Vec<Box<str>>>,
}

impl Identity {
    const FOUNDATION_LEN: usize = 16;
    /// A certificate is renewed this long before it ends; calls that were told of it keep it.
    const RENEWAL: Duration = Duration::from_secs(3 * 86_400);

    pub(super) fn new() -> Self {
        Self {
            entropy: Arc::new(SystemEntropy),
            certificate: None,
            foundations: OnceLock::new(),
        }
    }

    pub(super) fn begin_with(&mut self, certificate: Certificate) {
        self.certificate = Some(Mutex::new(certificate));
    }

    /// For a party that was told of none yet.
    pub(super) fn certificate(&self, now: Now) -> Option<Certificate> {
        let held = self.certificate.as_ref()?;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.unix + Self::RENEWAL >= held.not_after()
            && let Ok(renewed) = Certificate::generate(now)
        {
            *held = renewed;
        }
        Some(held.clone())
    }

    /// `first`: the first of the addresses that are shown.
    pub(super) fn foundation(&self, pool: PoolId, first: PoolId, interfaces: &Interfaces) -> &str {
        let all = self.foundations.get_or_init(|| {
            let one = |_| alphanumeric(&*self.entropy, Self::FOUNDATION_LEN);
            (0..2 * interfaces.len()).map(one).collect()
        });
        let v6 = usize::from(interfaces.ports(first).address().is_ipv6());
        all.get(2 * pool.index() + v6).map_or("1", |word| word)
    }
}
