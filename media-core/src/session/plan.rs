//! What has been agreed on about a call's media, for whoever makes it work.

use std::sync::Arc;

use super::call::Call;
use super::call::Media;
use super::security::{Ice, Security, is_same_protection};
use super::{SessionError, Sessions};
use crate::media::transcode::Plan;

/// One section, seen from one party.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlan {
    /// The party's tag; empty before there is one.
    pub tag: String,
    /// The section, counted from 1.
    pub index: u32,
    /// How packets between us and the party are protected.
    pub security: Security,
    /// ICE between us and the party.
    pub ice: Ice,
    /// The party's packets reach the other one under the key that they come with: they need not be
    /// touched.
    pub untouched: bool,
    /// What becomes of the party's codecs on their way to the other one; `None`: nothing has to be done.
    pub transcode: Option<Arc<Plan>>,
}

impl Media {
    /// How packets between us and the party are protected.
    pub(super) fn security(&self) -> Security {
        match self.ice.passthrough {
            true => Security::PassThrough,
            false => self.protection.agreed.clone(),
        }
    }

    /// ICE between us and the party.
    pub(super) fn ice(&self) -> Ice {
        self.ice.settings(self.controlling)
    }

    /// Do this party's packets reach the `other` as they are?
    pub(super) fn passes_untouched(&self, other: &Self) -> bool {
        match (&self.protection.agreed, &other.protection.agreed) {
            _ if self.ice.passthrough => true,
            // Of the other way's numbers its RTCP speaks.
            _ if self.transcode.is_some() || other.transcode.is_some() => false,
            _ if self.touched || self.rtcp_interval.is_some() => false,
            _ if self.recrypt || other.recrypt => false,
            (Security::Plain, Security::Plain) => true,
            (Security::Sdes(from), Security::Sdes(to)) => {
                is_same_protection(&from.receive, &to.send)
            }
            _ => false,
        }
    }
}

impl Call {
    fn plans(&self) -> Vec<MediaPlan> {
        let parties = self.parties.iter().filter(|party| !party.closed);
        parties
            .flat_map(|party| {
                let peer = party.peer.and_then(|peer| self.parties.get(peer));
                party
                    .medias
                    .iter()
                    .zip(1..)
                    .map(move |(media, index)| MediaPlan {
                        tag: party.tag.to_string(),
                        index,
                        security: media.security(),
                        ice: media.ice(),
                        untouched: peer
                            .and_then(|peer| peer.medias.get(usize::try_from(index).ok()? - 1))
                            .is_some_and(|other| media.passes_untouched(other)),
                        transcode: media.transcode.clone(),
                    })
            })
            .collect()
    }
}

impl Sessions {
    /// What has been agreed on about each section of each party of a call, in the order of `query`.
    ///
    /// # Errors
    /// [`SessionError::UnknownCall`].
    pub fn plans(&self, call_id: &str) -> Result<Vec<MediaPlan>, SessionError> {
        let entry = self.registry.find(call_id);
        let entry = entry.ok_or(SessionError::UnknownCall)?;
        Ok(entry.lock().plans())
    }
}
