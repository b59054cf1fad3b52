//! Why a description was refused.

/// What is wrong with a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing before the first empty line.
    #[error("description is empty")]
    Empty,
    /// More than [`super::SessionDescription::MAX_LEN`] octets.
    #[error("description has {0} octets")]
    TooLong(usize),
    /// More than [`super::SessionDescription::MAX_MEDIA`] `m=` sections.
    #[error("more than {0} media sections")]
    TooManyMedia(usize),
    /// It does not begin with `v=0`.
    #[error("first line is not v=0")]
    Version,
    /// Not `<known letter>=<value>`.
    #[error("line {0} is not of the form letter=value")]
    Line(usize),
    /// `o=` has too few fields, or there are two.
    #[error("line {0}: bad or second o=")]
    Origin(usize),
    /// `c=` is not a literal unicast address of the stated family, or the section has two.
    #[error("line {0}: bad or second c=")]
    Connection(usize),
    /// `m=` has too few fields or a port that is none.
    #[error("line {0}: bad m=")]
    Media(usize),
    /// A section has no `c=`, and the session has none either.
    #[error("media section {0} has no connection address")]
    NoConnection(usize),
    /// An RTP section lists something that is not a payload type.
    #[error("media section {0} lists a format that is no payload type")]
    PayloadType(usize),
}

impl ParseError {
    /// The text is well-formed, but something needed is not in it (NG tells the two apart).
    #[must_use]
    pub const fn is_incomplete(self) -> bool {
        matches!(
            self,
            ParseError::NoConnection(_) | ParseError::PayloadType(_)
        )
    }
}

/// Why no description could be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// There is nothing to rewrite.
    #[error("description has no media section")]
    NoMedia,
    /// The caller's list does not match the description.
    #[error("{given} local sections for {wanted} media sections")]
    SectionCount {
        /// Sections given.
        given: usize,
        /// Sections in the description.
        wanted: usize,
    },
}
