//! The machinery of the differential test: dialogues in text, run against two daemons, answers
//! compared. The format of the `.cases` files is told in [`case`].

pub(crate) mod accepted;
pub(crate) mod case;
pub(crate) mod diff;
pub(crate) mod ice_peer;
pub(crate) mod names;
pub(crate) mod notation;
pub(crate) mod render;
pub(crate) mod reports;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod secure;
