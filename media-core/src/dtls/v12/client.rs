//! The client: says hello and answers the server's one long flight.

use std::time::Instant;

use aws_lc_rs::agreement::PrivateKey;

use crate::dtls::DtlsFailure;
use crate::dtls::der;
use crate::dtls::failure::alert;
use crate::dtls::inbox::Message;
use crate::wire::dtls::DTLS_1_2;

use super::message as m;
use super::suite::{GROUPS, OUR_SCHEME, SUITES, verify};
use super::{
    BAD_SIGNATURE, Dtls12, Fatal, ILLEGAL, INTERNAL, MALFORMED, RENEGOTIATION, State, UNEXPECTED,
    fatal,
};

impl Dtls12 {
    /// Starts, or starts again with the server's cookie.
    pub(super) fn say_hello(&mut self, now: Instant, cookie: &[u8]) {
        // The hash covers neither the first hello nor the request (RFC 6347 §4.2.1).
        self.transcript.clear();
        self.flight.begin();
        let hello = m::client_hello(&self.client_random, cookie, &self.srtp_suites);
        self.say(0, m::CLIENT_HELLO, hello);
        self.flight.send(now, true);
    }

    pub(super) fn on_server_message(
        &mut self,
        now: Instant,
        message: &Message,
    ) -> Result<(), Fatal> {
        match (self.state, message.kind) {
            // Once: a second request in answer to a cookie would go on for ever.
            (State::ServerHello, m::HELLO_VERIFY_REQUEST) if self.next_message == 1 => {
                let cookie = m::parse_hello_verify_request(&message.body).ok_or(MALFORMED)?;
                self.say_hello(now, cookie);
                Ok(())
            }
            (State::ServerHello, m::SERVER_HELLO) => self.on_server_hello(message),
            (State::ServerCertificate, m::CERTIFICATE) => {
                self.on_peer_certificate(message, State::ServerKeyExchange)
            }
            (State::ServerKeyExchange, m::SERVER_KEY_EXCHANGE) => {
                self.on_server_key_exchange(message)
            }
            (State::ServerHelloDone, m::CERTIFICATE_REQUEST) if !self.certificate_wanted => {
                self.certificate_wanted = true;
                self.remember(message);
                Ok(())
            }
            (State::ServerHelloDone, m::SERVER_HELLO_DONE) if message.body.is_empty() => {
                self.remember(message);
                self.answer_server(now)
            }
            (State::ServerFinished, m::FINISHED) => {
                self.check_finished(message)?;
                self.flight.begin();
                self.establish()
            }
            // A request to renegotiate, most likely: we may ignore it (RFC 5246 §7.4.1.1).
            (State::Established, _) => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    fn on_server_hello(&mut self, message: &Message) -> Result<(), Fatal> {
        let hello = m::parse_server_hello(&message.body).ok_or(MALFORMED)?;
        if hello.version != DTLS_1_2 {
            return Err(fatal(DtlsFailure::NoCommonVersion, alert::PROTOCOL_VERSION));
        }
        let suite = SUITES.iter().find(|suite| suite.id == hello.suite);
        self.suite = suite.ok_or(ILLEGAL)?;
        if hello.compression != 0 || hello.has_mki {
            return Err(ILLEGAL);
        }
        if hello.is_renegotiation {
            return Err(RENEGOTIATION);
        }
        let profile = hello
            .srtp_profile
            .ok_or(fatal(DtlsFailure::NoSrtpKeys, alert::HANDSHAKE_FAILURE))?;
        let profile = profile.filter(|profile| self.srtp_suites.contains(profile));
        self.srtp = Some(profile.ok_or(fatal(
            DtlsFailure::NoCommonProfile,
            alert::ILLEGAL_PARAMETER,
        ))?);
        self.extended_master_secret = hello.extended_master_secret;
        self.server_random = hello.random;
        self.remember(message);
        self.state = State::ServerCertificate;
        Ok(())
    }

    /// Keeps the first certificate of the peer's chain; of both roles.
    pub(super) fn on_peer_certificate(
        &mut self,
        message: &Message,
        next: State,
    ) -> Result<(), Fatal> {
        let first = m::parse_certificate(&message.body).ok_or(MALFORMED)?;
        let der = first.ok_or(fatal(
            DtlsFailure::NoPeerCertificate,
            alert::HANDSHAKE_FAILURE,
        ))?;
        if der::public_key(der).is_none() {
            return Err(fatal(
                DtlsFailure::UnsupportedCertificate,
                alert::UNSUPPORTED_CERTIFICATE,
            ));
        }
        self.peer_certificate = der.to_vec();
        self.remember(message);
        self.state = next;
        Ok(())
    }

    fn on_server_key_exchange(&mut self, message: &Message) -> Result<(), Fatal> {
        let exchange = m::parse_server_key_exchange(&message.body).ok_or(MALFORMED)?;
        let group = GROUPS
            .iter()
            .find(|group| group.id == exchange.group)
            .ok_or(ILLEGAL)?;
        let key = der::public_key(&self.peer_certificate).ok_or(INTERNAL)?;
        if (key.kind == der::KeyKind::Rsa) != self.suite.is_rsa {
            return Err(ILLEGAL);
        }
        let signed = [
            self.client_random.as_slice(),
            &self.server_random,
            exchange.params,
        ]
        .concat();
        if !verify(key, exchange.scheme, &signed, exchange.signature) {
            return Err(BAD_SIGNATURE);
        }
        let own = PrivateKey::generate(group.algorithm).map_err(|_| INTERNAL)?;
        self.exchange = Some((group, own));
        self.server_point = exchange.point.to_vec();
        self.remember(message);
        self.state = State::ServerHelloDone;
        Ok(())
    }

    /// The server waits: certificate, key share, signature, Finished.
    fn answer_server(&mut self, now: Instant) -> Result<(), Fatal> {
        self.flight.begin();
        if self.certificate_wanted {
            let certificate = m::certificate(self.certificate.der());
            self.say(0, m::CERTIFICATE, certificate);
        }
        let (_, own) = self.exchange.as_ref().ok_or(INTERNAL)?;
        let point = own.compute_public_key().map_err(|_| INTERNAL)?;
        let share = m::client_key_exchange(point.as_ref());
        self.say(0, m::CLIENT_KEY_EXCHANGE, share);
        let server_point = std::mem::take(&mut self.server_point);
        self.derive_keys(&server_point)?;
        if self.certificate_wanted {
            let signature = self
                .certificate
                .sign(&self.transcript)
                .map_err(|_| INTERNAL)?;
            let verify = m::signed(&[], OUR_SCHEME, &signature);
            self.say(0, m::CERTIFICATE_VERIFY, verify);
        }
        self.say_finished()?;
        self.state = State::ServerFinished;
        self.flight.send(now, true);
        self.read_early(now)
    }
}
