//! DTLS as far as it is plain: records, handshake fragments, ClientHello (RFC 6347 §4, RFC 9147 §4).
//!
//! Refuses everything of DTLS 1.0 but its record header, and looks into no encrypted record: those of
//! DTLS 1.3 (first byte `001xxxxx`) end the walk over a datagram.
//!
//! ```text
//! record:    | type 8 | version 16 | epoch 16 | sequence number 48 | length 16 | fragment … |
//! handshake: | type 8 | length 24 | message_seq 16 | offset 24 | fragment length 24 | bytes … |
//! ```

use super::take;

/// Length of a plain record's header, bytes.
pub const RECORD_HEADER_LEN: usize = 13;
/// Length of a handshake fragment's header, bytes.
pub const HANDSHAKE_HEADER_LEN: usize = 12;
/// Longest ClientHello that is worth reading, bytes: browsers with post-quantum key shares send 1500.
pub const MAX_CLIENT_HELLO_LEN: usize = 4096;
/// Content type of ChangeCipherSpec (RFC 5246 §6.2.1).
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// Content type of alerts.
pub const ALERT: u8 = 21;
/// Content type of handshake messages.
pub const HANDSHAKE: u8 = 22;
/// Content type of application data.
pub const APPLICATION_DATA: u8 = 23;
/// Handshake type of a ClientHello.
pub const CLIENT_HELLO: u8 = 1;
/// Version field of DTLS 1.0, which the first record of a newer client may carry as well.
pub const DTLS_1_0: u16 = 0xfeff;
/// Version field of DTLS 1.2.
pub const DTLS_1_2: u16 = 0xfefd;
/// Version field of DTLS 1.3.
pub const DTLS_1_3: u16 = 0xfefc;
/// Extension type of use_srtp (RFC 5764 §9).
pub const EXT_USE_SRTP: u16 = 14;
/// Extension type of supported_versions (RFC 8446 §4.2.1).
pub const EXT_SUPPORTED_VERSIONS: u16 = 43;

/// Version, random, one suite, one compression method and the lengths between them.
const MIN_CLIENT_HELLO_LEN: usize = 2 + 32 + 1 + 1 + 2 + 2 + 1 + 1;

/// Why bytes are not a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientHelloError {
    /// A field runs past the end.
    #[error("ClientHello of {0} bytes ends in the middle of a field")]
    Truncated(usize),
    /// Something follows the extensions.
    #[error("{0} bytes follow the ClientHello's extensions")]
    TrailingBytes(usize),
}

/// One record whose header is plain; its fragment may be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the fragment is, for example [`HANDSHAKE`].
    pub content_type: u8,
    /// Version field: says little, an early record often carries an older one.
    pub version: u16,
    /// Which keys protect it; 0: none.
    pub epoch: u16,
    /// 48 bits.
    pub sequence: u64,
    /// Everything behind the header.
    pub fragment: &'a [u8],
}

/// The plain-headed records of one datagram, in their order. Stops at the first defect.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Walks `datagram`.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut rest = self.rest;
        let record = parse_record(&mut rest);
        self.rest = if record.is_some() { rest } else { &[] };
        record
    }
}

fn parse_record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let &[content_type] = take(rest)?;
    if !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&content_type) {
        return None;
    }
    let version = take_u16(rest)?;
    let epoch = take_u16(rest)?;
    let &[s0, s1, s2, s3, s4, s5] = take(rest)?;
    let fragment = take_vec16(rest)?;
    let known = matches!(version, DTLS_1_0 | DTLS_1_2 | DTLS_1_3);
    known.then_some(Record {
        content_type,
        version,
        epoch,
        sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
        fragment,
    })
}

/// A piece of a handshake message, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeFragment<'a> {
    /// For example [`CLIENT_HELLO`].
    pub message_type: u8,
    /// Length of the whole message, bytes without headers.
    pub message_len: usize,
    /// The message's number in its direction.
    pub message_seq: u16,
    /// Where in the message the piece belongs, bytes. `offset + data.len()` is at most `message_len`.
    pub offset: usize,
    /// The piece.
    pub data: &'a [u8],
}

impl HandshakeFragment<'_> {
    /// Whether it is all of its message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.data.len() == self.message_len
    }
}

/// The handshake fragments of one plain record. Stops at the first defect.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeFragments<'a> {
    rest: &'a [u8],
}

impl<'a> HandshakeFragments<'a> {
    /// Walks the fragment of a record of content type [`HANDSHAKE`].
    #[must_use]
    pub const fn new(record_fragment: &'a [u8]) -> Self {
        Self {
            rest: record_fragment,
        }
    }
}

impl<'a> Iterator for HandshakeFragments<'a> {
    type Item = HandshakeFragment<'a>;

    fn next(&mut self) -> Option<HandshakeFragment<'a>> {
        let mut rest = self.rest;
        let fragment = parse_fragment(&mut rest);
        self.rest = if fragment.is_some() { rest } else { &[] };
        fragment
    }
}

fn parse_fragment<'a>(rest: &mut &'a [u8]) -> Option<HandshakeFragment<'a>> {
    let &[message_type] = take(rest)?;
    let message_len = take_u24(rest)?;
    let message_seq = take_u16(rest)?;
    let offset = take_u24(rest)?;
    let data = take_vec24(rest)?;
    (offset + data.len() <= message_len).then_some(HandshakeFragment {
        message_type,
        message_len,
        message_seq,
        offset,
        data,
    })
}

/// Whether a datagram begins with the beginning of a ClientHello: what a server makes state for, and
/// nothing else.
///
/// Costs a few comparisons. The later fragments of a ClientHello alone do not count: who gets them first
/// drops them, and the client sends them again.
#[must_use]
pub fn is_client_hello(datagram: &[u8]) -> bool {
    let Some(record) = Records::new(datagram).next() else {
        return false;
    };
    if record.content_type != HANDSHAKE || record.epoch != 0 {
        return false;
    }
    HandshakeFragments::new(record.fragment)
        .next()
        .is_some_and(|fragment| {
            fragment.message_type == CLIENT_HELLO
                && fragment.offset == 0
                && (MIN_CLIENT_HELLO_LEN..=MAX_CLIENT_HELLO_LEN).contains(&fragment.message_len)
                // legacy_version: DTLS counts down, from 0xfeff on.
                && fragment.data.starts_with(&[0xfe])
        })
}

/// A ClientHello (RFC 6347 §4.3.2), without its handshake header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// Highest version without [`EXT_SUPPORTED_VERSIONS`].
    pub legacy_version: u16,
    /// The client's random.
    pub random: &'a [u8; 32],
    /// Session to resume; empty: none.
    pub session_id: &'a [u8],
    /// What a HelloVerifyRequest gave; empty: none yet.
    pub cookie: &'a [u8],
    cipher_suites: &'a [u8],
    compression_methods: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Checks all lengths.
    ///
    /// # Errors
    /// The first defect found, see [`ClientHelloError`].
    pub fn parse(message: &'a [u8]) -> Result<Self, ClientHelloError> {
        let mut rest = message;
        let hello = Self::take(&mut rest).ok_or(ClientHelloError::Truncated(message.len()))?;
        if !rest.is_empty() {
            return Err(ClientHelloError::TrailingBytes(rest.len()));
        }
        let mut extensions = hello.extensions();
        while extensions.next().is_some() {}
        if extensions.rest.is_empty() {
            Ok(hello)
        } else {
            Err(ClientHelloError::Truncated(message.len()))
        }
    }

    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let hello = Self {
            legacy_version: take_u16(rest)?,
            random: take(rest)?,
            session_id: take_vec8(rest)?,
            cookie: take_vec8(rest)?,
            cipher_suites: take_vec16(rest)?,
            compression_methods: take_vec8(rest)?,
            // A hello without extensions may end here (RFC 5246 §7.4.1.2).
            extensions: if rest.is_empty() {
                &[]
            } else {
                take_vec16(rest)?
            },
        };
        hello.cipher_suites.len().is_multiple_of(2).then_some(hello)
    }

    /// Cipher suites, the client's favourite first.
    pub fn cipher_suites(&self) -> impl Iterator<Item = u16> + 'a {
        numbers(self.cipher_suites)
    }
    /// Whether it can do without compression, as it must.
    #[must_use]
    pub fn offers_null_compression(&self) -> bool {
        self.compression_methods.contains(&0)
    }
    /// The extensions in their order.
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'a> {
        Extensions {
            rest: self.extensions,
        }
    }
    /// Body of the first extension of this type.
    #[must_use]
    pub fn extension(&self, extension_type: u16) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(t, _)| *t == extension_type)
            .map(|(_, body)| body)
    }
    /// Whether it offers this version: by [`EXT_SUPPORTED_VERSIONS`] if that is there, else by its
    /// legacy version, where older versions have greater numbers.
    #[must_use]
    pub fn offers_version(&self, version: u16) -> bool {
        match self.extension(EXT_SUPPORTED_VERSIONS) {
            Some(mut body) => take_vec8(&mut body)
                .is_some_and(|versions| numbers(versions).any(|offered| offered == version)),
            None => version >= self.legacy_version && version != DTLS_1_3,
        }
    }
    /// The SRTP protection profiles of use_srtp (RFC 5764 §4.1.1), the client's favourite first.
    /// `None`: it does not want SRTP.
    #[must_use]
    pub fn srtp_profiles(&self) -> Option<impl Iterator<Item = u16> + 'a> {
        let mut body = self.extension(EXT_USE_SRTP)?;
        Some(numbers(take_vec16(&mut body)?))
    }
}

/// Extensions of a hello: type and body.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Walks the bytes behind the length of all extensions.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest;
        let extension = (take_u16(&mut rest)?, take_vec16(&mut rest)?);
        self.rest = rest;
        Some(extension)
    }
}

/// The 16-bit numbers of a list; an odd byte at the end is left out.
pub(crate) fn numbers(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let (pairs, _) = list.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair))
}

/// Cuts 16 bits off, in network order.
pub(crate) fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    take(rest).map(|b| u16::from_be_bytes(*b))
}

/// Cuts 24 bits off, in network order.
pub(crate) fn take_u24(rest: &mut &[u8]) -> Option<usize> {
    let &[high, middle, low] = take(rest)?;
    Some(usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low))
}

/// Cuts `len` bytes off.
pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (bytes, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(bytes)
}

/// Cuts off a length of 8 bits and as many bytes.
pub(crate) fn take_vec8<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let &[len] = take(rest)?;
    take_bytes(rest, len.into())
}

/// Cuts off a length of 16 bits and as many bytes.
pub(crate) fn take_vec16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_u16(rest)?;
    take_bytes(rest, len.into())
}

/// Cuts off a length of 24 bits and as many bytes.
pub(crate) fn take_vec24<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_u24(rest)?;
    take_bytes(rest, len)
}

#[cfg(test)]
mod tests;
