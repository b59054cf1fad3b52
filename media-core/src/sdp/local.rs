//! What we put into a section about keys, certificates and ICE, and how it is written.

use std::fmt::Display;

use super::crypto::CryptoAttribute;
use super::dtls::{Setup, write_fingerprint};
use super::ice::IceCredentials;
use super::options::Edits;
use super::rewrite::Writer;
use crate::dtls::Fingerprint;
use crate::ice::{Candidate, RemoteCandidates};

/// What we put into one section about keys, certificate and ICE. All that the description itself says
/// about them is taken out, unless `passthrough` keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalSecurity<'a> {
    /// `a=crypto`, in order.
    pub crypto: &'a [CryptoAttribute],
    /// Base64 in them ends with its `=`.
    pub padded: bool,
    /// `a=setup` and `a=fingerprint`.
    pub dtls: Option<LocalDtls>,
    /// ICE.
    pub ice: Option<LocalIce<'a>>,
    /// The description's own lines stay where they are.
    pub passthrough: bool,
}

/// Our side of DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDtls {
    /// `a=setup`.
    pub setup: Setup,
    /// `a=fingerprint`.
    pub fingerprint: Fingerprint,
}

/// Our side of ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalIce<'a> {
    /// `a=ice-ufrag` and `a=ice-pwd`; `None`: the description's own stay.
    pub credentials: Option<&'a IceCredentials>,
    /// `a=candidate`, in order.
    pub candidates: &'a [Candidate],
    /// `a=remote-candidates` (RFC 8839 §5.2), if there is such a line.
    pub remote_candidates: Option<&'a RemoteCandidates>,
    /// `a=ice-options:trickle`, and `a=end-of-candidates` behind the candidates.
    pub trickle: bool,
    /// `a=ice-lite` on the session level.
    pub lite: bool,
}

impl Writer<'_> {
    /// Keys and certificate.
    pub(super) fn keys(&mut self, local: &LocalSecurity<'_>, edits: Option<&Edits>) {
        for line in local.crypto {
            self.attribute_with(edits, |out| {
                out.extend_from_slice(b"a=crypto:");
                line.write(local.padded, out);
            });
        }
        if let Some(dtls) = &local.dtls {
            self.attribute_with(edits, |out| {
                out.extend_from_slice(b"a=setup:");
                out.extend_from_slice(dtls.setup.name().as_bytes());
            });
            self.attribute_with(edits, |out| {
                out.extend_from_slice(b"a=fingerprint:");
                write_fingerprint(&dtls.fingerprint, out);
            });
        }
    }

    /// ICE, without `a=end-of-candidates`.
    pub(super) fn ice(&mut self, local: &LocalIce<'_>, edits: Option<&Edits>) {
        let mut named = |name: &str, value: &dyn Display| {
            self.attribute_fmt(format_args!("a={name}:{value}"), edits);
        };
        if let Some(credentials) = local.credentials {
            named("ice-ufrag", &credentials.ufrag);
            named("ice-pwd", &credentials.pwd);
        }
        if local.trickle {
            named("ice-options", &"trickle");
        }
        for candidate in local.candidates {
            named("candidate", candidate);
        }
        if let Some(remote) = local.remote_candidates {
            named("remote-candidates", remote);
        }
    }
}
