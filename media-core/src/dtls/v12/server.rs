//! The server: lets the client choose from what we have, and wants its certificate.

use std::time::Instant;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::dtls::DtlsFailure;
use crate::dtls::der;
use crate::dtls::failure::alert;
use crate::dtls::inbox::Message;
use crate::dtls::keys::profile_of;
use crate::srtp::CryptoSuite;
use crate::wire::dtls::{ClientHello, DTLS_1_2, DTLS_1_3};

use super::message as m;
use super::suite::{GROUPS, OUR_SCHEME, SUITES, Suite, verify};
use super::{
    BAD_SIGNATURE, Dtls12, Fatal, INTERNAL, MALFORMED, RENEGOTIATION, State, UNEXPECTED, fatal,
};

/// Ends the random of a server that has 1.3, so that a client that offered it finds out who took it away
/// (RFC 8446 §4.1.3). Where we have seen the offer and decline it, the client must not object.
const DOWNGRADE: [u8; 8] = *b"DOWNGRD\x01";

const NO_COMMON_CIPHER: Fatal = fatal(DtlsFailure::NoCommonCipher, alert::HANDSHAKE_FAILURE);

impl Dtls12 {
    pub(super) fn on_client_message(
        &mut self,
        now: Instant,
        message: &Message,
    ) -> Result<(), Fatal> {
        match (self.state, message.kind) {
            (State::ClientHello, m::CLIENT_HELLO) => self.on_client_hello(now, message),
            (State::ClientCertificate, m::CERTIFICATE) => {
                self.on_peer_certificate(message, State::ClientKeyExchange)
            }
            (State::ClientKeyExchange, m::CLIENT_KEY_EXCHANGE) => {
                let point = m::parse_client_key_exchange(&message.body).ok_or(MALFORMED)?;
                self.remember(message);
                self.derive_keys(point)?;
                self.state = State::CertificateVerify;
                Ok(())
            }
            (State::CertificateVerify, m::CERTIFICATE_VERIFY) => {
                self.on_certificate_verify(message)?;
                // Finished may have overtaken what it depends on.
                self.read_early(now)
            }
            (State::ClientFinished, m::FINISHED) => {
                self.check_finished(message)?;
                self.flight.begin();
                self.say_finished()?;
                // If it gets lost, the client repeats its own flight.
                self.flight.send(now, false);
                self.establish()
            }
            (State::Established, _) => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    fn on_client_hello(&mut self, now: Instant, message: &Message) -> Result<(), Fatal> {
        let hello = ClientHello::parse(&message.body).map_err(|_| MALFORMED)?;
        if let Some(cookie) = self.cookie
            && verify_slices_are_equal(hello.cookie, &cookie).is_err()
        {
            return self.ask_again(now, &cookie);
        }
        if !hello.offers_version(DTLS_1_2) {
            return Err(fatal(DtlsFailure::NoCommonVersion, alert::PROTOCOL_VERSION));
        }
        let offers = m::ClientOffers::new(&hello);
        if offers.is_renegotiation() {
            return Err(RENEGOTIATION);
        }
        self.suite = choose_suite(&hello).ok_or(NO_COMMON_CIPHER)?;
        let group = GROUPS
            .iter()
            .find(|group| offers.takes_group(group.id))
            .ok_or(NO_COMMON_CIPHER)?;
        if !hello.offers_null_compression() || !offers.takes_scheme(OUR_SCHEME) {
            return Err(NO_COMMON_CIPHER);
        }
        let srtp = choose_srtp(&hello, &self.srtp_suites)?;
        self.srtp = Some(srtp);
        self.extended_master_secret = offers.extended_master_secret();
        self.client_random = *hello.random;
        if !hello.offers_version(DTLS_1_3)
            && let Some(end) = self.server_random.last_chunk_mut()
        {
            *end = DOWNGRADE;
        }
        self.remember(message);
        self.answer_client(
            now,
            m::server_hello(&self.server_random, self.suite.id, srtp, &offers),
            group,
        )
    }

    /// Whoever forged its address does not get this cookie (RFC 6347 §4.2.1).
    fn ask_again(&mut self, now: Instant, cookie: &[u8]) -> Result<(), Fatal> {
        self.flight.begin();
        self.say(0, m::HELLO_VERIFY_REQUEST, m::hello_verify_request(cookie));
        self.transcript.clear();
        // The client repeats its hello if this gets lost.
        self.flight.send(now, false);
        Ok(())
    }

    fn answer_client(
        &mut self,
        now: Instant,
        server_hello: Vec<u8>,
        group: &'static super::Group,
    ) -> Result<(), Fatal> {
        let own = PrivateKey::generate(group.algorithm).map_err(|_| INTERNAL)?;
        let point = own.compute_public_key().map_err(|_| INTERNAL)?;
        let params = m::key_exchange_params(group.id, point.as_ref());
        self.exchange = Some((group, own));
        let to_sign = [self.client_random.as_slice(), &self.server_random, &params].concat();
        let signature = self.certificate.sign(&to_sign).map_err(|_| INTERNAL)?;
        let key_exchange = m::signed(&params, OUR_SCHEME, &signature);
        let certificate = m::certificate(self.certificate.der());
        self.flight.begin();
        self.say(0, m::SERVER_HELLO, server_hello);
        self.say(0, m::CERTIFICATE, certificate);
        self.say(0, m::SERVER_KEY_EXCHANGE, key_exchange);
        self.say(0, m::CERTIFICATE_REQUEST, m::certificate_request());
        self.say(0, m::SERVER_HELLO_DONE, Vec::new());
        self.state = State::ClientCertificate;
        self.flight.send(now, true);
        Ok(())
    }

    fn on_certificate_verify(&mut self, message: &Message) -> Result<(), Fatal> {
        let (scheme, signature) = m::parse_signed(&message.body).ok_or(MALFORMED)?;
        let key = der::public_key(&self.peer_certificate).ok_or(INTERNAL)?;
        if !verify(key, scheme, &self.transcript, signature) {
            return Err(BAD_SIGNATURE);
        }
        self.remember(message);
        self.state = State::ClientFinished;
        Ok(())
    }
}

/// Our favourite of the client's suites that go with our certificate.
fn choose_suite(hello: &ClientHello<'_>) -> Option<&'static Suite> {
    SUITES
        .iter()
        .find(|suite| !suite.is_rsa && hello.cipher_suites().any(|offered| offered == suite.id))
}

/// Our favourite of the client's SRTP profiles.
fn choose_srtp(hello: &ClientHello<'_>, ours: &[CryptoSuite]) -> Result<CryptoSuite, Fatal> {
    let offered: Vec<u16> = hello
        .srtp_profiles()
        .ok_or(fatal(DtlsFailure::NoSrtpKeys, alert::HANDSHAKE_FAILURE))?
        .collect();
    ours.iter()
        .copied()
        .find(|suite| profile_of(*suite).is_some_and(|profile| offered.contains(&profile)))
        .ok_or(fatal(
            DtlsFailure::NoCommonProfile,
            alert::INSUFFICIENT_SECURITY,
        ))
}
