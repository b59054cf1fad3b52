//! What makes this program one's own on the wire: random values, certificate, foundations.

use std::sync::{Arc, OnceLock};

use super::entropy::{Entropy, SystemEntropy, alphanumeric};
use super::interfaces::{Interfaces, PoolId};
use super::security::LocalCertificate;

/// Of one program, for all its calls.
pub(super) struct Identity {
    pub(super) entropy: Arc<dyn Entropy>,
    /// Without one there is no DTLS.
    pub(super) certificate: Option<Arc<dyn LocalCertificate>>,
    /// Of the candidates at each local address (RFC 8445 §5.1.1.3).
    foundations: OnceLock<Vec<Box<str>>>,
}

impl Identity {
    const FOUNDATION_LEN: usize = 16;

    pub(super) fn new() -> Self {
        Self {
            entropy: Arc::new(SystemEntropy),
            certificate: None,
            foundations: OnceLock::new(),
        }
    }

    pub(super) fn foundation(&self, pool: PoolId, interfaces: &Interfaces) -> &str {
        let all = self.foundations.get_or_init(|| {
            let one = |_| alphanumeric(&*self.entropy, Self::FOUNDATION_LEN);
            (0..interfaces.len()).map(one).collect()
        });
        all.get(pool.index()).map_or("1", |word| word)
    }
}
