//! The passive side's first choice: which stack serves this client.

use crate::wire::dtls::{
    CLIENT_HELLO, ClientHello, DTLS_1_2, DTLS_1_3, HANDSHAKE, HandshakeFragments,
    MAX_CLIENT_HELLO_LEN, Records, is_client_hello,
};

use super::inbox::{Inbox, Message};
use super::keys::suite_of;
use super::v13;
use super::{AssociationConfig, DtlsVersion};

/// Room for the longest hello and for fragments that come twice.
const MAX_HELD: usize = 2 * MAX_CLIENT_HELLO_LEN;
const MAX_DATAGRAMS: usize = 16;

/// Holds the datagrams of a ClientHello until it is whole.
#[derive(Default)]
pub(super) struct HelloBuffer {
    datagrams: Vec<Vec<u8>>,
    inbox: Option<Inbox>,
}

impl HelloBuffer {
    /// Takes a datagram. Returns the hello once it is whole.
    pub(super) fn push(&mut self, datagram: &[u8]) -> Option<Message> {
        let held: usize = self.datagrams.iter().map(Vec::len).sum();
        if held + datagram.len() > MAX_HELD || self.datagrams.len() == MAX_DATAGRAMS {
            *self = Self::default();
        }
        let fragments = Records::new(datagram)
            .filter(|record| record.epoch == 0 && record.content_type == HANDSHAKE)
            .flat_map(|record| HandshakeFragments::new(record.fragment))
            .filter(|fragment| {
                fragment.message_type == CLIENT_HELLO
                    && fragment.message_len <= MAX_CLIENT_HELLO_LEN
            });
        let mut useful = false;
        for fragment in fragments {
            if self.inbox.is_none() && is_client_hello(datagram) {
                self.inbox = Some(Inbox::new(fragment.message_seq));
            }
            let Some(inbox) = &mut self.inbox else {
                return None;
            };
            inbox.push(&fragment);
            useful = true;
        }
        if useful {
            self.datagrams.push(datagram.to_vec());
        }
        self.inbox.as_mut()?.pop()
    }

    /// Whether a hello has begun.
    pub(super) fn is_waiting(&self) -> bool {
        self.inbox.is_some()
    }

    /// What came so far, for the stack that was chosen.
    pub(super) fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }
}

/// Whether 1.3 is the version for this client.
pub(super) fn wants_1_3(hello: &ClientHello<'_>, config: &AssociationConfig) -> bool {
    let may = config.max_version == DtlsVersion::V1_3 && config.mtu >= v13::MIN_MTU;
    if !may || !hello.offers_version(DTLS_1_3) {
        return false;
    }
    // dimpl takes the client's first profile that it knows, and asks nobody.
    let profile = hello.srtp_profiles().and_then(|profiles| {
        profiles
            .filter_map(suite_of)
            .find(|s| v13::SUITES.contains(s))
    });
    match profile {
        Some(suite) => config.suites.contains(&suite),
        // Without a profile it fails in either version; 1.2 has the better word for it.
        None => !hello.offers_version(DTLS_1_2),
    }
}
